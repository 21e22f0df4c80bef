//! Programs of Debian's packages, wherever they are on this computer.

use std::io;
use std::path::PathBuf;

/// Where `cargo xtask setup --full` unpacks packages, below the cache folder.
const TOOLS: &str = "mesofleet/tools";

/// The folder of a package that was unpacked into the cache folder, where `file` is in it.
///
/// # Errors
///
/// It is not there; the message says how to get it.
pub(crate) fn unpacked(package: &str, file: &str) -> io::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let mut roots = cache.into_iter().chain(home);
    roots
        .find_map(|cache| {
            let root = cache.join(TOOLS).join(package);
            root.join(file).exists().then_some(root)
        })
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "there is no {package}; `cargo xtask setup --full` unpacks Debian's into the \
                     cache folder"
                ),
            )
        })
}

/// A program on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|program| program.is_file())
}
