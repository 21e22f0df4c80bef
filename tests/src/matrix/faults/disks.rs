//! Disks that run full or turn read-only, and journals whose end is torn.

use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::{Context, bail, ensure};

use crate::matrix::clinic::{Clinic, Who};
use crate::matrix::{Fault, Moments, SmallDisk, usual};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "driver-disk-full",
        what: "The disk of the driver's journal is full for two to five seconds and until the driver says \
               so.",
        setup: |setup| setup.driver_disk_kib = Some(8 * 1_024),
        act: driver_disk_full,
    },
    Fault {
        name: "driver-disk-full-kill",
        what: "The same, and the driver is killed and started while the disk is full.",
        setup: |setup| setup.driver_disk_kib = Some(8 * 1_024),
        act: disk_full_and_kill,
    },
    Fault {
        name: "driver-disk-read-only",
        what: "The ext4 disk of the driver's journal turns read-only, as on an error, for two to five \
               seconds, and is taken out, checked and put back; in half of the rounds the driver is \
               killed and started meanwhile.",
        setup: |setup| setup.driver_ext4_mib = Some(16),
        act: disk_read_only,
    },
    Fault {
        name: "server-disk-full",
        what: "The disk of the server's store and ledger is full for two to five seconds and until the \
               server says so.",
        setup: |setup| setup.server_disk_kib = Some(16 * 1_024),
        act: server_disk_full,
    },
    Fault {
        name: "database-disk-full",
        what: "The disk of influxd is full until the server says so; then there is room, influxd is \
               started twice, and after that it is killed once more.",
        setup: |setup| {
            setup.database = true;
            setup.database_disk_kib = Some(16 * 1_024);
        },
        act: database_disk_full,
    },
    Fault {
        name: "journal-torn",
        what: "The driver is killed, and half a transaction stands at the end of its journal.",
        setup: usual,
        act: torn,
    },
    Fault {
        name: "driver-disk-dead",
        what: "The disk of the driver's journal is replaced by an empty one; the guns still hold \
               their shots.",
        setup: usual,
        act: disk_dead,
    },
    Fault {
        name: "journal-from-backup",
        what: "The driver's journal is put back to a copy of some seconds ago, also while there is \
               no broker.",
        setup: usual,
        act: journal_from_backup,
    },
];

fn driver_disk_full(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let disk = fill(clinic, moments, 64)?;
    moments.rest(2_000, 5_000);
    clinic.wait_for_journal_problem("the disk is full")?;
    disk.empty()
}

fn server_disk_full(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let disk = fill(clinic, moments, 64)?;
    moments.rest(2_000, 5_000);
    clinic.wait_for_server_problem("disk is full")?;
    disk.empty()
}

/// Leaves at most so much room on the small disk, or none.
fn fill<'c>(
    clinic: &'c Clinic,
    moments: &mut Moments,
    free_kib_max: u64,
) -> anyhow::Result<&'c SmallDisk> {
    moments.rest(100, 1_000);
    let free_kib = usize::try_from(moments.between(0, free_kib_max))?;
    let disk = clinic.disks.first().context("there is no small disk")?;
    disk.fill(free_kib)?;
    Ok(disk)
}

/// influxd 1.x takes nothing from the first write on that its log has no room for until it is
/// started again, and what it takes then it forgets at the start after that: so the server holds
/// back until a person has started it twice and said so.
fn database_disk_full(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let disk = fill(clinic, moments, 16)?;
    clinic.wait_for_server_problem("its disk was full")?;
    moments.rest(0, 2_000);
    disk.empty()?;
    for _ in 0..2 {
        clinic.kill(Who::Database);
        moments.rest(0, 500);
        clinic.start_again(Who::Database)?;
        moments.rest(0, 1_000);
    }
    std::fs::remove_file(clinic.server.data().join("influx-disk-was-full.txt"))?;
    clinic.wait_until_stored()?;
    moments.rest(0, 1_000);
    clinic.kill(Who::Database);
    moments.rest(0, 500);
    clinic.start_again(Who::Database)
}

fn disk_full_and_kill(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    fill(clinic, moments, 64)?;
    moments.rest(300, 2_000);
    clinic.kill(Who::Driver);
    moments.rest(0, 500);
    clinic.start_again(Who::Driver)?;
    moments.rest(1_000, 2_000);
    clinic.wait_until_driver_left_or("disk is full")?;
    let disk = clinic.disks.first().context("there is no small disk")?;
    disk.empty()?;
    // It may have left because it could not start; its service manager starts it again.
    if clinic.drivers[0].has_left() {
        clinic.start_again(Who::Driver)?;
    }
    Ok(())
}

fn disk_read_only(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    // ext4 may lose the very write that it confirmed while it gave up: in one of six tries with
    // SQLite alone, on Linux 6.18. The journal is then an older copy of what was sent from it.
    clinic.allowed.several_readers = true;
    clinic.allowed.second_blocks = true;
    moments.rest(100, 1_000);
    let disk = clinic.ext4_disk.as_ref().context("there is no ext4 disk")?;
    disk.turn_read_only()?;
    moments.rest(2_000, 5_000);
    if clinic.drivers[0].has_left() {
        bail!("the driver left although its disk may come back");
    }
    clinic.wait_for_journal_problem("the disk is read-only")?;
    let is_killed = moments.coin();
    if is_killed {
        clinic.kill(Who::Driver);
        clinic.start_again(Who::Driver)?;
        // One that starts on a disk that takes no writes leaves and says why.
        clinic.wait_until_driver_left()?;
    }
    let disk = clinic.ext4_disk.as_ref().context("there is no ext4 disk")?;
    disk.repair()?;
    if is_killed {
        // Its service manager does.
        clinic.start_again(Who::Driver)?;
    }
    Ok(())
}

/// What a power cut leaves of a transaction that was being written.
fn torn(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let mut torn_count = 0;
    for _ in 0..moments.between(1, 3) {
        moments.rest(200, 1_200);
        clinic.kill(Who::Driver);
        let log = clinic.drivers[0].data().join("journal.sqlite-wal");
        let bytes = std::fs::read(&log).unwrap_or_default();
        let frame = 24 + 4_096;
        if bytes.len() > 32 + frame {
            // The newest frame once more, cut short or with a byte turned over.
            let mut last = bytes[bytes.len() - frame..].to_vec();
            let at = usize::try_from(moments.between(0, frame as u64 - 1))?;
            match moments.coin() {
                true => last.truncate(at),
                false => last[at] ^= 0x40,
            }
            let mut file = OpenOptions::new().append(true).open(&log)?;
            file.write_all(&last)?;
            torn_count += 1;
        }
        clinic.start_again(Who::Driver)?;
    }
    ensure!(torn_count > 0, "the journal's log never had a transaction");
    Ok(())
}

fn disk_dead(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    // The new journal reads again what the old one has sent.
    clinic.allowed.several_readers = true;
    moments.rest(300, 1_500);
    clinic.kill(Who::Driver);
    let data = clinic.drivers[0].data().to_owned();
    std::fs::rename(&data, clinic.path("dead-disk"))?;
    std::fs::create_dir(&data)?;
    moments.rest(0, 800);
    clinic.start_again(Who::Driver)
}

fn journal_from_backup(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    // The older copy reads again what was sent from the journal that it replaces.
    clinic.allowed.several_readers = true;
    clinic.allowed.second_blocks = true;
    let data = clinic.drivers[0].data().to_owned();
    let (backup, lost) = (clinic.path("backup"), clinic.path("driver-lost"));
    moments.rest(100, 800);
    clinic.kill(Who::Driver);
    super::copy_folder(&data, &backup)?;
    let fired_before = clinic.fired()?.len() as u64;
    clinic.start_again(Who::Driver)?;
    moments.rest(1_500, 3_000);
    clinic.wait_until("the journal has what the copy lacks", || {
        let journalled = clinic.journalled_count();
        journalled.is_some_and(|count| count > fired_before)
    })?;
    clinic.kill(Who::Driver);
    std::fs::rename(&data, &lost)?;
    std::fs::rename(&backup, &data)?;
    moments.rest(0, 500);
    // Without a broker it gives numbers again before it can hear of any.
    let is_alone = moments.coin();
    if is_alone {
        clinic.driver_line.refuse(true);
    }
    clinic.start_again(Who::Driver)?;
    if is_alone {
        moments.rest(1_500, 3_500);
        clinic.driver_line.refuse(false);
    }
    Ok(())
}
