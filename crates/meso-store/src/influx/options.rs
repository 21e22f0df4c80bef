//! Where the InfluxDB is, and how it is spoken to.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest_of_influxdb2::Url;

use crate::StoreError;

/// The longest URL, organisation, bucket or token, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// A token, which no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct InfluxToken(String);

impl InfluxToken {
    /// Wraps a token; white space around it is no part of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Influx`] where it is empty, too long or not of visible ASCII characters.
    pub fn new(text: &str) -> Result<InfluxToken, StoreError> {
        let token = text.trim();
        let is_visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || token.len() > TEXT_BYTES_MAX || !is_visible {
            return Err(wrong(
                "a token",
                "has to be 1 to 1024 visible ASCII characters",
            ));
        }
        Ok(InfluxToken(token.to_owned()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InfluxToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InfluxToken(…)")
    }
}

/// Where the InfluxDB is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxOptions {
    url: Url,
    org: String,
    bucket: String,
    token: Option<InfluxToken>,
    /// Whether bodies are compressed: worth it over a network, not on one computer.
    pub gzip: bool,
    /// Bodies under way at once, 1 to [`InfluxOptions::CONNECTIONS_MAX`]; others are taken as the
    /// nearest of these.
    pub connections: usize,
    /// How long one request may take.
    pub request_within: Duration,
    /// How long to wait before the second attempt of a write; it doubles with each further one.
    pub back_off: Duration,
}

impl InfluxOptions {
    /// The most bodies that are under way at once.
    pub const CONNECTIONS_MAX: usize = 8;

    /// The organisation and bucket that are taken where none is named.
    pub const DEFAULT_NAME: &'static str = "mesofleet";

    /// Where bodies go when nothing else is said.
    const DEFAULT_CONNECTIONS: usize = 2;

    /// Checks where the database is.
    ///
    /// There is no TLS yet, so it has to be this computer; one elsewhere is reached by a tunnel
    /// that ends here.
    ///
    /// # Errors
    ///
    /// [`StoreError::Influx`] where the URL is not `http://` and a name of this computer, or a name
    /// cannot be one.
    pub fn new(url: &str, org: &str, bucket: &str) -> Result<InfluxOptions, StoreError> {
        let parsed = Url::parse(url).ok().filter(|_| url.len() <= TEXT_BYTES_MAX);
        let parsed = parsed.filter(|parsed| {
            let host = parsed.host_str().unwrap_or_default();
            let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
            let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
            let is_plain = parsed.username().is_empty()
                && parsed.password().is_none()
                && matches!(parsed.path(), "" | "/")
                && parsed.query().is_none()
                && parsed.fragment().is_none();
            parsed.scheme() == "http" && is_here && is_plain
        });
        let parsed = parsed.ok_or_else(|| {
            wrong(
                &format!("{:?}", url.chars().take(64).collect::<String>()),
                "is no URL of this computer such as http://127.0.0.1:8086; an InfluxDB elsewhere \
                 is reached through a tunnel that ends here, until TLS is built",
            )
        })?;
        for name in [org, bucket] {
            let fits = !name.is_empty()
                && name.len() <= TEXT_BYTES_MAX
                && !name.chars().any(char::is_control);
            if !fits {
                let shown = format!("{:?}", name.chars().take(64).collect::<String>());
                return Err(wrong(&shown, "cannot be an organisation or a bucket"));
            }
        }
        Ok(InfluxOptions {
            url: parsed,
            org: org.to_owned(),
            bucket: bucket.to_owned(),
            token: None,
            gzip: true,
            connections: InfluxOptions::DEFAULT_CONNECTIONS,
            request_within: Duration::from_secs(10),
            back_off: Duration::from_millis(100),
        })
    }

    /// Adds the token; on 1.8 it is `user:password`.
    #[must_use]
    pub fn with_token(mut self, token: Option<InfluxToken>) -> InfluxOptions {
        self.token = token;
        self
    }

    /// The URL without a path.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The organisation.
    pub fn org(&self) -> &str {
        &self.org
    }

    /// The bucket; on 1.x the database.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn token(&self) -> Option<&InfluxToken> {
        self.token.as_ref()
    }

    pub(crate) fn error(&self, what: &str, detail: impl ToString) -> StoreError {
        StoreError::Influx {
            what: format!("InfluxDB at {} {what}", self.url()),
            detail: detail.to_string(),
        }
    }
}

fn wrong(what: &str, detail: &str) -> StoreError {
    StoreError::Influx {
        what: what.to_owned(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_computer_is_spoken_to_without_tls() {
        let url = |url| InfluxOptions::new(url, "o", "b").map(|options| options.url().to_owned());
        assert_eq!(
            url("http://127.0.0.1:8086").unwrap(),
            "http://127.0.0.1:8086"
        );
        assert_eq!(url("http://localhost:1/").unwrap(), "http://localhost:1");
        assert_eq!(url("http://[::1]:8086").unwrap(), "http://[::1]:8086");
        for wrong in [
            "http://192.0.2.1:8086",
            "http://example.org",
            "https://127.0.0.1",
            "http://user:word@127.0.0.1",
            "http://127.0.0.1/path",
            "http://127.0.0.1/?db=x",
            "127.0.0.1:8086",
            "",
        ] {
            assert!(url(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = InfluxToken::new(" user:secret\n").unwrap();
        assert_eq!(token.expose(), "user:secret");
        assert!(!format!("{token:?}").contains("secret"));
        assert!(InfluxToken::new(" \n").is_err());
        assert!(InfluxToken::new("two words").is_err());
    }
}
