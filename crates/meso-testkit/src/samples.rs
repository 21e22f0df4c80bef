//! Records to begin a test from.

use meso_domain::{Purpose, PurposeDecidedBy, Quantity, Shot, ShotFlags, ShotIdentity};
use meso_units::{ClockSegment, Epoch, GunSerial, GunTick, ShotCounter, Timestamp, Uncertainty};

/// A patient shot of which nothing was measured, at the beginning of all times; a test writes what
/// it is about over it.
pub fn bare_shot(gun: GunSerial, epoch: Epoch, counter: u32, gun_tick: GunTick) -> Shot {
    Shot {
        identity: ShotIdentity {
            gun,
            epoch,
            counter: ShotCounter(counter),
        },
        at: Timestamp::UNIX_EPOCH,
        uncertainty: Uncertainty::Unbounded,
        clock_segment: ClockSegment(0),
        gun_tick,
        needle_depth: Quantity::UNKNOWN,
        volume: Quantity::UNKNOWN,
        interval: None,
        frequency_set: None,
        needles_working: None,
        pressure: None,
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: None,
        library: None,
    }
}
