//! Databases that are away or misbehave, and stores that come back from a backup.

use anyhow::{Context, ensure};
use meso_testkit::influx::{Fault as Misbehaviour, InfluxProxy};

use crate::matrix::clinic::{Clinic, Who};
use crate::matrix::{Fault, Moments, usual};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "database-down",
        what: "influxd is away for three to eight seconds.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| {
            moments.rest(100, 1_000);
            clinic.kill(Who::Database);
            moments.rest(3_000, 8_000);
            clinic.start_again(Who::Database)
        },
    },
    Fault {
        name: "server-restart-while-database-down",
        what: "influxd is away for three to eight seconds, and the server is killed with -9 and \
               started again meanwhile.",
        setup: |setup| setup.database = true,
        act: restart_while_down,
    },
    Fault {
        name: "database-refusing",
        what: "influxd answers 429, 500 or 503 for one to eight seconds.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| {
            let status = [429, 500, 503][usize::try_from(moments.between(0, 2))?];
            misbehave(clinic, moments, Misbehaviour::Status(status))
        },
    },
    Fault {
        name: "database-hanging",
        what: "influxd takes no write and answers nothing for one to eight seconds.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| misbehave(clinic, moments, Misbehaviour::Hang),
    },
    Fault {
        name: "database-late",
        what: "influxd stores, and answers one to twelve seconds later or not at all.",
        setup: |setup| setup.database = true,
        act: |clinic, moments| {
            let late = match moments.coin() {
                true => Misbehaviour::DropAfter,
                // Above what the ingest waits, in some rounds.
                false => Misbehaviour::AnswerAfter(moments.between(1_000, 12_000)),
            };
            misbehave(clinic, moments, late)
        },
    },
    Fault {
        name: "store-from-backup",
        what: "The server's folder is put back to a copy of some seconds ago.",
        setup: usual,
        act: from_backup,
    },
    Fault {
        name: "store-from-backup-database",
        what: "The same where the shots are in influxd, which keeps the newer ones.",
        setup: |setup| setup.database = true,
        act: from_backup,
    },
    Fault {
        name: "database-from-backup",
        what: "influxd's folder is put back to a copy of some seconds ago while the server's stays, \
               and `mesofleet store repair` is run.",
        setup: |setup| setup.database = true,
        act: database_from_backup,
    },
];

/// The server has to be up while its database is away, not merely to come back with it.
fn restart_while_down(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 1_000);
    clinic.kill(Who::Database);
    // So that shots wait in the server's file for the database, in most rounds.
    moments.rest(300, 1_500);
    clinic.kill(Who::Server);
    moments.rest(0, 500);
    clinic.start_again(Who::Server)?;
    let is_up = clinic.server.wait_until_it_listens()?;
    ensure!(is_up, "the server left because its database is away");
    moments.rest(1_000, 5_000);
    ensure!(
        !clinic.server.has_left(),
        "the server left while its database was away"
    );
    clinic.start_again(Who::Database)
}

fn proxy(clinic: &Clinic) -> anyhow::Result<&InfluxProxy> {
    let database = clinic.database.as_ref();
    Ok(&database.context("there is no database")?.proxy)
}

fn misbehave(clinic: &mut Clinic, moments: &mut Moments, how: Misbehaviour) -> anyhow::Result<()> {
    moments.rest(100, 1_000);
    let proxy = proxy(clinic)?;
    let before = proxy.counts().fault_count;
    proxy.fail_all(how);
    moments.rest(1_000, 8_000);
    clinic.wait_until("a write is done wrong by", || {
        proxy.counts().fault_count > before
    })?;
    proxy.mend();
    Ok(())
}

/// Stops the server, copies its folder, goes on, and puts the copy back.
fn from_backup(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let data = clinic.server.data().to_owned();
    let (backup, lost) = (clinic.path("backup"), clinic.path("server-lost"));
    moments.rest(100, 1_000);
    clinic.server.stop()?;
    super::copy_folder(&data, &backup)?;
    let copied = clinic.held_count();
    let copied = copied.context("the store that is copied cannot be read")?;
    clinic.server.start_again()?;
    moments.rest(1_500, 4_000);
    clinic.wait_until("the store has what the copy lacks", || {
        clinic.held_count().is_some_and(|held| held > copied)
    })?;
    match moments.coin() {
        true => clinic.server.stop()?,
        false => clinic.server.kill(),
    }
    std::fs::rename(&data, &lost)?;
    std::fs::rename(&backup, &data)?;
    moments.rest(0, 1_000);
    clinic.server.start_again()
}

/// Stops influxd, copies its folder, goes on, and puts the copy back; then does what the manual says.
fn database_from_backup(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let data = clinic.path("influxd");
    let (backup, lost) = (clinic.path("influxd-backup"), clinic.path("influxd-lost"));
    moments.rest(100, 1_000);
    clinic.kill(Who::Database);
    super::copy_folder(&data, &backup)?;
    clinic.start_again(Who::Database)?;
    moments.rest(1_500, 4_000);
    clinic.kill(Who::Database);
    std::fs::rename(&data, &lost)?;
    std::fs::rename(&backup, &data)?;
    moments.rest(0, 500);
    clinic.start_again(Who::Database)?;
    moments.rest(0, 1_000);
    match moments.coin() {
        true => clinic.server.stop()?,
        false => clinic.server.kill(),
    }
    let config = clinic.server.data().with_extension("toml");
    let repaired = clinic
        .programs()
        .command("mesofleet")
        .args(["store", "repair", "--yes", "--json", "--config"])
        .arg(config)
        .output()?;
    let said = String::from_utf8_lossy(&repaired.stdout).into_owned();
    let errors = String::from_utf8_lossy(&repaired.stderr);
    ensure!(repaired.status.success(), "{said}{errors}");
    let last = said.lines().last().unwrap_or_default();
    let last: serde_json::Value = serde_json::from_str(last).context("what it says")?;
    ensure!(
        last["shots"].as_u64() > Some(0),
        "the copy lacked nothing: {last}"
    );
    clinic.server.start_again()
}
