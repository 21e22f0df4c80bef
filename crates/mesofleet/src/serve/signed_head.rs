//! The newest checkpoint that the ledger's key has signed, in a file beside the store.
//!
//! A store that is put back to an older copy knows nothing of what was signed since. This file does,
//! unless it was put back, too.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use meso_ledger::{Checkpoint, VerifierKey};

/// The name of the file.
const FILE_NAME: &str = "ledger.checkpoint";

/// Checkpoints of one size that are put aside; of further ones the newest stays where it is until the
/// next is signed.
const ASIDE_COUNT_MAX: u32 = 100;

/// Keeps the newest checkpoint.
#[derive(Debug)]
pub(super) struct SignedHead {
    data_dir: PathBuf,
    /// Whether the last one could not be kept, which is told once.
    fails: AtomicBool,
}

impl SignedHead {
    pub(super) fn new(data_dir: &Path) -> SignedHead {
        SignedHead {
            data_dir: data_dir.to_owned(),
            fails: AtomicBool::new(false),
        }
    }

    /// What was signed last, as far as is known. A file that a power cut has torn, or of another key,
    /// says nothing, and holds up nobody.
    pub(super) fn read(&self, key: &VerifierKey) -> Option<Checkpoint> {
        let path = self.path();
        let unusable = |error: &dyn std::error::Error| {
            tracing::warn!(%error, path = %path.display(), "what was signed before is not known");
        };
        let note = match std::fs::read_to_string(&path) {
            Ok(note) => note,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    unusable(&error);
                }
                return None;
            }
        };
        let opened = Checkpoint::open(&note, key);
        opened.inspect_err(|error| unusable(error)).ok()
    }

    /// Remembers what was signed just now. It does not wait for the disk: after a power cut an older
    /// one may be there, which only finds less.
    pub(super) fn remember(&self, note: &str) {
        let part = self.data_dir.join("ledger.checkpoint.part");
        let written = write_private(&part, note).and_then(|()| std::fs::rename(&part, self.path()));
        let is_new = self.fails.swap(written.is_err(), Ordering::Relaxed) != written.is_err();
        if let (Err(error), true) = (written, is_new) {
            tracing::warn!(%error, path = %self.path().display(), "the newest checkpoint is not kept");
        }
    }

    /// Puts the checkpoint aside that the ledger does not continue, under a name of its own.
    pub(super) fn put_aside(&self) {
        let of_size = |note: String| note.lines().nth(1).map(str::to_owned);
        let size = std::fs::read_to_string(self.path()).ok().and_then(of_size);
        let stem = format!("ledger-set-back-{}", size.unwrap_or_default());
        let names = (1..=ASIDE_COUNT_MAX).map(|number| match number {
            1 => format!("{stem}.checkpoint"),
            _ => format!("{stem}-{number}.checkpoint"),
        });
        let free = names
            .map(|name| self.data_dir.join(name))
            .find(|path| !path.exists());
        let Some(aside) = free else {
            tracing::warn!(stem, "too many checkpoints lie aside to keep another one");
            return;
        };
        if let Err(error) = std::fs::rename(self.path(), &aside) {
            tracing::warn!(%error, path = %aside.display(), "what was signed cannot be put aside");
        }
    }

    fn path(&self) -> PathBuf {
        self.data_dir.join(FILE_NAME)
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use meso_ledger::{Hash, LogKey};

    use super::*;

    fn note(size: u64, key: &LogKey) -> String {
        let checkpoint = Checkpoint::new("example.org/log", size, Hash::from_bytes([7; 32]));
        checkpoint.unwrap().sign(key)
    }

    #[test]
    fn the_newest_checkpoint_is_read_back_unless_it_is_torn_or_of_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let head = SignedHead::new(folder.path());
        let key = |seed| LogKey::from_seed("example.org/log", &[seed; 32]).unwrap();
        let read = |seed| head.read(&key(seed).verifier()).map(|read| read.size());
        assert_eq!(read(1), None, "nothing was signed");
        head.remember(&note(7, &key(1)));
        head.remember(&note(8, &key(1)));
        assert_eq!((read(1), read(2)), (Some(8), None));
        head.put_aside();
        assert_eq!(read(1), None);
        let aside = folder.path().join("ledger-set-back-8.checkpoint");
        assert_eq!(std::fs::read_to_string(aside).unwrap(), note(8, &key(1)));
        head.remember(&note(9, &key(1))[..20]);
        assert_eq!(read(1), None, "half of it is there");
    }
}
