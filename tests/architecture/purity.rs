//! Core crates are free of clocks, files, sockets, threads, async and randomness.

use meso_tests::root;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Item;

use crate::crates::table;
use crate::source::{Source, is_test_only, production_items, production_sources};

/// Words that no core crate needs: each is a clock, a runtime or a source of randomness.
const FORBIDDEN_WORDS: [&str; 11] = [
    "SystemTime",
    "Instant",
    "async",
    "await",
    "tokio",
    "getrandom",
    "OsRng",
    "SysRng",
    "thread_rng",
    "RandomState",
    "rand",
];

/// Modules of `std` that touch the machine.
const FORBIDDEN_MODULES: [&str; 6] = ["fs", "net", "thread", "process", "env", "os"];

/// Each forbidden word of a source, with its line.
fn impurities(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for item in production_items(&source.file.items) {
        scan(&production_tokens(item), &source.path, &mut found);
    }
    found
}

/// Each floating-point type or literal of a source, with its line.
fn floats(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: Vec<_> = production_items(&source.file.items)
        .map(production_tokens)
        .collect();
    while let Some(tokens) = waiting.pop() {
        for tree in tokens {
            let line = tree.span().start().line;
            match tree {
                TokenTree::Group(group) => waiting.push(group.stream()),
                TokenTree::Ident(word) if word == "f32" || word == "f64" => {
                    found.push(format!("{}:{line}: {word}", source.path));
                }
                TokenTree::Literal(literal) if is_float(&literal.to_string()) => {
                    found.push(format!("{}:{line}: {literal}", source.path));
                }
                _ => {}
            }
        }
    }
    found
}

fn is_float(literal: &str) -> bool {
    matches!(syn::parse_str(literal), Ok(syn::Lit::Float(_)))
}

/// The tokens of an item without its inner tests; comments are no tokens, and docs are literals.
fn production_tokens(item: &Item) -> TokenStream {
    let Item::Mod(module) = item else {
        return item.to_token_stream();
    };
    let Some((_, items)) = &module.content else {
        return TokenStream::new();
    };
    let inner = items
        .iter()
        .filter(|item| !is_test_only(crate::source::attributes_of(item)));
    inner.map(production_tokens).collect()
}

fn scan(tokens: &TokenStream, path: &str, found: &mut Vec<String>) {
    let trees: Vec<_> = tokens.clone().into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => scan(&group.stream(), path, found),
            TokenTree::Ident(word) => {
                let text = word.to_string();
                let line = word.span().start().line;
                if FORBIDDEN_WORDS.contains(&text.as_str()) {
                    found.push(format!("{path}:{line}: {text}"));
                }
                if text == "std" {
                    for module in modules_after(&trees[index + 1..]) {
                        if FORBIDDEN_MODULES.contains(&module.as_str()) {
                            found.push(format!("{path}:{line}: std::{module}"));
                        }
                    }
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The modules that `std` is followed by: one after `std::`, several after `std::{`.
fn modules_after(trees: &[TokenTree]) -> Vec<String> {
    let is_colon = |tree: Option<&TokenTree>| matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    if !is_colon(trees.first()) || !is_colon(trees.get(1)) {
        return Vec::new();
    }
    match trees.get(2) {
        Some(TokenTree::Ident(module)) => vec![module.to_string()],
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            inner
                .split(|tree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ','))
                .filter_map(|part| part.first().map(ToString::to_string))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn core_crates_read_no_clock_do_no_io_start_no_thread_and_draw_no_random_number() {
    let core: Vec<_> = table()
        .into_iter()
        .filter(|(_, row)| row.layer == "core")
        .collect();
    let mut found = Vec::new();
    for (name, _) in core {
        let sources = production_sources(&root().join("crates").join(&name).join("src"));
        assert!(!sources.is_empty(), "{name} has no sources");
        found.extend(sources.iter().flat_map(impurities));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Adapters that hold what the records say; other adapters may divide for a screen.
const KEEPERS_OF_RECORDS: [&str; 2] = ["meso-journal", "meso-store"];

#[test]
fn what_is_recorded_is_counted_in_whole_numbers() {
    let keeps_records = |name: &str, layer: &str| {
        matches!(layer, "core" | "contract") || KEEPERS_OF_RECORDS.contains(&name)
    };
    let crates: Vec<_> = table()
        .into_iter()
        .filter(|(name, row)| keeps_records(name, &row.layer))
        .collect();
    assert!(
        crates.len() >= 13,
        "only {} crates keep records",
        crates.len()
    );
    let mut found = Vec::new();
    for (name, _) in crates {
        let sources = production_sources(&root().join("crates").join(name).join("src"));
        found.extend(sources.iter().flat_map(floats));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_float_is_found() {
    let of = |text| floats(&crate::source::parse("x.rs", text));
    assert_eq!(of("fn f(a: f64) {}"), ["x.rs:1: f64"]);
    assert_eq!(of("\nconst A: u8 = g(1.5);"), ["x.rs:2: 1.5"]);
    assert!(of("const A: &str = \"1.5\"; const B: u8 = x.0.1;").is_empty());
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(impurities(&crate::source::parse("x.rs", text)), expected);
}

#[test]
fn each_impurity_is_found_with_its_line() {
    check("use std::time::Instant;", &["x.rs:1: Instant"]);
    check("use std::{fmt, fs};", &["x.rs:1: std::fs"]);
    check(
        "\nfn f() { std::thread::spawn(|| ()); }",
        &["x.rs:2: std::thread"],
    );
    check("fn f() {\n    later!(async { 1 });\n}", &["x.rs:2: async"]);
    check(
        "mod inner { use std::net::TcpStream; }",
        &["x.rs:1: std::net"],
    );
}

#[test]
fn comments_docs_and_tests_may_speak_of_clocks() {
    check("/// Not an Instant.\nfn f() {} // std::fs", &[]);
    check("#[cfg(test)]\nmod tests { use std::fs; }", &[]);
    check("mod a { #[cfg(test)] mod tests { use std::fs; } }", &[]);
    check("use std::fmt;", &[]);
}
