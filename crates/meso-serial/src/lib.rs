//! Serial ports: discovery, hot-plug and the meso link over a real port; guns of other languages.
//!
//! [`GunPorts`] watches a [`PortSource`], opens every port that appears, speaks the meso link on
//! it with one reader thread each, and hands what the guns say to one bounded channel. It is the
//! adapter that owns ports, threads and clocks; the protocol itself is in `meso-link-proto`.
//!
//! It is **not** the driver: it judges nothing, keeps nothing, and acknowledges nothing by
//! itself. The driver says from its journal what it holds ([`GunPorts::expect_from`]) and what it
//! has made durable ([`GunPorts::acknowledge`]).
//!
//! A [`ProfileRule`] says which ports speak Modbus or lines of text instead. What comes of them is
//! the same [`GunEvent`]s, so that the driver need not know; what such a gun cannot do, such as
//! counting, is told as its [`CompletenessGrade`].
//!
//! Read first: [`GunPorts`], [`GunEvent`], [`PortSource`].
//!
//! ```
//! use std::sync::mpsc::sync_channel;
//! use meso_serial::{FolderSource, GunPorts, SerialConfig};
//!
//! let folder = std::env::temp_dir().join("meso-serial-doc"); // no such folder: no ports yet
//! let (events, heard) = sync_channel(1_024);
//! let ports = GunPorts::start(FolderSource::new(folder), SerialConfig::default(), events)?;
//! assert!(ports.attached().is_empty());
//! ports.stop();
//! assert!(heard.recv().is_err(), "nothing more comes after the stop");
//! # Ok::<(), meso_serial::SerialError>(())
//! ```

mod describe;
mod error;
mod event;
mod foreign;
mod modbus;
mod ports;
mod profiles;
mod reader;
mod reject;
mod scanner;
mod source;
mod text_line;
mod usb;

pub use describe::{PortDescription, UsbDescription};
pub use error::SerialError;
pub use event::{DetachReason, GunEvent, PortEvent, PortName};
pub use ports::{GunPorts, SerialConfig};
pub use profiles::ProfileRule;
pub use reject::{CompletenessGrade, LineFault, RecordFault, RejectCause};
pub use source::{
    EnumeratedSource, FolderSource, OpenPort, PathSource, PortReader, PortSource, PortWriter,
};
