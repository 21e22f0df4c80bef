//! What the pages need to know, asked of whoever keeps it.

use meso_alerts::{Deed, Reason};
use meso_contract::http::{
    AlertView, DayView, GunView, OverviewView, Page, ReadyView, ReportRequest, RetiredRoomView,
    RetirementView, SessionView, ShotView,
};
use meso_units::{DriverId, GunSerial, OperatorId, SessionId};

/// Where a page of a list begins and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// What the page before gave as `next`; absent for the first page.
    pub after: Option<String>,
    /// The most items wanted, 1 to the limit of that list.
    pub limit: u32,
}

/// The state of an alert, as a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlertState {
    /// Nobody has acknowledged it yet.
    Open,
    /// Somebody has seen it; the breach may go on.
    Acknowledged,
    /// What it is about is over, but it is hard and nobody has seen it.
    Latched,
    /// Over.
    Resolved,
    /// Part of another alert since late shots came.
    Merged,
}

impl AlertState {
    /// Reads the word that [`AlertView::state`] carries.
    pub fn parse(word: &str) -> Option<AlertState> {
        match word {
            "open" => Some(AlertState::Open),
            "acknowledged" => Some(AlertState::Acknowledged),
            "latched" => Some(AlertState::Latched),
            "resolved" => Some(AlertState::Resolved),
            "merged" => Some(AlertState::Merged),
            _ => None,
        }
    }
}

/// Which alerts are wanted; an absent field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Only alerts in this state.
    pub state: Option<AlertState>,
    /// Only alerts of this gun.
    pub gun: Option<GunSerial>,
    /// Only alerts of this session.
    pub session: Option<SessionId>,
}

/// A person says that a room never comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetireRoom {
    /// The room, by its driver.
    pub room: DriverId,
    /// Who says so.
    pub by: OperatorId,
    /// Why.
    pub reason: Reason,
    /// How many gaps the person has seen that it declares.
    pub gap_count: u32,
    /// How many shots these are.
    pub shot_count: u64,
}

/// Why the backend did not answer; the text is shown to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// There is no such thing.
    #[error("{what} is not known; go back to the list and open it from there")]
    NotFound {
        /// The thing, with its name.
        what: String,
    },
    /// It is in a state in which this cannot be done.
    #[error("{what}: {reason}")]
    Conflict {
        /// The thing, with its name.
        what: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A value of the request is wrong.
    #[error("{field} {value:?} is wrong: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// Its value, cut where it is long.
        value: String,
        /// What is allowed.
        reason: String,
    },
    /// It cannot answer now; the same request may succeed later.
    #[error("{reason}; try again in a moment")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
}

/// Answers what the HTTP interface is asked.
///
/// Every method may block on a database: the handlers call them on a blocking thread, at most
/// [`crate::BACKEND_CALL_COUNT_MAX`] at a time. An answer is one consistent picture; two calls
/// may see two moments.
pub trait Backend: Send + Sync + 'static {
    /// The numbers at a glance.
    ///
    /// # Errors
    ///
    /// [`BackendError::Unavailable`] while the store cannot be read.
    fn overview(&self) -> Result<OverviewView, BackendError>;

    /// Every gun known, in the order of the serial numbers.
    ///
    /// # Errors
    ///
    /// [`BackendError::Unavailable`] while the store cannot be read.
    fn guns(&self) -> Result<Vec<GunView>, BackendError>;

    /// One gun.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for a gun that was never seen.
    fn gun(&self, serial: &GunSerial) -> Result<GunView, BackendError>;

    /// The newest `limit` stored shots of a gun, newest first.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for a gun that was never seen.
    fn shots(&self, gun: &GunSerial, limit: u32) -> Result<Vec<ShotView>, BackendError>;

    /// Sessions, newest first.
    ///
    /// # Errors
    ///
    /// [`BackendError::Invalid`] for an `after` that this list never gave.
    fn sessions(&self, page: &PageRequest) -> Result<Page<SessionView>, BackendError>;

    /// One session.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for a session that was never stored.
    fn session(&self, id: SessionId) -> Result<SessionView, BackendError>;

    /// The shots of a session, **oldest first**, so that a chart can be drawn as pages arrive.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for an unknown session, [`BackendError::Invalid`] for an
    /// `after` that this list never gave.
    fn session_shots(
        &self,
        id: SessionId,
        page: &PageRequest,
    ) -> Result<Page<ShotView>, BackendError>;

    /// Alerts, newest first.
    ///
    /// # Errors
    ///
    /// [`BackendError::Invalid`] for an `after` that this list never gave.
    fn alerts(
        &self,
        filter: &AlertFilter,
        page: &PageRequest,
    ) -> Result<Page<AlertView>, BackendError>;

    /// Does with an alert what a person asks for, and gives it back as it is then. Acknowledging
    /// twice is not an error and changes nothing.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for an unknown alert, [`BackendError::Conflict`] for a
    /// resolved or merged one, or for a silence that is too long.
    fn handle_alert(&self, id: &str, deed: Deed) -> Result<AlertView, BackendError>;

    /// What retiring a room would declare to be gone.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for a room that never had a gun, [`BackendError::Conflict`] for
    /// one that is there.
    fn retirement(&self, room: &DriverId) -> Result<RetirementView, BackendError>;

    /// Retires a room that never comes back: what is awaited from it is declared.
    ///
    /// # Errors
    ///
    /// As [`Backend::retirement`]; [`BackendError::Conflict`] also where something else is awaited
    /// than the person has seen.
    fn retire_room(&self, wanted: RetireRoom) -> Result<RetiredRoomView, BackendError>;

    /// The last `count` calendar days, oldest first; days without a session have zeros.
    ///
    /// # Errors
    ///
    /// [`BackendError::Unavailable`] while the store cannot be read.
    fn days(&self, count: u32) -> Result<Vec<DayView>, BackendError>;

    /// Exports a report and gives the bytes of its ZIP file.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] where the selection holds no record,
    /// [`BackendError::Conflict`] where it is larger than one report may be.
    fn export_report(&self, request: &ReportRequest) -> Result<Vec<u8>, BackendError>;

    /// Presses the trigger of an emulated gun that waits for it.
    ///
    /// # Errors
    ///
    /// [`BackendError::NotFound`] for an unknown gun, [`BackendError::Conflict`] where it is not
    /// an emulated gun or does not wait.
    fn trigger_demo_gun(&self, serial: &GunSerial) -> Result<(), BackendError>;

    /// Whether it takes work, and what it waits for.
    fn ready(&self) -> ReadyView;
}
