//! Alerts of the fleet itself.

use meso_alerts::{Alert, AlertState, Alerts, FleetCause, Observation};
use meso_domain::canonical::Canonical as _;
use meso_units::{ClinicId, DriverId, GunSerial};

use crate::world::*;

fn observation(cause: FleetCause, value: i64, limit: i64) -> Observation {
    Observation {
        cause,
        clinic: ClinicId::parse("clinic").unwrap(),
        driver: Some(DriverId::parse("room-1").unwrap()),
        gun: None,
        value,
        limit,
    }
}

#[test]
fn a_driver_that_is_silent_is_one_alert_until_it_speaks_again() {
    let mut alerts = Alerts::default();
    let silent = observation(FleetCause::DriverSilent, 130, 120);
    assert_eq!(kinds(&alerts.observe(&silent, at(1_000))), ["opened"]);
    assert!(alerts.observe(&silent, at(2_000)).changed.is_empty());
    let text = only(&alerts).text();
    assert!(
        text.starts_with("driver silent (room room-1): 130 s, the limit is 120 s:"),
        "{text}"
    );
    let doubled = observation(FleetCause::DriverSilent, 260, 120);
    assert_eq!(kinds(&alerts.observe(&doubled, at(3_000))), ["counted"]);
    let well = alerts.well_again(&silent.subject(), at(4_000));
    assert_eq!(kinds(&well), ["resolved"]);
    assert!(
        alerts
            .well_again(&silent.subject(), at(5_000))
            .changed
            .is_empty()
    );
    assert_eq!(kinds(&alerts.observe(&silent, at(6_000))), ["opened"]);
    assert_eq!(alerts.alerts().count(), 2);
    assert_alerts_sound(&alerts);
}

#[test]
fn what_lasts_does_not_end_because_nobody_speaks_of_it() {
    let mut alerts = Alerts::default();
    alerts.observe(&observation(FleetCause::LibraryLag, 7_200, 3_600), at(0));
    let hour_ms = 3_600_000;
    assert!(!kinds(&alerts.tick(at(hour_ms))).contains(&"resolved"));
}

#[test]
fn what_happens_is_counted_and_over_after_half_an_hour() {
    let mut alerts = Alerts::default();
    let refused = observation(FleetCause::Quarantine, 1, 0);
    alerts.observe(&refused, at(0));
    alerts.observe(&refused, at(500));
    assert_eq!(only(&alerts).shot_count, 2);
    let quiet_ms = Alerts::QUIET_NS / 1_000_000;
    let outcome = alerts.tick(at(500 + quiet_ms + 1));
    assert_eq!(kinds(&outcome), ["counted", "resolved"]);
}

#[test]
fn a_gun_that_cannot_be_stopped_is_hard_and_stays_until_somebody_has_seen_it() {
    let mut alerts = Alerts::default();
    let mut unstoppable = observation(FleetCause::GunCannotBeStopped, 1, 0);
    unstoppable.gun = Some(GunSerial::parse("GUN-0007").unwrap());
    alerts.observe(&unstoppable, at(0));
    let text = only(&alerts).text();
    assert!(text.contains("this gun cannot be stopped"), "{text}");
    let outcome = alerts.well_again(&unstoppable.subject(), at(1_000));
    assert_eq!(kinds(&outcome), ["latched"]);
    let id = only(&alerts).id;
    let outcome = alerts.acknowledge(id, &operator(), at(2_000)).unwrap();
    assert_eq!(kinds(&outcome), ["acknowledged", "resolved"]);
}

#[test]
fn alerts_of_the_fleet_come_back_from_their_bytes() {
    let mut alerts = Alerts::default();
    for cause in FleetCause::all() {
        alerts.observe(&observation(cause, 5, 3), at(1_000));
    }
    assert_eq!(alerts.alerts().count(), FleetCause::all().count());
    for alert in alerts.alerts() {
        let back = Alert::from_canonical(&alert.canonical_bytes());
        assert_eq!(back.as_ref(), Ok(alert));
        assert_eq!(alert.state, AlertState::Open);
    }
    let subjects = alerts.fleet_subjects().count();
    assert_eq!(subjects, FleetCause::all().count());
}
