//! A room whose computer never comes back: what it owes is declared on a person's word, with the
//! real programs, and is filled when it comes back after all.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use meso_testkit::gun::bank::{Bank, BankGun, Order};
use meso_testkit::gun::log::read_log;
use meso_testkit::tcp::TcpProxy;
use meso_tests::sandbox::{Driver, Programs, Sandbox, compare, wait_until};
use meso_units::GunSerial;
use serde_json::Value;

use crate::programs::program;

const GUN: &str = "GUN-0001";

/// Shots that the ring of the gun holds: what is older is in the journal of its room alone.
const RING_SHOTS: usize = 8;

/// Waits until a driver has written down so many more shots.
fn wait_for_more(driver: &Driver, count: u32) {
    let newest = || driver.gun(GUN).map_or(0, |gun| gun.journalled_counter);
    let wanted = newest() + count;
    wait_until("shots are journalled", || newest() >= wanted)
        .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
}

fn room(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let config = sandbox.server.data().with_extension("toml");
    let mut command = sandbox.programs().command("mesofleet");
    let command = command.arg("room").args(arguments);
    command.arg("--config").arg(config).output().unwrap()
}

fn retire(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    let who = ["retire", "room-1", "--by", "op-7", "--reason", "stolen"];
    room(sandbox, &[&who, arguments].concat())
}

#[track_caller]
fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn api(sandbox: &Sandbox, path: &str) -> String {
    format!("http://{}/api/v1/{path}", sandbox.server.http())
}

fn declared_missing(sandbox: &Sandbox) -> Option<u64> {
    let mut answer = ureq::get(api(sandbox, "guns")).call().ok()?;
    let guns: Value = answer.body_mut().read_json().ok()?;
    guns[0]["declared_missing_count"].as_u64()
}

/// What the auditor's program says of everything that there is.
fn verdict(sandbox: &Sandbox, folder: &Path) -> Output {
    let request = ureq::post(api(sandbox, "reports"));
    let mut answer = request.send_json(serde_json::json!({})).unwrap();
    let bundle = folder.join("report.zip");
    std::fs::write(&bundle, answer.body_mut().read_to_vec().unwrap()).unwrap();
    let verify = program("mesofleet-verify");
    Command::new(verify).arg(bundle).output().unwrap()
}

#[test]
fn what_a_room_owes_that_never_comes_back_is_declared_and_filled_when_it_does() {
    let mut sandbox = Sandbox::start(Programs::built().unwrap()).unwrap();
    let line = TcpProxy::start(sandbox.server.broker()).unwrap();
    let serial = GunSerial::parse(GUN).unwrap();
    let gun = BankGun {
        ring_shots_max: RING_SHOTS,
        ..BankGun::new(serial, 7, Duration::from_millis(60))
    };
    let ports = sandbox.folder("ports-room-1").unwrap();
    let logs = sandbox.folder("logs").unwrap();
    let bank = Bank::start(&ports, &logs, vec![gun]).unwrap();
    let mut options = sandbox.driver_options("room-1").unwrap();
    options.broker = line.address();
    let mut first = sandbox.start_driver_with(options).unwrap();
    wait_for_more(&first, 5);
    first.settle(&[]).ok();
    let there = retire(&sandbox, &["--yes"]);
    let told = String::from_utf8_lossy(&there.stderr);
    assert!(
        !there.status.success() && told.contains("room-1 is there"),
        "{told}"
    );

    // Its network fails, then the computer is gone; the gun goes on in another room.
    line.refuse(true);
    line.cut();
    wait_for_more(&first, 40);
    // On its way it fires nothing that its ring would lose.
    let fired = bank.order(0, Order::HoldFire(true)).unwrap();
    wait_until("all of it is journalled", || {
        let gun = first.gun(GUN);
        gun.is_some_and(|gun| u64::from(gun.journalled_counter) == fired)
    })
    .unwrap();
    bank.order(0, Order::Unplug).unwrap();
    first.kill();
    let second = sandbox.start_driver("room-2").unwrap();
    let (folder, name) = (second.ports().to_owned(), GUN.to_owned());
    bank.order(0, Order::Plug { folder, name }).unwrap();
    wait_until("the gun fires there", || second.gun(GUN).is_some()).unwrap();
    bank.order(0, Order::HoldFire(false)).unwrap();
    wait_for_more(&second, 5);
    bank.stop_firing().unwrap();
    second.settle(&[]).unwrap();

    let mut preview = Value::Null;
    wait_until("shots are awaited from the first room", || {
        let output = retire(&sandbox, &["--json"]);
        preview = match output.status.success() {
            true => json(&output),
            false => Value::Null,
        };
        preview["shot_count"]
            .as_u64()
            .is_some_and(|count| count >= 20)
    })
    .unwrap_or_else(|error| panic!("{error}: {preview}"));
    assert_eq!(preview["gaps"][0]["gun"], GUN);
    let owed = preview["shot_count"].as_u64().unwrap();
    let unconfirmed = retire(&sandbox, &[]);
    let shown = String::from_utf8_lossy(&unconfirmed.stdout);
    assert!(
        !unconfirmed.status.success() && shown.contains(GUN),
        "{shown}"
    );
    assert_eq!(
        declared_missing(&sandbox),
        Some(0),
        "nobody has confirmed it"
    );

    let done = json(&retire(&sandbox, &["--yes", "--json"]));
    assert_eq!(
        (&done["by"], &done["shot_count"]),
        (&"op-7".into(), &owed.into())
    );
    assert_eq!(declared_missing(&sandbox), Some(owed));
    let listed = json(&room(&sandbox, &["retired", "--json"]));
    assert_eq!(listed, done, "the act is recorded");
    let folder = sandbox.folder("report").unwrap();
    let verdict = verdict(&sandbox, &folder);
    assert!(verdict.status.success(), "{verdict:?}");

    line.refuse(false);
    first.start_again().unwrap();
    first.wait_until_it_answers().unwrap();
    first.settle(&[]).unwrap();
    wait_until("what came after all fills the gap", || {
        declared_missing(&sandbox) == Some(0)
    })
    .unwrap();
    let fired = read_log(&bank.logs()[0]).unwrap();
    let stored = sandbox.stop_and_read().unwrap();
    let found = compare(&fired, &stored);
    assert!(found.holds_every_shot(), "{found:?}");
    assert_eq!(stored.quarantined_count, 0);
}
