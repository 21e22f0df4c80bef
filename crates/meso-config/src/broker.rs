//! Where an MQTT broker is, and what makes client and broker believe each other.

use std::fmt;
use std::path::PathBuf;

use crate::reader::Section;
use crate::values::{is_loopback_host, optional_file};

/// Where an MQTT broker is, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerAddress {
    /// The host; one that is not this computer only beside [`BrokerAddress::ca_file`] and a
    /// certificate or login of ours.
    pub host: String,
    /// The TCP port, 1 to 65535.
    pub port: u16,
    /// The certificates that the broker's own must be signed by; with it the connection is TLS.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, only beside [`BrokerAddress::ca_file`].
    pub certificate: Option<ClientCertificate>,
    /// Our name and password.
    pub login: Option<Login>,
}

/// The files of a client's certificate, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate, with those between it and one that the broker knows.
    pub certificate_file: PathBuf,
    /// Its private key, for its owner alone.
    pub key_file: PathBuf,
}

/// A user of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The name, 1 to 128 characters.
    pub username: String,
    /// The file of the password, for its owner alone.
    pub password_file: PathBuf,
}

impl BrokerAddress {
    /// The keys that it is read from.
    pub(crate) const KEYS: [&'static str; 7] = [
        "host",
        "port",
        "ca_file",
        "certificate_file",
        "key_file",
        "username",
        "password_file",
    ];

    pub(crate) fn read(section: &Section<'_>) -> Option<BrokerAddress> {
        let ca_file = optional_file(section, "ca_file");
        let certificate = read_certificate(section, ca_file.as_ref().is_none_or(Option::is_some));
        let login = read_login(section);
        let port = section.whole("port", "", 1..=u16::MAX, 1_883);
        // A problem with a file is told as that, not as a host that lacks it.
        let is_tls = ca_file.as_ref().is_none_or(Option::is_some);
        let is_known = certificate.as_ref().is_none_or(Option::is_some)
            || login.as_ref().is_none_or(Option::is_some);
        let allowed = match (is_tls, is_known) {
            (false, _) => {
                "a name of this computer, such as 127.0.0.1, ::1 or localhost; others only beside \
                 ca_file, which makes it TLS"
            }
            (true, false) => {
                "a name of this computer; others only beside certificate_file or username"
            }
            (true, true) => {
                "the name that the broker's certificate holds, or an IPv4 address: 1 to 253 of a-z, \
                 A-Z, 0-9, . and -"
            }
        };
        let host = section.text("host", allowed, Some("127.0.0.1".to_owned()), |text| {
            let fits = match (is_tls, is_known) {
                (true, true) => is_host_name(text),
                (true, false) => is_loopback_host(text) && is_host_name(text),
                (false, _) => is_loopback_host(text),
            };
            fits.then(|| text.to_owned())
        });
        Some(BrokerAddress {
            host: host?,
            port: port?,
            ca_file: ca_file?,
            certificate: certificate?,
            login: login?,
        })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port)?,
            false => write!(f, "{}:{}", self.host, self.port)?,
        }
        f.write_str(match self.ca_file {
            Some(_) => " over TLS",
            None => "",
        })
    }
}

/// A name that a certificate can hold, or an IPv4 address.
fn is_host_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=253).contains(&text.len())
        && text.bytes().all(known)
        && text
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-'))
}

fn read_certificate(section: &Section<'_>, is_tls: bool) -> Option<Option<ClientCertificate>> {
    let certificate_file = optional_file(section, "certificate_file");
    let key_file = optional_file(section, "key_file");
    let found = both_or_none(
        section,
        ("certificate_file", certificate_file?),
        ("key_file", key_file?),
    )?;
    if found.is_some() && !is_tls {
        section.forbid("certificate_file", "only beside ca_file");
        return None;
    }
    Some(found.map(|(certificate_file, key_file)| ClientCertificate {
        certificate_file,
        key_file,
    }))
}

pub(crate) fn read_login(section: &Section<'_>) -> Option<Option<Login>> {
    let allowed = "1 to 128 characters without control characters, or nothing";
    let username = section.text("username", allowed, Some(None), |text| {
        let fits = text.chars().count() <= 128 && !text.contains(char::is_control);
        fits.then(|| (!text.is_empty()).then(|| text.to_owned()))
    });
    let password_file = optional_file(section, "password_file");
    let found = both_or_none(
        section,
        ("username", username?),
        ("password_file", password_file?),
    )?;
    Some(found.map(|(username, password_file)| Login {
        username,
        password_file,
    }))
}

/// Two values that only make sense together.
fn both_or_none<A, B>(
    section: &Section<'_>,
    (one_key, one): (&'static str, Option<A>),
    (other_key, other): (&'static str, Option<B>),
) -> Option<Option<(A, B)>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Some((one, other))),
        (None, None) => Some(None),
        (Some(_), None) => {
            section.forbid(one_key, &format!("only beside {other_key}"));
            None
        }
        (None, Some(_)) => {
            section.forbid(other_key, &format!("only beside {one_key}"));
            None
        }
    }
}
