//! Commands beside a driver that runs.

use crate::harness::Room;

use super::driver;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_and_journal_tell_of_a_running_driver_and_disturb_nothing() {
    let mut room = Room::start().await;
    room.fire_until(12).await;
    let data = room.data_folder();
    let data = data.to_str().unwrap();
    let status = driver(["status", "--json", "--data-dir", data]);
    let json = status.assert_code(0).json();
    assert_eq!(json["running"], true);
    let gun = &json["state"]["guns"][0];
    assert_eq!(gun["serial"], "GUN-0001");
    assert!(gun["journalled_counter"].as_u64().unwrap() >= 12, "{json}");
    let text = driver(["status", "--data-dir", data]);
    for word in ["GUN-0001", "connected", "release 1", "1 open"] {
        assert!(text.out.contains(word), "{word} is missing in {text:?}");
    }
    let inspected = driver(["journal", "inspect", "--json", "--data-dir", data]);
    let json = inspected.assert_code(0).json();
    assert!(
        json["guns"][0]["contiguous"].as_u64().unwrap() >= 12,
        "{json}"
    );
    let ports = room.ports_folder();
    let listed = driver(["list-ports", "--json", "--folder", ports.to_str().unwrap()]);
    assert_eq!(listed.json()["ports"][0]["name"], "GUN-0001");
    room.fire_until(24).await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_shows_live_shots_and_takes_none_from_the_next_driver() {
    let mut room = Room::start().await;
    room.fire_until(8).await;
    room.kill_driver();
    let port = room.ports_folder().join("GUN-0001");
    let arguments = ["monitor", port.to_str().unwrap(), "--shots", "6"].map(str::to_owned);
    let monitor = tokio::task::spawn_blocking(|| driver(arguments));
    room.fire_while(|| !monitor.is_finished()).await;
    let answer = monitor.await.unwrap();
    answer.assert_code(0);
    let lines: Vec<_> = answer.out.lines().collect();
    assert_eq!(lines.len(), 6, "{answer:?}");
    for line in lines {
        assert!(
            line.contains("needle depth") && line.contains(" mm "),
            "{line}"
        );
    }
    assert!(answer.err.contains("nothing is acknowledged"), "{answer:?}");
    room.start_driver().await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[test]
fn a_monitor_says_that_there_is_no_such_port() {
    let answer = driver(["monitor", "/no/such/port"]);
    assert!(
        answer.assert_code(1).err.contains("/no/such/port"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_went_by_file_are_settled_once_and_their_driver_sends_none_twice() {
    let mut room = Room::start().await;
    room.fire_until(5).await;
    room.stop_broker().await;
    room.wait_until_fired(14).await;
    room.kill_driver();
    let data = room.data_folder();
    let file = data.join("blocks.jsonl");
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    let json = [
        "journal",
        "export",
        "--json",
        "--data-dir",
        data,
        "--to",
        file,
    ];
    let exported = driver(json).assert_code(0).json();
    assert!(exported["blocks"].as_u64().unwrap() > 0, "{exported}");
    room.start_broker().await;
    let broker = room.broker_address().to_string();
    let arguments = ["journal", "import", "--json", file, "--broker", &broker].map(str::to_owned);
    let again = arguments.clone();
    let import = tokio::task::spawn_blocking(|| driver(arguments));
    let imported = import.await.unwrap().assert_code(0).json();
    assert_eq!(imported["blocks"], exported["blocks"]);
    let import = tokio::task::spawn_blocking(|| driver(again));
    let known = import.await.unwrap().assert_code(0).json();
    assert_eq!(known["known"], exported["blocks"]);
    room.start_driver().await;
    room.stop_firing_and_settle().await;
    room.assert_stored_as_fired();
    room.leave().await;
}

#[test]
fn an_import_of_something_else_sends_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "no blocks\n").unwrap();
    let answer = driver(["journal", "import", file.to_str().unwrap()]);
    assert!(
        answer.assert_code(1).err.contains("nothing of"),
        "{answer:?}"
    );
}
