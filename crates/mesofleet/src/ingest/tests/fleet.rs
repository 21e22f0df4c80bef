//! What is wrong with the fleet itself.

use std::sync::Arc;

use meso_alerts::{Alert, AlertState, FleetCause, Subject};
use meso_contract::{DriverStatusMessage, GunStatusMessage, PAYLOAD_VERSION};
use meso_limits::{Library, assemble_release};
use meso_units::{DriverId, GunSerial};

use super::*;

pub(super) const SEEN: Look = Look {
    is_connected: true,
    disk_free_mib: Some(100_000),
    channel_failing_s: Some(0),
    lacking_blocks: 0,
};

fn second(seconds: i64) -> Timestamp {
    at(2_000 + seconds)
}

pub(super) fn gun_status(change: impl FnOnce(&mut GunStatusMessage)) -> Arrival {
    let mut status = GunStatusMessage {
        version: PAYLOAD_VERSION,
        attached: true,
        at_ms: 0,
        model: String::new(),
        firmware: String::new(),
        battery_percent: None,
        journalled_counter: 0,
        backlog_shots: 0,
        bad_frames: 0,
        skipped_bytes: 0,
        quarantined_frames: 0,
        inhibited: false,
        completeness: None,
        interlock: None,
        clock_drift_ppm: None,
        clock_trusted: Some(true),
        library_version: Some(0),
    };
    change(&mut status);
    Arrival::Gun {
        clinic: sample_clinic(),
        driver: sample_driver(),
        serial: sample_gun(),
        status: Box::new(status),
    }
}

pub(super) fn driver_status(online: bool) -> Arrival {
    Arrival::Driver {
        clinic: sample_clinic(),
        driver: sample_driver(),
        status: DriverStatusMessage {
            version: PAYLOAD_VERSION,
            online,
            program_version: String::new(),
            incarnation: "0000000000000abc".to_owned(),
            start_id: String::new(),
            journal_problem: None,
        },
    }
}

impl Bench {
    pub(super) fn hear(&mut self, arrival: Arrival, seconds: i64) {
        self.ingest().hear(&arrival, second(seconds));
    }

    /// One look a second, from one second to another.
    pub(super) fn look(&mut self, seconds: std::ops::RangeInclusive<i64>, look: Look) -> Committed {
        let mut last = Committed::default();
        for seconds in seconds {
            last = self.take(|ingest| ingest.prepare_tick(second(seconds), look));
        }
        last
    }

    /// Every alert of the fleet itself, by cause.
    pub(super) fn fleet_alerts(&mut self) -> Vec<(FleetCause, Alert)> {
        let reader = self.store().read();
        let rows = reader
            .alerts(&meso_store::AlertSelection::default(), 99)
            .unwrap();
        let alerts = rows
            .iter()
            .map(|row| Alert::from_canonical(&row.body).unwrap());
        let of_fleet = alerts.filter_map(|alert| match &alert.key.subject {
            Subject::Fleet { cause, .. } => Some((*cause, alert)),
            Subject::Breach { .. } => None,
        });
        of_fleet.collect()
    }

    #[track_caller]
    pub(super) fn assert_only(&mut self, cause: FleetCause, state: AlertState) -> Alert {
        let mut alerts = self.fleet_alerts();
        let all: Vec<_> = alerts.iter().map(|(cause, a)| (*cause, a.state)).collect();
        assert_eq!(all, [(cause, state)]);
        alerts.remove(0).1
    }
}

#[test]
fn a_gun_of_which_its_driver_says_nothing_is_silent_until_it_speaks() {
    let mut bench = Bench::new();
    bench.hear(driver_status(true), 0);
    bench.hear(gun_status(|_| {}), 0);
    bench.look(1..=179, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    bench.look(180..=200, SEEN);
    let alert = bench.assert_only(FleetCause::GunSilent, AlertState::Open);
    assert_eq!(alert.first.value, 180);
    bench.hear(gun_status(|_| {}), 201);
    bench.look(201..=201, SEEN);
    bench.assert_only(FleetCause::GunSilent, AlertState::Resolved);
}

#[test]
fn without_a_broker_everybody_is_silent_and_nobody_at_fault() {
    let mut bench = Bench::new();
    bench.hear(driver_status(true), 0);
    bench.hear(gun_status(|_| {}), 0);
    let deaf = Look {
        is_connected: false,
        ..SEEN
    };
    bench.look(1..=400, deaf);
    bench.look(401..=500, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    // The computer slept for an hour.
    bench.look(4_100..=4_200, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    bench.look(4_201..=4_300, SEEN);
    bench.assert_only(FleetCause::GunSilent, AlertState::Open);
    // What was silent before the broker went is not well because nothing is heard any more.
    bench.look(4_301..=4_310, deaf);
    bench.assert_only(FleetCause::GunSilent, AlertState::Open);
}

#[test]
fn a_driver_is_missed_only_while_its_guns_were_plugged_in() {
    let mut bench = Bench::new();
    bench.hear(gun_status(|status| status.attached = false), 0);
    bench.hear(driver_status(false), 0);
    bench.look(1..=300, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    bench.hear(driver_status(true), 301);
    bench.hear(gun_status(|_| {}), 301);
    bench.hear(driver_status(false), 310);
    bench.look(311..=430, SEEN);
    let alert = bench.assert_only(FleetCause::DriverSilent, AlertState::Open);
    assert_eq!(alert.key.subject.driver(), Some(&sample_driver()));
    bench.hear(driver_status(true), 431);
    bench.look(431..=431, SEEN);
    bench.assert_only(FleetCause::DriverSilent, AlertState::Resolved);
}

#[test]
fn after_a_restart_an_alert_stays_open_until_what_it_is_about_is_heard_of() {
    let mut bench = Bench::new();
    bench.hear(driver_status(true), 0);
    bench.hear(gun_status(|_| {}), 0);
    bench.hear(driver_status(false), 1);
    bench.look(2..=130, SEEN);
    let before = bench.assert_only(FleetCause::DriverSilent, AlertState::Open);
    bench.restart();
    bench.look(131..=140, SEEN);
    let after = bench.assert_only(FleetCause::DriverSilent, AlertState::Open);
    assert_eq!(after.id, before.id);
    // The broker keeps what was said last.
    bench.hear(driver_status(false), 141);
    bench.hear(gun_status(|_| {}), 141);
    bench.look(141..=300, SEEN);
    let after = bench.assert_only(FleetCause::DriverSilent, AlertState::Open);
    assert_eq!(after.id, before.id);
    bench.hear(driver_status(true), 301);
    bench.look(301..=301, SEEN);
    bench.assert_only(FleetCause::DriverSilent, AlertState::Resolved);
}

#[test]
fn a_clock_a_journal_and_a_gun_that_cannot_be_stopped_are_told_and_end() {
    let mut bench = Bench::new();
    bench.hear(driver_status(true), 0);
    bench.hear(gun_status(|status| status.clock_trusted = Some(false)), 0);
    bench.look(1..=60, SEEN);
    bench.assert_only(FleetCause::ClockUntrusted, AlertState::Open);
    bench.hear(gun_status(|_| {}), 61);
    bench.look(61..=61, SEEN);
    bench.assert_only(FleetCause::ClockUntrusted, AlertState::Resolved);

    let mut bench = Bench::new();
    bench.hear(gun_status(|status| status.backlog_shots = 5_000), 0);
    bench.look(1..=1, SEEN);
    bench.assert_only(FleetCause::JournalFilling, AlertState::Open);
    bench.hear(gun_status(|status| status.backlog_shots = 4_999), 2);
    bench.look(2..=2, SEEN);
    bench.assert_only(FleetCause::JournalFilling, AlertState::Open);
    bench.hear(gun_status(|status| status.backlog_shots = 2_500), 3);
    bench.look(3..=3, SEEN);
    bench.assert_only(FleetCause::JournalFilling, AlertState::Resolved);

    let mut bench = Bench::new();
    let failed = meso_contract::room::RoomInterlockBody {
        state: "failed".to_owned(),
        cause: "needle depth".to_owned(),
        problem: None,
    };
    bench.hear(gun_status(|status| status.interlock = Some(failed)), 0);
    let committed = bench.look(1..=1, SEEN);
    let alert = bench.assert_only(FleetCause::GunCannotBeStopped, AlertState::Open);
    assert!(alert.text().contains("this gun cannot be stopped"));
    assert_eq!(committed.gun_alerts[0].gun, sample_gun());
    assert_eq!(committed.gun_alerts[0].message.alerts[0].severity, "hard");
    bench.hear(gun_status(|_| {}), 2);
    let committed = bench.look(2..=2, SEEN);
    bench.assert_only(FleetCause::GunCannotBeStopped, AlertState::Latched);
    assert_eq!(committed.gun_alerts[0].message.alerts[0].state, "latched");
}

#[test]
fn a_journal_that_cannot_be_written_is_told_at_once_and_ends_when_its_driver_says_so() {
    let mut bench = Bench::new();
    let unwritable = || {
        let mut arrival = driver_status(true);
        if let Arrival::Driver { status, .. } = &mut arrival {
            status.journal_problem = Some("disk read-only".to_owned());
        }
        arrival
    };
    bench.hear(driver_status(true), 0);
    bench.look(1..=1, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    bench.hear(unwritable(), 2);
    bench.look(2..=2, SEEN);
    let alert = bench.assert_only(FleetCause::JournalUnwritable, AlertState::Open);
    assert_eq!(alert.key.subject.driver(), Some(&sample_driver()));
    assert!(alert.text().contains("see to the disk"), "{}", alert.text());
    // A driver that goes has not mended its disk.
    bench.hear(driver_status(false), 3);
    bench.look(3..=9, SEEN);
    bench.assert_only(FleetCause::JournalUnwritable, AlertState::Open);
    bench.hear(driver_status(true), 10);
    bench.look(10..=10, SEEN);
    // It was a hard one, and nobody has seen it.
    bench.assert_only(FleetCause::JournalUnwritable, AlertState::Latched);
}

#[test]
fn a_room_that_lags_is_named_with_since_when_also_after_a_restart() {
    let protocol = include_str!("../../../../../config/protocols/hair-scalp.toml");
    let packs = include_str!("../../../../../config/protocols/packs.toml");
    let text = assemble_release(7, true, &[protocol, packs]);
    let library = Arc::new(Library::parse(&text).unwrap());
    let mut bench = Bench::new();
    bench.ingest().options.library = Some(Arc::clone(&library));
    let judges_by = |release| gun_status(|status| status.library_version = Some(release));
    bench.hear(judges_by(6), 0);
    let lagging = bench.look(1..=1, SEEN).news.lagging_rooms.unwrap();
    assert_eq!(lagging[0].driver, sample_driver());
    assert_eq!((lagging[0].library, lagging[0].since), (Some(6), second(0)));
    bench.look(2..=3_599, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    bench.look(3_600..=3_600, SEEN);
    bench.assert_only(FleetCause::LibraryLag, AlertState::Open);
    bench.restart();
    bench.ingest().options.library = Some(library);
    bench.hear(judges_by(6), 3_700);
    let lagging = bench.look(3_701..=3_701, SEEN).news.lagging_rooms.unwrap();
    assert_eq!(lagging[0].since, second(0));
    bench.hear(judges_by(7), 3_800);
    let lagging = bench.look(3_800..=3_800, SEEN).news.lagging_rooms.unwrap();
    assert!(lagging.is_empty());
    bench.assert_only(FleetCause::LibraryLag, AlertState::Resolved);
}

#[test]
fn a_full_disk_and_a_channel_that_fails_are_told_of_the_server_itself() {
    let mut bench = Bench::new();
    let full = Look {
        disk_free_mib: Some(1_000),
        ..SEEN
    };
    bench.look(1..=3, full);
    let alert = bench.assert_only(FleetCause::DiskNearlyFull, AlertState::Open);
    assert_eq!((alert.worst.value(), alert.worst.limit()), (1_000, 1_024));
    let hardly = Look {
        disk_free_mib: Some(1_030),
        ..SEEN
    };
    bench.look(4..=4, hardly);
    bench.assert_only(FleetCause::DiskNearlyFull, AlertState::Open);
    bench.look(5..=5, SEEN);
    bench.assert_only(FleetCause::DiskNearlyFull, AlertState::Latched);

    let mut bench = Bench::new();
    let fails = |seconds| Look {
        channel_failing_s: seconds,
        ..SEEN
    };
    bench.look(1..=1, fails(Some(299)));
    assert!(bench.fleet_alerts().is_empty());
    bench.look(2..=2, fails(Some(300)));
    bench.look(3..=3, fails(None));
    bench.assert_only(FleetCause::ChannelFailing, AlertState::Open);
    bench.look(4..=4, fails(Some(0)));
    bench.assert_only(FleetCause::ChannelFailing, AlertState::Resolved);
}

#[test]
fn blocks_that_lack_shots_are_told_of_once_and_stay_until_somebody_has_seen_it() {
    let mut bench = Bench::new();
    let lacks = |lacking_blocks| Look {
        lacking_blocks,
        ..SEEN
    };
    bench.look(1..=3, lacks(2));
    let alert = bench.assert_only(FleetCause::ShotsGone, AlertState::Open);
    assert_eq!((alert.worst.value(), alert.shot_count), (2, 1));
    bench.look(4..=5, lacks(5));
    let alert = bench.assert_only(FleetCause::ShotsGone, AlertState::Open);
    assert_eq!((alert.worst.value(), alert.shot_count), (3, 2));
}

#[test]
fn shots_that_are_awaited_for_too_long_or_declared_gone_are_told() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    bench.deliver(&[driver.run(1, 2, None), driver.run(5, 6, None)]);
    bench.look(1..=899, SEEN);
    assert!(bench.fleet_alerts().is_empty());
    bench.look(900..=905, SEEN);
    let alert = bench.assert_only(FleetCause::GapAwaited, AlertState::Open);
    assert_eq!(alert.key.subject.gun(), Some(&sample_gun()));
    bench.deliver(&[driver.gap(3, 4)]);
    bench.look(906..=906, SEEN);
    let states: Vec<_> = bench
        .fleet_alerts()
        .into_iter()
        .map(|(cause, alert)| (cause, alert.state, alert.worst.value()))
        .collect();
    assert!(states.contains(&(FleetCause::GapAwaited, AlertState::Resolved, 900)));
    assert!(states.contains(&(FleetCause::GapDeclared, AlertState::Open, 2)));
}

#[test]
fn a_record_that_contradicts_another_is_told_once_however_often_it_comes() {
    let mut bench = Bench::new();
    bench.deliver(&[PaperDriver::new().run(1, 4, None)]);
    let mut other_room = PaperDriver::new();
    other_room.incarnation = meso_units::JournalIncarnation(0xdef);
    let conflicting = other_room.shots(vec![sample_shot(2, 3_333)], None);
    bench.deliver(&[conflicting]);
    let alert = bench.assert_only(FleetCause::Conflict, AlertState::Open);
    assert_eq!(alert.key.subject.gun(), Some(&sample_gun()));
    let mut third = PaperDriver::new();
    third.incarnation = meso_units::JournalIncarnation(0x123);
    bench.deliver(&[third.shots(vec![sample_shot(2, 3_333)], None)]);
    let alert = bench.assert_only(FleetCause::Conflict, AlertState::Open);
    assert_eq!(alert.shot_count, 1, "the same bytes again are no news");
}

#[test]
fn bytes_of_strangers_are_one_alert_without_their_names() {
    let mut bench = Bench::new();
    for number in 0..5 {
        let topic = format!("mesofleet/v1/stranger-{number}/room-1/status");
        let arrival = Arrival::read(&topic, format!("{number}").as_bytes(), now());
        bench.ingest().commit(vec![arrival], now()).unwrap();
    }
    let alert = bench.assert_only(FleetCause::Quarantine, AlertState::Open);
    assert_eq!((alert.shot_count, alert.clinic), (5, sample_clinic()));
    assert_eq!(alert.key.subject.driver(), None::<&DriverId>);
    assert_eq!(alert.key.subject.gun(), None::<&GunSerial>);
}
