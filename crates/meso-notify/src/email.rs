//! E-mail.

use std::fmt;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Tls;
use lettre::{SmtpTransport, Transport as _};
use meso_alerts::{Item, Letter};
use meso_domain::Severity;

use crate::alertmanager::rfc3339;
use crate::{NotifyError, SEND_WITHIN, Trust};

/// The longest subject, in characters; mail programs cut longer ones anywhere.
const SUBJECT_LENGTH_MAX: usize = 120;

/// How the way to a mail server is encrypted.
#[derive(Clone, Debug)]
pub enum Encryption {
    /// Not at all; for this computer only.
    None,
    /// It begins in the clear; a server that does not turn to TLS gets nothing.
    StartTls(Trust),
    /// TLS from the first byte.
    Tls(Trust),
}

/// A mail server.
#[derive(Clone)]
pub struct MailServer {
    /// The host, by the name that its certificate holds.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the way there is encrypted.
    pub encryption: Encryption,
    /// Our name and password there; never shown.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Writes letters to people.
#[derive(Clone)]
pub struct Email {
    transport: SmtpTransport,
    server: String,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Email {
    /// Writes by this server, from one address to others.
    ///
    /// # Errors
    ///
    /// [`NotifyError::NotAnAddress`] for what is no mail address,
    /// [`NotifyError::MailUnusable`] for certificates that cannot be used.
    pub fn new(server: &MailServer, from: &str, to: &[String]) -> Result<Email, NotifyError> {
        let tls = match &server.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls(trust) => Tls::Required(trust.for_mail(&server.host)?),
            Encryption::Tls(trust) => Tls::Wrapper(trust.for_mail(&server.host)?),
        };
        let mut transport = SmtpTransport::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(SEND_WITHIN));
        if let Some((name, password)) = &server.login {
            transport = transport.credentials(Credentials::new(name.clone(), password.clone()));
        }
        Ok(Email {
            transport: transport.build(),
            server: format!("{}:{}", server.host, server.port),
            from: mailbox(from)?,
            to: to
                .iter()
                .map(|address| mailbox(address))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Sends a letter to all readers. It may be sent twice: its message id is the same then, by which
    /// mail programs know a repetition.
    ///
    /// # Errors
    ///
    /// [`NotifyError`]; the letter may have arrived all the same.
    pub fn send(&self, letter: &Letter) -> Result<(), NotifyError> {
        let unwritable = |source| NotifyError::MailUnwritable { source };
        let mut message = Message::builder()
            .from(self.from.clone())
            .message_id(Some(self.message_id(letter)))
            .subject(subject(letter))
            .header(ContentType::TEXT_PLAIN);
        for reader in &self.to {
            message = message.to(reader.clone());
        }
        let message = message.body(body(letter)).map_err(unwritable)?;
        let sent = self.transport.send(&message);
        sent.map(drop).map_err(|source| NotifyError::MailRefused {
            server: self.server.clone(),
            source,
        })
    }

    fn message_id(&self, letter: &Letter) -> String {
        let key = letter.items.first().map_or("", |it| &it.idempotency_key);
        let (channel, number) = (&letter.channel, letter.number);
        format!("<{channel}.{number}.{key}@{}>", self.from.email.domain())
    }
}

fn mailbox(address: &str) -> Result<Mailbox, NotifyError> {
    address.parse().map_err(|_| NotifyError::NotAnAddress {
        address: address.to_owned(),
    })
}

/// The worst of the news, and how much more there is.
fn subject(letter: &Letter) -> String {
    let worst = letter.items.iter().max_by_key(|item| {
        let is_begun = !item.is_over;
        (is_begun, item.severity)
    });
    let Some(worst) = worst else {
        return "Mesofleet".to_owned();
    };
    let place = match worst.gun.is_empty() {
        true => worst.clinic.to_string(),
        false => worst.gun.clone(),
    };
    let more = match letter.items.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let subject = format!(
        "Mesofleet, {}: {} of {place} {}{more}",
        worst.severity, worst.rule, worst.kind
    );
    subject.chars().take(SUBJECT_LENGTH_MAX).collect()
}

fn body(letter: &Letter) -> String {
    let mut text = String::new();
    for item in &letter.items {
        text.push_str(&paragraph(item));
    }
    if letter.folded_count > 0 {
        text.push_str(&format!(
            "{} further pieces of news are not in here; the board has their alerts.\n\n",
            letter.folded_count
        ));
    }
    text.push_str(
        "Sent by Mesofleet. It names no patient. Every limit in it is one that a clinician has to \
         approve.\n",
    );
    text
}

fn paragraph(item: &Item) -> String {
    let mark = match item.severity {
        Severity::Hard => "HARD",
        _ => "soft",
    };
    format!(
        "{mark}  {kind}  {at}\n{text}\nclinic {clinic}{gun}, alert {alert}, key {key}\n\n",
        kind = item.kind,
        at = rfc3339(item.at.unix_ms().div_euclid(1_000)),
        text = item.text,
        clinic = item.clinic,
        gun = match item.gun.is_empty() {
            true => String::new(),
            false => format!(", gun {}", item.gun),
        },
        alert = item.alert,
        key = item.idempotency_key,
    )
}
