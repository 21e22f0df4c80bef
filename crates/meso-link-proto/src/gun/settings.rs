//! What a gun is told and senses, besides shots.

use meso_units::{BootId, GaugePascals, GunSerial, MilliCelsius, Millivolts};

use crate::auth::{LinkKey, NonceSeed};
use crate::message::{Capabilities, GunLimits, GunText, LeaseLoss};

/// What a gun knows of itself when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunSettings {
    /// Its serial number.
    pub serial: GunSerial,
    /// Its model.
    pub model: GunText,
    /// Its firmware version.
    pub firmware: GunText,
    /// The first bytes of its firmware's hash.
    pub firmware_hash: [u8; 8],
    /// A random number for this start.
    pub boot: BootId,
    /// How often it started in its life.
    pub boot_count: u32,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What the maker built in; a host may set tighter limits, never looser ones.
    pub limits: GunLimits,
    /// What it does when it loses its host.
    pub lease_loss: LeaseLoss,
    /// How many shots its ring holds, at least 1; at the limit the oldest is overwritten and,
    /// if nobody had acknowledged it, counted as lost.
    pub ring_shots_max: usize,
    /// Its key, if it was given one; it then takes authenticated sessions only.
    pub key: Option<LinkKey>,
    /// Where its random numbers for sessions come from; not used without a key.
    pub nonce_seed: NonceSeed,
}

/// Why the gun does not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FireRefused {
    /// It is inhibited.
    #[error("the gun is inhibited")]
    Inhibited,
    /// What it is set to is above a limit in force.
    #[error("the {setting} is set to {set}, above the limit of {limit}")]
    AboveLimit {
        /// Which setting, with its unit.
        setting: &'static str,
        /// What it is set to.
        set: u64,
        /// The limit in force.
        limit: u64,
    },
    /// The counter of the epoch is used up; the next greeting asks for a new one.
    #[error("the counter of the epoch is used up at {counter_max}")]
    CounterExhausted {
        /// The last counter of an epoch.
        counter_max: u32,
    },
}

/// What the gun senses of itself besides shots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Housekeeping {
    /// Battery or supply voltage.
    pub battery: Option<Millivolts>,
    /// Temperature.
    pub temperature: Option<MilliCelsius>,
    /// Vacuum at the head.
    pub vacuum: Option<GaugePascals>,
    /// Shots since the needle was changed.
    pub shots_on_needle: Option<u32>,
}
