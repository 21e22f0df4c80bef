//! The guns' keys: one small file each, for the driver's user alone.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use meso_link_proto::auth::LinkKey;
use meso_units::GunSerial;

use crate::platform;

/// The end of the name of a key file; the serial number of the gun stands before it.
const SUFFIX: &str = ".key";

/// The most files in the folder of keys; with more, none is read: it is some other folder.
const FILES_MAX: usize = 4_096;

/// The longest key file that is read, in bytes: 64 digits and white space.
const FILE_BYTES_MAX: u64 = 128;

/// The length of a key.
const KEY_BYTES: usize = 32;

/// A key file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The file or the folder.
    pub path: PathBuf,
    /// What is wrong and what to do, without a word of the key.
    pub problem: String,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

/// Reads every key of a folder; a folder that is not there holds none.
///
/// # Errors
///
/// Everything that is wrong with any of them. A gun whose key cannot be read could be replaced by
/// one without a key, so the caller does not go on without it.
pub fn read_keys(folder: &Path) -> Result<Vec<(GunSerial, LinkKey)>, Vec<KeyProblem>> {
    let problem = |path: &Path, problem: String| KeyProblem {
        path: path.to_path_buf(),
        problem,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(vec![problem(folder, format!("cannot be read: {error}"))]),
    };
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (count, entry) in entries.enumerate() {
        if count >= FILES_MAX {
            let many = format!("has more than {FILES_MAX} files: name the folder of the keys");
            return Err(vec![problem(folder, many)]);
        }
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                problems.push(problem(folder, format!("cannot be read: {error}")));
                continue;
            }
        };
        match read_key(&path) {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => {}
            Err(what) => problems.push(problem(&path, what)),
        }
    }
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(problems)
    }
}

/// One key; `None` for a file of another name, such as a note about the keys.
fn read_key(path: &Path) -> Result<Option<(GunSerial, LinkKey)>, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(serial) = name.and_then(|name| name.strip_suffix(SUFFIX)) else {
        return Ok(None);
    };
    let serial = GunSerial::parse(serial).map_err(|error| {
        format!("its name is no serial number with {SUFFIX} behind it: {error}")
    })?;
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let file = fs::File::open(path).map_err(unreadable)?;
    if !platform::is_private(&file.metadata().map_err(unreadable)?) {
        return Err(format!(
            "others than its owner can read it: {}, and give the gun a new key if anybody did",
            platform::PRIVATE
        ));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let mut bytes = [0; KEY_BYTES];
    hex::decode_to_slice(text.trim(), &mut bytes)
        .map_err(|_| "is no key: it must hold 64 digits of 0-9 and a-f".to_owned())?;
    Ok(Some((serial, LinkKey::new(bytes))))
}

/// Writes a new random key into the folder, which is made where it is missing, and says where.
///
/// # Errors
///
/// What the system says; [`ErrorKind::AlreadyExists`] where the gun has a key.
pub fn write_new_key(folder: &Path, serial: &GunSerial) -> io::Result<PathBuf> {
    meso_journal::make_folder(folder).map_err(io::Error::other)?;
    let path = folder.join(format!("{serial}{SUFFIX}"));
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    platform::opened_privately(&mut options);
    let mut file = options.open(&path)?;
    writeln!(file, "{}", hex::encode(key))?;
    file.sync_all()?;
    Ok(path)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(folder: &Path, name: &str, text: &str, mode: u32) {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_key_is_private_reads_back_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        assert_eq!(read_keys(&keys).unwrap().len(), 0, "no folder, no keys");
        let serial = GunSerial::parse("GUN-1").unwrap();
        let path = write_new_key(&keys, &serial).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = read_keys(&keys).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].0, serial);
        let before = fs::read(&path).unwrap();
        let again = write_new_key(&keys, &serial).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn every_bad_key_file_is_named_and_none_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let secret = "ab".repeat(32);
        write(folder.path(), "GUN-1.key", &secret, 0o640);
        write(folder.path(), "GUN-2.key", "abc", 0o600);
        write(folder.path(), "GUN 3.key", &secret, 0o600);
        write(folder.path(), "GUN-4.key", &secret, 0o600);
        write(folder.path(), "README", "not a key", 0o644);
        let problems = read_keys(folder.path()).unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].contains("GUN 3.key") && told[1].contains("chmod 600"),
            "{told:?}"
        );
        assert!(told[2].contains("64 digits"), "{told:?}");
        assert!(told.iter().all(|line| !line.contains("abab")), "{told:?}");
    }
}
