//! Guns that are broken on purpose, to prove that the conformance kit sees it.
//!
//! A fault sits between a sound gun and its line ([`FaultyLine`]) and changes what goes in or out;
//! the sound gun knows nothing of it. [`Fault::fails`] names the checks of
//! [`crate::conform::CHECKS`] that see it; all others still pass.

mod frames;
mod line;
mod restart;
mod seals;

use std::str::FromStr;

pub use line::FaultyLine;

/// What a gun does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Every fourth STATUS has a wrong checksum.
    BadCrc,
    /// Before every second STATUS comes a run of 300 bytes.
    OversizeFrame,
    /// The schema number is another one.
    WrongSchema,
    /// Every fourth shot senses a needle depth of 20 mm.
    ImpossibleDepth,
    /// Shots stream without having been asked for.
    StreamsUnasked,
    /// A shot that was sent once cannot be read again.
    ForgetsRing,
    /// The watermark never moves.
    IgnoresAck,
    /// The acknowledged shot is sent once more.
    ResendsAcknowledged,
    /// A new session restarts the counter under the same epoch.
    RestartsCounter,
    /// The counter restarts under the same epoch when everything is acknowledged.
    CounterGoesBack,
    /// It takes a new epoch, empties its ring and goes on under the old one.
    ReusesEpoch,
    /// The time that it answers runs 5 % fast.
    LiesAboutTime,
    /// RESUME ends any inhibition, whichever it names.
    ResumeByOldFrame,
    /// It takes limits and fires above them.
    IgnoresLimits,
    /// SETTINGS says a needle depth that is half a millimetre off.
    FalseSettings,
    /// It does not answer IDENTIFY.
    IgnoresIdentify,
    /// From the 40th shot of a session on, one in ten is lost and never counted.
    DropsUnderLoad,
    /// It never gives up a host that is gone.
    NoLease,
    /// It says that it holds a key, and seals nothing.
    StripsSeal,
    /// It seals with another key.
    WrongKey,
    /// It obeys a sealed frame that was there before.
    AcceptsReplays,
    /// It obeys frames without a seal.
    ObeysUnsealed,
    /// Its random number is the same in every session.
    RepeatsNonce,
}

/// Its name on the command line, and the checks that it fails, in the order in which they run.
type Facts = (&'static str, &'static [&'static str]);

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 23] = [
        Fault::BadCrc,
        Fault::OversizeFrame,
        Fault::WrongSchema,
        Fault::ImpossibleDepth,
        Fault::StreamsUnasked,
        Fault::ForgetsRing,
        Fault::IgnoresAck,
        Fault::ResendsAcknowledged,
        Fault::RestartsCounter,
        Fault::CounterGoesBack,
        Fault::ReusesEpoch,
        Fault::LiesAboutTime,
        Fault::ResumeByOldFrame,
        Fault::IgnoresLimits,
        Fault::FalseSettings,
        Fault::IgnoresIdentify,
        Fault::DropsUnderLoad,
        Fault::NoLease,
        Fault::StripsSeal,
        Fault::WrongKey,
        Fault::AcceptsReplays,
        Fault::ObeysUnsealed,
        Fault::RepeatsNonce,
    ];

    fn facts(self) -> Facts {
        match self {
            Fault::BadCrc => ("bad-crc", &["checksum"]),
            Fault::OversizeFrame => ("oversize-frame", &["frame-size"]),
            Fault::WrongSchema => ("wrong-schema", &["negotiation"]),
            Fault::ImpossibleDepth => ("impossible-depth", &["fields"]),
            Fault::StreamsUnasked => ("streams-unasked", &["stream"]),
            // What is forgotten is not counted either, which shows as soon as the host is slow.
            Fault::ForgetsRing => ("forgets-ring", &["resend", "overload"]),
            Fault::IgnoresAck => ("ignores-ack", &["watermark", "change-epoch"]),
            Fault::ResendsAcknowledged => ("resends-acknowledged", &["no-unasked-resend"]),
            Fault::RestartsCounter => ("restarts-counter", &["epoch"]),
            Fault::CounterGoesBack => ("counter-goes-back", &["watermark", "epoch"]),
            Fault::ReusesEpoch => ("reuses-epoch", &["change-epoch"]),
            Fault::LiesAboutTime => ("lies-about-time", &["time"]),
            Fault::ResumeByOldFrame => ("resume-by-old-frame", &["resume"]),
            Fault::IgnoresLimits => ("ignores-limits", &["set-limits"]),
            Fault::FalseSettings => ("false-settings", &["read-settings"]),
            Fault::IgnoresIdentify => ("ignores-identify", &["identify"]),
            Fault::DropsUnderLoad => ("drops-under-load", &["overload"]),
            Fault::NoLease => ("no-lease", &["lease"]),
            Fault::StripsSeal => ("strips-seal", &["sealed"]),
            Fault::WrongKey => ("wrong-key", &["sealed"]),
            Fault::AcceptsReplays => ("accepts-replays", &["replay"]),
            Fault::ObeysUnsealed => ("obeys-unsealed", &["forged"]),
            Fault::RepeatsNonce => ("repeats-nonce", &["fresh-nonce"]),
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The checks that it fails, in the order in which they run.
    pub fn fails(self) -> &'static [&'static str] {
        self.facts().1
    }

    /// Whether only a gun that holds a key can be broken in this way.
    pub fn needs_key(self) -> bool {
        matches!(
            self,
            Fault::StripsSeal
                | Fault::WrongKey
                | Fault::AcceptsReplays
                | Fault::ObeysUnsealed
                | Fault::RepeatsNonce
        )
    }
}

/// No fault has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no fault: take one of {}", Fault::ALL.map(Fault::name).join(", "))]
pub struct NotAFault {
    /// The name that was given.
    pub name: String,
}

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(name: &str) -> Result<Fault, NotAFault> {
        let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| NotAFault {
            name: name.to_owned(),
        })
    }
}
