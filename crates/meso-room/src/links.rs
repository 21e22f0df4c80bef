//! The room's links from codes to patients: its own, and those that other rooms made.
//!
//! A link is a random id and a salt for the tag of a code; records carry the commitment to them. A
//! room that is alone makes a link at once, so that a code can have several, made in rooms that did
//! not see each other. Which of them counts follows from the links alone: whoever knows the same
//! links comes to the same one, in whatever order they came.
//!
//! Links are kept in shelves in the order in which they came, each encrypted as a whole, so that one
//! more link writes one shelf.

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::CanonicalError;
use meso_domain::canonical::{Decoder, Encoder};
use meso_units::{DriverId, PatientCommitment, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::patients::CodeTag;

/// The version of the bytes that are encrypted.
const ENTRIES_VERSION: u8 = 1;

/// What a commitment is made of, so that no other hash can be taken for one.
const COMMITMENT_CONTEXT: &[u8] = b"mesofleet patient v2\0";

/// A random id for the tag of a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The tag of the code.
    pub tag: CodeTag,
    /// The id.
    pub id: [u8; 16],
    /// Hides the id in the commitment.
    pub salt: [u8; 32],
    /// When it was made, by the clock of the computer that made it.
    pub made_at: Timestamp,
    /// The driver that made it.
    pub made_by: DriverId,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("made_at", &self.made_at)
            .field("made_by", &self.made_by)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// What records carry: SHA-256 of salt and id.
    pub fn commitment(&self) -> PatientCommitment {
        let mut hasher = Sha256::new();
        hasher.update(COMMITMENT_CONTEXT);
        hasher.update(self.salt);
        hasher.update(self.id);
        PatientCommitment::from_bytes(hasher.finalize().into())
    }

    /// The smallest of a tag's links counts.
    const fn rank(&self) -> (Timestamp, [u8; 16]) {
        (self.made_at, self.id)
    }
}

/// A link as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEntry {
    /// The link.
    pub link: Link,
    /// Into which id this room has recorded it to be merged, for a link that it made itself.
    pub told_into: Option<PatientCommitment>,
}

pub(crate) fn encode_entries(entries: &[LinkEntry]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.u8(ENTRIES_VERSION);
    encoder.list(entries, |e, LinkEntry { link, told_into }| {
        e.fixed(&link.tag.0);
        e.fixed(&link.id);
        e.fixed(&link.salt);
        e.timestamp(link.made_at);
        e.text(link.made_by.as_str());
        e.option(told_into.as_ref(), |e, into| e.fixed(into.as_bytes()));
    });
    encoder.into_bytes()
}

pub(crate) fn decode_entries(bytes: &[u8]) -> Result<Vec<LinkEntry>, CanonicalError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.u8()?;
    if version != ENTRIES_VERSION {
        return Err(CanonicalError::UnknownCode {
            field: "version of links",
            code: version.into(),
        });
    }
    let entries = decoder.list("links", |d| {
        let link = Link {
            tag: CodeTag(d.fixed()?),
            id: d.fixed()?,
            salt: d.fixed()?,
            made_at: d.timestamp()?,
            made_by: DriverId::parse(d.text("driver")?)?,
        };
        let told_into = d.option(|d| Ok(PatientCommitment::from_bytes(d.fixed()?)))?;
        Ok(LinkEntry { link, told_into })
    })?;
    decoder.finish()?;
    if entries.len() > LinkTable::SHELF_LINKS_MAX {
        return Err(CanonicalError::WrongLength {
            field: "links",
            length: entries.len(),
        });
    }
    Ok(entries)
}

/// What became of a link that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTaken {
    /// It is new, and this shelf is to be written.
    New(u16),
    /// It is known.
    Known,
    /// Its id is that of another link: it is refused.
    OtherIsKnown,
    /// Its tag has [`LinkTable::LINKS_PER_TAG_MAX`] links, and it would not count: it is refused.
    TooMany,
    /// The table is full: it is refused.
    Full,
}

/// An id that this room made and that gives way to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueMerge {
    /// The commitment to the id that this room made.
    pub from: PatientCommitment,
    /// The commitment to the one that counts.
    pub into: PatientCommitment,
    /// The shelf that is to be written with it.
    pub shelf: u16,
}

/// The links that a room knows.
#[derive(Clone, Debug, Default)]
pub struct LinkTable {
    shelves: BTreeMap<u16, Vec<LinkEntry>>,
    /// Shelves that cannot be read; they stay as they are, and nothing is put on them.
    unreadable: BTreeSet<u16>,
    /// Where the links of a tag are.
    by_tag: BTreeMap<CodeTag, BTreeSet<Spot>>,
    by_id: BTreeMap<[u8; 16], Spot>,
    by_commitment: BTreeMap<PatientCommitment, CodeTag>,
    count: usize,
}

/// A shelf, and a place on it.
type Spot = (u16, usize);

impl LinkTable {
    /// Links on a shelf, and on a page that rooms tell each other; the next one begins another.
    pub const SHELF_LINKS_MAX: usize = 256;

    /// The most shelves, 65,536 links of some 100 bytes; a further link is refused, and the room says
    /// so.
    pub const SHELF_COUNT_MAX: u16 = 256;

    /// The most links of one driver: its pages, full. A further link is refused, and the room says
    /// so.
    pub const OWN_LINKS_MAX: usize =
        meso_contract::LinksMessage::PAGE_COUNT_MAX as usize * LinkTable::SHELF_LINKS_MAX;

    /// The most links of one tag, as many as the server joins to one patient: so many rooms met the
    /// patient out of each other's sight. A further one is refused unless it is older than all of
    /// them, since then it counts, in every room alike. What was done under a refused id is not in
    /// the course that this room knows.
    pub const LINKS_PER_TAG_MAX: usize = 64;

    /// Takes over a shelf as it was kept; links that are there already are left out.
    pub fn restore(&mut self, shelf: u16, entries: Vec<LinkEntry>) {
        for entry in entries {
            if !self.by_id.contains_key(&entry.link.id) {
                self.put(shelf, entry);
            }
        }
    }

    /// Notes a shelf that cannot be read.
    pub fn restore_unreadable(&mut self, shelf: u16) {
        self.unreadable.insert(shelf);
    }

    /// How many shelves cannot be read.
    pub fn unreadable_count(&self) -> usize {
        self.unreadable.len()
    }

    /// How many links there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Takes a link.
    pub fn take(&mut self, link: Link) -> LinkTaken {
        if let Some(known) = self.by_id.get(&link.id).and_then(|spot| self.entry(*spot)) {
            return match known.link == link {
                true => LinkTaken::Known,
                false => LinkTaken::OtherIsKnown,
            };
        }
        let of_tag = self.by_tag.get(&link.tag).map_or(0, BTreeSet::len);
        let winner = self.winner(&link.tag);
        let counts = winner.is_none_or(|winner| link.rank() < winner.rank());
        if of_tag >= LinkTable::LINKS_PER_TAG_MAX && !counts {
            return LinkTaken::TooMany;
        }
        let Some(shelf) = self.shelf_with_room() else {
            return LinkTaken::Full;
        };
        self.put(
            shelf,
            LinkEntry {
                link,
                told_into: None,
            },
        );
        LinkTaken::New(shelf)
    }

    fn shelf_with_room(&self) -> Option<u16> {
        if let Some((shelf, entries)) = self.shelves.last_key_value()
            && entries.len() < LinkTable::SHELF_LINKS_MAX
        {
            return Some(*shelf);
        }
        let mut free = 0..LinkTable::SHELF_COUNT_MAX;
        free.find(|shelf| !self.shelves.contains_key(shelf) && !self.unreadable.contains(shelf))
    }

    fn put(&mut self, shelf: u16, entry: LinkEntry) {
        let entries = self.shelves.entry(shelf).or_default();
        let spot = (shelf, entries.len());
        let (tag, id) = (entry.link.tag, entry.link.id);
        self.by_tag.entry(tag).or_default().insert(spot);
        self.by_id.insert(id, spot);
        self.by_commitment.insert(entry.link.commitment(), tag);
        entries.push(entry);
        self.count += 1;
    }

    fn entry(&self, (shelf, place): Spot) -> Option<&LinkEntry> {
        self.shelves.get(&shelf)?.get(place)
    }

    fn links_of(&self, tag: &CodeTag) -> impl Iterator<Item = &Link> {
        let spots = self.by_tag.get(tag).into_iter().flatten();
        spots.filter_map(|spot| Some(&self.entry(*spot)?.link))
    }

    /// What is on a shelf.
    pub fn shelf(&self, shelf: u16) -> &[LinkEntry] {
        self.shelves.get(&shelf).map_or(&[], Vec::as_slice)
    }

    /// The link of a tag that counts: that which was made first, and of those of one moment the one
    /// with the smallest id.
    pub fn winner(&self, tag: &CodeTag) -> Option<&Link> {
        self.links_of(tag).min_by_key(|link| link.rank())
    }

    /// Every commitment of the patient who has this one, itself first.
    pub fn same_patient(&self, patient: &PatientCommitment) -> Vec<PatientCommitment> {
        let mut same = vec![*patient];
        if let Some(tag) = self.by_commitment.get(patient) {
            let others = self.links_of(tag).map(Link::commitment);
            same.extend(others.filter(|other| other != patient));
        }
        same
    }

    /// The links that a driver made, in the order of their making.
    pub fn made_by<'t>(&'t self, driver: &'t DriverId) -> Vec<&'t Link> {
        let mut made: Vec<&Link> = self
            .entries_made_by(driver)
            .map(|entry| &entry.link)
            .collect();
        made.sort_by_key(|link| link.rank());
        made
    }

    /// How many links a driver made.
    pub fn made_count(&self, driver: &DriverId) -> usize {
        self.entries_made_by(driver).count()
    }

    fn entries_made_by<'t>(&'t self, driver: &'t DriverId) -> impl Iterator<Item = &'t LinkEntry> {
        let entries = self.shelves.values().flatten();
        entries.filter(move |entry| entry.link.made_by == *driver)
    }

    /// The ids that a driver made, that give way to others, and of which it has not recorded that.
    pub fn due_merges(&self, driver: &DriverId) -> Vec<DueMerge> {
        let several = self.by_tag.iter().filter(|(_, spots)| spots.len() > 1);
        let due = several.flat_map(|(tag, spots)| {
            let into = self.winner(tag).map(Link::commitment);
            let entries = spots.iter();
            entries.filter_map(move |spot| {
                let (entry, into) = (self.entry(*spot)?, into?);
                let from = entry.link.commitment();
                let is_due =
                    entry.link.made_by == *driver && from != into && entry.told_into != Some(into);
                is_due.then_some(DueMerge {
                    from,
                    into,
                    shelf: spot.0,
                })
            })
        });
        due.collect()
    }

    /// Notes that a merge is recorded.
    pub fn note_told(&mut self, merge: &DueMerge) {
        let tag = self.by_commitment.get(&merge.from);
        let spots = tag.and_then(|tag| self.by_tag.get(tag));
        for (shelf, place) in spots.into_iter().flatten() {
            let entries = self.shelves.get_mut(shelf);
            let entry = entries.and_then(|entries| entries.get_mut(*place));
            if let Some(entry) = entry.filter(|entry| entry.link.commitment() == merge.from) {
                entry.told_into = Some(merge.into);
            }
        }
    }

    /// How many of a driver's ids it has recorded to be merged.
    pub fn told_count(&self, driver: &DriverId) -> usize {
        let made = self.entries_made_by(driver);
        made.filter(|entry| entry.told_into.is_some()).count()
    }
}

#[cfg(test)]
mod tests;
