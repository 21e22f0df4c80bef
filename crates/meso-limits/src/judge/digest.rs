//! The digest of the facts that a verdict knew.
//!
//! Edge and server compare verdicts only where these are equal, so everything that a rule looks at
//! is in here: the shot, the segment with its facts, and the sums that the shot was judged with.

use meso_domain::Shot;
use meso_domain::canonical::Encoder;
use sha2::{Digest, Sha256};

use super::segment::{Held, Segment, Spread, Sums};
use super::session::Session;
use crate::SegmentFacts;

/// What the facts of a shot take; more makes the encoder grow.
const FACTS_BYTES: usize = 640;

/// SHA-256 over everything that the verdict on a shot depends on but library and engine.
pub(super) fn of_shot(shot: &Shot, points: u64, place: Option<(&Session, &Segment)>) -> [u8; 32] {
    let mut facts = Encoder::with_capacity(FACTS_BYTES);
    facts.text("mesofleet/facts/v2");
    facts.text(shot.identity.gun.as_str());
    facts.u64(shot.identity.epoch.get());
    facts.u32(shot.identity.counter.get());
    facts.u8(shot.purpose.code());
    facts.u16(shot.flags.bits());
    facts.option(shot.needle_depth.set.as_ref(), |e, v| e.u32(v.get()));
    facts.option(shot.needle_depth.actual_value().as_ref(), |e, v| {
        e.u32(v.get());
    });
    facts.option(shot.volume.set.as_ref(), |e, v| e.u64(v.get()));
    facts.option(shot.volume.actual_value().as_ref(), |e, v| e.u64(v.get()));
    facts.option(shot.interval.as_ref(), |e, v| e.u64(v.get()));
    facts.timestamp(shot.at);
    facts.u8(u8::from(matches!(
        shot.uncertainty,
        meso_units::Uncertainty::Within(_)
    )));
    facts.u64(points);
    facts.u8(u8::from(shot.segment.is_some()));
    facts.option(place.as_ref(), |e, (session, segment)| {
        e.fixed(&segment.facts_digest);
        sums(e, &session.sums);
        e.u64(session.manual_nl);
        e.u8(u8::from(session.history_missing));
        e.u8(u8::from(session.is_stale));
        e.u32(session.manual_unknown);
        let lane = session.lane(shot);
        e.u32(lane.map_or(0, |lane| lane.run_at(shot.identity.counter.get())));
        for dose in &session.doses {
            e.i64(dose.nano);
            e.u8(dose.unknown.map_or(0, meso_domain::NotCheckable::code));
        }
        if let Some(zone) = segment.zone.and_then(|at| session.zones.get(at)) {
            sums(e, &zone.sums);
        }
        sums(e, &segment.sums);
        spread(e, &segment.volume);
        spread(e, &segment.depth);
        for count in [
            segment.needle_shots,
            segment.primes,
            segment.dry,
            segment.wet,
            segment.vacuum,
            segment.blocked,
        ] {
            e.u64(count);
        }
    });
    Sha256::digest(facts.into_bytes()).into()
}

fn sums(e: &mut Encoder, sums: &Sums) {
    e.u64(sums.shots);
    e.u64(sums.points);
    e.u64(sums.volume_nl);
    e.u64(sums.unknown_volumes);
    e.u64(sums.set_volumes);
}

fn spread(e: &mut Encoder, spread: &Spread) {
    e.u64(spread.count);
    e.u64(spread.sum);
    e.fixed(&spread.squares.to_le_bytes());
    e.u64(spread.set_sum);
    e.i64(spread.deviation);
}

/// SHA-256 over what holds for every shot of a segment.
pub(super) fn of_segment(session: &Session, segment: &Segment) -> [u8; 32] {
    let mut e = Encoder::default();
    e.text("mesofleet/segment-facts/v2");
    e.fixed(session.id.as_bytes());
    e.option(session.opened_at.as_ref(), |e, at| e.timestamp(*at));
    e.i64(session.utc_offset_s);
    e.option(segment.id.as_ref(), |e, id| e.fixed(id.as_bytes()));
    e.option(segment.protocol.as_ref(), |e, id| e.text(id.as_str()));
    let zone = segment.zone.and_then(|at| session.zones.get(at));
    e.option(zone, |e, zone| e.text(&zone.name));
    e.option(segment.technique.as_ref(), |e, v| e.u8(v.code()));
    e.option(segment.course_phase.as_ref(), |e, v| e.u8(*v));
    e.u64(segment.needle_count);
    e.option(segment.needle_length_um.as_ref(), |e, v| e.i64(*v));
    e.option(segment.needle_gauge.as_ref(), |e, v| e.i64(*v));
    e.u8(u8::from(segment.is_manual));
    for content in &segment.contents {
        e.text(&content.name);
    }
    for (held, _) in &segment.holds {
        match held {
            Held::Not => e.u8(0),
            Held::Unknown => e.u8(1),
            Held::Milli(milli) => e.i64(*milli),
        }
    }
    e.option(segment.ready_made.as_ref(), |e, v| e.u8(u8::from(*v)));
    e.option(segment.loaded_nl.as_ref(), |e, v| e.u64(*v));
    e.u64(segment.dead_nl);
    session_facts(&mut e, session);
    segment_facts(&mut e, &segment.facts);
    // Left out where there is none, so that facts of before it keep their digest.
    if let Some(salt) = &session.facts.salt {
        e.text("salt");
        e.fixed(salt);
    }
    Sha256::digest(e.into_bytes()).into()
}

fn session_facts(e: &mut Encoder, session: &Session) {
    let facts = &session.facts;
    e.option(facts.age_years.as_ref(), |e, v| e.u16(*v));
    e.option(facts.weight_g.as_ref(), |e, v| e.u32(*v));
    e.u8(u8::from(facts.clock_is_doubtful));
    e.option(facts.other_doses.as_ref(), |e, doses| {
        for (name, dose) in doses {
            e.text(name);
            e.i64(dose.nano);
        }
    });
    e.option(facts.history.as_ref(), |e, history| {
        e.u16(history.sessions_before);
        e.u64(history.volume_before_nl);
        for (name, day) in history.last_in_zone.iter().chain(&history.last_of_drug) {
            e.text(name);
            e.i64(*day);
        }
    });
}

fn segment_facts(e: &mut Encoder, facts: &SegmentFacts) {
    for day in [facts.certificate_until, facts.calibrated_until] {
        e.option(day.as_ref(), |e, day| e.i64(*day));
    }
    for fact in [
        facts.gun_is_enrolled,
        facts.firmware_is_allowed,
        facts.consumables_are_new,
    ] {
        e.option(fact.as_ref(), |e, fact| e.u8(u8::from(*fact)));
    }
    e.option(facts.product_class.as_ref(), |e, class| e.text(class));
    e.option(facts.lots.as_ref(), |e, lots| {
        for lot in lots {
            e.option(lot.usable_until.as_ref(), |e, day| e.i64(*day));
            e.option(lot.is_recalled.as_ref(), |e, v| e.u8(u8::from(*v)));
        }
    });
    e.option(facts.needle_shots_before.as_ref(), |e, v| e.u32(*v));
    e.option(facts.needle_angle_degrees.as_ref(), |e, v| e.u8(*v));
    e.option(facts.residual.as_ref(), |e, v| e.u64(v.get()));
    e.option(facts.manual.as_ref(), |e, manual| {
        for one in manual {
            e.u32(one.points);
            e.u64(one.volume.get());
        }
    });
}
