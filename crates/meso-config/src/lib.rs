//! Configuration: text in, a validated value or every problem at once out.
//!
//! A person who edits a configuration file wants to hear everything that is wrong with it in one
//! go, each with the file, the line, the key, the value and what is allowed there. So this crate
//! walks the parsed text itself and collects [`Problems`], instead of stopping at the first.
//!
//! It is **not** a reader of files, of the environment or of command lines: the caller hands in
//! the text and the name to show for it. It holds no secrets, and nothing in it is global: a
//! configuration is a value that is passed to constructors.
//!
//! Read first: [`DriverConfig`], [`ServerConfig`], [`guns::GunProfile`], [`Problems`].
//!
//! ```
//! use meso_config::DriverConfig;
//!
//! let text = r#"
//!     version = 1
//!     [driver]
//!     id = "room-1"
//!     clinic = "example-clinic"
//!     time_zone = "Europe/Vienna"
//!     data_dir = "driver-data"
//!     [broker]
//!     port = 70000
//!     prot = 1883
//! "#;
//! let problems = DriverConfig::parse("driver.toml", text).unwrap_err();
//! assert_eq!(problems.len(), 2, "the port is out of range, and `prot` is no key:\n{problems}");
//! ```

mod broker;
mod driver;
pub mod guns;
mod notify;
mod problem;
mod reader;
mod server;
mod values;

pub use broker::{BrokerAddress, ClientCertificate, Login};
pub use driver::{
    BlockLimits, ClockTrust, DriverConfig, Interlock, LinkTrust, PortSource, Ports, UsbSerial,
};
pub use notify::{
    AlertsConfig, EmailPlace, HttpPlace, MailEncryption, NotifyCarrier, NotifyChannel,
};
pub use problem::{Problem, Problems};
pub use server::{BrokerPlace, ClinicConfig, InfluxConfig, ServerConfig, StoreKind};
pub use values::{LedgerOrigin, LibraryTrust, SignerKey, TimeZoneName};

/// The longest configuration text that is read, in bytes; a longer one is refused unread, because
/// it is some other file.
pub const TEXT_BYTES_MAX: usize = 65_536;

/// The version of the configuration format that this crate reads.
pub const FORMAT_VERSION: i64 = 1;
