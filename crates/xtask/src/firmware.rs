//! The reference firmware for the board that QEMU emulates.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{packages, process};

/// Builds the firmware beside the programs, where they look for it.
pub(crate) fn command(workspace: &Workspace) -> Result<()> {
    println!(
        "cargo xtask firmware: builds the C firmware in seconds. Installs Debian's\n\
         gcc-arm-none-eabi (51 MB) if it is missing."
    );
    packages::arm_compiler()?;
    let image = build(workspace)?;
    println!("the firmware is {}", image.display());
    Ok(())
}

/// Builds the image and says where it is.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program's own path is not known")?;
    let folder = own
        .parent()
        .context("this program lies in no folder")?
        .to_owned();
    let script = workspace.root().join("firmware-bridge/firmware/build.sh");
    process::run(Command::new("sh").arg(script).arg(&folder))?;
    Ok(folder.join("meso-gun-mps2.bin"))
}

/// Whether the arguments of a demo ask for the firmware; one that is given is not built.
pub(crate) fn is_wanted(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let asks = words.windows(2).any(|pair| *pair == ["--firmware", "qemu"])
        || words.iter().any(|word| word == "--firmware=qemu");
    asks && !words
        .iter()
        .any(|word| word.starts_with("--firmware-image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_is_built_for_a_demo_that_asks_for_it_and_brings_none() {
        let wanted = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            is_wanted(&words)
        };
        assert!(wanted("--guns 2 --firmware qemu --for 20s"));
        assert!(wanted("--firmware=qemu"));
        assert!(!wanted("--guns 2 --firmware emulated"));
        assert!(!wanted("--firmware qemu --firmware-image mine.bin"));
    }
}
