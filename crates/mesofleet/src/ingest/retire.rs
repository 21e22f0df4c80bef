//! A room that never comes back: what only its journals may have is declared, on a person's word.

use meso_alerts::{Reason, Subject};
use meso_delivery::Range;
use meso_domain::canonical::Canonical as _;
use meso_domain::{Gap, GapReason, GapState, LedgerEntryKind, RoomRetired};
use meso_units::{ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, OperatorId, Timestamp};

use super::IngestError;
use super::inquiry::{narrow, now_ms};
use super::pipeline::{Ingest, entry};
use super::prepare::Preparation;
use super::reading::Order;
use super::shot_store::ShotStore;
use super::steps::Prepared;
use super::worker::IngestHandle;

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The room, by its driver.
    pub driver: DriverId,
    /// Who asks.
    pub by: OperatorId,
    /// Why.
    pub reason: Reason,
    /// How many gaps the person has seen that it declares.
    pub gap_count: u32,
    /// How many shots these are.
    pub shot_count: u64,
}

/// Why a room is not retired.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetireError {
    /// Its driver is there.
    #[error(
        "room {driver} is there, so its shots are on their way: nothing is declared; stop its \
         driver first if its computer is to be replaced"
    )]
    Online {
        /// The room.
        driver: DriverId,
    },
    /// Nothing was ever heard of it.
    #[error("nothing was ever heard of a room {driver}; see how the driver of the room is called")]
    Unknown {
        /// The room.
        driver: DriverId,
    },
    /// Something else is missing than the person has seen.
    #[error(
        "{gap_count} gaps of {shot_count} shots are awaited from room {driver} by now, not \
         {seen_gap_count} of {seen_shot_count}: look again"
    )]
    Changed {
        /// The room.
        driver: DriverId,
        /// Gaps now.
        gap_count: u32,
        /// Shots in them.
        shot_count: u64,
        /// Gaps that the person has seen.
        seen_gap_count: u32,
        /// Shots in them.
        seen_shot_count: u64,
    },
}

/// What retiring a room declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The clinic.
    pub clinic: ClinicId,
    /// The lives of its journal.
    pub journals: Vec<JournalIncarnation>,
    /// What is missing of the time in which it had the gun.
    pub gaps: Vec<(GunSerial, Epoch, Range)>,
    /// How many shots these are.
    pub shot_count: u64,
    /// Further gaps, which the next act declares.
    pub left_count: u32,
}

impl Awaited {
    /// The most gaps of one act: with it they fit into the four leaves of one ledger step, of 512
    /// entries each. What is beyond is left to the next act.
    pub const GAP_COUNT_MAX: usize = 2_000;

    /// How many gaps one act declares.
    pub fn gap_count(&self) -> u32 {
        u32::try_from(self.gaps.len()).unwrap_or(u32::MAX)
    }
}

impl IngestHandle {
    /// Retires a room, and waits until that is durable. It blocks.
    ///
    /// # Errors
    ///
    /// [`IngestError::Retire`], or what the commit said.
    pub fn retire_room(&self, wanted: Retirement) -> Result<(), IngestError> {
        self.ask(|reply| Order::Retire { wanted, reply })
    }

    /// What retiring a room would declare. It blocks.
    ///
    /// # Errors
    ///
    /// [`IngestError::Retire`], or [`IngestError::Closed`] while nothing can be made durable.
    pub fn awaited_from_room(&self, driver: DriverId) -> Result<Awaited, IngestError> {
        self.ask(|reply| Order::Await { driver, reply })
    }
}

impl<S: ShotStore> Ingest<S> {
    /// What retiring a room would declare.
    ///
    /// # Errors
    ///
    /// [`RetireError`] where the room is there, or was never heard of.
    pub fn awaited_from_room(&self, driver: &DriverId) -> Result<Awaited, RetireError> {
        if self.inquiries.is_online(driver) {
            let driver = driver.clone();
            return Err(RetireError::Online { driver });
        }
        let mut known = self.receiver.journals_of(driver);
        known.extend(self.inquiries.journal_of(driver));
        let Some((clinic, _)) = known.first().cloned() else {
            let driver = driver.clone();
            return Err(RetireError::Unknown { driver });
        };
        let journals = known.into_iter().map(|(_, journal)| journal);
        let mut awaited = Awaited {
            clinic,
            journals: journals.take(RoomRetired::JOURNAL_COUNT_MAX).collect(),
            gaps: Vec::new(),
            shot_count: 0,
            left_count: 0,
        };
        for (gun, epoch, range) in self.receiver.awaited_from(driver) {
            if awaited.gaps.len() < Awaited::GAP_COUNT_MAX {
                awaited.shot_count += range.last - range.first + 1;
                awaited.gaps.push((gun.clone(), epoch, range));
            } else {
                awaited.left_count = awaited.left_count.saturating_add(1);
            }
        }
        Ok(awaited)
    }

    /// Retires a room: a commit of its own, to be taken through the further steps.
    ///
    /// # Errors
    ///
    /// [`IngestError::Retire`] where the room is there, was never heard of, or something else is
    /// missing than the person has seen.
    pub fn prepare_retirement(
        &mut self,
        wanted: &Retirement,
        now: Timestamp,
    ) -> Result<Prepared, IngestError> {
        let driver = wanted.driver.clone();
        let awaited = self.awaited_from_room(&driver)?;
        if (awaited.gap_count(), awaited.shot_count) != (wanted.gap_count, wanted.shot_count) {
            let error = RetireError::Changed {
                driver,
                gap_count: awaited.gap_count(),
                shot_count: awaited.shot_count,
                seen_gap_count: wanted.gap_count,
                seen_shot_count: wanted.shot_count,
            };
            return Err(error.into());
        }
        let retired = RoomRetired {
            clinic: awaited.clinic,
            driver,
            journals: awaited.journals,
            by: wanted.by.clone(),
            reason: wanted.reason.to_string(),
            gap_count: wanted.gap_count,
            shot_count: wanted.shot_count,
            at: now,
        };
        self.give_up(&retired, now);
        self.watch.forget_room(&retired.driver);
        let mut preparation = Preparation::new(self, now);
        preparation.retire(&retired, awaited.gaps);
        Ok(preparation.finish())
    }

    /// Waits no longer for the journals of a room.
    pub(super) fn give_up(&mut self, retired: &RoomRetired, now: Timestamp) {
        for journal in &retired.journals {
            self.inquiries
                .retire(now_ms(now), &retired.driver, *journal);
        }
    }
}

impl<S: ShotStore> Preparation<'_, S> {
    fn retire(&mut self, retired: &RoomRetired, gaps: Vec<(GunSerial, Epoch, Range)>) {
        tracing::warn!(
            room = %retired.driver, by = %retired.by, gaps = retired.gap_count,
            shots = retired.shot_count, "room retired"
        );
        let bytes = retired.canonical_bytes();
        let act = entry(LedgerEntryKind::RoomRetired, bytes);
        self.commit.entries.push(act);
        for (gun, epoch, range) in gaps {
            let gap = Gap {
                gun,
                epoch,
                first: narrow(range.first),
                last: Some(narrow(range.last)),
                state: GapState::Declared,
                reason: GapReason::RoomRetired,
                at: self.now,
            };
            self.declare(gap, &retired.clinic);
        }
        // Nobody will hear of the room again, so nothing would ever end what is told of it.
        let of_room = |subject: &&Subject| {
            matches!(subject, Subject::Fleet { driver: Some(driver), .. }
                if *driver == retired.driver)
        };
        let subjects = self.ingest.alerts.fleet_subjects();
        let subjects: Vec<Subject> = subjects.filter(of_room).cloned().collect();
        for subject in &subjects {
            let outcome = self.ingest.alerts.well_again(subject, self.now);
            self.note(outcome);
        }
    }
}
