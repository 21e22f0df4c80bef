//! What is wrong with each gun, as one list for whoever wants to know.

use std::collections::{BTreeMap, BTreeSet};

use meso_alerts::Alert;
use meso_contract::{GunAlertBody, GunAlertsMessage, PAYLOAD_VERSION};
use meso_domain::Severity;
use meso_units::{ClinicId, GunSerial};

use super::pipeline::Ingest;
use super::shot_store::ShotStore;

/// A gun, and the clinic where something is wrong with it.
pub(super) type GunKey = (ClinicId, GunSerial);

/// The list of one gun, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunAlerts {
    /// The clinic.
    pub clinic: ClinicId,
    /// The gun.
    pub gun: GunSerial,
    /// What is said.
    pub message: GunAlertsMessage,
}

/// The gun that an alert is about, if any.
pub(super) fn gun_key(alert: &Alert) -> Option<GunKey> {
    let gun = alert.key.subject.gun()?;
    Some((alert.clinic.clone(), gun.clone()))
}

impl<S: ShotStore> Ingest<S> {
    /// Every gun of which an alert is remembered: after a restart the broker may still hold the
    /// list of before.
    pub(super) fn guns_with_alerts(&self) -> BTreeSet<GunKey> {
        self.alerts.alerts().filter_map(gun_key).collect()
    }

    /// The lists of these guns as they are now.
    pub(super) fn gun_alerts(&self, guns: &BTreeSet<GunKey>) -> Vec<GunAlerts> {
        if guns.is_empty() {
            return Vec::new();
        }
        let mut lists: BTreeMap<&GunKey, Vec<&Alert>> =
            guns.iter().map(|key| (key, Vec::new())).collect();
        for alert in self.alerts.alerts().filter(|alert| !alert.is_done()) {
            let list = gun_key(alert).and_then(|key| lists.get_mut(&key));
            if let Some(list) = list {
                list.push(alert);
            }
        }
        let lists = lists.into_iter().map(|((clinic, gun), alerts)| GunAlerts {
            clinic: clinic.clone(),
            gun: gun.clone(),
            message: message_of(alerts),
        });
        lists.collect()
    }
}

fn message_of(mut alerts: Vec<&Alert>) -> GunAlertsMessage {
    let rank = |alert: &&Alert| {
        let is_soft = alert.severity != Severity::Hard;
        (is_soft, std::cmp::Reverse(alert.opened_at), alert.id)
    };
    alerts.sort_unstable_by_key(rank);
    let named = alerts.iter().take(GunAlertsMessage::ALERT_COUNT_MAX);
    let more_count = alerts
        .len()
        .saturating_sub(GunAlertsMessage::ALERT_COUNT_MAX);
    GunAlertsMessage {
        version: PAYLOAD_VERSION,
        alerts: named.map(|alert| body_of(alert)).collect(),
        more_count: more_count as u64,
    }
}

fn body_of(alert: &Alert) -> GunAlertBody {
    let session = alert.key.subject.session();
    GunAlertBody {
        id: alert.id.to_string(),
        rule: alert.key.subject.name().to_owned(),
        severity: alert.severity.to_string(),
        state: alert.state.to_string(),
        session: session.map(|session| session.to_string()),
        shot_count: alert.shot_count,
        worst_value: alert.worst.value(),
        limit: alert.worst.limit(),
        unit: alert.unit().to_owned(),
        text: alert.text(),
        opened_at_ms: alert.opened_at.unix_ms(),
    }
}
