//! A report bundle out of store and ledger.

use std::collections::BTreeSet;

use meso_alerts::Alert;
use meso_contract::http::ReportRequest;
use meso_domain::canonical::Canonical as _;
use meso_domain::{Gap, Record, Rule};
use meso_ledger::{LogKey, prove_inclusion};
use meso_report::{
    AlertFacts, BlockFacts, CommitFacts, Facts, RecordFact, ReportError, Selection, WatermarkFacts,
    Withheld,
};
use meso_store::{
    AlertSelection, BlockSelection, LoadedBlock, LoadedRecord, Reader, Readers, StoreError,
};
use meso_units::{BlockNumber, ClinicId, GunSerial, SessionId, Timestamp};
use meso_web::BackendError;

/// The most blocks of one report; a larger selection is refused before anything is read.
const BLOCK_COUNT_MAX: u32 = 100_000;

/// Gaps that the ingest has declared; a report of a store with more is refused.
const GAP_COUNT_MAX: u32 = 100_000;

/// The most alerts of one report; the oldest are left out beyond that, which the count in the
/// manifest shows.
const ALERT_COUNT_MAX: u32 = 10_000;

/// What every export needs.
pub struct Export<'e> {
    /// The clinic in whose name it is made.
    pub clinic: &'e ClinicId,
    /// Whether it is a demonstration.
    pub demo: bool,
    /// The key of the log.
    pub log_key: &'e LogKey,
    /// When it is made.
    pub now: Timestamp,
}

impl std::fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("clinic", &self.clinic)
            .finish_non_exhaustive()
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("nothing is logged for this selection")]
    Nothing,
    #[error("more than {BLOCK_COUNT_MAX} blocks: ask for a shorter period")]
    TooLarge,
}

impl From<ExportError> for BackendError {
    fn from(error: ExportError) -> BackendError {
        match error {
            ExportError::Store(error) => {
                tracing::error!(%error, "the store cannot be read for a report");
                BackendError::Unavailable {
                    reason: "the store cannot be read".to_owned(),
                }
            }
            ExportError::Nothing => BackendError::NotFound {
                what: "a logged record of this selection".to_owned(),
            },
            error => BackendError::Conflict {
                what: "the report".to_owned(),
                reason: error.to_string(),
            },
        }
    }
}

/// The selection with its words read.
struct Wanted {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    gun: Option<GunSerial>,
    session: Option<SessionId>,
}

impl Wanted {
    fn read(request: &ReportRequest) -> Result<Wanted, BackendError> {
        let time = |field, ms: Option<i64>| match ms {
            None => Ok(None),
            Some(ms) => Timestamp::from_unix_ns(ms.saturating_mul(1_000_000))
                .map(Some)
                .map_err(|error| invalid(field, &ms.to_string(), &error.to_string())),
        };
        let gun = request.gun.as_deref().map(|text| {
            GunSerial::parse(text).map_err(|error| invalid("gun", text, &error.to_string()))
        });
        let session = request.session.as_deref().map(|text| {
            SessionId::parse(text).map_err(|error| invalid("session", text, &error.to_string()))
        });
        Ok(Wanted {
            from: time("from_ms", request.from_ms)?,
            to: time("to_ms", request.to_ms)?,
            gun: gun.transpose()?,
            session: session.transpose()?,
        })
    }

    fn is_everything(&self) -> bool {
        self.from.is_none() && self.to.is_none() && self.gun.is_none() && self.session.is_none()
    }

    fn selection(&self, clinic: &ClinicId) -> Selection {
        if self.is_everything() {
            return Selection::whole_log(clinic.clone());
        }
        Selection {
            clinic: clinic.clone(),
            from: self.from,
            to: self.to,
            guns: self.gun.iter().cloned().collect(),
            sessions: self.session.into_iter().collect(),
            whole_log: false,
        }
    }

    /// Whether a record is asked for; events of the room come whole, since shots need them.
    fn has(&self, record: &Record) -> bool {
        let Record::Shot(shot) = record else {
            return true;
        };
        self.from.is_none_or(|from| shot.at >= from) && self.to.is_none_or(|to| shot.at < to)
    }
}

fn invalid(field: &'static str, value: &str, reason: &str) -> BackendError {
    BackendError::Invalid {
        field,
        value: value.chars().take(64).collect(),
        reason: reason.to_owned(),
    }
}

impl Export<'_> {
    /// Makes the bundle from one consistent snapshot. Blocks that are stored and not logged yet
    /// are left out: they belong to the next report.
    ///
    /// # Errors
    ///
    /// [`BackendError`] naming what is wrong with the selection or missing for it.
    pub fn run(&self, readers: &Readers, request: &ReportRequest) -> Result<Vec<u8>, BackendError> {
        let wanted = Wanted::read(request)?;
        let facts = readers.with(|reader| self.facts(reader, &wanted))?;
        let bundle = meso_report::build(&facts, self.log_key).map_err(ExportError::from)?;
        Ok(bundle)
    }

    fn facts(&self, reader: &Reader<'_>, wanted: &Wanted) -> Result<Facts, ExportError> {
        let checkpoint = reader.checkpoint()?.ok_or(ExportError::Nothing)?;
        let size = reader.leaf_count()?;
        let (blocks, mut leaves) = select(reader, wanted)?;
        if blocks.is_empty() {
            return Err(ExportError::Nothing);
        }
        let mut gaps = self.awaited(reader, wanted)?;
        for (gap, leaf) in self.declared(reader, wanted)? {
            leaves.insert(leaf);
            gaps.push(gap);
        }
        if wanted.is_everything() {
            leaves = (0..size).collect();
        }
        Ok(Facts {
            generated_at: self.now,
            demo: self.demo,
            selection: wanted.selection(self.clinic),
            blocks,
            commits: commits(reader, &leaves, size)?,
            gaps,
            alerts: alerts(reader, wanted)?,
            watermarks: watermarks(reader)?,
            checkpoint,
        })
    }

    /// Gaps that the ingest has declared itself, each with the leaf that commits to it.
    fn declared(
        &self,
        reader: &Reader<'_>,
        wanted: &Wanted,
    ) -> Result<Vec<(Gap, u64)>, ExportError> {
        let gaps = reader.declared_gaps(false, GAP_COUNT_MAX + 1)?;
        if gaps.len() > GAP_COUNT_MAX as usize {
            return Err(ExportError::TooLarge);
        }
        let of_gun = |gap: &Gap| wanted.gun.as_ref().is_none_or(|gun| *gun == gap.gun);
        Ok(gaps
            .into_iter()
            .filter_map(|(gap, leaf)| Some((gap, leaf?)))
            .filter(|(gap, _)| of_gun(gap))
            .collect())
    }

    /// Holes that nobody has declared.
    fn awaited(&self, reader: &Reader<'_>, wanted: &Wanted) -> Result<Vec<Gap>, StoreError> {
        let receiver = reader.receiver()?;
        let of_gun = |gun: &GunSerial| wanted.gun.as_ref().is_none_or(|wanted| wanted == gun);
        Ok(receiver
            .all_counters()
            .filter(|(gun, _, _)| of_gun(gun))
            .flat_map(|(gun, epoch, counters)| counters.awaited_gaps(gun, epoch, self.now))
            .collect())
    }
}

/// The logged blocks of the selection, and their leaves.
fn select(
    reader: &Reader<'_>,
    wanted: &Wanted,
) -> Result<(Vec<BlockFacts>, BTreeSet<u64>), ExportError> {
    let selection = BlockSelection {
        from: wanted.from,
        to: wanted.to,
        gun: wanted.gun.clone(),
        session: wanted.session,
    };
    let rows = reader.select_blocks(&selection, BLOCK_COUNT_MAX + 1)?;
    if rows.len() > BLOCK_COUNT_MAX as usize {
        return Err(ExportError::TooLarge);
    }
    let (mut blocks, mut leaves) = (Vec::with_capacity(rows.len()), BTreeSet::new());
    for row in rows {
        let loaded = reader.load_block(row)?;
        if let Some(leaf) = loaded.leaf {
            leaves.insert(leaf);
            blocks.push(block_facts(loaded, wanted));
        }
    }
    Ok((blocks, leaves))
}

fn block_facts(loaded: LoadedBlock, wanted: &Wanted) -> BlockFacts {
    let records = loaded
        .records
        .into_iter()
        .map(|(hash, record)| match record {
            LoadedRecord::Stored(record) if record.is_erasable() => RecordFact::Withheld {
                hash,
                shot: None,
                reason: Withheld::Erasable,
            },
            LoadedRecord::Stored(record) if wanted.has(&record) => RecordFact::Included(record),
            LoadedRecord::Stored(record) => RecordFact::Withheld {
                hash,
                shot: record.as_shot().map(|shot| shot.identity.counter),
                reason: Withheld::OutsideSelection,
            },
            LoadedRecord::OtherCopy(counter) => RecordFact::Withheld {
                hash,
                shot: Some(counter),
                reason: Withheld::OtherCopyStored,
            },
            LoadedRecord::Lost(counter) => RecordFact::Withheld {
                hash,
                shot: Some(counter),
                reason: Withheld::Gone,
            },
        });
    BlockFacts {
        header: loaded.header,
        records: records.collect(),
        judgements: Some(loaded.judgements),
    }
}

fn commits(
    reader: &Reader<'_>,
    leaves: &BTreeSet<u64>,
    size: u64,
) -> Result<Vec<CommitFacts>, StoreError> {
    let commit = |leaf: &u64| {
        let entry = reader.leaf(*leaf)?.ok_or_else(|| StoreError::Damaged {
            what: "the ledger",
            detail: format!("leaf {leaf} is not there"),
        })?;
        Ok(CommitFacts {
            leaf: *leaf,
            entry,
            proof: prove_inclusion(*leaf, size, reader)?,
        })
    };
    leaves.iter().map(commit).collect()
}

fn alerts(reader: &Reader<'_>, wanted: &Wanted) -> Result<Vec<AlertFacts>, StoreError> {
    let selection = AlertSelection {
        gun: wanted.gun.clone(),
        session: wanted.session,
        ..AlertSelection::default()
    };
    let mut facts = Vec::new();
    for row in reader.alerts(&selection, ALERT_COUNT_MAX)? {
        let alert = Alert::from_canonical(&row.body)?;
        let inside = wanted.to.is_none_or(|to| alert.opened_at < to)
            && wanted.from.is_none_or(|from| alert.last.at >= from);
        // A report is about shots; what was wrong with the fleet itself is told by the gaps.
        if let (true, Some(rule)) = (inside, alert.key.subject.rule()) {
            facts.push(alert_facts(&alert, rule));
        }
    }
    Ok(facts)
}

fn alert_facts(alert: &Alert, rule: Rule) -> AlertFacts {
    AlertFacts {
        id: alert.id.to_string(),
        rule,
        severity: alert.severity,
        gun: alert.key.subject.gun().cloned(),
        session: alert.key.subject.session(),
        state: alert.state.to_string(),
        opened_at: alert.opened_at,
        changed_at: alert.changed_at,
        shot_count: alert.shot_count,
        text: alert.text(),
    }
}

fn watermarks(reader: &Reader<'_>) -> Result<Vec<WatermarkFacts>, StoreError> {
    let receiver = reader.receiver()?;
    let facts = |key: &meso_delivery::StreamKey| WatermarkFacts {
        driver: key.driver.clone(),
        incarnation: key.incarnation,
        stream: key.stream.clone(),
        settled_to: BlockNumber(receiver.settled(key, 0).to),
    };
    Ok(receiver.streams().map(facts).collect())
}
