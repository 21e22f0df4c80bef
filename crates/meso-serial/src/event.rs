//! What comes out of the ports.

use std::fmt;

use meso_link_proto::clock::{ClockMapping, HostNow};
use meso_link_proto::frame::LineCounters;
use meso_link_proto::{
    CommandKind, CommandOutcome, Hello, HostEvent, RefuseReason, Settings, ShotEvent, ShotKey,
    Status,
};
use meso_units::{Epoch, GunSerial, ShotCounter, Timestamp};

use crate::{CompletenessGrade, RejectCause};

/// The name of a port, as its source gives it; never an identity of a gun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortName(String);

impl PortName {
    /// Wraps a name.
    pub fn new(name: impl Into<String>) -> PortName {
        PortName(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that happened on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortEvent {
    /// The port.
    pub port: PortName,
    /// The gun that is attached to it; `None` before one has answered.
    pub gun: Option<GunSerial>,
    /// What happened.
    pub event: GunEvent,
    /// When the bytes that say so were read, in ns on the clock of [`crate::GunPorts::clock_ns`];
    /// for what no bytes say, when it was noticed.
    pub read_ns: u64,
}

/// What happened on a port, in the order in which it happened there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GunEvent {
    /// A gun has answered. It comes again without a [`GunEvent::Detached`] when the same gun
    /// greets anew: after its reset, after a lapse of its lease, after it was given an epoch.
    /// Each time the driver answers with [`crate::GunPorts::expect_from`], or with
    /// [`crate::GunPorts::assign_epoch`] when the gun has no epoch; until then no shot comes.
    Attached(Box<Hello>),
    /// What can be told of holes among the gun's shots; follows each [`GunEvent::Attached`].
    Grade(CompletenessGrade),
    /// The USB device of the port has a serial number that looks like one of a gun and is not
    /// that of the gun behind it; the gun is taken.
    UsbSerialDiffers {
        /// The serial number of the USB device.
        usb: String,
    },
    /// A gun is there that speaks another version of the link, or about whose key gun and host do
    /// not agree.
    Refused {
        /// What it said of itself.
        hello: Box<Hello>,
        /// Why it is refused.
        reason: RefuseReason,
    },
    /// The next shot in the order of the counter.
    Shot {
        /// The shot.
        shot: Box<ShotEvent>,
        /// The host's clock when its last byte was read.
        received_at: Timestamp,
    },
    /// A frame, record or line came whole and says something impossible; keep its bytes. Where it
    /// has an identity, that counter counts as settled.
    Rejected {
        /// What is wrong.
        reason: RejectCause,
        /// The payload, the record or the line.
        bytes: Vec<u8>,
        /// Which shot it was.
        identity: Option<ShotKey>,
    },
    /// A new mapping of the gun's clock; its segment counts the steps of this computer's clock
    /// since [`crate::GunPorts::start`], for all guns alike. The first comes before the first shot, unless the gun
    /// leaves the time unanswered.
    Clock(ClockMapping),
    /// The gun's state, once a second.
    Status(Box<Status>),
    /// The gun's ring no longer holds these shots; both ends included.
    Lost {
        /// The epoch.
        epoch: Epoch,
        /// The first counter that is gone.
        first: ShotCounter,
        /// The last counter that is gone.
        last: ShotCounter,
    },
    /// The gun has fewer shots of this epoch than the host holds: the epoch was broken, and no
    /// shot comes before the gun has a new one. What it holds comes as [`GunEvent::Salvaged`].
    CounterWentBack {
        /// The epoch.
        epoch: Epoch,
        /// The newest counter that the gun claims; 0 where it claims none.
        newest: u32,
        /// The counter that was expected next.
        expected: ShotCounter,
    },
    /// A shot of a broken epoch: to be kept apart, because its number may stand in the record for
    /// another shot.
    Salvaged {
        /// The shot.
        shot: Box<ShotEvent>,
        /// The host's clock when its last byte was read.
        received_at: Timestamp,
    },
    /// All shots of a broken epoch up to `newest` have come. When they are durable the driver
    /// acknowledges them ([`crate::GunPorts::acknowledge`]) and assigns a new epoch. Comes again for
    /// each shot that the gun fires meanwhile.
    SalvageEnded {
        /// The epoch that was broken.
        epoch: Epoch,
        /// The last counter that was salvaged; 0 where there was none, and nothing is to be
        /// acknowledged.
        newest: u32,
    },
    /// What the gun is set to; answers [`crate::GunPorts::read_settings`].
    Settings(Box<Settings>),
    /// What became of a command.
    Command {
        /// The number that the call returned.
        command: u16,
        /// Which command.
        kind: CommandKind,
        /// What became of it.
        outcome: CommandOutcome,
    },
    /// What of the line was no frame, since the port was opened; at most once a second, and
    /// only when there is more of it.
    Counters(LineCounters),
    /// The gun is gone from this port; its shots are safe in its ring.
    Detached {
        /// Why.
        reason: DetachReason,
    },
    /// The port is there and cannot be opened; comes once until it could be.
    Unavailable {
        /// Why, in words.
        problem: String,
    },
}

impl GunEvent {
    /// What the link says, as it is told of a port; `None` for what is no frame, which is counted
    /// by the link and told as [`GunEvent::Counters`].
    pub fn of_link(event: HostEvent, now: HostNow) -> Option<GunEvent> {
        Some(match event {
            HostEvent::Attached(hello) => GunEvent::Attached(hello),
            HostEvent::Refused { hello, reason } => GunEvent::Refused { hello, reason },
            HostEvent::Shot(shot) => GunEvent::Shot {
                shot,
                received_at: now.utc,
            },
            HostEvent::Rejected(rejection) => GunEvent::Rejected {
                reason: rejection.reason.into(),
                bytes: rejection.bytes,
                identity: rejection.identity,
            },
            HostEvent::Lost { epoch, first, last } => GunEvent::Lost { epoch, first, last },
            HostEvent::CounterWentBack {
                epoch,
                newest,
                expected,
            } => GunEvent::CounterWentBack {
                epoch,
                newest,
                expected,
            },
            HostEvent::Clock(mapping) => GunEvent::Clock(mapping),
            HostEvent::Status(status) => GunEvent::Status(status),
            HostEvent::Command {
                command,
                kind,
                outcome,
            } => GunEvent::Command {
                command,
                kind,
                outcome,
            },
            HostEvent::Settings(settings) => GunEvent::Settings(settings),
            HostEvent::Salvaged { shot } => GunEvent::Salvaged {
                shot,
                received_at: now.utc,
            },
            HostEvent::SalvageEnded { epoch, newest } => GunEvent::SalvageEnded { epoch, newest },
            HostEvent::Garbage { .. } => return None,
            HostEvent::Silent => GunEvent::Detached {
                reason: DetachReason::Silent,
            },
        })
    }
}

/// Why a gun is no longer attached to a port.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DetachReason {
    /// The port has hung up: the cable or the gun's power.
    HungUp,
    /// Nothing was heard for 2.5 s; the port is opened again.
    Silent,
    /// Nothing could be written for a fifth of a second; the port is opened again.
    CannotWrite,
    /// A question to the gun was not answered in time, or not understandably; the port is opened
    /// again.
    NoAnswer,
    /// The gun answers something else than its profile says.
    WrongAnswer {
        /// What, in words.
        problem: String,
    },
    /// Another gun answers on this port.
    Replaced,
    /// A gun of the same serial number is already attached to another port.
    SameSerialElsewhere {
        /// That port.
        port: PortName,
    },
    /// The driver stops.
    Stopped,
}

impl fmt::Display for DetachReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DetachReason::HungUp => f.write_str("the port has hung up"),
            DetachReason::Silent => f.write_str("nothing was heard for 2.5 s"),
            DetachReason::CannotWrite => f.write_str("nothing could be written"),
            DetachReason::NoAnswer => f.write_str("a question was not answered"),
            DetachReason::WrongAnswer { problem } => f.write_str(problem),
            DetachReason::Replaced => f.write_str("another gun answers on this port"),
            DetachReason::SameSerialElsewhere { port } => {
                write!(f, "a gun of the same serial number is attached to {port}")
            }
            DetachReason::Stopped => f.write_str("the driver stops"),
        }
    }
}
