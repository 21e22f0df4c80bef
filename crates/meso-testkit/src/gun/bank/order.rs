//! What can be done to a gun of a bank, and what can go wrong.

use std::io;
use std::path::PathBuf;

use meso_link_proto::LinkError;
use meso_units::UnitError;

use crate::gun::log::LogError;

/// What rooms do to guns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing; only asks how many shots were fired.
    Count,
    /// It fires no more.
    StopFiring,
    /// Nobody presses its trigger, until `false` comes; what was due meanwhile is not fired, and the next shot
    /// is due one interval after that.
    HoldFire(bool),
    /// It fires this many shots at once, a millisecond apart, plugged in or not.
    FireBurst(u32),
    /// The cable is pulled.
    Unplug,
    /// The cable is pulled when half of the next shot is on the wire.
    UnplugInMidFrame,
    /// The cable is plugged in; the port appears in this folder under this name.
    Plug {
        /// The folder of ports.
        folder: PathBuf,
        /// The name of the port.
        name: String,
    },
    /// The firmware starts again; ring, epoch and counters are in memory that keeps them.
    Reset,
    /// The power is cut, and the ring was in memory that loses it.
    CutPower,
    /// The firmware hangs: the port is there and nobody reads or writes; `false` ends it.
    Hang(bool),
    /// One bit is flipped in one byte of this many, on the way to the host; 0 for none.
    CorruptOneIn(u32),
    /// These bytes lie on the line when the port is next opened.
    Babble(Vec<u8>),
    /// The gun starts from an older copy of its memory: the counter goes this far back under the
    /// unchanged epoch, and the shots that follow carry numbers that were used before.
    ForgetNewest(u32),
}

/// Why a bank of guns cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BankError {
    /// A port cannot be made or used.
    #[error("cannot use the port {} of an emulated gun", port.display())]
    Port {
        /// The port.
        port: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The guns' thread cannot be started.
    #[error("the guns' thread cannot be started")]
    Thread {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no gun at this place of the list.
    #[error("there is no gun {place}: the bank has {count}")]
    NoSuchGun {
        /// The place that was asked for, from 0.
        place: usize,
        /// How many guns there are.
        count: usize,
    },
    /// A log cannot be written.
    #[error("the log of an emulated gun broke")]
    Log(#[from] LogError),
    /// The plan has an impossible number.
    #[error("the plan of an emulated gun has an impossible number")]
    Number(#[from] UnitError),
    /// A text of the settings does not fit the link.
    #[error("the settings of an emulated gun do not fit the link")]
    Settings(#[from] LinkError),
    /// The guns have ended.
    #[error("the emulated guns have ended")]
    Ended,
}
