//! The first file system of an emulated computer: an archive that its kernel unpacks into memory.
//!
//! The form is that of `cpio -H newc`, as the kernel's `buffer-format.rst` describes it. Files of
//! programs bring their shared libraries along.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{QemuError, failed};

/// The bits of a mode that say what an entry is.
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
/// Entries begin at multiples of this, and so do their contents.
const ALIGNMENT: usize = 4;
/// The name of the entry that ends an archive.
const END: &str = "TRAILER!!!";

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Initramfs {
    bytes: Vec<u8>,
    entries: u32,
    paths: BTreeSet<PathBuf>,
}

impl Initramfs {
    /// Adds an empty folder, and those above it.
    pub(super) fn folder(&mut self, path: &str) {
        self.folders_down_to(Path::new(path));
    }

    /// Adds a file and the folders above it; one that is there already stays as it is.
    pub(super) fn file(&mut self, path: impl AsRef<Path>, permissions: u32, content: &[u8]) {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            self.folders_down_to(folder);
        }
        if self.paths.insert(path.to_owned()) {
            self.entry(&path.to_string_lossy(), FILE | permissions, content);
        }
    }

    /// Adds a program of this computer at `path`, with the libraries that it is linked to.
    pub(super) fn program(&mut self, path: &str, program: &Path) -> Result<(), QemuError> {
        let content = std::fs::read(program).map_err(failed("read a program"))?;
        self.file(path, 0o755, &content);
        for library in libraries(program)? {
            let content = std::fs::read(&library).map_err(failed("read a library"))?;
            self.file(
                library.strip_prefix("/").unwrap_or(&library),
                0o755,
                &content,
            );
        }
        Ok(())
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(END, 0, &[]);
        self.bytes
    }

    fn folders_down_to(&mut self, folder: &Path) {
        let mut above: Vec<&Path> = folder.ancestors().collect();
        above.reverse();
        for folder in above {
            if folder != Path::new("") && self.paths.insert(folder.to_owned()) {
                self.entry(&folder.to_string_lossy(), FOLDER | 0o755, &[]);
            }
        }
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (inode, owner, group, links, time) = (self.entries, 0, 0, 1, 0);
        let (device, name_length, checksum) = (0, name.len() + 1, 0);
        let header = format!(
            "070701{inode:08X}{mode:08X}{owner:08X}{group:08X}{links:08X}{time:08X}{:08X}\
             {device:08X}{device:08X}{device:08X}{device:08X}{name_length:08X}{checksum:08X}",
            content.len()
        );
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        let whole = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(whole, 0);
    }
}

/// The shared libraries of a program, its loader too.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, QemuError> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(failed("start ldd"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(failed("list the libraries of a program")(io::Error::other(
            said,
        )));
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = said.lines().filter_map(library);
    Ok(paths.map(PathBuf::from).collect())
}

/// The path in a line such as `libc.so.6 => /lib/libc.so.6 (0x00007f…)`; `None` for what the kernel
/// brings itself.
fn library(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_name_and_content_at_multiples_of_four() {
        let mut archive = Initramfs::default();
        archive.file("etc/x", 0o644, b"hello");
        let text = String::from_utf8(archive.finish()).unwrap();
        let expected = concat!(
            "070701000000010000",
            "41ED00000000000000000000000100000000000000000000000000000000",
            "00000000000000000000000400000000etc\0\0\0",
            "070701000000020000",
            "81A400000000000000000000000100000000000000050000000000000000",
            "00000000000000000000000600000000etc/x\0hello\0\0\0",
        );
        assert!(text.starts_with(expected), "{text:?}");
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"), "{text:?}");
        assert_eq!(text.len() % ALIGNMENT, 0);
    }

    #[test]
    fn libraries_are_found_in_both_forms_of_a_line() {
        let by_name = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0000000000)";
        assert_eq!(library(by_name), Some("/lib/x86_64-linux-gnu/libc.so.6"));
        let loader = "\t/lib64/ld-linux-x86-64.so.2 (0x00007f0000000000)";
        assert_eq!(library(loader), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007ffc00000000)"), None);
    }
}
