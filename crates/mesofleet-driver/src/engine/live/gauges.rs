//! Values against their limits. What is past a limit is said by the verdict alone; this only adds
//! the warning before it.

use meso_contract::room::GaugeBody;
use meso_domain::{Finding, Purpose, Rule, Severity, Shot};
use meso_limits::{
    Limited, Limits, Nearness, Protocol, SessionVerdict, ZoneSum, describe, general, nearness,
    warning,
};

use super::LastShot;

/// A minute in thousandths of a hertz and back: shots a minute × 1000 / 60.
const MHZ_PER_SHOT_A_MINUTE: (i64, i64) = (1_000, 60);

/// A second in µs times the thousandths of a hertz.
const MHZ_US: i64 = 1_000_000_000;

/// What a gauge shows, before its standing is known.
struct Reading {
    rule: Rule,
    unit: &'static str,
    zone: Option<String>,
    value: Option<i64>,
    sensed: bool,
    set: Option<i64>,
    limits: Limits,
}

impl Reading {
    fn gauge(self, standing: &str, finding: Option<String>) -> GaugeBody {
        let (near_min, near_max) = warning(&self.limits, self.set);
        GaugeBody {
            quantity: self.rule.as_str().to_owned(),
            unit: self.unit.to_owned(),
            zone: self.zone,
            value: self.value,
            sensed: self.sensed,
            set: self.set,
            soft_min: self.limits.soft_min,
            soft_max: self.limits.soft_max,
            hard_min: self.limits.hard_min,
            hard_max: self.limits.hard_max,
            near_min,
            near_max,
            standing: standing.to_owned(),
            finding,
        }
    }

    /// With the verdict's word where it has one.
    fn judged(self, finding: Option<&Finding>) -> GaugeBody {
        let said = finding.map(describe);
        let standing = match (finding.map(|finding| finding.severity), self.value) {
            (Some(Severity::Hard), _) => "hard",
            (Some(Severity::Soft), _) => "soft",
            (Some(Severity::NotCheckable), _) => "not checkable",
            (None, None) => "waiting",
            // Within the verdict's tolerance it is not past the limit, and near it.
            (None, Some(value)) => nearness(&self.limits, value, self.set, self.sensed)
                .min(Nearness::Near)
                .as_str(),
        };
        self.gauge(standing, said)
    }
}

/// Needle depth, volume and shot rate of a gun's last shot.
pub(super) fn of_gun(protocol: Option<&Protocol>, last: Option<&LastShot>) -> Vec<GaugeBody> {
    let shot = last.map(|last| &last.shot);
    let readings = [
        depth(protocol, shot),
        volume(protocol, shot),
        rate(protocol, shot),
    ];
    let gauge = |reading: Reading| match last {
        None => reading.gauge("waiting", None),
        Some(last) if last.shot.purpose != Purpose::Patient => reading.gauge("not judged", None),
        Some(last) => {
            let mut findings = last.judgement.findings.iter();
            let finding = findings.find(|finding| finding.rule == reading.rule);
            reading.judged(finding)
        }
    };
    readings.into_iter().map(gauge).collect()
}

fn depth(protocol: Option<&Protocol>, shot: Option<&Shot>) -> Reading {
    let depth = shot.map(|shot| &shot.needle_depth);
    let set = depth.and_then(|depth| depth.set);
    let actual = depth.and_then(|depth| depth.actual_value());
    let um = |value: meso_units::Micrometres| i64::from(value.get());
    let mut limits = limits_of(protocol, Limited::NeedleDepth);
    let is_deeper = protocol.is_some_and(|protocol| protocol.deeper_than_10_mm.is_some());
    if !is_deeper {
        let general = general::NEEDLE_DEPTH_MAX_UM;
        limits.hard_max = Some(limits.hard_max.map_or(general, |max| max.min(general)));
    }
    Reading {
        rule: Rule::NeedleDepth,
        unit: "µm",
        zone: None,
        value: actual.or(set).map(um),
        sensed: actual.is_some(),
        set: set.map(um),
        limits,
    }
}

fn volume(protocol: Option<&Protocol>, shot: Option<&Shot>) -> Reading {
    let volume = shot.map(|shot| &shot.volume);
    let set = volume.and_then(|volume| volume.set);
    let actual = volume.and_then(|volume| volume.actual_value());
    let nl = |value: meso_units::Nanolitres| i64::try_from(value.get()).unwrap_or(i64::MAX);
    let points = shot.map_or(1, |shot| i64::try_from(shot.points()).unwrap_or(i64::MAX));
    Reading {
        rule: Rule::VolumePerTrigger,
        unit: "nl",
        zone: None,
        value: actual.or(set).map(nl),
        sensed: actual.is_some(),
        set: set.map(nl),
        limits: tighter(
            &limits_of(protocol, Limited::VolumePerTrigger),
            &times(&limits_of(protocol, Limited::VolumePerPoint), points),
        ),
    }
}

fn rate(protocol: Option<&Protocol>, shot: Option<&Shot>) -> Reading {
    let intervals = limits_of(protocol, Limited::ShotRate);
    let general = general::INTERVAL_MIN_US;
    let hard_min = intervals.hard_min.map_or(general, |min| min.max(general));
    let interval = shot.and_then(|shot| shot.interval);
    let set = shot.and_then(|shot| shot.frequency_set);
    let (times, parts) = MHZ_PER_SHOT_A_MINUTE;
    Reading {
        rule: Rule::ShotRate,
        unit: "mHz",
        zone: None,
        value: interval.and_then(|it| frequency_mhz(i64::try_from(it.get()).ok()?)),
        sensed: true,
        set: set.map(|set| i64::from(set.get()) * times / parts),
        // The shortest time is the highest rate.
        limits: Limits {
            soft_min: intervals.soft_max.and_then(frequency_mhz),
            soft_max: intervals.soft_min.and_then(frequency_mhz),
            hard_min: intervals.hard_max.and_then(frequency_mhz),
            hard_max: frequency_mhz(hard_min),
            tolerance_percent: intervals.tolerance_percent,
            ..Limits::default()
        },
    }
}

/// Thousandths of a hertz, to the nearest; none for no time at all.
const fn frequency_mhz(interval_us: i64) -> Option<i64> {
    match interval_us {
        1.. => Some((MHZ_US + interval_us / 2) / interval_us),
        _ => None,
    }
}

/// What a session adds up to.
pub(super) fn sums(
    protocol: &Protocol,
    verdict: &SessionVerdict,
    zones: &[ZoneSum],
) -> Vec<GaugeBody> {
    let session = sum(protocol, Limited::SessionVolume, verdict.volume_nl, None);
    let zones = zones.iter().flat_map(|zone| {
        let name = Some(zone.zone.as_str());
        [
            sum(protocol, Limited::ZoneVolume, zone.volume_nl, name),
            sum(protocol, Limited::ZoneShots, zone.shot_count, name),
        ]
    });
    let readings = std::iter::once(session).chain(zones.flatten().map(Some));
    let gauge = |reading: Reading| {
        let worst = verdict.rule(reading.rule).and_then(|rule| rule.worst);
        // The worst of a rule may be about another zone.
        let worst = worst.filter(|finding| {
            reading.zone.is_none()
                || finding.severity == Severity::NotCheckable
                || Some(finding.value) == reading.value
        });
        reading.judged(worst.as_ref())
    };
    readings.flatten().map(gauge).collect()
}

/// A sum that has a limit.
fn sum(protocol: &Protocol, quantity: Limited, value: u64, zone: Option<&str>) -> Option<Reading> {
    let limits = protocol.limits(quantity)?;
    let is_volume = quantity != Limited::ZoneShots;
    Some(Reading {
        rule: quantity.rule(),
        unit: if is_volume { "nl" } else { "shots" },
        zone: zone.map(str::to_owned),
        value: Some(i64::try_from(value).unwrap_or(i64::MAX)),
        sensed: true,
        set: None,
        limits: limits.clone(),
    })
}

fn limits_of(protocol: Option<&Protocol>, quantity: Limited) -> Limits {
    let limits = protocol.and_then(|protocol| protocol.limits(quantity));
    limits.cloned().unwrap_or_default()
}

/// Limits of one point, for all points of a trigger.
fn times(limits: &Limits, points: i64) -> Limits {
    let scaled = |limit: Option<i64>| limit.map(|limit| limit.saturating_mul(points));
    Limits {
        soft_min: scaled(limits.soft_min),
        soft_max: scaled(limits.soft_max),
        hard_min: scaled(limits.hard_min),
        hard_max: scaled(limits.hard_max),
        ..limits.clone()
    }
}

/// The tighter limits of two.
fn tighter(a: &Limits, b: &Limits) -> Limits {
    let min = |a: Option<i64>, b: Option<i64>| a.max(b);
    let max = |a: Option<i64>, b: Option<i64>| a.zip(b).map(|(a, b)| a.min(b)).or(a).or(b);
    Limits {
        soft_min: min(a.soft_min, b.soft_min),
        soft_max: max(a.soft_max, b.soft_max),
        hard_min: min(a.hard_min, b.hard_min),
        hard_max: max(a.hard_max, b.hard_max),
        tolerance_percent: a.tolerance_percent.min(b.tolerance_percent),
        ..Limits::default()
    }
}
