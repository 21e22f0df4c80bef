//! Shots as points of an InfluxDB.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use meso_domain::canonical::Canonical as _;
use meso_domain::{LedgerEntryKind, Severity, Shot};
use meso_units::Timestamp;
use rusqlite::{Connection, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::bisect::RefusedLine;
use super::client::{UnderWay, WriteHalf};
use super::doubt::Doubt;
use super::line::Lines;
use super::options::InfluxOptions;
use super::query::ReadHalf;
use super::{fetch, point, roll_up};
use crate::StoreError;
use crate::commit::{NewEntry, Quarantined};
use crate::error::During as _;
use crate::shelf::{BlockSpan, FreshBlock, FreshShot, Shelf, ShelvedShot, gun_of, kept, staged};
use crate::shot_row::Place;
use crate::write::{insert_entry, insert_quarantined, insert_shots, unhurried};

/// Blocks that are sent in one go: what one commit can have.
const PENDING_BLOCKS_PER_GO: usize = 1_024;

/// Blocks of one write: the lines of the next are made while the server takes those of this.
const BLOCKS_PER_WRITE: usize = 64;

/// Writes of the blocks that are sent in one go.
const WRITES_OF_A_FLIGHT_MAX: usize = PENDING_BLOCKS_PER_GO.div_ceil(BLOCKS_PER_WRITE);

/// Blocks that may be on their way to the server before the next commit waits for the oldest: while
/// the server is slow or waits for its disk, the ingest decides on, and the other way round.
const AHEAD_BLOCKS_MAX: usize = 1_024;

/// Blocks that are remembered as such that lack shots, so that each is told of once; further ones are
/// not told of until the next start.
const LACKING_BLOCKS_MAX: usize = 65_536;

/// An InfluxDB that keeps shots.
#[derive(Debug)]
pub(crate) struct InfluxShelf {
    writer: WriteHalf,
    reader: ReadHalf,
    /// What [`Shelf::advance`] has begun, oldest first. A std lock, which only the one writer takes.
    ahead: Mutex<VecDeque<Flight>>,
    /// Rows of blocks that were found to lack shots. A std lock, held for a look or a change.
    lacking: Mutex<BTreeSet<i64>>,
}

/// Blocks on their way to the server.
#[derive(Debug)]
struct Flight {
    /// In the order of their rows.
    parts: Vec<(Outbox, UnderWay)>,
}

impl Flight {
    fn spans(&self) -> impl DoubleEndedIterator<Item = &BlockSpan> {
        self.parts.iter().flat_map(|(outbox, _)| &outbox.spans)
    }

    /// Whether the server has answered.
    fn has_landed(&mut self) -> bool {
        let mut parts = self.parts.iter_mut();
        parts.all(|(_, under_way)| under_way.is_answered())
    }

    /// Waits until the server has them, and takes them out of the registry's file. A power cut may
    /// bring them back there, and they are sent once more.
    fn land(self, registry: &Connection) -> Result<(), StoreError> {
        let mut written = Vec::with_capacity(self.parts.len());
        for (outbox, under_way) in self.parts {
            written.push((outbox, under_way.wait()?));
        }
        unhurried(registry, |transaction| {
            for (outbox, refused) in &written {
                outbox.set_aside(transaction, refused)?;
            }
            for span in written.iter().flat_map(|(outbox, _)| &outbox.spans) {
                transaction
                    .prepare_cached("DELETE FROM pending WHERE block = ?1")
                    .and_then(|mut statement| statement.execute([span.row]))
                    .during("take sent shots out")?;
            }
            Ok(())
        })
    }
}

impl InfluxShelf {
    /// That of the store in this file.
    pub(crate) fn start(store: &Path, options: &InfluxOptions) -> Result<InfluxShelf, StoreError> {
        let doubt = Doubt::beside(store, options);
        Ok(InfluxShelf {
            writer: WriteHalf::start(options, Some(doubt))?,
            reader: ReadHalf::new(options),
            ahead: Mutex::default(),
            lacking: Mutex::default(),
        })
    }

    /// Begins to send blocks whose shots lie in the registry's file, those behind row `after`; `None`
    /// where there are none.
    fn begin(
        &self,
        registry: &Connection,
        after: i64,
        fresh: &[FreshBlock<'_>],
    ) -> Result<Option<Flight>, StoreError> {
        let mut spans = pending(registry, after)?.into_iter().peekable();
        if spans.peek().is_none() {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(WRITES_OF_A_FLIGHT_MAX);
        while spans.peek().is_some() {
            let mut outbox = Outbox::default();
            for span in spans.by_ref().take(BLOCKS_PER_WRITE) {
                outbox.add(registry, &self.reader, span, fresh)?;
            }
            let lines = Arc::new(std::mem::take(&mut outbox.lines));
            parts.push((outbox, self.writer.begin(lines)?));
        }
        Ok(Some(Flight { parts }))
    }

    /// Begins to send what is pending behind what is on its way, and takes out what the server has.
    fn send_on(
        &self,
        registry: &Connection,
        fresh: &[FreshBlock<'_>],
        ahead: &mut VecDeque<Flight>,
    ) -> Result<(), StoreError> {
        let sent = ahead.back().and_then(|flight| flight.spans().next_back());
        let next = self.begin(registry, sent.map_or(0, |span| span.row), fresh)?;
        ahead.extend(next);
        loop {
            let count: usize = ahead.iter().map(|flight| flight.spans().count()).sum();
            let is_full = count > AHEAD_BLOCKS_MAX;
            let is_due = ahead.front_mut().is_some_and(Flight::has_landed);
            let landing = ahead.pop_front_if(|_| is_due || is_full);
            let Some(flight) = landing else {
                return Ok(());
            };
            flight.land(registry)?;
        }
    }

    /// Waits for what is on its way, and sends whatever is pending behind it.
    fn send_rest(&self, registry: &Connection, ahead: VecDeque<Flight>) -> Result<(), StoreError> {
        for flight in ahead {
            flight.land(registry)?;
        }
        while let Some(flight) = self.begin(registry, 0, &[])? {
            flight.land(registry)?;
        }
        Ok(())
    }

    fn ahead(&self) -> MutexGuard<'_, VecDeque<Flight>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf for InfluxShelf {
    fn is_elsewhere(&self) -> bool {
        true
    }

    fn advance(&self, registry: &Connection, fresh: &[FreshBlock<'_>]) -> Result<(), StoreError> {
        let mut ahead = self.ahead();
        let done = self.send_on(registry, fresh, &mut ahead);
        if done.is_err() {
            // What is pending is sent again from the first.
            ahead.clear();
            self.writer.give_up();
        }
        done
    }

    fn settle(&self, registry: &Connection) -> Result<(), StoreError> {
        let ahead = std::mem::take(&mut *self.ahead());
        let done = self.send_rest(registry, ahead);
        if done.is_err() {
            self.writer.give_up();
        }
        done
    }

    fn under_way_count(&self) -> usize {
        self.writer.under_way_count()
    }

    fn note_lacking(&self, rows: &mut dyn Iterator<Item = i64>) {
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if lacking.len() < LACKING_BLOCKS_MAX {
                lacking.insert(row);
            }
        }
    }

    fn lacking_count(&self) -> u64 {
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        lacking.len() as u64
    }

    fn fetch(&self, spans: &[&BlockSpan]) -> Result<Vec<(i64, ShelvedShot)>, StoreError> {
        fetch::fetch(&self.reader, spans)
    }
}

fn pending(registry: &Connection, after: i64) -> Result<Vec<BlockSpan>, StoreError> {
    let what = "find what is to be sent";
    let sql = format!(
        "SELECT {} FROM pending p CROSS JOIN {} WHERE b.id = p.block AND p.block > ?1
         AND NOT EXISTS (SELECT 1 FROM lost w WHERE w.block = p.block AND NOT w.is_back)
         ORDER BY p.block LIMIT {PENDING_BLOCKS_PER_GO}",
        BlockSpan::COLUMNS,
        BlockSpan::TABLES
    );
    let mut statement = registry.prepare_cached(&sql).during(what)?;
    let mut rows = statement.query([after]).during(what)?;
    let mut spans = Vec::new();
    while let Some(row) = rows.next().during(what)? {
        spans.push(BlockSpan::read(row)?);
    }
    Ok(spans)
}

/// The lines of some blocks, and what stands behind each.
#[derive(Debug, Default)]
struct Outbox {
    lines: Lines,
    spans: Vec<BlockSpan>,
    /// The shot of each line; `None` for a roll-up.
    shots: Vec<Option<Spot>>,
    /// Shots that no line can say, and why.
    unsayable: Vec<(Spot, String)>,
}

/// Where a shot of an [`Outbox`] lies: which of its spans, and where in the block.
#[derive(Clone, Copy, Debug)]
struct Spot {
    span: usize,
    position: usize,
}

impl Outbox {
    fn add(
        &mut self,
        registry: &Connection,
        reader: &ReadHalf,
        span: BlockSpan,
        fresh: &[FreshBlock<'_>],
    ) -> Result<(), StoreError> {
        match fresh.binary_search_by_key(&span.row, |block| block.row) {
            Ok(index) => self.add_shots(span, &fresh[index].shots),
            Err(_) => {
                let mut shots = staged(registry, &span)?;
                if shots.len() < span.shot_count() {
                    complete(registry, reader, &span, &mut shots)?;
                }
                let verdicts = verdicts(registry, &span)?;
                let worst = |arrival: i64| {
                    let found = verdicts.iter().find(|(shot, _)| *shot == arrival);
                    found.map(|(_, worst)| *worst)
                };
                let judged = shots.iter().map(|shelved| FreshShot {
                    position: shelved.position,
                    shot: &shelved.shot,
                    worst: worst(shelved.arrival),
                });
                self.add_shots(span, &judged.collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    fn add_shots(&mut self, span: BlockSpan, shots: &[FreshShot<'_>]) {
        let before = self.lines.len();
        // Of shots that were refused and are sent again, the block's roll-up is there already. It
        // has identifiers and whole numbers only, which a line can always say.
        let is_whole = shots.len() == span.shot_count();
        if is_whole && roll_up::write(&mut self.lines, &span, shots).is_ok() {
            let added = self.lines.len() - before;
            self.shots.extend((0..added).map(|_| None));
        }
        let mut moments: Vec<i64> = Vec::with_capacity(shots.len());
        for FreshShot { position, shot, .. } in shots {
            let at_ns = shot.at.unix_ns();
            let earlier = moments.iter().filter(|other| **other == at_ns).count();
            moments.push(at_ns);
            let slot = span
                .slot
                .saturating_add(u32::try_from(earlier).unwrap_or(u32::MAX));
            let spot = Spot {
                span: self.spans.len(),
                position: *position,
            };
            match point::write(&mut self.lines, &span, *position, slot, shot) {
                Ok(()) => self.shots.push(Some(spot)),
                Err(error) => self.unsayable.push((spot, error.to_string())),
            }
        }
        self.spans.push(span);
    }

    /// Keeps refused shots in the registry's file, and puts what was said of them into quarantine.
    fn set_aside(
        &self,
        transaction: &Transaction<'_>,
        refused: &[RefusedLine],
    ) -> Result<(), StoreError> {
        let lines = refused.iter().filter_map(|line| {
            let spot = self.shots.get(line.index)?.as_ref()?;
            Some((spot, line.reason.as_str()))
        });
        let unsayable = self.unsayable.iter();
        let unsayable = unsayable.map(|(spot, reason)| (spot, reason.as_str()));
        for (spot, reason) in lines.chain(unsayable) {
            let span = &self.spans[spot.span];
            let shots = staged(transaction, span)?.into_iter();
            for shelved in shots.filter(|shelved| shelved.position == spot.position) {
                keep(transaction, span.row, &shelved)?;
                quarantine(transaction, &shelved.shot, reason)?;
            }
        }
        for line in refused {
            if matches!(self.shots.get(line.index), Some(None)) {
                tracing::warn!(reason = line.reason, "a roll-up was refused");
            }
        }
        Ok(())
    }
}

/// Adds what the server has of a block of which a part is sent again, so that its roll-up is written of
/// all of it. A shot that the server refuses stays where it is.
fn complete(
    registry: &Connection,
    reader: &ReadHalf,
    span: &BlockSpan,
    shots: &mut Vec<ShelvedShot>,
) -> Result<(), StoreError> {
    let kept = kept(registry, span)?.into_iter();
    let mut here: BTreeSet<usize> = kept.map(|shelved| shelved.position).collect();
    here.extend(shots.iter().map(|shelved| shelved.position));
    for (_, shelved) in fetch::fetch(reader, &[span])? {
        if here.insert(shelved.position) {
            shots.push(shelved);
        }
    }
    shots.sort_unstable_by_key(|shelved| shelved.position);
    Ok(())
}

/// The shots of a block with a verdict worth noting.
fn verdicts(registry: &Connection, span: &BlockSpan) -> Result<Vec<(i64, Severity)>, StoreError> {
    let what = "read verdicts of a block";
    let mut statement = registry
        .prepare_cached(
            "SELECT shot, worst FROM verdicts WHERE shot BETWEEN ?1 AND ?2 AND worst IS NOT NULL",
        )
        .during(what)?;
    let values = params![span.first_shot, span.arrival_last()];
    let mut rows = statement.query(values).during(what)?;
    let mut verdicts = Vec::new();
    while let Some(row) = rows.next().during(what)? {
        let severity = Severity::from_code(row.get(1).during(what)?)?;
        verdicts.push((row.get(0).during(what)?, severity));
    }
    Ok(verdicts)
}

/// Writes a shot into the registry's file to stay.
fn keep(
    transaction: &Transaction<'_>,
    block: i64,
    shelved: &ShelvedShot,
) -> Result<(), StoreError> {
    let gun = gun_of(transaction, block)?;
    let place = Place {
        id: shelved.arrival,
        block,
        position: shelved.position,
        gun,
    };
    insert_shots(transaction, std::iter::once((place, &shelved.shot)))
}

/// A refused shot is stored all the same, in the registry's file; that it is not where people look
/// for it is shown and logged.
fn quarantine(transaction: &Transaction<'_>, shot: &Shot, reason: &str) -> Result<(), StoreError> {
    let bytes = shot.canonical_bytes();
    let quarantined = Quarantined {
        digest: Sha256::digest(&bytes).into(),
        source: shot.identity.to_string(),
        reason: format!("stored, but not in InfluxDB: {reason}"),
        bytes,
        at: now(),
    };
    let said = format!("{}\n{}", quarantined.source, quarantined.reason);
    let mut bytes = quarantined.digest.to_vec();
    bytes.extend_from_slice(said.as_bytes());
    let entry = NewEntry {
        kind: LedgerEntryKind::Quarantine,
        digest: Sha256::digest(&bytes).into(),
        bytes,
    };
    insert_quarantined(transaction, &quarantined)?;
    insert_entry(transaction, &entry)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ns = since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    });
    Timestamp::from_unix_ns(ns).unwrap_or(Timestamp::UNIX_EPOCH)
}
