//! Sessions that are open while something happens, and what their seals have to hold.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use meso_contract::room::RoomStepBody;
use meso_domain::canonical::Canonical as _;
use meso_domain::{CommitEntry, LedgerEntryKind, Record, RecordHash, SessionSeal, Shot};
use meso_store::{BlockSelection, LoadedRecord, Reader, Readers, StoreError};
use meso_testkit::gun::bank::Order;
use meso_testkit::gun::log::{FiredShot, ShotKeyText, key_of};
use meso_units::{Nanolitres, SessionId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::clinic::Clinic;
use super::count::{BLOCKS_MAX, Count};
use crate::sandbox::open_session;

/// Sessions that are open over a fault, one for each gun.
#[derive(Debug)]
pub struct Sessions {
    open: Vec<Open>,
}

/// A session, and how the guns' logs know its shots.
#[derive(Clone, Debug)]
struct Open {
    session: SessionId,
    gun: String,
    /// What the gun had fired before it.
    before: BTreeSet<ShotKeyText>,
}

/// What the store has of a session.
#[derive(Clone, Debug, Default)]
struct Kept {
    /// Of its events, in the order of arrival.
    events: Vec<RecordHash>,
    shots: BTreeMap<ShotKeyText, Shot>,
    sealed_at: Option<Timestamp>,
}

/// How often each seal is in the ledger, by the digest of its bytes.
type Seals = BTreeMap<[u8; 32], u64>;

impl Sessions {
    /// Opens one for each gun in the first room. Nobody fires meanwhile, so that which shots are
    /// before it is certain.
    ///
    /// # Errors
    ///
    /// The room refuses a step, or what was fired before is not stored.
    pub(super) fn open(clinic: &Clinic) -> anyhow::Result<Sessions> {
        let guns = clinic.bank.logs().len();
        let hold = |is_held| -> anyhow::Result<()> {
            for gun in 0..guns {
                clinic.order(gun, Order::HoldFire(is_held))?;
            }
            Ok(())
        };
        hold(true)?;
        clinic
            .wait_until_stored()
            .context("shots before the sessions")?;
        let before: BTreeSet<ShotKeyText> = clinic.fired()?.iter().map(FiredShot::key).collect();
        let mut open = Vec::new();
        for gun in 0..guns {
            let gun = clinic.serial(gun).to_owned();
            let session = open_session(&clinic.drivers[0], &gun)?;
            open.push(Open {
                session: SessionId::parse(&session)?,
                gun,
                before: before.clone(),
            });
        }
        hold(false)?;
        Ok(Sessions { open })
    }

    /// Ends every one and waits until it is sealed; no gun fires any more.
    ///
    /// # Errors
    ///
    /// The room refuses, or it takes too long.
    pub(super) fn end(&self, clinic: &Clinic) -> anyhow::Result<()> {
        for open in &self.open {
            let end = RoomStepBody::End {
                session: open.session.to_string(),
                outcome: "completed".to_owned(),
            };
            let ended = clinic.drivers[0].step(&end);
            ended.with_context(|| format!("{}: the session does not end", open.gun))?;
        }
        clinic.wait_until("every session is sealed", || {
            let readers = clinic.place().and_then(|place| Ok(place.read()?));
            readers.is_ok_and(|readers| {
                let is_sealed = |open: &Open| {
                    let row = readers.with(|reader| reader.session(open.session));
                    matches!(row, Ok(Some(row)) if row.sealed_at.is_some())
                };
                self.open.iter().all(is_sealed)
            })
        })
    }

    /// Compares what is stored of every session, and its seal in the ledger, with the guns' logs.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(super) fn check(
        &self,
        count: &mut Count,
        readers: &Readers,
        fired: &[FiredShot],
    ) -> Result<(), StoreError> {
        let (mut kept, seals) =
            readers.with(|reader| Ok::<_, StoreError>((self.read(reader)?, seals_of(reader)?)))?;
        for open in &self.open {
            let kept = kept.remove(&open.session).unwrap_or_default();
            compare(count, open, fired, &kept, &seals);
        }
        let sealed: u64 = seals.values().sum();
        if sealed != self.open.len() as u64 {
            let opened = self.open.len();
            count.unexplained(format!("{sealed} seals of {opened} sessions"));
        }
        Ok(())
    }

    fn read(&self, reader: &Reader<'_>) -> Result<BTreeMap<SessionId, Kept>, StoreError> {
        let mut kept: BTreeMap<SessionId, Kept> = BTreeMap::new();
        for open in &self.open {
            let row = reader.session(open.session)?;
            let kept = kept.entry(open.session).or_default();
            kept.sealed_at = row.and_then(|row| row.sealed_at);
        }
        for block in reader.select_blocks(&BlockSelection::default(), BLOCKS_MAX)? {
            let loaded = reader.load_block(block)?;
            let of_block = loaded.header.session;
            for (_, record) in loaded.records {
                let LoadedRecord::Stored(record) = record else {
                    continue;
                };
                let session = match &*record {
                    Record::Session(event) => Some(event.session()),
                    _ => of_block,
                };
                let Some(kept) = session.and_then(|session| kept.get_mut(&session)) else {
                    continue;
                };
                match *record {
                    Record::Session(_) => kept.events.push(record.hash()),
                    Record::Shot(shot) => drop(kept.shots.insert(key_of(&shot), shot)),
                    _ => {}
                }
            }
        }
        Ok(kept)
    }
}

fn seals_of(reader: &Reader<'_>) -> Result<Seals, StoreError> {
    let mut seals = Seals::new();
    for leaf in 0..reader.leaf_count()? {
        let bytes = reader.leaf(leaf)?.unwrap_or_default();
        let entries = CommitEntry::from_canonical(&bytes)?.entries.into_iter();
        for seal in entries.filter(|entry| entry.kind == LedgerEntryKind::SessionSeal) {
            *seals.entry(seal.digest).or_default() += 1;
        }
    }
    Ok(seals)
}

/// The shots of the gun since the session began, by its log, are those that the store has under the
/// session, and the ledger has the seal over just these once.
fn compare(count: &mut Count, open: &Open, fired: &[FiredShot], kept: &Kept, seals: &Seals) {
    let session = open.session;
    let of_session =
        |shot: &&FiredShot| shot.serial == open.gun && !open.before.contains(&shot.key());
    let fired: Vec<&FiredShot> = fired.iter().filter(of_session).collect();
    let wanted: BTreeSet<ShotKeyText> = fired.iter().map(|shot| shot.key()).collect();
    let held: BTreeSet<ShotKeyText> = kept.shots.keys().cloned().collect();
    if let Some(key) = wanted.symmetric_difference(&held).next() {
        let (wanted, held) = (wanted.len(), held.len());
        count.unexplained(format!(
            "session {session} has {held} shots, and {} fired {wanted} in it; the first difference \
             is {key:?}",
            open.gun
        ));
        return;
    }
    if fired.is_empty() {
        count.unexplained(format!("nobody fired in session {session}"));
    }
    let Some(at) = kept.sealed_at else {
        count.unexplained(format!("session {session} is not sealed"));
        return;
    };
    let volumes = fired
        .iter()
        .map(|shot| shot.volume_sensed_nl.or(shot.volume_set_nl));
    let volume_nl: u64 = volumes.map(Option::unwrap_or_default).sum();
    let mut hasher = Sha256::new();
    let shots = kept
        .shots
        .values()
        .map(|shot| Record::Shot(shot.clone()).hash());
    for hash in kept.events.iter().copied().chain(shots) {
        hasher.update(hash.0);
    }
    let seal = SessionSeal {
        session,
        at,
        patient_shot_count: fired.len() as u64,
        patient_volume: Nanolitres::new(volume_nl).unwrap_or(Nanolitres::MAX),
        records_digest: hasher.finalize().into(),
    };
    let digest: [u8; 32] = Sha256::digest(seal.canonical_bytes()).into();
    let times = seals.get(&digest).copied().unwrap_or(0);
    if times != 1 {
        count.unexplained(format!(
            "the seal over the shots that {} fired in session {session} is in the ledger {times} \
             times",
            open.gun
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::samples::{GUN, fired, shot};

    fn kept(counters: &[u32]) -> Kept {
        Kept {
            events: vec![RecordHash([7; 32])],
            shots: counters
                .iter()
                .map(|counter| (key_of(&shot(*counter)), shot(*counter)))
                .collect(),
            sealed_at: Some(Timestamp::UNIX_EPOCH),
        }
    }

    fn seal_over(counters: &[u32], count: u64) -> Seals {
        let mut bytes = vec![7; 32];
        for counter in counters {
            bytes.extend(Record::Shot(shot(*counter)).hash().0);
        }
        let seal = SessionSeal {
            session: SessionId::from_bytes([3; 16]),
            at: Timestamp::UNIX_EPOCH,
            patient_shot_count: count,
            patient_volume: Nanolitres::new(0).unwrap(),
            records_digest: Sha256::digest(bytes).into(),
        };
        let digest = Sha256::digest(seal.canonical_bytes()).into();
        Seals::from([(digest, 1)])
    }

    /// Of three shots the first was fired before the session.
    fn is_clean(kept: &Kept, seals: &Seals) -> bool {
        let open = Open {
            session: SessionId::from_bytes([3; 16]),
            gun: GUN.to_owned(),
            before: BTreeSet::from([fired(1).key()]),
        };
        let mut count = Count::default();
        compare(
            &mut count,
            &open,
            &[fired(1), fired(2), fired(3)],
            kept,
            seals,
        );
        count.is_clean()
    }

    #[test]
    fn a_seal_holds_exactly_what_was_fired_in_its_session() {
        assert!(is_clean(&kept(&[2, 3]), &seal_over(&[2, 3], 2)));
    }

    #[test]
    fn a_shot_too_few_or_too_many_in_a_session_is_seen() {
        assert!(!is_clean(&kept(&[2]), &seal_over(&[2], 1)));
        assert!(!is_clean(&kept(&[1, 2, 3]), &seal_over(&[1, 2, 3], 3)));
    }

    #[test]
    fn a_seal_that_was_made_before_the_last_shot_came_is_seen() {
        assert!(!is_clean(&kept(&[2, 3]), &seal_over(&[2], 1)));
        assert!(!is_clean(&kept(&[2, 3]), &Seals::new()));
        let mut unsealed = kept(&[2, 3]);
        unsealed.sealed_at = None;
        assert!(!is_clean(&unsealed, &seal_over(&[2, 3], 2)));
    }
}
