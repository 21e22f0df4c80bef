//! What the data folder holds beside the store.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context;

/// Reads the seed of the ledger's key, or makes one that only the owner can read.
///
/// # Errors
///
/// The file cannot be read or made, is not 32 bytes long, or others may read it.
pub(super) fn ledger_seed(path: &Path) -> anyhow::Result<[u8; 32]> {
    match std::fs::read(path) {
        Ok(bytes) => {
            check_is_private(path)?;
            let length = bytes.len();
            bytes.try_into().map_err(|_| {
                anyhow::anyhow!(
                    "{} has {length} bytes, not 32; restore it from a backup",
                    path.display()
                )
            })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make_seed(path),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Checks that nobody but its owner may read a file.
///
/// # Errors
///
/// Others may, or it is not there.
pub(super) fn check_is_private(path: &Path) -> anyhow::Result<()> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mode = metadata.permissions().mode() & 0o777;
    anyhow::ensure!(
        mode & 0o077 == 0,
        "{} can be read by others (mode {mode:o}); set it to 600",
        path.display()
    );
    Ok(())
}

fn make_seed(path: &Path) -> anyhow::Result<[u8; 32]> {
    let seed = random()?;
    let failed = || format!("cannot make {}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    file.write_all(&seed).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    if let Some(folder) = path.parent() {
        // The name must survive a power cut too, or a new key would contradict old checkpoints.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .with_context(failed)?;
    }
    Ok(seed)
}

/// Random bytes of the system.
///
/// # Errors
///
/// The system has none.
pub(super) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.seed");
        let seed = ledger_seed(&path).unwrap();
        assert_eq!(ledger_seed(&path).unwrap(), seed);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(ledger_seed(&path).is_err());
    }
}
