//! How near a value is to its limits: the warning before the limit.

use meso_domain::{Rule, Severity};

use super::compiled::{Bounds, Value};
use crate::Limits;

/// From this share of the way to the next limit on, in percent, a value is near it. A choice of
/// the house: at 4 mm set and 5 mm allowed the warning begins at 4.9 mm.
pub const NEAR_PERCENT: i64 = 90;

/// Where a value stands against the limits of its quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nearness {
    /// There are no limits.
    Unlimited,
    /// Within them.
    Within,
    /// Within them, and [`NEAR_PERCENT`] of the way to one or more.
    Near,
    /// Past a soft limit.
    Soft,
    /// Past a hard limit.
    Hard,
}

impl Nearness {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Nearness::Unlimited => "unlimited",
            Nearness::Within => "within",
            Nearness::Near => "near",
            Nearness::Soft => "soft",
            Nearness::Hard => "hard",
        }
    }
}

/// Says where a value stands, in the unit of its limits.
///
/// The way to a limit begins at the set point where that is on the inner side of the limit, so that
/// a gun set close to a limit does not warn all the time; otherwise at 0, which no minimum has on
/// its inner side: near a minimum only a set point warns. `measured` says whether the tolerance of
/// soft limits applies, as in a verdict.
///
/// ```
/// use meso_limits::{Limits, Nearness, nearness};
///
/// let depth = Limits { soft_max: Some(5_000), hard_max: Some(6_000), ..Limits::default() };
/// let at = |um| nearness(&depth, um, Some(4_000), true);
/// assert_eq!(at(4_899), Nearness::Within);
/// assert_eq!(at(4_900), Nearness::Near);
/// assert_eq!(at(5_001), Nearness::Soft);
/// assert_eq!(at(6_001), Nearness::Hard);
/// ```
pub fn nearness(limits: &Limits, value: i64, set: Option<i64>, measured: bool) -> Nearness {
    let bounds = Bounds::of(limits);
    if !bounds.is_any() {
        return Nearness::Unlimited;
    }
    // The rule only names the finding, which nobody sees here.
    let held = Value::measured(Rule::NeedleDepth, value, measured);
    match bounds.judge(&held).map(|finding| finding.severity) {
        Some(Severity::Hard) => return Nearness::Hard,
        Some(_) => return Nearness::Soft,
        None => {}
    }
    let (near_min, near_max) = warning(limits, set);
    let is_near = near_max.is_some_and(|from| value >= from)
        || near_min.is_some_and(|down_to| value <= down_to);
    match is_near {
        true => Nearness::Near,
        false => Nearness::Within,
    }
}

/// Where the warning before the limits begins, in their unit: up to the first value (near a
/// minimum) and from the second one on (near a maximum). `None` where nothing warns on that side.
///
/// ```
/// use meso_limits::{Limits, warning};
///
/// let depth = Limits { soft_max: Some(5_000), ..Limits::default() };
/// assert_eq!(warning(&depth, Some(4_000)), (None, Some(4_900)));
/// assert_eq!(warning(&depth, None), (None, Some(4_500)));
/// ```
pub fn warning(limits: &Limits, set: Option<i64>) -> (Option<i64>, Option<i64>) {
    let tighter = |a: Option<i64>, b: Option<i64>, pick: fn(i64, i64) -> i64| match (a, b) {
        (Some(a), Some(b)) => Some(pick(a, b)),
        (one, other) => one.or(other),
    };
    let max = tighter(limits.soft_max, limits.hard_max, i64::min);
    let min = tighter(limits.soft_min, limits.hard_min, i64::max);
    let near_max = max.map(|max| {
        let from = set.filter(|set| *set < max).unwrap_or(0);
        from.saturating_add(most_of(from.abs_diff(max)))
    });
    let near_min = min.zip(set).filter(|(min, set)| set > min);
    let near_min = near_min.map(|(min, set)| set.saturating_sub(most_of(set.abs_diff(min))));
    (near_min, near_max)
}

/// [`NEAR_PERCENT`] of a way, rounded up.
fn most_of(way: u64) -> i64 {
    let most = (u128::from(way) * u128::from(NEAR_PERCENT.unsigned_abs())).div_ceil(100);
    i64::try_from(most).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Limits {
        Limits {
            soft_min: Some(1_000),
            soft_max: Some(4_000),
            hard_max: Some(5_000),
            tolerance_percent: 10,
            ..Limits::default()
        }
    }

    #[test]
    fn the_warning_comes_before_the_limit_on_either_side() {
        for (value, expected) in [
            (1_099, Nearness::Near),
            (1_101, Nearness::Within),
            (2_000, Nearness::Within),
            (3_799, Nearness::Within),
            (3_800, Nearness::Near),
            (4_000, Nearness::Near),
            (4_400, Nearness::Near),
            (4_401, Nearness::Soft),
            (5_001, Nearness::Hard),
        ] {
            assert_eq!(
                nearness(&both(), value, Some(2_000), true),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn without_a_set_point_the_way_begins_at_nothing() {
        assert_eq!(nearness(&both(), 3_599, None, true), Nearness::Within);
        assert_eq!(nearness(&both(), 3_600, None, true), Nearness::Near);
        assert_eq!(nearness(&both(), 1_000, None, true), Nearness::Within);
    }

    #[test]
    fn a_set_point_past_the_limit_does_not_hide_the_warning() {
        assert_eq!(nearness(&both(), 3_900, Some(4_000), true), Nearness::Near);
    }

    #[test]
    fn the_tolerance_does_not_cover_what_was_only_set() {
        assert_eq!(nearness(&both(), 4_001, None, false), Nearness::Soft);
    }

    #[test]
    fn no_limits_are_no_praise() {
        let none = Limits::default();
        assert_eq!(nearness(&none, 9, None, true), Nearness::Unlimited);
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let wide = Limits {
            hard_min: Some(i64::MIN + 1),
            hard_max: Some(i64::MAX - 1),
            ..Limits::default()
        };
        for value in [i64::MIN + 1, 0, i64::MAX - 1] {
            nearness(&wide, value, Some(0), true);
        }
    }
}
