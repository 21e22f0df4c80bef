//! Shared helpers of the whole-house tests: where the checkout lies, what it holds, and with the
//! feature `full` a clinic of real programs on loopback.
//!
//! This is **not** a place for fakes and emulators: those are `meso-testkit`'s.

#[cfg(feature = "full")]
pub mod matrix;
#[cfg(feature = "full")]
pub mod sandbox;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that no walk enters: what tools build or fetch, and what is not text of ours.
const NOT_OURS: [&str; 5] = [
    ".git",
    "target",
    "node_modules",
    "dist",
    "proptest-regressions",
];

/// The top folder of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Every file under `folder` with one of the extensions, in the order of the paths; links and the
/// folders that tools fill are left out.
///
/// # Errors
///
/// The file system's, where a folder cannot be listed.
pub fn files_under(folder: &Path, extensions: &[&str]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                if !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                    folders.push(path);
                }
            } else if kind.is_file() && has_extension(&path, extensions) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|own| extensions.iter().any(|extension| own == *extension))
}

/// The path as seen from the top folder, with `/` between its parts.
pub fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}
