//! A driver as a process.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context;
use meso_contract::room::{
    PatientBody, PatientCodeBody, ROOM_ACCESS_FILE_NAME, ResumeGunBody, RoomAccessFile,
    RoomGunBody, RoomStateBody, RoomStepBody, StepTakenBody,
};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CLINIC, Programs, end_by_force, leave, wait_until};

/// What a driver is told.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Its id.
    pub name: String,
    /// The folder of its journal.
    pub data: PathBuf,
    /// The folder of its ports.
    pub ports: PathBuf,
    /// The broker.
    pub broker: SocketAddr,
    /// When the computer's clock counts: by its date, since a computer of tests may have no time
    /// service.
    pub clock_trusted_after: &'static str,
    /// Further sections of its configuration.
    pub extra: String,
    /// Variables of its environment beside our own.
    pub environment: Vec<(String, String)>,
}

/// `mesofleet-driver run`, which can be killed and started again on the same journal.
#[derive(Debug)]
pub struct Driver {
    options: DriverOptions,
    programs: Programs,
    child: Option<Child>,
}

impl Driver {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(programs: &Programs, options: DriverOptions) -> anyhow::Result<Driver> {
        std::fs::write(config_path(&options), config_text(&options))?;
        let mut driver = Driver {
            programs: programs.clone(),
            options,
            child: None,
        };
        driver.start_again()?;
        driver.wait_until_it_answers()?;
        Ok(driver)
    }

    /// Starts it on its journal, and waits for nothing.
    ///
    /// # Errors
    ///
    /// The process cannot be made.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let _ = std::fs::remove_file(self.options.data.join(ROOM_ACCESS_FILE_NAME));
        let log = self.log_file()?;
        let mut command = self.programs.command("mesofleet-driver");
        let child = command
            .args(["run", "--config"])
            .arg(config_path(&self.options))
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the driver")?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until its room's interface answers.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        wait_until("the driver answers", || self.state().is_some()).with_context(|| self.log())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end_by_force(&mut child);
        }
    }

    /// Asks it to leave and waits for it.
    ///
    /// # Errors
    ///
    /// It does not leave well.
    pub fn leave(&mut self) -> anyhow::Result<()> {
        match self.child.take() {
            Some(mut child) => leave(&mut child).context("the driver"),
            None => Ok(()),
        }
    }

    /// Its process id; `None` while it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it ended by itself, or was never there.
    pub fn has_left(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// The folder of its journal.
    pub fn data(&self) -> &Path {
        &self.options.data
    }

    /// The folder of its ports.
    pub fn ports(&self) -> &Path {
        &self.options.ports
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_path(&self.options)).unwrap_or_default()
    }

    /// How its room is; `None` while it does not answer.
    pub fn state(&self) -> Option<RoomStateBody> {
        let (agent, access) = self.room()?;
        let answer = agent
            .get(format!("http://{}/api/v1/state", access.address))
            .header("authorization", format!("Bearer {}", access.token))
            .call();
        answer.ok()?.body_mut().read_json().ok()
    }

    /// What it knows of a gun.
    pub fn gun(&self, serial: &str) -> Option<RoomGunBody> {
        let guns = self.state()?.guns;
        guns.into_iter().find(|gun| gun.serial == serial)
    }

    /// Lets a gun fire again that the driver has inhibited, as a person in the room does; says
    /// whether it was done.
    pub fn resume(&self, serial: &str) -> bool {
        let body = ResumeGunBody {
            operator: "op-1".to_owned(),
            reason: "measured".to_owned(),
        };
        let Some((agent, access)) = self.room() else {
            return false;
        };
        let path = format!("/api/v1/guns/{serial}/resume");
        let request = agent
            .post(format!("http://{}{path}", access.address))
            .header("authorization", format!("Bearer {}", access.token));
        request.send_json(&body).is_ok()
    }

    /// Takes a step, as a person in the room does.
    ///
    /// # Errors
    ///
    /// What the room answered instead.
    pub fn step(&self, body: &RoomStepBody) -> anyhow::Result<StepTakenBody> {
        self.post("/api/v1/steps", body)
    }

    /// Finds the patient of a code, as a person in the room does.
    ///
    /// # Errors
    ///
    /// What the room answered instead.
    pub fn patient(&self, code: &str) -> anyhow::Result<PatientBody> {
        let code = code.to_owned();
        self.post(
            "/api/v1/patients",
            &PatientCodeBody {
                code,
                protocol: None,
            },
        )
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let (agent, access) = self.room().context("the driver does not run")?;
        let request = agent
            .post(format!("http://{}{path}", access.address))
            .header("authorization", format!("Bearer {}", access.token))
            .config()
            .http_status_as_error(false)
            .build();
        let mut answer = request.send_json(body)?;
        let text = answer.body_mut().read_to_string()?;
        serde_json::from_str(&text).with_context(|| format!("the room answered {text}"))
    }

    /// How to ask its room's interface.
    fn room(&self) -> Option<(ureq::Agent, RoomAccessFile)> {
        let text = std::fs::read_to_string(self.options.data.join(ROOM_ACCESS_FILE_NAME)).ok()?;
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        Some((agent, serde_json::from_str(&text).ok()?))
    }

    /// Waits until its journal holds this many shots of the present epoch of each gun, and the
    /// server has stored everything.
    ///
    /// # Errors
    ///
    /// It takes far too long; the message holds what is missing, and its log.
    pub fn settle(&self, expected: &[(String, u64)]) -> anyhow::Result<()> {
        let mut seen = None;
        let settled = wait_until("everything arrives at the server", || {
            let Some(state) = self.state() else {
                return false;
            };
            let holds = |(serial, count): &(String, u64)| {
                let mut guns = state.guns.iter();
                guns.any(|gun| gun.serial == *serial && u64::from(gun.journalled_counter) == *count)
            };
            let is_settled = expected.iter().all(holds)
                && state.unsealed_record_count == 0
                && state.unsettled_block_count == 0;
            seen = Some(state);
            is_settled
        });
        settled.with_context(|| format!("{expected:?}\n{seen:?}\n{}", self.log()))
    }

    fn log_file(&self) -> anyhow::Result<File> {
        let path = log_path(&self.options);
        Ok(OpenOptions::new().create(true).append(true).open(path)?)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.kill();
    }
}

fn config_path(options: &DriverOptions) -> PathBuf {
    options.data.with_extension("toml")
}

fn log_path(options: &DriverOptions) -> PathBuf {
    options.data.with_extension("log")
}

fn config_text(options: &DriverOptions) -> String {
    let DriverOptions {
        name,
        data,
        ports,
        broker,
        clock_trusted_after,
        extra,
        environment: _,
    } = options;
    format!(
        "version = 1\n\
         [driver]\nid = \"{name}\"\nclinic = \"{CLINIC}\"\ntime_zone = \"UTC\"\n\
         data_dir = {data:?}\n\
         [ports]\nsource = \"folder\"\nfolder = {ports:?}\nrescan_ms = 100\n\
         [clock]\ntrusted_after = \"{clock_trusted_after}\"\n\
         [broker]\nhost = \"{}\"\nport = {}\n{extra}",
        broker.ip(),
        broker.port(),
    )
}
