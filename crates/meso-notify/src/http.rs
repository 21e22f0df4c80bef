//! One request that either succeeds or says why not.

use std::time::Duration;

use crate::{NotifyError, Trust};

/// How long one request may take in all; after that the letter counts as not arrived.
pub const SEND_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of a refusal that are told.
const SAID_BYTES_MAX: usize = 256;

/// Posts JSON.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    agent: ureq::Agent,
    url: String,
    /// The address without path, which may hold a secret: for messages.
    place: String,
}

impl Poster {
    /// Posts to this address: over TLS and over nothing else where there is a trust.
    pub(crate) fn new(url: String, trust: Option<&Trust>) -> Poster {
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(SEND_WITHIN))
            .http_status_as_error(false)
            // What an environment says of proxies is no part of the configuration.
            .proxy(None)
            .https_only(trust.is_some())
            .max_redirects(0);
        if let Some(trust) = trust {
            config = config.tls_config(trust.for_http());
        }
        let place = match url.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                format!("{scheme}://{host}")
            }
            None => String::new(),
        };
        let agent = config.build().into();
        Poster { agent, url, place }
    }

    pub(crate) fn post(&self, body: &[u8], headers: &[(&str, &str)]) -> Result<(), NotifyError> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let unreachable = |source| NotifyError::Unreachable {
            url: self.place.clone(),
            source,
        };
        let mut response = request.send(body).map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(());
        }
        let said = response
            .body_mut()
            .with_config()
            .limit(64 * 1024)
            .read_to_string();
        let said = said.unwrap_or_default();
        Err(NotifyError::Refused {
            url: self.place.clone(),
            status: response.status().as_u16(),
            said: said.chars().take(SAID_BYTES_MAX).collect(),
        })
    }
}
