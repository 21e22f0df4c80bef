//! Speaking with the running driver through its room's interface.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use meso_contract::room::{ROOM_ACCESS_FILE_NAME, RoomAccessFile, StepRefusedBody};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long the driver may take to answer: longer than it takes it to write for everybody else.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Where a driver listens, by what it wrote into its data folder.
pub(super) struct RoomClient {
    pub(super) address: SocketAddr,
    token: String,
    agent: ureq::Agent,
}

/// What became of a question.
pub(super) enum Asked<T> {
    /// The driver answered.
    Answered(T),
    /// The driver refuses, because …
    Refused(String),
    /// There is none, because …
    NotRunning(String),
}

impl RoomClient {
    /// The driver of a data folder, or why there is none.
    pub(super) fn of(folder: &Path) -> anyhow::Result<Result<RoomClient, String>> {
        let path = folder.join(ROOM_ACCESS_FILE_NAME);
        let name = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Err(format!("there is no {name}")));
            }
            Err(error) => {
                return Err(anyhow::Error::new(error).context(format!(
                    "cannot read {name}; ask as the user who runs the driver"
                )));
            }
        };
        let access: RoomAccessFile =
            serde_json::from_str(&text).with_context(|| format!("{name} is no access file"))?;
        let address: SocketAddr = access
            .address
            .parse()
            .with_context(|| format!("{name} names no address"))?;
        if !address.ip().is_loopback() {
            return Err(anyhow!(
                "{name} names {address}, which is not this computer: the token is not sent there"
            ));
        }
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        Ok(Ok(RoomClient {
            address,
            token: access.token,
            agent,
        }))
    }

    /// Asks for something.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Asked<T>> {
        let request = self.agent.get(self.url(path));
        let asked = request.header("authorization", self.bearer()).call();
        self.answer(asked)
    }

    /// Asks for something to be done.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<Asked<T>> {
        let body = serde_json::to_vec(body)?;
        let request = self.agent.post(self.url(path));
        let asked = request.header("authorization", self.bearer()).send(body);
        self.answer(asked)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        asked: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Asked<T>> {
        let address = self.address;
        let response = match asked {
            Ok(response) => response,
            Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                return Ok(Asked::NotRunning(format!(
                    "nobody listens on {address}, where the last one did"
                )));
            }
            Err(error) => {
                return Err(anyhow::Error::new(error)
                    .context(format!("the driver at {address} does not answer")));
            }
        };
        let status = response.status().as_u16();
        let mut body = response.into_body();
        match status {
            200 => {
                let answer = body.read_json();
                let answer = answer.with_context(|| format!("{address} answers something else"))?;
                Ok(Asked::Answered(answer))
            }
            403 | 409 | 422 | 503 => {
                let refused: StepRefusedBody = body
                    .read_json()
                    .with_context(|| format!("{address} answers something else"))?;
                Ok(Asked::Refused(refused.message))
            }
            401 | 404 => Ok(Asked::NotRunning(format!(
                "another program listens on {address}, where the last one did"
            ))),
            status => Err(anyhow!(
                "the driver at {address} answers {status}; ask again"
            )),
        }
    }
}
