//! Shots as points of an InfluxDB.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Blocks that may be on their way to the server before the next commit waits for the oldest: while
/// the server is slow or waits for its disk, the ingest decides on, and the other way round.
const AHEAD_BLOCKS_MAX: usize = 1_024;

/// How long [`Shelf::settle_some`] waits for an answer: as much later may begin what comes meanwhile.
const SETTLE_PAUSE: Duration = Duration::from_millis(20);

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

/// Blocks on their way to the server in one write, in the order of their rows.
#[derive(Debug)]
struct Flight {
    outbox: Outbox,
    under_way: UnderWay,
}

impl Flight {
    fn block_count(&self) -> usize {
        self.outbox.spans.len()
    }
}

/// Waits until the server has what these brought, and takes it out of the registry's file, on an error
/// what came before. A power cut may bring it back there, and it is sent once more.
fn land(registry: &Connection, flights: Vec<Flight>) -> Result<(), StoreError> {
    let mut written = Vec::with_capacity(flights.len());
    let mut failed = None;
    for flight in flights {
        match flight.under_way.wait() {
            Ok(refused) => written.push((flight.outbox, refused)),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    take_out(registry, &written)?;
    failed.map_or(Ok(()), Err)
}

/// Takes what the server has out of the registry's file.
fn take_out(
    registry: &Connection,
    written: &[(Outbox, Vec<RefusedLine>)],
) -> Result<(), StoreError> {
    if written.is_empty() {
        return Ok(());
    }
    unhurried(registry, |transaction| {
        for (outbox, refused) in written {
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

    /// Begins to send blocks whose shots lie in the registry's file, the first of those in these rows.
    fn begin(
        &self,
        registry: &Connection,
        rows: RangeInclusive<i64>,
        blocks_max: usize,
        fresh: &[FreshBlock<'_>],
    ) -> Result<Vec<Flight>, StoreError> {
        let mut spans = pending(registry, rows, blocks_max)?.into_iter().peekable();
        let mut flights = Vec::new();
        while spans.peek().is_some() {
            let mut outbox = Outbox::default();
            for span in spans.by_ref().take(BLOCKS_PER_WRITE) {
                outbox.add(registry, &self.reader, span, fresh)?;
            }
            let lines = Arc::new(std::mem::take(&mut outbox.lines));
            let under_way = self.writer.begin(lines)?;
            flights.push(Flight { outbox, under_way });
        }
        Ok(flights)
    }

    /// Begins to send what is pending behind what is on its way, and takes out what the server has.
    fn send_on(
        &self,
        registry: &Connection,
        fresh: &[FreshBlock<'_>],
        ahead: &mut VecDeque<Flight>,
    ) -> Result<(), StoreError> {
        let row_of = |span: Option<&BlockSpan>| span.map(|span| span.row);
        let first = row_of(ahead.front().and_then(|flight| flight.outbox.spans.first()));
        let last = row_of(ahead.back().and_then(|flight| flight.outbox.spans.last()));
        // Shots that were lost and came again wait in the rows of their blocks.
        if let Some(first) = first {
            let again = self.begin(registry, 0..=first - 1, BLOCKS_PER_WRITE, fresh)?;
            again
                .into_iter()
                .for_each(|flight| ahead.push_front(flight));
        }
        let behind = last.map_or(0, |last| last + 1)..=i64::MAX;
        ahead.extend(self.begin(registry, behind, PENDING_BLOCKS_PER_GO, fresh)?);
        let mut count: usize = ahead.iter().map(Flight::block_count).sum();
        let mut landing = Vec::new();
        while let Some(flight) = ahead.pop_front_if(|flight| {
            count > AHEAD_BLOCKS_MAX || flight.under_way.is_answered_within(Duration::ZERO)
        }) {
            count -= flight.block_count();
            landing.push(flight);
        }
        land(registry, landing)
    }

    /// Takes out what the server has, and begins to send what is pending where nothing is on its way;
    /// says whether anything is, then.
    fn send_some(
        &self,
        registry: &Connection,
        ahead: &mut VecDeque<Flight>,
    ) -> Result<bool, StoreError> {
        let mut landing = Vec::new();
        let mut patience = SETTLE_PAUSE;
        while let Some(flight) =
            ahead.pop_front_if(|flight| flight.under_way.is_answered_within(patience))
        {
            landing.push(flight);
            patience = Duration::ZERO;
        }
        land(registry, landing)?;
        if ahead.is_empty() {
            ahead.extend(self.begin(registry, 0..=i64::MAX, BLOCKS_PER_WRITE, &[])?);
        }
        Ok(!ahead.is_empty())
    }

    /// Waits for what is on its way, and sends whatever is pending behind it.
    fn send_rest(&self, registry: &Connection, ahead: VecDeque<Flight>) -> Result<(), StoreError> {
        let mut flights = Vec::from(ahead);
        loop {
            land(registry, flights)?;
            flights = self.begin(registry, 0..=i64::MAX, PENDING_BLOCKS_PER_GO, &[])?;
            if flights.is_empty() {
                return Ok(());
            }
        }
    }

    /// After an error, what is pending is sent again from the first.
    fn or_begin_again<T>(
        &self,
        done: Result<T, StoreError>,
        ahead: &mut VecDeque<Flight>,
    ) -> Result<T, StoreError> {
        if done.is_err() {
            ahead.clear();
            self.writer.give_up();
        }
        done
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
        self.or_begin_again(done, &mut ahead)
    }

    fn settle_some(&self, registry: &Connection) -> Result<bool, StoreError> {
        let mut ahead = self.ahead();
        let done = self.send_some(registry, &mut ahead);
        self.or_begin_again(done, &mut ahead)
    }

    fn settle(&self, registry: &Connection) -> Result<(), StoreError> {
        let mut ahead = self.ahead();
        let done = self.send_rest(registry, std::mem::take(&mut *ahead));
        self.or_begin_again(done, &mut ahead)
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

fn pending(
    registry: &Connection,
    rows: RangeInclusive<i64>,
    blocks_max: usize,
) -> Result<Vec<BlockSpan>, StoreError> {
    let what = "find what is to be sent";
    let sql = format!(
        "SELECT {} FROM pending p CROSS JOIN {} WHERE b.id = p.block AND p.block BETWEEN ?1 AND ?2
         AND NOT EXISTS (SELECT 1 FROM lost w WHERE w.block = p.block AND NOT w.is_back)
         ORDER BY p.block LIMIT ?3",
        BlockSpan::COLUMNS,
        BlockSpan::TABLES
    );
    let mut statement = registry.prepare_cached(&sql).during(what)?;
    let limit = i64::try_from(blocks_max).unwrap_or(i64::MAX);
    let values = params![rows.start(), rows.end(), limit];
    let mut rows = statement.query(values).during(what)?;
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
