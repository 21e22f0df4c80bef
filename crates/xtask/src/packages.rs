//! Debian packages: installed where this may be done, listed for the person where it may not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// How long `sudo -n true` may take.
const SUDO_LIMIT: Duration = Duration::from_secs(10);

/// A Chromium, from Debian's package if there is none.
pub(crate) fn chromium() -> Result<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    if let Some(path) = process::find(&names) {
        return Ok(path);
    }
    install(&["chromium"])?;
    process::find(&names).context("the package chromium is installed, but brought no `chromium`")
}

/// A C compiler for Arm microcontrollers, from Debian's package if there is none. Only the
/// compiler: with what the package recommends it would be 412 MB.
pub(crate) fn arm_compiler() -> Result<()> {
    demand("arm-none-eabi-gcc", "gcc-arm-none-eabi")
}

/// An emulator of Arm boards, from Debian's package if there is none.
pub(crate) fn qemu() -> Result<()> {
    demand("qemu-system-arm", "qemu-system-arm")
}

/// An emulator of PCs, from Debian's package if there is none.
pub(crate) fn qemu_x86() -> Result<()> {
    demand("qemu-system-x86_64", "qemu-system-x86")
}

/// A program, from Debian's package if it is not there.
fn demand(program: &str, package: &str) -> Result<()> {
    if process::find(&[program]).is_some() {
        return Ok(());
    }
    install(&[package])?;
    process::find(&[program])
        .map(drop)
        .with_context(|| format!("the package {package} is installed, but brought no `{program}`"))
}

/// A clang that can build for libFuzzer, from Debian's packages if there is none.
pub(crate) fn clang() -> Result<PathBuf> {
    let names = ["clang-14", "clang"];
    let runtime = format!("libclang_rt.fuzzer-{}.a", std::env::consts::ARCH);
    let is_whole = |clang: &Path| -> Result<bool> {
        let folder = process::output(Command::new(clang).arg("-print-resource-dir"))?;
        let library = Path::new(folder.trim()).join("lib/linux").join(&runtime);
        Ok(library.is_file())
    };
    if let Some(path) = process::find(&names)
        && is_whole(&path)?
    {
        return Ok(path);
    }
    install(&["clang-14", "libclang-rt-14-dev"])?;
    process::find(&names).context("the package clang-14 is installed, but brought no `clang-14`")
}

/// `apt-get` with the right to install, or `None` where a person must do it.
fn apt_get() -> Result<Option<Command>> {
    if process::find(&["apt-get"]).is_none() {
        return Ok(None);
    }
    let user = process::output(Command::new("id").arg("-u"))?;
    if user.trim() == "0" {
        return Ok(Some(Command::new("apt-get")));
    }
    let may = process::find(&["sudo"]).is_some()
        && process::succeeds_within(Command::new("sudo").args(["-n", "true"]), SUDO_LIMIT)?;
    Ok(may.then(|| {
        let mut command = Command::new("sudo");
        command.args(["-n", "apt-get"]);
        command
    }))
}

/// Installs Debian packages.
fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let attempt = || -> Result<()> {
        let Some(mut command) = apt_get()? else {
            bail!(
                "these packages are missing and may not be installed from here: {list}. \
                 Install them, on Debian with `sudo apt-get install {list}`, and start again"
            );
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["install", "-y", "--no-install-recommends"]);
        command
            .args(["-o", "DPkg::Lock::Timeout=400"])
            .args(packages);
        process::run(&mut command)
    };
    println!("installing Debian packages: {list}");
    match (attempt(), apt_get()?) {
        (Ok(()), _) => Ok(()),
        (Err(error), None) => Err(error),
        (Err(_), Some(mut update)) => {
            println!("trying again with fresh package lists");
            process::run(update.arg("update"))?;
            attempt()
        }
    }
}

/// Fetches Debian packages into `folder` without installing them, and unpacks them there: no
/// service of a package is started, and no right to install is needed.
pub(crate) fn unpack(packages: &[&str], folder: &Path) -> Result<()> {
    if process::find(&["apt-get"]).is_none() || process::find(&["dpkg-deb"]).is_none() {
        let list = packages.join(" ");
        bail!("{list} is missing, and this is no Debian; install it and start again");
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let download = || {
        let mut command = Command::new("apt-get");
        process::run(command.arg("download").args(packages).current_dir(folder))
    };
    if download().is_err() {
        if let Some(mut update) = apt_get()? {
            process::run(update.arg("update"))?;
        }
        download()?;
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(folder))?;
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
