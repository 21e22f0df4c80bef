//! A disk that takes no writes for a while.
//!
//! The system refuses the driver every write to a file (`RLIMIT_FSIZE`), which needs no rights; a real
//! disk that turns read-only is a fault of `cargo xtask faults`.

use std::process::{Child, Command, Stdio};

use crate::commands::driver;
use crate::guns::stop_gun;
use crate::harness::Room;

/// A driver that lives on where a write is refused: the signal that comes with it would end it.
fn spawn(room: &Room) -> Child {
    Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mesofleet-driver"))
        .args(["run", "--log", "warn"])
        .args(room.options("driver.toml", "data"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// How long a file of that process may be from now on.
fn limit_files(pid: u32, limit: &str) {
    let told = Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--fsize={limit}:")])
        .status();
    assert!(told.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_disk_takes_nothing_people_hear_why_stop_works_and_no_shot_is_lost() {
    let mut room = Room::start().await;
    room.fire_until(5).await;
    room.kill_driver();
    let births = room.ingest.birth_count();
    let process = spawn(&room);
    let pid = process.id();
    room.adopt(process, "data");
    room.ingest.wait_until(|seen| seen.births > births).await;
    room.fire_until(9).await;
    let data = room.data_folder().display().to_string();
    let data = data.as_str();

    limit_files(pid, "0");
    let words = [
        "session",
        "details",
        "--operator",
        "op-1",
        "--consent",
        "C-17",
        "--data-dir",
        data,
    ];
    let refused = driver(words);
    let refused = &refused.assert_code(1).err;
    for part in [data, "the disk fails", "check the disk"] {
        assert!(refused.contains(part), "{part} is missing in {refused}");
    }
    room.state_until("data", |state| state["journal_problem"].is_string())
        .await;
    let shown = driver(["status", "--data-dir", data]);
    let alarm = format!("ALARM     the journal in {data} cannot be written");
    assert!(shown.assert_code(0).out.contains(&alarm), "{shown:?}");
    let fired = stop_gun(&mut room).await;

    limit_files(pid, "unlimited");
    let is_back = |state: &serde_json::Value| {
        let gun = &state["guns"][0];
        state["journal_problem"].is_null()
            && gun["interlock"]["cause"] == "stopped by op-2"
            && gun["attached"] == true
    };
    let state = room.state_until("data", is_back).await;
    assert_eq!(state["guns"][0]["inhibited"], true, "{state}");
    assert_eq!(room.fired(), fired, "it stays stopped");
    let resume = [
        "resume",
        "GUN-0001",
        "--operator",
        "op-1",
        "--reason",
        "seen",
    ];
    driver([&resume[..], &["--data-dir", data]].concat()).assert_code(0);
    let inspected = driver(["journal", "inspect", "--json", "--data-dir", data]).json();
    assert_eq!(inspected["stops"][0]["operator"], "op-2", "{inspected}");
    room.fire_until(fired + 5).await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}
