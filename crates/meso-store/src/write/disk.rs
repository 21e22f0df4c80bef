//! Whether a disk has room.

use std::io::Write as _;
use std::path::Path;

use super::Writer;
use crate::open::private_file;

impl Writer {
    /// Whether the disk of the registry's file takes [`Writer::TRY_BYTES`], which are written beside it
    /// and taken away again: a store on a full disk is read as well as ever, and often takes a small
    /// commit into room that its log has already. A folder that takes no new file says nothing of that.
    pub fn disk_takes_writes(&self) -> bool {
        let Some(path) = self.connection.path() else {
            return true;
        };
        let path = Path::new(path).with_extension("try");
        let Ok(mut file) = private_file(&path) else {
            return true;
        };
        let written = file
            .write_all(&vec![0; Writer::TRY_BYTES])
            .and_then(|()| file.sync_all());
        // What is left of it is written over the next time.
        let _ = std::fs::remove_file(&path);
        written.is_ok()
    }

    /// Bytes that a disk is tried with: more than the blocks of all guns of a room come to.
    pub const TRY_BYTES: usize = 256 * 1024;
}
