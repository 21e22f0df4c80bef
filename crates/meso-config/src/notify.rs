//! Whom alerts are told to, how often, and from when on something is wrong with the fleet itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use meso_domain::Severity;

use crate::broker::Login;
use crate::reader::Section;
use crate::values::{is_loopback_host, optional_file};

/// When an alert that nobody sees to is told again, and from when on the fleet itself is wrong.
/// Every threshold is a house choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlertsConfig {
    /// After how long a hard alert that nobody has seen to escalates; `None` for never.
    pub escalate_hard: Option<Duration>,
    /// The same for a soft one.
    pub escalate_soft: Option<Duration>,
    /// How long a driver with guns may be gone.
    pub driver_silent: Duration,
    /// How long a driver may say nothing of a gun that is plugged in.
    pub gun_silent: Duration,
    /// How long the clock of a room may be untrusted.
    pub clock_untrusted: Duration,
    /// How long a missing shot may be awaited.
    pub gap_awaited: Duration,
    /// How long a room may judge by an older release than the one in force.
    pub library_lag: Duration,
    /// Shots that the journal of a driver may hold unstored.
    pub journal_shots: u16,
    /// Free space below which the disk of the server is nearly full, in MiB.
    pub disk_free_mib: u16,
    /// How long a channel may fail.
    pub channel_failing: Duration,
}

impl AlertsConfig {
    pub(crate) fn read(section: &Section<'_>) -> Option<AlertsConfig> {
        let escalate = |key, default| {
            let minutes = section.whole(key, " of minutes", 0..=1_440, default);
            minutes.map(|it| (it > 0).then(|| Duration::from_secs(u64::from(it) * 60)))
        };
        let (hard, soft) = (
            escalate("escalate_hard_minutes", 15),
            escalate("escalate_soft_minutes", 0),
        );
        let seconds = |key, default| {
            let seconds = section.whole(key, " of seconds", 10..=43_200, default);
            seconds.map(|it| Duration::from_secs(it.into()))
        };
        let driver_silent = seconds("driver_silent_seconds", 120);
        let gun_silent = seconds("gun_silent_seconds", 180);
        let clock_untrusted = seconds("clock_untrusted_seconds", 60);
        let gap_awaited = seconds("gap_awaited_seconds", 900);
        let library_lag = seconds("library_lag_seconds", 3_600);
        let journal_shots = section.whole("journal_shots", " of shots", 1..=u16::MAX, 5_000);
        let disk_free_mib = section.whole("disk_free_mib", " of MiB", 1..=u16::MAX, 1_024);
        let channel_failing = seconds("channel_failing_seconds", 300);
        Some(AlertsConfig {
            escalate_hard: hard?,
            escalate_soft: soft?,
            driver_silent: driver_silent?,
            gun_silent: gun_silent?,
            clock_untrusted: clock_untrusted?,
            gap_awaited: gap_awaited?,
            library_lag: library_lag?,
            journal_shots: journal_shots?,
            disk_free_mib: disk_free_mib?,
            channel_failing: channel_failing?,
        })
    }
}

/// One way to tell people of alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifyChannel {
    /// Its name: 1 to 32 of `a-z`, `0-9` and `-`, none twice.
    pub name: String,
    /// The least severity that goes there: soft or hard.
    pub severity_min: Severity,
    /// The shortest time between two letters, 1 s to 12 h.
    pub interval: Duration,
    /// When soft news waits, as minutes of the clinic's day: from, to.
    pub quiet_minutes: Option<(u16, u16)>,
    /// How it gets there.
    pub carrier: NotifyCarrier,
}

/// How letters of a channel get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyCarrier {
    /// Signed JSON over HTTP.
    Webhook {
        /// Where.
        place: HttpPlace,
        /// The file of the secret that signs, for its owner alone.
        secret_file: PathBuf,
    },
    /// An Alertmanager, by its interface of version 2.
    Alertmanager {
        /// Where it begins, without `/api/v2`.
        place: HttpPlace,
    },
    /// E-mail.
    Email(EmailPlace),
}

/// An HTTP server: in the clear on this computer only, over TLS anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpPlace {
    /// The address.
    pub url: String,
    /// The certificates that the server's own must be signed by; there for `https` and only there.
    pub ca_file: Option<PathBuf>,
}

/// How the way to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailEncryption {
    /// Not at all; this computer only.
    None,
    /// It begins in the clear and must turn to TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// A mail server, and who writes to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailPlace {
    /// The host.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the way there is encrypted.
    pub encryption: MailEncryption,
    /// The certificates that the server's own must be signed by; there unless in the clear.
    pub ca_file: Option<PathBuf>,
    /// Our name and password there.
    pub login: Option<Login>,
    /// Who writes.
    pub from: String,
    /// Who reads, 1 to [`EmailPlace::TO_MAX`].
    pub to: Vec<String>,
}

impl EmailPlace {
    /// The most readers of one channel; a list on the mail server takes more.
    pub const TO_MAX: usize = 16;
}

/// What `notify.kind` may say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Webhook,
    Alertmanager,
    Email,
}

/// The keys of one kind only.
const HTTP_KEYS: [&str; 1] = ["url"];
const WEBHOOK_KEYS: [&str; 1] = ["secret_file"];
const EMAIL_KEYS: [&str; 7] = [
    "host",
    "port",
    "encryption",
    "username",
    "password_file",
    "from",
    "to",
];

impl NotifyChannel {
    /// The most channels; a configuration with more is refused.
    pub const COUNT_MAX: usize = 16;

    pub(crate) fn read(section: &Section<'_>) -> Option<NotifyChannel> {
        let name = section.text("name", "1 to 32 of a-z, 0-9 and -", None, |text| {
            let known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
            ((1..=32).contains(&text.len()) && text.bytes().all(known)).then(|| text.to_owned())
        });
        let severity_min = section.text(
            "severity",
            r#""soft" (and worse) or "hard""#,
            Some(Severity::Soft),
            |text| match text {
                "soft" => Some(Severity::Soft),
                "hard" => Some(Severity::Hard),
                _ => None,
            },
        );
        let interval = section.whole("interval_seconds", " of seconds", 1..=43_200, 60);
        let quiet_minutes = read_quiet(section);
        let carrier = NotifyCarrier::read(section);
        Some(NotifyChannel {
            name: name?,
            severity_min: severity_min?,
            interval: Duration::from_secs(interval?.into()),
            quiet_minutes: quiet_minutes?,
            carrier: carrier?,
        })
    }

    pub(crate) fn note_named_twice(root: &Section<'_>, channels: &[NotifyChannel]) {
        let mut seen = BTreeSet::new();
        for channel in channels {
            if !seen.insert(&channel.name) {
                let found = format!("{} twice", channel.name);
                root.note_not_allowed("notify", found, "each name once");
            }
        }
    }
}

impl NotifyCarrier {
    fn read(section: &Section<'_>) -> Option<NotifyCarrier> {
        let allowed = r#""webhook", "alertmanager" or "email""#;
        let kind = section.text("kind", allowed, None, |text| match text {
            "webhook" => Some(Kind::Webhook),
            "alertmanager" => Some(Kind::Alertmanager),
            "email" => Some(Kind::Email),
            _ => None,
        });
        // Asked for, so that a wrong kind is one problem and not one for each of its keys.
        let all = HTTP_KEYS.iter().chain(&WEBHOOK_KEYS).chain(&EMAIL_KEYS);
        section.know("ca_file");
        all.for_each(|key| section.know(key));
        let kind = kind?;
        let forbid = |keys: &[&'static str], allowed| {
            keys.iter().for_each(|key| section.forbid(key, allowed));
        };
        if kind != Kind::Webhook {
            forbid(&WEBHOOK_KEYS, r#"only beside kind = "webhook""#);
        }
        if kind == Kind::Email {
            forbid(&HTTP_KEYS, "not beside kind = \"email\"");
            return EmailPlace::read(section).map(NotifyCarrier::Email);
        }
        forbid(&EMAIL_KEYS, r#"only beside kind = "email""#);
        let place = HttpPlace::read(section);
        if kind == Kind::Alertmanager {
            return place.map(|place| NotifyCarrier::Alertmanager { place });
        }
        let secret_file = demanded_file(section, "secret_file");
        Some(NotifyCarrier::Webhook {
            place: place?,
            secret_file: secret_file?,
        })
    }
}

impl HttpPlace {
    fn read(section: &Section<'_>) -> Option<HttpPlace> {
        let ca_file = optional_file(section, "ca_file");
        // A problem with the file is told as that, not as an address that lacks it.
        let is_tls = ca_file.as_ref().is_none_or(Option::is_some);
        let allowed = match is_tls {
            true => "https://, a host, and by choice a port and a path; no name or password in it",
            false => {
                "http:// and a name of this computer, such as http://127.0.0.1:9093; https:// and \
                 any other only beside ca_file"
            }
        };
        let url = section.text("url", allowed, None, |text| {
            let fits = match is_tls {
                true => host_of(text, "https://").is_some_and(|host| is_host(&host)),
                false => host_of(text, "http://").is_some_and(|host| is_loopback_host(&host)),
            };
            fits.then(|| text.to_owned())
        });
        Some(HttpPlace {
            url: url?,
            ca_file: ca_file?,
        })
    }
}

/// The longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// The host of an address, without the brackets of IPv6; `None` for what is no address.
fn host_of(text: &str, scheme: &str) -> Option<String> {
    let rest = text.strip_prefix(scheme)?;
    let is_clean = text.len() <= URL_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !is_clean || authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (
                host,
                rest.strip_prefix(':').or(rest.is_empty().then_some("443")),
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("443")),
        },
    };
    port?.parse::<u16>().ok().filter(|port| *port > 0)?;
    Some(host.to_owned())
}

/// A name that a certificate can hold, or an address.
fn is_host(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(known)
}

impl EmailPlace {
    fn read(section: &Section<'_>) -> Option<EmailPlace> {
        let ca_file = optional_file(section, "ca_file");
        let is_tls = ca_file.as_ref().is_none_or(Option::is_some);
        let encryption = read_encryption(section, is_tls);
        let allowed = match is_tls {
            true => "the name that the mail server's certificate holds, or an address",
            false => "a name of this computer, such as 127.0.0.1; others only beside ca_file",
        };
        let host = section.text("host", allowed, Some("127.0.0.1".to_owned()), |text| {
            let fits = is_host(text) && (is_tls || is_loopback_host(text));
            fits.then(|| text.to_owned())
        });
        let port = match encryption {
            Some(MailEncryption::Tls) => 465,
            Some(MailEncryption::StartTls) => 587,
            Some(MailEncryption::None) | None => 25,
        };
        let port = section.whole("port", "", 1..=u16::MAX, port);
        let login = crate::broker::read_login(section);
        let address = "an address such as alerts@example.org";
        let from = section.text("from", address, None, mail_address);
        let to = section.texts("to", EmailPlace::TO_MAX, address, mail_address);
        if to.as_ref().is_some_and(Vec::is_empty) {
            section.note_missing("to", "a list of 1 to 16 addresses");
        }
        Some(EmailPlace {
            host: host?,
            port: port?,
            encryption: encryption?,
            ca_file: ca_file?,
            login: login?,
            from: from?,
            to: to.filter(|to| !to.is_empty())?,
        })
    }
}

fn read_encryption(section: &Section<'_>, is_tls: bool) -> Option<MailEncryption> {
    let (allowed, default) = match is_tls {
        true => (r#""starttls" or "tls""#, MailEncryption::StartTls),
        false => (
            r#""none"; "starttls" and "tls" only beside ca_file"#,
            MailEncryption::None,
        ),
    };
    section.text("encryption", allowed, Some(default), |text| {
        match (text, is_tls) {
            ("none", false) => Some(MailEncryption::None),
            ("starttls", true) => Some(MailEncryption::StartTls),
            ("tls", true) => Some(MailEncryption::Tls),
            _ => None,
        }
    })
}

/// A mail address, as far as a form can tell; the mail server knows better.
fn mail_address(text: &str) -> Option<String> {
    let (name, host) = text.split_once('@')?;
    let known = |byte: u8| byte.is_ascii_graphic() && !b"<>()[]\\,;:\"@".contains(&byte);
    let fits = text.len() <= 254 && !name.is_empty() && !host.is_empty();
    (fits && name.bytes().chain(host.bytes()).all(known)).then(|| text.to_owned())
}

fn demanded_file(section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    let file = optional_file(section, key)?;
    if file.is_none() {
        section.note_missing(
            key,
            "the path of a file that only its owner may read (mode 0600)",
        );
    }
    file
}

/// Reads the hours in which soft news waits: both ends, or neither.
fn read_quiet(section: &Section<'_>) -> Option<Option<(u16, u16)>> {
    let time = |key| section.optional_text(key, "a time of day such as 22:00", minute_of);
    let (from, to) = (time("quiet_from"), time("quiet_to"));
    match (from?, to?) {
        (None, None) => Some(None),
        (Some(from), Some(to)) if from == to => {
            section.note_not_allowed("quiet_to", "the same".to_owned(), "another than quiet_from");
            None
        }
        (Some(from), Some(to)) => Some(Some((from, to))),
        (Some(_), None) => {
            section.note_missing("quiet_to", "a time of day beside quiet_from");
            None
        }
        (None, Some(_)) => {
            section.note_missing("quiet_from", "a time of day beside quiet_to");
            None
        }
    }
}

fn minute_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str, below: u16| {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>()
            .ok()
            .filter(|it| is_number && *it < below)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}
