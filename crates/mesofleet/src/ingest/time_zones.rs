//! The clocks of clinics, which decide where their days begin.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use meso_units::{ClinicId, Timestamp};

use super::IngestError;

/// The time zones of clinics; a clinic without one counts its days by UTC.
#[derive(Clone, Debug, Default)]
pub struct TimeZones {
    of: BTreeMap<ClinicId, TimeZone>,
}

impl TimeZones {
    /// Looks up zones by their names.
    ///
    /// # Errors
    ///
    /// [`IngestError::UnknownTimeZone`] for a name that the time zone database does not have.
    pub fn named<'n>(
        clinics: impl IntoIterator<Item = (&'n ClinicId, &'n str)>,
    ) -> Result<TimeZones, IngestError> {
        let zones = clinics.into_iter().map(|(clinic, name)| {
            let zone = TimeZone::get(name).map_err(|_| IngestError::UnknownTimeZone {
                clinic: clinic.clone(),
                name: name.to_owned(),
            })?;
            Ok((clinic.clone(), zone))
        });
        let of = zones.collect::<Result<_, IngestError>>()?;
        Ok(TimeZones { of })
    }

    /// The minute of a clinic's day at a moment, 0 to 1439.
    pub(super) fn minute_of_day(&self, clinic: &ClinicId, at: Timestamp) -> u16 {
        let offset_s = i64::from(self.utc_offset_s(clinic, at));
        let local_s = at.unix_ms().div_euclid(1_000) + offset_s;
        // At most 1439, which fits.
        u16::try_from(local_s.div_euclid(60).rem_euclid(24 * 60)).unwrap_or(0)
    }

    /// How far the clock of a clinic is ahead of UTC at a moment, in s.
    pub(super) fn utc_offset_s(&self, clinic: &ClinicId, at: Timestamp) -> i32 {
        let moment = jiff::Timestamp::from_nanosecond(at.unix_ns().into());
        match (self.of.get(clinic), moment) {
            (Some(zone), Ok(moment)) => zone.to_offset(moment).seconds(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinics_clock_is_put_forward_and_back() {
        let clinic = ClinicId::parse("riverside").unwrap();
        let zones = TimeZones::named([(&clinic, "Europe/Vienna")]).unwrap();
        let offset = |text: &str| {
            let moment: jiff::Timestamp = text.parse().unwrap();
            let ns = i64::try_from(moment.as_nanosecond()).unwrap();
            zones.utc_offset_s(&clinic, Timestamp::from_unix_ns(ns).unwrap())
        };
        assert_eq!(offset("2026-03-29T00:59:59Z"), 3_600);
        assert_eq!(offset("2026-03-29T01:00:00Z"), 7_200);
        assert_eq!(offset("2026-10-25T00:59:59Z"), 7_200);
        assert_eq!(offset("2026-10-25T01:00:00Z"), 3_600);
        assert!(TimeZones::named([(&clinic, "Europe/Nowhere")]).is_err());
    }

    #[test]
    fn quiet_hours_go_by_the_clinics_clock() {
        let clinic = ClinicId::parse("riverside").unwrap();
        let elsewhere = ClinicId::parse("lakeside").unwrap();
        let zones = TimeZones::named([(&clinic, "Europe/Vienna")]).unwrap();
        let moment: jiff::Timestamp = "2026-07-01T22:30:59Z".parse().unwrap();
        let ns = i64::try_from(moment.as_nanosecond()).unwrap();
        let at = Timestamp::from_unix_ns(ns).unwrap();
        assert_eq!(zones.minute_of_day(&clinic, at), 30);
        assert_eq!(zones.minute_of_day(&elsewhere, at), 22 * 60 + 30);
    }
}
