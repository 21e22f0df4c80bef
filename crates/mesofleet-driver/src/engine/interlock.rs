//! Stopping guns: a shot beyond a hard limit inhibits its gun until a person resumes it.
//!
//! What is wanted of a gun is kept in the journal, so that a restart lets no gun fire again; what
//! the gun says of itself comes with its greeting, its status and its answers. Wherever the two
//! differ, the gun is told again. It is stopped between shots: never this one, always the next.

use meso_contract::room::RoomInterlockBody;
use meso_delivery::Haste;
use meso_domain::{InterlockChange, InterlockEvent, Judgement, Record, Severity, Shot, Stream};
use meso_journal::NewRecord;
use meso_link_proto::{CommandKind, CommandOutcome, ResultCode};
use meso_units::{GunSerial, OperatorId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::gun::Gun;
use super::stop::CANNOT_BE_STOPPED;
use super::{Call, Engine, Work};

/// Under this and its serial number the journal keeps what is wanted of a gun.
pub(super) const HOLD_VALUES: &str = "interlock/";

/// The reason that a gun is told for a shot beyond a hard limit.
pub(crate) const REASON_HARD_LIMIT: u8 = 1;

/// The reason that a gun is told while no session has a segment for it.
pub(crate) const REASON_NO_SESSION: u8 = 2;

/// The reason that a gun is told when a person stops it.
pub(crate) const REASON_PERSON: u8 = 3;

/// A breach outside of every open session stops its gun only where it was fired this short before
/// it was read: 60 s. An older one belongs to a treatment that is over.
const FRESH_NS: i64 = 60_000_000_000;

/// What is wanted of a gun, as the journal keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// The first breach that no person has answered, in words.
    breach: Option<String>,
    /// The first stop by a person that no person has answered, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    by_hand: Option<String>,
    /// Whether it was told to fire no more and not told to go on.
    was_told: bool,
}

/// How far a gun is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// Nothing was asked of it, or it has done what was.
    #[default]
    Quiet,
    /// It was told to fire no more and has not answered.
    Inhibiting,
    /// It was told to go on and has not answered.
    Resuming,
    /// It does not do what it was told; `is_final` where asking again is of no use.
    Failed { problem: String, is_final: bool },
}

/// The interlock of one gun.
#[derive(Clone, Debug, Default)]
pub(super) struct Interlock {
    hold: Hold,
    /// Whether it must wait for a session.
    lacks_session: bool,
    standing: Standing,
    /// Whether the record says already that it does not obey.
    is_told_of: bool,
}

impl Interlock {
    pub(super) fn restore(&mut self, bytes: &[u8]) {
        self.hold = serde_json::from_slice(bytes).unwrap_or_default();
    }

    /// Why the gun is to fire no more.
    fn reason(&self) -> Option<u8> {
        let hold = &self.hold;
        match (&hold.breach, &hold.by_hand, self.lacks_session) {
            (Some(_), _, _) => Some(REASON_HARD_LIMIT),
            (None, Some(_), _) => Some(REASON_PERSON),
            (None, None, true) => Some(REASON_NO_SESSION),
            (None, None, false) => None,
        }
    }

    /// Whether a person's word is to be kept also where the clinic has the interlock off.
    const fn obeys_a_person(&self) -> bool {
        let hold = &self.hold;
        hold.by_hand.is_some() || (hold.breach.is_none() && hold.was_told)
    }

    fn cause(&self) -> &str {
        match self.hold.breach.as_ref().or(self.hold.by_hand.as_ref()) {
            Some(cause) => cause,
            None => "no open session has a segment for this gun",
        }
    }

    /// Takes note that the gun is gone, or has come: nothing is under way any more.
    pub(super) fn line_changed(&mut self) {
        self.standing = Standing::Quiet;
    }

    /// What is to be told to the gun now.
    fn next(&mut self, is_inhibited: bool) -> Option<Step> {
        let asks_again = match &self.standing {
            Standing::Quiet => true,
            Standing::Failed { is_final, .. } => !is_final,
            Standing::Inhibiting | Standing::Resuming => false,
        };
        match self.reason() {
            Some(reason) if !is_inhibited && asks_again => {
                self.standing = Standing::Inhibiting;
                self.hold.was_told = true;
                Some(Step::Inhibit(reason))
            }
            None if is_inhibited && self.hold.was_told && asks_again => {
                self.standing = Standing::Resuming;
                Some(Step::Resume)
            }
            _ => None,
        }
    }

    /// Why the gun does not obey, where the record is to say so now: once until it obeys, or until a
    /// restart.
    fn failure_to_tell(&mut self) -> Option<String> {
        let Standing::Failed { problem, .. } = &self.standing else {
            return None;
        };
        let problem = problem.clone();
        let is_to_stop = self.reason().is_some();
        (is_to_stop && !std::mem::replace(&mut self.is_told_of, true)).then_some(problem)
    }

    /// Takes the answer to a command; says whether it failed.
    fn answered(&mut self, kind: CommandKind, outcome: CommandOutcome) -> Option<String> {
        let problem = match outcome {
            CommandOutcome::Answered { result, .. } => match result {
                ResultCode::Done => None,
                // Some other inhibition came between: its number is known now.
                ResultCode::OtherInhibition => Some(("another inhibition came between", false)),
                ResultCode::Unsupported => Some((CANNOT_BE_STOPPED, true)),
                _ => Some(("the gun refused", true)),
            },
            CommandOutcome::Unknown => Some(("the gun does not answer", false)),
        };
        let (is_ours, was_resuming) = match kind {
            CommandKind::Inhibit => (self.standing == Standing::Inhibiting, false),
            CommandKind::Resume => (self.standing == Standing::Resuming, true),
            _ => (false, false),
        };
        if !is_ours {
            return None;
        }
        match problem {
            None => {
                self.standing = Standing::Quiet;
                self.is_told_of = false;
                self.hold.was_told &= !was_resuming;
                None
            }
            Some((problem, is_final)) => {
                self.fail(problem, is_final);
                Some(problem.to_owned())
            }
        }
    }

    fn fail(&mut self, problem: &str, is_final: bool) {
        self.standing = Standing::Failed {
            problem: problem.to_owned(),
            is_final,
        };
    }

    /// For people; `None` where nothing is wanted and nothing under way.
    pub(super) fn shown(&self, is_inhibited: bool) -> Option<RoomInterlockBody> {
        let state = match (&self.standing, self.reason()) {
            (Standing::Failed { .. }, _) => "failed",
            (Standing::Resuming, _) => "resuming",
            (Standing::Quiet, None) => return None,
            (Standing::Quiet, Some(_)) if is_inhibited => "inhibited",
            (Standing::Inhibiting | Standing::Quiet, _) => "inhibiting",
        };
        let problem = match &self.standing {
            Standing::Failed { problem, .. } => Some(problem.clone()),
            _ => None,
        };
        Some(RoomInterlockBody {
            state: state.to_owned(),
            cause: match self.reason() {
                Some(_) => self.cause().to_owned(),
                None => "a person lets it fire again".to_owned(),
            },
            problem,
        })
    }
}

enum Step {
    Inhibit(u8),
    Resume,
}

impl Engine {
    /// Whether a breach of this shot stops its gun: not where its session is over.
    pub(super) fn stops_its_gun(
        &self,
        judgement: &Judgement,
        shot: &Shot,
        session: Option<SessionId>,
        received_at: Timestamp,
    ) -> bool {
        let is_hard = judgement
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Hard);
        let is_open = session.is_some_and(|session| {
            let mut open = self.sessions.open_sessions();
            open.any(|open| open.opened().session == session)
        });
        self.config.interlock.enabled
            && is_hard
            && (is_open || received_at.since_ns(shot.at) <= FRESH_NS)
    }

    /// Stops a gun for a breach; what it is told goes out before the shot is written.
    pub(super) fn hold_for_breach(
        &mut self,
        serial: &GunSerial,
        shot: &Shot,
        judgement: &Judgement,
        received_at: Timestamp,
        work: &mut Work,
    ) {
        let hard = judgement
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Hard);
        let Some(hard) = hard else { return };
        let what = meso_limits::describe(hard);
        let gun = self.gun(serial);
        if gun.interlock.hold.breach.is_none() {
            let counter = shot.identity.counter;
            tracing::error!(gun = %serial, %counter, what, "a shot beyond a hard limit: the gun is to fire no more");
            let cause = format!("shot {counter}: {what}");
            gun.interlock.hold.breach = Some(cause.clone());
            gun.is_changed = true;
            let change = InterlockChange::StoppedByBreach;
            self.record_interlock(received_at, serial, change, (None, &cause), work);
        }
        self.reconcile(received_at, serial, work);
    }

    /// Writes down what became of a gun's leave to fire: by whom, and why.
    pub(super) fn record_interlock(
        &self,
        at: Timestamp,
        serial: &GunSerial,
        change: InterlockChange,
        (by, reason): (Option<OperatorId>, &str),
        work: &mut Work,
    ) {
        let session = self.sessions.session_of(serial);
        let end = reason.floor_char_boundary(InterlockEvent::REASON_BYTES_MAX);
        let event = InterlockEvent {
            gun: serial.clone(),
            session,
            at,
            change,
            by,
            reason: reason[..end].to_owned(),
        };
        let record = NewRecord {
            stream: Stream::Room,
            record: Record::Interlock(event),
            judgement: None,
            session,
        };
        work.push(record, None, Haste::AtOnce);
    }

    /// Tells a gun what is wanted of it where it does something else.
    pub(super) fn reconcile(&mut self, at: Timestamp, serial: &GunSerial, work: &mut Work) {
        let interlock = self.config.interlock;
        if interlock.enabled {
            let lacks_session =
                interlock.until_session && self.sessions.session_of(serial).is_none();
            self.gun(serial).interlock.lacks_session = lacks_session;
        }
        if interlock.enabled || self.gun(serial).interlock.obeys_a_person() {
            self.tell(at, serial, work);
        }
    }

    /// Whether a person has stopped this gun already and nobody has let it go on.
    pub(super) fn is_held_by_hand(&self, serial: &GunSerial) -> bool {
        let gun = self.guns.get(serial);
        gun.is_some_and(|gun| gun.interlock.hold.by_hand.is_some())
    }

    /// Stops a gun because a person says so.
    pub(super) fn hold_by_hand(
        &mut self,
        at: Timestamp,
        serial: &GunSerial,
        cause: String,
        work: &mut Work,
    ) {
        let gun = self.gun(serial);
        let before = gun.interlock.hold.clone();
        gun.interlock.hold.by_hand.get_or_insert(cause);
        // A hand at STOP is a reason to tell it once more, whatever it answered before.
        gun.interlock.line_changed();
        gun.is_changed = true;
        keep_hold(serial, gun, &before, work);
        self.tell(at, serial, work);
    }

    fn tell(&mut self, at: Timestamp, serial: &GunSerial, work: &mut Work) {
        let gun = self.gun(serial);
        let before = gun.interlock.hold.clone();
        if gun.is_attached {
            match gun.interlock.next(gun.is_inhibited) {
                Some(Step::Inhibit(_)) if !gun.can_inhibit => {
                    tracing::error!(gun = %serial, cause = gun.interlock.cause(), "{CANNOT_BE_STOPPED} and may go on firing");
                    gun.interlock.fail(CANNOT_BE_STOPPED, true);
                    gun.is_changed = true;
                }
                Some(Step::Inhibit(reason)) => {
                    work.first.push(Call::Inhibit(serial.clone(), reason));
                }
                Some(Step::Resume) => work.last.push(Call::Resume(serial.clone())),
                None => {}
            }
        }
        keep_hold(serial, gun, &before, work);
        self.tell_of_failure(at, serial, work);
    }

    /// Has the record say that a gun does not obey: who reads it later must know that the gun may
    /// have gone on.
    fn tell_of_failure(&mut self, at: Timestamp, serial: &GunSerial, work: &mut Work) {
        let interlock = &mut self.gun(serial).interlock;
        let Some(problem) = interlock.failure_to_tell() else {
            return;
        };
        let reason = format!("{problem}; it was to stop because: {}", interlock.cause());
        let change = InterlockChange::NotStopped;
        self.record_interlock(at, serial, change, (None, &reason), work);
    }

    /// What every gun is told after sessions have changed.
    pub(crate) fn reconcile_all(&mut self, at: Timestamp) -> Work {
        let mut work = Work::default();
        let guns: Vec<GunSerial> = self.guns.keys().cloned().collect();
        for gun in guns {
            self.reconcile(at, &gun, &mut work);
        }
        work
    }

    /// Takes what became of a command.
    pub(super) fn note_command(
        &mut self,
        at: Timestamp,
        serial: &GunSerial,
        kind: CommandKind,
        outcome: CommandOutcome,
        work: &mut Work,
    ) {
        let gun = self.gun(serial);
        if let CommandOutcome::Answered { is_inhibited, .. } = outcome
            && gun.is_inhibited != is_inhibited
        {
            gun.is_inhibited = is_inhibited;
            gun.is_changed = true;
        }
        let before = gun.interlock.hold.clone();
        if let Some(problem) = gun.interlock.answered(kind, outcome) {
            let cause = gun.interlock.cause();
            match kind {
                CommandKind::Inhibit => {
                    tracing::error!(gun = %serial, problem, cause, "ALARM: the gun was told to fire no more and may go on");
                }
                _ => tracing::warn!(gun = %serial, problem, "the gun does not go on"),
            }
            gun.is_changed = true;
        }
        keep_hold(serial, gun, &before, work);
        self.tell_of_failure(at, serial, work);
    }

    /// A command could not even be handed to its port: it is told again with the next status.
    pub(crate) fn not_told(&mut self, call: &Call) {
        let (Call::Inhibit(gun, _) | Call::Resume(gun)) = call else {
            return;
        };
        let gun = self.gun(gun);
        gun.interlock.fail("the port takes nothing", false);
        gun.is_changed = true;
    }

    /// A person lets a gun fire again.
    pub(super) fn lift_hold(&mut self, at: Timestamp, serial: &GunSerial, work: &mut Work) {
        let gun = self.gun(serial);
        let before = gun.interlock.hold.clone();
        gun.interlock.hold.breach = None;
        gun.interlock.hold.by_hand = None;
        // Also an inhibition that this driver does not remember: the person says so.
        gun.interlock.hold.was_told = gun.is_inhibited;
        gun.interlock.standing = Standing::Quiet;
        gun.interlock.is_told_of = false;
        gun.is_changed = true;
        keep_hold(serial, gun, &before, work);
        self.tell(at, serial, work);
    }

    /// Whether a person's word is wanted before this gun fires again.
    pub(super) fn is_held(&self, serial: &GunSerial) -> bool {
        self.guns.get(serial).is_some_and(|gun| {
            let hold = &gun.interlock.hold;
            gun.is_inhibited || hold.breach.is_some() || hold.by_hand.is_some()
        })
    }
}

fn keep_hold(serial: &GunSerial, gun: &Gun, before: &Hold, work: &mut Work) {
    let hold = &gun.interlock.hold;
    if hold == before {
        return;
    }
    // Text and a switch always have a JSON form.
    let bytes = serde_json::to_vec(hold).unwrap_or_default();
    let name = format!("{HOLD_VALUES}{serial}");
    work.batch.values.retain(|(known, _)| *known != name);
    work.batch.values.push((name, bytes));
}
