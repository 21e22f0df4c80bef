//! The driver runs on Windows too, so whatever only Unix has stands in one module of a crate.

use meso_tests::root;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::Item;

use crate::source::{Source, attributes_of, parse, production_items, production_sources};

/// What the program on a treatment-room computer is made of, in our own crates.
const CRATES: [&str; 12] = [
    "meso-bus",
    "meso-config",
    "meso-contract",
    "meso-delivery",
    "meso-domain",
    "meso-journal",
    "meso-limits",
    "meso-link-proto",
    "meso-room",
    "meso-serial",
    "meso-sessions",
    "mesofleet-driver",
];

/// The one file of a crate that may know which system it runs on.
const MODULE: &str = "platform.rs";

/// Words that name a system, or a library that is there on Unix only.
const SYSTEM_WORDS: [&str; 6] = ["unix", "linux", "target_os", "target_family", "nix", "libc"];

/// Each word of a source that names a system, with its line.
fn system_words(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if source.path.ends_with(&format!("/{MODULE}")) {
        return found;
    }
    for item in production_items(&source.file.items).filter(|item| !is_of_tests(item)) {
        scan(item.to_token_stream(), &source.path, &mut found);
    }
    found
}

/// Whether an item is only for tests on some system: `cfg(all(test, …))`.
fn is_of_tests(item: &Item) -> bool {
    attributes_of(item).iter().any(|attribute| {
        let words = attribute.to_token_stream().to_string();
        attribute.path().is_ident("cfg") && words.contains("all (test")
    })
}

fn scan(tokens: TokenStream, path: &str, found: &mut Vec<String>) {
    let mut waiting = vec![tokens];
    while let Some(tokens) = waiting.pop() {
        for tree in tokens {
            let line = tree.span().start().line;
            match tree {
                TokenTree::Group(group) => waiting.push(group.stream()),
                TokenTree::Ident(word) if SYSTEM_WORDS.iter().any(|known| word == known) => {
                    found.push(format!("{path}:{line}: {word}"));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn only_the_platform_module_of_a_driver_crate_knows_its_system() {
    let mut found = Vec::new();
    for name in CRATES {
        let folder = root().join("crates").join(name).join("src");
        assert!(folder.is_dir(), "{name} is gone: take it out of the list");
        let sources = production_sources(&folder);
        found.extend(sources.iter().flat_map(system_words));
    }
    assert!(
        found.is_empty(),
        "move to {MODULE} of the crate:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_call_that_only_unix_has_is_found_in_every_shape() {
    for text in [
        "use std::os::unix::fs::PermissionsExt as _;",
        "fn f() { #[cfg(unix)] { g(); } }",
        "#[cfg(target_os = \"linux\")] mod m {}",
        "fn f() { tokio::signal::unix::signal(k); }",
        "fn f() { nix::unistd::getpid(); }",
    ] {
        let found = system_words(&parse("crates/x/src/lib.rs", text));
        assert!(!found.is_empty(), "{text}");
        let moved = system_words(&parse("crates/x/src/platform.rs", text));
        assert!(moved.is_empty(), "{text}");
    }
    let tests = "#[cfg(all(test, unix))] mod tests { use std::os::unix::net::UnixStream; }";
    assert!(system_words(&parse("crates/x/src/lib.rs", tests)).is_empty());
    let harmless = "fn f(at: Timestamp) -> i64 { at.unix_ns() }";
    assert!(system_words(&parse("crates/x/src/lib.rs", harmless)).is_empty());
}
