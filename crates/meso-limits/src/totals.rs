//! What a session adds up to.

use std::collections::BTreeMap;

use meso_domain::{Purpose, Shot, ShotFlags};
use meso_units::{GunSerial, Nanolitres};

/// Running totals of one session: what the rules about several shots need, as plain data.
///
/// Only patient shots are folded in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Totals {
    /// Patient shots.
    pub patient_shot_count: u64,
    /// Their volume in nl, by what the gun did, else by set point. A failed injection that says
    /// no volume of its own counts with its set point: rather too much than too little.
    pub volume_nl: u64,
    /// Patient shots that said no volume at all; with any of them [`Totals::volume_nl`] is only a
    /// lower bound.
    pub unknown_volume_count: u64,
    /// Failed injections in a row, for each gun that has some.
    pub failed_in_a_row: BTreeMap<GunSerial, u32>,
    /// Whether the caller knows that older shots are missing here; makes the totals a lower bound.
    pub history_missing: bool,
}

impl Totals {
    /// The most guns of one session with failures in a row at one time; the failures of a further
    /// gun are not counted, so it never alarms falsely. A room has a handful of guns.
    pub const GUN_COUNT_MAX: usize = 64;

    /// Adds a shot; anything but a patient shot changes nothing.
    pub fn fold(&mut self, shot: &Shot) {
        if shot.purpose != Purpose::Patient {
            return;
        }
        self.patient_shot_count = self.patient_shot_count.saturating_add(1);
        match volume_of(shot) {
            Some(volume) => self.volume_nl = self.volume_nl.saturating_add(volume.get()),
            None => self.unknown_volume_count = self.unknown_volume_count.saturating_add(1),
        }
        let gun = &shot.identity.gun;
        if !shot.flags.contains(ShotFlags::FAILED_INJECTION) {
            self.failed_in_a_row.remove(gun);
        } else if let Some(count) = self.failed_in_a_row.get_mut(gun) {
            *count = count.saturating_add(1);
        } else if self.failed_in_a_row.len() < Totals::GUN_COUNT_MAX {
            self.failed_in_a_row.insert(gun.clone(), 1);
        }
    }

    /// Failed injections of this gun in a row, up to now.
    pub fn failed_in_a_row(&self, gun: &GunSerial) -> u32 {
        self.failed_in_a_row.get(gun).copied().unwrap_or(0)
    }
}

/// The volume of one trigger that counts: what the gun did, else its set point.
pub(crate) fn volume_of(shot: &Shot) -> Option<Nanolitres> {
    shot.volume.actual_value().or(shot.volume.set)
}
