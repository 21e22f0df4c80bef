//! Who may sign in at this room's screen: a file in the driver's data folder.
//!
//! It is written by `mesofleet-driver people` and read anew at each sign-in. It is also where a
//! list that a server signs will be cached, once there is one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use meso_contract::room::PersonBody;
use meso_units::OperatorId;
use serde::{Deserialize, Serialize};

use crate::access::replace_privately;

/// The name of the list in the driver's data folder.
pub const PEOPLE_FILE_NAME: &str = "people.json";

/// The most people of a room; a further one is refused.
pub const PEOPLE_COUNT_MAX: usize = 100;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// The shortest and the longest PIN, in digits. Four are enough while each wrong one costs time;
/// see [`WRONG_MAX`](crate::WRONG_MAX).
pub const PIN_DIGITS: (usize, usize) = (4, 12);

/// The shortest and the longest text of a badge, in bytes.
pub const BADGE_BYTES: (usize, usize) = (8, 128);

/// The version of the file's form.
const FILE_VERSION: u16 = 1;

/// Memory of one hash in KiB: 19 MiB and two passes are the least that OWASP's password storage
/// advice names for Argon2id.
const MEMORY_KIB: u32 = 19_456;
/// How often that memory is gone over.
const PASSES: u32 = 2;

/// The people of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    file: PeopleFile,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeopleFile {
    version: u16,
    /// Of all badges, so that one computation finds whose it is. Badges are long and random.
    badge_salt: String,
    people: Vec<Person>,
}

impl Default for PeopleFile {
    fn default() -> PeopleFile {
        PeopleFile {
            version: FILE_VERSION,
            badge_salt: String::new(),
            people: Vec::new(),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    id: String,
    name: String,
    /// 16 random bytes.
    salt: String,
    /// Argon2id of the PIN, 32 bytes.
    pin: String,
    /// Argon2id of the badge, 32 bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    badge: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the list or with somebody who is to be on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeopleError {
    /// The file cannot be read or written.
    #[error("the list of people {} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no such list.
    #[error("{} is no list of people: write it anew with `people add`", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// A value cannot be used.
    #[error("{0}")]
    BadValue(String),
    /// The system's memory does not suffice for a hash.
    #[error("no hash could be made")]
    Hash,
}

impl People {
    /// Reads the list of a data folder; a folder without one has nobody.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] where the file cannot be read or is no list.
    pub fn read(folder: &Path) -> Result<People, PeopleError> {
        let path = folder.join(PEOPLE_FILE_NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(People::default()),
            Err(source) => return Err(PeopleError::File { path, source }),
        };
        let file: Option<PeopleFile> = serde_json::from_slice(&bytes).ok();
        let is_fit = |file: &PeopleFile| {
            file.version == FILE_VERSION && file.people.len() <= PEOPLE_COUNT_MAX
        };
        match file.filter(is_fit) {
            Some(file) => Ok(People { file }),
            None => Err(PeopleError::Form { path }),
        }
    }

    /// Writes the list, for the owner of the folder alone, in one step.
    ///
    /// # Errors
    ///
    /// [`PeopleError::File`] naming the file.
    pub fn write(&self, folder: &Path) -> Result<(), PeopleError> {
        let path = folder.join(PEOPLE_FILE_NAME);
        replace_privately(&path, &self.file).map_err(|source| PeopleError::File { path, source })
    }

    /// Everybody, as screens show them.
    pub fn list(&self) -> Vec<PersonBody> {
        self.file.people.iter().map(shown).collect()
    }

    /// Puts somebody on the list, in place of whoever had this id. `random` are bytes of a salt and,
    /// the first time, of that of the badges.
    ///
    /// # Errors
    ///
    /// [`PeopleError::BadValue`] for a name, PIN or badge that cannot be used.
    pub fn add(
        &mut self,
        person: PersonBody,
        pin: &str,
        badge: Option<&str>,
        random: [[u8; 16]; 2],
    ) -> Result<(), PeopleError> {
        let bad = |text: String| Err(PeopleError::BadValue(text));
        if let Err(error) = OperatorId::parse(&person.id) {
            return bad(format!("the id cannot be used: {error}"));
        }
        if !(1..=NAME_BYTES_MAX).contains(&person.name.trim().len()) {
            return bad(format!("the name must have 1 to {NAME_BYTES_MAX} bytes"));
        }
        let (least, most) = PIN_DIGITS;
        let is_pin = (least..=most).contains(&pin.len()) && pin.bytes().all(|b| b.is_ascii_digit());
        if !is_pin {
            return bad(format!("the PIN must have {least} to {most} digits"));
        }
        let (least, most) = BADGE_BYTES;
        if badge.is_some_and(|badge| !(least..=most).contains(&badge.trim().len())) {
            return bad(format!("the badge must read as {least} to {most} bytes"));
        }
        if self.file.badge_salt.is_empty() {
            self.file.badge_salt = hex::encode(random[1]);
        }
        let salt = hex::encode(random[0]);
        let kept = Person {
            pin: hash(pin, &salt)?,
            badge: badge
                .map(|badge| hash(badge.trim(), &self.file.badge_salt))
                .transpose()?,
            salt,
            id: person.id,
            name: person.name.trim().to_owned(),
        };
        self.file.people.retain(|known| known.id != kept.id);
        if self.file.people.len() >= PEOPLE_COUNT_MAX {
            return bad(format!(
                "{PEOPLE_COUNT_MAX} people are the limit: remove somebody first"
            ));
        }
        self.file.people.push(kept);
        self.file.people.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Takes somebody off the list; whether there was such a person.
    pub fn remove(&mut self, id: &str) -> bool {
        let before = self.file.people.len();
        self.file.people.retain(|known| known.id != id);
        self.file.people.len() < before
    }

    /// Whose PIN this is, if it is that of `id`. Takes as long for somebody who is not on the list.
    ///
    /// # Errors
    ///
    /// [`PeopleError::Hash`].
    pub fn by_pin(&self, id: &str, pin: &str) -> Result<Option<PersonBody>, PeopleError> {
        let person = self.file.people.iter().find(|person| person.id == id);
        let salt = person.map_or("nobody nobody no", |person| person.salt.as_str());
        let given = hash(pin, salt)?;
        Ok(person
            .filter(|person| is_same(&person.pin, &given))
            .map(shown))
    }

    /// Whose badge this is.
    ///
    /// # Errors
    ///
    /// [`PeopleError::Hash`].
    pub fn by_badge(&self, badge: &str) -> Result<Option<PersonBody>, PeopleError> {
        if self.file.badge_salt.is_empty() {
            return Ok(None);
        }
        let given = hash(badge.trim(), &self.file.badge_salt)?;
        let mut people = self.file.people.iter();
        let person = people.find(|person| {
            let badge = person.badge.as_deref();
            badge.is_some_and(|badge| is_same(badge, &given))
        });
        Ok(person.map(shown))
    }
}

fn shown(person: &Person) -> PersonBody {
    PersonBody {
        id: person.id.clone(),
        name: person.name.clone(),
    }
}

/// Argon2id, in hexadecimal.
fn hash(secret: &str, salt: &str) -> Result<String, PeopleError> {
    let mut out = [0; 32];
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(out.len()));
    let params = params.map_err(|_| PeopleError::Hash)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret.as_bytes(), salt.as_bytes(), &mut out)
        .map_err(|_| PeopleError::Hash)?;
    Ok(hex::encode(out))
}

/// The time that it takes says nothing about how much was right.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    let pairs = a.bytes().zip(b.bytes());
    a.len() == b.len() && pairs.fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: &str) -> PersonBody {
        PersonBody {
            id: id.to_owned(),
            name: format!("Person {id}"),
        }
    }

    fn two() -> People {
        let mut people = People::default();
        let badge = Some("badge-0000-1");
        people
            .add(person("op-1"), "1234", badge, [[1; 16], [2; 16]])
            .unwrap();
        people
            .add(person("op-2"), "1234", None, [[3; 16], [4; 16]])
            .unwrap();
        people
    }

    #[test]
    fn a_pin_opens_for_its_own_person_only() {
        let people = two();
        assert_eq!(people.by_pin("op-1", "1234").unwrap(), Some(person("op-1")));
        assert_eq!(people.by_pin("op-1", "1235").unwrap(), None);
        assert_eq!(people.by_pin("op-3", "1234").unwrap(), None);
        assert_eq!(
            people.by_badge(" badge-0000-1\n").unwrap(),
            Some(person("op-1"))
        );
        assert_eq!(people.by_badge("badge-0000-2").unwrap(), None);
    }

    #[test]
    fn the_list_is_for_its_owner_alone_and_holds_no_pin() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(People::read(folder.path()).unwrap(), People::default());
        two().write(folder.path()).unwrap();
        let path = folder.path().join(PEOPLE_FILE_NAME);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains("1234") && !text.contains("badge-0000"),
            "{text}"
        );
        assert_eq!(People::read(folder.path()).unwrap(), two());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&path, "{}").unwrap();
        assert!(matches!(
            People::read(folder.path()),
            Err(PeopleError::Form { .. })
        ));
    }

    #[test]
    fn the_same_pin_of_two_people_has_two_hashes() {
        let people = two().file.people;
        assert_ne!(people[0].pin, people[1].pin);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let mut people = People::default();
        let salts = [[0; 16], [1; 16]];
        for (id, name, pin, badge) in [
            ("", "x", "1234", None),
            ("op-1", " ", "1234", None),
            ("op-1", "x", "123", None),
            ("op-1", "x", "12a4", None),
            ("op-1", "x", "1234", Some("short")),
        ] {
            let somebody = PersonBody {
                id: id.to_owned(),
                name: name.to_owned(),
            };
            let added = people.add(somebody, pin, badge, salts);
            assert!(
                matches!(added, Err(PeopleError::BadValue(_))),
                "{id} {name} {pin}"
            );
        }
        assert_eq!(people, People::default());
    }
}
