//! One line of text for one shot, with a bar each for depth and volume.

use jiff::Timestamp as Moment;
use meso_link_proto::{ShotEvent, ShotFlags};
use meso_units::{Micrometres, Microseconds, Nanolitres, Timestamp};

/// Cells of a bar.
const BAR_CELLS: u64 = 12;

/// The first scales. A gun's own limits are far above what is injected and would make every bar
/// look empty.
const DEPTH_FULL_UM: u64 = 5_000;
const VOLUME_FULL_NL: u64 = 20_000;

/// The flags with their words.
const FLAGS: [(ShotFlags, &str); 6] = [
    (ShotFlags::FAILED_INJECTION, "failed injection"),
    (ShotFlags::OCCLUSION, "occlusion"),
    (ShotFlags::DRY, "dry"),
    (ShotFlags::AIR, "air"),
    (ShotFlags::VACUUM_OUT_OF_WINDOW, "vacuum out of window"),
    (ShotFlags::NEEDLE_BLOCKED, "needle blocked"),
];

/// What a full bar stands for; grows with what comes and never shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    depth_um: u64,
    volume_nl: u64,
}

impl Default for Scale {
    fn default() -> Scale {
        Scale {
            depth_um: DEPTH_FULL_UM,
            volume_nl: VOLUME_FULL_NL,
        }
    }
}

/// A shot as a line; where the gun sensed nothing, its set point stands with an `=` before it.
pub(super) fn line(shot: &ShotEvent, received_at: Timestamp, scale: &mut Scale) -> String {
    let measured = &shot.measured;
    let um = |depth: Micrometres| u64::from(depth.get());
    let depth = quantity(
        measured.depth_sensed.map(um),
        measured.depth_set.map(um),
        &mut scale.depth_um,
        "mm",
    );
    let volume = quantity(
        measured.volume_sensed.map(Nanolitres::get),
        measured.volume_set.map(Nanolitres::get),
        &mut scale.volume_nl,
        "µl",
    );
    let rate = shot.interval.map(Microseconds::get).filter(|us| *us > 0);
    let rate = rate.map_or_else(
        || "–".to_owned(),
        |us| {
            let tenths = (10_000_000 + us / 2) / us;
            format!("{}.{} Hz", tenths / 10, tenths % 10)
        },
    );
    let mut line = format!(
        "{} #{:<6} needle depth {depth}  volume {volume}  {rate:>8}",
        clock(received_at),
        shot.key.counter.get(),
    );
    for (flag, word) in FLAGS {
        if measured.flags.contains(flag) {
            line.push_str("  ");
            line.push_str(word);
        }
    }
    line
}

/// Number and bar of a quantity in thousandths of its unit.
fn quantity(sensed: Option<u64>, set: Option<u64>, full: &mut u64, unit: &str) -> String {
    let Some(value) = sensed.or(set) else {
        return format!("{:>7} {unit} {}", "unknown", bar(0, *full));
    };
    while *full < value {
        *full = full.saturating_mul(2);
    }
    let hundredths = (value + 5) / 10;
    let sign = if sensed.is_some() { "" } else { "=" };
    let number = format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100);
    format!("{number:>7} {unit} {}", bar(value, *full))
}

/// A bar in eighths of a cell, as wide as a full one.
fn bar(value: u64, full: u64) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = value.saturating_mul(BAR_CELLS * 8) / full.max(1);
    let eighths = eighths.min(BAR_CELLS * 8);
    let mut bar = String::new();
    for cell in 0..BAR_CELLS {
        let rest = eighths.saturating_sub(cell * 8);
        let part = usize::try_from(rest)
            .ok()
            .and_then(|rest| EIGHTHS.get(rest));
        bar.push(part.copied().unwrap_or('█'));
    }
    bar + "│"
}

/// The time of day in UTC, to the millisecond.
fn clock(at: Timestamp) -> String {
    let moment = Moment::from_millisecond(at.unix_ms());
    moment.map_or_else(
        |_| "--:--:--.---Z".to_owned(),
        |moment| moment.strftime("%H:%M:%S.%3fZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use meso_link_proto::{Measured, ShotKey};
    use meso_units::{BootId, Epoch, GunTick, ShotCounter};

    use super::*;

    fn sample_shot(measured: Measured) -> ShotEvent {
        ShotEvent {
            key: ShotKey {
                epoch: Epoch(1),
                counter: ShotCounter(17),
            },
            boot: BootId(1),
            tick: GunTick::new(1).unwrap(),
            interval: Some(Microseconds::new(240_000).unwrap()),
            measured,
        }
    }

    fn shown(measured: Measured, scale: &mut Scale) -> String {
        let at = Timestamp::from_unix_ns(3_723_456_000_000).unwrap();
        line(&sample_shot(measured), at, scale)
    }

    #[test]
    fn a_sensed_shot_shows_numbers_bars_rate_and_flags() {
        let measured = Measured {
            depth_sensed: Some(Micrometres::new(2_500).unwrap()),
            volume_sensed: Some(Nanolitres::new(20_000).unwrap()),
            flags: ShotFlags::DRY,
            ..Measured::default()
        };
        assert_eq!(
            shown(measured, &mut Scale::default()),
            "01:02:03.456Z #17     needle depth    2.50 mm ██████      │  \
             volume   20.00 µl ████████████│    4.2 Hz  dry"
        );
    }

    #[test]
    fn what_was_only_set_is_marked_and_what_nobody_knows_is_unknown_and_never_zero() {
        let measured = Measured {
            depth_set: Some(Micrometres::new(1_000).unwrap()),
            ..Measured::default()
        };
        let line = shown(measured, &mut Scale::default());
        assert!(line.contains("=1.00 mm"), "{line}");
        assert!(line.contains("unknown µl"), "{line}");
    }

    #[test]
    fn a_value_beyond_the_full_bar_widens_the_scale() {
        let mut scale = Scale::default();
        let measured = Measured {
            depth_sensed: Some(Micrometres::new(12_000).unwrap()),
            ..Measured::default()
        };
        let line = shown(measured, &mut scale);
        assert_eq!(scale.depth_um, 20_000);
        assert!(line.contains("12.00 mm ███████▏    │"), "{line}");
    }
}
