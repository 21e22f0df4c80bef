//! What is refused, what contradicts itself and what is gone: kept, counted, and told to people.

use meso_alerts::{FleetCause, Observation};
use meso_contract::BlockMessage;
use meso_domain::canonical::Canonical as _;
use meso_domain::{BlockPlace, Gap, GapState, Judgement, LedgerEntryKind, RecordBlock, Shot};
use meso_store::{InQuarantine, QUARANTINE_SMALL_BYTES_MAX, Quarantined};
use meso_units::{ClinicId, DriverId, GunSerial};

use super::IngestError;
use super::arrival::quarantined;
use super::pipeline::entry;
use super::prepare::Preparation;
use super::shot_store::ShotStore;

/// Where something went into quarantine, and why people are told.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) cause: FleetCause,
    pub(super) clinic: Option<ClinicId>,
    pub(super) driver: Option<DriverId>,
    pub(super) gun: Option<GunSerial>,
}

impl Trouble {
    pub(super) fn of_block(cause: FleetCause, block: &RecordBlock) -> Trouble {
        let header = block.header();
        Trouble {
            cause,
            clinic: Some(header.clinic.clone()),
            driver: Some(header.place.driver.clone()),
            gun: None,
        }
    }

    pub(super) fn of_shot(cause: FleetCause, block: &RecordBlock, shot: &Shot) -> Trouble {
        Trouble {
            gun: Some(shot.identity.gun.clone()),
            ..Trouble::of_block(cause, block)
        }
    }
}

/// How often the very same bytes come before the place that they claim is settled: a driver that sends
/// them so often has nothing else to send. What was damaged on the way comes whole the next time.
pub(super) const REFUSED_SEEN_MIN: u64 = 3;

impl<S: ShotStore> Preparation<'_, S> {
    /// Puts aside what nobody can read. The place that it claims counts as settled where the bytes
    /// are kept, and else waits at the driver.
    pub(super) fn refuse(
        &mut self,
        refused: Quarantined,
        place: Option<(ClinicId, BlockPlace)>,
    ) -> Result<(), IngestError> {
        let trouble = Trouble {
            cause: FleetCause::Quarantine,
            clinic: place.as_ref().map(|(clinic, _)| clinic.clone()),
            driver: place.as_ref().map(|(_, place)| place.driver.clone()),
            gun: None,
        };
        let aside = self.quarantine(refused, trouble)?;
        if let Some((clinic, place)) = place {
            match aside.has_bytes && aside.seen_count >= REFUSED_SEEN_MIN {
                true => self.settle_refused(clinic, &place),
                false => self.rest.news.deferred_count += 1,
            }
        }
        Ok(())
    }

    /// Takes note of something that a newer server may understand. It is not settled, so that its
    /// driver keeps it and sends it again.
    pub(super) fn leave_to_a_newer_server(
        &mut self,
        clinic: &ClinicId,
        driver: &DriverId,
        is_block: bool,
        reason: &str,
    ) {
        tracing::debug!(%clinic, %driver, reason, "not understood: update the server");
        self.rest.news.not_understood_count += 1;
        self.rest.news.deferred_count += u64::from(is_block);
        self.ingest.hear_newer(clinic, driver, self.now);
    }

    pub(super) fn refuse_block(
        &mut self,
        block: &RecordBlock,
        reason: &str,
        cause: FleetCause,
    ) -> Result<(), IngestError> {
        // A block that was decoded encodes again; an empty payload would still name its reason.
        let bytes = BlockMessage::encode(block).unwrap_or_default();
        let source = block.header().place.to_string();
        let refused = quarantined(&source, reason, bytes, self.now);
        self.quarantine(refused, Trouble::of_block(cause, block))?;
        Ok(())
    }

    /// Puts bytes into quarantine and says what is known of them then. The ledger knows them once,
    /// however often they come, and people are told once; where there is no place for another thing,
    /// neither hears of it, and an alert of its own tells why.
    pub(super) fn quarantine(
        &mut self,
        refused: Quarantined,
        trouble: Trouble,
    ) -> Result<InQuarantine, IngestError> {
        tracing::warn!(
            source = refused.source,
            reason = refused.reason,
            "quarantined"
        );
        let known = match self.aside.get(&refused.digest) {
            Some(known) => Some(*known),
            None => self.ingest.store.in_quarantine(&refused.digest)?,
        };
        let aside = self.take_room(known, refused.bytes.len());
        self.aside.insert(refused.digest, aside);
        if known.is_some() || self.room.rows == 0 {
            self.commit.quarantined.push(refused);
            return Ok(aside);
        }
        self.room.rows -= 1;
        let said = format!("{}\n{}", refused.source, refused.reason);
        let mut bytes = refused.digest.to_vec();
        bytes.extend_from_slice(said.as_bytes());
        self.commit
            .entries
            .push(entry(LedgerEntryKind::Quarantine, bytes));
        self.commit.quarantined.push(refused);
        let let_in = |clinic: &ClinicId| self.ingest.options.clinics.contains(clinic);
        let stranger = trouble.clinic.as_ref().is_none_or(|clinic| !let_in(clinic));
        let clinic = match stranger {
            true => self.ingest.first_clinic(),
            false => trouble.clinic,
        };
        if let Some(clinic) = clinic {
            self.observe(&Observation {
                cause: trouble.cause,
                clinic,
                // Strangers could otherwise open an alert for each name that they make up.
                driver: trouble.driver.filter(|_| !stranger),
                gun: trouble.gun.filter(|_| !stranger),
                value: 1,
                limit: 0,
            });
        }
        Ok(aside)
    }

    /// What is known of bytes once they have come again, or for the first time.
    fn take_room(&mut self, known: Option<InQuarantine>, length: usize) -> InQuarantine {
        let is_small = length <= QUARANTINE_SMALL_BYTES_MAX;
        let mut aside = known.unwrap_or(InQuarantine {
            seen_count: 0,
            has_bytes: false,
        });
        aside.seen_count += 1;
        let has_row = known.is_some() || self.room.rows > 0;
        if !aside.has_bytes && has_row && (is_small || self.room.large > 0) {
            aside.has_bytes = true;
            self.room.large -= u64::from(!is_small);
        }
        aside
    }

    pub(super) fn note_contradiction(
        &mut self,
        block: &RecordBlock,
        shot: &Shot,
        edge: &Judgement,
        server: &Judgement,
    ) -> Result<(), IngestError> {
        self.rest.news.contradiction_count += 1;
        let mut bytes = edge.canonical_bytes();
        bytes.extend(server.canonical_bytes());
        let reason = "edge and server judge the same facts differently";
        let source = shot.identity.to_string();
        let trouble = Trouble::of_shot(FleetCause::VerdictsDiffer, block, shot);
        self.quarantine(quarantined(&source, reason, bytes, self.now), trouble)?;
        Ok(())
    }

    /// Tells of shots that are gone. A gap of unknown length is no such news: every epoch of a gun
    /// that cannot prove its counter ends with one, and the report names them all.
    pub(super) fn tell_of_gap(&mut self, gap: &Gap, clinic: &ClinicId) {
        let count = gap.shot_count().and_then(|count| i64::try_from(count).ok());
        if let (Some(value), GapState::Declared) = (count, gap.state) {
            self.observe(&Observation {
                cause: FleetCause::GapDeclared,
                clinic: clinic.clone(),
                driver: None,
                gun: Some(gap.gun.clone()),
                value,
                limit: 0,
            });
        }
    }
}
