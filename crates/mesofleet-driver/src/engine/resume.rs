//! A person lets a gun fire again, and record and journal remember who did and why.

use jiff::Timestamp as Moment;
use meso_contract::room::{ResumeGunBody, RoomGunBody};
use meso_domain::InterlockChange;
use meso_room::StepFailure;
use meso_units::{GunSerial, OperatorId};
use serde::{Deserialize, Serialize};

use super::{Engine, Work};
use crate::machine::Now;

/// Under this and a number the journal keeps who resumed guns.
pub const RESUME_VALUES: &str = "resume/";

/// Under this name the journal keeps how many there were.
pub(super) const RESUME_COUNT_VALUE: &str = "resume_count";

/// Resumes that the journal remembers; a further one takes the place of the oldest.
const RESUMES_MAX: u64 = 1_000;

/// A person let a gun fire again that was inhibited; as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// When, in UTC.
    pub at: String,
    /// Serial number of the gun.
    pub gun: String,
    /// Who.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// Why the gun was held, where this driver held it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

impl Engine {
    /// Decides on a resume; the gun is told once the journal has it.
    ///
    /// # Errors
    ///
    /// [`StepFailure::StepMissing`] where the gun is not there or nothing holds it.
    pub(crate) fn take_resume(
        &mut self,
        now: Now,
        serial: &GunSerial,
        body: &ResumeGunBody,
    ) -> Result<Work, StepFailure> {
        let missing = |code, message| Err(StepFailure::StepMissing { code, message });
        let Some(gun) = self.gun_state(serial, now) else {
            return missing(
                "gun_unknown",
                format!("gun {serial} was never seen here: see `status` for those that were"),
            );
        };
        if !self.is_held(serial) {
            return missing(
                "gun_not_inhibited",
                format!("gun {serial} is not inhibited: it may fire"),
            );
        }
        let resumed = Resumed {
            at: moment(now),
            gun: serial.to_string(),
            operator: body.operator.clone(),
            reason: body.reason.trim().to_owned(),
            cause: gun.interlock.map(|interlock| interlock.cause),
        };
        let (operator, reason) = (&resumed.operator, &resumed.reason);
        tracing::warn!(gun = %serial, operator, reason, "a person lets the gun fire again");
        let mut work = Work::default();
        let place = self.resume_count % RESUMES_MAX;
        self.resume_count += 1;
        // Text always has a JSON form.
        let bytes = serde_json::to_vec(&resumed).unwrap_or_default();
        work.keep(format!("{RESUME_VALUES}{place:04}"), bytes);
        let count = self.resume_count.to_le_bytes().to_vec();
        work.keep(RESUME_COUNT_VALUE.to_owned(), count);
        let by = OperatorId::parse(operator).ok();
        let change = InterlockChange::Resumed;
        self.record_interlock(now.utc, serial, change, (by, reason), &mut work);
        self.lift_hold(now.utc, serial, &mut work);
        Ok(work)
    }

    /// What is answered once the resume is on the disk.
    pub(crate) fn resumed_gun(&self, serial: &GunSerial, now: Now) -> RoomGunBody {
        self.gun_state(serial, now).unwrap_or_default()
    }
}

pub(super) fn moment(now: Now) -> String {
    let moment = Moment::from_nanosecond(now.utc.unix_ns().into());
    moment.map_or_else(|_| now.utc.to_string(), |moment| moment.to_string())
}
