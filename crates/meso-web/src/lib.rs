//! HTTP interface, server-sent events and the embedded dashboards.
//!
//! [`app`] turns a [`WebState`] into a router and opens nothing: no socket, no file, no database.
//! Whoever has the data implements [`Backend`]; whoever has the socket serves the router. The
//! pages themselves are built from `dashboards/web` and embedded when they are there.
//!
//! It is **not** the treatment room's page (that is `meso-room`), it signs nobody in yet, and it
//! never decides anything about a shot: limits, alerts and proofs are made elsewhere and shown
//! here. Until there is a sign-in it must be bound to the loopback interface.
//!
//! Read first: [`Backend`], [`WebState`], [`app`].
//!
//! ```
//! use meso_web::AllowedHosts;
//!
//! let bound = "127.0.0.1:8080".parse()?;
//! let hosts = AllowedHosts::for_bind(bound).with_name("board.clinic.example");
//! assert!(hosts.allows("localhost:8080"));
//! assert!(hosts.allows("board.clinic.example"));
//! assert!(!hosts.allows("attacker.example"));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod actions;
mod answer;
mod app;
mod assets;
mod backend;
mod events;
mod guard;
mod health;
mod lists;
mod openapi;
mod request;
mod rooms;
mod state;

pub use app::{BODY_BYTES_MAX, app};
pub use backend::{AlertFilter, AlertState, Backend, BackendError, PageRequest, RetireRoom};
pub use events::{EVENT_BUFFER_COUNT, EVENT_STREAM_COUNT_MAX, KEEP_ALIVE};
pub use guard::AllowedHosts;
pub use health::describe_metrics;
pub use lists::{
    DAY_COUNT_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, SHOT_LIMIT_DEFAULT, SHOT_LIMIT_MAX,
};
pub use openapi::openapi_json;
pub use state::{BACKEND_CALL_COUNT_MAX, BACKEND_WAIT, WebOptions, WebState};
