//! Takes steps at the driver's loopback interface, as the room's page would.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use meso_contract::room::{
    ROOM_ACCESS_FILE_NAME, RoomAccessFile, RoomStateBody, RoomStepBody, StepRefusedBody,
    StepTakenBody,
};

/// How long one request may take: a step is answered after an fsync, far below this.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// What became of a step.
#[derive(Debug)]
pub(crate) enum StepResult {
    /// It is on disk.
    Taken(StepTakenBody),
    /// Something is missing or wrong; asking again changes nothing.
    Refused(StepRefusedBody),
}

/// A caller of the room's interface; finds a driver that was started again by itself.
#[derive(Clone, Debug)]
pub(crate) struct RoomClient {
    access: PathBuf,
    agent: ureq::Agent,
}

impl RoomClient {
    /// A client of the driver with this data folder.
    pub(crate) fn new(driver_data: &std::path::Path) -> RoomClient {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST_WITHIN))
            .http_status_as_error(false)
            .build()
            .into();
        RoomClient {
            access: driver_data.join(ROOM_ACCESS_FILE_NAME),
            agent,
        }
    }

    fn access(&self) -> anyhow::Result<RoomAccessFile> {
        let text = std::fs::read_to_string(&self.access)
            .with_context(|| format!("{} is not there yet", self.access.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// How the room is.
    ///
    /// # Errors
    ///
    /// The driver is not there, or is just starting.
    pub(crate) fn state(&self) -> anyhow::Result<RoomStateBody> {
        let access = self.access()?;
        let response = self
            .agent
            .get(format!("http://{}/api/v1/state", access.address))
            .header("authorization", format!("Bearer {}", access.token))
            .call()?;
        let status = response.status();
        if status != 200 {
            return Err(anyhow!("the room answers {status}"));
        }
        Ok(response.into_body().read_json()?)
    }

    /// Takes a step.
    ///
    /// # Errors
    ///
    /// The driver is not there, or is just starting or stopping; asking again may help.
    pub(crate) fn step(&self, step: &RoomStepBody) -> anyhow::Result<StepResult> {
        let access = self.access()?;
        let response = self
            .agent
            .post(format!("http://{}/api/v1/steps", access.address))
            .header("authorization", format!("Bearer {}", access.token))
            .send_json(step)?;
        match response.status().as_u16() {
            200 => Ok(StepResult::Taken(response.into_body().read_json()?)),
            409 | 422 => Ok(StepResult::Refused(response.into_body().read_json()?)),
            status => Err(anyhow!("the room answers {status}")),
        }
    }
}
