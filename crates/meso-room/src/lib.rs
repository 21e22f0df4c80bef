//! The treatment room's loopback interface: what the people in the room do, and how the room is.
//!
//! [`app`] answers `POST /api/v1/steps`, `POST /api/v1/guns/{serial}/resume` and
//! `GET /api/v1/state` for whoever holds the token that
//! the driver writes into its data folder at each start. It checks form and token, and hands each
//! request to the driver over a bounded channel; a step is answered only when the driver has it on
//! the disk.
//!
//! It is **not** where steps are decided (`meso-sessions`) or kept (the journal), and it knows no
//! patient: only a commitment comes in.
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
pub use step::{StepContext, to_step};
