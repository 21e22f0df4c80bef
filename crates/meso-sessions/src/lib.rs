//! Sessions and segments of one treatment room as a state machine: a step in, events out, or the
//! step that is missing.
//!
//! [`Sessions::decide`] checks a [`Step`] against what is open and answers with the
//! [`SessionEvent`](meso_domain::SessionEvent)s that it makes, or with a [`Refusal`] that names
//! what must be done first. It changes nothing: the caller makes the events durable and then hands
//! them to [`Sessions::apply`], which is also how the state is rebuilt from a journal.
//!
//! It does **not** judge shots, knows no patient's name, draws no random number and has no clock: ids and
//! times come from the caller. One gun works in one open session at most; the order of the steps
//! is enforced here and nowhere else.
//!
//! [`Histories`] is what a room knows of its patients' earlier sessions, and what follows from that for
//! the rules about courses and intervals.
//!
//! Read first: [`Step`], [`Sessions`], [`Refusal`].
//!
//! ```
//! use meso_sessions::{Sessions, Step};
//! use meso_units::{SessionId, Timestamp};
//!
//! let mut sessions = Sessions::default();
//! let session = SessionId::from_bytes([1; 16]);
//! let pause = Step::Pause { session, reason: None };
//! let refusal = sessions.step(Timestamp::UNIX_EPOCH, pause);
//! assert_eq!(
//!     refusal.map_err(|refusal| refusal.code()),
//!     Err("session_not_open"),
//!     "there is nothing to pause yet"
//! );
//! ```

mod history;
mod refusal;
mod screening;
mod state;
mod step;

pub use history::{Histories, PatientHistory, PatientList};
pub use refusal::{Refusal, RequiredCheck};
pub use screening::{CONSENT_AGE_YEARS, Question, QuestionKind, Questionnaire};
pub use state::{OpenSession, RecentSession, Sessions};
pub use step::{
    AmendStep, ChecklistAnswers, EndStep, HandOverStep, OpenStep, SamePatientStep, SayStep,
    SegmentStep, Step,
};
