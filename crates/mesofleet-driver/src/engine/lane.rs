//! One stream on its way from records to settled blocks.

use std::collections::VecDeque;

use meso_delivery::{CutContext, CutLimits, Cutter, Haste};
use meso_journal::{SealedBlock, StreamExtent};

/// Sealed blocks whose extent is remembered to count the backlog: over half an hour of a gun that
/// never rests. Beyond that the backlog is shown too long until the ingest has caught up.
const EXTENTS_MAX: usize = 4_096;

/// One stream.
#[derive(Debug)]
pub(super) struct Lane {
    cutter: Cutter,
    /// The newest record that the open block holds.
    open_to: u64,
    newest_sequence: u64,
    settled_sequence: u64,
    /// Number and last record of the blocks that are not settled.
    extents: VecDeque<(u64, u64)>,
}

impl Lane {
    pub(super) fn new(limits: CutLimits) -> Lane {
        Lane {
            cutter: Cutter::new(limits),
            open_to: 0,
            newest_sequence: 0,
            settled_sequence: 0,
            extents: VecDeque::new(),
        }
    }

    pub(super) fn restore(&mut self, extent: &StreamExtent) {
        self.newest_sequence = extent.newest_sequence;
        self.settled_sequence = extent.settled_sequence;
    }

    /// Takes note of a record on the disk; says which blocks to seal by their last record.
    pub(super) fn recorded(
        &mut self,
        now_ms: u64,
        sequence: u64,
        context: CutContext,
        haste: Haste,
    ) -> Vec<u64> {
        let mut seals = Vec::new();
        if self.cutter.must_seal_before(context) {
            seals.push(self.open_to);
            self.cutter.sealed();
        }
        self.open_to = sequence;
        self.newest_sequence = self.newest_sequence.max(sequence);
        if self.cutter.added(now_ms, context, haste) {
            seals.push(self.open_to);
            self.cutter.sealed();
        }
        seals
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.cutter.due_ms()
    }

    /// The last record of the open block, if there is one and its time passes the test.
    pub(super) fn seal_if(&mut self, is_due: impl Fn(u64) -> bool) -> Option<u64> {
        self.cutter.due_ms().filter(|due_ms| is_due(*due_ms))?;
        self.cutter.sealed();
        Some(self.open_to)
    }

    pub(super) fn sealed(&mut self, block: &SealedBlock) {
        if self.extents.len() < EXTENTS_MAX {
            self.extents
                .push_back((block.number.get(), block.last_sequence));
        }
    }

    pub(super) fn settled(&mut self, to: u64) {
        while let Some((number, last_sequence)) = self.extents.front().copied()
            && number <= to
        {
            self.settled_sequence = self.settled_sequence.max(last_sequence);
            self.extents.pop_front();
        }
    }

    /// Records that the ingest does not have yet.
    pub(super) fn backlog(&self) -> u64 {
        self.newest_sequence.saturating_sub(self.settled_sequence)
    }

    /// Records that are in no block yet.
    pub(super) fn unsealed(&self) -> u64 {
        self.cutter.open_count()
    }
}
