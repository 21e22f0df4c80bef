//! What was fired against what is stored.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use meso_contract::BlockMessage;
use meso_delivery::{Counters, Hole, Receiver};
use meso_domain::canonical::Canonical as _;
use meso_domain::{CommitEntry, Purpose, PurposeDecidedBy, Shot, Sourced};
use meso_ledger::{Checkpoint, Frontier};
use meso_link_proto::ShotEvent;
use meso_store::Quarantined;
use meso_units::{GunSerial, JournalIncarnation, ShotCounter};

use crate::SimulationError;
use crate::error::ensure;
use crate::gun::Gun;
use crate::room::Room;
use crate::server::{LOG_ORIGIN, log_key};
use crate::store::StoreModel;
use crate::world::Outcome;

/// Compares everything that must hold at any moment.
///
/// Lives of journals that were put back to an older copy gave numbers of blocks, and of stretches of
/// their clock, a second time. What the ingest then refuses is in quarantine, too.
pub(crate) fn compare(
    guns: &[Gun],
    store: &StoreModel,
    put_back: &BTreeSet<JournalIncarnation>,
) -> Result<(), SimulationError> {
    ensure(
        store.wrongs.is_empty(),
        "INV-3: nothing is written twice",
        || store.wrongs.join("; "),
    )?;
    let mut quarantined = store.quarantined.iter();
    let wrong = quarantined.find(|it| !is_second_block(it, put_back));
    ensure(
        wrong.is_none(),
        "INV-9: nothing sound goes into quarantine",
        || format!("{:?}", wrong.map(|it| &it.reason)),
    )?;
    for (identity, shot) in &store.shots {
        let gun = guns.iter().find(|gun| gun.serial == identity.gun);
        let fired = gun.and_then(|gun| gun.fired(identity.epoch, identity.counter));
        let is_same = fired.is_some_and(|fired| says_the_same(&fired.event, shot));
        ensure(
            is_same,
            "a stored shot is one that was fired, field by field",
            || format!("{identity}: fired {fired:?}, stored {shot:?}"),
        )?;
    }
    compare_times(store, put_back)?;
    compare_ledger(store)
}

/// Whether somebody put a journal back, and this is a block under a number that was given before.
fn is_second_block(it: &Quarantined, put_back: &BTreeSet<JournalIncarnation>) -> bool {
    let block = BlockMessage::decode(&it.bytes);
    block.is_ok_and(|block| put_back.contains(&block.header().place.incarnation))
}

fn says_the_same(event: &ShotEvent, shot: &Shot) -> bool {
    let measured = &event.measured;
    shot.gun_tick == event.tick
        && shot.interval == event.interval
        && shot.needle_depth.set == measured.depth_set
        && shot.needle_depth.actual == measured.depth_sensed.map(Sourced::sensed)
        && shot.volume.set == measured.volume_set
        && shot.volume.actual == measured.volume_sensed.map(Sourced::sensed)
        && shot.frequency_set == measured.frequency_set
        && shot.needles_working == measured.needles_working.map(Sourced::sensed)
        && shot.pressure == measured.pressure
        && shot.flags.bits() == measured.flags.bits()
        && (shot.purpose, shot.purpose_decided_by)
            == (Purpose::Patient, PurposeDecidedBy::DriverRule)
}

/// Within a journal, an epoch and a stretch of clock the time grows with the counter (INV-5).
fn compare_times(
    store: &StoreModel,
    put_back: &BTreeSet<JournalIncarnation>,
) -> Result<(), SimulationError> {
    let mut newest = BTreeMap::new();
    let blocks = store.blocks.iter();
    let mut blocks: Vec<_> = blocks
        .filter(|block| !put_back.contains(&block.header.place.incarnation))
        .collect();
    blocks.sort_by(|one, other| one.header.place.cmp(&other.header.place));
    for block in blocks {
        for shot in block.shots() {
            let place = &block.header.place;
            let key = (
                place.driver.clone(),
                place.incarnation,
                shot.identity.gun.clone(),
                shot.identity.epoch,
                shot.clock_segment,
            );
            let now = (shot.identity.counter, shot.at);
            if let Some((counter, at)) = newest.insert(key, now) {
                ensure(
                    counter < now.0 && at < now.1,
                    "INV-5: within a stretch of clock the time grows with the counter",
                    || format!("{} at {}, after {counter} at {at}", shot.identity, shot.at),
                )?;
            }
        }
    }
    Ok(())
}

/// The tree is the one of its leaves, and no block is in two of them.
fn compare_ledger(store: &StoreModel) -> Result<(), SimulationError> {
    const SOUND: &str = "the checkpoint is that of the leaves";
    let broken = |error: &dyn std::fmt::Display| SimulationError::Broken {
        promise: SOUND,
        detail: error.to_string(),
    };
    let mut frontier = Frontier::EMPTY;
    let mut logged = HashSet::new();
    for bytes in &store.leaves {
        frontier.append(bytes).map_err(|error| broken(&error))?;
        let entry = CommitEntry::from_canonical(bytes).map_err(|error| broken(&error))?;
        for block in entry.blocks {
            ensure(
                logged.insert(block),
                "INV-3: a block is in one leaf of the ledger",
                || block.to_string(),
            )?;
        }
    }
    let Some(note) = &store.checkpoint else {
        return ensure(store.leaves.is_empty(), SOUND, || {
            "there is none".to_owned()
        });
    };
    let verifier = log_key()?.verifier();
    let checkpoint = Checkpoint::open(note, &verifier).map_err(|error| broken(&error))?;
    ensure(
        (checkpoint.size(), checkpoint.root()) == (frontier.size(), frontier.root()),
        SOUND,
        || format!("{LOG_ORIGIN} of size {}", frontier.size()),
    )
}

/// Compares everything that must hold once all has come to rest.
pub(crate) fn compare_at_rest(
    guns: &[Gun],
    rooms: &[Room],
    store: &StoreModel,
    put_back: &BTreeSet<JournalIncarnation>,
    outcome: &mut Outcome,
) -> Result<(), SimulationError> {
    compare(guns, store, put_back)?;
    ensure(
        store.unlogged_count() == 0,
        "INV-2: everything stored is logged",
        || format!("{} blocks are not", store.unlogged_count()),
    )?;
    outcome.stored = store.shots.len() as u64;
    let receiver = store.receiver();
    for gun in guns {
        outcome.fired += gun
            .runs
            .iter()
            .map(|run| run.shots.len() as u64)
            .sum::<u64>();
        for (identity, fired) in gun.identified() {
            let is_stored = store.has_shot(&identity);
            outcome.lost += u64::from(!is_stored && !fired.is_destroyed);
            ensure(
                is_stored || fired.is_destroyed,
                "INV-2: no shot is lost but one whose only copy was destroyed",
                || {
                    format!(
                        "{identity}, fired {} ms after the start",
                        fired.fired_at_ns / 1_000_000
                    )
                },
            )?;
            if is_stored {
                continue;
            }
            outcome.destroyed += 1;
            let counters = receiver.counters(&identity.gun, identity.epoch);
            let is_named = counters.is_some_and(|counters| names(counters, identity.counter));
            outcome.unnamed += u64::from(!is_named);
            let mut journals = rooms.iter().map(Room::durable);
            let has_a_trace = counters.is_some()
                || journals.any(|it| it.knows_epoch(&identity.gun, identity.epoch));
            ensure(
                is_named || !has_a_trace,
                "INV-4: what a fault has destroyed is named",
                || format!("{identity}: {}", what_is_known(&receiver, &identity.gun)),
            )?;
        }
    }
    compare_gaps(guns, store)
}

/// What the server knows of the epochs of a gun, for people.
fn what_is_known(receiver: &Receiver, gun: &GunSerial) -> String {
    let epochs = receiver.epochs_of(gun).map(|(epoch, counters)| {
        format!(
            "epoch {:016x} of {} held, {} known, open end {:?}",
            epoch.get(),
            counters.held_count(),
            counters.known_to(),
            counters.open_ended_from()
        )
    });
    epochs.collect::<Vec<_>>().join("; ")
}

/// Whether a missing shot is known to be missing.
fn names(counters: &Counters, counter: ShotCounter) -> bool {
    let number = u64::from(counter.get());
    let covers = |hole: Hole| hole.range.first <= number && number <= hole.range.last;
    let is_open_ended = counters
        .open_ended_from()
        .is_some_and(|first| first <= number);
    is_open_ended || counters.holes().into_iter().any(covers)
}

/// A gap is declared for nothing but what was destroyed.
fn compare_gaps(guns: &[Gun], store: &StoreModel) -> Result<(), SimulationError> {
    let receiver = store.receiver();
    for (serial, epoch, counters) in receiver.all_counters() {
        let gun = guns.iter().find(|gun| gun.serial == *serial);
        for hole in counters.holes() {
            for number in hole.range.first..=hole.range.last {
                let counter = ShotCounter(u32::try_from(number).unwrap_or(u32::MAX));
                let fired = gun.and_then(|gun| gun.fired(epoch, counter));
                ensure(
                    fired.is_some_and(|fired| fired.is_destroyed),
                    "INV-4: a gap names only what was destroyed",
                    || format!("{:?} of gun {serial}: shot {counter}", hole.state),
                )?;
            }
        }
    }
    Ok(())
}
