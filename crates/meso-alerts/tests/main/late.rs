//! What judging a session again finds is an alert, or the worsening of one.

use meso_alerts::{AlertState, Alerts, LateBreach, Outcome};
use meso_domain::{Bound, Finding, NotCheckable, Rule, Severity};
use meso_units::{ClinicId, GunSerial, LibraryVersion};

use crate::world::*;

fn late(alerts: &mut Alerts, at_ms: i64, finding: Finding) -> Outcome {
    alerts.late(&LateBreach {
        clinic: &ClinicId::parse("clinic").unwrap(),
        gun: &GunSerial::parse("GUN-0001").unwrap(),
        session: SESSION,
        at: at(at_ms),
        library: Some(LibraryVersion(7)),
        finding,
    })
}

const fn volume(severity: Severity, value: i64) -> Finding {
    Finding {
        rule: Rule::SessionVolume,
        severity,
        bound: Some(Bound::Maximum),
        value,
        limit: 5_000_000,
        reason: None,
    }
}

#[test]
fn a_late_breach_opens_one_alert_however_often_it_is_found() {
    let mut alerts = Alerts::default();
    give(&mut alerts, &[Sample::clean(1, 100)]);
    let outcome = late(&mut alerts, 100, volume(Severity::Hard, 6_000_000));
    assert_eq!(kinds(&outcome), ["opened"]);
    let again = late(&mut alerts, 100, volume(Severity::Hard, 6_000_000));
    assert_eq!(again, Outcome::default());
    let alert = only(&alerts);
    assert_eq!((alert.severity, alert.first.shot), (Severity::Hard, None));
    alerts.session_ended(SESSION, at(9_000));
    assert_eq!(
        only(&alerts).state,
        AlertState::Latched,
        "nobody has seen it"
    );
}

#[test]
fn a_late_breach_worsens_the_alert_that_is_there() {
    let mut alerts = Alerts::default();
    let soft = Sample {
        findings: vec![volume(Severity::Soft, 5_500_000)],
        ..Sample::clean(1, 100)
    };
    give(&mut alerts, &[soft]);
    let outcome = late(&mut alerts, 100, volume(Severity::Hard, 9_000_000));
    assert_eq!(kinds(&outcome), ["worsened"]);
    let lesser = late(&mut alerts, 100, volume(Severity::Soft, 5_100_000));
    assert_eq!(lesser, Outcome::default());
    let alert = only(&alerts);
    assert_eq!((alert.severity, alert.shot_count), (Severity::Hard, 1));
}

#[test]
fn what_is_no_breach_any_more_or_cannot_be_checked_raises_nothing() {
    let mut alerts = Alerts::default();
    let unknown = Finding {
        severity: Severity::NotCheckable,
        bound: None,
        reason: Some(NotCheckable::HistoryMissing),
        ..volume(Severity::Soft, 0)
    };
    assert_eq!(late(&mut alerts, 100, unknown), Outcome::default());
    assert_eq!(alerts.alerts().count(), 0);
}
