//! The steps of a treatment from the command line, beside a driver that runs.

use crate::harness::Room;

use super::driver;

/// Takes a step of the only open session as op-1.
#[track_caller]
fn step(data: &str, arguments: &[&str]) {
    let common = ["--operator", "op-1", "--data-dir", data];
    let all = [&["session"][..], arguments, &common].concat();
    driver(all).assert_code(0);
}

/// What the room says was said, one word for each event.
fn said(data: &str) -> (serde_json::Value, Vec<String>) {
    let history = driver(["session", "history", "--json", "--data-dir", data]).json();
    let session = history["sessions"][0].clone();
    let entries = session["entries"].as_array().unwrap();
    let what = entries.iter().map(|entry| entry["what"].as_str().unwrap());
    let what = what.map(str::to_owned).collect();
    (session, what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_of_a_treatment_is_taken_from_the_command_line() {
    let mut room = Room::start().await;
    room.fire_until(3).await;
    let data = room.data_folder().display().to_string();
    let data = data.as_str();
    let asked = driver(["session", "questions", "--json", "--data-dir", data]).json();
    assert_eq!(asked["full"].as_array().unwrap().len(), 19);
    let decided = ["--decision", "treat", "--decided-by", "op-1", "--because"];
    let answers = ["screening", "--otherwise", "no", "--answer"];
    let urticaria = ["urticaria=yes;as a child"];
    let screening = [&answers[..], &urticaria, &decided, &["long ago"]].concat();
    step(data, &screening);
    step(data, &["patient", "--age", "41", "--weight-g", "62000"]);
    step(data, &["details", "--consent", "C-17", "--no-anaesthetic"]);
    step(
        data,
        &[
            "course",
            "--sessions-before",
            "2",
            "--last-in-zone",
            "cheek=2026-01-31",
        ],
    );
    step(
        data,
        &["material", "--consumables-new", "true", "--lot", "HA-1"],
    );
    let rest = [
        "--component",
        "hyaluronic acid;1 %;HA-1",
        "--loaded",
        "5 ml",
    ];
    let needle = ["--needle-length", "4 mm", "--gauge", "30", "--needle-lot"];
    let segment = ["segment", "--zone", "cheek", "--technique", "nappage"];
    let by_hand = ["N-1", "--reason", "by hand"];
    step(data, &[&segment[..], &rest, &needle, &by_hand].concat());
    step(data, &["manual", "--points", "4", "--volume", "0.08 ml"]);
    let event = ["adverse-event", "--code", "bruise", "--cause", "needle"];
    let more = ["--expected", "--onset", "2026-01-31T10:00Z", "--action"];
    step(data, &[&event[..], &more, &["cooled"]].concat());
    step(data, &["addendum", "--text", "thin skin"]);
    let (session, _) = said(data);
    let entries = session["entries"].as_array().unwrap();
    let mut manual = entries.iter().filter(|it| it["what"] == "points by hand");
    let record = manual.next().unwrap()["record"].as_str().unwrap();
    let amend = ["amend", "--original", record, "--field", "points"];
    let five = ["--new-value", "5", "--reason", "counted again"];
    step(data, &[&amend[..], &five].concat());
    let (session, what) = said(data);
    for word in [
        "questionnaire",
        "age and weight",
        "papers and other treatments",
        "course so far",
        "material",
        "points by hand",
        "adverse event",
        "addendum",
        "correction",
    ] {
        assert!(what.iter().any(|it| it == word), "{word}: {session}");
    }
    let text = driver(["session", "history", "--data-dir", data]);
    assert!(text.out.contains("points=5"), "{text:?}");
    room.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_is_refused_says_what_is_missing() {
    let mut room = Room::start().await;
    room.fire_until(3).await;
    let data = room.data_folder().display().to_string();
    let refused = |arguments: &[&str]| {
        let common = ["--operator", "op-1", "--data-dir", &data];
        let all = [&["session"][..], arguments, &common].concat();
        driver(all).assert_code(1).err.clone()
    };
    let said = refused(&["manual", "--points", "1", "--volume", "1 ml"]);
    assert!(said.contains("without a gun"), "{said}");
    let said = refused(&["screening", "--otherwise", "yes"]);
    assert!(said.contains("decision"), "{said}");
    let said = refused(&["same-patient", "true"]);
    assert!(!said.is_empty());
    let said = refused(&[
        "course",
        "--sessions-before",
        "1",
        "--last-in-zone",
        "cheek",
    ]);
    assert!(said.contains("NAME=DAY"), "{said}");
    room.leave().await;
}
