//! The disk of a treatment-room computer: the journal as the driver sees it, in memory.
//!
//! It answers as `meso-journal` does, request by request; a property test of this crate compares
//! the two. What it adds is the question which requests have reached the disk: a request is either
//! durable when it is answered, as in the real one, or, with a planted fault, only later.

mod anew;
mod open;
mod wanted;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use meso_delivery::{
    CutContext, Range, RangeSet, Sender, StreamPosition, UnsettledBlock, Watermark,
};
use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, GapReason, GapState, Record, RecordBlock, Stream,
};
use meso_journal::{
    Batch, Committed, ForgottenShots, GunRecovery, Identity, JournalError, NewRecord, Outcome,
    Position, Recovery, SealedBlock, StreamExtent, Unsealed, is_same_shot,
};
use meso_units::{BlockNumber, Epoch, GunSerial, JournalIncarnation, ShotCounter, Timestamp};

pub(crate) use open::OpenedModel;

/// Which counters of one gun and epoch are accounted for.
#[derive(Clone, Debug, Default)]
struct Held {
    shots: RangeSet,
    gaps: RangeSet,
    all: RangeSet,
}

#[derive(Clone, Debug)]
struct Row {
    new: NewRecord,
    context: CutContext,
}

#[derive(Clone, Debug)]
struct BlockRow {
    block: Arc<RecordBlock>,
    hash: BlockHash,
    last_sequence: u64,
}

#[derive(Clone, Debug, Default)]
struct StreamRows {
    records: BTreeMap<u64, Row>,
    by_shot: HashMap<(Epoch, ShotCounter), u64>,
    held: BTreeMap<Epoch, Held>,
    blocks: BTreeMap<u64, BlockRow>,
    watermark: Option<Watermark>,
    /// Of each epoch: blocks that were forgotten, and shots that were in them.
    forgotten: BTreeMap<Epoch, (Range, Range)>,
}

/// A journal.
#[derive(Clone, Debug)]
pub(crate) struct JournalModel {
    identity: Identity,
    incarnation: JournalIncarnation,
    streams: BTreeMap<Stream, StreamRows>,
    values: BTreeMap<String, Vec<u8>>,
    /// Shots that came again with other measured values.
    conflict_count: u64,
}

impl JournalModel {
    pub(crate) fn new(identity: Identity, incarnation: JournalIncarnation) -> JournalModel {
        JournalModel {
            identity,
            incarnation,
            streams: BTreeMap::new(),
            values: BTreeMap::new(),
            conflict_count: 0,
        }
    }

    /// Its life.
    pub(crate) const fn incarnation(&self) -> JournalIncarnation {
        self.incarnation
    }

    pub(crate) fn conflict_count(&self) -> u64 {
        self.conflict_count
    }

    /// Writes everything of a batch.
    pub(crate) fn append(&mut self, batch: &Batch) -> Committed {
        let mut committed = Committed::default();
        let mut touched: Vec<(GunSerial, Epoch)> = Vec::new();
        for new in &batch.records {
            committed.outcomes.push(self.append_record(new));
            let key = match &new.record {
                Record::Shot(shot) => (shot.identity.gun.clone(), shot.identity.epoch),
                Record::Gap(gap) => (gap.gun.clone(), gap.epoch),
                Record::Session(_)
                | Record::Amendment(_)
                | Record::Custody(_)
                | Record::Interlock(_)
                | Record::Patient(_) => continue,
            };
            if !touched.contains(&key) {
                touched.push(key);
            }
        }
        self.values.extend(batch.values.iter().cloned());
        for (gun, epoch) in touched {
            let contiguous = self.contiguous(&gun, epoch);
            committed.positions.push(Position {
                gun,
                epoch,
                contiguous,
            });
        }
        committed
    }

    fn append_record(&mut self, new: &NewRecord) -> Outcome {
        let rows = self.streams.entry(new.stream.clone()).or_default();
        match &new.record {
            Record::Shot(shot) => {
                let (epoch, counter) = (shot.identity.epoch, shot.identity.counter);
                let recorded = rows.by_shot.get(&(epoch, counter));
                let row = recorded.and_then(|sequence| rows.records.get(sequence));
                if let Some(Record::Shot(recorded)) = row.map(|row| &row.new.record) {
                    if is_same_shot(recorded, shot) {
                        return Outcome::Known;
                    }
                    self.conflict_count += 1;
                    return Outcome::Conflict;
                }
                let held = rows.held.entry(epoch).or_default();
                if !held.shots.insert(counter.get().into()) {
                    return Outcome::Known;
                }
                held.all.insert(counter.get().into());
                let sequence = rows.insert(new, Some(epoch));
                rows.by_shot.insert((epoch, counter), sequence);
                Outcome::Recorded { sequence }
            }
            Record::Gap(gap) => {
                if let Some(last) = gap.last {
                    let (first, last) = (gap.first.get().into(), last.get().into());
                    let held = rows.held.get(&gap.epoch).cloned().unwrap_or_default();
                    let is_forgotten =
                        (gap.state, gap.reason) == (GapState::Declared, GapReason::Unknown);
                    let known = if is_forgotten { held.gaps } else { held.all };
                    if known.missing_between(first, last).is_empty() {
                        return Outcome::Known;
                    }
                    let held = rows.held.entry(gap.epoch).or_default();
                    held.gaps.insert_range(Range { first, last });
                    held.all.insert_range(Range { first, last });
                }
                let sequence = rows.insert(new, Some(gap.epoch));
                Outcome::Recorded { sequence }
            }
            Record::Custody(custody) => Outcome::Recorded {
                sequence: rows.insert(new, Some(custody.epoch)),
            },
            Record::Session(_)
            | Record::Amendment(_)
            | Record::Interlock(_)
            | Record::Patient(_) => Outcome::Recorded {
                sequence: rows.insert(new, None),
            },
        }
    }

    /// Seals what is unsealed up to a record.
    ///
    /// # Errors
    ///
    /// What the real journal refuses.
    pub(crate) fn seal(
        &mut self,
        stream: &Stream,
        last_sequence: u64,
        sealed_at: Timestamp,
    ) -> Result<Option<SealedBlock>, JournalError> {
        let (identity, incarnation) = (&self.identity, self.incarnation);
        let Some(rows) = self.streams.get_mut(stream) else {
            return Ok(None);
        };
        let (newest, previous, sealed_to) = rows.head();
        if last_sequence <= sealed_to {
            return Ok(None);
        }
        let unsealed: Vec<(u64, Row)> = rows
            .records
            .range(sealed_to + 1..=last_sequence)
            .map(|(sequence, row)| (*sequence, row.clone()))
            .collect();
        let (Some((_, first)), Some((last_sequence, _))) = (unsealed.first(), unsealed.last())
        else {
            return Ok(None);
        };
        let (context, last_sequence) = (first.context, *last_sequence);
        if unsealed
            .iter()
            .any(|(_, row)| row.context.session != context.session)
        {
            return Err(JournalError::Sessions {
                stream: stream.clone(),
            });
        }
        let number = BlockNumber(newest + 1);
        let place = BlockPlace {
            driver: identity.driver.clone(),
            incarnation,
            stream: stream.clone(),
            number,
        };
        let header = header(identity, place, previous, context, sealed_at);
        let (records, judgements): (Vec<_>, Vec<_>) = unsealed
            .into_iter()
            .map(|(_, row)| (row.new.record, row.new.judgement))
            .unzip();
        let judgements = judgements.into_iter().flatten().collect();
        let block = RecordBlock::seal(header, records, judgements).map_err(|source| {
            JournalError::Block {
                stream: stream.clone(),
                source,
            }
        })?;
        let hash = block.hash();
        let row = BlockRow {
            block: Arc::new(block),
            hash,
            last_sequence,
        };
        rows.blocks.insert(number.get(), row);
        Ok(Some(SealedBlock {
            stream: stream.clone(),
            number,
            hash,
            sealed_at,
            last_sequence,
        }))
    }

    /// A sealed block; `None` where it is not here (any more).
    pub(crate) fn load(&self, stream: &Stream, number: BlockNumber) -> Option<Arc<RecordBlock>> {
        let row = self.streams.get(stream)?.blocks.get(&number.get())?;
        Some(Arc::clone(&row.block))
    }

    /// The shots of every forgotten block around this one.
    pub(crate) fn forgotten(&self, stream: &Stream, number: BlockNumber) -> Vec<ForgottenShots> {
        let mut shots = Vec::new();
        let Some(rows) = self.streams.get(stream) else {
            return shots;
        };
        for (epoch, (blocks, counters)) in &rows.forgotten {
            let is_around = blocks.first <= number.get() && number.get() <= blocks.last;
            let held = rows.held.get(epoch).filter(|_| is_around);
            for range in held.iter().flat_map(|held| held.shots.ranges()) {
                let counters = Range {
                    first: range.first.max(counters.first),
                    last: range.last.min(counters.last),
                };
                if counters.first <= counters.last {
                    shots.push(ForgottenShots {
                        epoch: *epoch,
                        counters,
                    });
                }
            }
        }
        shots
    }

    pub(crate) fn settle(&mut self, stream: &Stream, watermark: Watermark) {
        if let Some(rows) = self.streams.get_mut(stream) {
            rows.watermark = Some(watermark);
        }
    }

    /// Forgets settled blocks of the guns that pass the test, oldest first; the newest block of a
    /// stream stays. Says how many.
    pub(crate) fn prune(&mut self, may_go: impl Fn(&RecordBlock) -> bool) -> usize {
        let mut pruned = 0;
        for (stream, rows) in &mut self.streams {
            if *stream == Stream::Room {
                continue;
            }
            let settled_to = rows.watermark.as_ref().map_or(0, |mark| mark.to);
            while let Some((number, row)) = rows.blocks.first_key_value()
                && *number <= settled_to
                && rows.blocks.len() > 1
                && may_go(&row.block)
            {
                let (number, last_sequence) = (*number, row.last_sequence);
                rows.note_forgotten(number, last_sequence);
                rows.blocks.remove(&number);
                rows.records = rows.records.split_off(&(last_sequence + 1));
                pruned += 1;
            }
        }
        pruned
    }

    /// A planted fault: forgets what a broker has acknowledged.
    pub(crate) fn forget(&mut self, stream: &Stream, number: BlockNumber) {
        let acknowledged = Watermark {
            to: number.get(),
            ranges: Vec::new(),
            blocks: Vec::new(),
            store: 0,
            ingest: 0,
        };
        self.settle(stream, acknowledged);
        self.prune(|block| block.header().place.stream == *stream);
    }

    /// Whether a counter is a shot here, still or once.
    pub(crate) fn has_shot(&self, gun: &GunSerial, epoch: Epoch, counter: u32) -> bool {
        let rows = self.streams.get(&Stream::Gun(gun.clone()));
        rows.and_then(|rows| rows.by_shot.get(&(epoch, ShotCounter(counter))))
            .is_some_and(|sequence| rows.is_some_and(|rows| rows.records.contains_key(sequence)))
    }

    /// Whether a counter is a shot here or a gap with a name.
    pub(crate) fn accounts_for(&self, gun: &GunSerial, epoch: Epoch, counter: u32) -> bool {
        let rows = self.streams.get(&Stream::Gun(gun.clone()));
        rows.and_then(|rows| rows.held.get(&epoch))
            .is_some_and(|held| held.all.contains(counter.into()))
    }

    /// How many sealed blocks no watermark covers.
    pub(crate) fn unsealed_count(&self) -> usize {
        let unsealed = |rows: &StreamRows| rows.records.range(rows.head().2 + 1..).count();
        self.streams.values().map(unsealed).sum()
    }

    fn contiguous(&self, gun: &GunSerial, epoch: Epoch) -> ShotCounter {
        let rows = self.streams.get(&Stream::Gun(gun.clone()));
        let held = rows.and_then(|rows| rows.held.get(&epoch));
        let to = held.and_then(|held| held.all.run_from(1)).unwrap_or(0);
        ShotCounter(u32::try_from(to).unwrap_or(u32::MAX))
    }

    /// Reads back what a start begins with.
    pub(crate) fn open(&self) -> OpenedModel<'_> {
        OpenedModel {
            journal: self,
            recovery: Recovery {
                incarnation: self.incarnation,
                positions: self.positions(),
                extents: self.extents(),
                unsealed: self.unsealed(),
                guns: self.guns(),
            },
        }
    }

    fn positions(&self) -> Vec<StreamPosition> {
        let position = |(stream, rows): (&Stream, &StreamRows)| StreamPosition {
            stream: stream.clone(),
            newest: rows.head().0,
            watermark: rows.watermark.clone(),
            unsettled: rows.unsettled(),
        };
        self.streams.iter().map(position).collect()
    }

    fn extents(&self) -> Vec<StreamExtent> {
        let extent = |(stream, rows): (&Stream, &StreamRows)| {
            let settled_to = rows.watermark.as_ref().map_or(0, |mark| mark.to);
            let settled = rows.blocks.range(..=settled_to).next_back();
            StreamExtent {
                stream: stream.clone(),
                newest_sequence: rows.newest_sequence(),
                settled_sequence: settled.map_or(0, |(_, row)| row.last_sequence),
            }
        };
        self.streams.iter().map(extent).collect()
    }

    fn unsealed(&self) -> Vec<Unsealed> {
        let of_stream = |(stream, rows): (&Stream, &StreamRows)| {
            let rows = rows.records.range(rows.head().2 + 1..);
            let unsealed = |(sequence, row): (&u64, &Row)| Unsealed {
                stream: stream.clone(),
                sequence: *sequence,
                context: row.context,
            };
            rows.map(unsealed).collect::<Vec<_>>()
        };
        self.streams.iter().flat_map(of_stream).collect()
    }

    fn guns(&self) -> Vec<GunRecovery> {
        let mut guns = Vec::new();
        for (stream, rows) in &self.streams {
            let Stream::Gun(gun) = stream else { continue };
            for epoch in rows.held.keys() {
                let newest = rows
                    .records
                    .values()
                    .filter_map(|row| row.new.record.as_shot())
                    .filter(|shot| shot.identity.epoch == *epoch)
                    .max_by_key(|shot| shot.identity.counter);
                guns.push(GunRecovery {
                    position: Position {
                        gun: gun.clone(),
                        epoch: *epoch,
                        contiguous: self.contiguous(gun, *epoch),
                    },
                    newest_at: newest.map(|shot| shot.at),
                });
            }
        }
        guns
    }
}

impl StreamRows {
    /// Takes note of a block before it is forgotten.
    fn note_forgotten(&mut self, number: u64, last_sequence: u64) {
        for row in self.records.range(..=last_sequence).map(|(_, row)| row) {
            let Some(shot) = row.new.record.as_shot() else {
                continue;
            };
            let counter = shot.identity.counter.get().into();
            let one = |number| Range {
                first: number,
                last: number,
            };
            let known = self.forgotten.entry(shot.identity.epoch);
            let (blocks, counters) = known.or_insert((one(number), one(counter)));
            blocks.first = blocks.first.min(number);
            blocks.last = blocks.last.max(number);
            counters.first = counters.first.min(counter);
            counters.last = counters.last.max(counter);
        }
    }

    /// The newest blocks beyond those that are settled without a break.
    fn unsettled(&self) -> Vec<UnsettledBlock> {
        let settled_to = self.watermark.as_ref().map_or(0, |mark| mark.to);
        let beyond = self.blocks.range(settled_to.saturating_add(1)..).rev();
        let named = beyond.map(|(number, row)| UnsettledBlock {
            number: *number,
            hash: row.hash,
            sealed_at: row.block.header().sealed_at,
        });
        named.take(Sender::WAITING_MAX).collect()
    }

    /// Number and hash of the newest block, and its last record.
    fn head(&self) -> (u64, Option<BlockHash>, u64) {
        let newest = self.blocks.last_key_value();
        newest.map_or((0, None, 0), |(number, row)| {
            (*number, Some(row.hash), row.last_sequence)
        })
    }

    fn newest_sequence(&self) -> u64 {
        self.records.last_key_value().map_or(0, |(last, _)| *last)
    }

    fn insert(&mut self, new: &NewRecord, epoch: Option<Epoch>) -> u64 {
        let sequence = self.newest_sequence() + 1;
        let context = CutContext {
            epoch,
            session: new.session,
        };
        let row = Row {
            new: new.clone(),
            context,
        };
        self.records.insert(sequence, row);
        sequence
    }
}

fn header(
    identity: &Identity,
    place: BlockPlace,
    previous: Option<BlockHash>,
    context: CutContext,
    sealed_at: Timestamp,
) -> BlockHeader {
    BlockHeader {
        clinic: identity.clinic.clone(),
        place,
        previous,
        epoch: context.epoch,
        session: context.session,
        record_count: 0,
        sealed_at,
        judgements_digest: [0; 32],
    }
}

#[cfg(test)]
mod tests;
