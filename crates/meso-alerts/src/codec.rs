//! Canonical bytes of what the registry and the ledger keep.

use meso_domain::canonical::{Canonical, CanonicalError, Decoder, Encoder};
use meso_domain::{Bound, Finding, NotCheckable, Rule, Severity, ShotIdentity};
use meso_units::{ClinicId, Epoch, GunSerial, OperatorId, SessionId, ShotCounter};

use crate::{
    Alert, AlertId, AlertKey, AlertState, RuleTrack, SeenShots, Track, Transition, TransitionKind,
};

impl Canonical for Transition {
    const KIND: u8 = 24;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.u64(self.alert.get());
        encoder.u8(match self.kind {
            TransitionKind::Opened => 1,
            TransitionKind::Reopened => 2,
            TransitionKind::Counted => 3,
            TransitionKind::Escalated => 4,
            TransitionKind::Acknowledged(_) => 5,
            TransitionKind::Resolved => 6,
        });
        if let TransitionKind::Acknowledged(by) = &self.kind {
            encoder.text(by.as_str());
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
                4 => TransitionKind::Escalated,
                5 => TransitionKind::Acknowledged(OperatorId::parse(decoder.text("by")?)?),
                6 => TransitionKind::Resolved,
                code => return Err(unknown("transition", code)),
            },
            at: decoder.timestamp()?,
            severity: Severity::from_code(decoder.u8()?)?,
            shot_count: decoder.u64()?,
        })
    }
}

impl Canonical for Alert {
    const KIND: u8 = 25;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.u8(self.key.rule.code());
        write_gun(encoder, &self.key.gun, self.key.session);
        encoder.u32(self.key.episode);
        encoder.text(self.clinic.as_str());
        encoder.u8(self.severity.code());
        encoder.u8(match self.state {
            AlertState::Open => 1,
            AlertState::Acknowledged => 2,
            AlertState::Resolved => 3,
        });
        encoder.u64(self.shot_count);
        encoder.u64(self.first_shot.epoch.get());
        encoder.u32(self.first_shot.counter.get());
        encoder.timestamp(self.last_breach_at);
        encoder.u8(self.worst.severity.code());
        encoder.option(self.worst.bound.as_ref(), |e, bound| e.u8(bound.code()));
        encoder.i64(self.worst.value);
        encoder.i64(self.worst.limit);
        encoder.option(self.worst.reason.as_ref(), |e, reason| e.u8(reason.code()));
        encoder.timestamp(self.opened_at);
        encoder.timestamp(self.changed_at);
        encoder.option(self.acknowledged_by.as_ref(), |e, by| e.text(by.as_str()));
        encoder.option(self.breach_over_at.as_ref(), |e, at| e.timestamp(*at));
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Alert, CanonicalError> {
        let rule = Rule::from_code(decoder.u8()?)?;
        let (gun, session) = read_gun(decoder)?;
        let key = AlertKey {
            rule,
            gun,
            session,
            episode: decoder.u32()?,
        };
        Ok(Alert {
            id: AlertId::of(&key),
            clinic: ClinicId::parse(decoder.text("clinic")?)?,
            severity: Severity::from_code(decoder.u8()?)?,
            state: match decoder.u8()? {
                1 => AlertState::Open,
                2 => AlertState::Acknowledged,
                3 => AlertState::Resolved,
                code => return Err(unknown("alert state", code)),
            },
            shot_count: decoder.u64()?,
            first_shot: ShotIdentity {
                gun: key.gun.clone(),
                epoch: Epoch(decoder.u64()?),
                counter: ShotCounter(decoder.u32()?),
            },
            last_breach_at: decoder.timestamp()?,
            worst: Finding {
                rule,
                severity: Severity::from_code(decoder.u8()?)?,
                bound: decoder.option(|d| Bound::from_code(d.u8()?))?,
                value: decoder.i64()?,
                limit: decoder.i64()?,
                reason: decoder.option(|d| NotCheckable::from_code(d.u8()?))?,
            },
            opened_at: decoder.timestamp()?,
            changed_at: decoder.timestamp()?,
            acknowledged_by: decoder.option(|d| Ok(OperatorId::parse(d.text("by")?)?))?,
            breach_over_at: decoder.option(Decoder::timestamp)?,
            key,
        })
    }
}

impl Canonical for Track {
    const KIND: u8 = 26;

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
            e.timestamp(of_rule.counted_at);
            e.u64(of_rule.uncounted);
        });
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Track, CanonicalError> {
        let (gun, session) = read_gun(decoder)?;
        let ranges = decoder.list("seen", |d| {
            Ok((
                Epoch(d.u64()?),
                ShotCounter(d.u32()?),
                ShotCounter(d.u32()?),
            ))
        })?;
        Ok(Track {
            gun,
            session,
            seen: SeenShots::from_ranges(&ranges),
            ended_at: decoder.option(Decoder::timestamp)?,
            active_at: decoder.timestamp()?,
            rules: decoder.list("rules", |d| {
                Ok(RuleTrack {
                    rule: Rule::from_code(d.u8()?)?,
                    episode: d.u32()?,
                    counted_at: d.timestamp()?,
                    uncounted: d.u64()?,
                })
            })?,
        })
    }
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
