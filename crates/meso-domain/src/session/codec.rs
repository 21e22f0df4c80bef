//! Canonical bytes of session records.

use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, LibraryVersion, Micrometres, Nanolitres, OperatorId,
    PatientCommitment, ProtocolId, SegmentId, SessionId, ShotCounter,
};

use super::{
    CheckItem, Checklist, Component, Delivery, GunPosition, Needle, SegmentOpened, SessionEnded,
    SessionEvent, SessionOpened, SessionOutcome, SessionSeal, Statement, SyringeLoad, Technique,
};
use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder};

type Read<T> = Result<T, CanonicalError>;

fn session_id(decoder: &mut Decoder<'_>) -> Read<SessionId> {
    Ok(SessionId::from_bytes(decoder.fixed()?))
}

pub(super) fn flag(decoder: &mut Decoder<'_>, field: &'static str) -> Read<bool> {
    match decoder.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        code => Err(CanonicalError::UnknownCode {
            field,
            code: code.into(),
        }),
    }
}

impl CheckItem {
    pub(super) fn write(&self, encoder: &mut Encoder) {
        match self {
            CheckItem::Done(reference) => {
                encoder.u8(1);
                encoder.option(reference.as_ref(), |e, text| e.text(text));
            }
            CheckItem::Skipped(reason) => {
                encoder.u8(2);
                encoder.text(reason);
            }
        }
    }

    pub(super) fn read(decoder: &mut Decoder<'_>) -> Read<CheckItem> {
        match decoder.u8()? {
            1 => Ok(CheckItem::Done(
                decoder.option(|d| Ok(d.text("reference")?.to_owned()))?,
            )),
            2 => Ok(CheckItem::Skipped(decoder.text("reason")?.to_owned())),
            code => Err(CanonicalError::UnknownCode {
                field: "check item",
                code: code.into(),
            }),
        }
    }
}

impl Checklist {
    fn write(&self, encoder: &mut Encoder) {
        for item in [
            &self.screening,
            &self.consent,
            &self.asepsis,
            &self.emergency_kit,
        ] {
            item.write(encoder);
        }
    }

    fn read(decoder: &mut Decoder<'_>) -> Read<Checklist> {
        Ok(Checklist {
            screening: CheckItem::read(decoder)?,
            consent: CheckItem::read(decoder)?,
            asepsis: CheckItem::read(decoder)?,
            emergency_kit: CheckItem::read(decoder)?,
        })
    }
}

impl SessionOpened {
    fn write(&self, encoder: &mut Encoder) {
        encoder.fixed(self.session.as_bytes());
        encoder.timestamp(self.at);
        encoder.text(self.clinic.as_str());
        encoder.text(self.room.as_str());
        encoder.text(&self.time_zone);
        encoder.i64(self.utc_offset_s.into());
        encoder.fixed(self.patient.as_bytes());
        encoder.option(self.screening_digest.as_ref(), |e, digest| e.fixed(digest));
        encoder.text(self.protocol.as_str());
        encoder.u32(self.library.get());
        encoder.text(self.operator.as_str());
        self.checklist.write(encoder);
        encoder.u8(self.demo.into());
    }

    fn read(decoder: &mut Decoder<'_>) -> Read<SessionOpened> {
        Ok(SessionOpened {
            session: session_id(decoder)?,
            at: decoder.timestamp()?,
            clinic: ClinicId::parse(decoder.text("clinic")?)?,
            room: DriverId::parse(decoder.text("room")?)?,
            time_zone: decoder.text("time zone")?.to_owned(),
            utc_offset_s: offset(decoder)?,
            patient: PatientCommitment::from_bytes(decoder.fixed()?),
            screening_digest: decoder.option(|d| d.fixed())?,
            protocol: ProtocolId::parse(decoder.text("protocol")?)?,
            library: LibraryVersion(decoder.u32()?),
            operator: OperatorId::parse(decoder.text("operator")?)?,
            checklist: Checklist::read(decoder)?,
            demo: flag(decoder, "demo")?,
        })
    }
}

fn offset(decoder: &mut Decoder<'_>) -> Read<i32> {
    let raw = decoder.i64()?;
    i32::try_from(raw).map_err(|_| CanonicalError::UnknownCode {
        field: "utc offset",
        code: raw.unsigned_abs(),
    })
}

impl SyringeLoad {
    fn write(&self, encoder: &mut Encoder) {
        encoder.list(&self.components, |e, component| {
            e.text(&component.name);
            e.text(&component.concentration);
            e.text(&component.lot);
        });
        encoder.u8(self.ready_made.into());
        encoder.text(self.prepared_by.as_str());
        encoder.u64(self.loaded.get());
        encoder.u64(self.dead_volume.get());
    }

    fn read(decoder: &mut Decoder<'_>) -> Read<SyringeLoad> {
        Ok(SyringeLoad {
            components: decoder.list("components", |d| {
                Ok(Component {
                    name: d.text("component")?.to_owned(),
                    concentration: d.text("concentration")?.to_owned(),
                    lot: d.text("lot")?.to_owned(),
                })
            })?,
            ready_made: flag(decoder, "ready made")?,
            prepared_by: OperatorId::parse(decoder.text("prepared by")?)?,
            loaded: Nanolitres::new(decoder.u64()?)?,
            dead_volume: Nanolitres::new(decoder.u64()?)?,
        })
    }
}

impl Delivery {
    fn write(&self, encoder: &mut Encoder) {
        match self {
            Delivery::Gun(gun) => {
                encoder.u8(1);
                encoder.text(gun.as_str());
            }
            Delivery::ManualSyringe => encoder.u8(2),
        }
    }

    fn read(decoder: &mut Decoder<'_>) -> Read<Delivery> {
        match decoder.u8()? {
            1 => Ok(Delivery::Gun(GunSerial::parse(decoder.text("gun")?)?)),
            2 => Ok(Delivery::ManualSyringe),
            code => Err(CanonicalError::UnknownCode {
                field: "delivery",
                code: code.into(),
            }),
        }
    }
}

impl SegmentOpened {
    fn write(&self, encoder: &mut Encoder) {
        encoder.fixed(self.segment.as_bytes());
        encoder.fixed(self.session.as_bytes());
        encoder.timestamp(self.at);
        self.delivery.write(encoder);
        encoder.text(&self.zone);
        encoder.u8(self.technique.code());
        encoder.text(self.protocol.as_str());
        encoder.u32(self.library.get());
        encoder.option(self.course_phase.as_ref(), |e, phase| e.u8(*phase));
        self.syringe.write(encoder);
        encoder.u32(self.needle.length.get());
        encoder.u8(self.needle.gauge);
        encoder.u8(self.needle.count);
        encoder.text(&self.needle.lot);
        encoder.text(self.operator.as_str());
        encoder.text(&self.reason);
    }

    fn read(decoder: &mut Decoder<'_>) -> Read<SegmentOpened> {
        Ok(SegmentOpened {
            segment: SegmentId::from_bytes(decoder.fixed()?),
            session: session_id(decoder)?,
            at: decoder.timestamp()?,
            delivery: Delivery::read(decoder)?,
            zone: decoder.text("zone")?.to_owned(),
            technique: Technique::from_code(decoder.u8()?)?,
            protocol: ProtocolId::parse(decoder.text("protocol")?)?,
            library: LibraryVersion(decoder.u32()?),
            course_phase: decoder.option(Decoder::u8)?,
            syringe: SyringeLoad::read(decoder)?,
            needle: Needle {
                length: Micrometres::new(decoder.u32()?)?,
                gauge: decoder.u8()?,
                count: decoder.u8()?,
                lot: decoder.text("needle lot")?.to_owned(),
            },
            operator: OperatorId::parse(decoder.text("operator")?)?,
            reason: decoder.text("reason")?.to_owned(),
        })
    }
}

impl Canonical for SessionEvent {
    const KIND: u8 = 2;

    fn encode_fields(&self, encoder: &mut Encoder) {
        match self {
            SessionEvent::Opened(opened) => {
                encoder.u8(1);
                opened.write(encoder);
            }
            SessionEvent::SegmentOpened(segment) => {
                encoder.u8(2);
                segment.write(encoder);
            }
            SessionEvent::Paused { session, at } => {
                encoder.u8(3);
                encoder.fixed(session.as_bytes());
                encoder.timestamp(*at);
            }
            SessionEvent::Resumed { session, at } => {
                encoder.u8(4);
                encoder.fixed(session.as_bytes());
                encoder.timestamp(*at);
            }
            SessionEvent::Ended(ended) => {
                encoder.u8(5);
                encoder.fixed(ended.session.as_bytes());
                encoder.timestamp(ended.at);
                encoder.u8(ended.outcome.code());
                encoder.list(&ended.last_counters, |e, position| {
                    e.text(position.gun.as_str());
                    e.u64(position.epoch.get());
                    e.u32(position.counter.get());
                });
                // Left out where there are none, so that records of before it was said keep their
                // bytes.
                let away: Vec<&GunPosition> = away(&ended.last_counters).collect();
                if !away.is_empty() {
                    encoder.list(&away, |e, position| e.text(position.gun.as_str()));
                }
            }
            SessionEvent::Stated(statement) => {
                encoder.u8(6);
                statement.write(encoder);
            }
        }
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Read<SessionEvent> {
        match decoder.u8()? {
            1 => Ok(SessionEvent::Opened(SessionOpened::read(decoder)?)),
            2 => Ok(SessionEvent::SegmentOpened(SegmentOpened::read(decoder)?)),
            3 => Ok(SessionEvent::Paused {
                session: session_id(decoder)?,
                at: decoder.timestamp()?,
            }),
            4 => Ok(SessionEvent::Resumed {
                session: session_id(decoder)?,
                at: decoder.timestamp()?,
            }),
            5 => Ok(SessionEvent::Ended(read_ended(decoder)?)),
            6 => Ok(SessionEvent::Stated(Box::new(Statement::read(decoder)?))),
            code => Err(CanonicalError::UnknownCode {
                field: "session event",
                code: code.into(),
            }),
        }
    }
}

fn away(positions: &[GunPosition]) -> impl Iterator<Item = &GunPosition> {
    positions.iter().filter(|position| position.is_away)
}

fn read_ended(decoder: &mut Decoder<'_>) -> Read<SessionEnded> {
    let mut ended = SessionEnded {
        session: session_id(decoder)?,
        at: decoder.timestamp()?,
        outcome: SessionOutcome::from_code(decoder.u8()?)?,
        last_counters: decoder.list("last counters", |d| {
            Ok(GunPosition {
                gun: GunSerial::parse(d.text("gun")?)?,
                epoch: Epoch(d.u64()?),
                counter: ShotCounter(d.u32()?),
                is_away: false,
            })
        })?,
    };
    if decoder.finish().is_ok() {
        return Ok(ended);
    }
    let guns = decoder.list("guns that were away", |d| Ok(d.text("gun")?.to_owned()))?;
    for position in &mut ended.last_counters {
        position.is_away = guns.iter().any(|gun| gun == position.gun.as_str());
    }
    // There is one way to write it: an empty list, another order or a stranger is none.
    let written: Vec<&str> = away(&ended.last_counters)
        .map(|position| position.gun.as_str())
        .collect();
    if guns.is_empty() || written != guns {
        return Err(CanonicalError::WrongLength {
            field: "guns that were away",
            length: guns.len(),
        });
    }
    Ok(ended)
}

impl Canonical for SessionSeal {
    const KIND: u8 = 6;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.fixed(self.session.as_bytes());
        encoder.timestamp(self.at);
        encoder.u64(self.patient_shot_count);
        encoder.u64(self.patient_volume.get());
        encoder.fixed(&self.records_digest);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Read<SessionSeal> {
        Ok(SessionSeal {
            session: session_id(decoder)?,
            at: decoder.timestamp()?,
            patient_shot_count: decoder.u64()?,
            patient_volume: Nanolitres::new(decoder.u64()?)?,
            records_digest: decoder.fixed()?,
        })
    }
}
