//! From the domain to JSON and, checked, back.

use super::{
    AmendmentBody, CheckItemBody, ChecklistBody, ComponentBody, GunPositionBody, NeedleBody,
    SegmentOpenedBody, SessionEndedBody, SessionEventBody, SessionOpenedBody, SyringeBody,
};
use meso_domain::{
    Amendment, CheckItem, Checklist, Component, Delivery, GunPosition, Needle, RecordHash,
    SegmentOpened, SessionEnded, SessionEvent, SessionOpened, SessionOutcome, SyringeLoad,
    Technique,
};
use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, LibraryVersion, Micrometres, Nanolitres, OperatorId,
    PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter,
};

use crate::PayloadError;
use crate::error::{text, word};
use crate::json_id::{hex_u64, parse_bytes, parse_u64};
use crate::shot::parse_at;

impl From<&SessionEvent> for SessionEventBody {
    fn from(event: &SessionEvent) -> SessionEventBody {
        match event {
            SessionEvent::Opened(opened) => SessionEventBody::Opened(opened.into()),
            SessionEvent::SegmentOpened(segment) => SessionEventBody::SegmentOpened(segment.into()),
            SessionEvent::Paused { session, at } => SessionEventBody::Paused {
                session: session.to_string(),
                at_ns: at.unix_ns().to_string(),
            },
            SessionEvent::Resumed { session, at } => SessionEventBody::Resumed {
                session: session.to_string(),
                at_ns: at.unix_ns().to_string(),
            },
            SessionEvent::Ended(ended) => SessionEventBody::Ended(ended.into()),
            SessionEvent::Stated(said) => SessionEventBody::Stated(said.as_ref().into()),
        }
    }
}

impl TryFrom<&SessionEventBody> for SessionEvent {
    type Error = PayloadError;

    fn try_from(body: &SessionEventBody) -> Result<SessionEvent, PayloadError> {
        Ok(match body {
            SessionEventBody::Opened(opened) => SessionEvent::Opened(opened.try_into()?),
            SessionEventBody::SegmentOpened(segment) => {
                SessionEvent::SegmentOpened(segment.try_into()?)
            }
            SessionEventBody::Paused { session, at_ns } => SessionEvent::Paused {
                session: SessionId::parse(session)?,
                at: parse_at("at_ns", at_ns)?,
            },
            SessionEventBody::Resumed { session, at_ns } => SessionEvent::Resumed {
                session: SessionId::parse(session)?,
                at: parse_at("at_ns", at_ns)?,
            },
            SessionEventBody::Ended(ended) => SessionEvent::Ended(ended.try_into()?),
            SessionEventBody::Stated(body) => SessionEvent::Stated(Box::new(body.try_into()?)),
        })
    }
}

impl From<&CheckItem> for CheckItemBody {
    fn from(item: &CheckItem) -> CheckItemBody {
        match item {
            CheckItem::Done(reference) => CheckItemBody::Done {
                reference: reference.clone(),
            },
            CheckItem::Skipped(reason) => CheckItemBody::Skipped {
                reason: reason.clone(),
            },
        }
    }
}

impl TryFrom<&CheckItemBody> for CheckItem {
    type Error = PayloadError;

    fn try_from(body: &CheckItemBody) -> Result<CheckItem, PayloadError> {
        Ok(match body {
            CheckItemBody::Done { reference } => CheckItem::Done(
                reference
                    .as_deref()
                    .map(|t| text("reference", t))
                    .transpose()?,
            ),
            CheckItemBody::Skipped { reason } => CheckItem::Skipped(text("reason", reason)?),
        })
    }
}

impl From<&Checklist> for ChecklistBody {
    fn from(checklist: &Checklist) -> ChecklistBody {
        ChecklistBody {
            screening: (&checklist.screening).into(),
            consent: (&checklist.consent).into(),
            asepsis: (&checklist.asepsis).into(),
            emergency_kit: (&checklist.emergency_kit).into(),
        }
    }
}

impl TryFrom<&ChecklistBody> for Checklist {
    type Error = PayloadError;

    fn try_from(body: &ChecklistBody) -> Result<Checklist, PayloadError> {
        Ok(Checklist {
            screening: (&body.screening).try_into()?,
            consent: (&body.consent).try_into()?,
            asepsis: (&body.asepsis).try_into()?,
            emergency_kit: (&body.emergency_kit).try_into()?,
        })
    }
}

impl From<&SessionOpened> for SessionOpenedBody {
    fn from(opened: &SessionOpened) -> SessionOpenedBody {
        SessionOpenedBody {
            session: opened.session.to_string(),
            at_ns: opened.at.unix_ns().to_string(),
            clinic: opened.clinic.to_string(),
            room: opened.room.to_string(),
            time_zone: opened.time_zone.clone(),
            utc_offset_s: opened.utc_offset_s,
            patient: opened.patient.to_string(),
            screening_digest: opened.screening_digest.map(hex::encode),
            protocol: opened.protocol.to_string(),
            library_version: opened.library.get(),
            operator: opened.operator.to_string(),
            checklist: (&opened.checklist).into(),
            demo: opened.demo,
        }
    }
}

impl TryFrom<&SessionOpenedBody> for SessionOpened {
    type Error = PayloadError;

    fn try_from(body: &SessionOpenedBody) -> Result<SessionOpened, PayloadError> {
        Ok(SessionOpened {
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            clinic: ClinicId::parse(&body.clinic)?,
            room: DriverId::parse(&body.room)?,
            time_zone: text("time_zone", &body.time_zone)?,
            utc_offset_s: body.utc_offset_s,
            patient: PatientCommitment::parse(&body.patient)?,
            screening_digest: body
                .screening_digest
                .as_deref()
                .map(|t| parse_bytes("screening_digest", t))
                .transpose()?,
            protocol: ProtocolId::parse(&body.protocol)?,
            library: LibraryVersion(body.library_version),
            operator: OperatorId::parse(&body.operator)?,
            checklist: (&body.checklist).try_into()?,
            demo: body.demo,
        })
    }
}

impl From<&SyringeLoad> for SyringeBody {
    fn from(load: &SyringeLoad) -> SyringeBody {
        SyringeBody {
            components: load
                .components
                .iter()
                .map(|component| ComponentBody {
                    name: component.name.clone(),
                    concentration: component.concentration.clone(),
                    lot: component.lot.clone(),
                })
                .collect(),
            ready_made: load.ready_made,
            prepared_by: load.prepared_by.to_string(),
            loaded_nl: load.loaded.get(),
            dead_volume_nl: load.dead_volume.get(),
        }
    }
}

impl TryFrom<&SyringeBody> for SyringeLoad {
    type Error = PayloadError;

    fn try_from(body: &SyringeBody) -> Result<SyringeLoad, PayloadError> {
        let component = |component: &ComponentBody| {
            Ok::<_, PayloadError>(Component {
                name: text("component", &component.name)?,
                concentration: text("concentration", &component.concentration)?,
                lot: text("lot", &component.lot)?,
            })
        };
        Ok(SyringeLoad {
            components: body
                .components
                .iter()
                .map(component)
                .collect::<Result<_, _>>()?,
            ready_made: body.ready_made,
            prepared_by: OperatorId::parse(&body.prepared_by)?,
            loaded: Nanolitres::new(body.loaded_nl)?,
            dead_volume: Nanolitres::new(body.dead_volume_nl)?,
        })
    }
}

impl From<&Needle> for NeedleBody {
    fn from(needle: &Needle) -> NeedleBody {
        NeedleBody {
            length_um: needle.length.get(),
            gauge: needle.gauge,
            needle_count: needle.count,
            lot: needle.lot.clone(),
        }
    }
}

impl TryFrom<&NeedleBody> for Needle {
    type Error = PayloadError;

    fn try_from(body: &NeedleBody) -> Result<Needle, PayloadError> {
        Ok(Needle {
            length: Micrometres::new(body.length_um)?,
            gauge: body.gauge,
            count: body.needle_count,
            lot: text("needle lot", &body.lot)?,
        })
    }
}

impl From<&SegmentOpened> for SegmentOpenedBody {
    fn from(segment: &SegmentOpened) -> SegmentOpenedBody {
        SegmentOpenedBody {
            segment: segment.segment.to_string(),
            session: segment.session.to_string(),
            at_ns: segment.at.unix_ns().to_string(),
            gun: match &segment.delivery {
                Delivery::Gun(gun) => Some(gun.to_string()),
                Delivery::ManualSyringe => None,
            },
            zone: segment.zone.clone(),
            technique: segment.technique.to_string(),
            protocol: segment.protocol.to_string(),
            library_version: segment.library.get(),
            course_phase: segment.course_phase,
            syringe: (&segment.syringe).into(),
            needle: (&segment.needle).into(),
            operator: segment.operator.to_string(),
            reason: segment.reason.clone(),
        }
    }
}

impl TryFrom<&SegmentOpenedBody> for SegmentOpened {
    type Error = PayloadError;

    fn try_from(body: &SegmentOpenedBody) -> Result<SegmentOpened, PayloadError> {
        Ok(SegmentOpened {
            segment: SegmentId::parse(&body.segment)?,
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            delivery: match body.gun.as_deref() {
                Some(gun) => Delivery::Gun(GunSerial::parse(gun)?),
                None => Delivery::ManualSyringe,
            },
            zone: text("zone", &body.zone)?,
            technique: word("technique", &body.technique, Technique::parse)?,
            protocol: ProtocolId::parse(&body.protocol)?,
            library: LibraryVersion(body.library_version),
            course_phase: body.course_phase,
            syringe: (&body.syringe).try_into()?,
            needle: (&body.needle).try_into()?,
            operator: OperatorId::parse(&body.operator)?,
            reason: text("reason", &body.reason)?,
        })
    }
}

impl From<&SessionEnded> for SessionEndedBody {
    fn from(ended: &SessionEnded) -> SessionEndedBody {
        SessionEndedBody {
            session: ended.session.to_string(),
            at_ns: ended.at.unix_ns().to_string(),
            outcome: ended.outcome.to_string(),
            last_counters: ended
                .last_counters
                .iter()
                .map(|position| GunPositionBody {
                    gun: position.gun.to_string(),
                    epoch: hex_u64(position.epoch.get()),
                    counter: position.counter.get(),
                    is_away: position.is_away,
                })
                .collect(),
        }
    }
}

impl TryFrom<&SessionEndedBody> for SessionEnded {
    type Error = PayloadError;

    fn try_from(body: &SessionEndedBody) -> Result<SessionEnded, PayloadError> {
        let position = |position: &GunPositionBody| {
            Ok::<_, PayloadError>(GunPosition {
                gun: GunSerial::parse(&position.gun)?,
                epoch: Epoch(parse_u64("epoch", &position.epoch)?),
                counter: ShotCounter(position.counter),
                is_away: position.is_away,
            })
        };
        Ok(SessionEnded {
            session: SessionId::parse(&body.session)?,
            at: parse_at("at_ns", &body.at_ns)?,
            outcome: word("outcome", &body.outcome, SessionOutcome::parse)?,
            last_counters: body
                .last_counters
                .iter()
                .map(position)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Amendment> for AmendmentBody {
    fn from(amendment: &Amendment) -> AmendmentBody {
        AmendmentBody {
            original: amendment.original.to_string(),
            by: amendment.by.to_string(),
            at_ns: amendment.at.unix_ns().to_string(),
            reason: amendment.reason.clone(),
            field: amendment.field.clone(),
            old_value: amendment.old_value.clone(),
            new_value: amendment.new_value.clone(),
            signature: hex::encode(amendment.signature),
        }
    }
}

impl TryFrom<&AmendmentBody> for Amendment {
    type Error = PayloadError;

    fn try_from(body: &AmendmentBody) -> Result<Amendment, PayloadError> {
        Ok(Amendment {
            original: RecordHash(parse_bytes("original", &body.original)?),
            by: OperatorId::parse(&body.by)?,
            at: parse_at("at_ns", &body.at_ns)?,
            reason: text("reason", &body.reason)?,
            field: text("field", &body.field)?,
            old_value: text("old_value", &body.old_value)?,
            new_value: text("new_value", &body.new_value)?,
            signature: parse_bytes("signature", &body.signature)?,
        })
    }
}
