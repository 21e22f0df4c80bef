//! Who may speak to the room: whoever can read the driver's data folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use meso_contract::room::{ROOM_ACCESS_FILE_NAME, RoomAccessFile};
use serde::Serialize;

use crate::people::is_same;
use crate::platform;

/// The token of one start of the driver.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Makes a token of 32 random bytes.
    pub fn from_random(bytes: [u8; 32]) -> Token {
        Token(hex::encode(bytes))
    }

    /// Whether an `Authorization` header carries this token; the time that it takes says nothing
    /// about how much of it was right.
    pub(crate) fn is_in(&self, header: Option<&str>) -> bool {
        let given = header.and_then(|text| text.strip_prefix("Bearer "));
        given.is_some_and(|given| is_same(given, &self.0))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why the access file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct AccessError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes address and token into the data folder, for its owner alone; replaces the file of the
/// last start in one step.
///
/// # Errors
///
/// [`AccessError`] naming the file.
pub fn write_access_file(
    folder: &Path,
    address: SocketAddr,
    token: &Token,
) -> Result<PathBuf, AccessError> {
    let path = folder.join(ROOM_ACCESS_FILE_NAME);
    let file = RoomAccessFile {
        address: address.to_string(),
        token: token.0.clone(),
    };
    match replace_privately(&path, &file) {
        Ok(()) => Ok(path),
        Err(source) => Err(AccessError { path, source }),
    }
}

/// Writes a JSON file for its owner alone, in one step: who reads it meanwhile gets the old one or
/// the new one whole.
pub(crate) fn replace_privately(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    write_private(&new, content)?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => platform::sync_folder(folder),
        _ => Ok(()),
    }
}

fn write_private(path: &Path, content: &impl Serialize) -> io::Result<()> {
    // A left-over of a crash may have other rights.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    platform::opened_privately(&mut options);
    let mut file = options.open(path)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_accepted() {
        let token = Token::from_random([0xAB; 32]);
        let right = format!("Bearer {}", "ab".repeat(32));
        assert!(token.is_in(Some(&right)));
        assert!(!token.is_in(Some(&right[..right.len() - 1])));
        assert!(!token.is_in(Some(&format!("{}c", &right[..right.len() - 1]))));
        assert!(!token.is_in(Some("ab")));
        assert!(!token.is_in(None));
    }

    #[test]
    fn the_access_file_is_for_its_owner_alone_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 7));
        for byte in [1, 2] {
            let token = Token::from_random([byte; 32]);
            let path = write_access_file(folder.path(), address, &token).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let read: RoomAccessFile = serde_json::from_str(&text).unwrap();
            assert_eq!(read.address, "127.0.0.1:7");
            assert!(token.is_in(Some(&format!("Bearer {}", read.token))));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
