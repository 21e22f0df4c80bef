//! What is refused, what contradicts itself and what is gone: kept, counted, and told to people.

use meso_alerts::{FleetCause, Observation};
use meso_contract::BlockMessage;
use meso_domain::canonical::Canonical as _;
use meso_domain::{Gap, GapState, Judgement, LedgerEntryKind, RecordBlock, Shot};
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

impl<S: ShotStore> Preparation<'_, S> {
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
        self.quarantine(refused, Trouble::of_block(cause, block))
    }

    /// Puts bytes into quarantine. The ledger knows them once, however often they come, and people
    /// are told once.
    pub(super) fn quarantine(
        &mut self,
        refused: meso_store::Quarantined,
        trouble: Trouble,
    ) -> Result<(), IngestError> {
        tracing::warn!(
            source = refused.source,
            reason = refused.reason,
            "quarantined"
        );
        let is_the_same = |known: &meso_store::Quarantined| known.digest == refused.digest;
        if self.commit.quarantined.iter().any(is_the_same)
            || self.ingest.store.is_quarantined(&refused.digest)?
        {
            self.commit.quarantined.push(refused);
            return Ok(());
        }
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
        Ok(())
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
        self.quarantine(quarantined(&source, reason, bytes, self.now), trouble)
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
