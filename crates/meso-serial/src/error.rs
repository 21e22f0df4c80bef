//! What can go wrong with ports.

use std::io;
use std::path::PathBuf;

use meso_link_proto::LinkError;
use meso_units::GunSerial;

use crate::PortName;

/// Why something with a port did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SerialError {
    /// The folder of ports cannot be read.
    #[error("cannot list the ports in {}", folder.display())]
    ListFolder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system's ports cannot be enumerated.
    #[error("cannot enumerate the serial ports of this computer")]
    Enumerate {
        /// Why.
        #[source]
        source: serialport::Error,
    },
    /// A port cannot be opened, for instance because another program holds it.
    #[error("cannot open port {port}: close the other program that uses it, or check the rights")]
    Open {
        /// The port.
        port: PortName,
        /// Why.
        #[source]
        source: serialport::Error,
    },
    /// The system gives no random numbers, without which no session begins.
    #[error("cannot open port {port}: the system gives no random numbers")]
    Random {
        /// The port.
        port: PortName,
        /// Why.
        #[source]
        source: getrandom::Error,
    },
    /// A port was there and is gone.
    #[error("port {port} is gone")]
    Gone {
        /// The port.
        port: PortName,
    },
    /// A thread cannot be started.
    #[error("cannot start the thread {thread}")]
    Thread {
        /// The thread's name.
        thread: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No port has this gun now.
    #[error("gun {gun} is not attached")]
    NotAttached {
        /// The gun.
        gun: GunSerial,
    },
    /// The link refuses the call.
    #[error("gun {gun}: the link refuses the call")]
    Link {
        /// The gun.
        gun: GunSerial,
        /// Why.
        #[source]
        source: LinkError,
    },
    /// The gun's language has no words for the call.
    #[error("gun {gun} cannot be told to {what}: its profile has nothing for it")]
    NotOffered {
        /// The gun.
        gun: GunSerial,
        /// What it was to be told.
        what: &'static str,
    },
    /// The bytes could not be written; the port is closed and opened again.
    #[error("cannot write to gun {gun}")]
    Write {
        /// The gun.
        gun: GunSerial,
        /// Why.
        #[source]
        source: io::Error,
    },
}
