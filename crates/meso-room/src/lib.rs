//! The treatment room's loopback interface: what the people in the room do, how the room is, and
//! the page on which they do and see it.
//!
//! [`app`] answers whoever holds the token that the driver writes into its data folder at each
//! start, or the cookie of a person who signed in with a PIN or badge of the [`People`] of the
//! room. It checks form and permission, and hands each request to the driver over a bounded
//! channel; a step is answered only when the driver has it on the disk. A hand at STOP goes a way
//! of its own, needs nobody's permission, and waits for no disk.
//!
//! It is **not** where steps are decided (`meso-sessions`) or kept (the journal), it judges no
//! shot, and it learns no patient's name: a code that is typed becomes a tag, which
//! leads to a random id, and is forgotten, and answers, age and weight go straight to the driver.
//!
//! [`meso_contract::room`] has the table of the steps, in their order, with what each one makes. A
//! step over HTTP:
//!
//! ```text
//! POST /api/v1/steps
//! {"manual":{"session":"5e…","operator":"op-7","segment":"06…","number":1,"points":4,"volume_nl":80000}}
//! ```
//!
//! Read first: [`app`], [`Room`], [`RoomRequest`], [`to_step`].
//!
//! ```
//! use jiff::tz::TimeZone;
//! use meso_room::{PatientKeys, Room, Token, app};
//!
//! let address = "127.0.0.1:8631".parse()?;
//! let token = Token::from_random([7; 32]);
//! let folder = std::env::temp_dir();
//! let patients = Ok(PatientKeys::from_key(&[8; 32]));
//! let (room, mut inbox) = Room::new(token, address, &folder, TimeZone::UTC, patients);
//! let router = app(room); // axum::serve(listener, router)
//! assert!(inbox.requests.try_recv().is_err(), "nobody has asked yet");
//! # drop(router);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod access;
mod app;
mod door;
mod events;
pub mod gs1;
mod guard;
mod links;
mod page;
mod patients;
mod people;
mod platform;
mod request;
mod room;
mod schema;
mod sign_ins;
mod step;

pub use access::{AccessError, Token, write_access_file};
pub use app::app;
pub use events::STREAMS_MAX;
pub use links::{DueMerge, Link, LinkEntry, LinkTable, LinkTaken};
pub use patients::{
    CodeTag, LinkPlace, LinksUnreadable, PATIENT_KEY_BYTES, PATIENT_KEY_FILE_NAME, PatientKeyError,
    PatientKeys, read_patient_key, read_patient_key_file, write_patient_key,
};
pub use people::{
    BADGE_BYTES, NAME_BYTES_MAX, PEOPLE_COUNT_MAX, PEOPLE_FILE_NAME, PIN_DIGITS, People,
    PeopleError,
};
pub use request::{RoomRequest, StepFailure, StopRequest};
pub use room::{REQUESTS_WAITING_MAX, Room, RoomInbox};
pub use schema::schemas;
pub use sign_ins::{FRESH_MS, IDLE_LOCK_MS, SEAT_MS_MAX, SEATS_MAX, WRONG_MAX};
pub use step::{StepContext, answers_of, questionnaire, to_step};
