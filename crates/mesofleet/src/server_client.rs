//! Asking the running server, as its pages do.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use meso_config::ServerConfig;
use meso_contract::http::ErrorView;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long the server may take for an answer: it waits for a commit.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Where a server listens, by its configuration.
pub(crate) struct ServerClient {
    agent: ureq::Agent,
    base: String,
}

impl ServerClient {
    /// Of the server with this configuration, which was read from `file`.
    pub(crate) fn of(config: &ServerConfig, file: &Path) -> anyhow::Result<ServerClient> {
        if config.http.port() == 0 {
            return Err(anyhow!(
                "{}: bind under [http] has port 0, so where the server listens is not known; choose \
                 a port",
                file.display()
            ));
        }
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .build()
            .into();
        let base = format!("http://{}", config.http);
        Ok(ServerClient { agent, base })
    }

    /// What it answers at a path.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.base);
        self.read(self.agent.get(&url).call())
    }

    /// What it answers to a body.
    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.base);
        self.read(self.agent.post(&url).send_json(body))
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<T> {
        let mut answer = answer
            .with_context(|| format!("the server does not answer at {}; start it", self.base))?;
        if answer.status().is_success() {
            return Ok(answer.body_mut().read_json()?);
        }
        let status = answer.status();
        match answer.body_mut().read_json::<ErrorView>() {
            Ok(error) => Err(anyhow!("{}", error.message)),
            Err(_) => Err(anyhow!("the server answers {status}")),
        }
    }
}
