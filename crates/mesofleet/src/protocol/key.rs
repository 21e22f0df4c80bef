//! Key files: an Ed25519 seed in hexadecimal that only its owner may read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::KeyCommand;
use super::files::write_new;
use crate::store::command::print_line;

pub(super) fn run(command: &KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::New { file } => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).context("no randomness for a key")?;
            write_new(file, format!("{}\n", hex::encode(seed)).as_bytes())?;
            print_line(&meso_limits::public_key(&seed));
        }
        KeyCommand::Show { file } => print_line(&meso_limits::public_key(&read(file)?)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The seed of a key file; no message repeats what stands in it.
pub(super) fn read(path: &Path) -> anyhow::Result<[u8; 32]> {
    let name = path.display();
    let metadata =
        std::fs::metadata(path).with_context(|| format!("cannot read the key {name}"))?;
    let mode = metadata.permissions().mode() & 0o777;
    anyhow::ensure!(
        mode & 0o077 == 0,
        "others may read the key {name} (mode {mode:o}): chmod 600 {name}"
    );
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the key {name}"))?;
    let bytes = hex::decode(text.trim()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .with_context(|| format!("{name} is no key: it must hold 64 hexadecimal digits"))
}
