//! Taking another computer's place: which journals this one replaces.
//!
//! The new journal keeps the list, and its driver says it under a topic of its own, retained. A
//! driver that hears that its journal was replaced stops, so the old computer never runs beside
//! the new one, even where it comes back after months. What its journal holds is not lost: it goes
//! to the server by file.

use std::path::Path;

use meso_bus::Message;
use meso_config::DriverConfig;
use meso_contract::{PAYLOAD_VERSION, PayloadError, SuccessorMessage, topics};
use meso_journal::{Batch, Identity, JournalError, OpenedJournal};
use meso_units::JournalIncarnation;

use crate::DriverError;
use crate::machine::random_number;

/// Under this name the journal keeps the lives of the journals that it replaces.
const REPLACED_VALUE: &str = "replaced";

/// The life of a journal as messages and files write it.
pub fn incarnation_text(incarnation: JournalIncarnation) -> String {
    format!("{:016x}", incarnation.get())
}

/// Makes a journal that takes the place of others; says its life.
///
/// # Errors
///
/// [`DriverError::Journal`] where it cannot be made.
pub fn make_successor(
    folder: &Path,
    identity: Identity,
    replaced: &[String],
) -> Result<JournalIncarnation, DriverError> {
    let incarnation = JournalIncarnation(random_number()?);
    let journal = OpenedJournal::open(folder, identity, incarnation)?.start()?;
    let batch = Batch {
        values: vec![(REPLACED_VALUE.to_owned(), replaced.join(",").into_bytes())],
        ..Batch::default()
    };
    let (done, answer) = std::sync::mpsc::channel();
    journal.append(batch, move |committed| {
        // Whoever asked waits for it.
        let _ = done.send(committed);
    });
    let committed = answer.recv().unwrap_or(Err(JournalError::Closed));
    journal.close();
    committed?;
    Ok(incarnation)
}

/// What a driver says to those whose place its journal took; `None` where it took nobody's.
pub(crate) fn successor_message(
    config: &DriverConfig,
    journal: &OpenedJournal,
) -> Result<Option<Message>, JournalError> {
    let kept = journal.value(REPLACED_VALUE)?.unwrap_or_default();
    let kept = String::from_utf8_lossy(&kept);
    let replaced: Vec<String> = kept
        .split(',')
        .filter(|life| !life.is_empty())
        .map(str::to_owned)
        .collect();
    if replaced.is_empty() {
        return Ok(None);
    }
    let message = SuccessorMessage {
        version: PAYLOAD_VERSION,
        incarnation: incarnation_text(journal.recovery().incarnation),
        replaced,
    };
    let topic = topics::successor(&config.clinic_id, &config.driver_id);
    // Every field of it has a JSON form.
    let payload = message.encode().unwrap_or_default();
    Ok(Some(Message::retained(topic, payload)))
}

/// Whether a message says that this journal was replaced, and by which one.
///
/// # Errors
///
/// [`PayloadError`] where it is none.
pub(crate) fn replaced_by(
    payload: &[u8],
    own: JournalIncarnation,
) -> Result<Option<String>, PayloadError> {
    let message = SuccessorMessage::decode(payload)?;
    let is_replaced = message.replaced.contains(&incarnation_text(own));
    Ok(is_replaced.then_some(message.incarnation))
}
