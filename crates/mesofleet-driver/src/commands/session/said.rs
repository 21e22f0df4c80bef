//! What people say of a session, from the command line.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::civil::Date;
use meso_contract::AdverseEventBody;
use meso_contract::room::{
    AddendumStepBody, AmendStepBody, ClaimStepBody, EventStepBody, HandOverStepBody,
    ManualStepBody, OverrideStepBody, PatientStepBody, RoomStepBody, SamePatientStepBody,
};
use meso_units::Nanolitres;

use super::{Asker, take};
use crate::commands::{Failure, FolderArguments};

/// Who says it of which session.
#[derive(Args, Debug)]
pub(crate) struct SaidArguments {
    /// The session; may be left out while only one is open.
    #[arg(long, value_name = "ID")]
    pub(super) session: Option<String>,
    /// Who says it.
    #[arg(long, value_name = "ID")]
    pub(super) operator: String,
    #[command(flatten)]
    pub(super) folder: FolderArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl SaidArguments {
    /// Takes a step that is made of the session and of who says it.
    pub(super) fn take(
        &self,
        step: impl FnOnce(&Asker, String, String) -> Result<RoomStepBody, Failure>,
    ) -> Result<ExitCode, Failure> {
        let asker = Asker::of(&self.folder)?;
        let session = asker.session_of(self.session.as_ref())?;
        let step = step(&asker, session, self.operator.clone())?;
        take(&asker.client, &asker.folder, &step, self.json)
    }
}

/// Options of `session patient`.
#[derive(Args, Debug)]
pub(crate) struct PatientArguments {
    /// Age in whole years.
    #[arg(long, value_name = "YEARS", required_unless_present = "weight_g")]
    age: Option<u16>,
    /// Body weight in g.
    #[arg(long, value_name = "G")]
    weight_g: Option<u32>,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn patient(arguments: &PatientArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::Patient(PatientStepBody {
            session,
            operator,
            age_years: arguments.age,
            weight_g: arguments.weight_g,
        }))
    })
}

/// Options of `session hand-over`.
#[derive(Args, Debug)]
#[command(after_help = "--operator is the one who takes over.")]
pub(crate) struct HandOverArguments {
    /// The gun; left out for the manual syringe.
    #[arg(long, value_name = "SERIAL")]
    gun: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn hand_over(arguments: &HandOverArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::HandOver(HandOverStepBody {
            session,
            gun: arguments.gun.clone(),
            operator,
            reason: arguments.reason.clone(),
        }))
    })
}

/// Options of `session manual`.
#[derive(Args, Debug)]
#[command(after_help = "It wants a segment without a gun: `session segment` without --gun.")]
pub(crate) struct ManualArguments {
    /// The segment; the newest one without a gun where left out.
    #[arg(long, value_name = "ID")]
    segment: Option<String>,
    /// Counts the entries of the session, from 1; the next one where left out.
    #[arg(long, value_name = "N")]
    number: Option<u32>,
    /// How many points; 0 says that nothing was injected.
    #[arg(long, value_name = "N")]
    points: u32,
    /// Their volume together, such as "0.2 ml".
    #[arg(long, value_name = "VOLUME")]
    volume: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn manual(arguments: &ManualArguments) -> Result<ExitCode, Failure> {
    let volume = Nanolitres::parse(&arguments.volume).context("--volume cannot be used")?;
    arguments.said.take(|asker, session, operator| {
        let known = asker.known(&session)?;
        let by_hand = known.segments.iter().rev().find(|it| it.gun.is_none());
        let newest = by_hand.map(|segment| segment.segment.clone());
        Ok(RoomStepBody::Manual(ManualStepBody {
            session,
            operator,
            segment: arguments.segment.clone().or(newest).ok_or_else(|| {
                anyhow!("the session has no segment without a gun: begin one first")
            })?,
            number: arguments.number.unwrap_or(known.manual_entry_count + 1),
            points: arguments.points,
            volume_nl: volume.get(),
        }))
    })
}

/// Options of `session override`.
#[derive(Args, Debug)]
#[command(after_help = "A hard limit cannot be overridden.")]
pub(crate) struct OverrideArguments {
    /// The rule that the verdict names, such as "needle depth".
    #[arg(long, value_name = "RULE")]
    rule: String,
    /// "clinical judgement", "patient anatomy", "reading wrong", "limit unsuitable" or other.
    #[arg(long, value_name = "CODE")]
    code: String,
    /// Why, in words.
    #[arg(long, value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn limit_override(arguments: &OverrideArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::Override(OverrideStepBody {
            session,
            operator,
            rule: arguments.rule.clone(),
            code: arguments.code.clone(),
            text: arguments.text.clone(),
        }))
    })
}

/// Options of `session same-patient`.
#[derive(Args, Debug)]
pub(crate) struct SamePatientArguments {
    /// Whether it is: true, or false, which ends the session.
    #[arg(value_name = "TRUE|FALSE")]
    is_same: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn same_patient(arguments: &SamePatientArguments) -> Result<ExitCode, Failure> {
    let is_same = truth("TRUE|FALSE", &arguments.is_same)?;
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::SamePatient(SamePatientStepBody {
            session,
            operator,
            is_same,
        }))
    })
}

/// Options of `session adverse-event`.
#[derive(Args, Debug)]
pub(crate) struct AdverseEventArguments {
    /// redness, swelling, bruise, pain, allergy, infection, necrosis, laceration, flushing or other.
    #[arg(long, value_name = "CODE")]
    code: String,
    /// What it is put down to: drug, method or needle.
    #[arg(long, value_name = "CAUSE")]
    cause: String,
    /// Such a treatment is known to bring it.
    #[arg(long)]
    expected: bool,
    /// When it began, such as 2026-01-31T10:00Z.
    #[arg(long, value_name = "MOMENT")]
    onset: String,
    /// What was done; it names nobody.
    #[arg(long, value_name = "TEXT")]
    action: String,
    /// What is to follow; it names nobody.
    #[arg(long, value_name = "TEXT", default_value = "")]
    follow_up: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn adverse_event(arguments: &AdverseEventArguments) -> Result<ExitCode, Failure> {
    let onset: jiff::Timestamp = arguments.onset.parse().context("--onset is no moment")?;
    let event = AdverseEventBody {
        code: arguments.code.clone(),
        cause: arguments.cause.clone(),
        is_expected: arguments.expected,
        onset_ns: onset.as_nanosecond().to_string(),
        action: arguments.action.clone(),
        follow_up: arguments.follow_up.clone(),
    };
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::AdverseEvent(EventStepBody {
            session,
            operator,
            event,
        }))
    })
}

/// Options of `session addendum`.
#[derive(Args, Debug)]
pub(crate) struct AddendumArguments {
    /// The words; they name nobody.
    #[arg(long, value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn addendum(arguments: &AddendumArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|_, session, operator| {
        let text = arguments.text.clone();
        Ok(RoomStepBody::Addendum(AddendumStepBody {
            session,
            operator,
            text,
        }))
    })
}

/// Options of `session amend`.
#[derive(Args, Debug)]
#[command(
    after_help = "`session history` shows the records, with the fields that can be corrected and their values."
)]
pub(crate) struct AmendArguments {
    /// Hash of the record that is corrected, 64 hexadecimal digits.
    #[arg(long, value_name = "HASH")]
    original: String,
    /// The field, such as volume_nl.
    #[arg(long, value_name = "FIELD")]
    field: String,
    /// The right value, as the field's record writes it.
    #[arg(long, value_name = "VALUE")]
    new_value: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn amend(arguments: &AmendArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|_, session, operator| {
        Ok(RoomStepBody::Amend(AmendStepBody {
            session,
            operator,
            original: arguments.original.clone(),
            field: arguments.field.clone(),
            new_value: arguments.new_value.clone(),
            reason: arguments.reason.clone(),
        }))
    })
}

/// Options of `session claim`.
#[derive(Args, Debug)]
pub(crate) struct ClaimArguments {
    /// The gun.
    #[arg(long, value_name = "SERIAL")]
    gun: String,
    /// The segment that they are counted in; the newest one of the gun where left out.
    #[arg(long, value_name = "ID")]
    segment: Option<String>,
    /// Epoch, 16 hexadecimal digits; the gun's present one where left out.
    #[arg(long, value_name = "HEX")]
    epoch: Option<String>,
    /// First counter.
    #[arg(long, value_name = "N")]
    first: u32,
    /// Last counter.
    #[arg(long, value_name = "N")]
    last: u32,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    said: SaidArguments,
}

pub(super) fn claim(arguments: &ClaimArguments) -> Result<ExitCode, Failure> {
    arguments.said.take(|asker, session, operator| {
        let segment = match &arguments.segment {
            Some(segment) => segment.clone(),
            None => {
                let known = asker.known(&session)?;
                let mut segments = known.segments.into_iter().rev();
                let of_gun = segments.find(|it| it.gun.as_ref() == Some(&arguments.gun));
                let of_gun = of_gun.map(|segment| segment.segment);
                of_gun.ok_or_else(|| anyhow!("the session has no segment of this gun"))?
            }
        };
        let epoch = match &arguments.epoch {
            Some(epoch) => epoch.clone(),
            None => asker.epoch_of(&arguments.gun)?,
        };
        Ok(RoomStepBody::Claim(ClaimStepBody {
            session,
            operator,
            segment,
            gun: arguments.gun.clone(),
            epoch,
            first: arguments.first,
            last: arguments.last,
            reason: arguments.reason.clone(),
        }))
    })
}

/// A yes or no.
pub(super) fn truth(name: &str, text: &str) -> Result<bool, Failure> {
    text.parse()
        .map_err(|_| Failure::Command(anyhow!("{name} is true or false, not {text}")))
}

/// A calendar day as days since 1970-01-01.
pub(super) fn day(name: &str, text: &str) -> Result<i64, Failure> {
    let day: Date = text
        .parse()
        .with_context(|| format!("{name} is no day such as 2026-01-31: {text}"))?;
    let since = day.duration_since(Date::constant(1970, 1, 1));
    Ok(since.as_hours() / 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_counted_from_1970() {
        assert_eq!(day("--day", "1970-01-01").unwrap(), 0);
        assert_eq!(day("--day", "2026-01-31").unwrap(), 20_484);
        assert!(day("--day", "2026-02-30").is_err());
    }
}
