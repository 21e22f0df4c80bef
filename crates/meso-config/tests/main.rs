//! What a person hears who gets a configuration wrong, and that the examples are right.
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::time::Duration;

use meso_config::{
    BrokerPlace, DriverConfig, MailEncryption, NotifyCarrier, PortSource, Problem, Problems,
    ServerConfig, StoreKind, TEXT_BYTES_MAX,
};
use proptest::prelude::*;

const DRIVER_EXAMPLE: &str = include_str!("../../../config/driver.toml");
const SERVER_EXAMPLE: &str = include_str!("../../../config/server.toml");

/// Only what must be there, with the values of the example.
const DRIVER_LEAST: &str = r#"version = 1
[driver]
id = "room-1"
clinic = "example-clinic"
time_zone = "Europe/Vienna"
data_dir = "driver-data"
"#;

const SERVER_LEAST: &str = r#"version = 1
[server]
data_dir = "server-data"
[[clinics]]
id = "example-clinic"
time_zone = "Europe/Vienna"
[ledger]
origin = "log.example.org/example-clinic"
"#;

fn driver_problems(text: &str) -> Problems {
    DriverConfig::parse("driver.toml", text).expect_err("this configuration is wrong")
}

#[track_caller]
fn assert_one_driver_problem(text: &str, line: &str) {
    let problems = driver_problems(text);
    assert_eq!(
        problems.to_string(),
        format!("driver.toml has 1 problem:\n  {line}")
    );
}

fn with_driver_lines(lines: &str) -> String {
    format!("{DRIVER_LEAST}{lines}")
}

#[test]
fn the_driver_example_equals_the_defaults() {
    let example = DriverConfig::parse("config/driver.toml", DRIVER_EXAMPLE).unwrap();
    let least = DriverConfig::parse("least.toml", DRIVER_LEAST).unwrap();
    assert_eq!(example, least);
    assert_eq!(least.ports.rescan, Duration::from_millis(500));
    assert_eq!(
        least.ports.source,
        PortSource::Folder("/dev/serial/by-id".into())
    );
    assert!(!least.interlock.enabled && !least.interlock.until_session);
    assert_eq!(least.link.keys_folder, std::path::Path::new("keys"));
    assert!(!least.link.only_authentic);
    assert_eq!(least.broker.host, "127.0.0.1");
    assert_eq!(least.broker.port, 1_883);
    assert_eq!(least.room_http.to_string(), "127.0.0.1:0");
    assert_eq!(least.blocks.shots_max, 64);
    assert_eq!(least.blocks.open_max, Duration::from_millis(500));
    let two_days = Duration::from_secs(48 * 3_600);
    assert_eq!(least.journal.settled_min, two_days);
}

/// The problems of a driver whose broker is this.
fn broker_problems(lines: &str) -> Vec<String> {
    match DriverConfig::parse("d", &with_driver_lines(&format!("[broker]\n{lines}"))) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_broker_beyond_this_computer_wants_tls_and_somebody_whom_it_knows() {
    let host = "host = \"broker.example.org\"\n";
    let tls = "ca_file = \"ca.pem\"\n";
    let login = "username = \"example-clinic.room-1\"\npassword_file = \"secret\"\n";
    let certificate = "certificate_file = \"room-1.pem\"\nkey_file = \"room-1.key\"\n";
    let none = Vec::<String>::new();
    assert_eq!(broker_problems(&format!("{host}{tls}{login}")), none);
    assert_eq!(broker_problems(&format!("{host}{tls}{certificate}")), none);
    assert_eq!(broker_problems(login), none, "a password on this computer");
    for refused in [
        host.to_owned(),
        format!("{host}{login}"),
        format!("{host}{tls}"),
        format!("host = \"broker_1.example.org\"\n{tls}{login}"),
        certificate.to_owned(),
        "username = \"room-1\"\n".to_owned(),
        format!("{tls}key_file = \"room-1.key\"\n"),
    ] {
        assert_eq!(broker_problems(&refused).len(), 1, "{refused}");
    }
    let several = broker_problems("host = \"a.example.org\"\nport = 0\nusername = \"\\u0001\"\n");
    assert_eq!(several.len(), 3, "{several:?}");
}

fn server_with(lines: &str) -> Result<ServerConfig, Problems> {
    ServerConfig::parse("server.toml", &format!("{SERVER_LEAST}{lines}"))
}

#[test]
fn a_broker_elsewhere_has_keys_of_its_own() {
    let config = server_with("[broker]\nkind = \"external\"\nhost = \"::1\"\nport = 1900\n");
    let BrokerPlace::External(broker) = config.unwrap().broker else {
        panic!("the broker is not elsewhere");
    };
    assert_eq!((broker.host.as_str(), broker.port), ("::1", 1_900));
    let problems = server_with("[broker]\nhost = \"::1\"\nport = 1900\n").unwrap_err();
    assert_eq!(
        problems.len(),
        2,
        "host and port of an embedded broker: {problems}"
    );
    let both = "[broker]\nkind = \"external\"\nbind = \"127.0.0.1:0\"\n";
    assert_eq!(server_with(both).unwrap_err().len(), 1);
}

#[test]
fn the_server_example_equals_the_defaults() {
    let example = ServerConfig::parse("config/server.toml", SERVER_EXAMPLE).unwrap();
    let least = ServerConfig::parse("least.toml", SERVER_LEAST).unwrap();
    assert_eq!(example, least);
    assert_eq!(least.http.to_string(), "127.0.0.1:8080");
    let bind = "127.0.0.1:1883".parse().unwrap();
    assert_eq!(least.broker, BrokerPlace::Embedded { bind });
    assert_eq!(least.clinics[0].id.as_str(), "example-clinic");
}

#[test]
fn the_examples_name_every_key_that_is_read() {
    // An unknown key makes the reader list what it would have read at that place.
    for (name, example) in [("driver", DRIVER_EXAMPLE), ("server", SERVER_EXAMPLE)] {
        let sections = example.lines().filter(|line| line.starts_with('['));
        for section in sections {
            let text = example.replace(
                &format!("\n{section}\n"),
                &format!("\n{section}\nno_such_key = 1\n"),
            );
            let problems = match name {
                "driver" => driver_problems(&text),
                _ => ServerConfig::parse(name, &text).expect_err("the key is unknown"),
            };
            assert_eq!(problems.len(), 1, "{problems}");
            let Some(Problem::UnknownKey { allowed, .. }) = problems.iter().next() else {
                panic!("not an unknown key: {problems}");
            };
            for key in allowed.split(", ") {
                let is_there = ["", "# "]
                    .map(|before| format!("\n{before}{key} = "))
                    .iter()
                    .any(|line| example.contains(line));
                assert!(is_there, "{name}: {section} lacks {key}");
            }
        }
    }
}

#[test]
fn every_problem_is_told_in_one_message() {
    let text = r#"
version = 2
colour = "red"
[driver]
id = "Room 1"
clinic = 7
[ports]
source = "usb"
rescan_ms = 5
[broker]
host = "10.0.0.1"
port = 70000
[room]
http = "0.0.0.0:80"
[blocks]
shots_max = 65
open_ms_max = "long"
"#;
    let expected = "\
driver.toml has 13 problems:
  driver.toml, line 2: version = 2 is not allowed; allowed: 1, the version of this format
  driver.toml, line 3: colour = \"red\" is not a key here; allowed: version, driver, ports, guns, \
         link, interlock, clock, broker, ingest, room, blocks, journal, library
  driver.toml, line 5: driver.id = \"Room 1\" is not allowed; allowed: 1 to 32 of a-z, 0-9 and -
  driver.toml, line 6: driver.clinic = 7 is of the wrong type; allowed: 1 to 32 of a-z, 0-9 and -
  driver.toml, line 8: ports.source = \"usb\" is not allowed; allowed: \"folder\" or \"enumerate\"
  driver.toml, line 9: ports.rescan_ms = 5 is not allowed; allowed: a whole number of \
         milliseconds from 10 to 500
  driver.toml, line 11: broker.host = \"10.0.0.1\" is not allowed; allowed: a name of this \
         computer, such as 127.0.0.1, ::1 or localhost; others only beside ca_file, which makes it TLS
  driver.toml, line 12: broker.port = 70000 is not allowed; allowed: a whole number from 1 to 65535
  driver.toml, line 14: room.http = \"0.0.0.0:80\" is not allowed; allowed: an address of this \
         computer with a port, such as 127.0.0.1:8080 or [::1]:0; others only once TLS is built
  driver.toml, line 16: blocks.shots_max = 65 is not allowed; allowed: a whole number of records \
         from 1 to 64
  driver.toml, line 17: blocks.open_ms_max = \"long\" is of the wrong type; allowed: a whole \
         number of milliseconds from 10 to 5000
  driver.toml: driver.time_zone is missing; allowed: a time zone such as Europe/Vienna: 1 to 64 \
         of A-Z, a-z, 0-9, _, +, - and /
  driver.toml: driver.data_dir is missing; allowed: the path of a folder, 1 to 4096 bytes";
    assert_eq!(driver_problems(text).to_string(), expected);
}

#[test]
fn a_key_of_another_section_is_unknown() {
    assert_one_driver_problem(
        &with_driver_lines("port = 1883\n"),
        "driver.toml, line 7: driver.port = 1883 is not a key here; allowed: id, clinic, \
         time_zone, data_dir",
    );
}

#[test]
fn a_folder_of_ports_contradicts_enumeration() {
    assert_one_driver_problem(
        &with_driver_lines("[ports]\nsource = \"enumerate\"\nfolder = \"/dev\"\n"),
        "driver.toml, line 9: ports.folder = \"/dev\" is not allowed; allowed: only beside \
         source = \"folder\"",
    );
}

#[test]
fn a_gun_is_held_until_a_session_only_where_the_interlock_is_on() {
    assert_one_driver_problem(
        &with_driver_lines("[interlock]\nuntil_session = true\n"),
        "driver.toml, line 8: interlock.until_session = true is not allowed; allowed: only \
         beside enabled = true",
    );
    let text = with_driver_lines("[interlock]\nenabled = true\nuntil_session = true\n");
    let interlock = DriverConfig::parse("driver.toml", &text).unwrap().interlock;
    assert!(interlock.enabled && interlock.until_session);
}

#[test]
fn a_switch_is_true_or_false() {
    assert_one_driver_problem(
        &with_driver_lines("[link]\nonly_authentic = \"yes\"\n"),
        "driver.toml, line 8: link.only_authentic = \"yes\" is of the wrong type; allowed: \
         true or false",
    );
}

#[test]
fn enumeration_needs_no_folder() {
    let text = with_driver_lines("[ports]\nsource = \"enumerate\"\n");
    let config = DriverConfig::parse("driver.toml", &text).unwrap();
    assert_eq!(config.ports.source, PortSource::Enumerate);
}

#[test]
fn a_section_that_is_a_number_is_of_the_wrong_type() {
    let text = DRIVER_LEAST.replace("version = 1", "version = 1\nbroker = 3");
    assert_one_driver_problem(
        &text,
        "driver.toml, line 2: broker = 3 is of the wrong type; allowed: a section [broker]",
    );
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line_beside_the_other_problems() {
    let text = with_driver_lines("[broker]\nport = = 1883\n[blocks]\nshots_max = 0\n");
    let problems = driver_problems(&text);
    let lines: Vec<_> = problems.iter().map(Problem::line).collect();
    assert_eq!(lines, [Some(8), Some(10)], "{problems}");
    assert!(
        matches!(problems.iter().next(), Some(Problem::NotToml { .. })),
        "{problems}"
    );
}

#[test]
fn a_key_given_twice_is_told() {
    let problems = driver_problems(&with_driver_lines("id = \"room-2\"\n"));
    assert!(matches!(
        problems.iter().next(),
        Some(Problem::NotToml { line: Some(7), .. })
    ));
}

#[test]
fn an_empty_file_lacks_what_must_be_there() {
    let problems = driver_problems("");
    let keys: Vec<_> = problems.iter().filter_map(Problem::key).collect();
    let needed = [
        "version",
        "driver.id",
        "driver.clinic",
        "driver.time_zone",
        "driver.data_dir",
    ];
    assert_eq!(keys, needed);
}

#[test]
fn a_file_that_is_too_long_is_refused_unread() {
    let problems = driver_problems(&"#".repeat(TEXT_BYTES_MAX + 1));
    assert_eq!(problems.len(), 1);
    assert!(matches!(
        problems.iter().next(),
        Some(Problem::TooLong { .. })
    ));
}

#[test]
fn a_long_value_is_shortened_in_the_message() {
    let text = DRIVER_LEAST.replace("room-1", &"ä".repeat(500));
    let message = driver_problems(&text).to_string();
    assert!(message.contains("ä…"), "{message}");
    assert!(message.len() < 400, "{message}");
}

fn key(digit: char) -> String {
    format!("\"{}\"", digit.to_string().repeat(64))
}

#[test]
fn signers_are_read() {
    let text = with_driver_lines(&format!(
        "[library]\nsigners = [{}, {}]\n",
        key('a'),
        key('0')
    ));
    let library = DriverConfig::parse("driver.toml", &text).unwrap().library;
    assert_eq!(library.signers.len(), 2);
    assert_eq!(library.signers[0].as_str(), "a".repeat(64));
    assert_eq!(library.signatures_needed, 2);
}

#[test]
fn one_signer_is_not_enough_for_two_signatures() {
    let lines = format!("[library]\nsigners = [{}]\n", key('a'));
    assert_one_driver_problem(
        &with_driver_lines(&lines),
        "driver.toml, line 8: library.signers = a list of 1 is not allowed; allowed: 2 or more \
         keys, or none at all",
    );
    let text = with_driver_lines(&format!("{lines}signatures_needed = 1\n"));
    assert!(DriverConfig::parse("driver.toml", &text).is_ok());
}

#[test]
fn each_wrong_signer_is_told_and_a_repeated_one_too() {
    let lines = format!("[library]\nsigners = [\"x\", {}, 7]\n", key('a'));
    let problems = driver_problems(&with_driver_lines(&lines));
    let keys: Vec<_> = problems.iter().filter_map(Problem::key).collect();
    assert_eq!(
        keys,
        ["library.signers[0]", "library.signers[2]"],
        "{problems}"
    );
    let lines = format!("[library]\nsigners = [{}, {}]\n", key('a'), key('a'));
    assert_eq!(driver_problems(&with_driver_lines(&lines)).len(), 1);
}

#[test]
fn a_server_without_a_clinic_is_refused() {
    let text = SERVER_LEAST.replace("[[clinics]]", "[clinic]");
    let problems = ServerConfig::parse("server.toml", &text).unwrap_err();
    let keys: Vec<_> = problems.iter().filter_map(Problem::key).collect();
    assert_eq!(keys, ["clinic", "clinics"], "{problems}");
}

#[test]
fn problems_of_every_clinic_are_told() {
    let text = format!("{SERVER_LEAST}[[clinics]]\nid = \"B\"\n[[clinics]]\nid = \"C\"\n");
    let problems = ServerConfig::parse("server.toml", &text).unwrap_err();
    let keys: Vec<_> = problems.iter().filter_map(Problem::key).collect();
    let expected = [
        "clinics[1].id",
        "clinics[2].id",
        "clinics[1].time_zone",
        "clinics[2].time_zone",
    ];
    assert_eq!(keys, expected, "{problems}");
}

#[test]
fn a_clinic_named_twice_is_told() {
    let again = "[[clinics]]\nid = \"example-clinic\"\ntime_zone = \"UTC\"\n";
    let problems =
        ServerConfig::parse("server.toml", &format!("{SERVER_LEAST}{again}")).unwrap_err();
    assert!(
        problems.to_string().contains("example-clinic twice"),
        "{problems}"
    );
}

proptest! {
    #[test]
    fn any_text_gives_a_configuration_or_problems(text in "\\PC{0,200}") {
        let _ = DriverConfig::parse("any.toml", &text);
    }

    #[test]
    fn one_changed_character_never_panics_and_never_gives_an_empty_list(
        position in 0..DRIVER_EXAMPLE.len(),
        replacement in any::<char>(),
    ) {
        let mut text = DRIVER_EXAMPLE.to_owned();
        if text.is_char_boundary(position) && text.is_char_boundary(position + 1) {
            text.replace_range(position..=position, &replacement.to_string());
        }
        if let Err(problems) = DriverConfig::parse("any.toml", &text) {
            prop_assert!(problems.len() > 0);
        }
    }
}

#[test]
fn an_influxdb_is_on_this_computer() {
    let with = |url: &str| {
        let text = format!("{SERVER_LEAST}[store]\nkind = \"influx\"\n[influx]\nurl = \"{url}\"\n");
        ServerConfig::parse("server.toml", &text)
    };
    for url in [
        "http://127.0.0.1:8086",
        "http://[::1]:1",
        "http://localhost:8086",
        "http://localhost",
    ] {
        let config = with(url).unwrap();
        assert_eq!(
            (config.store, config.influx.url.as_str()),
            (StoreKind::Influx, url)
        );
    }
    for url in [
        "https://localhost:1",
        "http://10.0.0.1:8086",
        "localhost:8086",
        "http://x/y",
    ] {
        let problems = with(url).unwrap_err();
        let keys: Vec<_> = problems.iter().filter_map(Problem::key).collect();
        assert_eq!(keys, ["influx.url"], "{problems}");
    }
}

const WEBHOOK: &str = "[[notify]]\nname = \"ops\"\nkind = \"webhook\"\n\
                       url = \"http://127.0.0.1:9000/hook\"\nsecret_file = \"hook.secret\"\n";

const EMAIL: &str = "[[notify]]\nname = \"duty\"\nkind = \"email\"\n\
                     from = \"mesofleet@example.org\"\nto = [\"duty@example.org\"]\n";

fn notify_problems(lines: &str) -> Vec<String> {
    match server_with(lines) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn nobody_is_told_of_alerts_unless_the_configuration_names_them() {
    let least = server_with("").unwrap();
    assert!(least.notify.is_empty());
    assert_eq!(
        least.alerts.escalate_hard,
        Some(Duration::from_secs(15 * 60))
    );
    assert_eq!(least.alerts.escalate_soft, None);
    let quiet = "quiet_from = \"22:00\"\nquiet_to = \"07:30\"\n";
    let config = server_with(&format!("{WEBHOOK}{quiet}{EMAIL}")).unwrap();
    assert_eq!(config.notify[0].quiet_minutes, Some((1_320, 450)));
    assert_eq!(config.notify[0].interval, Duration::from_secs(60));
    let NotifyCarrier::Email(email) = &config.notify[1].carrier else {
        panic!("not e-mail");
    };
    assert_eq!((email.port, email.encryption), (25, MailEncryption::None));
}

#[test]
fn the_commented_channels_of_the_example_are_right() {
    let commented = SERVER_EXAMPLE.split_once("# [[notify]]").unwrap().1;
    let lines = format!("# [[notify]]{commented}");
    let lines: String = lines
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or_default()))
        .collect();
    let config = ServerConfig::parse("server.toml", &format!("{SERVER_EXAMPLE}{lines}")).unwrap();
    assert_eq!(config.notify.len(), 2);
    let NotifyCarrier::Email(email) = &config.notify[1].carrier else {
        panic!("not e-mail");
    };
    assert_eq!(email.encryption, MailEncryption::StartTls);
}

#[test]
fn news_leaves_this_computer_only_over_tls() {
    let with = |url: &str, more: &str| {
        let channel = WEBHOOK.replace("http://127.0.0.1:9000/hook", url);
        notify_problems(&format!("{channel}{more}"))
    };
    let ca = "ca_file = \"ca.pem\"\n";
    let none = Vec::<String>::new();
    assert_eq!(with("http://[::1]:9000", ""), none);
    assert_eq!(with("http://localhost/hook", ""), none);
    assert_eq!(with("https://hooks.example.org/a?b=c", ca), none);
    for (url, more) in [
        ("http://hooks.example.org/", ""),
        ("http://hooks.example.org/", ca),
        ("https://hooks.example.org/", ""),
        ("http://127.0.0.1.example.org/", ""),
        ("http://127.0.0.1:0/", ""),
        ("https://user:secret@hooks.example.org/", ca),
        ("http://127.0.0.1@example.org/", ""),
        ("ftp://127.0.0.1/", ""),
        ("http://127.0.0.1:9000/a b", ""),
    ] {
        assert_eq!(with(url, more).len(), 1, "{url} {more}");
    }
    let elsewhere = "host = \"mail.example.org\"\n";
    assert_eq!(notify_problems(&format!("{EMAIL}{elsewhere}")).len(), 1);
    assert_eq!(notify_problems(&format!("{EMAIL}{elsewhere}{ca}")), none);
    let plain = "encryption = \"none\"\n";
    assert_eq!(
        notify_problems(&format!("{EMAIL}{elsewhere}{ca}{plain}")).len(),
        1
    );
}

#[test]
fn every_problem_of_a_channel_is_told_at_once() {
    let problems = notify_problems(
        "[[notify]]\nname = \"Ops!\"\nkind = \"webhook\"\nseverity = \"mild\"\n\
         interval_seconds = 0\nquiet_from = \"25:00\"\nurl = \"http://example.org\"\n\
         from = \"a@example.org\"\n",
    );
    assert_eq!(problems.len(), 7, "{problems:#?}");
    assert!(problems.iter().all(|it| it.starts_with("notify[0].")));
    let twice = notify_problems(&format!("{WEBHOOK}{WEBHOOK}"));
    assert_eq!(twice.len(), 1, "{twice:?}");
    assert!(twice[0].contains("ops twice"), "{twice:?}");
    let half = notify_problems(&format!("{WEBHOOK}quiet_from = \"22:00\"\n"));
    assert_eq!(half.len(), 1, "{half:?}");
    let unknown = notify_problems("[[notify]]\nname = \"a\"\nkind = \"pigeon\"\nurl = \"x\"\n");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    let nobody = notify_problems(&EMAIL.replace("\"duty@example.org\"", ""));
    assert_eq!(nobody.len(), 1, "{nobody:?}");
    let thresholds = notify_problems("[alerts]\ndriver_silent_seconds = 5\ndisk_free_mib = 0\n");
    assert_eq!(thresholds.len(), 2, "{thresholds:?}");
}
