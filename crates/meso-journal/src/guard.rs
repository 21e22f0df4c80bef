//! One driver per folder, and nobody else's eyes on it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::open::FILE_NAME;
use crate::{JournalError, Unwritable, platform};

/// The file that is locked for as long as a journal is open. It is never removed: two drivers
/// could otherwise hold locks on two files of that name.
const LOCK_NAME: &str = "journal.lock";

/// The file that is written to see whether the disk takes anything.
const TRIAL_NAME: &str = "journal.trial";

/// What is written there: a page, so that it needs a place of its own on the disk.
const TRIAL_BYTES: usize = 4_096;

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

/// Tries whether the disk of a journal that is there takes writes: one page, which is taken away
/// again. A folder without the journal is the place where its disk is to be mounted: a journal that
/// were begun there would be hidden by the disk, and with it what guns were told it holds.
///
/// # Errors
///
/// [`JournalError::Unwritable`].
pub fn try_disk(folder: &Path) -> Result<(), JournalError> {
    let path = folder.join(FILE_NAME);
    if !path.is_file() {
        return Err(JournalError::Unwritable {
            folder: folder.to_owned(),
            cause: Unwritable::DiskGone,
            detail: format!("there is no {FILE_NAME}"),
        });
    }
    write_trial(folder).map_err(|error| JournalError::Unwritable {
        folder: folder.to_owned(),
        cause: cause_of(&error).unwrap_or(Unwritable::DiskFails),
        detail: error.to_string(),
    })
}

/// Why the disk takes no writes; `None` where it does.
pub(crate) fn why_unwritable(folder: &Path) -> Option<Unwritable> {
    let error = write_trial(folder).err()?;
    Some(cause_of(&error).unwrap_or(Unwritable::DiskFails))
}

fn write_trial(folder: &Path) -> io::Result<()> {
    let path = folder.join(TRIAL_NAME);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    platform::opened_privately(&mut options);
    let mut file = options.open(&path)?;
    let written = file.write_all(&[0; TRIAL_BYTES]);
    let written = written.and_then(|()| file.sync_all());
    drop(file);
    // Also of a file that was not written whole; it may stay where the disk takes nothing.
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

fn cause_of(error: &io::Error) -> Option<Unwritable> {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Unwritable::DiskFull),
        ErrorKind::ReadOnlyFilesystem => Some(Unwritable::ReadOnly),
        _ => None,
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |error| match cause_of(&error) {
        Some(cause) => JournalError::Unwritable {
            // The folder itself, or that of one of its files.
            folder: match path.is_dir() {
                true => path.clone(),
                false => path.parent().unwrap_or(&path).to_owned(),
            },
            cause,
            detail: error.to_string(),
        },
        None => JournalError::Folder {
            path: path.clone(),
            detail: error.to_string(),
        },
    }
}
