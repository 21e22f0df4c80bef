//! The daemon as a process, with an emulated gun behind a pseudo-terminal, a real broker, and an
//! ingest played by the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "helpers of tests may fail loudly"
)]

mod commands;
mod computers;
#[cfg(target_os = "linux")]
mod disks;
mod guns;
mod harness;
mod languages;

use harness::Room;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fired_shot_arrives_once_with_its_segment_and_measured_values() {
    let mut room = Room::start().await;
    room.fire_until(30).await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    assert!(room.ingest.session_event_count() >= 2, "opened and segment");
    assert!(room.ingest.patient_shots_all_have_a_segment());
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_killed_goes_on_with_nothing_lost_and_nothing_doubled() {
    let mut room = Room::start().await;
    for shots in [6, 14, 22] {
        room.fire_until(shots).await;
        room.kill_driver();
        room.start_driver().await;
    }
    room.fire_until(30).await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shots_wait_in_the_journal_while_the_broker_is_away_and_arrive_afterwards() {
    let mut room = Room::start().await;
    room.fire_until(10).await;
    room.stop_broker().await;
    room.wait_until_fired(16).await;
    room.kill_driver();
    room.start_driver_without_broker();
    room.wait_until_fired(24).await;
    room.start_broker().await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_ingest_gets_the_blocks_that_the_last_one_took_along() {
    let mut room = Room::start().await;
    room.fire_until(10).await;
    room.ingest.lose_blocks_and_restart(3);
    room.fire_until(25).await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[test]
fn a_wrong_configuration_is_told_in_one_go_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("driver.toml");
    std::fs::write(
        &config,
        "version = 1\n[driver]\nid = \"ROOM 1\"\ncolour = 3\n",
    )
    .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mesofleet-driver"))
        .args(["run", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for word in ["ROOM 1", "colour", "clinic", "data_dir"] {
        assert!(text.contains(word), "{word} is missing in: {text}");
    }
}
