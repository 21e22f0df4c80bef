//! What the link tells its caller.

use alloc::boxed::Box;
use alloc::vec::Vec;

use meso_units::{Epoch, ShotCounter};

use super::{CommandKind, CommandOutcome};
use crate::clock::ClockMapping;
use crate::frame::Garbage;
use crate::message::{Hello, Rejection, Settings, ShotEvent, Status};

/// What happened on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// A gun has answered the greeting. It comes again after every new greeting: after a reset
    /// of the gun, after a lapse of its lease, after it was given an epoch. Until the caller has
    /// called [`crate::HostLink::expect_from`] for this greeting, no shot is asked for or acknowledged.
    Attached(Box<Hello>),
    /// A gun is there, and this host must not speak with it.
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
    /// epoch was broken. No shot of it comes any more; what the gun holds is read once more and
    /// comes as [`HostEvent::Salvaged`], then the gun is to get a new epoch.
    CounterWentBack {
        /// The epoch that was broken.
        epoch: Epoch,
        /// The newest counter that the gun claims; 0 where it claims none.
        newest: u32,
        /// The counter that the host had asked for.
        expected: ShotCounter,
    },
    /// A shot of a broken epoch, in the order of the counter: to be kept apart, because its
    /// number may stand in the record for another shot.
    Salvaged {
        /// The shot.
        shot: Box<ShotEvent>,
    },
    /// All shots of a broken epoch up to `newest` were handed on. Once they are durable,
    /// [`crate::HostLink::acknowledge`] them and assign a new epoch. Comes again for each shot that
    /// the gun fires meanwhile.
    SalvageEnded {
        /// The epoch that was broken.
        epoch: Epoch,
        /// The last counter that was salvaged; 0 where the gun held no shot, and then there is
        /// nothing to acknowledge.
        newest: u32,
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
    /// What the gun is set to; answers [`crate::HostLink::read_settings`].
    Settings(Box<Settings>),
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
    /// The gun holds a key and this host does not know it.
    #[error("the gun holds a key that this host does not have: put it among the keys")]
    KeyMissing,
    /// The host has a key for a gun that says it holds none: somebody has stripped it.
    #[error(
        "this host has a key for the gun, and the gun says that it holds none: it may be another gun under its serial number"
    )]
    KeyExpected,
    /// The gun's answer is not sealed with its key.
    #[error(
        "the gun has not proven that it holds its key: it was given another one, or it is another gun"
    )]
    NotAuthentic,
    /// This host speaks only with guns that hold a key.
    #[error("the gun holds no key, and this host takes authentic guns only")]
    OnlyAuthentic,
}
