//! Sessions that something may still be said of, with what was said so far.

use meso_domain::{SegmentOpened, SessionEnded, SessionOpened, Statement};

use super::Sessions;

/// A session that is open, or ended not long ago.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RecentSession<'a> {
    /// How it began.
    pub opened: &'a SessionOpened,
    /// Its segments, in the order in which they began.
    pub segments: &'a [SegmentOpened],
    /// What was said of it, in the order in which it was said.
    pub statements: &'a [Statement],
    /// How it ended; `None` while it is open.
    pub ended: Option<&'a SessionEnded>,
}

impl Sessions {
    /// The open sessions, then those that ended, the newest first: at most
    /// [`Sessions::OPEN_COUNT_MAX`] and [`Sessions::ENDED_COUNT_MAX`].
    pub fn recent(&self) -> impl Iterator<Item = RecentSession<'_>> {
        let open = self.open.values().map(|open| RecentSession {
            opened: &open.opened,
            segments: &open.segments,
            statements: &open.statements,
            ended: None,
        });
        let ended = self.ended.iter().rev().map(|ended| RecentSession {
            opened: &ended.opened,
            segments: &ended.segments,
            statements: &ended.statements,
            ended: Some(&ended.end),
        });
        open.chain(ended)
    }
}
