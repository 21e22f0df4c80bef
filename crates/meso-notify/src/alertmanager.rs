//! The API of Prometheus' Alertmanager, version 2.

use std::collections::BTreeMap;

use meso_alerts::{Item, Letter};
use meso_domain::Severity;
use serde::Serialize;

use crate::http::Poster;
use crate::{NotifyError, Trust};

/// Tells an Alertmanager which alerts there are. It knows an alert by its labels, so the same alert
/// again only renews it: repetitions do no harm, and it does its own routing and grouping.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    poster: Poster,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert<'a> {
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, &'a str>,
    starts_at: String,
    /// Far ahead while it lasts: without one Alertmanager takes it for over after five minutes.
    ends_at: String,
}

/// How long Alertmanager may believe an alert that nobody renews, in s: 30 days.
const BELIEVED_S: i64 = 30 * 24 * 60 * 60;

impl Alertmanager {
    /// Posts to the Alertmanager at `url`, such as `http://127.0.0.1:9093`; over TLS where there is a
    /// trust.
    pub fn new(url: &str, trust: Option<&Trust>) -> Alertmanager {
        let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
        Alertmanager {
            poster: Poster::new(url, trust),
        }
    }

    /// Sends a letter: of each alert the newest news.
    ///
    /// # Errors
    ///
    /// [`NotifyError`]; the letter may have arrived all the same.
    pub fn send(&self, letter: &Letter) -> Result<(), NotifyError> {
        let mut newest: BTreeMap<u64, &Item> = BTreeMap::new();
        for item in &letter.items {
            newest.insert(item.alert.get(), item);
        }
        let alerts: Vec<PostableAlert<'_>> = newest.into_values().flat_map(postable).collect();
        self.poster.post(&serde_json::to_vec(&alerts)?, &[])
    }
}

/// An alert as it is now; and, where it is hard, the end of the soft one that it may have been:
/// the severity is a label, because routes go by it, so both are two alerts to an Alertmanager.
fn postable(item: &Item) -> Vec<PostableAlert<'_>> {
    let at_s = item.at.unix_ms().div_euclid(1_000);
    let lasts_until_s = match item.is_over {
        true => at_s,
        false => at_s.saturating_add(BELIEVED_S),
    };
    let mut alerts = vec![labelled(item, item.severity, lasts_until_s)];
    if item.severity == Severity::Hard {
        alerts.push(labelled(item, Severity::Soft, at_s));
    }
    alerts
}

fn labelled(item: &Item, severity: Severity, ends_s: i64) -> PostableAlert<'_> {
    let mut labels = BTreeMap::from([
        ("alertname", item.rule.clone()),
        ("alert", item.alert.to_string()),
        ("severity", severity.as_str().to_owned()),
        ("clinic", item.clinic.to_string()),
        ("gun", item.gun.clone()),
    ]);
    labels.retain(|_, value| !value.is_empty());
    let annotations = BTreeMap::from([
        ("summary", item.text.as_str()),
        ("news", item.kind.as_str()),
    ]);
    let opened_s = item.opened_at.unix_ms().div_euclid(1_000);
    PostableAlert {
        labels,
        annotations,
        starts_at: rfc3339(opened_s.min(ends_s)),
        ends_at: rfc3339(ends_s),
    }
}

/// Seconds since 1970 as `2026-11-29T06:00:00Z`.
pub(crate) fn rfc3339(unix_s: i64) -> String {
    jiff::Timestamp::from_second(unix_s)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}
