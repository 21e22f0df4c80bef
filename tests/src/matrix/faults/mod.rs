//! What can happen, one module for each part that it happens to.

mod clocks;
mod databases;
mod disks;
mod guns;
mod lines;
mod messages;
mod processes;

use std::path::Path;

use super::Fault;

/// Every fault, in the order of the table.
pub fn all_faults() -> Vec<Fault> {
    [
        processes::FAULTS,
        lines::FAULTS,
        messages::FAULTS,
        databases::FAULTS,
        disks::FAULTS,
        clocks::FAULTS,
        guns::FAULTS,
    ]
    .concat()
}

/// A backup as people make it: the files of a folder as they are, and of those in it.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
