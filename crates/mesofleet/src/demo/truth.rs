//! The guns' own logs against the store: shot by shot, field by field.

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::Shot;
use meso_testkit::gun::log::FiredShot;
use meso_units::{GaugePascals, Micrometres, Microseconds, Nanolitres, ShotsPerMinute};

/// Differences that are spelt out; more of them would only hide the first.
const DIFFERENCES_SHOWN_MAX: usize = 10;

type Identity = (String, u64, u32);

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Shots in the guns' logs.
    pub(crate) fired: u64,
    /// Of these, shots in the store with every field the same.
    pub(crate) stored: u64,
    /// Fired and not stored, or stored with another value.
    pub(crate) lost: u64,
    /// The first differences, in words.
    pub(crate) differences: Vec<String>,
}

impl Comparison {
    fn lose(&mut self, difference: String) {
        self.lost += 1;
        if self.differences.len() < DIFFERENCES_SHOWN_MAX {
            self.differences.push(difference);
        }
    }
}

/// Compares what guns fired with what the store holds of these guns and epochs.
///
/// A stored shot that no gun fired counts as lost too: it stands where a true one should.
pub(crate) fn compare(fired: &[FiredShot], stored: &[Shot]) -> Comparison {
    let mut comparison = Comparison {
        fired: fired.len() as u64,
        ..Comparison::default()
    };
    let held: BTreeMap<Identity, &Shot> =
        stored.iter().map(|shot| (identity(shot), shot)).collect();
    let mut known = BTreeSet::new();
    for shot in fired {
        let key = (shot.serial.clone(), shot.epoch, shot.counter);
        match held.get(&key) {
            None => comparison.lose(format!("shot {} of gun {} is not stored", key.2, key.0)),
            Some(other) => match differing_field(shot, other) {
                None => comparison.stored += 1,
                Some(field) => comparison.lose(format!(
                    "shot {} of gun {} is stored with another {field}",
                    key.2, key.0
                )),
            },
        }
        known.insert(key);
    }
    let epochs: BTreeSet<(&str, u64)> = fired
        .iter()
        .map(|shot| (shot.serial.as_str(), shot.epoch))
        .collect();
    for key in held.keys() {
        if epochs.contains(&(key.0.as_str(), key.1)) && !known.contains(key) {
            comparison.lose(format!(
                "shot {} of gun {} is stored but was not fired",
                key.2, key.0
            ));
        }
    }
    comparison
}

fn identity(shot: &Shot) -> Identity {
    let identity = &shot.identity;
    (
        identity.gun.to_string(),
        identity.epoch.get(),
        identity.counter.get(),
    )
}

/// The first measured field that is not the same.
fn differing_field(fired: &FiredShot, stored: &Shot) -> Option<&'static str> {
    let needles = stored
        .needles_working
        .as_ref()
        .map(|needles| needles.value.get());
    let purpose = Some(stored.purpose.as_str());
    let checks = [
        ("gun tick", fired.tick_us == stored.gun_tick.get()),
        (
            "interval",
            fired.interval_us == stored.interval.map(Microseconds::get),
        ),
        (
            "needle depth set",
            fired.depth_set_um == stored.needle_depth.set.map(Micrometres::get),
        ),
        (
            "needle depth",
            fired.depth_sensed_um == stored.needle_depth.actual_value().map(Micrometres::get),
        ),
        (
            "volume set",
            fired.volume_set_nl == stored.volume.set.map(Nanolitres::get),
        ),
        (
            "volume",
            fired.volume_sensed_nl == stored.volume.actual_value().map(Nanolitres::get),
        ),
        (
            "frequency set",
            fired.frequency_set_spm == stored.frequency_set.map(ShotsPerMinute::get),
        ),
        ("needle count", fired.needles_working == needles),
        (
            "pressure",
            fired.pressure_pa == stored.pressure.map(GaugePascals::get),
        ),
        (
            "purpose",
            fired.purpose.is_none() || fired.purpose.as_deref() == purpose,
        ),
        ("set of flags", fired.flags == stored.flags.bits()),
    ];
    checks
        .into_iter()
        .find(|(_, same)| !same)
        .map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use meso_domain::{Purpose, PurposeDecidedBy, Quantity, ShotFlags, ShotIdentity, Sourced};
    use meso_units::{
        ClockSegment, Epoch, GunSerial, GunTick, ShotCounter, Timestamp, Uncertainty,
    };

    use super::*;

    fn fired(counter: u32) -> FiredShot {
        FiredShot {
            serial: "GUN-0001".to_owned(),
            epoch: 7,
            counter,
            boot_id: 1,
            tick_us: 1_000,
            interval_us: None,
            depth_set_um: None,
            depth_sensed_um: Some(2_000),
            volume_set_nl: None,
            volume_sensed_nl: None,
            frequency_set_spm: None,
            needles_working: None,
            pressure_pa: None,
            purpose: Some("patient".to_owned()),
            flags: 0,
        }
    }

    fn stored(counter: u32) -> Shot {
        Shot {
            identity: ShotIdentity {
                gun: GunSerial::parse("GUN-0001").unwrap(),
                epoch: Epoch(7),
                counter: ShotCounter(counter),
            },
            at: Timestamp::UNIX_EPOCH,
            uncertainty: Uncertainty::Unbounded,
            clock_segment: ClockSegment(0),
            gun_tick: GunTick::new(1_000).unwrap(),
            needle_depth: Quantity {
                set: None,
                actual: Some(Sourced::sensed(Micrometres::new(2_000).unwrap())),
            },
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

    #[test]
    fn equal_shots_are_stored_and_a_missing_one_is_lost() {
        let result = compare(&[fired(1), fired(2)], &[stored(1)]);
        assert_eq!((result.fired, result.stored, result.lost), (2, 1, 1));
        assert_eq!(result.differences, ["shot 2 of gun GUN-0001 is not stored"]);
    }

    #[test]
    fn a_changed_field_is_named() {
        let mut shot = stored(1);
        shot.needle_depth.actual = Some(Sourced::sensed(Micrometres::new(2_001).unwrap()));
        let result = compare(&[fired(1)], &[shot]);
        assert_eq!(result.lost, 1);
        assert_eq!(
            result.differences,
            ["shot 1 of gun GUN-0001 is stored with another needle depth"]
        );
    }

    #[test]
    fn a_shot_that_no_gun_fired_is_found_and_another_epoch_is_not_looked_at() {
        let mut old = stored(9);
        old.identity.epoch = Epoch(6);
        let result = compare(&[fired(1)], &[stored(1), stored(2), old]);
        assert_eq!((result.stored, result.lost), (1, 1));
    }
}
