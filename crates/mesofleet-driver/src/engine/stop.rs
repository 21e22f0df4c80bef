//! A person stops a gun, and record and journal remember who did.

use meso_contract::room::{InhibitGunBody, RoomGunBody};
use meso_domain::InterlockChange;
use meso_room::StepFailure;
use meso_units::{GunSerial, OperatorId};
use serde::{Deserialize, Serialize};

use super::resume::moment;
use super::{Engine, Work};
use crate::machine::Now;

/// Under this and a number the journal keeps who stopped guns.
pub const STOP_VALUES: &str = "stop/";

/// Under this name the journal keeps how many there were.
pub(super) const STOP_COUNT_VALUE: &str = "stop_count";

/// Stops that the journal remembers; a further one takes the place of the oldest.
const STOPS_MAX: u64 = 1_000;

/// What is said of a gun that does not know how to stop.
pub(super) const CANNOT_BE_STOPPED: &str = "this gun cannot be stopped";

/// A person stopped a gun; as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// When, in UTC.
    pub at: String,
    /// Serial number of the gun.
    pub gun: String,
    /// Who; absent where nobody was signed in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operator: Option<String>,
    /// Why; empty where the person did not say.
    pub reason: String,
}

impl Engine {
    /// Stops a gun by a person's hand, whether the interlock is on or not. What [`Work::first`]
    /// holds goes out before the rest is written.
    ///
    /// # Errors
    ///
    /// [`StepFailure::StepMissing`] where the gun was never seen.
    pub(crate) fn take_stop(
        &mut self,
        now: Now,
        serial: &GunSerial,
        body: &InhibitGunBody,
        work: &mut Work,
    ) -> Result<(), StepFailure> {
        if !self.guns.contains_key(serial) {
            return Err(StepFailure::StepMissing {
                code: "gun_unknown",
                message: format!("gun {serial} was never seen here: unplug it to stop it"),
            });
        }
        let stopped = Stopped {
            at: moment(now),
            gun: serial.to_string(),
            operator: body.operator.clone(),
            reason: body.reason.trim().to_owned(),
        };
        let who = stopped.operator.as_deref().unwrap_or("somebody");
        let reason = &stopped.reason;
        tracing::warn!(gun = %serial, who, reason, "a person stops the gun");
        let cause = match reason.is_empty() {
            true => format!("stopped by {who}"),
            false => format!("stopped by {who}: {reason}"),
        };
        // Pressed again, it is told again and recorded once: anybody may press, as often as they like.
        if !self.is_held_by_hand(serial) {
            let by = body.operator.as_deref();
            let by = by.and_then(|by| OperatorId::parse(by).ok());
            let change = InterlockChange::StoppedByHand;
            self.record_interlock(now.utc, serial, change, (by, reason), work);
        }
        self.hold_by_hand(now.utc, serial, cause, work);
        let place = self.stop_count % STOPS_MAX;
        self.stop_count += 1;
        // Text always has a JSON form.
        let bytes = serde_json::to_vec(&stopped).unwrap_or_default();
        work.keep(format!("{STOP_VALUES}{place:04}"), bytes);
        let count = self.stop_count.to_le_bytes().to_vec();
        work.keep(STOP_COUNT_VALUE.to_owned(), count);
        Ok(())
    }

    /// What is answered once the gun was told.
    ///
    /// # Errors
    ///
    /// [`StepFailure::StepMissing`] where the gun is not there or does not know how to stop.
    pub(crate) fn stopped_gun(
        &self,
        serial: &GunSerial,
        now: Now,
    ) -> Result<RoomGunBody, StepFailure> {
        let missing = |code, message| Err(StepFailure::StepMissing { code, message });
        match self.guns.get(serial) {
            Some(gun) if !gun.is_attached => missing(
                "gun_not_attached",
                format!(
                    "gun {serial} does not answer: take it off the skin; it is told to fire no \
                     more as soon as it is back"
                ),
            ),
            Some(gun) if !gun.can_inhibit => missing(
                "gun_cannot_be_stopped",
                format!("{CANNOT_BE_STOPPED}: take {serial} off the skin and unplug it"),
            ),
            _ => Ok(self.gun_state(serial, now).unwrap_or_default()),
        }
    }
}
