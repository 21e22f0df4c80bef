//! A signed webhook.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use meso_alerts::{Item, Letter};
use serde::Serialize;
use sha2::Sha256;

use crate::http::Poster;
use crate::{NotifyError, Trust};

/// The header with the moment at which a letter was signed, in seconds since 1970. Who receives it
/// refuses an old one, so that nobody can play it again.
pub const TIMESTAMP_HEADER: &str = "mesofleet-timestamp";

/// The header with `v1=` and the [`signature`].
pub const SIGNATURE_HEADER: &str = "mesofleet-signature";

/// What sender and receiver know and nobody else. It is never shown.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The shortest secret, in bytes.
    pub const LENGTH_MIN: usize = 16;

    /// Takes the bytes of a secret; white space at the end, as editors leave it, is dropped.
    ///
    /// # Errors
    ///
    /// [`NotifyError::SecretTooShort`] below [`Secret::LENGTH_MIN`].
    pub fn new(bytes: &[u8]) -> Result<Secret, NotifyError> {
        let bytes = bytes.trim_ascii_end();
        match bytes.len() < Secret::LENGTH_MIN {
            true => Err(NotifyError::SecretTooShort),
            false => Ok(Secret(bytes.to_vec())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// HMAC-SHA256 over the text of the timestamp, a full stop and the body, as 64 hexadecimal digits.
pub fn signature(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else {
        return String::new();
    };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// Posts letters as signed JSON.
#[derive(Clone, Debug)]
pub struct Webhook {
    poster: Poster,
    secret: Secret,
}

/// The body: `version`, `letter`, `folded_count` and the news.
#[derive(Serialize)]
struct LetterBody<'a> {
    version: u8,
    letter: u64,
    folded_count: u64,
    news: Vec<NewsBody<'a>>,
}

#[derive(Serialize)]
struct NewsBody<'a> {
    idempotency_key: &'a str,
    alert: String,
    rule: &'a str,
    kind: &'a str,
    severity: &'static str,
    clinic: &'a str,
    gun: &'a str,
    text: &'a str,
    opened_at_ms: i64,
    at_ms: i64,
    is_over: bool,
}

fn news_body(item: &Item) -> NewsBody<'_> {
    NewsBody {
        idempotency_key: &item.idempotency_key,
        alert: item.alert.to_string(),
        rule: &item.rule,
        kind: &item.kind,
        severity: item.severity.as_str(),
        clinic: item.clinic.as_str(),
        gun: &item.gun,
        text: &item.text,
        opened_at_ms: item.opened_at.unix_ms(),
        at_ms: item.at.unix_ms(),
        is_over: item.is_over,
    }
}

impl Webhook {
    /// Posts to this address, signed with this secret; over TLS where there is a trust.
    pub fn new(url: &str, trust: Option<&Trust>, secret: Secret) -> Webhook {
        Webhook {
            poster: Poster::new(url.to_owned(), trust),
            secret,
        }
    }

    /// Sends a letter; `now_s` is the time in seconds since 1970. It may be sent twice: each piece
    /// of news has its idempotency key.
    ///
    /// # Errors
    ///
    /// [`NotifyError`]; the letter may have arrived all the same.
    pub fn send(&self, letter: &Letter, now_s: i64) -> Result<(), NotifyError> {
        let body = serde_json::to_vec(&LetterBody {
            version: 1,
            letter: letter.number,
            folded_count: letter.folded_count,
            news: letter.items.iter().map(news_body).collect(),
        })?;
        let timestamp = now_s.to_string();
        let signed = format!("v1={}", signature(&self.secret, &timestamp, &body));
        let headers = [
            (TIMESTAMP_HEADER, timestamp.as_str()),
            (SIGNATURE_HEADER, signed.as_str()),
        ];
        self.poster.post(&body, &headers)
    }
}
