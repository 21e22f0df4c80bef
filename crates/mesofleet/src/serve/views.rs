//! Records as people see them.

use meso_alerts::Alert;
use meso_contract::FindingBody;
use meso_contract::http::{
    AlertView, BoundsView, DayView, LaggingRoomView, LateFindingView, LimitsView, SessionView,
    ShotView,
};
use meso_domain::{Judgement, LateVerdict, Shot};
use meso_limits::{Library, Limited, Limits, Protocol};
use meso_store::{DayRow, SessionRow};
use meso_units::{LibraryVersion, Micrometres, Nanolitres, ProtocolId, SessionId, Timestamp};
use meso_web::AlertState;

use crate::ingest::LaggingRoom;

/// A shot with its verdict.
pub(super) fn shot_view(
    shot: &Shot,
    session: Option<SessionId>,
    verdict: Option<&Judgement>,
) -> ShotView {
    let depth = shot.needle_depth.actual_value().or(shot.needle_depth.set);
    let volume = shot.volume.actual_value().or(shot.volume.set);
    let findings = verdict.map_or(&[][..], |verdict| &verdict.findings);
    ShotView {
        gun: shot.identity.gun.to_string(),
        epoch: format!("{:016x}", shot.identity.epoch.get()),
        counter: shot.identity.counter.get(),
        at_ms: shot.at.unix_ms(),
        needle_depth_um: depth.map(Micrometres::get),
        needle_depth_set_um: shot.needle_depth.set.map(Micrometres::get),
        volume_nl: volume.map(Nanolitres::get),
        volume_set_nl: shot.volume.set.map(Nanolitres::get),
        interval_us: shot.interval.map(|interval| interval.get()),
        rate_mhz: shot.interval.and_then(|interval| interval.rate_mhz()),
        flags: shot.flags.names().map(str::to_owned).collect(),
        purpose: shot.purpose.to_string(),
        session: session.map(|session| session.to_string()),
        severity: verdict
            .and_then(Judgement::worst)
            .map(|worst| worst.to_string()),
        findings: findings.iter().map(FindingBody::from).collect(),
    }
}

/// An alert.
pub(crate) fn alert_view(alert: &Alert) -> AlertView {
    AlertView {
        id: alert.id.to_string(),
        rule: alert.key.subject.name().to_owned(),
        is_fleet: alert.key.subject.rule().is_none(),
        severity: alert.severity.to_string(),
        state: alert.state.to_string(),
        clinic: alert.clinic.to_string(),
        gun: alert
            .key
            .subject
            .gun()
            .map_or_else(String::new, ToString::to_string),
        driver: alert.key.subject.driver().map(ToString::to_string),
        session: alert
            .key
            .subject
            .session()
            .map(|session| session.to_string()),
        episode: alert.key.episode,
        shot_count: alert.shot_count,
        first_shot: alert
            .first
            .shot
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
        first_value: alert.first.value,
        last_value: alert.last.value,
        worst_value: alert.worst.value(),
        limit: alert.worst.limit(),
        library_version: alert.worst.library().map(LibraryVersion::get),
        unit: alert.unit().to_owned(),
        text: alert.text(),
        opened_at_ms: alert.opened_at.unix_ms(),
        changed_at_ms: alert.changed_at.unix_ms(),
        first_at_ms: alert.first.at.unix_ms(),
        last_at_ms: alert.last.at.unix_ms(),
        acknowledged_by: alert.acknowledged_by.as_ref().map(ToString::to_string),
        merged_into: alert.merged_into.map(|into| into.to_string()),
        silenced_until_ms: alert.silenced_until.map(Timestamp::unix_ms),
        escalated_at_ms: alert.escalated_at.map(Timestamp::unix_ms),
    }
}

/// A session and what it adds up to.
pub(super) fn session_view(row: &SessionRow, library: Option<&Library>) -> SessionView {
    let state = match (row.ended_at, row.sealed_at) {
        (_, Some(_)) => "sealed",
        (Some(_), None) => "ended",
        (None, None) => "open",
    };
    // Limits of another release than the session ran under would mislead.
    let library =
        library.filter(|library| row.library.map(LibraryVersion) == Some(library.version()));
    SessionView {
        id: row.session.to_string(),
        clinic: row.clinic.to_string(),
        driver: row.driver.clone(),
        guns: row.guns.clone(),
        protocol: row.protocol.clone().unwrap_or_default(),
        zones: row.zones.clone(),
        operator: row.operator.clone().unwrap_or_default(),
        library_version: row.library.unwrap_or(0),
        state: state.to_owned(),
        outcome: row.outcome.map(|outcome| outcome.to_string()),
        opened_at_ms: row.opened_at.map_or(0, Timestamp::unix_ms),
        ended_at_ms: row.ended_at.map(Timestamp::unix_ms),
        shot_count: row.counts.shot_count,
        patient_shot_count: row.counts.patient_shot_count,
        volume_nl: row.counts.volume_nl,
        failed_injection_count: row.counts.failed_count,
        soft_count: row.counts.soft_count,
        hard_count: row.counts.hard_count,
        not_checkable_count: row.counts.not_checkable_count,
        limits: limits_of(library, row.protocol.as_deref()),
        late_findings: Vec::new(),
        demo: row.demo,
    }
}

/// A verdict that changed after the fact.
pub(super) fn late_finding_view(late: &LateVerdict) -> LateFindingView {
    LateFindingView {
        at_ms: late.at.unix_ms(),
        before: late.before.as_ref().map(Into::into),
        after: late.after.as_ref().map(Into::into),
    }
}

/// The limits of a protocol, by its name.
pub(super) fn limits_of(library: Option<&Library>, protocol: Option<&str>) -> Option<LimitsView> {
    let protocol = ProtocolId::parse(protocol?).ok()?;
    library?.protocol(&protocol).map(limits_view)
}

fn limits_view(protocol: &Protocol) -> LimitsView {
    let bounds = |quantity| {
        let limits = protocol.limits(quantity);
        limits.map(bounds_view).unwrap_or_default()
    };
    LimitsView {
        needle_depth_um: bounds(Limited::NeedleDepth),
        volume_nl: bounds(Limited::VolumePerPoint),
        rate_mhz: protocol
            .limits(Limited::ShotRate)
            .map(rate_bounds)
            .unwrap_or_default(),
        session_volume_nl: bounds(Limited::SessionVolume),
    }
}

fn bounds_view(limits: &Limits) -> BoundsView {
    BoundsView {
        hard_min: limits.hard_min,
        soft_min: limits.soft_min,
        soft_max: limits.soft_max,
        hard_max: limits.hard_max,
    }
}

/// Limits of an interval in µs as limits of a rate in thousandths of a hertz: the shortest
/// interval is the highest rate.
fn rate_bounds(limits: &Limits) -> BoundsView {
    let rate = |interval: Option<i64>| interval.filter(|us| *us > 0).map(|us| 1_000_000_000 / us);
    BoundsView {
        hard_min: rate(limits.hard_max),
        soft_min: rate(limits.soft_max),
        soft_max: rate(limits.soft_min),
        hard_max: rate(limits.hard_min),
    }
}

/// A day by its number since 1970-01-01.
pub(super) fn day_view(row: &DayRow) -> DayView {
    DayView {
        day: day_name(row.day),
        session_count: row.session_count,
        clean_session_count: row.clean_session_count,
        shot_count: row.shot_count,
        volume_nl: row.volume_nl,
        hard_count: row.hard_count,
        soft_count: row.soft_count,
    }
}

fn day_name(day: i64) -> String {
    let first = jiff::civil::date(1970, 1, 1);
    first
        .checked_add(jiff::Span::new().days(day))
        .map_or_else(|_| String::new(), |date| date.to_string())
}

/// A room that works by an older release.
pub(super) fn lagging_view(room: &LaggingRoom) -> LaggingRoomView {
    LaggingRoomView {
        clinic: room.clinic.to_string(),
        driver: room.driver.to_string(),
        library_version: room.library,
        since_ms: room.since.unix_ms(),
    }
}

/// The word of a state in the store.
pub(super) const fn state_word(state: AlertState) -> &'static str {
    match state {
        AlertState::Acknowledged => "acknowledged",
        AlertState::Latched => "latched",
        AlertState::Resolved => "resolved",
        AlertState::Merged => "merged",
        _ => "open",
    }
}

/// Which release is in force, for the log line at the start.
pub(super) fn release_text(library: Option<&Library>, is_single_signer: bool) -> String {
    library.map_or_else(
        || "none: only the general limits hold".to_owned(),
        |library| {
            let LibraryVersion(version) = library.version();
            match is_single_signer {
                true => format!("release {version}, single-signer mode"),
                false => format!("release {version}"),
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_the_name_that_calendars_use() {
        assert_eq!(day_name(0), "1970-01-01");
        assert_eq!(day_name(20_000), "2024-10-04");
        assert_eq!(day_name(-1), "1969-12-31");
    }

    #[test]
    fn the_shortest_interval_is_the_highest_rate() {
        let limits = Limits {
            hard_min: Some(111_111),
            ..Limits::default()
        };
        assert_eq!(rate_bounds(&limits).hard_max, Some(9_000));
        assert_eq!(rate_bounds(&limits).hard_min, None);
    }
}
