//! The treatment room's loopback interface: what the people in the room do, and how the room is.
//!
//! [`app`] answers `POST /api/v1/steps`, `POST /api/v1/guns/{serial}/resume`,
//! `GET /api/v1/questionnaire` and `GET /api/v1/state` for whoever holds the token that the driver
//! writes into its data folder at each start. It checks form and token, and hands each
//! request to the driver over a bounded channel; a step is answered only when the driver has it on
//! the disk.
//!
//! It is **not** where steps are decided (`meso-sessions`) or kept (the journal), and it learns no
//! patient's name: a commitment comes in, and answers, age and weight go straight to the driver.
//!
//! [`meso_contract::room`] has the table of the steps, in their order, with what each one makes. A
//! step over HTTP:
//!
//! ```text
//! POST /api/v1/steps
//! {"manual":{"session":"5e…","operator":"op-7","segment":"06…","number":1,"points":4,"volume_nl":80000}}
//! ```
//!
//! Read first: [`app`], [`RoomRequest`], [`to_step`].
//!
//! ```
//! use meso_room::{RoomRequest, Token, app};
//! use tokio::sync::mpsc;
//!
//! let (requests, mut received) = mpsc::channel::<RoomRequest>(meso_room::REQUESTS_WAITING_MAX);
//! let token = Token::from_random([7; 32]);
//! let router = app(&token, requests); // axum::serve(listener, router)
//! assert!(received.try_recv().is_err(), "nobody has asked yet");
//! # drop(router);
//! ```

mod access;
mod app;
mod platform;
mod step;

pub use access::{AccessError, Token, write_access_file};
pub use app::{REQUESTS_WAITING_MAX, RoomRequest, StepFailure, app};
pub use step::{StepContext, answers_of, questionnaire, to_step};
