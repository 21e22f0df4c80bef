//! A database whose disk was full, and that gets nothing until a person has seen to it.
//!
//! InfluxDB 1.x and 2.x answer every write with an error from the first one on that their log has no
//! room for, until they are started again. At that start they drop the torn end of the log, but go
//! on writing behind where it was. At the start after that everything behind the torn end is
//! dropped, acknowledged or not: seen with influxd 1.6.7, and told of 2.7 in
//! <https://github.com/influxdata/influxdb/issues/24901>. A database that was started twice with
//! nothing written in between is sound. Nobody but a person can start it, so a file beside the
//! store says what to do, and nothing is written while it is there: shots wait in the store and in
//! the rooms' journals.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::options::InfluxOptions;

/// What the file beside the store is called.
const FILE_NAME: &str = "influx-disk-was-full.txt";

/// How operating systems say that a disk is full, in small letters.
const FULL: [&str; 3] = [
    "no space left on device",
    "not enough space on the disk",
    "disk quota exceeded",
];

/// Whether a database says that its disk is full.
pub(super) fn says_disk_is_full(text: &str) -> bool {
    let text = text.to_lowercase();
    FULL.iter().any(|words| text.contains(words))
}

/// Keeps writes away from a database in doubt.
#[derive(Debug)]
pub(crate) struct Doubt {
    path: PathBuf,
    url: String,
    /// What the file has to say, while it cannot be written: its disk may be the same one. A std
    /// lock, held for a look or to write a few lines.
    unwritten: Mutex<Option<String>>,
}

impl Doubt {
    /// Of the database that keeps the shots of a store.
    pub(crate) fn beside(store: &Path, options: &InfluxOptions) -> Doubt {
        Doubt {
            path: store.with_file_name(FILE_NAME),
            url: options.url().to_owned(),
            unwritten: Mutex::default(),
        }
    }

    /// Takes note of what a database has said of its full disk; gives what is told of it.
    pub(super) fn begin(&self, said: &str) -> String {
        *self.lock() = Some(self.advice(said));
        let told = match self.check() {
            Err(told) => told,
            // Somebody has taken the file away this very moment.
            Ok(()) => String::new(),
        };
        format!("{said}; {told}")
    }

    /// Whether it may be written to.
    ///
    /// # Errors
    ///
    /// What to do, where a person has yet to see to it.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut unwritten = self.lock();
        if let Some(text) = unwritten.as_ref()
            && let Err(error) = std::fs::write(&self.path, text)
        {
            return Err(format!(
                "{}, and {error} for {}",
                self.told(),
                self.path.display()
            ));
        }
        *unwritten = None;
        match self.path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // It is there, or cannot be looked for.
            Ok(_) | Err(_) => Err(self.told()),
        }
    }

    fn told(&self) -> String {
        format!(
            "its disk was full, and it may forget what it takes now: make room there, start it \
             twice, then delete {}",
            self.path.display()
        )
    }

    fn advice(&self, said: &str) -> String {
        format!(
            "The InfluxDB at {} said that its disk is full: {said}\n\n\
             Mesofleet writes nothing to it while this file is here. No shot is lost: they wait in \
             the store and in the journals of the rooms.\n\n\
             InfluxDB 1.x and 2.x, started after that, take points and forget them at the next \
             start. Therefore, in this order:\n\
             1. make room on the disk of the InfluxDB;\n\
             2. start it, stop it, and start it once more, while this file is here;\n\
             3. delete this file: what waits is sent within seconds;\n\
             4. `mesofleet store check` compares every shot.\n",
            self.url
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(store: &Path) -> Doubt {
        let options = InfluxOptions::new("http://127.0.0.1:8086", "o", "b").unwrap();
        Doubt::beside(store, &options)
    }

    #[test]
    fn a_full_disk_is_known_by_its_words() {
        let told =
            r#"{"error":"engine: error writing WAL entry: write x: no space left on device"}"#;
        assert!(says_disk_is_full(told));
        assert!(says_disk_is_full("There is not enough space on the disk."));
        assert!(!says_disk_is_full("engine is closed"));
    }

    #[test]
    fn nothing_is_written_until_the_file_is_deleted_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("fleet.sqlite");
        let before = doubt(&store);
        assert_eq!(before.check(), Ok(()));
        let told = before.begin("no space left on device");
        assert!(told.contains(FILE_NAME), "{told}");
        assert!(before.check().is_err());
        let after = doubt(&store);
        assert!(after.check().is_err(), "a restart changes nothing");
        std::fs::remove_file(folder.path().join(FILE_NAME)).unwrap();
        assert_eq!(before.check(), Ok(()));
        assert_eq!(after.check(), Ok(()));
    }

    #[test]
    fn where_the_file_cannot_be_written_nothing_is_sent_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let away = folder.path().join("away");
        let doubt = doubt(&away.join("fleet.sqlite"));
        doubt.begin("no space left on device");
        assert!(doubt.check().is_err());
        assert!(doubt.check().is_err(), "it is not forgotten");
        std::fs::create_dir(&away).unwrap();
        assert!(doubt.check().is_err());
        std::fs::remove_file(away.join(FILE_NAME)).unwrap();
        assert_eq!(doubt.check(), Ok(()));
    }
}
