//! Two rooms of a clinic meet the same patient while they do not see each other: with real drivers, a
//! real server and a broker between them that is to learn nothing.

use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use meso_bus::{ClientOptions, Consumer, ConsumerEvent};
use meso_contract::room::{PatientLinksBody, RoomStateBody};
use meso_domain::{PatientMerged, patient_list_of};
use meso_limits::public_key;
use meso_store::Store;
use meso_tests::sandbox::{Driver, Programs, Sandbox, ServerOptions, wait_until};
use meso_units::{ClinicId, PatientCommitment};

use crate::courses::{SEED, begin, end, library, session, sessions_before, treat};

const CODE: &str = "AMB-2026-0042";

fn server_options() -> ServerOptions {
    ServerOptions {
        extra: library_lines(),
        files: vec![("library.json", library().encode().unwrap())],
        ..ServerOptions::default()
    }
}

fn library_lines() -> String {
    format!(
        "[library]\nsigners = [\"{}\"]\nsignatures_needed = 1\n",
        public_key(&SEED)
    )
}

fn links(driver: &Driver) -> PatientLinksBody {
    driver.state().unwrap_or_default().patient_links
}

fn start(sandbox: &Sandbox, name: &str) -> Driver {
    let mut options = sandbox.driver_options(name).unwrap();
    options.extra = library_lines();
    let driver = sandbox.start_driver_with(options).unwrap();
    until(&driver, "the room has library and patients", |state| {
        state.library_version == Some(1) && state.patient_list_count == 64
    });
    driver
}

#[track_caller]
fn until(driver: &Driver, what: &str, done: impl Fn(&RoomStateBody) -> bool) {
    wait_until(what, || driver.state().is_some_and(|state| done(&state)))
        .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
}

fn patient(driver: &Driver) -> PatientCommitment {
    let body = driver.patient(CODE).unwrap();
    PatientCommitment::parse(&body.patient).unwrap()
}

fn run(programs: &Programs, arguments: &[&str], folder: &Path) -> Output {
    let mut command = programs.command("mesofleet-driver");
    let command = command.args(["patients", "key"]).args(arguments);
    command.arg("--data-dir").arg(folder).output().unwrap()
}

/// Brings the key of one room to another, as people do.
fn share_key(programs: &Programs, sandbox: &Sandbox, from: &Driver, to: &str) {
    let carried = sandbox.folder("stick").unwrap().join("carried.key");
    let file = carried.to_str().unwrap();
    let exported = run(programs, &["export", file], from.data());
    assert!(exported.status.success(), "{exported:?}");
    let again = run(programs, &["export", file], from.data());
    assert!(
        !again.status.success(),
        "a file that is there stays as it is"
    );
    let folder = sandbox.driver_options(to).unwrap().data;
    let imported = run(programs, &["import", file], &folder);
    assert!(imported.status.success(), "{imported:?}");
    let shown = |folder: &Path| run(programs, &["show", "--json"], folder).stdout;
    assert_eq!(shown(&folder), shown(from.data()));
    let running = run(programs, &["import", file], from.data());
    assert!(!running.status.success(), "not while a driver runs");
}

/// Everything that the broker carries from now on.
fn overhear(sandbox: &Sandbox) -> (tokio::runtime::Runtime, Arc<Mutex<Vec<u8>>>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    let broker = sandbox.server.broker();
    let mut consumer = {
        let _inside = runtime.enter();
        let options = ClientOptions::new("overhear", broker);
        Consumer::start(options, vec!["mesofleet/v1/#".to_owned()])
    };
    let all = Arc::clone(&heard);
    runtime.spawn(async move {
        while let Some(event) = consumer.next().await {
            if let ConsumerEvent::Message(delivery) = event {
                consumer.acknowledge(delivery.ticket);
                let mut all = all.lock().unwrap();
                all.extend(delivery.topic.as_bytes());
                all.extend(&delivery.payload);
            }
        }
    });
    (runtime, heard)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let text = text.to_lowercase();
    lower
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// What the files of a folder hold, one after the other.
fn files_of(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files_of(&path)),
            false => all.extend(std::fs::read(path).unwrap_or_default()),
        }
    }
    all
}

#[test]
fn rooms_that_were_apart_come_to_one_patient_and_both_know_what_was_done() {
    let programs = Programs::built().unwrap();
    let mut sandbox = Sandbox::start_with(programs.clone(), &server_options()).unwrap();
    let first = start(&sandbox, "room-1");
    share_key(&programs, &sandbox, &first, "room-2");
    let second = start(&sandbox, "room-2");
    assert_eq!(links(&first).key, links(&second).key);

    sandbox.server.kill();
    let (older, younger) = (patient(&first), patient(&second));
    assert_ne!(older, younger, "neither knows of the other");
    assert_eq!(patient(&first), older, "in a room a code has one patient");
    treat(&first, &older.to_string());
    treat(&second, &younger.to_string());

    sandbox.server.start_again().unwrap();
    let (_runtime, heard) = overhear(&sandbox);
    for driver in [&first, &second] {
        until(driver, "each room knows the links of both", |state| {
            state.patient_links.known_count == 2
        });
    }
    until(&second, "the room of the younger id records it", |state| {
        state.patient_links.merged_count == 1
    });
    assert_eq!(links(&first).merged_count, 0);
    for driver in [&first, &second] {
        assert_eq!(patient(driver), older);
        let third = begin(driver, &older.to_string()).session;
        until(
            driver,
            "the third session knows both earlier ones",
            |state| {
                let mut open = state.sessions.iter();
                open.any(|one| one.session == third && sessions_before(one) == Some(2))
            },
        );
        end(driver, &third);
        driver.settle(&[]).unwrap();
    }
    assert_eq!(links(&second).made_here_count, 1);

    let heard = heard.lock().unwrap().clone();
    assert!(holds(&heard, "room-2/links/0"), "the broker was overheard");
    assert!(!holds(&heard, CODE), "the broker has learnt a code");
    for driver in [&first, &second] {
        assert!(!holds(&files_of(driver.data()), CODE), "a code was kept");
        assert!(!holds(driver.log().as_bytes(), CODE), "a code was logged");
    }
    let stored = sandbox.stop_and_read().unwrap();
    assert_eq!(stored.quarantined_count, 0);
    let [PatientMerged { from, into, .. }] = stored.merged[..] else {
        panic!("{:?}", stored.merged);
    };
    assert_eq!((from, into), (younger, older));
    let store = Store::open(&sandbox.server.data().join("fleet.sqlite"), 1).unwrap();
    let reader = store.writer.read();
    assert_eq!(reader.patient_merges().unwrap().len(), 1);
    let clinic = ClinicId::parse(meso_tests::sandbox::CLINIC).unwrap();
    let under = |patient: &PatientCommitment| {
        let told = reader.treated_in(&clinic, patient_list_of(patient));
        told.unwrap()
            .iter()
            .filter(|(whose, _)| whose == patient)
            .count()
    };
    // Sealed sessions keep the id that they were opened under.
    assert_eq!((under(&older), under(&younger)), (1, 1));
}

#[test]
fn rooms_with_a_key_each_say_so_and_merge_nothing_until_the_key_is_brought() {
    let programs = Programs::built().unwrap();
    let sandbox = Sandbox::start_with(programs.clone(), &server_options()).unwrap();
    let (first, mut second) = (start(&sandbox, "room-1"), start(&sandbox, "room-2"));
    let (here, there) = (patient(&first), patient(&second));
    assert_ne!(here, there);
    for (driver, other) in [(&first, "room-2"), (&second, "room-1")] {
        until(
            driver,
            "each says that the other's key is another",
            |state| state.patient_links.other_keys == [other],
        );
        let links = links(driver);
        assert_eq!((links.known_count, links.merged_count), (1, 0));
    }
    let status = programs
        .command("mesofleet-driver")
        .args(["status", "--data-dir"])
        .arg(first.data())
        .output()
        .unwrap();
    assert!(holds(
        &status.stdout,
        "links of room-2 are under another key"
    ));

    let carried = sandbox.folder("stick").unwrap().join("carried.key");
    let file = carried.to_str().unwrap();
    assert!(
        run(&programs, &["export", file], first.data())
            .status
            .success()
    );
    second.leave().unwrap();
    let refused = run(&programs, &["import", file], second.data());
    assert!(
        !refused.status.success(),
        "patients are known under the key"
    );
    let replaced = run(&programs, &["import", file, "--replace"], second.data());
    assert!(replaced.status.success(), "{replaced:?}");
    second.start_again().unwrap();
    second.wait_until_it_answers().unwrap();
    until(
        &second,
        "with the key it knows the other room's patient",
        |state| state.patient_links.known_count == 1,
    );
    for driver in [&first, &second] {
        until(
            driver,
            "nobody is asked for the earlier key any more",
            |state| state.patient_links.other_keys.is_empty(),
        );
    }
    assert_eq!(patient(&second), here);
    assert_eq!(links(&second).unreadable_shelf_count, 1, "shown, and kept");
    let session_there = begin(&second, &here.to_string());
    assert_eq!(
        session(&second, &session_there.session).protocol,
        "mesolift-face"
    );
}
