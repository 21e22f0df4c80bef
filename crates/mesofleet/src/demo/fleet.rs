//! The driver, the guns and the people at them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use anyhow::Context;
use meso_testkit::gun::process::GunCommand;
use meso_units::{DriverId, GunSerial};

use super::driver_process::DriverProcess;
use super::guns::{GunCommands, GunProcess, plans};
use super::library::Release;
use super::operator::{Operator, Work};
use super::room_client::RoomClient;
use super::stop::Stop;
use super::{Folders, driver_config};
use crate::cli::{DemoOptions, HabitName};
use crate::serve::{Server, TriggerOnPage};

/// Everything that runs beside the server.
pub(crate) struct Fleet {
    pub(crate) guns: Vec<GunProcess>,
    pub(crate) room: RoomClient,
    /// Each gun says here how many shots it fired, once it has stopped.
    pub(crate) stopped: Receiver<u64>,
    driver: DriverProcess,
    operators: Vec<JoinHandle<()>>,
    abandon: Arc<Stop>,
}

/// The guns that wait for the page, and how to reach them.
pub(crate) struct Triggers {
    waiting: BTreeMap<GunSerial, GunCommands>,
}

impl TriggerOnPage for Triggers {
    fn has(&self, gun: &GunSerial) -> bool {
        self.waiting.contains_key(gun)
    }

    fn press(&self, gun: &GunSerial) -> anyhow::Result<()> {
        let commands = self
            .waiting
            .get(gun)
            .with_context(|| format!("gun {gun} does not wait for the page"))?;
        commands.send(&GunCommand::Trigger)
    }
}

impl Fleet {
    /// Starts guns, driver and operators.
    ///
    /// # Errors
    ///
    /// A process cannot be started.
    pub(crate) fn start(
        options: &DemoOptions,
        folders: &Folders,
        server: &Server,
        driver: &DriverId,
        release: &Release,
    ) -> anyhow::Result<Fleet> {
        let config = folders.path("driver.toml");
        let broker = server
            .broker_addr()
            .context("a demonstration has its own broker")?;
        let text = driver_config(folders, (server, broker), driver, release);
        std::fs::write(&config, text)
            .with_context(|| format!("cannot write {}", config.display()))?;
        let driver = DriverProcess::start(&config, &folders.path("driver.log"))?;
        let room = RoomClient::new(&folders.path("driver"));
        let abandon = Arc::new(Stop::default());
        let (stopped_sender, stopped) = channel();
        let (mut guns, mut operators) = (Vec::new(), Vec::new());
        for plan in plans(options)? {
            let (ports, logs) = (folders.path("ports"), folders.path("guns"));
            let (gun, lines) = GunProcess::start(plan, &options.firmware, &ports, &logs)?;
            let operator = Operator {
                serial: gun.plan.serial.to_string(),
                commands: gun.commands.clone(),
                room: room.clone(),
                abandon: Arc::clone(&abandon),
                stopped: stopped_sender.clone(),
                work: Work::default(),
            };
            let name = format!("{}-operator", gun.plan.serial);
            operators.push(
                std::thread::Builder::new()
                    .name(name)
                    .spawn(move || operator.run(&lines))?,
            );
            guns.push(gun);
        }
        Ok(Fleet {
            guns,
            room,
            stopped,
            driver,
            operators,
            abandon,
        })
    }

    /// The guns whose trigger the page may press.
    pub(crate) fn triggers(&self) -> Triggers {
        let waiting = self
            .guns
            .iter()
            .filter(|gun| gun.plan.habit == HabitName::WaitForTrigger)
            .map(|gun| (gun.plan.serial.clone(), gun.commands.clone()))
            .collect();
        Triggers { waiting }
    }

    /// Tells every gun to fire nothing more, and every operator to wait for nothing more.
    pub(crate) fn stop_firing(&self) {
        for gun in &self.guns {
            if let Err(error) = gun.commands.send(&GunCommand::Stop) {
                tracing::warn!(%error, "gun cannot be stopped");
            }
        }
    }

    /// Ends all processes and threads.
    ///
    /// # Errors
    ///
    /// A process cannot be waited for, or the driver could not be kept alive.
    pub(crate) fn leave(self) -> anyhow::Result<()> {
        self.abandon.stop();
        self.driver.stop()?;
        for gun in self.guns {
            gun.leave()?;
        }
        for operator in self.operators {
            // A panic of an operator has been printed; the run's figures tell what it cost.
            let _ = operator.join();
        }
        Ok(())
    }
}
