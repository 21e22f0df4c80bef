//! What runs in one round: guns, drivers, the lines between, the server and its database.

mod looking;

pub(super) use looking::held_count_of;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use meso_testkit::gun::bank::{Bank, BankGun, Order};
use meso_testkit::mosquitto::Mosquitto;
use meso_testkit::tcp::TcpProxy;
use meso_units::GunSerial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::count::Allowed;
use super::database::Database;
use super::disk::{Ext4Disk, SmallDisk};
use super::sessions::Sessions;
use super::setup::Setup;
use crate::sandbox::{Driver, DriverOptions, Programs, Release, Server, ServerOptions};

/// How long a clinic may take to be whole again before the round counts as one that did not end.
/// Blocks that went missing are sent again after 5 to 60 seconds.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// Shots of each gun that are stored before anything happens to anybody.
const WARM_SHOTS: u32 = 3;

/// Whom something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The driver of the first room.
    Driver,
    /// The server: ingest, store, ledger, and the embedded broker where there is no other.
    Server,
    /// The broker.
    Broker,
    /// The database.
    Database,
}

/// Everything. It ends in this order.
#[derive(Debug)]
pub struct Clinic {
    /// The guns.
    pub bank: Bank,
    /// One for each room.
    pub drivers: Vec<Driver>,
    /// Between drivers and broker.
    pub driver_line: TcpProxy,
    /// Between ingest and broker, where there is one.
    pub ingest_line: Option<TcpProxy>,
    /// The broker, where it is not the server's.
    pub broker: Option<Mosquitto>,
    /// The server.
    pub server: Server,
    /// The database, where there is one.
    pub database: Option<Database>,
    /// What the fault may have destroyed.
    pub allowed: Allowed,
    /// Sessions that are open over the fault.
    pub sessions: Option<Sessions>,
    /// Disks of their own.
    pub disks: Vec<SmallDisk>,
    /// A disk of the first driver's that can turn read-only.
    pub ext4_disk: Option<Ext4Disk>,
    serials: Vec<String>,
    programs: Programs,
    folder: TempDir,
}

impl Clinic {
    /// Starts everything and waits until shots of every gun that is plugged in are stored.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from that.
    pub fn start(programs: &Programs, setup: &Setup, seed: u64) -> anyhow::Result<Clinic> {
        let folder = tempfile::Builder::new()
            .prefix("mesofleet-faults-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let path = |name: &str| made(folder.path(), name);
        let mut disks = Vec::new();
        let database = match setup.database {
            true => {
                let data = path("influxd")?;
                if let Some(kib) = setup.database_disk_kib {
                    disks.push(SmallDisk::mount(&data, kib)?);
                }
                Some(Database::start(&data)?)
            }
            false => None,
        };
        let broker = match setup.broker {
            true => Some(start_broker(&path("mosquitto")?, setup)?),
            false => None,
        };
        let lines = broker.as_ref().map(|it| TcpProxy::start(it.address()));
        let ingest_line = lines.transpose()?;
        let data = path("server")?;
        if let Some(kib) = setup.server_disk_kib {
            disks.push(SmallDisk::mount(&data, kib)?);
        }
        let release = match setup.sessions {
            true => Some(Release::sign()?),
            false => None,
        };
        let options = ServerOptions {
            broker: ingest_line
                .as_ref()
                .map(|line| (line.address(), String::new())),
            environment: environment(&folder.path().join("server.clock"), setup)?,
            ..server_options(database.as_ref(), release.as_ref())
        };
        let server = Server::start(programs, &data, &options)?;
        let at = broker.as_ref().map(Mosquitto::address);
        let driver_line = TcpProxy::start(at.unwrap_or_else(|| server.broker()))?;
        let ports = path("ports-room-1")?;
        let (serials, guns) = guns(setup, seed)?;
        let bank = Bank::start(&ports, &path("logs")?, guns)?;
        let ext4_disk = match setup.driver_ext4_mib {
            None => None,
            Some(mib) => {
                let image = folder.path().join("driver-disk.ext4");
                let data = path(&driver_data(1))?;
                Some(Ext4Disk::mount(&image, &data, mib)?)
            }
        };
        let drivers = start_drivers(
            programs,
            setup,
            folder.path(),
            (driver_line.address(), release.as_ref()),
            &mut disks,
        )?;
        let mut clinic = Clinic {
            bank,
            drivers,
            driver_line,
            ingest_line,
            broker,
            server,
            database,
            allowed: Allowed::default(),
            sessions: None,
            disks,
            ext4_disk,
            serials,
            programs: programs.clone(),
            folder,
        };
        let late = usize::from(setup.last_gun_is_late);
        let early = clinic.serials.len() - late;
        clinic.wait_for_stored_shots(&clinic.serials[..early], WARM_SHOTS)?;
        if setup.sessions {
            clinic.sessions = Some(Sessions::open(&clinic)?);
        }
        Ok(clinic)
    }

    /// The programs that it runs.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// A path of its own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The serial number of the gun at this place of the list.
    pub fn serial(&self, gun: usize) -> &str {
        &self.serials[gun]
    }

    /// Does something to a gun.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    pub fn order(&self, gun: usize, order: Order) -> anyhow::Result<u64> {
        Ok(self.bank.order(gun, order)?)
    }

    /// Plugs a gun into a room under a name.
    ///
    /// # Errors
    ///
    /// It cannot be done.
    pub fn plug(&self, gun: usize, room: usize, name: &str) -> anyhow::Result<()> {
        let folder = self.drivers[room].ports().to_owned();
        let name = name.to_owned();
        self.order(gun, Order::Plug { folder, name }).map(drop)
    }

    /// kill -9.
    pub fn kill(&mut self, who: Who) {
        match who {
            Who::Driver => self.drivers[0].kill(),
            Who::Server => self.server.kill(),
            Who::Broker => {
                if let Some(broker) = &mut self.broker {
                    broker.kill();
                }
            }
            Who::Database => {
                if let Some(database) = &mut self.database {
                    database.influxd.kill();
                }
            }
        }
    }

    /// Starts what was killed.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start_again(&mut self, who: Who) -> anyhow::Result<()> {
        match who {
            Who::Driver => self.drivers[0].start_again(),
            Who::Server => self.server.start_again(),
            Who::Broker => {
                let broker = self.broker.as_mut().context("there is no broker")?;
                Ok(broker.restart()?)
            }
            Who::Database => {
                let database = self.database.as_mut().context("there is no database")?;
                Ok(database.influxd.restart()?)
            }
        }
    }

    /// SIGSTOP, or SIGCONT.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn freeze(&self, who: Who, is_frozen: bool) -> anyhow::Result<()> {
        let signal = match is_frozen {
            true => Signal::SIGSTOP,
            false => Signal::SIGCONT,
        };
        let pid = Pid::from_raw(i32::try_from(self.pid(who)?)?);
        kill(pid, signal).context("a signal was not sent")
    }

    /// The process of a program.
    fn pid(&self, who: Who) -> anyhow::Result<u32> {
        let pid = match who {
            Who::Driver => self.drivers[0].pid(),
            Who::Server => self.server.pid(),
            Who::Broker => self.broker.as_ref().map(Mosquitto::id),
            Who::Database => self.database.as_ref().map(|it| it.influxd.id()),
        };
        pid.with_context(|| format!("{who:?} does not run"))
    }

    /// Sets a clock: this many seconds beside the right time.
    ///
    /// # Errors
    ///
    /// Its file cannot be written.
    pub fn set_clock(&self, who: Who, offset_s: i64) -> anyhow::Result<()> {
        let name = match who {
            Who::Driver => "driver.clock",
            _ => "server.clock",
        };
        super::clock::set(&self.path(name), offset_s)
    }
}

fn made(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

/// What the server is told of its store and its protocol library.
fn server_options(database: Option<&Database>, release: Option<&Release>) -> ServerOptions {
    let store = database.map_or_else(String::new, Database::section);
    match release {
        Some(release) => release.server_options(&store),
        None => ServerOptions {
            extra: store,
            ..ServerOptions::default()
        },
    }
}

/// The folder of the journal of a room's driver.
fn driver_data(number: u32) -> String {
    format!("driver-room-{number}")
}

/// One for each room.
fn start_drivers(
    programs: &Programs,
    setup: &Setup,
    folder: &Path,
    (broker, release): (SocketAddr, Option<&Release>),
    disks: &mut Vec<SmallDisk>,
) -> anyhow::Result<Vec<Driver>> {
    let start = |number| {
        let name = format!("room-{number}");
        let data = made(folder, &driver_data(number))?;
        if let Some(kib) = setup.driver_disk_kib.filter(|_| number == 1) {
            disks.push(SmallDisk::mount(&data, kib)?);
        }
        let options = DriverOptions {
            ports: made(folder, &format!("ports-{name}"))?,
            broker,
            clock_trusted_after: "date",
            extra: release.map_or_else(String::new, Release::section),
            environment: environment(&folder.join("driver.clock"), setup)?,
            name,
            data,
        };
        Driver::start(programs, options)
    };
    (1..=setup.rooms).map(start).collect()
}

/// It remembers nothing beyond its death, and keeps little for those who lag.
fn start_broker(folder: &Path, setup: &Setup) -> anyhow::Result<Mosquitto> {
    let queue_max = setup.queue_max;
    let lines = format!(
        "{}persistence false\nmax_queued_messages {queue_max}\nmax_inflight_messages 10\n",
        Mosquitto::OPEN
    );
    Ok(Mosquitto::start(folder, &lines)?)
}

fn guns(setup: &Setup, seed: u64) -> anyhow::Result<(Vec<String>, Vec<BankGun>)> {
    let (mut serials, mut guns) = (Vec::new(), Vec::new());
    for number in 1..=setup.guns {
        let serial = GunSerial::parse(&format!("GUN-{number:04}"))?;
        serials.push(serial.to_string());
        let every = setup.fire_every + Duration::from_millis(u64::from(number) * 7);
        guns.push(BankGun {
            ring_shots_max: setup.ring_shots_max,
            is_plugged: number < setup.guns || !setup.last_gun_is_late,
            drift_ppm: i32::try_from(number)? * 20 - 30,
            ..BankGun::new(serial, seed.wrapping_add(number.into()), every)
        });
    }
    Ok((serials, guns))
}

fn environment(file: &Path, setup: &Setup) -> anyhow::Result<Vec<(String, String)>> {
    match setup.false_clocks {
        true => super::clock::environment(file),
        false => Ok(Vec::new()),
    }
}
