//! Pinned bytes. If one of these fails, the format changed: do not change this test, undo the
//! change or make a new format version, because reports that were handed out must verify for ever.

use meso_report::build;

use crate::sample::{key, sample_facts, unzip};

/// The head of `shots.csv`, a shot with every field and one with few, and the latter in JSON.
const VERSION_1: [&str; 4] = [
    include_str!("golden/v1_header.csv"),
    include_str!("golden/v1_full.csv"),
    include_str!("golden/v1_sparse.csv"),
    include_str!("golden/v1_sparse.json"),
];

#[test]
fn the_rows_of_version_1_do_not_change() {
    let files = unzip(&build(&sample_facts(), &key()).unwrap());
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    let (csv, json) = (text("shots.csv"), text("shots.json"));
    let csv: Vec<&str> = csv.lines().collect();
    let json = json.lines().nth(3).unwrap();
    let rows = [csv[0], csv[2], csv[3], json].map(|row| format!("{row}\n"));
    assert_eq!(rows, VERSION_1);
}

#[test]
fn the_rows_of_events_and_gaps_of_version_1_do_not_change() {
    let files = unzip(&build(&sample_facts(), &key()).unwrap());
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    assert_eq!(
        text("sessions.json"),
        include_str!("golden/v1_sessions.json")
    );
    assert_eq!(text("gaps.json"), include_str!("golden/v1_gaps.json"));
    assert_eq!(text("alerts.json"), include_str!("golden/v1_alerts.json"));
}
