//! Commands where no driver runs.

use std::fs;
use std::path::{Path, PathBuf};

use meso_contract::read_block_file;
use meso_domain::{Gap, GapReason, GapState, Record, Stream};
use meso_journal::{Batch, Identity, NewRecord, OpenedJournal, QuarantinedFrame};
use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, ShotCounter, Timestamp,
};
use tempfile::TempDir;

use super::driver;

const CONFIG: &str = r#"
    version = 1
    [driver]
    id = "room-1"
    clinic = "example-clinic"
    time_zone = "Europe/Vienna"
    data_dir = "DATA"
    [ports]
    folder = "PORTS"
"#;

/// A configuration with data and ports in a folder of its own.
fn folder_with_config() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = CONFIG.replace("DATA", &path("data"));
    let config = folder.path().join("driver.toml");
    fs::write(&config, text.replace("PORTS", &path("ports"))).unwrap();
    (folder, config)
}

/// A journal with two blocks of a gap each, a record in no block, and a frame in quarantine.
fn sample_journal(folder: &Path) {
    let identity = Identity {
        clinic: ClinicId::parse("example-clinic").unwrap(),
        driver: DriverId::parse("room-1").unwrap(),
    };
    let opened = OpenedJournal::open(folder, identity, JournalIncarnation(0xAB)).unwrap();
    let journal = opened.start().unwrap();
    let gun = GunSerial::parse("GUN-0001").unwrap();
    let stream = Stream::Gun(gun.clone());
    for counter in 1..=3 {
        let gap = Gap {
            gun: gun.clone(),
            epoch: Epoch(7),
            first: ShotCounter(counter),
            last: Some(ShotCounter(counter)),
            state: GapState::Declared,
            reason: GapReason::RingOverflow,
            at: Timestamp::UNIX_EPOCH,
        };
        let batch = Batch {
            records: vec![NewRecord {
                stream: stream.clone(),
                record: Record::Gap(gap),
                judgement: None,
                session: None,
            }],
            ..Batch::default()
        };
        journal.append(batch, |done| assert!(done.is_ok()));
        if counter < 3 {
            let at = Timestamp::UNIX_EPOCH;
            journal.seal(stream.clone(), u64::from(counter), at, |done| {
                assert!(done.unwrap().is_some());
            });
        }
    }
    let batch = Batch {
        quarantined: vec![QuarantinedFrame {
            at: Timestamp::UNIX_EPOCH,
            gun: Some(gun),
            shot: None,
            reason: "flags of no known meaning".to_owned(),
            bytes: vec![0xDE, 0xAD],
        }],
        ..Batch::default()
    };
    journal.append(batch, |done| assert!(done.is_ok()));
    journal.close();
}

#[test]
fn check_config_says_what_would_be_in_force_and_makes_nothing() {
    let (folder, config) = folder_with_config();
    let config = config.to_str().unwrap();
    let answer = driver(["check-config", "--config", config]);
    answer.assert_code(0);
    for word in [
        "room-1",
        "example-clinic",
        "127.0.0.1:1883",
        "signers",
        "64",
    ] {
        assert!(answer.out.contains(word), "{word} is missing in {answer:?}");
    }
    let json = driver(["check-config", "--json", "--config", config]).json();
    assert_eq!(json["driver"], "room-1");
    assert_eq!(json["block_shots_max"], 64);
    assert_eq!(json["data_dir_exists"], false);
    assert_eq!(json["remarks"].as_array().unwrap().len(), 2, "{json}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_new_key_is_counted_by_check_config_and_one_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, config) = folder_with_config();
    let config = config.to_str().unwrap();
    let made = driver(["key", "new", "GUN-0001", "--json", "--config", config]);
    let json = made.assert_code(0).json();
    let path = folder.path().join("data/keys/GUN-0001.key");
    assert_eq!(json["path"], path.to_str().unwrap());
    let secret = fs::read_to_string(&path).unwrap();
    assert!(!made.out.contains(secret.trim()), "the key is not shown");
    let json = driver(["check-config", "--json", "--config", config]).json();
    assert_eq!(json["key_count"], 1, "{json}");
    let again = driver(["key", "new", "GUN-0001", "--config", config]);
    assert!(again.assert_code(1).err.contains("has a key"), "{again:?}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["check-config", "run"] {
        let answer = driver([command, "--config", config]);
        answer.assert_code(2);
        for word in ["GUN-0001.key", "chmod 600"] {
            assert!(answer.err.contains(word), "{word} is missing in {answer:?}");
        }
        assert!(!answer.err.contains(secret.trim()), "{command}");
    }
}

#[test]
fn check_config_tells_every_problem_and_ends_with_2() {
    let (_folder, config) = folder_with_config();
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("\"room-1\"", "\"ROOM 1\"");
    fs::write(&config, text + "\n[blocks]\nshots_max = 999\n").unwrap();
    let config = config.to_str().unwrap();
    let answer = driver([
        "check-config",
        "--config",
        config,
        "--broker",
        "192.0.2.1:1",
    ]);
    answer.assert_code(2);
    for word in ["ROOM 1", "shots_max", "999", "192.0.2.1:1"] {
        assert!(answer.err.contains(word), "{word} is missing in {answer:?}");
    }
    let absent = driver(["check-config", "--config", "/no/such/driver.toml"]);
    absent.assert_code(2);
    assert!(absent.err.contains("/no/such/driver.toml"), "{absent:?}");
}

#[test]
fn list_ports_shows_where_each_entry_of_a_folder_leads_and_what_is_no_port() {
    let (folder, config) = folder_with_config();
    let config = config.to_str().unwrap();
    let none = driver(["list-ports", "--config", config]);
    assert!(none.assert_code(0).out.contains("no ports"), "{none:?}");
    let ports = folder.path().join("ports");
    fs::create_dir(&ports).unwrap();
    fs::write(ports.join("B-FILE"), "").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/null", ports.join("A-GUN")).unwrap();
        std::os::unix::fs::symlink("/no/such/tty", ports.join("C-GONE")).unwrap();
        let json = driver(["list-ports", "--json", "--config", config]).json();
        let list = json["ports"].as_array().unwrap();
        assert_eq!(list.len(), 3, "{json}");
        assert_eq!(list[0]["name"], "A-GUN");
        assert_eq!(list[0]["target"], "/dev/null");
        assert!(list[0]["problem"].is_null());
        assert_eq!(list[1]["problem"], "is an ordinary file");
        assert_eq!(list[2]["problem"], "leads nowhere");
    }
    let text = driver(["list-ports", "--folder", ports.to_str().unwrap()]);
    assert!(
        text.assert_code(0).out.contains("ordinary file"),
        "{text:?}"
    );
    driver(["list-ports", "--json"]).assert_code(0).json();
}

#[test]
fn status_says_plainly_that_no_driver_runs_and_ends_with_1() {
    let (folder, config) = folder_with_config();
    let config = config.to_str().unwrap();
    let answer = driver(["status", "--config", config]);
    answer.assert_code(1);
    assert!(answer.err.contains("no driver runs"), "{answer:?}");
    // What a killed driver leaves behind: a port on which nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let access = format!(r#"{{"address":"{address}","token":"00"}}"#);
    fs::write(data.join("room.json"), access).unwrap();
    let answer = driver(["status", "--json", "--data-dir", data.to_str().unwrap()]);
    answer.assert_code(1);
    assert_eq!(answer.json()["running"], false);
    assert!(answer.err.contains("nobody listens"), "{answer:?}");
}

#[test]
fn status_sends_the_token_to_this_computer_only() {
    let folder = tempfile::tempdir().unwrap();
    let access = r#"{"address":"192.0.2.1:80","token":"00"}"#;
    fs::write(folder.path().join("room.json"), access).unwrap();
    let answer = driver(["status", "--data-dir", folder.path().to_str().unwrap()]);
    answer.assert_code(1);
    assert!(answer.err.contains("not this computer"), "{answer:?}");
}

#[test]
fn journal_inspect_tells_blocks_counters_gaps_and_quarantine() {
    let (folder, config) = folder_with_config();
    let data = folder.path().join("data");
    let config = config.to_str().unwrap();
    let absent = driver(["journal", "inspect", "--config", config]);
    absent.assert_code(1);
    assert!(absent.err.contains("there is no journal"), "{absent:?}");
    assert!(!data.exists(), "looking makes nothing");
    sample_journal(&data);
    let json = driver(["journal", "inspect", "--json", "--config", config]).json();
    assert_eq!(json["owner"], "example-clinic/room-1");
    assert_eq!(json["incarnation"], "00000000000000ab");
    let stream = &json["streams"][0];
    assert_eq!(
        (&stream["records"], &stream["newest_block"]),
        (&3.into(), &2.into())
    );
    assert_eq!(stream["unsealed_records"], 1);
    assert_eq!(stream["unsettled_blocks"], serde_json::json!([[1, 2]]));
    assert_eq!(json["guns"][0]["contiguous"], 3);
    assert_eq!(json["gaps"].as_array().unwrap().len(), 3);
    assert_eq!(json["quarantine"][0]["bytes_hex"], "dead");
    let text = driver(["journal", "inspect", "--data-dir", data.to_str().unwrap()]);
    for word in ["GUN-0001", "flags of no known meaning", "dead", "1-2"] {
        assert!(text.out.contains(word), "{word} is missing in {text:?}");
    }
}

#[test]
fn journal_export_writes_a_file_that_reads_back_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    sample_journal(&data);
    let file = folder.path().join("blocks.jsonl");
    let arguments = ["journal", "export", "--json", "--data-dir"];
    let paths = [data.to_str().unwrap(), "--to", file.to_str().unwrap()];
    let answer = driver(arguments.iter().chain(&paths));
    let json = answer.assert_code(0).json();
    assert_eq!(
        (&json["blocks"], &json["unsealed_records"]),
        (&2.into(), &1.into())
    );
    let written = fs::read(&file).unwrap();
    let mut numbers = Vec::new();
    let (header, trailer) = read_block_file(&written[..], |block| {
        numbers.push(block.header().place.number.get());
        Ok(())
    })
    .unwrap();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(header.owner, "example-clinic/room-1");
    assert_eq!(json["sha256"], trailer.sha256);
    let again = driver(arguments.iter().chain(&paths));
    again.assert_code(1);
    assert!(again.err.contains("choose another name"), "{again:?}");
    assert_eq!(fs::read(&file).unwrap(), written);
    assert!(!folder.path().join("blocks.jsonl.part").exists());
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let answer = driver(["completions", shell]);
        assert!(
            answer.assert_code(0).out.contains("check-config"),
            "{shell}"
        );
    }
}
