//! Disks that run full.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A small disk of its own on a folder; dropping it takes it away.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one, of memory.
    ///
    /// # Errors
    ///
    /// We have no right to mount.
    pub fn mount(folder: &Path, kib: u32) -> anyhow::Result<SmallDisk> {
        let options = format!("size={kib}k,mode=700");
        mount(
            Some("tmpfs"),
            folder,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .with_context(|| {
            let folder = folder.display();
            format!("a disk of {kib} KiB cannot be mounted on {folder}; that needs root")
        })?;
        Ok(SmallDisk {
            folder: folder.to_owned(),
        })
    }

    /// Fills it up to the last `free_kib`.
    ///
    /// # Errors
    ///
    /// The ballast cannot be made.
    pub fn fill(&self, free_kib: usize) -> anyhow::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        // The end of the disk is what is wanted.
        while ballast.write_all(&[0; 4_096]).is_ok() {}
        let length = ballast.metadata()?.len();
        let kept = length.saturating_sub(u64::try_from(free_kib)? * 1_024);
        ballast.set_len(kept)?;
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    ///
    /// The ballast is not there.
    pub fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has a file open there must not keep the folder.
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}
