//! `cargo xtask test usb`: the driver on an emulated computer whose kernel drives real USB devices.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::steps::{Outcome, Steps};
use crate::workspace::Workspace;
use crate::{firmware, packages, process, suite};

/// Debian's package that always needs the newest kernel of the release.
const KERNEL: &str = "linux-image-amd64";

/// Fetches what the computer needs and runs its tests.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    println!(
        "cargo xtask test usb: installs Debian's gcc-arm-none-eabi (51 MB), qemu-system-arm (16 MB)\n\
         and qemu-system-x86 (10 MB) where they are missing, and unpacks Debian's kernel (70 MB,\n\
         430 MB unpacked) and busybox into the cache folder. The tests take two minutes, without\n\
         the build."
    );
    let mut steps = Steps::start();
    steps.step("system", |_| {
        firmware::command(workspace)?;
        packages::qemu()?;
        packages::qemu_x86()?;
        system(workspace)?;
        Ok(Outcome::Done)
    });
    steps.step("usb", |counts| {
        workspace.build_programs()?;
        let mut test = workspace.cargo(&["test", "--package", "meso-tests", "--features", "usb"]);
        // Each test emulates two machines: two tests at once would only wait for each other.
        test.args(["--test", "usb", "--", "--test-threads=1"]);
        suite::cargo_test(test, counts)?;
        Ok(Outcome::Done)
    });
    Ok(steps.finish())
}

/// Unpacks kernel and busybox where the tests look for them.
fn system(workspace: &Workspace) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the emulated computer runs the programs of this one, so this must be an x86-64 one");
    }
    let folder = workspace.cache()?.join("tools/usb-system");
    if has_kernel(&folder) && folder.join("bin/busybox").is_file() {
        return Ok(());
    }
    // What a run left that was interrupted.
    let _ = std::fs::remove_dir_all(&folder);
    let depends = process::output(Command::new("apt-cache").args(["depends", KERNEL]))?;
    let package = kernel_package(&depends)
        .with_context(|| format!("apt-cache does not say which package {KERNEL} stands for"))?;
    packages::unpack(&[package], &folder)?;
    // Last, so that its being there says that all is.
    packages::unpack(&["busybox-static"], &folder)?;
    if has_kernel(&folder) {
        return Ok(());
    }
    bail!(
        "the package {package} brought no kernel into {}",
        folder.display()
    )
}

/// The package behind the newest kernel, in the answer of `apt-cache depends`.
fn kernel_package(depends: &str) -> Option<&str> {
    let mut names = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.find(|name| name.starts_with("linux-image-"))
}

fn has_kernel(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder.join("boot")).into_iter().flatten();
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| name.starts_with("vmlinuz-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_the_newest_kernel_is_found() {
        let said = "linux-image-amd64\n  Depends: linux-image-6.1.0-48-amd64\n";
        assert_eq!(kernel_package(said), Some("linux-image-6.1.0-48-amd64"));
        assert_eq!(kernel_package("linux-image-amd64\n"), None);
    }
}
