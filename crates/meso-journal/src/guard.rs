//! One driver per folder, and nobody else's eyes on it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{JournalError, platform};

/// The file that is locked for as long as a journal is open. It is never removed: two drivers
/// could otherwise hold locks on two files of that name.
const LOCK_NAME: &str = "journal.lock";

/// Makes a folder where it is missing, readable by its owner alone.
///
/// # Errors
///
/// [`JournalError::Folder`].
pub fn make_folder(folder: &Path) -> Result<(), JournalError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    platform::close_folder_to_others(&mut builder);
    builder.create(folder).map_err(failed(folder))
}

/// Locks the folder against a second driver; the lock ends with the file, and so with the process.
pub(crate) fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join(LOCK_NAME);
    let file = private_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse {
            path: folder.to_path_buf(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

/// Opens a file, or makes it, and takes it away from everybody but its owner.
pub(crate) fn private_file(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    platform::opened_privately(&mut options);
    let file = options.open(path).map_err(failed(path))?;
    // One that an earlier version made may be open to others.
    platform::close_to_others(&file).map_err(failed(path))?;
    Ok(file)
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |error| JournalError::Folder {
        path: path.clone(),
        detail: error.to_string(),
    }
}
