//! Functions and files stay short; known exceptions are listed and may only shrink.

use std::collections::BTreeMap;

use meso_tests::root;
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Block, ImplItemFn, Item, ItemFn, ItemMod, Signature, TraitItemFn};

use crate::source::{Source, attributes_of, is_test_only, parse, production_sources};

/// The longest function outside tests, in lines from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// The longest file, in lines, its tests not counted.
const FILE_LINES_MAX: usize = 500;

/// Exceptions, one a line: `file PATH LINES` or `function PATH NAME LINES`.
const RATCHET: &str = include_str!("ratchet.txt");

/// What is longer than it should be: a file or a function, and its lines.
type Lengths = BTreeMap<String, usize>;

fn too_long(sources: &[Source]) -> Lengths {
    let mut found = Lengths::new();
    for source in sources {
        let lines = source.line_count - test_lines(&source.file.items);
        if lines > FILE_LINES_MAX {
            found.insert(format!("file {}", source.path), lines);
        }
        let mut functions = Functions {
            path: &source.path,
            found: &mut found,
        };
        functions.visit_file(&source.file);
    }
    found
}

fn line_count(from: Span, to: Span) -> usize {
    to.end().line - from.start().line + 1
}

/// The lines of a file's items that exist only in tests.
fn test_lines(items: &[Item]) -> usize {
    let tests = items
        .iter()
        .filter(|item| is_test_only(attributes_of(item)));
    tests.map(|item| line_count(item.span(), item.span())).sum()
}

struct Functions<'a> {
    path: &'a str,
    found: &'a mut Lengths,
}

impl Functions<'_> {
    fn note(&mut self, signature: &Signature, block: &Block) {
        let lines = line_count(signature.span(), block.span());
        if lines > FUNCTION_LINES_MAX {
            let key = format!("function {} {}", self.path, signature.ident);
            // Functions of one name in one file share an entry: the longest counts.
            let longest = self.found.entry(key).or_insert(lines);
            *longest = lines.max(*longest);
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test_only(&item.attrs) {
            self.note(&item.sig, &item.block);
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.note(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.note(&item.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test_only(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

fn parse_ratchet(text: &str) -> Lengths {
    let entries = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries = entries.map(|line| {
        let (key, lines) = line
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("ratchet: {line:?}"));
        (
            key.to_owned(),
            lines
                .parse()
                .unwrap_or_else(|_| panic!("ratchet: {line:?}")),
        )
    });
    entries.collect()
}

/// What stands against the ratchet, and what the ratchet should now say.
fn violations(found: &Lengths, ratchet: &Lengths) -> Vec<String> {
    let grown = found
        .iter()
        .filter_map(|(key, lines)| match ratchet.get(key) {
            None => Some(format!("{key} is too long: {lines} lines; make it shorter")),
            Some(allowed) if lines > allowed => Some(format!(
                "{key} grew from {allowed} to {lines} lines; make it shorter"
            )),
            Some(allowed) if lines < allowed => Some(format!(
                "{key} shrank: write {lines} instead of {allowed} into ratchet.txt"
            )),
            Some(_) => None,
        });
    let gone = ratchet
        .keys()
        .filter(|key| !found.contains_key(*key))
        .map(|key| format!("{key} is short enough now: take it out of ratchet.txt"));
    grown.chain(gone).collect()
}

#[test]
fn functions_and_files_are_short_or_shrink() {
    let mut sources = production_sources(&root().join("crates"));
    sources.extend(production_sources(&root().join("tests")));
    assert!(
        sources.len() > 20,
        "only {} sources were found",
        sources.len()
    );
    let found = violations(&too_long(&sources), &parse_ratchet(RATCHET));
    assert!(found.is_empty(), "{found:#?}");
}

fn long_function(lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
}

#[test]
fn a_function_of_71_lines_is_too_long_and_one_of_70_is_not() {
    let long = parse("x.rs", &long_function(71));
    assert_eq!(
        too_long(&[long]),
        Lengths::from([("function x.rs long".to_owned(), 71)])
    );
    assert_eq!(
        too_long(&[parse("x.rs", &long_function(70))]),
        Lengths::new()
    );
}

#[test]
fn a_file_of_501_lines_is_too_long_but_its_tests_do_not_count() {
    let long = "const A: u8 = 1;\n".repeat(501);
    let expected = Lengths::from([("file x.rs".to_owned(), 501)]);
    assert_eq!(too_long(&[parse("x.rs", &long)]), expected);
    let tests = format!(
        "#[cfg(test)]\nmod tests {{\n{}}}\n",
        "const A: u8 = 1;\n".repeat(900)
    );
    assert_eq!(too_long(&[parse("x.rs", &tests)]), Lengths::new());
}

#[test]
fn the_ratchet_only_turns_one_way() {
    let listed = parse_ratchet("# why\nfile x.rs 600\n");
    let of = |lines| Lengths::from([("file x.rs".to_owned(), lines)]);
    assert!(violations(&of(600), &listed).is_empty());
    assert_eq!(violations(&of(601), &listed).len(), 1, "it grew");
    assert_eq!(
        violations(&of(599), &listed).len(),
        1,
        "the list must follow"
    );
    assert_eq!(
        violations(&Lengths::new(), &listed).len(),
        1,
        "the entry is stale"
    );
    assert_eq!(
        violations(&of(600), &Lengths::new()).len(),
        1,
        "it is not listed"
    );
}
