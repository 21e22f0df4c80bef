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

/// A backup as people make it: the files of a folder as they are.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
