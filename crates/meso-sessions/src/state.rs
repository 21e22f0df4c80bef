//! What is open in the room, and which segment a shot of some moment belongs to.

mod check;
mod open;
mod recent;
mod said;
mod spans;

use std::collections::{BTreeMap, VecDeque};

use meso_domain::{
    AskCause, CourseFacts, CourseSource, GunPosition, Said, SegmentOpened, SessionEnded,
    SessionEvent, SessionOpened, SessionOutcome,
};
use meso_units::{GunSerial, SegmentId, SessionId, Timestamp};

use crate::{EndStep, OpenStep, Refusal, SegmentStep, Step};
pub use open::OpenSession;
use open::{EndedSession, gun_of};
pub use recent::RecentSession;
use said::stated;
use spans::{Span, Spans};

/// The sessions of one treatment room.
#[derive(Clone, Debug)]
pub struct Sessions {
    open: BTreeMap<SessionId, OpenSession>,
    guns: BTreeMap<GunSerial, Spans>,
    /// The sessions that ended last, oldest first, to know a repeated step again.
    ended: VecDeque<EndedSession>,
    ask_ns: i64,
    idle_ns_max: i64,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions::with_idle_limit(Sessions::IDLE_NS_DEFAULT)
    }
}

impl Sessions {
    /// After this long without a step or a shot a session times out, in ns: 30 minutes. Treatments
    /// last 15 to 60 minutes but never pause for half an hour.
    pub const IDLE_NS_DEFAULT: i64 = 30 * 60 * 1_000_000_000;
    /// After this long without a step or a shot the room is asked whether this is still the same
    /// patient, in ns: 10 minutes, a choice of the house.
    pub const ASK_NS_DEFAULT: i64 = 10 * 60 * 1_000_000_000;
    /// The most statements of a session; a further one is refused.
    pub const STATEMENT_COUNT_MAX: usize = 1_000;
    /// The most open sessions of a room; a further one is refused.
    pub const OPEN_COUNT_MAX: usize = 64;
    /// The most segments of a session; a further one is refused.
    pub const SEGMENT_COUNT_MAX: usize = 500;
    /// The most guns that the room remembers; a segment with a further one is refused while all of
    /// them work, else the gun that has been out of work for longest is forgotten.
    pub const GUN_COUNT_MAX: usize = 256;
    /// How many closed segments of each gun are kept, so that shots read late (after a restart of
    /// the driver, from a gun's ring of 4096) still find theirs; of more the oldest is forgotten
    /// and its shots belong to no segment.
    pub const CLOSED_COUNT_MAX: usize = spans::CLOSED_COUNT_MAX;
    /// How many ended sessions are kept to know a repeated step again.
    pub const ENDED_COUNT_MAX: usize = 256;
    /// The longest text of a step, in bytes; a longer one is refused.
    pub const TEXT_LENGTH_MAX: usize = 256;
    /// The most entries of a list in a statement; more are refused.
    pub const LIST_LENGTH_MAX: usize = 64;
    /// The most components of a syringe; more are refused.
    pub const COMPONENT_COUNT_MAX: usize = 32;

    /// A room without sessions in which a session times out after `idle_ns_max` nanoseconds.
    pub const fn with_idle_limit(idle_ns_max: i64) -> Sessions {
        Sessions {
            open: BTreeMap::new(),
            guns: BTreeMap::new(),
            ended: VecDeque::new(),
            ask_ns: Sessions::ASK_NS_DEFAULT,
            idle_ns_max,
        }
    }

    /// Decides on a step and applies what comes of it, for callers without a journal.
    ///
    /// # Errors
    ///
    /// [`Refusal`] naming the step that must come first; nothing has changed then.
    pub fn step(&mut self, now: Timestamp, step: Step) -> Result<Vec<SessionEvent>, Refusal> {
        let events = self.decide(now, step)?;
        for event in &events {
            self.apply(event)?;
        }
        Ok(events)
    }

    /// Decides on a step and changes nothing: the caller makes the events durable, then calls
    /// [`Sessions::apply`] with each. No event means that the step was done already.
    ///
    /// Events of a session never go back in time: where the clock did, they carry the time of the
    /// event before them.
    ///
    /// # Errors
    ///
    /// [`Refusal`] naming the step that must come first.
    pub fn decide(&self, now: Timestamp, step: Step) -> Result<Vec<SessionEvent>, Refusal> {
        match step {
            Step::Open(step) => self.decide_open(now, step),
            Step::Segment(step) => self.decide_segment(now, step),
            Step::HandOver(step) => self.decide_hand_over(now, step),
            Step::Say(step) => self.decide_say(now, step),
            Step::Amend(step) => self.decide_amend(now, &step),
            Step::SamePatient(step) => self.decide_same_patient(now, step),
            Step::Pause { session, reason } => self.decide_pause(now, session, reason),
            Step::Resume { session } => {
                let open = self.open(session)?;
                open.must_be_answered()?;
                let at = now.max(open.event_at);
                Ok(one_unless(
                    !open.paused,
                    SessionEvent::Resumed { session, at },
                ))
            }
            Step::End(step) => self.decide_end(now, step),
        }
    }

    /// Applies an event of [`Sessions::decide`], or of the journal after a restart. An event that
    /// was applied already changes nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionNotOpen`] for an event of a session whose beginning was never applied:
    /// the journal was cut too far. Nothing has changed then and later events may follow.
    pub fn apply(&mut self, event: &SessionEvent) -> Result<(), Refusal> {
        let session = event.session();
        let mut all_ended = self.ended.iter_mut();
        if let Some(ended) = all_ended.find(|ended| ended.end.session == session) {
            if let SessionEvent::Stated(statement) = event {
                ended.state(statement);
            }
            return Ok(());
        }
        if let SessionEvent::Opened(opened) = event {
            let begun = || OpenSession::new(opened.clone());
            self.open.entry(session).or_insert_with(begun);
            return Ok(());
        }
        let open = self
            .open
            .get_mut(&session)
            .ok_or(Refusal::SessionNotOpen { session })?;
        open.event_at = open.event_at.max(event.at());
        if !is_question(event) {
            open.active_at = open.active_at.max(event.at());
        }
        match event {
            SessionEvent::Opened(_) => {}
            SessionEvent::SegmentOpened(segment) => self.apply_segment(segment),
            SessionEvent::Paused { .. } => open.paused = true,
            SessionEvent::Resumed { .. } => open.paused = false,
            SessionEvent::Ended(ended) => self.apply_end(ended),
            SessionEvent::Stated(statement) => open.state(statement),
        }
        Ok(())
    }

    /// Which segment a shot of this gun and moment belongs to; `None` where no segment was open.
    pub fn segment_at(&self, gun: &GunSerial, at: Timestamp) -> Option<(SessionId, SegmentId)> {
        self.guns.get(gun)?.at(at)
    }

    /// Notes that a gun fired, which keeps its session from timing out. After a restart the caller
    /// notes the newest shot of each gun once.
    pub fn note_shot(&mut self, gun: &GunSerial, at: Timestamp) {
        let session = self.segment_at(gun, at).map(|(session, _)| session);
        if let Some(open) = session.and_then(|session| self.open.get_mut(&session)) {
            open.active_at = open.active_at.max(at);
        }
    }

    /// The clock was set forward by so much, or back where it is negative: by that no session has
    /// been idle for any longer or shorter.
    pub fn clock_stepped(&mut self, by_ns: i64) {
        for open in self.open.values_mut() {
            open.active_at = open.active_at.saturating_add_ns(by_ns);
        }
    }

    /// The ends, by time-out, of the sessions that were idle for too long, and the question whether
    /// this is still the same patient for those that were idle for long; changes nothing, as
    /// [`Sessions::decide`].
    pub fn idle(&self, now: Timestamp, last_counters: &[GunPosition]) -> Vec<SessionEvent> {
        let due = |open: &OpenSession| {
            let idle_ns = now.since_ns(open.active_at);
            if idle_ns > self.idle_ns_max {
                Some(end_of(open, now, SessionOutcome::TimedOut, last_counters))
            } else if idle_ns > self.ask_ns {
                open.question(now, AskCause::Idle)
            } else {
                None
            }
        };
        self.open.values().filter_map(due).collect()
    }

    /// Asks whether this is still the same patient, after something happened to a gun that works in
    /// a session; `None` where it works in none or the room is asked already. Changes nothing.
    pub fn ask(&self, now: Timestamp, gun: &GunSerial, cause: AskCause) -> Option<SessionEvent> {
        let open = self.open.get(&self.session_of(gun)?)?;
        open.question(now, cause)
    }

    /// What the room knows by now of the course of an open session's patient, where that is other
    /// than what it knew before; `None` where it is not, where a person has said how it is, and
    /// beyond [`Sessions::STATEMENT_COUNT_MAX`]. Changes nothing.
    pub fn course_known(
        &self,
        now: Timestamp,
        session: SessionId,
        course: CourseFacts,
    ) -> Option<SessionEvent> {
        let open = self.open.get(&session)?;
        let is_news = match open.course() {
            Some(said) => said.source == CourseSource::Summaries && *said != course,
            None => true,
        };
        let has_room = open.statements.len() < Sessions::STATEMENT_COUNT_MAX;
        let event = || stated(session, open.next_at(now), None, Said::Course(course));
        (is_news && has_room).then(event)
    }

    /// The open sessions, in the order of their ids.
    pub fn open_sessions(&self) -> impl Iterator<Item = &OpenSession> {
        self.open.values()
    }

    /// The open session that a gun works in.
    pub fn session_of(&self, gun: &GunSerial) -> Option<SessionId> {
        self.guns.get(gun)?.open().map(|span| span.session)
    }

    fn decide_open(&self, now: Timestamp, step: OpenStep) -> Result<Vec<SessionEvent>, Refusal> {
        let session = step.session;
        let said = step.said.clone();
        let opened = check::opened(now, step)?;
        if let Some(known) = self.open.get(&session) {
            let again = SessionOpened {
                at: known.opened.at,
                ..opened
            };
            return if again == known.opened {
                Ok(Vec::new())
            } else {
                Err(Refusal::SessionExists { session })
            };
        }
        if self.has_ended(session) {
            return Err(Refusal::SessionExists { session });
        }
        if self.open.len() >= Sessions::OPEN_COUNT_MAX {
            return Err(Refusal::TooMany {
                what: "open sessions",
                count: Sessions::OPEN_COUNT_MAX,
                next: "end a session first",
            });
        }
        let at = opened.at;
        let mut events = vec![SessionEvent::Opened(opened)];
        for (by, said) in said {
            check::said(&said)?;
            events.push(stated(session, at, Some(by), said));
        }
        Ok(events)
    }

    fn decide_segment(
        &self,
        now: Timestamp,
        step: SegmentStep,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        let open = self.open(step.session)?;
        let segment = check::segment(now.max(open.event_at), step, &open.opened)?;
        self.decide_begin(open, segment)
    }

    /// A segment whose values are checked: whether it may begin now.
    fn decide_begin(
        &self,
        open: &OpenSession,
        mut segment: SegmentOpened,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        if let Some(known) = open
            .segments
            .iter()
            .find(|known| known.segment == segment.segment)
        {
            let again = SegmentOpened {
                at: known.at,
                ..segment
            };
            return if again == *known {
                Ok(Vec::new())
            } else {
                Err(Refusal::SegmentExists {
                    segment: again.segment,
                })
            };
        }
        if self.knows_segment(segment.segment) {
            return Err(Refusal::SegmentExists {
                segment: segment.segment,
            });
        }
        open.may_be_treated()?;
        if !open.segments.is_empty() && segment.reason.trim().is_empty() {
            return Err(Refusal::ReasonMissing);
        }
        if open.segments.len() >= Sessions::SEGMENT_COUNT_MAX {
            let count = Sessions::SEGMENT_COUNT_MAX;
            return Err(Refusal::TooMany {
                what: "segments of a session",
                count,
                next: "end this session and open another",
            });
        }
        if let Some(gun) = gun_of(&segment) {
            // Segments of one gun never overlap, even where the clock went back between sessions.
            segment.at = segment.at.max(self.free_from(gun, segment.session)?);
        }
        // A needle is for one patient: another one may mean that nobody ended the session.
        let before = open.present(&segment.delivery);
        let is_other_needle = before.is_some_and(|before| before.needle != segment.needle);
        let asked = is_other_needle.then(|| {
            let at = segment.at.saturating_add_ns(1);
            open.question(at, AskCause::NewNeedle)
        });
        let begun = SessionEvent::SegmentOpened(segment);
        Ok(std::iter::once(begun).chain(asked.flatten()).collect())
    }

    /// From when on the gun can begin a segment of this session.
    fn free_from(&self, gun: &GunSerial, session: SessionId) -> Result<Timestamp, Refusal> {
        let Some(spans) = self.guns.get(gun) else {
            let all_work = self.guns.values().all(|spans| spans.open().is_some());
            return if self.guns.len() >= Sessions::GUN_COUNT_MAX && all_work {
                Err(Refusal::TooMany {
                    what: "guns at work",
                    count: Sessions::GUN_COUNT_MAX,
                    next: "end a session first",
                })
            } else {
                Ok(Timestamp::UNIX_EPOCH)
            };
        };
        match spans.open() {
            Some(span) if span.session != session => Err(Refusal::GunBusy {
                gun: gun.clone(),
                session: span.session,
            }),
            _ => Ok(spans.free_from()),
        }
    }

    fn decide_end(&self, now: Timestamp, step: EndStep) -> Result<Vec<SessionEvent>, Refusal> {
        let again = self
            .ended
            .iter()
            .any(|known| known.end.session == step.session && known.end.outcome == step.outcome);
        if again {
            return Ok(Vec::new());
        }
        let open = self.open(step.session)?;
        Ok(vec![end_of(open, now, step.outcome, &step.last_counters)])
    }

    fn open(&self, session: SessionId) -> Result<&OpenSession, Refusal> {
        self.open
            .get(&session)
            .ok_or(Refusal::SessionNotOpen { session })
    }

    fn has_ended(&self, session: SessionId) -> bool {
        let mut ended = self.ended.iter();
        ended.any(|known| known.end.session == session)
    }

    fn knows_segment(&self, segment: SegmentId) -> bool {
        let in_open = |open: &OpenSession| open.segments.iter().any(|s| s.segment == segment);
        self.open.values().any(in_open) || self.guns.values().any(|spans| spans.knows(segment))
    }

    fn apply_segment(&mut self, segment: &SegmentOpened) {
        let Some(open) = self.open.get_mut(&segment.session) else {
            return;
        };
        if open
            .segments
            .iter()
            .any(|known| known.segment == segment.segment)
        {
            return;
        }
        open.segments.push(segment.clone());
        let Some(gun) = gun_of(segment) else { return };
        if !self.guns.contains_key(gun) && self.guns.len() >= Sessions::GUN_COUNT_MAX {
            self.forget_a_gun();
        }
        self.guns.entry(gun.clone()).or_default().begin(Span {
            session: segment.session,
            segment: segment.segment,
            from: segment.at,
            until: None,
        });
    }

    fn apply_end(&mut self, ended: &SessionEnded) {
        let Some(open) = self.open.remove(&ended.session) else {
            return;
        };
        for spans in self.guns.values_mut() {
            if spans
                .open()
                .is_some_and(|span| span.session == ended.session)
            {
                spans.end(ended.at);
            }
        }
        self.ended.push_back(EndedSession::new(open, ended.clone()));
        if self.ended.len() > Sessions::ENDED_COUNT_MAX {
            self.ended.pop_front();
        }
    }

    fn forget_a_gun(&mut self) {
        let idle = self.guns.iter().filter(|(_, spans)| spans.open().is_none());
        let longest = idle
            .min_by_key(|(_, spans)| spans.free_from())
            .map(|(gun, _)| gun.clone());
        if let Some(gun) = longest {
            self.guns.remove(&gun);
        }
    }
}

/// Whether this is the question for the same patient: to be asked is no sign of life.
fn is_question(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Stated(said) if matches!(said.said, Said::SamePatientAsked(_)))
}

fn one_unless(done: bool, event: SessionEvent) -> Vec<SessionEvent> {
    if done { Vec::new() } else { vec![event] }
}

fn end_of(
    open: &OpenSession,
    now: Timestamp,
    outcome: SessionOutcome,
    last_counters: &[GunPosition],
) -> SessionEvent {
    let guns = open.guns();
    let of_this_session = |position: &&GunPosition| guns.contains(&position.gun);
    SessionEvent::Ended(SessionEnded {
        session: open.opened.session,
        at: now.max(open.event_at),
        outcome,
        last_counters: last_counters
            .iter()
            .filter(of_this_session)
            .cloned()
            .collect(),
    })
}
