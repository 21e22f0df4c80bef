//! The ZIP around the files.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::error::ReportError;

/// The longest bundle that is opened, in bytes: [`FILES_BYTES_MAX`] would need it only if nothing
/// could be compressed. A longer one is refused unread.
pub const BUNDLE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The most that all files of a bundle may unpack to, in bytes: 250 000 shots of about 1.8 kB in
/// CSV, JSON and proofs together, and two thirds as much again. Unpacking stops there and the
/// bundle is refused, so a small archive cannot fill the memory.
pub const FILES_BYTES_MAX: u64 = 768 * 1024 * 1024;

/// The most files of a bundle; format version 1 has ten. One with more is refused.
pub const FILE_COUNT_MAX: usize = 32;

/// Writes files in the order given; equal files give equal bytes.
pub(crate) fn write(files: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, ReportError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    // The date of a ZIP entry has no time zone and would differ between equal reports.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, content) in files {
        writer.start_file(*name, options)?;
        writer
            .write_all(content)
            .map_err(zip::result::ZipError::from)?;
    }
    Ok(writer.finish()?.into_inner())
}

/// Reads all files of a bundle.
pub(crate) fn read(bundle: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, ReportError> {
    if bundle.len() as u64 > BUNDLE_BYTES_MAX {
        return Err(too_long(
            "the report",
            bundle.len() as u64,
            BUNDLE_BYTES_MAX,
        ));
    }
    let mut archive = ZipArchive::new(Cursor::new(bundle))?;
    check_shape(&archive)?;
    let mut files = BTreeMap::new();
    let mut left = FILES_BYTES_MAX;
    for at in 0..archive.len() {
        let entry = archive.by_index(at)?;
        let name = entry.name()?.into_owned();
        let mut content = Vec::new();
        entry
            .take(left + 1)
            .read_to_end(&mut content)
            .map_err(zip::result::ZipError::from)?;
        left = left
            .checked_sub(content.len() as u64)
            .ok_or_else(|| too_long(&name, content.len() as u64, FILES_BYTES_MAX))?;
        files.insert(name, content);
    }
    Ok(files)
}

/// Two files under one name, or bytes before the archive, let two programs read two reports.
fn check_shape(archive: &ZipArchive<Cursor<&[u8]>>) -> Result<(), ReportError> {
    let unsound = |rule| Err(ReportError::UnsoundArchive { rule });
    if archive.len() > FILE_COUNT_MAX {
        return unsound("it has more than 32 files");
    }
    if archive.has_duplicate_names() {
        return unsound("two files have the same name");
    }
    if archive.offset() != 0 {
        return unsound("other bytes stand before it");
    }
    Ok(())
}

fn too_long(name: &str, length: u64, max: u64) -> ReportError {
    ReportError::TooLong {
        name: name.to_owned(),
        length,
        max,
    }
}
