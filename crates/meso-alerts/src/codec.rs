//! Canonical bytes of what the registry and the ledger keep.

mod old;

use meso_domain::canonical::{Canonical, CanonicalError, Decoder, Encoder};
use meso_domain::{Bound, Finding, NotCheckable, Rule, Severity, ShotIdentity};
use meso_units::{
    ClinicId, DriverId, Epoch, GunSerial, LibraryVersion, OperatorId, SessionId, ShotCounter,
};

use crate::{
    Alert, AlertId, AlertKey, AlertState, FleetCause, Reason, RuleTrack, SeenShots, Sighting,
    Subject, Track, Transition, TransitionKind, Worst,
};

impl Canonical for Transition {
    const KIND: u8 = 24;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.u64(self.alert.get());
        encoder.u8(match self.kind {
            TransitionKind::Opened => 1,
            TransitionKind::Reopened => 2,
            TransitionKind::Counted => 3,
            TransitionKind::Worsened => 4,
            TransitionKind::Acknowledged(_) => 5,
            TransitionKind::Resolved => 6,
            TransitionKind::Latched => 7,
            TransitionKind::Merged(_) => 8,
            TransitionKind::Silenced { .. } => 9,
            TransitionKind::SilenceEnded => 10,
            TransitionKind::Escalated => 11,
            TransitionKind::Closed { .. } => 12,
        });
        match &self.kind {
            TransitionKind::Acknowledged(by) => encoder.text(by.as_str()),
            TransitionKind::Merged(into) => encoder.u64(into.get()),
            TransitionKind::Silenced { by, until, reason } => {
                encoder.text(by.as_str());
                encoder.timestamp(*until);
                encoder.text(reason.as_str());
            }
            TransitionKind::Closed { by, reason } => {
                encoder.text(by.as_str());
                encoder.text(reason.as_str());
            }
            _ => {}
        }
        encoder.timestamp(self.at);
        encoder.u8(self.severity.code());
        encoder.u64(self.shot_count);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Transition, CanonicalError> {
        Ok(Transition {
            alert: AlertId::from_number(decoder.u64()?),
            kind: match decoder.u8()? {
                1 => TransitionKind::Opened,
                2 => TransitionKind::Reopened,
                3 => TransitionKind::Counted,
                4 => TransitionKind::Worsened,
                5 => TransitionKind::Acknowledged(read_person(decoder)?),
                6 => TransitionKind::Resolved,
                7 => TransitionKind::Latched,
                8 => TransitionKind::Merged(AlertId::from_number(decoder.u64()?)),
                9 => TransitionKind::Silenced {
                    by: read_person(decoder)?,
                    until: decoder.timestamp()?,
                    reason: read_reason(decoder)?,
                },
                10 => TransitionKind::SilenceEnded,
                11 => TransitionKind::Escalated,
                12 => TransitionKind::Closed {
                    by: read_person(decoder)?,
                    reason: read_reason(decoder)?,
                },
                code => return Err(unknown("transition", code)),
            },
            at: decoder.timestamp()?,
            severity: Severity::from_code(decoder.u8()?)?,
            shot_count: decoder.u64()?,
        })
    }
}

impl Canonical for Alert {
    const KIND: u8 = 27;

    fn encode_fields(&self, encoder: &mut Encoder) {
        write_subject(encoder, &self.key.subject);
        encoder.u32(self.key.episode);
        encoder.text(self.clinic.as_str());
        encoder.u8(self.severity.code());
        encoder.u8(self.state.code());
        encoder.u64(self.shot_count);
        write_sighting(encoder, &self.first);
        write_sighting(encoder, &self.last);
        write_worst(encoder, &self.worst);
        encoder.timestamp(self.opened_at);
        encoder.timestamp(self.changed_at);
        encoder.option(self.acknowledged_by.as_ref(), |e, by| e.text(by.as_str()));
        for at in [
            self.acknowledged_at,
            self.breach_over_at,
            self.closed_at,
            self.silenced_until,
            self.waiting_since,
            self.escalated_at,
        ] {
            encoder.option(at.as_ref(), |e, at| e.timestamp(*at));
        }
        encoder.option(self.merged_into.as_ref(), |e, into| e.u64(into.get()));
        encoder.u32(self.transition_count);
        encoder.u64(self.told_count);
        encoder.timestamp(self.told_at);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Alert, CanonicalError> {
        let subject = read_subject(decoder)?;
        let episode = decoder.u32()?;
        let key = AlertKey { subject, episode };
        Ok(Alert {
            id: AlertId::of(&key),
            clinic: ClinicId::parse(decoder.text("clinic")?)?,
            severity: Severity::from_code(decoder.u8()?)?,
            state: AlertState::from_code(decoder.u8()?)?,
            shot_count: decoder.u64()?,
            first: read_sighting(decoder, &key.subject)?,
            last: read_sighting(decoder, &key.subject)?,
            worst: read_worst(decoder, &key.subject)?,
            opened_at: decoder.timestamp()?,
            changed_at: decoder.timestamp()?,
            acknowledged_by: decoder.option(read_person)?,
            acknowledged_at: decoder.option(Decoder::timestamp)?,
            breach_over_at: decoder.option(Decoder::timestamp)?,
            closed_at: decoder.option(Decoder::timestamp)?,
            silenced_until: decoder.option(Decoder::timestamp)?,
            waiting_since: decoder.option(Decoder::timestamp)?,
            escalated_at: decoder.option(Decoder::timestamp)?,
            merged_into: decoder.option(|d| Ok(AlertId::from_number(d.u64()?)))?,
            transition_count: decoder.u32()?,
            told_count: decoder.u64()?,
            told_at: decoder.timestamp()?,
            key,
        })
    }

    /// Reads what is written today, and what was written before episodes could merge.
    fn from_canonical(bytes: &[u8]) -> Result<Alert, CanonicalError> {
        old::whole(
            bytes,
            old::ALERT_KIND,
            Self::KIND,
            |decoder, is_old| match is_old {
                true => old::alert(decoder),
                false => Alert::decode_fields(decoder),
            },
        )
    }
}

impl AlertState {
    const fn code(self) -> u8 {
        match self {
            AlertState::Open => 1,
            AlertState::Acknowledged => 2,
            AlertState::Resolved => 3,
            AlertState::Latched => 4,
            AlertState::Merged => 5,
        }
    }

    fn from_code(code: u8) -> Result<AlertState, CanonicalError> {
        Ok(match code {
            1 => AlertState::Open,
            2 => AlertState::Acknowledged,
            3 => AlertState::Resolved,
            4 => AlertState::Latched,
            5 => AlertState::Merged,
            code => return Err(unknown("alert state", code)),
        })
    }
}

impl Canonical for Track {
    const KIND: u8 = 28;

    fn encode_fields(&self, encoder: &mut Encoder) {
        write_gun(encoder, &self.gun, self.session);
        encoder.list(self.seen.ranges(), |e, (epoch, first, last)| {
            e.u64(epoch.get());
            e.u32(first.get());
            e.u32(last.get());
        });
        encoder.option(self.ended_at.as_ref(), |e, at| e.timestamp(*at));
        encoder.timestamp(self.active_at);
        encoder.list(&self.rules, |e, of_rule| {
            e.u8(of_rule.rule.code());
            e.u32(of_rule.episode);
            e.option(of_rule.clean_at.as_ref(), |e, at| e.timestamp(*at));
        });
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Track, CanonicalError> {
        let (gun, session) = read_gun(decoder)?;
        Ok(Track {
            gun,
            session,
            seen: read_seen(decoder)?,
            ended_at: decoder.option(Decoder::timestamp)?,
            active_at: decoder.timestamp()?,
            rules: decoder.list("rules", |d| {
                Ok(RuleTrack {
                    rule: Rule::from_code(d.u8()?)?,
                    episode: d.u32()?,
                    clean_at: d.option(Decoder::timestamp)?,
                })
            })?,
        })
    }

    /// Reads what is written today, and what was written before episodes could merge.
    fn from_canonical(bytes: &[u8]) -> Result<Track, CanonicalError> {
        old::whole(
            bytes,
            old::TRACK_KIND,
            Self::KIND,
            |decoder, is_old| match is_old {
                true => old::track(decoder),
                false => Track::decode_fields(decoder),
            },
        )
    }
}

fn write_subject(encoder: &mut Encoder, subject: &Subject) {
    match subject {
        Subject::Breach { rule, gun, session } => {
            encoder.u8(1);
            encoder.u8(rule.code());
            write_gun(encoder, gun, *session);
        }
        Subject::Fleet {
            cause,
            clinic,
            driver,
            gun,
        } => {
            encoder.u8(2);
            encoder.u8(cause.code());
            encoder.text(clinic.as_str());
            encoder.option(driver.as_ref(), |e, driver| e.text(driver.as_str()));
            encoder.option(gun.as_ref(), |e, gun| e.text(gun.as_str()));
        }
    }
}

fn read_subject(decoder: &mut Decoder<'_>) -> Result<Subject, CanonicalError> {
    match decoder.u8()? {
        1 => {
            let rule = Rule::from_code(decoder.u8()?)?;
            let (gun, session) = read_gun(decoder)?;
            Ok(Subject::Breach { rule, gun, session })
        }
        2 => Ok(Subject::Fleet {
            cause: FleetCause::from_code(decoder.u8()?)?,
            clinic: ClinicId::parse(decoder.text("clinic")?)?,
            driver: decoder.option(|d| Ok(DriverId::parse(d.text("driver")?)?))?,
            gun: decoder.option(|d| Ok(GunSerial::parse(d.text("gun")?)?))?,
        }),
        code => Err(unknown("subject", code)),
    }
}

fn write_sighting(encoder: &mut Encoder, sighting: &Sighting) {
    encoder.timestamp(sighting.at);
    encoder.i64(sighting.value);
    encoder.option(sighting.shot.as_ref(), |e, shot| {
        e.u64(shot.epoch.get());
        e.u32(shot.counter.get());
    });
}

fn read_sighting(decoder: &mut Decoder<'_>, of: &Subject) -> Result<Sighting, CanonicalError> {
    let (at, value) = (decoder.timestamp()?, decoder.i64()?);
    let numbers = decoder.option(|d| Ok((Epoch(d.u64()?), ShotCounter(d.u32()?))))?;
    let shot = numbers
        .zip(of.gun())
        .map(|((epoch, counter), gun)| ShotIdentity {
            gun: gun.clone(),
            epoch,
            counter,
        });
    Ok(Sighting { at, shot, value })
}

fn write_worst(encoder: &mut Encoder, worst: &Worst) {
    match worst {
        Worst::Breach { finding, library } => {
            encoder.u8(finding.severity.code());
            encoder.option(finding.bound.as_ref(), |e, bound| e.u8(bound.code()));
            encoder.i64(finding.value);
            encoder.i64(finding.limit);
            encoder.option(finding.reason.as_ref(), |e, reason| e.u8(reason.code()));
            encoder.option(library.as_ref(), |e, library| e.u32(library.get()));
        }
        Worst::Fleet { value, limit } => {
            encoder.i64(*value);
            encoder.i64(*limit);
        }
    }
}

fn read_worst(decoder: &mut Decoder<'_>, of: &Subject) -> Result<Worst, CanonicalError> {
    match of {
        Subject::Breach { rule, .. } => Ok(Worst::Breach {
            finding: read_finding(decoder, *rule)?,
            library: decoder.option(|d| Ok(LibraryVersion(d.u32()?)))?,
        }),
        Subject::Fleet { .. } => Ok(Worst::Fleet {
            value: decoder.i64()?,
            limit: decoder.i64()?,
        }),
    }
}

fn read_finding(decoder: &mut Decoder<'_>, rule: Rule) -> Result<Finding, CanonicalError> {
    Ok(Finding {
        rule,
        severity: Severity::from_code(decoder.u8()?)?,
        bound: decoder.option(|d| Bound::from_code(d.u8()?))?,
        value: decoder.i64()?,
        limit: decoder.i64()?,
        reason: decoder.option(|d| NotCheckable::from_code(d.u8()?))?,
    })
}

fn read_seen(decoder: &mut Decoder<'_>) -> Result<SeenShots, CanonicalError> {
    let ranges = decoder.list("seen", |d| {
        let epoch = Epoch(d.u64()?);
        Ok((epoch, ShotCounter(d.u32()?), ShotCounter(d.u32()?)))
    })?;
    Ok(SeenShots::from_ranges(&ranges))
}

fn read_person(decoder: &mut Decoder<'_>) -> Result<OperatorId, CanonicalError> {
    Ok(OperatorId::parse(decoder.text("by")?)?)
}

fn read_reason(decoder: &mut Decoder<'_>) -> Result<Reason, CanonicalError> {
    let text = decoder.text("reason")?;
    Reason::parse(text).map_err(|_| CanonicalError::WrongLength {
        field: "reason",
        length: text.len(),
    })
}

fn write_gun(encoder: &mut Encoder, gun: &GunSerial, session: Option<SessionId>) {
    encoder.text(gun.as_str());
    encoder.option(session.as_ref(), |e, session| e.fixed(session.as_bytes()));
}

fn read_gun(decoder: &mut Decoder<'_>) -> Result<(GunSerial, Option<SessionId>), CanonicalError> {
    let gun = GunSerial::parse(decoder.text("gun")?)?;
    let session = decoder.option(|d| Ok(SessionId::from_bytes(d.fixed()?)))?;
    Ok((gun, session))
}

fn unknown(field: &'static str, code: u8) -> CanonicalError {
    CanonicalError::UnknownCode {
        field,
        code: code.into(),
    }
}
