//! What was said of a session, as cells of a row.

use meso_domain::{
    AdverseEvent, CourseFacts, LimitOverride, MaterialFacts, Said, Screening, SessionDetails,
    ShotClaim, Statement,
};

use super::{Details, amendment_details, check_item};
use crate::columns::hex64;
use crate::text::{decimal, rfc3339};

/// The name of the row.
pub(super) const fn name(said: &Said) -> &'static str {
    match said {
        Said::Screening(_) => "screening",
        Said::Patient(_) => "patient facts",
        Said::Course(_) => "course",
        Said::Details(_) => "session details",
        Said::Material(_) => "material",
        Said::Manual(_) => "manual injection",
        Said::PauseReason(_) => "pause reason",
        Said::Override(_) => "limit overridden",
        Said::SamePatientAsked(_) => "same patient asked",
        Said::SamePatientAnswered(_) => "same patient answered",
        Said::AdverseEvent(_) => "adverse event",
        Said::Addendum(_) => "addendum",
        Said::Amended(_) => "amendment",
        Said::Claim(_) => "shots claimed",
    }
}

pub(super) fn details(statement: &Statement) -> Details {
    let mut details = of_said(&statement.said);
    let by = statement.by.as_ref();
    details.insert("by", by.map_or_else(String::new, ToString::to_string));
    details
}

fn of_said(said: &Said) -> Details {
    match said {
        Said::Screening(screening) => of_screening(screening),
        // Age and weight are in the canonical bytes, which a report leaves out; see the exporter.
        Said::Patient(facts) => Details::from([
            ("age_known", facts.age_years.is_some().to_string()),
            ("weight_known", facts.weight_g.is_some().to_string()),
        ]),
        Said::Course(course) => of_course(course),
        Said::Details(details) => of_details(details),
        Said::Material(material) => of_material(material),
        Said::Manual(entry) => Details::from([
            ("segment", entry.segment.to_string()),
            ("number", entry.number.to_string()),
            ("points", entry.points.to_string()),
            ("volume_ml", decimal(entry.volume.get(), 6)),
        ]),
        Said::PauseReason(reason) => Details::from([("reason", reason.clone())]),
        Said::Override(limit) => of_override(limit),
        Said::SamePatientAsked(cause) => Details::from([("cause", cause.to_string())]),
        Said::SamePatientAnswered(is_same) => Details::from([("is_same", is_same.to_string())]),
        Said::AdverseEvent(event) => of_adverse_event(event),
        Said::Addendum(text) => Details::from([("text", text.clone())]),
        Said::Amended(amendment) => amendment_details(amendment),
        Said::Claim(claim) => of_claim(claim),
    }
}

/// What is known, in words; empty where it is not.
fn shown<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

fn of_screening(screening: &Screening) -> Details {
    let decision = screening.decision.as_ref();
    Details::from([
        ("digest", hex::encode(screening.digest)),
        (
            "confirms",
            screening.confirms.map_or_else(String::new, hex::encode),
        ),
        ("decision", shown(decision.map(|it| &it.outcome))),
        ("decided_by", shown(decision.map(|it| &it.by))),
    ])
}

fn of_course(course: &CourseFacts) -> Details {
    let days = |list: &[meso_domain::LastDay]| {
        let days = list
            .iter()
            .map(|last| format!("{}: {}", last.name, last.day));
        days.collect::<Vec<_>>().join("; ")
    };
    Details::from([
        ("source", course.source.to_string()),
        ("sessions_before", course.sessions_before.to_string()),
        ("volume_before_ml", decimal(course.volume_before.get(), 6)),
        ("last_day_in_zone", days(&course.last_in_zone)),
        ("last_day_of_drug", days(&course.last_of_drug)),
    ])
}

fn of_details(details: &SessionDetails) -> Details {
    let anaesthetics = details.anaesthetics.as_ref().map(|list| {
        let each = list
            .iter()
            .map(|one| format!("{} ({} {})", one.product, one.dose, one.drug));
        let all = each.collect::<Vec<_>>().join("; ");
        if all.is_empty() {
            "none".to_owned()
        } else {
            all
        }
    });
    let combined = details.combined.iter();
    let combined = combined.map(|one| format!("{}: day {}", one.name, one.day));
    Details::from([
        ("consent", shown(details.consent.as_ref())),
        ("guardian_consent", shown(details.guardian_consent.as_ref())),
        ("assessment", shown(details.assessment.as_ref())),
        ("anaesthetics", anaesthetics.unwrap_or_default()),
        ("combined", combined.collect::<Vec<_>>().join("; ")),
        (
            "after_care",
            details
                .after_care
                .as_ref()
                .map_or_else(String::new, check_item),
        ),
    ])
}

fn of_material(material: &MaterialFacts) -> Details {
    let lots = material.lots.iter().flatten().map(|lot| {
        let (until, recalled) = (&lot.usable_until, &lot.is_recalled);
        let (until, recalled) = (shown(until.as_ref()), shown(recalled.as_ref()));
        format!("{} (until day {until}, recalled {recalled})", lot.lot)
    });
    let residual = material.residual;
    Details::from([
        ("segment", material.segment.to_string()),
        (
            "certificate_until_day",
            shown(material.certificate_until.as_ref()),
        ),
        ("gun_is_enrolled", shown(material.gun_is_enrolled.as_ref())),
        (
            "calibrated_until_day",
            shown(material.calibrated_until.as_ref()),
        ),
        (
            "firmware_is_allowed",
            shown(material.firmware_is_allowed.as_ref()),
        ),
        ("product_class", shown(material.product_class.as_ref())),
        ("lots", lots.collect::<Vec<_>>().join("; ")),
        (
            "consumables_are_new",
            shown(material.consumables_are_new.as_ref()),
        ),
        (
            "needle_shots_before",
            shown(material.needle_shots_before.as_ref()),
        ),
        (
            "needle_angle_degrees",
            shown(material.needle_angle_degrees.as_ref()),
        ),
        (
            "residual_ml",
            residual.map_or_else(String::new, |it| decimal(it.get(), 6)),
        ),
    ])
}

fn of_override(limit: &LimitOverride) -> Details {
    Details::from([
        ("verdict", limit.finding.to_string()),
        ("rule", limit.finding.rule.to_string()),
        ("library", shown(limit.library.as_ref())),
        ("engine", limit.engine.to_string()),
        ("code", limit.code.to_string()),
        ("text", limit.text.clone()),
    ])
}

fn of_adverse_event(event: &AdverseEvent) -> Details {
    Details::from([
        ("code", event.code.to_string()),
        ("cause", event.cause.to_string()),
        ("is_expected", event.is_expected.to_string()),
        ("onset", rfc3339(event.onset)),
        ("action", event.action.clone()),
        ("follow_up", event.follow_up.clone()),
    ])
}

fn of_claim(claim: &ShotClaim) -> Details {
    Details::from([
        ("segment", claim.segment.to_string()),
        ("gun", claim.gun.to_string()),
        ("epoch", hex64(claim.epoch.get())),
        ("first", claim.first.to_string()),
        ("last", claim.last.to_string()),
        ("reason", claim.reason.clone()),
    ])
}
