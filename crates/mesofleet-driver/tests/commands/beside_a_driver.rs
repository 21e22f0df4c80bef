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
