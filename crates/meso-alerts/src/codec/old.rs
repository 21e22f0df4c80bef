//! What was written before episodes could merge, and still decodes.

use meso_domain::canonical::{CanonicalError, Decoder};
use meso_domain::{Rule, Severity, ShotIdentity};
use meso_units::{ClinicId, Epoch, ShotCounter};

use super::{read_finding, read_gun, read_person, read_seen, unknown};
use crate::{Alert, AlertId, AlertKey, AlertState, RuleTrack, Sighting, Subject, Track, Worst};

/// The kind that alerts had.
pub(super) const ALERT_KIND: u8 = 25;

/// The kind that tracks had.
pub(super) const TRACK_KIND: u8 = 26;

/// Reads a whole record of the old kind or the new one; `read` is told whether it is old.
pub(super) fn whole<T>(
    bytes: &[u8],
    old: u8,
    new: u8,
    read: impl FnOnce(&mut Decoder<'_>, bool) -> Result<T, CanonicalError>,
) -> Result<T, CanonicalError> {
    let mut decoder = Decoder::new(bytes);
    let (kind, version) = (decoder.u8()?, decoder.u8()?);
    if (kind != old && kind != new) || version != 1 {
        return Err(CanonicalError::WrongKind {
            kind,
            version,
            expected: new,
        });
    }
    let record = read(&mut decoder, kind == old)?;
    decoder.finish()?;
    Ok(record)
}

/// An alert of the old kind. It did not say which release judged it, when its first shot was other
/// than when it opened, nor the value of its last.
pub(super) fn alert(decoder: &mut Decoder<'_>) -> Result<Alert, CanonicalError> {
    let rule = Rule::from_code(decoder.u8()?)?;
    let (gun, session) = read_gun(decoder)?;
    let episode = decoder.u32()?;
    let clinic = ClinicId::parse(decoder.text("clinic")?)?;
    let severity = Severity::from_code(decoder.u8()?)?;
    let state = match decoder.u8()? {
        1 => AlertState::Open,
        2 => AlertState::Acknowledged,
        3 => AlertState::Resolved,
        code => return Err(unknown("alert state", code)),
    };
    let shot_count = decoder.u64()?;
    let first_shot = ShotIdentity {
        gun: gun.clone(),
        epoch: Epoch(decoder.u64()?),
        counter: ShotCounter(decoder.u32()?),
    };
    let last_at = decoder.timestamp()?;
    let finding = read_finding(decoder, rule)?;
    let opened_at = decoder.timestamp()?;
    let changed_at = decoder.timestamp()?;
    let acknowledged_by = decoder.option(read_person)?;
    let breach_over_at = decoder.option(Decoder::timestamp)?;
    let subject = Subject::Breach { rule, gun, session };
    let key = AlertKey { subject, episode };
    let mut alert = Alert {
        id: AlertId::of(&key),
        key,
        clinic,
        severity,
        state,
        shot_count,
        first: Sighting {
            at: opened_at,
            shot: Some(first_shot),
            value: finding.value,
        },
        last: Sighting {
            at: last_at,
            shot: None,
            value: finding.value,
        },
        worst: Worst::Breach {
            finding,
            library: None,
        },
        opened_at,
        changed_at,
        acknowledged_at: acknowledged_by.is_some().then_some(changed_at),
        acknowledged_by,
        breach_over_at,
        closed_at: breach_over_at.map(|at| at.max(last_at)),
        merged_into: None,
        silenced_until: None,
        waiting_since: None,
        escalated_at: None,
        transition_count: 0,
        told_count: shot_count,
        told_at: changed_at,
    };
    if alert.state == AlertState::Open && alert.breach_over_at.is_some() {
        alert.state = AlertState::Latched;
    }
    Ok(alert)
}

/// A track of the old kind. When each rule last passed is not known, so that an alert that goes on
/// ends with the next shot that passes, with its session or when it is quiet.
pub(super) fn track(decoder: &mut Decoder<'_>) -> Result<Track, CanonicalError> {
    let (gun, session) = read_gun(decoder)?;
    let mut track = Track {
        gun,
        session,
        seen: read_seen(decoder)?,
        ended_at: decoder.option(Decoder::timestamp)?,
        active_at: decoder.timestamp()?,
        rules: decoder.list("rules", |d| {
            let rule = Rule::from_code(d.u8()?)?;
            let episode = d.u32()?;
            // When a count was last given out, and what was held back: not needed any more.
            d.timestamp()?;
            d.u64()?;
            Ok(RuleTrack {
                rule,
                episode,
                clean_at: None,
            })
        })?,
    };
    track.rules.sort_by_key(|of_rule| of_rule.rule);
    Ok(track)
}
