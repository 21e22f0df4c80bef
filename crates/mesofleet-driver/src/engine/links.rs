//! From codes to patients: the links of this room and of the others.
//!
//! The journal keeps every link that the room knows, encrypted under the patients' key, so that a code
//! leads to the same patient after a restart and with the network down. A room that is alone makes an
//! id of its own; where two rooms did, the one whose id gives way records that.

use std::collections::{BTreeMap, BTreeSet};

use meso_contract::LinksMessage;
use meso_contract::room::PatientLinksBody;
use meso_delivery::Haste;
use meso_domain::{PatientMerged, Record, Stream};
use meso_journal::{JournalError, NewRecord};
use meso_room::{
    CodeTag, DueMerge, Link, LinkEntry, LinkPlace, LinkTable, LinkTaken, PatientKeys, StepFailure,
};
use meso_units::{DriverId, PatientCommitment};

use super::{Engine, JournalContents, Work};
use crate::machine::Now;

/// Under this and a number the journal keeps a shelf of links, encrypted.
pub const LINK_VALUES: &str = "links/";

/// Merges that are recorded in one go, so that two rooms that were apart for long do not hold up shots;
/// the rest follows with the next look.
const MERGES_AT_ONCE_MAX: usize = 256;

/// Drivers of which it is remembered that their links cannot be read; of further ones only the log
/// tells.
const UNREADABLE_DRIVERS_MAX: usize = 256;

/// How often the log may speak of refused links of one room: one line a minute, with their number.
const REFUSALS_LOGGED_EVERY_MS: u64 = 60_000;

/// Rooms whose refused links the log speaks of; those of further ones are only counted.
const REFUSING_ROOMS_MAX: usize = 256;

/// Refused links of one room that the log has not spoken of.
#[derive(Debug, Default)]
struct Refusals {
    unsaid_count: u64,
    may_speak_at_ms: u64,
}

/// Random bytes for a link that may be new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrawnLink {
    pub(crate) id: [u8; 16],
    pub(crate) salt: [u8; 32],
    /// For the nonce.
    pub(crate) seed: [u8; 32],
}

/// Why a page of another driver cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreadable {
    OtherKey,
    Damaged,
}

/// What the engine knows of codes and patients.
#[derive(Debug, Default)]
pub(super) struct Links {
    keys: Option<PatientKeys>,
    /// Why there are no keys.
    problem: Option<String>,
    table: LinkTable,
    /// Pages of other drivers that cannot be read.
    unreadable: BTreeMap<DriverId, BTreeMap<u8, Unreadable>>,
    pub(super) refused_count: u64,
    refusals: BTreeMap<DriverId, Refusals>,
    /// Whether ids of this room may give way to others.
    is_merge_due: bool,
    /// The ids on each page as other rooms were told them over the present connection.
    told: BTreeMap<u8, Vec<[u8; 16]>>,
    is_page_due: bool,
}

impl Links {
    fn note_unreadable(&mut self, driver: &DriverId, page: u8, why: Unreadable) {
        let is_known = self.unreadable.contains_key(driver);
        if !is_known {
            match why {
                Unreadable::OtherKey => {
                    tracing::warn!(%driver, "ALARM: the links of this driver are under another patients' key: import the key")
                }
                Unreadable::Damaged => {
                    tracing::warn!(%driver, page, "links of this driver are damaged")
                }
            }
        }
        if is_known || self.unreadable.len() < UNREADABLE_DRIVERS_MAX {
            let pages = self.unreadable.entry(driver.clone()).or_default();
            pages.insert(page, why);
        }
    }

    /// Counts something that was refused; gives how many the log is to speak of, if it is to.
    pub(super) fn note_refused(&mut self, now: Now, driver: &DriverId) -> Option<u64> {
        self.refused_count += 1;
        let is_known = self.refusals.contains_key(driver);
        if !is_known && self.refusals.len() >= REFUSING_ROOMS_MAX {
            return None;
        }
        let of_room = self.refusals.entry(driver.clone()).or_default();
        of_room.unsaid_count += 1;
        if now.monotonic_ms < of_room.may_speak_at_ms {
            return None;
        }
        of_room.may_speak_at_ms = now.monotonic_ms.saturating_add(REFUSALS_LOGGED_EVERY_MS);
        Some(std::mem::take(&mut of_room.unsaid_count))
    }

    fn refuse(&mut self, now: Now, driver: &DriverId, page: u8, why: &str) {
        if let Some(count) = self.note_refused(now, driver) {
            tracing::warn!(%driver, page, why, count, "links were refused");
        }
    }

    fn note_readable(&mut self, driver: &DriverId, page: u8) {
        if let Some(pages) = self.unreadable.get_mut(driver) {
            pages.remove(&page);
            if pages.is_empty() {
                self.unreadable.remove(driver);
            }
        }
    }

    fn why_unreadable(&self, driver: &DriverId, page: u8) -> Option<Unreadable> {
        self.unreadable.get(driver)?.get(&page).copied()
    }

    /// A page of this room lies at the broker under a key that this room has not: it may be the only
    /// copy of links that were lost here. Where the journal has links of another key as well, somebody
    /// has replaced the key and wants the page gone.
    fn is_kept(&self, driver: &DriverId, page: u8) -> bool {
        let why = self.why_unreadable(driver, page);
        why == Some(Unreadable::OtherKey) && self.table.unreadable_count() == 0
    }

    /// Whether links lie somewhere that this room cannot read: a patient who is new here may then be
    /// known.
    fn are_cut(&self) -> bool {
        self.keys.is_none() || self.table.unreadable_count() > 0 || !self.unreadable.is_empty()
    }

    fn drivers_with(&self, why: Unreadable) -> Vec<String> {
        let drivers = self.unreadable.iter();
        let drivers = drivers.filter(|(_, pages)| pages.values().any(|one| *one == why));
        drivers.map(|(driver, _)| driver.to_string()).collect()
    }
}

impl Engine {
    /// Finds the patient of a code, or links it to a new id; gives what is to be written of it, which
    /// is nothing where it is known, and whom records are about.
    ///
    /// # Errors
    ///
    /// [`StepFailure::Unavailable`] where there is no key or no place left.
    pub(crate) fn find_patient(
        &mut self,
        now: Now,
        tag: &CodeTag,
        drawn: &DrawnLink,
    ) -> Result<(Work, PatientCommitment), StepFailure> {
        if self.links.keys.is_none() {
            let problem = self.links.problem.clone().unwrap_or_default();
            return Err(StepFailure::unavailable(problem));
        }
        if let Some(link) = self.links.table.winner(tag) {
            return Ok((Work::default(), link.commitment()));
        }
        let driver = &self.config.driver_id;
        let link = Link {
            tag: *tag,
            id: drawn.id,
            salt: drawn.salt,
            made_at: now.utc,
            made_by: driver.clone(),
        };
        let patient = link.commitment();
        let made = self.links.table.made_count(driver);
        let taken = match made < LinkTable::OWN_LINKS_MAX {
            true => self.links.table.take(link),
            false => LinkTaken::Full,
        };
        let LinkTaken::New(shelf) = taken else {
            return Err(StepFailure::unavailable(format!(
                "this room knows {} patients, {made} of them first met here, and the limits are {} and {}: \
                 begin the session in another room, and give this room's driver a new id",
                self.links.table.count(),
                usize::from(LinkTable::SHELF_COUNT_MAX) * LinkTable::SHELF_LINKS_MAX,
                LinkTable::OWN_LINKS_MAX,
            )));
        };
        self.links.is_page_due = true;
        let mut work = Work::default();
        self.keep_shelves([shelf].into(), &drawn.seed, &mut work);
        Ok((work, patient))
    }

    /// Every id of the patient who has this one, itself first.
    pub(super) fn ids_of(&self, patient: &PatientCommitment) -> Vec<PatientCommitment> {
        self.links.table.same_patient(patient)
    }

    /// Every id of the patient who has this one; `None` where the patient may have more, since links lie
    /// somewhere that this room cannot read.
    pub(super) fn all_ids_of(&self, patient: &PatientCommitment) -> Option<Vec<PatientCommitment>> {
        (!self.links.are_cut()).then(|| self.ids_of(patient))
    }

    /// Takes a page of links that a driver made; gives what is to be written of it, which is nothing
    /// where all of it is known.
    pub(crate) fn take_links(
        &mut self,
        now: Now,
        driver: &DriverId,
        page: u8,
        payload: &[u8],
        seed: &[u8; 32],
    ) -> Work {
        let entries = self.read_page(now, driver, page, payload);
        let mut shelves = BTreeSet::new();
        for LinkEntry { link, .. } in entries {
            let taken = match link.made_by == *driver {
                true => self.links.table.take(link),
                false => LinkTaken::OtherIsKnown,
            };
            match taken {
                LinkTaken::New(shelf) => drop(shelves.insert(shelf)),
                LinkTaken::Known => {}
                LinkTaken::OtherIsKnown => {
                    self.links
                        .refuse(now, driver, page, "its id is another link's");
                }
                LinkTaken::TooMany => {
                    self.links
                        .refuse(now, driver, page, "its code has too many links");
                }
                LinkTaken::Full => {
                    self.links
                        .refuse(now, driver, page, "no place is left for links");
                }
            }
        }
        let mut work = Work::default();
        if !shelves.is_empty() {
            self.links.is_merge_due = true;
            // Of its own it may have more now than it has told.
            self.links.is_page_due |= *driver == self.config.driver_id;
            self.keep_shelves(shelves, seed, &mut work);
        }
        let is_own = *driver == self.config.driver_id;
        self.links.is_page_due |= is_own && self.links.why_unreadable(driver, page).is_some();
        work
    }

    fn read_page(
        &mut self,
        now: Now,
        driver: &DriverId,
        page: u8,
        payload: &[u8],
    ) -> Vec<LinkEntry> {
        let message = LinksMessage::decode(payload);
        let read = message.and_then(|message| Ok((message.sealed_bytes()?, message)));
        let (sealed, message) = match read {
            Ok((sealed, message)) if message.page == page => (sealed, message),
            Ok(_) => {
                self.links.refuse(
                    now,
                    driver,
                    page,
                    "they are of another page than their topic's",
                );
                return Vec::new();
            }
            Err(error) => {
                self.links.refuse(now, driver, page, &error.to_string());
                return Vec::new();
            }
        };
        let Some(keys) = &self.links.keys else {
            return Vec::new();
        };
        if message.key != keys.fingerprint() {
            self.links
                .note_unreadable(driver, page, Unreadable::OtherKey);
            return Vec::new();
        }
        let place = LinkPlace {
            clinic: &self.config.clinic_id,
            driver,
            kind: "page",
            number: page.into(),
        };
        match keys.open_sealed(&place, &sealed) {
            Ok(entries) => {
                self.links.note_readable(driver, page);
                entries
            }
            Err(error) => {
                tracing::debug!(%driver, page, %error, "links do not decrypt");
                self.links
                    .note_unreadable(driver, page, Unreadable::Damaged);
                Vec::new()
            }
        }
    }

    /// Whether ids of this room may give way to others, which is to be recorded.
    pub(crate) const fn is_merge_due(&self) -> bool {
        self.links.is_merge_due
    }

    /// Records which ids that this room made gave way to others, at most
    /// [`MERGES_AT_ONCE_MAX`] of them.
    pub(crate) fn take_merges(&mut self, now: Now, seed: &[u8; 32]) -> Work {
        let mut due = self.links.table.due_merges(&self.config.driver_id);
        self.links.is_merge_due = due.len() > MERGES_AT_ONCE_MAX;
        due.truncate(MERGES_AT_ONCE_MAX);
        let mut work = Work::default();
        let mut shelves = BTreeSet::new();
        for merge in &due {
            self.links.table.note_told(merge);
            shelves.insert(merge.shelf);
            let DueMerge { from, into, .. } = *merge;
            let at = now.utc;
            let record = NewRecord {
                stream: Stream::Room,
                record: Record::Patient(PatientMerged { from, into, at }),
                judgement: None,
                session: None,
            };
            work.push(record, None, Haste::None);
        }
        if !due.is_empty() {
            tracing::info!(
                count = due.len(),
                "patients of this room were known elsewhere before"
            );
        }
        self.keep_shelves(shelves, seed, &mut work);
        work
    }

    fn keep_shelves(&self, shelves: BTreeSet<u16>, seed: &[u8; 32], work: &mut Work) {
        let Some(keys) = &self.links.keys else {
            return;
        };
        for shelf in shelves {
            let sealed = keys.seal(
                &self.shelf_place(shelf),
                seed,
                self.links.table.shelf(shelf),
            );
            work.keep(format!("{LINK_VALUES}{shelf:03}"), sealed);
        }
    }

    fn shelf_place(&self, shelf: u16) -> LinkPlace<'_> {
        LinkPlace {
            clinic: &self.config.clinic_id,
            driver: &self.config.driver_id,
            kind: "shelf",
            number: shelf,
        }
    }

    /// A new connection: what other rooms were told over the last one may be gone.
    pub(crate) fn all_links_due(&mut self) {
        self.links.told.clear();
        self.links.is_page_due = true;
    }

    /// Whether there may be something to tell other rooms.
    pub(crate) const fn is_page_due(&self) -> bool {
        self.links.is_page_due
    }

    /// Pages of links of this room that other rooms were not told yet, so many at most. One that the
    /// broker keeps of a key that was replaced here is told, too, though nothing may be on it: else
    /// other rooms would be asked for ever for a key that nobody uses any more.
    pub(crate) fn due_pages(&mut self, seed: &[u8; 32], most: usize) -> Vec<LinksMessage> {
        self.links.is_page_due = false;
        let Some(keys) = &self.links.keys else {
            return Vec::new();
        };
        let driver = &self.config.driver_id;
        let mut messages = Vec::new();
        let made = self.links.table.made_by(driver);
        let mut chunks = made.chunks(LinkTable::SHELF_LINKS_MAX);
        for page in 0..LinksMessage::PAGE_COUNT_MAX {
            if self.links.is_kept(driver, page) {
                continue;
            }
            let links = chunks.next().unwrap_or_default();
            let ids: Vec<[u8; 16]> = links.iter().map(|link| link.id).collect();
            let is_empty = ids.is_empty() && self.links.why_unreadable(driver, page).is_none();
            if is_empty || self.links.told.get(&page) == Some(&ids) {
                continue;
            }
            if messages.len() >= most {
                self.links.is_page_due = true;
                break;
            }
            let entries = links.iter().map(|link| LinkEntry {
                link: Link::clone(link),
                told_into: None,
            });
            let entries: Vec<LinkEntry> = entries.collect();
            let place = LinkPlace {
                clinic: &self.config.clinic_id,
                driver,
                kind: "page",
                number: page.into(),
            };
            let sealed = keys.seal(&place, seed, &entries);
            messages.push(LinksMessage::new(page, keys.fingerprint(), &sealed));
            self.links.told.insert(page, ids);
        }
        messages
    }

    /// A page could not be sent: it is told again.
    pub(crate) fn page_refused(&mut self, page: u8) {
        self.links.told.remove(&page);
        self.links.is_page_due = true;
    }

    /// How far the room knows the patients of the other rooms.
    pub(super) fn links_body(&self) -> PatientLinksBody {
        let links = &self.links;
        let driver = &self.config.driver_id;
        PatientLinksBody {
            key: links
                .keys
                .as_ref()
                .map(|keys| keys.fingerprint().to_owned()),
            problem: links.problem.clone(),
            known_count: links.table.count() as u64,
            made_here_count: links.table.made_count(driver) as u64,
            merged_count: links.table.told_count(driver) as u64,
            other_keys: links.drivers_with(Unreadable::OtherKey),
            damaged: links.drivers_with(Unreadable::Damaged),
            unreadable_shelf_count: links.table.unreadable_count() as u64,
            refused_count: links.refused_count,
        }
    }

    /// Takes over what the journal kept. What does not decrypt stays there as it is.
    pub(super) fn recover_links(
        &mut self,
        journal: &impl JournalContents,
        patients: Result<PatientKeys, String>,
    ) -> Result<(), JournalError> {
        let mut table = LinkTable::default();
        for (name, sealed) in journal.values_under(LINK_VALUES)? {
            let Ok(shelf) = name.parse() else {
                tracing::warn!(name, "this is no shelf of links");
                continue;
            };
            let read = patients.as_ref().ok();
            let read = read.map(|keys| keys.open_sealed(&self.shelf_place(shelf), &sealed));
            match read {
                Some(Ok(entries)) => table.restore(shelf, entries),
                Some(Err(error)) => {
                    tracing::error!(shelf, %error, "ALARM: links in the journal cannot be read: bring back the patients' key");
                    table.restore_unreadable(shelf);
                }
                None => table.restore_unreadable(shelf),
            }
        }
        let (keys, problem) = match patients {
            Ok(keys) => (Some(keys), None),
            Err(problem) => (None, Some(problem)),
        };
        self.links = Links {
            keys,
            problem,
            table,
            // What was recorded last may not have been all.
            is_merge_due: true,
            ..Links::default()
        };
        Ok(())
    }
}
