//! Guns that are stopped, and guns that prove who they are.

use meso_testkit::gun::plan::Breach;

use crate::commands::driver;
use crate::harness::{Room, Setup};

fn key(byte: &str) -> String {
    byte.repeat(32)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shot_beyond_a_hard_limit_stops_the_gun_until_a_person_resumes_it() {
    let mut room = Room::start_with(Setup {
        more: "[interlock]\nenabled = true\n",
        breach: Breach::TooDeep,
        ..Setup::default()
    })
    .await;
    room.fire_until_state(|state| {
        state["guns"][0]["inhibited"] == true
            && state["guns"][0]["interlock"]["state"] == "inhibited"
    })
    .await;
    let fired = room.fired();
    // The driver goes round several times, and no further shot comes.
    for _ in 0..3 {
        let state = room.state_until("data", |_| true).await;
        let cause = state["guns"][0]["interlock"]["cause"].to_string();
        assert!(cause.contains("hard limit"), "{state}");
    }
    assert_eq!(room.fired(), fired, "it is stopped");
    let data = room.data_folder().display().to_string();
    let resume = [
        "resume",
        "GUN-0001",
        "--operator",
        "op-1",
        "--reason",
        "depth was set right",
        "--data-dir",
        &data,
    ];
    driver(resume).assert_code(0);
    room.wait_until_fired(fired + 1).await;
    let inspected = driver(["journal", "inspect", "--json", "--data-dir", &data]).json();
    let resumed = &inspected["resumes"][0];
    assert_eq!(resumed["operator"], "op-1", "{inspected}");
    assert_eq!(resumed["reason"], "depth was set right");
    assert!(resumed["cause"].to_string().contains("hard limit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gun_that_proves_its_key_is_taken_and_shown_as_authentic() {
    let mut room = Room::start_with(Setup {
        gun_key: Some(key("ab")),
        driver_key: Some(key("ab")),
        ..Setup::default()
    })
    .await;
    room.fire_until(6).await;
    let state = room.state_until("data", |_| true).await;
    assert_eq!(state["guns"][0]["authentic"], true, "{state}");
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gun_with_another_key_one_without_and_one_that_is_not_known_are_refused_and_shown() {
    for (gun_key, driver_key) in [
        (Some(key("ab")), Some(key("cd"))),
        (None, Some(key("cd"))),
        (Some(key("ab")), None),
    ] {
        let room = Room::start_with(Setup {
            gun_key,
            driver_key,
            ..Setup::default()
        })
        .await;
        let state = room
            .state_until("data", |state| state["guns"][0]["refused"].is_string())
            .await;
        assert_eq!(state["guns"][0]["attached"], false, "{state}");
        assert_eq!(state["guns"][0]["journalled_counter"], 0);
        assert!(!state.to_string().contains("abab"), "no key is shown");
        room.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gun_without_a_key_is_refused_where_only_authentic_ones_are_taken() {
    let room = Room::start_with(Setup {
        more: "[link]\nonly_authentic = true\n",
        ..Setup::default()
    })
    .await;
    room.state_until("data", |state| state["guns"][0]["refused"].is_string())
        .await;
    room.leave().await;
}

/// Has operator op-2 stop the gun; says how many shots it has fired by then.
pub async fn stop_gun(room: &mut Room) -> usize {
    let data = room.data_folder().display().to_string();
    let stop = ["gun", "stop", "GUN-0001", "--operator", "op-2"];
    driver([&stop[..], &["--data-dir", &data]].concat()).assert_code(0);
    room.state_until("data", |state| state["guns"][0]["inhibited"] == true)
        .await;
    room.fired()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_stops_a_gun_from_the_command_line_with_the_interlock_off() {
    let mut room = Room::start().await;
    room.fire_until(3).await;
    let data = room.data_folder().display().to_string();
    let fired = stop_gun(&mut room).await;
    for _ in 0..3 {
        room.state_until("data", |_| true).await;
    }
    assert_eq!(room.fired(), fired, "it is stopped");
    let inspected = driver(["journal", "inspect", "--json", "--data-dir", &data]).json();
    assert_eq!(inspected["stops"][0]["operator"], "op-2", "{inspected}");
    let shown = driver(["session", "state", "--json", "--data-dir", &data]).json();
    let gun = &shown["guns"][0];
    assert_eq!(gun["can_be_stopped"], true, "{shown}");
    assert_eq!(gun["gun"]["interlock"]["cause"], "stopped by op-2");
    room.leave().await;
}
