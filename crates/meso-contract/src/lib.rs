//! MQTT topics and payloads, HTTP bodies and metric names, with their versions.
//!
//! Everything that leaves one process for another is written down here, once: a field that a
//! dashboard shows, a topic that a broker's access list names, a metric that an alert rule reads.
//! Payloads are plain JSON with units in the names; 64-bit identifiers are text, because
//! JavaScript's numbers are not that exact.
//!
//! It is **not** the domain: types here are what others may send us, so each is checked on its
//! way in ([`PayloadError`] names field and value), and nothing here is hashed.
//!
//! Read first: [`topics`], [`BlockMessage`], [`http::ShotView`].
//!
//! ```
//! use meso_contract::topics;
//! use meso_domain::Stream;
//! use meso_units::{ClinicId, DriverId};
//!
//! let (clinic, driver) = (ClinicId::parse("riverside")?, DriverId::parse("room-1")?);
//! let topic = topics::watermark(&clinic, &driver, &Stream::Room);
//! assert_eq!(topic, "mesofleet/v1/riverside/room-1/watermark/room");
//! # Ok::<(), meso_units::UnitError>(())
//! ```

pub mod asyncapi;
mod block;
mod block_file;
mod error;
pub mod http;
mod inquiry;
mod json;
mod json_id;
mod links;
pub mod metric_names;
pub mod pages;
mod patients;
pub mod permissions;
pub mod room;
mod session;
mod shot;
mod status;
pub mod topics;
mod watermark;

pub use block::{
    BlockMessage, CustodyBody, FindingBody, GapBody, HeaderBody, InterlockEventBody, JudgementBody,
    RecordBody,
};
pub use block_file::{
    BlockFileError, BlockFileHeader, BlockFileTrailer, BlockFileWriter, read_block_file,
};
pub use error::PayloadError;
pub use inquiry::{HeldMessage, WantedMessage};
pub use json_id::parse_bytes;
pub use links::{LinksMessage, PatientMergedBody};
pub use patients::{EarlierSessionBody, PatientBody, PatientsMessage};
pub use session::{
    AdverseEventBody, AmendmentBody, AnaestheticBody, CheckItemBody, ChecklistBody, ClaimBody,
    CombinedTreatmentBody, ComponentBody, CourseBody, DetailsBody, GunPositionBody, LastDayBody,
    LotBody, ManualEntryBody, MaterialBody, NeedleBody, OverrideBody, PatientFactsBody, SaidBody,
    ScreeningBody, ScreeningDecisionBody, SegmentOpenedBody, SessionEndedBody, SessionEventBody,
    SessionOpenedBody, StatementBody, SyringeBody,
};
pub use shot::ShotBody;
pub use status::{
    DriverStatusMessage, GunAlertBody, GunAlertsMessage, GunStatusMessage, LibraryMessage,
    SignedTextBody, SuccessorMessage,
};
pub use watermark::{NumberRange, NumberedHash, WatermarkMessage};

/// The version of every MQTT payload of this crate.
pub const PAYLOAD_VERSION: u16 = 1;
