//! From the configuration to channels that can be spoken to: reads secrets and certificates.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use meso_alerts::{Channel, Escalation, QuietHours};
use meso_config::{
    AlertsConfig, EmailPlace, HttpPlace, MailEncryption, NotifyCarrier, NotifyChannel, ServerConfig,
};
use meso_notify::{Alertmanager, Carrier, Email, Encryption, MailServer, Secret, Trust, Webhook};

use super::state_files::check_is_private;
use crate::ingest::{AlertPolicy, Thresholds};

/// The longest secret or file of certificates, in bytes; a longer file is some other file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Whom alerts are told to, and how.
#[derive(Clone, Debug, Default)]
pub struct Notify {
    /// When what is told to which channel.
    pub policy: AlertPolicy,
    /// How the letters of each channel get there, by its name.
    pub carriers: BTreeMap<String, Carrier>,
}

impl Notify {
    /// What a configuration says, with its files read.
    ///
    /// # Errors
    ///
    /// A secret or certificate cannot be read, is none, or others may read the secret.
    pub fn of(config: &ServerConfig) -> anyhow::Result<Notify> {
        let mut carriers = BTreeMap::new();
        for channel in &config.notify {
            let carrier = carrier_of(&channel.carrier)
                .with_context(|| format!("the channel {:?} under [[notify]]", channel.name))?;
            carriers.insert(channel.name.clone(), carrier);
        }
        Ok(Notify {
            policy: policy_of(config),
            carriers,
        })
    }
}

/// Whom alerts are told to; reads no file.
pub(crate) fn policy_of(config: &ServerConfig) -> AlertPolicy {
    AlertPolicy {
        channels: config.notify.iter().map(channel_of).collect(),
        escalation: Escalation {
            hard_ns: config.alerts.escalate_hard.map(nanoseconds),
            soft_ns: config.alerts.escalate_soft.map(nanoseconds),
        },
        thresholds: thresholds_of(&config.alerts),
    }
}

fn channel_of(channel: &NotifyChannel) -> Channel {
    let quiet = channel.quiet_minutes;
    Channel {
        name: channel.name.clone(),
        severity_min: channel.severity_min,
        interval_ns: nanoseconds(channel.interval),
        quiet: quiet.and_then(|(from, to)| QuietHours::new(from, to)),
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

fn thresholds_of(alerts: &AlertsConfig) -> Thresholds {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Thresholds {
        driver_silent_s: seconds(alerts.driver_silent),
        gun_silent_s: seconds(alerts.gun_silent),
        clock_untrusted_s: seconds(alerts.clock_untrusted),
        gap_awaited_s: seconds(alerts.gap_awaited),
        library_lag_s: seconds(alerts.library_lag),
        channel_failing_s: seconds(alerts.channel_failing),
        journal_shots: alerts.journal_shots.into(),
        disk_free_mib: alerts.disk_free_mib.into(),
    }
}

fn carrier_of(carrier: &NotifyCarrier) -> anyhow::Result<Carrier> {
    Ok(match carrier {
        NotifyCarrier::Webhook { place, secret_file } => {
            let secret = Secret::new(&private(secret_file)?)
                .with_context(|| format!("{} cannot sign", secret_file.display()))?;
            let trust = trust_of(place)?;
            Carrier::Webhook(Webhook::new(&place.url, trust.as_ref(), secret))
        }
        NotifyCarrier::Alertmanager { place } => {
            let trust = trust_of(place)?;
            Carrier::Alertmanager(Alertmanager::new(&place.url, trust.as_ref()))
        }
        NotifyCarrier::Email(place) => Carrier::Email(email_of(place)?),
    })
}

fn email_of(place: &EmailPlace) -> anyhow::Result<Email> {
    let trust = || {
        let file = place.ca_file.as_deref().context("ca_file is missing")?;
        read_trust(file)
    };
    let encryption = match place.encryption {
        MailEncryption::None => Encryption::None,
        MailEncryption::StartTls => Encryption::StartTls(trust()?),
        MailEncryption::Tls => Encryption::Tls(trust()?),
    };
    let login = match &place.login {
        Some(login) => {
            let password = String::from_utf8(private(&login.password_file)?)
                .context("the password is no text")?;
            Some((login.username.clone(), password.trim_end().to_owned()))
        }
        None => None,
    };
    let server = MailServer {
        host: place.host.clone(),
        port: place.port,
        encryption,
        login,
    };
    Ok(Email::new(&server, &place.from, &place.to)?)
}

fn trust_of(place: &HttpPlace) -> anyhow::Result<Option<Trust>> {
    place.ca_file.as_deref().map(read_trust).transpose()
}

fn read_trust(path: &Path) -> anyhow::Result<Trust> {
    Trust::parse(&read(path)?).with_context(|| format!("{} holds no trust", path.display()))
}

/// Reads a file that only its owner may read.
fn private(path: &Path) -> anyhow::Result<Vec<u8>> {
    check_is_private(path)?;
    read(path)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let length = std::fs::metadata(path)?.len();
        match length > FILE_BYTES_MAX {
            true => Err(std::io::Error::other(format!(
                "it has {length} bytes, the limit is {FILE_BYTES_MAX}"
            ))),
            false => std::fs::read(path),
        }
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn config(secret: &Path) -> ServerConfig {
        let text = format!(
            "{}\n[[notify]]\nname = \"ops\"\nkind = \"webhook\"\nseverity = \"hard\"\n\
             quiet_from = \"22:00\"\nquiet_to = \"07:00\"\n\
             url = \"http://127.0.0.1:9/hook\"\nsecret_file = {secret:?}\n",
            include_str!("../../../../config/server.toml")
        );
        ServerConfig::parse("server.toml", &text).unwrap()
    }

    #[test]
    fn a_channel_is_as_the_configuration_says_and_its_secret_is_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("hook.secret");
        write(&secret, "correct horse battery\n").unwrap();
        set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let notify = Notify::of(&config(&secret)).unwrap();
        let channel = &notify.policy.channels[0];
        assert_eq!(channel.interval_ns, 60 * 1_000_000_000);
        assert_eq!(channel.quiet, QuietHours::new(1_320, 420));
        assert!(notify.carriers.contains_key("ops"));
        assert!(!format!("{notify:?}").contains("horse"));
        assert_eq!(notify.policy.escalation, Escalation::default());
        assert_eq!(notify.policy.thresholds, Thresholds::default());
    }

    #[test]
    fn a_secret_that_others_may_read_or_that_is_too_short_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("hook.secret");
        write(&secret, "correct horse battery\n").unwrap();
        set_permissions(&secret, Permissions::from_mode(0o640)).unwrap();
        let open = format!("{:#}", Notify::of(&config(&secret)).unwrap_err());
        assert!(
            open.contains("\"ops\"") && open.contains("mode 640"),
            "{open}"
        );
        set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        write(&secret, "short").unwrap();
        let short = format!("{:#}", Notify::of(&config(&secret)).unwrap_err());
        assert!(short.contains("16 bytes"), "{short}");
        let gone = folder.path().join("none");
        assert!(Notify::of(&config(&gone)).is_err());
    }
}
