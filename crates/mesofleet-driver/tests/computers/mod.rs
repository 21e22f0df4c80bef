//! More than one computer: after one port, one after the other, and one in the other's place.

use crate::commands::driver;
use crate::harness::{Room, in_time};

/// What ends a driver whose place another computer has taken.
const EXIT_REPLACED: i32 = 3;

async fn command(words: Vec<String>) -> crate::commands::Answer {
    tokio::task::spawn_blocking(move || driver(words))
        .await
        .unwrap()
}

fn words(first: &[&str], rest: Vec<String>) -> Vec<String> {
    let first = first.iter().map(|word| (*word).to_owned());
    first.chain(rest).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_driver_after_the_same_port_is_refused_and_shown_and_takes_no_shot() {
    let mut room = Room::start().await;
    room.fire_until(4).await;
    room.write_second_config();
    let mut second = room.spawn_driver("second.toml", "data2");
    let state = room
        .state_until("data2", |state| {
            state["port_problems"]["GUN-0001"].is_string()
        })
        .await;
    assert_eq!(state["guns"], serde_json::json!([]), "{state}");
    room.fire_until(12).await;
    second.kill().unwrap();
    second.wait().unwrap();
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    assert_eq!(room.ingest.again_count(), 0, "one driver brought them all");
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gun_that_is_carried_to_another_computer_has_each_shot_once_whoever_brings_it() {
    let mut room = Room::start().await;
    room.fire_until(6).await;
    room.stop_broker().await;
    room.wait_until_fired(12).await;
    room.kill_driver();
    room.start_broker().await;
    room.write_second_config();
    let second = room.spawn_driver("second.toml", "data2");
    // The second computer reads from the gun what the first one holds and could not send.
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    let first = room.spawn_driver("driver.toml", "data");
    room.state_until("data", |state| {
        state["broker_connected"] == true
            && state["unsettled_block_count"] == 0
            && state["unsealed_record_count"] == 0
    })
    .await;
    room.assert_stored_as_fired();
    assert!(room.ingest.again_count() >= 6, "both brought them");
    for mut driver in [first, second] {
        driver.kill().unwrap();
        driver.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_computer_takes_the_old_ones_place_and_the_old_one_never_runs_beside_it() {
    let mut room = Room::start().await;
    room.fire_until(8).await;
    let options = room.options("driver.toml", "data2");
    let replace = |more: &[&str]| {
        let first = [&["replace", "--json"], more].concat();
        command(words(&first, options.clone()))
    };
    let running = replace(&["--yes"]).await;
    running.assert_code(1);
    assert!(running.err.contains("connected now"), "{running:?}");
    room.kill_driver();
    let planned = in_time(async {
        loop {
            // The broker may take a moment to notice the death.
            let planned = replace(&["--dry-run"]).await;
            if planned.code == Some(0) {
                return planned.json();
            }
        }
    })
    .await;
    assert!(planned["incarnation"].is_null(), "{planned}");
    assert!(!room.path("data2").exists(), "a plan changes nothing");
    let done = replace(&["--yes"]).await.assert_code(0).json();
    assert_eq!(done["replaced"], planned["replaced"]);
    assert_ne!(done["incarnation"], done["replaced"][0]);

    let new = room.spawn_driver("driver.toml", "data2");
    room.adopt(new, "data2");
    room.stop_firing_and_settle().await;
    room.state_until("data2", |state| state["unsettled_block_count"] == 0)
        .await;
    room.assert_stored_as_fired();
    assert!(
        room.ingest.again_count() >= 8,
        "read once more from the gun"
    );

    let mut old = room.spawn_driver("driver.toml", "data");
    let ended = tokio::task::spawn_blocking(move || old.wait().unwrap());
    let ended = in_time(ended).await.unwrap();
    assert_eq!(ended.code(), Some(EXIT_REPLACED));
    room.state_until("data2", |state| state["broker_connected"] == true)
        .await;
    room.assert_stored_as_fired();
    room.leave().await;
}
