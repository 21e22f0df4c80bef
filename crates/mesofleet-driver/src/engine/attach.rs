//! A gun greets: which epoch it has, what the journal lacks of it, and what is gone.

use meso_delivery::Haste;
use meso_domain::{Custody, Gap, GapReason, GapState, Record, Stream};
use meso_journal::{ForgottenShots, NewRecord};
use meso_link_proto::{Hello, ShotEvent, ShotKey};
use meso_serial::CompletenessGrade;
use meso_units::{Epoch, GunSerial, ShotCounter};

use super::gun::Gun;
use super::{Engine, Work};
use crate::machine::Now;

/// Under this and its serial number the journal keeps the present epoch of a gun.
pub(super) const EPOCH_VALUES: &str = "epoch/";

/// Why a shot of a broken epoch is in quarantine.
const COUNTER_WENT_BACK: &str =
    "the gun's counter went back: this number may name another shot of the same epoch";

/// What follows an epoch that ends with the opening of its port.
const ENDS_WITH_PORT: u8 = 1;

fn epoch_value_name(gun: &GunSerial) -> String {
    format!("{EPOCH_VALUES}{gun}")
}

fn epoch_value(epoch: Epoch, ends_with_port: bool) -> Vec<u8> {
    let mut value = epoch.get().to_le_bytes().to_vec();
    value.extend(ends_with_port.then_some(ENDS_WITH_PORT));
    value
}

impl Gun {
    /// Takes over what the journal keeps of its present epoch.
    pub(super) fn restore_epoch(&mut self, value: &[u8]) {
        let (epoch, rest) = value.split_first_chunk().unzip();
        self.epoch = epoch.map(|bytes| Epoch(u64::from_le_bytes(*bytes)));
        self.ends_with_port = rest == Some(&[ENDS_WITH_PORT][..]);
    }

    /// Takes note of counters of the present epoch that came as shots or by name; what lies beyond
    /// a hole does not count.
    pub(super) fn take(&mut self, epoch: Epoch, first: ShotCounter, last: ShotCounter) {
        let follows = first.get() <= self.taken_to.saturating_add(1);
        if self.epoch == Some(epoch) && follows {
            self.taken_to = self.taken_to.max(last.get());
        }
    }
}

impl Engine {
    pub(super) fn take_attached(
        &mut self,
        now: Now,
        hello: &Hello,
        new_epoch: &mut impl FnMut() -> u64,
        work: &mut Work,
    ) {
        let serial = hello.serial.clone();
        let before = self.gun(&serial).epoch;
        let was_attached = self.gun(&serial).is_attached;
        self.gun(&serial).greet(hello);
        if let Some(before) = before
            && hello.epoch() != Some(before)
        {
            self.close_epoch(now, &serial, before, work);
        }
        let Some(epoch) = hello.epoch() else {
            tracing::info!(gun = %serial, "gun asks for an epoch");
            work.assigning.push((serial, Epoch(new_epoch())));
            return;
        };
        if !was_attached {
            tracing::info!(gun = %serial, model = %hello.model, "gun attached");
        }
        if before != Some(epoch) {
            self.open_epoch(now, &serial, epoch, work);
        }
        if !self.gun(&serial).held.contains_key(&epoch) {
            self.await_older(now, hello, epoch, work);
        }
        self.note_custody(now, &serial, epoch, work);
        work.expecting.push((serial, epoch));
    }

    fn open_epoch(&mut self, now: Now, serial: &GunSerial, epoch: Epoch, work: &mut Work) {
        let gun = self.gun(serial);
        gun.epoch = Some(epoch);
        gun.has_custody = false;
        gun.judged_to = gun.held.get(&epoch).map_or(0, |held| held.get());
        gun.taken_to = gun.judged_to;
        gun.newest_at = None;
        gun.ends_with_port = gun.grade == Some(CompletenessGrade::NotProvable);
        let (value, is_uncounted) = (epoch_value(epoch, gun.ends_with_port), gun.ends_with_port);
        work.keep(epoch_value_name(serial), value);
        if is_uncounted {
            let why = (GapState::Declared, GapReason::NotCounted);
            self.push_gap(now, serial, epoch, ShotCounter(1), None, why, work);
        }
    }

    /// A gun is gone from its port: an epoch in which this host did the counting is over.
    pub(super) fn take_detached(&mut self, now: Now, serial: &GunSerial, work: &mut Work) {
        let gun = self.gun(serial);
        if let Some(epoch) = gun.epoch.filter(|_| gun.ends_with_port) {
            self.close_epoch(now, serial, epoch, work);
        }
    }

    /// Closes the epochs that ended with the last life of this daemon.
    pub(crate) fn close_ended_epochs(&mut self, now: Now) -> Work {
        let mut work = Work::default();
        let guns = self.guns.iter().filter(|(_, gun)| !gun.is_attached);
        let guns: Vec<GunSerial> = guns.map(|(serial, _)| serial.clone()).collect();
        for gun in guns {
            self.take_detached(now, &gun, &mut work);
        }
        work
    }

    /// Writes down that the gun is here, where that is news: in an epoch that is new here, after
    /// others have had it, and when it was away.
    fn note_custody(&mut self, now: Now, serial: &GunSerial, epoch: Epoch, work: &mut Work) {
        let gun = self.gun(serial);
        let held = gun.held.get(&epoch).map_or(0, |held| held.get());
        let others_had_it = gun.acknowledged_to > held;
        if std::mem::replace(&mut gun.has_custody, true) && !others_had_it {
            return;
        }
        let custody = Custody {
            gun: serial.clone(),
            epoch,
            first: ShotCounter(held.max(gun.acknowledged_to).saturating_add(1)),
            newest: ShotCounter(gun.newest_counter),
            at: now.utc,
        };
        let record = NewRecord {
            stream: Stream::Gun(serial.clone()),
            record: Record::Custody(custody),
            judgement: None,
            session: None,
        };
        work.push(record, Some(epoch), Haste::None);
    }

    /// A gun that this journal meets in the middle of its epoch: what it does not offer any more
    /// is awaited from the driver that it acknowledged it to.
    fn await_older(&mut self, now: Now, hello: &Hello, epoch: Epoch, work: &mut Work) {
        let newest = hello.inventory.newest.map_or(0, ShotCounter::get);
        let first_offered = hello
            .inventory
            .oldest
            .map_or(newest.saturating_add(1), ShotCounter::get);
        if first_offered <= 1 {
            return;
        }
        let last = ShotCounter(first_offered - 1);
        self.push_gaps(now, &hello.serial, epoch, ShotCounter(1), last, work);
    }

    /// The ring has overwritten shots that this journal lacks.
    pub(super) fn take_lost(
        &mut self,
        now: Now,
        serial: &GunSerial,
        epoch: Epoch,
        first: ShotCounter,
        last: ShotCounter,
        work: &mut Work,
    ) {
        self.push_gaps(now, serial, epoch, first, last, work);
    }

    /// What some driver had acknowledged is awaited from it; the rest is declared to be lost.
    fn push_gaps(
        &mut self,
        now: Now,
        serial: &GunSerial,
        epoch: Epoch,
        first: ShotCounter,
        last: ShotCounter,
        work: &mut Work,
    ) {
        let gun = self.gun(serial);
        gun.take(epoch, first, last);
        let acknowledged = gun.acknowledged_to;
        let awaited_to = last.get().min(acknowledged);
        if first.get() <= awaited_to {
            let (state, reason) = (GapState::Awaited, GapReason::Unknown);
            let last = Some(ShotCounter(awaited_to));
            self.push_gap(now, serial, epoch, first, last, (state, reason), work);
        }
        let lost_from = first.get().max(acknowledged.saturating_add(1));
        if lost_from <= last.get() {
            tracing::error!(gun = %serial, first = lost_from, %last, "shots are lost: the gun's ring overwrote them");
            let (state, reason) = (GapState::Declared, GapReason::RingOverflow);
            let first = ShotCounter(lost_from);
            self.push_gap(now, serial, epoch, first, Some(last), (state, reason), work);
        }
    }

    /// Names shots that the journal has forgotten after a store had settled them, and that the
    /// store has lost since: nobody can bring them any more.
    pub(crate) fn declare_forgotten(
        &self,
        now: Now,
        stream: &Stream,
        forgotten: &[ForgottenShots],
    ) -> Work {
        let mut work = Work::default();
        let Stream::Gun(serial) = stream else {
            return work;
        };
        let counter =
            |number: u64| u32::try_from(number).map_or(ShotCounter(u32::MAX), ShotCounter);
        for ForgottenShots { epoch, counters } in forgotten {
            let (first, last) = (counter(counters.first), counter(counters.last));
            tracing::error!(gun = %serial, %first, %last, "ALARM: the store has lost shots that the journal has forgotten");
            let why = (GapState::Declared, GapReason::Unknown);
            self.push_gap(now, serial, *epoch, first, Some(last), why, &mut work);
        }
        work
    }

    /// An epoch ends without proof of its last counter.
    pub(super) fn close_epoch(
        &mut self,
        now: Now,
        serial: &GunSerial,
        epoch: Epoch,
        work: &mut Work,
    ) {
        let gun = self.gun(serial);
        if gun.epoch != Some(epoch) {
            return;
        }
        let first = gun.next_untaken(epoch);
        gun.epoch = None;
        gun.ends_with_port = false;
        let why = (GapState::Declared, GapReason::EpochClosed);
        self.push_gap(now, serial, epoch, first, None, why, work);
        work.keep(epoch_value_name(serial), Vec::new());
    }

    /// A frame of this gun said something impossible: its bytes are kept, and its counter is
    /// settled by name, so that nothing waits for it.
    pub(super) fn take_rejected(
        &mut self,
        now: Now,
        serial: &GunSerial,
        reason: &str,
        bytes: Vec<u8>,
        identity: Option<ShotKey>,
        work: &mut Work,
    ) {
        tracing::warn!(gun = %serial, reason, "a frame went into quarantine");
        let gun = self.gun(serial);
        gun.quarantined_frames += 1;
        gun.is_changed = true;
        work.batch.quarantined.push(meso_journal::QuarantinedFrame {
            at: now.utc,
            gun: Some(serial.clone()),
            shot: identity.map(|key| (key.epoch, key.counter)),
            reason: reason.to_owned(),
            bytes,
        });
        if let Some(ShotKey { epoch, counter }) = identity {
            gun.take(epoch, counter, counter);
            let why = (GapState::Declared, GapReason::Quarantined);
            self.push_gap(now, serial, epoch, counter, Some(counter), why, work);
        }
    }

    /// A shot of a gun whose counter went back under an unchanged epoch. Its number may name
    /// another shot in the record, so it stays apart, with its bytes.
    pub(super) fn take_salvaged(
        &mut self,
        now: Now,
        serial: &GunSerial,
        shot: &ShotEvent,
        work: &mut Work,
    ) {
        let ShotKey { epoch, counter } = shot.key;
        tracing::warn!(gun = %serial, %counter, "a shot of a broken epoch went into quarantine");
        let gun = self.gun(serial);
        gun.salvaged_shots += 1;
        gun.quarantined_frames += 1;
        gun.is_changed = true;
        work.batch.quarantined.push(meso_journal::QuarantinedFrame {
            at: now.utc,
            gun: Some(serial.clone()),
            shot: Some((epoch, counter)),
            reason: COUNTER_WENT_BACK.to_owned(),
            bytes: shot.encode_payload(),
        });
    }

    #[expect(clippy::too_many_arguments, reason = "a gap has that many fields")]
    fn push_gap(
        &self,
        now: Now,
        serial: &GunSerial,
        epoch: Epoch,
        first: ShotCounter,
        last: Option<ShotCounter>,
        (state, reason): (GapState, GapReason),
        work: &mut Work,
    ) {
        let gap = Gap {
            gun: serial.clone(),
            epoch,
            first,
            last,
            state,
            reason,
            at: now.utc,
        };
        let record = NewRecord {
            stream: Stream::Gun(serial.clone()),
            record: Record::Gap(gap),
            judgement: None,
            session: None,
        };
        work.push(record, Some(epoch), Haste::None);
    }
}
