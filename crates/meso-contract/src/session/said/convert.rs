//! Statements of the domain as JSON, and back.

use meso_domain::{
    AdverseCause, AdverseCode, AdverseEvent, Amendment, Anaesthetic, AskCause, CheckItem,
    CombinedTreatment, CourseFacts, CourseSource, Finding, LastDay, LimitOverride, LotFacts,
    ManualEntry, MaterialFacts, OverrideCode, PatientFacts, Said, Screening, ScreeningDecision,
    ScreeningOutcome, SessionDetails, ShotClaim, Statement,
};
use meso_units::{
    Epoch, GunSerial, LibraryVersion, Nanolitres, OperatorId, SegmentId, SessionId, ShotCounter,
};

use super::{
    AdverseEventBody, AnaestheticBody, ClaimBody, CombinedTreatmentBody, CourseBody, DetailsBody,
    LastDayBody, LotBody, ManualEntryBody, MaterialBody, OverrideBody, PatientFactsBody, SaidBody,
    ScreeningBody, ScreeningDecisionBody, StatementBody,
};
use crate::error::{text, word};
use crate::json_id::{hex_u64, parse_bytes, parse_u64};
use crate::shot::parse_at;
use crate::{CheckItemBody, PayloadError};

type Read<T> = Result<T, PayloadError>;

impl From<&Statement> for StatementBody {
    fn from(statement: &Statement) -> StatementBody {
        StatementBody {
            session: statement.session.to_string(),
            at_ns: statement.at.unix_ns().to_string(),
            by: statement.by.as_ref().map(ToString::to_string),
            said: (&statement.said).into(),
        }
    }
}

impl TryFrom<&StatementBody> for Statement {
    type Error = PayloadError;

    fn try_from(body: &StatementBody) -> Read<Statement> {
        Ok(Statement {
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            by: body.by.as_deref().map(OperatorId::parse).transpose()?,
            said: (&body.said).try_into()?,
        })
    }
}

impl From<&Said> for SaidBody {
    fn from(said: &Said) -> SaidBody {
        match said {
            Said::Screening(said) => SaidBody::Screening(said.into()),
            Said::Patient(said) => SaidBody::Patient(said.into()),
            Said::Course(said) => SaidBody::Course(said.into()),
            Said::Details(said) => SaidBody::Details(said.into()),
            Said::Material(said) => SaidBody::Material(said.into()),
            Said::Manual(said) => SaidBody::Manual(said.into()),
            Said::PauseReason(reason) => SaidBody::PauseReason {
                reason: reason.clone(),
            },
            Said::Override(said) => SaidBody::Override(said.into()),
            Said::SamePatientAsked(cause) => SaidBody::SamePatientAsked {
                cause: cause.to_string(),
            },
            Said::SamePatientAnswered(is_same) => {
                SaidBody::SamePatientAnswered { is_same: *is_same }
            }
            Said::AdverseEvent(said) => SaidBody::AdverseEvent(said.into()),
            Said::Addendum(text) => SaidBody::Addendum { text: text.clone() },
            Said::Amended(amendment) => SaidBody::Amended(amendment.into()),
            Said::Claim(said) => SaidBody::Claim(said.into()),
        }
    }
}

impl TryFrom<&SaidBody> for Said {
    type Error = PayloadError;

    fn try_from(body: &SaidBody) -> Read<Said> {
        Ok(match body {
            SaidBody::Screening(body) => Said::Screening(body.try_into()?),
            SaidBody::Patient(body) => Said::Patient(body.try_into()?),
            SaidBody::Course(body) => Said::Course(body.try_into()?),
            SaidBody::Details(body) => Said::Details(body.try_into()?),
            SaidBody::Material(body) => Said::Material(body.try_into()?),
            SaidBody::Manual(body) => Said::Manual(body.try_into()?),
            SaidBody::PauseReason { reason } => Said::PauseReason(text("reason", reason)?),
            SaidBody::Override(body) => Said::Override(body.try_into()?),
            SaidBody::SamePatientAsked { cause } => {
                Said::SamePatientAsked(word("cause", cause, AskCause::parse)?)
            }
            SaidBody::SamePatientAnswered { is_same } => Said::SamePatientAnswered(*is_same),
            SaidBody::AdverseEvent(body) => Said::AdverseEvent(body.try_into()?),
            SaidBody::Addendum { text: words } => Said::Addendum(text("addendum", words)?),
            SaidBody::Amended(body) => Said::Amended(Amendment::try_from(body)?),
            SaidBody::Claim(body) => Said::Claim(body.try_into()?),
        })
    }
}

fn optional(field: &'static str, value: Option<&String>) -> Read<Option<String>> {
    value.map(|value| text(field, value)).transpose()
}

impl From<&Screening> for ScreeningBody {
    fn from(said: &Screening) -> ScreeningBody {
        ScreeningBody {
            digest: hex::encode(said.digest),
            confirms: said.confirms.map(hex::encode),
            decision: said
                .decision
                .as_ref()
                .map(|decision| ScreeningDecisionBody {
                    outcome: decision.outcome.to_string(),
                    by: decision.by.to_string(),
                }),
        }
    }
}

impl TryFrom<&ScreeningBody> for Screening {
    type Error = PayloadError;

    fn try_from(body: &ScreeningBody) -> Read<Screening> {
        let decision = |body: &ScreeningDecisionBody| {
            Ok::<_, PayloadError>(ScreeningDecision {
                outcome: word("decision", &body.outcome, ScreeningOutcome::parse)?,
                by: OperatorId::parse(&body.by)?,
            })
        };
        Ok(Screening {
            digest: parse_bytes("digest", &body.digest)?,
            confirms: body
                .confirms
                .as_deref()
                .map(|t| parse_bytes("confirms", t))
                .transpose()?,
            decision: body.decision.as_ref().map(decision).transpose()?,
        })
    }
}

impl From<&PatientFacts> for PatientFactsBody {
    fn from(said: &PatientFacts) -> PatientFactsBody {
        PatientFactsBody {
            salt: hex::encode(said.salt),
            age_years: said.age_years,
            weight_g: said.weight_g,
        }
    }
}

impl TryFrom<&PatientFactsBody> for PatientFacts {
    type Error = PayloadError;

    fn try_from(body: &PatientFactsBody) -> Read<PatientFacts> {
        Ok(PatientFacts {
            salt: parse_bytes("salt", &body.salt)?,
            age_years: body.age_years,
            weight_g: body.weight_g,
        })
    }
}

impl From<&LastDay> for LastDayBody {
    fn from(last: &LastDay) -> LastDayBody {
        LastDayBody {
            name: last.name.clone(),
            day: last.day,
        }
    }
}

impl TryFrom<&LastDayBody> for LastDay {
    type Error = PayloadError;

    fn try_from(body: &LastDayBody) -> Read<LastDay> {
        Ok(LastDay {
            name: text("zone or drug", &body.name)?,
            day: body.day,
        })
    }
}

impl From<&CourseFacts> for CourseBody {
    fn from(said: &CourseFacts) -> CourseBody {
        CourseBody {
            source: said.source.to_string(),
            sessions_before: said.sessions_before,
            volume_before_nl: said.volume_before.get(),
            last_in_zone: said.last_in_zone.iter().map(Into::into).collect(),
            last_of_drug: said.last_of_drug.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&CourseBody> for CourseFacts {
    type Error = PayloadError;

    fn try_from(body: &CourseBody) -> Read<CourseFacts> {
        let days = |list: &[LastDayBody]| list.iter().map(LastDay::try_from).collect::<Read<_>>();
        Ok(CourseFacts {
            source: word("source", &body.source, CourseSource::parse)?,
            sessions_before: body.sessions_before,
            volume_before: Nanolitres::new(body.volume_before_nl)?,
            last_in_zone: days(&body.last_in_zone)?,
            last_of_drug: days(&body.last_of_drug)?,
        })
    }
}

impl From<&SessionDetails> for DetailsBody {
    fn from(said: &SessionDetails) -> DetailsBody {
        let anaesthetic = |one: &Anaesthetic| AnaestheticBody {
            product: one.product.clone(),
            drug: one.drug.clone(),
            dose: one.dose.clone(),
        };
        let combined = said.combined.iter().map(|one| CombinedTreatmentBody {
            name: one.name.clone(),
            day: one.day,
        });
        DetailsBody {
            consent: said.consent.clone(),
            guardian_consent: said.guardian_consent.clone(),
            assessment: said.assessment.clone(),
            anaesthetics: said
                .anaesthetics
                .as_ref()
                .map(|list| list.iter().map(anaesthetic).collect()),
            combined: combined.collect(),
            after_care: said.after_care.as_ref().map(CheckItemBody::from),
        }
    }
}

impl TryFrom<&DetailsBody> for SessionDetails {
    type Error = PayloadError;

    fn try_from(body: &DetailsBody) -> Read<SessionDetails> {
        let anaesthetic = |one: &AnaestheticBody| {
            Ok::<_, PayloadError>(Anaesthetic {
                product: text("product", &one.product)?,
                drug: text("drug", &one.drug)?,
                dose: text("dose", &one.dose)?,
            })
        };
        let combined = |one: &CombinedTreatmentBody| {
            Ok::<_, PayloadError>(CombinedTreatment {
                name: text("treatment", &one.name)?,
                day: one.day,
            })
        };
        let anaesthetics = body.anaesthetics.as_ref();
        Ok(SessionDetails {
            consent: optional("consent", body.consent.as_ref())?,
            guardian_consent: optional("guardian_consent", body.guardian_consent.as_ref())?,
            assessment: optional("assessment", body.assessment.as_ref())?,
            anaesthetics: anaesthetics
                .map(|list| list.iter().map(anaesthetic).collect::<Read<_>>())
                .transpose()?,
            combined: body.combined.iter().map(combined).collect::<Read<_>>()?,
            after_care: body
                .after_care
                .as_ref()
                .map(CheckItem::try_from)
                .transpose()?,
        })
    }
}

impl From<&MaterialFacts> for MaterialBody {
    fn from(said: &MaterialFacts) -> MaterialBody {
        let lot = |lot: &LotFacts| LotBody {
            lot: lot.lot.clone(),
            usable_until_day: lot.usable_until,
            is_recalled: lot.is_recalled,
        };
        MaterialBody {
            segment: said.segment.to_string(),
            certificate_until_day: said.certificate_until,
            gun_is_enrolled: said.gun_is_enrolled,
            calibrated_until_day: said.calibrated_until,
            firmware_is_allowed: said.firmware_is_allowed,
            product_class: said.product_class.clone(),
            lots: said
                .lots
                .as_ref()
                .map(|lots| lots.iter().map(lot).collect()),
            consumables_are_new: said.consumables_are_new,
            needle_shots_before: said.needle_shots_before,
            needle_angle_degrees: said.needle_angle_degrees,
            residual_nl: said.residual.map(Nanolitres::get),
        }
    }
}

impl TryFrom<&MaterialBody> for MaterialFacts {
    type Error = PayloadError;

    fn try_from(body: &MaterialBody) -> Read<MaterialFacts> {
        let lot = |lot: &LotBody| {
            Ok::<_, PayloadError>(LotFacts {
                lot: text("lot", &lot.lot)?,
                usable_until: lot.usable_until_day,
                is_recalled: lot.is_recalled,
            })
        };
        let lots = body.lots.as_ref();
        Ok(MaterialFacts {
            segment: SegmentId::parse(&body.segment)?,
            certificate_until: body.certificate_until_day,
            gun_is_enrolled: body.gun_is_enrolled,
            calibrated_until: body.calibrated_until_day,
            firmware_is_allowed: body.firmware_is_allowed,
            product_class: optional("product_class", body.product_class.as_ref())?,
            lots: lots
                .map(|lots| lots.iter().map(lot).collect::<Read<_>>())
                .transpose()?,
            consumables_are_new: body.consumables_are_new,
            needle_shots_before: body.needle_shots_before,
            needle_angle_degrees: body.needle_angle_degrees,
            residual: body.residual_nl.map(Nanolitres::new).transpose()?,
        })
    }
}

impl From<&ManualEntry> for ManualEntryBody {
    fn from(said: &ManualEntry) -> ManualEntryBody {
        ManualEntryBody {
            segment: said.segment.to_string(),
            number: said.number,
            points: said.points,
            volume_nl: said.volume.get(),
        }
    }
}

impl TryFrom<&ManualEntryBody> for ManualEntry {
    type Error = PayloadError;

    fn try_from(body: &ManualEntryBody) -> Read<ManualEntry> {
        Ok(ManualEntry {
            segment: SegmentId::parse(&body.segment)?,
            number: body.number,
            points: body.points,
            volume: Nanolitres::new(body.volume_nl)?,
        })
    }
}

impl From<&LimitOverride> for OverrideBody {
    fn from(said: &LimitOverride) -> OverrideBody {
        OverrideBody {
            finding: (&said.finding).into(),
            library_version: said.library.map(LibraryVersion::get),
            engine: said.engine,
            code: said.code.to_string(),
            text: said.text.clone(),
        }
    }
}

impl TryFrom<&OverrideBody> for LimitOverride {
    type Error = PayloadError;

    fn try_from(body: &OverrideBody) -> Read<LimitOverride> {
        Ok(LimitOverride {
            finding: Finding::try_from(&body.finding)?,
            library: body.library_version.map(LibraryVersion),
            engine: body.engine,
            code: word("code", &body.code, OverrideCode::parse)?,
            text: text("text", &body.text)?,
        })
    }
}

impl From<&AdverseEvent> for AdverseEventBody {
    fn from(said: &AdverseEvent) -> AdverseEventBody {
        AdverseEventBody {
            code: said.code.to_string(),
            cause: said.cause.to_string(),
            is_expected: said.is_expected,
            onset_ns: said.onset.unix_ns().to_string(),
            action: said.action.clone(),
            follow_up: said.follow_up.clone(),
        }
    }
}

impl TryFrom<&AdverseEventBody> for AdverseEvent {
    type Error = PayloadError;

    fn try_from(body: &AdverseEventBody) -> Read<AdverseEvent> {
        Ok(AdverseEvent {
            code: word("code", &body.code, AdverseCode::parse)?,
            cause: word("cause", &body.cause, AdverseCause::parse)?,
            is_expected: body.is_expected,
            onset: parse_at("onset_ns", &body.onset_ns)?,
            action: text("action", &body.action)?,
            follow_up: text("follow_up", &body.follow_up)?,
        })
    }
}

impl From<&ShotClaim> for ClaimBody {
    fn from(said: &ShotClaim) -> ClaimBody {
        ClaimBody {
            segment: said.segment.to_string(),
            gun: said.gun.to_string(),
            epoch: hex_u64(said.epoch.get()),
            first: said.first.get(),
            last: said.last.get(),
            reason: said.reason.clone(),
        }
    }
}

impl TryFrom<&ClaimBody> for ShotClaim {
    type Error = PayloadError;

    fn try_from(body: &ClaimBody) -> Read<ShotClaim> {
        Ok(ShotClaim {
            segment: SegmentId::parse(&body.segment)?,
            gun: GunSerial::parse(&body.gun)?,
            epoch: Epoch(parse_u64("epoch", &body.epoch)?),
            first: ShotCounter(body.first),
            last: ShotCounter(body.last),
            reason: text("reason", &body.reason)?,
        })
    }
}
