//! What is missing: whom it is asked of, and what becomes of the answers.

use std::collections::BTreeSet;

use meso_delivery::{Answer, Conclusion, Inquiries, Question};
use meso_domain::canonical::Canonical as _;
use meso_domain::{Gap, GapReason, GapState, LedgerEntryKind};
use meso_units::{ClinicId, DriverId, GunSerial, JournalIncarnation, ShotCounter, Timestamp};

use super::pipeline::{Ingest, entry};
use super::prepare::Preparation;
use super::shot_store::ShotStore;

impl<S: ShotStore> Ingest<S> {
    /// Takes note that a driver is there, or is not any more.
    pub fn note_driver(
        &mut self,
        now: Timestamp,
        clinic: &ClinicId,
        driver: &DriverId,
        incarnation: JournalIncarnation,
        is_online: bool,
    ) {
        if self.options.clinics.contains(clinic) {
            let (clinic, driver) = (clinic.clone(), driver.clone());
            self.inquiries
                .driver(now_ms(now), clinic, driver, incarnation, is_online);
        }
    }

    /// The questions that are to be asked by now; `jitter_permille` is a random number from 0 to
    /// 1000.
    pub fn questions(&mut self, now: Timestamp, jitter_permille: u16) -> Vec<Question> {
        self.inquiries.ask(now_ms(now), jitter_permille)
    }

    /// What is asked, and of whom.
    pub const fn inquiries(&self) -> &Inquiries {
        &self.inquiries
    }

    /// Looks at every epoch of these guns again.
    pub(super) fn reconsider(&mut self, now: Timestamp, guns: BTreeSet<GunSerial>) {
        for gun in guns {
            let epochs = self.receiver.epochs_of(&gun).map(|(epoch, _)| epoch);
            for epoch in epochs.collect::<Vec<_>>() {
                let doubt = self.receiver.doubt(&gun, epoch);
                self.inquiries.consider(now_ms(now), &gun, epoch, doubt);
            }
        }
    }
}

impl<S: ShotStore> Preparation<'_, S> {
    /// Takes what a driver says that it has. What nobody has any more is declared, by name.
    pub(super) fn take_answer(&mut self, clinic: &ClinicId, answer: Answer) {
        for conclusion in self.ingest.inquiries.answer(answer) {
            let gap = self.gap_of(conclusion);
            let (gun, epoch, first) = (&gap.gun, gap.epoch.get(), gap.first);
            match gap.last {
                Some(last) => {
                    tracing::warn!(%gun, epoch, %first, %last, "shots are gone everywhere");
                }
                None => tracing::info!(
                    %gun, epoch, %first,
                    "the gun counts anew; whether it fired more under its old epoch, nobody can know"
                ),
            }
            self.declare(gap, clinic);
        }
    }

    /// Names shots as gone, in the ledger and to people.
    pub(super) fn declare(&mut self, gap: Gap, clinic: &ClinicId) {
        self.ingest.receiver.record_gap(&gap);
        let bytes = gap.canonical_bytes();
        self.commit
            .entries
            .push(entry(LedgerEntryKind::DeclaredGap, bytes));
        self.tell_of_gap(&gap, clinic);
        self.rest.news.declared_missing.insert(gap.gun, 0);
    }

    fn gap_of(&self, conclusion: Conclusion) -> Gap {
        let (gun, epoch, first, last, reason) = match conclusion {
            Conclusion::Gone { gun, epoch, range } => {
                let last = Some(narrow(range.last));
                (gun, epoch, range.first, last, GapReason::GoneEverywhere)
            }
            Conclusion::Over { gun, epoch, from } => {
                (gun, epoch, from, None, GapReason::EpochClosed)
            }
        };
        Gap {
            gun,
            epoch,
            first: narrow(first),
            last,
            state: GapState::Declared,
            reason,
            at: self.now,
        }
    }
}

/// A counter out of a range of them.
pub(crate) fn narrow(number: u64) -> ShotCounter {
    ShotCounter(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Milliseconds of a clock that nothing but the pace of questions hangs on.
pub(super) fn now_ms(now: Timestamp) -> u64 {
    u64::try_from(now.unix_ms()).unwrap_or(0)
}
