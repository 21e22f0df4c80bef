//! Disks that run full, and one on which its system finds an error.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
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

/// How long a driver may go on holding files of a disk that takes no writes: it finds out with its
/// next shot.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);

/// A small ext4 disk in a file, which turns read-only as one does on which Linux finds an error;
/// dropping it takes it away.
#[derive(Debug)]
pub struct Ext4Disk {
    image: PathBuf,
    folder: PathBuf,
}

impl Ext4Disk {
    /// Makes one in the file `image` and mounts it.
    ///
    /// # Errors
    ///
    /// There is no `mkfs.ext4`, no loop device, or no right to mount.
    pub fn mount(image: &Path, folder: &Path, mib: u64) -> anyhow::Result<Ext4Disk> {
        File::create(image)?.set_len(mib * 1_024 * 1_024)?;
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image])?;
        let disk = Ext4Disk {
            image: image.to_owned(),
            folder: folder.to_owned(),
        };
        disk.mount_again()?;
        Ok(disk)
    }

    /// Turns it read-only at once, also for files that are open for writing, as `errors=remount-ro`
    /// does.
    ///
    /// # Errors
    ///
    /// The system does not do it.
    pub fn turn_read_only(&self) -> anyhow::Result<()> {
        let options = ["-o".as_ref(), "remount,abort".as_ref(), &*self.folder];
        run("mount", &options)
    }

    /// Takes it out, checks it and puts it back, as a person does: no mount of it takes writes any
    /// more. It cannot be taken out while anybody holds a file of it.
    ///
    /// # Errors
    ///
    /// Somebody does, or it cannot be mended.
    pub fn repair(&self) -> anyhow::Result<()> {
        let until = Instant::now() + LET_GO_WITHIN;
        while let Err(error) = umount2(&self.folder, MntFlags::empty()) {
            if Instant::now() > until {
                bail!("the disk is held: {error}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // 1 says that it found something and mended it.
        let checked = Command::new("e2fsck")
            .arg("-fp")
            .arg(&self.image)
            .output()?;
        if checked.status.code().is_none_or(|code| code > 1) {
            bail!("e2fsck: {}", String::from_utf8_lossy(&checked.stdout));
        }
        self.mount_again()
    }

    fn mount_again(&self) -> anyhow::Result<()> {
        let options = "loop,errors=remount-ro".as_ref();
        let arguments = ["-o".as_ref(), options, &*self.image, &*self.folder];
        run("mount", &arguments).context("an ext4 disk needs root and a loop device")
    }
}

impl Drop for Ext4Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there must not keep the folder.
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}

fn run(program: &str, arguments: &[&Path]) -> anyhow::Result<()> {
    let done = Command::new(program).args(arguments).output();
    let done = done.with_context(|| format!("cannot run {program}"))?;
    if !done.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}
