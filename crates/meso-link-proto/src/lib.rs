//! The meso link: serial codec and link state machine, bytes to messages and back, without I/O.
//!
//! One gun talks to one host over a line of bytes. [`HostLink`] is the host's end, [`GunLink`]
//! the gun's; both take bytes and the time as arguments and give back events and bytes to send.
//! [`auth`] seals frames for guns that hold a key.
//! The bytes are described in `firmware-bridge/SPEC.md`; [`version`] says what may change.
//!
//! It is **not** a driver: it opens no port, reads no clock, keeps nothing durable and decides
//! about no limit. What arrives whole but says something impossible is handed on as a
//! [`Rejection`] with its bytes, never dropped and never an error.
//!
//! Read first: [`HostLink`], [`ShotEvent`], [`clock::ClockMapping`].
//!
//! ```
//! use meso_link_proto::clock::HostNow;
//! use meso_link_proto::{HostEvent, HostLink};
//! use meso_units::Timestamp;
//!
//! let now = HostNow { monotonic_ns: 0, utc: Timestamp::UNIX_EPOCH, segment: 0 };
//! let mut link = HostLink::new(0x5E55_1071);
//! let events: Vec<HostEvent> = link.step(now);
//! assert!(events.is_empty(), "nobody has answered yet");
//! let greeting: Vec<u8> = link.take_output(); // write this to the port
//! assert_eq!(greeting.last(), Some(&0), "every frame ends with the delimiter");
//! ```
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod auth;
pub mod clock;
mod error;
pub mod frame;
mod gun;
mod host;
pub mod message;
mod ring;
pub mod timing;
pub mod version;
mod wire;

pub use error::LinkError;
pub use gun::{FireRefused, GunLink, GunSettings, Housekeeping};
pub use host::{CommandKind, CommandOutcome, HostEvent, HostLink, RefuseReason, StreamPosition};
pub use message::{
    Capabilities, GunLimits, GunText, Hello, Inventory, LeaseLoss, Measured, Message, Purpose,
    RejectReason, Rejection, ResultCode, SetPoints, Settings, ShotEvent, ShotFlags, ShotKey,
    Status,
};
