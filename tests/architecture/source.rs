//! Rust sources as the other checks see them: without tests and comments.

use std::fs;
use std::path::{Path, PathBuf};

use meso_tests::{files_under, relative, root};
use syn::{Attribute, Item};

/// One source file.
pub(crate) struct Source {
    /// The path from the top folder.
    pub(crate) path: String,
    /// The number of its lines.
    pub(crate) line_count: usize,
    /// What it says.
    pub(crate) file: syn::File,
}

/// Every Rust file under `folder` of the checkout, tests in folders and files of their own left
/// out.
pub(crate) fn production_sources(folder: &Path) -> Vec<Source> {
    let files = files_under(folder, &["rs"]).unwrap();
    files
        .into_iter()
        .filter(|path| !is_test_path(path))
        .map(read)
        .collect()
}

fn read(path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    parse(&relative(&path), &text)
}

/// Parses a source that lies at `path`.
pub(crate) fn parse(path: &str, text: &str) -> Source {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source {
        path: path.to_owned(),
        line_count: text.lines().count(),
        file,
    }
}

fn is_test_path(path: &Path) -> bool {
    let inside = path.strip_prefix(root()).unwrap_or(path);
    let folders = ["tests", "benches", "examples"];
    inside
        .components()
        .any(|part| folders.iter().any(|folder| part.as_os_str() == *folder))
        || inside.file_name().is_some_and(|name| name == "tests.rs")
}

/// Whether an item exists only in tests.
pub(crate) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.is_ident("test")
            || (path.is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|path| path.is_ident("test")))
    })
}

/// The attributes of an item, where it has any.
pub(crate) fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The items that are not only for tests.
pub(crate) fn production_items(items: &[Item]) -> impl Iterator<Item = &Item> {
    items
        .iter()
        .filter(|item| !is_test_only(attributes_of(item)))
}
