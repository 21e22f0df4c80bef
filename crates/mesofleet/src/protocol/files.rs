//! Files that people bring: protocols as TOML, drafts and releases as JSON.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context;
use meso_contract::{LibraryMessage, PAYLOAD_VERSION};
use meso_limits::{Library, ProtocolFile, SignedRelease};

use super::{SourceArguments, keep};
use crate::store::command::read_config;

/// Only its owner may read or write such a file.
const PRIVATE_FILE: u32 = 0o600;

/// A file's text, of at most the length of a release.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let length = std::fs::metadata(path)
        .with_context(|| format!("cannot read {name}"))?
        .len();
    // JSON writes a line break as two bytes, so a release file may be longer than its text.
    let length_max = 2 * Library::LENGTH_MAX as u64;
    anyhow::ensure!(
        length <= length_max,
        "{name} has {length} bytes, more than the {length_max} of any release"
    );
    std::fs::read_to_string(path).with_context(|| format!("cannot read {name} as text"))
}

/// A draft or a release.
pub(super) fn read_message(path: &Path) -> anyhow::Result<LibraryMessage> {
    let text = read_text(path)?;
    LibraryMessage::decode(text.as_bytes())
        .with_context(|| format!("{} is no draft or release", path.display()))
}

/// The text that is signed, and by whom.
pub(super) fn signed_of(message: &LibraryMessage) -> SignedRelease {
    SignedRelease {
        text: message.release.clone(),
        signatures: message.signatures.clone(),
    }
}

/// The library that a person names: protocol files, a draft, or what is in force.
pub(super) fn library(source: &SourceArguments) -> anyhow::Result<Library> {
    if let Some(config) = &source.config {
        let config = read_config(config)?;
        let kept = keep::Kept::of(&config.data_dir, &config.library)?;
        let in_force = kept.in_force.context(
            "no release is in force: make a draft, have it signed, then run `mesofleet protocol release`",
        )?;
        return Ok(Library::clone(&in_force.library));
    }
    match source.files.as_slice() {
        [one] if one.extension().is_some_and(|end| end == "json") => {
            Ok(Library::parse(&read_message(one)?.release)?)
        }
        files => from_files(files.iter().map(|path| path.as_path())),
    }
}

/// The library of some files, as far as they go: packs that lie in other files are not missed.
pub(super) fn from_files<'a>(files: impl Iterator<Item = &'a Path>) -> anyhow::Result<Library> {
    let mut all = Vec::new();
    for path in files {
        let file = ProtocolFile::parse(&read_text(path)?);
        all.push(file.with_context(|| format!("{} cannot be used", path.display()))?);
    }
    Ok(Library::of_files(all))
}

/// Writes a file that must not exist, for its owner alone.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(PRIVATE_FILE);
    let name = path.display();
    let mut file = options.open(path).with_context(|| {
        format!("cannot make {name}; a file that is there is never written over")
    })?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {name}"))
}

/// Writes a file anew, whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = path.display();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write beside {name}"))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| format!("cannot write {name}"))?;
    file.persist(path)
        .map_err(|error| error.error)
        .with_context(|| format!("cannot write {name}"))?;
    Ok(())
}

/// A draft without a signature.
pub(super) fn unsigned(release: String) -> LibraryMessage {
    LibraryMessage {
        version: PAYLOAD_VERSION,
        release,
        signatures: Vec::new(),
        signer_lists: Vec::new(),
    }
}
