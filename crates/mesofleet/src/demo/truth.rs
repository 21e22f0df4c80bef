//! The guns' own logs against the store: shot by shot, field by field.

use std::collections::{BTreeMap, BTreeSet};

use meso_domain::Shot;
use meso_testkit::gun::log::{FiredShot, ShotKeyText, key_of};

/// Differences that are spelt out; more of them would only hide the first.
const DIFFERENCES_SHOWN_MAX: usize = 10;

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
    let held: BTreeMap<ShotKeyText, &Shot> =
        stored.iter().map(|shot| (key_of(shot), shot)).collect();
    let mut known = BTreeSet::new();
    for shot in fired {
        let key = shot.key();
        match held.get(&key) {
            None => comparison.lose(format!("shot {} of gun {} is not stored", key.2, key.0)),
            Some(other) => match shot.differing_field(other) {
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

#[cfg(test)]
mod tests {
    use meso_domain::{Quantity, Sourced};
    use meso_testkit::samples::bare_shot;
    use meso_units::{
        ClockSegment, Epoch, GunSerial, GunTick, Micrometres, Timestamp, Uncertainty,
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
            at: Timestamp::UNIX_EPOCH,
            uncertainty: Uncertainty::Unbounded,
            clock_segment: ClockSegment(0),
            needle_depth: Quantity {
                set: None,
                actual: Some(Sourced::sensed(Micrometres::new(2_000).unwrap())),
            },
            volume: Quantity::UNKNOWN,
            ..bare_shot(
                GunSerial::parse("GUN-0001").unwrap(),
                Epoch(7),
                counter,
                GunTick::new(1_000).unwrap(),
            )
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
