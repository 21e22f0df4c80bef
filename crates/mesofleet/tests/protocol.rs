//! `mesofleet protocol` as a person uses it: from files to a release in force, and every refusal.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mesofleet"))
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/protocols");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    files
}

/// A folder with keys of three people and a server that trusts the first two.
struct Clinic {
    folder: tempfile::TempDir,
}

impl Clinic {
    fn new() -> Clinic {
        let clinic = Clinic {
            folder: tempfile::tempdir().unwrap(),
        };
        let keys = ["one", "two", "three"].map(|name| {
            let made = clinic.run(&["key", "new", &clinic.path(name)]);
            assert!(made.status.success(), "{made:?}");
            String::from_utf8(made.stdout).unwrap().trim().to_owned()
        });
        let text = include_str!("../../../config/server.toml")
            .replace(
                "signers = []",
                &format!("signers = [{:?}, {:?}]", keys[0], keys[1]),
            )
            .replace(
                "data_dir = \"server-data\"",
                &format!("data_dir = {:?}", clinic.path("data")),
            );
        std::fs::write(clinic.path("server.toml"), text).unwrap();
        std::fs::create_dir(clinic.path("data")).unwrap();
        clinic
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        program().arg("protocol").args(arguments).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], because: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(because),
            "{arguments:?}: {output:?}"
        );
    }

    fn draft(&self, version: &str, out: &str) {
        let files: Vec<String> = shipped()
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        let mut arguments = vec!["draft"];
        arguments.extend(files.iter().map(String::as_str));
        let out = self.path(out);
        arguments.extend(["--version", version, "--choose", "course=taper-to-monthly"]);
        arguments.extend(["--choose", "course:chin-fat=chin-label", "--out", &out]);
        self.succeeds(&arguments);
    }

    fn sign(&self, draft: &str, key: &str) {
        self.succeeds(&["sign", &self.path(draft), "--key", &self.path(key), "--yes"]);
    }
}

#[test]
fn every_file_that_ships_is_good() {
    assert!(shipped().len() >= 30);
    let output = program()
        .args(["protocol", "check"])
        .args(shipped())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_problem_of_a_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let text = "[[protocols]]\nid = \"bad\"\ntitle = \"Bad\"\nindication = \"bad\"\n\
                zones = [\"cheek\"]\ntechniques = [\"nappage\"]\n[protocols.needle_depth]\n\
                soft_max = \"4 furlongs\"\nhard_max = \"14 mm\"\n\
                [protocols.session_volume]\nsoft_max = \"5 ml\"\nhard_max = \"3 ml\"\nsource = \"s\"\n";
    std::fs::write(&file, text).unwrap();
    let output = program()
        .args(["protocol", "check", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = said["problems"].to_string();
    for part in [
        "line 8: protocols[0] (bad) needle_depth.soft_max: found no source",
        "4 furlongs",
        "14 mm",
        "session_volume: found [5000000, 3000000]",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}

#[test]
fn two_people_bring_a_release_into_force_and_nobody_alone() {
    let clinic = Clinic::new();
    let config = clinic.path("server.toml");
    clinic.draft("3", "draft.json");
    let draft = clinic.path("draft.json");
    let release = ["release", &draft, "--config", &config, "--yes"];
    clinic.refuses(&release, "0 of the 2 needed people");
    clinic.sign("draft.json", "one");
    clinic.refuses(&release, "1 of the 2 needed people");
    let again = ["sign", &draft, "--key", &clinic.path("one"), "--yes"];
    clinic.refuses(&again, "has signed this draft already");
    clinic.sign("draft.json", "three");
    clinic.refuses(&release, "1 of the 2 needed people");
    clinic.sign("draft.json", "two");
    clinic.succeeds(&release);
    clinic.refuses(&release, "not higher than release 3");
    let listed = clinic.succeeds(&["list", "--config", &config]);
    assert!(listed.contains("mesolift-face"), "{listed}");
    let shown = clinic.succeeds(&["show", "chin-fat", "--config", &config]);
    assert!(
        shown.contains("0.2 ml") && shown.contains("at least a month apart"),
        "{shown}"
    );
    assert!(shown.contains("to be approved by a clinician"), "{shown}");

    clinic.draft("2", "older.json");
    clinic.sign("older.json", "one");
    clinic.sign("older.json", "two");
    let older = [
        "release",
        &clinic.path("older.json"),
        "--config",
        &config,
        "--yes",
    ];
    clinic.refuses(&older, "not higher than release 3");
    std::fs::copy(clinic.path("older.json"), clinic.path("data/library.json")).unwrap();
    clinic.refuses(&["list", "--config", &config], "releases never go back");
}

#[test]
fn a_protocol_is_retired_by_the_next_release() {
    let clinic = Clinic::new();
    let config = clinic.path("server.toml");
    clinic.draft("1", "first.json");
    clinic.sign("first.json", "one");
    clinic.sign("first.json", "two");
    let first = clinic.path("first.json");
    clinic.succeeds(&["release", &first, "--config", &config, "--yes"]);
    let files: Vec<String> = shipped()
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let second = clinic.path("second.json");
    let mut retire = vec![
        "retire", "chin-fat", "--config", &config, "--out", &second, "--from",
    ];
    retire.extend(files.iter().map(String::as_str));
    clinic.succeeds(&retire);
    let listed = clinic.succeeds(&["list", &second]);
    assert!(
        !listed.contains("chin-fat") && listed.contains("mesolift-face"),
        "{listed}"
    );
    let difference = clinic.run(&["diff", &first, &second]);
    assert_eq!(difference.status.code(), Some(1));
    let said = String::from_utf8(difference.stdout).unwrap();
    assert!(
        said.lines().all(|line| line.starts_with("chin-fat")),
        "{said}"
    );
    clinic.succeeds(&["diff", &first, &first]);
}

#[test]
fn a_draft_with_a_problem_is_never_signed_and_a_key_is_for_its_owner_alone() {
    let clinic = Clinic::new();
    clinic.draft("1", "draft.json");
    let draft = clinic.path("draft.json");
    let spoilt = std::fs::read_to_string(&draft)
        .unwrap()
        .replace("\\\"4 mm\\\"", "\\\"40 mm\\\"");
    std::fs::write(&draft, spoilt).unwrap();
    let key = clinic.path("one");
    let sign = ["sign", &draft, "--key", &key, "--yes"];
    clinic.refuses(&sign, "40 mm");
    clinic.draft("1", "good.json");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let sign = ["sign", &clinic.path("good.json"), "--key", &key, "--yes"];
    clinic.refuses(&sign, "chmod 600");
    let seed = std::fs::read_to_string(&key).unwrap();
    let output = clinic.run(&sign);
    assert!(!String::from_utf8_lossy(&output.stderr).contains(seed.trim()));
    clinic.refuses(&["key", "new", &key], "never written over");
}

#[test]
fn the_signer_list_changes_only_by_its_own_people() {
    let clinic = Clinic::new();
    let config = clinic.path("server.toml");
    let key = |name: &str| {
        clinic
            .succeeds(&["key", "show", &clinic.path(name)])
            .trim()
            .to_owned()
    };
    let text = format!(
        "version = 2\nsignatures_needed = 2\n[[signers]]\nperson = \"a\"\nkey = \"{}\"\n\
         revoked = true\n[[signers]]\nperson = \"b\"\nkey = \"{}\"\n[[signers]]\nperson = \"c\"\n\
         key = \"{}\"\n",
        key("one"),
        key("two"),
        key("three")
    );
    std::fs::write(clinic.path("list.toml"), text).unwrap();
    let (list, signed) = (clinic.path("list.toml"), clinic.path("list.json"));
    let sign = |name: &str| {
        clinic.succeeds(&[
            "signers",
            "sign",
            &list,
            "--key",
            &clinic.path(name),
            "--out",
            &signed,
        ]);
    };
    let release = ["signers", "release", &signed, "--config", &config];
    sign("three");
    sign("one");
    clinic.refuses(&release, "1 of the 2 needed people");
    sign("two");
    clinic.succeeds(&release);
    clinic.refuses(&release, "does not follow");
    let shown = clinic.succeeds(&["signers", "show", "--config", &config]);
    assert!(
        shown.contains("signer list 2") && shown.contains("(revoked)"),
        "{shown}"
    );

    clinic.draft("1", "draft.json");
    clinic.sign("draft.json", "two");
    clinic.sign("draft.json", "three");
    let draft = clinic.path("draft.json");
    clinic.succeeds(&["release", &draft, "--config", &config, "--yes"]);
    clinic.draft("2", "revoked.json");
    for name in ["one", "two", "three"] {
        clinic.sign("revoked.json", name);
    }
    let revoked = [
        "release",
        &clinic.path("revoked.json"),
        "--config",
        &config,
        "--yes",
    ];
    clinic.refuses(&revoked, "is revoked");
}
