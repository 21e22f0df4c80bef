//! Clocks of processes that can be set: Debian's libfaketime before the real programs.
//!
//! Only the time of day is false. The clock that never steps is the kernel's, as it is where an
//! administrator or a time service sets a computer's clock.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where `cargo xtask setup --full` unpacks it, under the cache folder.
const UNPACKED: &str = "mesofleet/tools/libfaketime/usr/lib";

/// What a process has to find in its environment so that `file` sets its clock.
///
/// # Errors
///
/// There is no libfaketime; the message says how to get it.
pub(super) fn environment(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    set(file, 0)?;
    let library = library()?.display().to_string();
    let pairs = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Ok(pairs.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// Sets the clocks of the processes that follow this file: so many seconds beside the right time.
///
/// # Errors
///
/// The file cannot be written.
pub(super) fn set(file: &Path, offset_s: i64) -> anyhow::Result<()> {
    // Renamed into its place: nobody reads half a number.
    let part = file.with_extension("part");
    std::fs::write(&part, format!("{offset_s:+}\n"))
        .and_then(|()| std::fs::rename(&part, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

fn library() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let unpacked = cache.into_iter().chain(home);
    let roots = unpacked.map(|cache| cache.join(UNPACKED));
    let roots: Vec<PathBuf> = roots.chain([PathBuf::from("/usr/lib")]).collect();
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    roots
        .iter()
        .map(|root| root.join(&triplet).join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
        .context(
            "there is no libfaketime; `cargo xtask setup --full` unpacks Debian's into the cache \
             folder",
        )
}
