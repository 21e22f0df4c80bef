//! When records become a block.

use meso_domain::{RecordBlock, Stream};
use meso_units::{Epoch, SessionId};

/// How soon a record is to reach the ingest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// With others: it may wait for [`CutLimits::open_ms_max`].
    #[default]
    None,
    /// A further shot of an episode past a limit: it may wait for [`CutLimits::SOON_MS_MAX`], so that
    /// a ring that is read at once does not become a block for each of its shots.
    Soon,
    /// An event of a session, or the first shot of an episode past a limit: it waits for nothing.
    AtOnce,
}

/// How large and how old an open block may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutLimits {
    /// The most records, 1 to 64; at this many the block is sealed.
    pub records_max: usize,
    /// The longest time that a record waits for others, in ms.
    pub open_ms_max: u64,
}

impl Default for CutLimits {
    /// 64 records or 500 ms.
    fn default() -> CutLimits {
        CutLimits {
            records_max: RecordBlock::RECORD_COUNT_MAX,
            open_ms_max: 500,
        }
    }
}

impl CutLimits {
    /// The longest time that a record in haste waits for others, in ms: what people are to see
    /// within 100 ms has four fifths of that left for disks and networks.
    pub const SOON_MS_MAX: u64 = 20;

    /// For records of a stream that are sealed once more: those of a room one by one, since an event
    /// of a session is sealed at once, too.
    pub fn anew(stream: &Stream) -> CutLimits {
        CutLimits {
            records_max: match stream {
                Stream::Room => 1,
                Stream::Gun(_) => RecordBlock::RECORD_COUNT_MAX,
            },
            ..CutLimits::default()
        }
    }
}

/// What all records of one block have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutContext {
    /// The epoch; `None` in the room's stream.
    pub epoch: Option<Epoch>,
    /// The session, if any.
    pub session: Option<SessionId>,
}

/// Decides when the open block of one stream is sealed.
///
/// It holds no records: it is told of each and says when. After each "seal" the caller seals
/// everything that was added and says so with [`Cutter::sealed`].
#[derive(Clone, Debug)]
pub struct Cutter {
    limits: CutLimits,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    context: CutContext,
    count: usize,
    due_ms: u64,
}

impl Cutter {
    /// Begins with nothing open; limits outside of what a block can hold are drawn inside.
    pub fn new(limits: CutLimits) -> Cutter {
        let records_max = limits.records_max.clamp(1, RecordBlock::RECORD_COUNT_MAX);
        Cutter {
            limits: CutLimits {
                records_max,
                ..limits
            },
            open: None,
        }
    }

    /// The last record of each block, where all records are there already: their numbers and what
    /// they have in common with others, in their order.
    ///
    /// # Errors
    ///
    /// What the first of them says that cannot be read.
    pub fn cuts<E>(
        limits: CutLimits,
        records: impl IntoIterator<Item = Result<(u64, CutContext), E>>,
    ) -> Result<Vec<u64>, E> {
        let mut cutter = Cutter::new(limits);
        let mut cuts = Vec::new();
        let mut newest = None;
        for record in records {
            let (sequence, context) = record?;
            if cutter.must_seal_before(context) {
                cuts.extend(newest);
                cutter.sealed();
            }
            newest = Some(sequence);
            if cutter.added(0, context, Haste::None) {
                cuts.push(sequence);
                cutter.sealed();
            }
        }
        if cutter.open.is_some() {
            cuts.extend(newest);
        }
        Ok(cuts)
    }

    /// Whether what is open must be sealed before a record of this context is added.
    pub fn must_seal_before(&self, context: CutContext) -> bool {
        self.open
            .is_some_and(|open| open.context != context || open.count >= self.limits.records_max)
    }

    /// Takes note of a record; says whether to seal at once.
    pub fn added(&mut self, now_ms: u64, context: CutContext, haste: Haste) -> bool {
        let within_ms = match haste {
            Haste::None => self.limits.open_ms_max,
            Haste::Soon => self.limits.open_ms_max.min(CutLimits::SOON_MS_MAX),
            Haste::AtOnce => 0,
        };
        let due_ms = now_ms.saturating_add(within_ms);
        let open = self.open.get_or_insert(Open {
            context,
            count: 0,
            due_ms,
        });
        open.count += 1;
        open.due_ms = open.due_ms.min(due_ms);
        haste == Haste::AtOnce || open.count >= self.limits.records_max
    }

    /// When the open block is to be sealed; `None` when nothing is open.
    pub fn due_ms(&self) -> Option<u64> {
        self.open.map(|open| open.due_ms)
    }

    /// How many records the open block holds.
    pub fn open_count(&self) -> u64 {
        self.open.map_or(0, |open| open.count as u64)
    }

    /// Everything added so far was sealed.
    pub fn sealed(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: CutContext = CutContext {
        epoch: Some(Epoch(1)),
        session: Some(SessionId::from_bytes([1; 16])),
    };
    const NO_SESSION: CutContext = CutContext {
        epoch: Some(Epoch(1)),
        session: None,
    };

    #[test]
    fn a_block_is_sealed_at_its_largest_size() {
        let mut cutter = Cutter::new(CutLimits::default());
        let seals: Vec<bool> = (0..64)
            .map(|_| cutter.added(0, SESSION, Haste::None))
            .collect();
        assert_eq!(seals.iter().position(|seal| *seal), Some(63));
        assert!(cutter.must_seal_before(SESSION));
        cutter.sealed();
        assert!(!cutter.must_seal_before(SESSION));
    }

    #[test]
    fn a_record_waits_no_longer_than_the_limit() {
        let mut cutter = Cutter::new(CutLimits::default());
        assert_eq!(cutter.due_ms(), None);
        assert!(!cutter.added(1_000, SESSION, Haste::None));
        assert!(!cutter.added(1_400, SESSION, Haste::None));
        assert_eq!(cutter.due_ms(), Some(1_500));
    }

    #[test]
    fn a_record_in_haste_shortens_the_wait_of_those_before_it_and_none_prolongs_it() {
        let mut cutter = Cutter::new(CutLimits::default());
        assert!(!cutter.added(1_000, SESSION, Haste::None));
        assert!(!cutter.added(1_100, SESSION, Haste::Soon));
        assert_eq!(cutter.due_ms(), Some(1_120));
        assert!(!cutter.added(1_110, SESSION, Haste::Soon));
        assert!(!cutter.added(1_115, SESSION, Haste::None));
        assert_eq!(cutter.due_ms(), Some(1_120));
        cutter.sealed();
        cutter.added(2_000, SESSION, Haste::None);
        cutter.added(2_490, SESSION, Haste::Soon);
        assert_eq!(cutter.due_ms(), Some(2_500));
    }

    #[test]
    fn another_session_or_epoch_is_another_block() {
        let mut cutter = Cutter::new(CutLimits::default());
        assert!(!cutter.must_seal_before(NO_SESSION));
        cutter.added(0, NO_SESSION, Haste::None);
        assert!(cutter.must_seal_before(SESSION));
        assert!(!cutter.must_seal_before(NO_SESSION));
        let other_epoch = CutContext {
            epoch: Some(Epoch(2)),
            ..NO_SESSION
        };
        assert!(cutter.must_seal_before(other_epoch));
    }

    #[test]
    fn an_urgent_record_seals_at_once() {
        let mut cutter = Cutter::new(CutLimits::default());
        assert!(cutter.added(0, SESSION, Haste::AtOnce));
    }

    #[test]
    fn records_that_are_there_already_are_cut_as_if_they_came() {
        let limits = CutLimits {
            records_max: 3,
            ..CutLimits::default()
        };
        let contexts = [SESSION, SESSION, SESSION, SESSION, NO_SESSION, SESSION];
        let records = (10..).zip(contexts).map(Ok::<_, ()>);
        assert_eq!(Cutter::cuts(limits, records), Ok(vec![12, 13, 14, 15]));
        let none: [Result<_, ()>; 0] = [];
        assert_eq!(Cutter::cuts(limits, none), Ok(vec![]));
        assert_eq!(Cutter::cuts(limits, [Err("torn")]), Err("torn"));
    }

    #[test]
    fn limits_outside_of_a_block_are_drawn_inside() {
        let mut cutter = Cutter::new(CutLimits {
            records_max: 0,
            open_ms_max: 10,
        });
        assert!(cutter.added(0, SESSION, Haste::None));
    }
}
