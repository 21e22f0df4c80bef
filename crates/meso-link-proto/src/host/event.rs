//! What the link tells its caller.

use alloc::boxed::Box;
use alloc::vec::Vec;

use meso_units::{Epoch, ShotCounter};

use super::{CommandKind, CommandOutcome};
use crate::clock::ClockMapping;
use crate::frame::Garbage;
use crate::message::{Hello, Rejection, ShotEvent, Status};

/// What happened on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// A gun has answered the greeting. It comes again after every new greeting: after a reset
    /// of the gun, after a lapse of its lease, after it was given an epoch. Until the caller has
    /// called [`crate::HostLink::expect_from`] for this greeting, no shot is asked for or acknowledged.
    Attached(Box<Hello>),
    /// A gun is there, and its version of the link is not ours.
    Refused {
        /// What it said of itself.
        hello: Box<Hello>,
        /// Why it is refused.
        reason: RefuseReason,
    },
    /// The next shot in the order of the counter; after one [`crate::HostLink::expect_from`] each
    /// counter comes once.
    Shot(Box<ShotEvent>),
    /// A frame came whole and says something impossible. Where it was a shot in its turn, its
    /// counter is passed and the next shot comes as ever.
    Rejected(Rejection),
    /// The gun's ring no longer holds these shots: `first` to `last`, both included.
    Lost {
        /// The epoch.
        epoch: Epoch,
        /// The first counter that is gone.
        first: ShotCounter,
        /// The last counter that is gone.
        last: ShotCounter,
    },
    /// The gun's newest counter is below what the host already holds of this epoch, so the
    /// epoch was broken. The stream stands still until the gun has a new epoch.
    CounterWentBack {
        /// The epoch that was broken.
        epoch: Epoch,
        /// The newest counter that the gun claims; 0 where it claims none.
        newest: u32,
        /// The counter that the host had asked for.
        expected: ShotCounter,
    },
    /// A new mapping of the gun's clock.
    Clock(ClockMapping),
    /// The gun's state.
    Status(Box<Status>),
    /// What became of a command.
    Command {
        /// The number that the call returned.
        command: u16,
        /// Which command.
        kind: CommandKind,
        /// What became of it.
        outcome: CommandOutcome,
    },
    /// Bytes that were no frame.
    Garbage {
        /// Why not.
        reason: Garbage,
        /// The bytes of the run, at most a frame's length.
        bytes: Vec<u8>,
    },
    /// Nothing was heard for [`crate::timing::SILENCE_MAX`]; comes once, until something is heard.
    Silent,
}

/// Why a gun's greeting is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefuseReason {
    /// No version is spoken on both sides.
    #[error(
        "the gun speaks link {gun_min} to {gun_max}, this host {host_min} to {host_max}: update the older one"
    )]
    NoCommonVersion {
        /// The gun's oldest.
        gun_min: u8,
        /// The gun's newest.
        gun_max: u8,
        /// Our oldest.
        host_min: u8,
        /// Our newest.
        host_max: u8,
    },
    /// The version is the same and the layouts are not.
    #[error(
        "the gun's layouts have schema {gun:#010x}, this host's {host:#010x}: one is not built from the published version"
    )]
    OtherSchema {
        /// The gun's schema number.
        gun: u32,
        /// Ours.
        host: u32,
    },
}
