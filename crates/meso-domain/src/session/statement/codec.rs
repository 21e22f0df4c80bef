//! Canonical bytes of statements.

use meso_units::{
    Epoch, GunSerial, LibraryVersion, Nanolitres, OperatorId, SegmentId, SessionId, ShotCounter,
};

use super::{
    AdverseCause, AdverseCode, AdverseEvent, Anaesthetic, AskCause, CombinedTreatment, CourseFacts,
    CourseSource, Day, LastDay, LimitOverride, LotFacts, ManualEntry, MaterialFacts, OverrideCode,
    PatientFacts, Said, Screening, ScreeningDecision, ScreeningOutcome, SessionDetails, ShotClaim,
    Statement,
};
use crate::canonical::{Canonical as _, CanonicalError, Decoder, Encoder};
use crate::session::codec::flag;
use crate::{Amendment, CheckItem, Finding};

type Read<T> = Result<T, CanonicalError>;

impl Statement {
    pub(in crate::session) fn write(&self, encoder: &mut Encoder) {
        encoder.fixed(self.session.as_bytes());
        encoder.timestamp(self.at);
        encoder.option(self.by.as_ref(), |e, by| e.text(by.as_str()));
        self.said.write(encoder);
    }

    pub(in crate::session) fn read(decoder: &mut Decoder<'_>) -> Read<Statement> {
        Ok(Statement {
            session: SessionId::from_bytes(decoder.fixed()?),
            at: decoder.timestamp()?,
            by: decoder.option(|d| Ok(OperatorId::parse(d.text("said by")?)?))?,
            said: Said::read(decoder)?,
        })
    }
}

impl Said {
    fn write(&self, e: &mut Encoder) {
        e.u8(self.code());
        match self {
            Said::Screening(said) => said.write(e),
            Said::Patient(said) => said.write(e),
            Said::Course(said) => said.write(e),
            Said::Details(said) => said.write(e),
            Said::Material(said) => said.write(e),
            Said::Manual(said) => said.write(e),
            Said::PauseReason(text) | Said::Addendum(text) => e.text(text),
            Said::Override(said) => said.write(e),
            Said::SamePatientAsked(cause) => e.u8(cause.code()),
            Said::SamePatientAnswered(is_same) => e.u8(u8::from(*is_same)),
            Said::AdverseEvent(said) => said.write(e),
            Said::Amended(amendment) => amendment.encode_fields(e),
            Said::Claim(said) => said.write(e),
        }
    }

    /// The code in canonical bytes; it never changes.
    const fn code(&self) -> u8 {
        match self {
            Said::Screening(_) => 1,
            Said::Patient(_) => 2,
            Said::Course(_) => 3,
            Said::Details(_) => 4,
            Said::Material(_) => 5,
            Said::Manual(_) => 6,
            Said::PauseReason(_) => 7,
            Said::Override(_) => 8,
            Said::SamePatientAsked(_) => 9,
            Said::SamePatientAnswered(_) => 10,
            Said::AdverseEvent(_) => 11,
            Said::Addendum(_) => 12,
            Said::Amended(_) => 13,
            Said::Claim(_) => 14,
        }
    }

    fn read(d: &mut Decoder<'_>) -> Read<Said> {
        Ok(match d.u8()? {
            1 => Said::Screening(Screening::read(d)?),
            2 => Said::Patient(PatientFacts::read(d)?),
            3 => Said::Course(CourseFacts::read(d)?),
            4 => Said::Details(SessionDetails::read(d)?),
            5 => Said::Material(MaterialFacts::read(d)?),
            6 => Said::Manual(ManualEntry::read(d)?),
            7 => Said::PauseReason(text(d, "reason of a pause")?),
            8 => Said::Override(LimitOverride::read(d)?),
            9 => Said::SamePatientAsked(AskCause::from_code(d.u8()?)?),
            10 => Said::SamePatientAnswered(flag(d, "same patient")?),
            11 => Said::AdverseEvent(AdverseEvent::read(d)?),
            12 => Said::Addendum(text(d, "addendum")?),
            13 => Said::Amended(Amendment::decode_fields(d)?),
            14 => Said::Claim(ShotClaim::read(d)?),
            code => {
                return Err(CanonicalError::UnknownCode {
                    field: "statement",
                    code: code.into(),
                });
            }
        })
    }
}

fn text(decoder: &mut Decoder<'_>, field: &'static str) -> Read<String> {
    Ok(decoder.text(field)?.to_owned())
}

fn write_texts(e: &mut Encoder, texts: &[&Option<String>]) {
    for text in texts {
        e.option(text.as_ref(), |e, text| e.text(text));
    }
}

fn optional_text(d: &mut Decoder<'_>, field: &'static str) -> Read<Option<String>> {
    d.option(|d| text(d, field))
}

fn write_day(e: &mut Encoder, day: Option<Day>) {
    e.option(day.as_ref(), |e, day| e.i64(*day));
}

fn optional_day(d: &mut Decoder<'_>) -> Read<Option<Day>> {
    d.option(|d| d.i64())
}

fn write_flag(e: &mut Encoder, value: Option<bool>) {
    e.option(value.as_ref(), |e, value| e.u8(u8::from(*value)));
}

fn optional_flag(d: &mut Decoder<'_>, field: &'static str) -> Read<Option<bool>> {
    d.option(|d| flag(d, field))
}

impl Screening {
    fn write(&self, e: &mut Encoder) {
        e.fixed(&self.digest);
        e.option(self.confirms.as_ref(), |e, digest| e.fixed(digest));
        e.option(self.decision.as_ref(), |e, decision| {
            e.u8(decision.outcome.code());
            e.text(decision.by.as_str());
        });
    }

    fn read(d: &mut Decoder<'_>) -> Read<Screening> {
        Ok(Screening {
            digest: d.fixed()?,
            confirms: d.option(|d| d.fixed())?,
            decision: d.option(|d| {
                Ok(ScreeningDecision {
                    outcome: ScreeningOutcome::from_code(d.u8()?)?,
                    by: OperatorId::parse(d.text("decided by")?)?,
                })
            })?,
        })
    }
}

impl PatientFacts {
    fn write(&self, e: &mut Encoder) {
        e.fixed(&self.salt);
        e.option(self.age_years.as_ref(), |e, years| e.u16(*years));
        e.option(self.weight_g.as_ref(), |e, grams| e.u32(*grams));
    }

    fn read(d: &mut Decoder<'_>) -> Read<PatientFacts> {
        Ok(PatientFacts {
            salt: d.fixed()?,
            age_years: d.option(|d| d.u16())?,
            weight_g: d.option(|d| d.u32())?,
        })
    }
}

impl LastDay {
    fn write(&self, e: &mut Encoder) {
        e.text(&self.name);
        e.i64(self.day);
    }

    fn read(d: &mut Decoder<'_>) -> Read<LastDay> {
        Ok(LastDay {
            name: text(d, "zone or drug")?,
            day: d.i64()?,
        })
    }
}

impl CourseFacts {
    fn write(&self, e: &mut Encoder) {
        e.u8(self.source.code());
        e.u16(self.sessions_before);
        e.u64(self.volume_before.get());
        e.list(&self.last_in_zone, |e, last| last.write(e));
        e.list(&self.last_of_drug, |e, last| last.write(e));
    }

    fn read(d: &mut Decoder<'_>) -> Read<CourseFacts> {
        Ok(CourseFacts {
            source: CourseSource::from_code(d.u8()?)?,
            sessions_before: d.u16()?,
            volume_before: Nanolitres::new(d.u64()?)?,
            last_in_zone: d.list("zones of the course", LastDay::read)?,
            last_of_drug: d.list("drugs of the course", LastDay::read)?,
        })
    }
}

impl SessionDetails {
    fn write(&self, e: &mut Encoder) {
        write_texts(
            e,
            &[&self.consent, &self.guardian_consent, &self.assessment],
        );
        e.option(self.anaesthetics.as_ref(), |e, anaesthetics| {
            e.list(anaesthetics, |e, one| {
                e.text(&one.product);
                e.text(&one.drug);
                e.text(&one.dose);
            });
        });
        e.list(&self.combined, |e, one| {
            e.text(&one.name);
            e.i64(one.day);
        });
        e.option(self.after_care.as_ref(), |e, item| item.write(e));
    }

    fn read(d: &mut Decoder<'_>) -> Read<SessionDetails> {
        Ok(SessionDetails {
            consent: optional_text(d, "consent")?,
            guardian_consent: optional_text(d, "guardian's consent")?,
            assessment: optional_text(d, "assessment")?,
            anaesthetics: d.option(|d| {
                d.list("anaesthetics", |d| {
                    Ok(Anaesthetic {
                        product: text(d, "product")?,
                        drug: text(d, "drug")?,
                        dose: text(d, "dose")?,
                    })
                })
            })?,
            combined: d.list("combined treatments", |d| {
                Ok(CombinedTreatment {
                    name: text(d, "treatment")?,
                    day: d.i64()?,
                })
            })?,
            after_care: d.option(CheckItem::read)?,
        })
    }
}

impl MaterialFacts {
    fn write(&self, e: &mut Encoder) {
        e.fixed(self.segment.as_bytes());
        write_day(e, self.certificate_until);
        write_flag(e, self.gun_is_enrolled);
        write_day(e, self.calibrated_until);
        write_flag(e, self.firmware_is_allowed);
        write_texts(e, &[&self.product_class]);
        e.option(self.lots.as_ref(), |e, lots| {
            e.list(lots, |e, lot| {
                e.text(&lot.lot);
                write_day(e, lot.usable_until);
                write_flag(e, lot.is_recalled);
            });
        });
        write_flag(e, self.consumables_are_new);
        e.option(self.needle_shots_before.as_ref(), |e, shots| e.u32(*shots));
        e.option(self.needle_angle_degrees.as_ref(), |e, angle| e.u8(*angle));
        e.option(self.residual.as_ref(), |e, volume| e.u64(volume.get()));
    }

    fn read(d: &mut Decoder<'_>) -> Read<MaterialFacts> {
        Ok(MaterialFacts {
            segment: SegmentId::from_bytes(d.fixed()?),
            certificate_until: optional_day(d)?,
            gun_is_enrolled: optional_flag(d, "enrolment")?,
            calibrated_until: optional_day(d)?,
            firmware_is_allowed: optional_flag(d, "firmware")?,
            product_class: optional_text(d, "product class")?,
            lots: d.option(|d| {
                d.list("lots", |d| {
                    Ok(LotFacts {
                        lot: text(d, "lot")?,
                        usable_until: optional_day(d)?,
                        is_recalled: optional_flag(d, "recall")?,
                    })
                })
            })?,
            consumables_are_new: optional_flag(d, "consumables")?,
            needle_shots_before: d.option(|d| d.u32())?,
            needle_angle_degrees: d.option(|d| d.u8())?,
            residual: d.option(|d| Ok(Nanolitres::new(d.u64()?)?))?,
        })
    }
}

impl ManualEntry {
    fn write(&self, e: &mut Encoder) {
        e.fixed(self.segment.as_bytes());
        e.u32(self.number);
        e.u32(self.points);
        e.u64(self.volume.get());
    }

    fn read(d: &mut Decoder<'_>) -> Read<ManualEntry> {
        Ok(ManualEntry {
            segment: SegmentId::from_bytes(d.fixed()?),
            number: d.u32()?,
            points: d.u32()?,
            volume: Nanolitres::new(d.u64()?)?,
        })
    }
}

impl LimitOverride {
    fn write(&self, e: &mut Encoder) {
        self.finding.write(e);
        e.option(self.library.as_ref(), |e, version| e.u32(version.get()));
        e.u16(self.engine);
        e.u8(self.code.code());
        e.text(&self.text);
    }

    fn read(d: &mut Decoder<'_>) -> Read<LimitOverride> {
        Ok(LimitOverride {
            finding: Finding::read(d)?,
            library: d.option(|d| Ok(LibraryVersion(d.u32()?)))?,
            engine: d.u16()?,
            code: OverrideCode::from_code(d.u8()?)?,
            text: text(d, "reason of an override")?,
        })
    }
}

impl AdverseEvent {
    fn write(&self, e: &mut Encoder) {
        e.u8(self.code.code());
        e.u8(self.cause.code());
        e.u8(u8::from(self.is_expected));
        e.timestamp(self.onset);
        e.text(&self.action);
        e.text(&self.follow_up);
    }

    fn read(d: &mut Decoder<'_>) -> Read<AdverseEvent> {
        Ok(AdverseEvent {
            code: AdverseCode::from_code(d.u8()?)?,
            cause: AdverseCause::from_code(d.u8()?)?,
            is_expected: flag(d, "expected")?,
            onset: d.timestamp()?,
            action: text(d, "action")?,
            follow_up: text(d, "follow-up")?,
        })
    }
}

impl ShotClaim {
    fn write(&self, e: &mut Encoder) {
        e.fixed(self.segment.as_bytes());
        e.text(self.gun.as_str());
        e.u64(self.epoch.get());
        e.u32(self.first.get());
        e.u32(self.last.get());
        e.text(&self.reason);
    }

    fn read(d: &mut Decoder<'_>) -> Read<ShotClaim> {
        Ok(ShotClaim {
            segment: SegmentId::from_bytes(d.fixed()?),
            gun: GunSerial::parse(d.text("gun")?)?,
            epoch: Epoch(d.u64()?),
            first: ShotCounter(d.u32()?),
            last: ShotCounter(d.u32()?),
            reason: text(d, "reason of a claim")?,
        })
    }
}
