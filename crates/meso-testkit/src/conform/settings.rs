//! SET_LIMITS, READ_SETTINGS and IDENTIFY.

use meso_link_proto::message::CommandResult;
use meso_link_proto::{Capabilities, GunLimits, Message, ResultCode, SetPoints, ShotEvent, Status};
use meso_units::{Micrometres, Nanolitres, ShotsPerMinute};

use super::Seen;
use super::probe::{Heard, MS, Probe, Stop, What, expect, fail, words};

/// How long a shot that was under way may take to end, in ns.
const SHOT_UNDER_WAY: u64 = 500 * MS;
/// How long the gun is watched for a trigger before somebody is asked to pull it, in ns.
const ASK_AFTER: u64 = 1_500 * MS;

/// Ends the check where the gun says that it cannot, and answers so.
fn expect_unsupported(answer: &CommandResult, what: &str) -> Result<(), Stop> {
    expect(answer.result == ResultCode::Unsupported, || {
        format!(
            "the gun says that it cannot, and answers {what} with {}",
            words(answer)
        )
    })?;
    Err(Stop::NotApplicable(format!(
        "the gun does not obey {what}, and says so"
    )))
}

/// The tightest limit of something that the gun says it is set to, so that it holds however the
/// dial is turned meanwhile; `None` where it does not say what it is set to.
fn tightest(set: &SetPoints) -> Option<GunLimits> {
    let mut limits = GunLimits::default();
    if set.depth.is_some_and(|depth| depth.get() > 1) {
        limits.depth_max = Micrometres::new(1).ok();
    } else if set.volume.is_some_and(|volume| volume.get() > 1) {
        limits.volume_max = Nanolitres::new(1).ok();
    } else if set.frequency.is_some_and(|rate| rate.get() > 1) {
        limits.frequency_max = ShotsPerMinute::new(1).ok();
    } else {
        return None;
    }
    Some(limits)
}

/// Whether what was asked for is in force.
fn holds(asked: &GunLimits, in_force: &GunLimits) -> bool {
    let is = |asked: Option<u64>, found: Option<u64>| asked.is_none() || asked == found;
    let um = |limits: &GunLimits| limits.depth_max.map(|depth| u64::from(depth.get()));
    let nl = |limits: &GunLimits| limits.volume_max.map(Nanolitres::get);
    let spm = |limits: &GunLimits| limits.frequency_max.map(|rate| u64::from(rate.get()));
    is(um(asked), um(in_force)) && is(nl(asked), nl(in_force)) && is(spm(asked), spm(in_force))
}

pub(super) fn limits_are_enforced(probe: &mut Probe<'_>) -> Seen {
    let hello = probe.attach()?;
    if !hello.capabilities.contains(Capabilities::CAN_LIMIT) {
        let answer = probe.set_limits(GunLimits::default())?;
        expect_unsupported(&answer, "SET_LIMITS")?;
    }
    let built_in = probe.set_limits(GunLimits::default())?.limits;
    never_loosened(probe, &built_in)?;
    let settings = probe.read_settings()?;
    let Some(asked) = tightest(&settings.set) else {
        let seen = "the gun does not say what it is set to, so no limit can be tried";
        return Err(Stop::NotApplicable(seen.to_owned()));
    };
    let seen = tight_limits(probe, &asked);
    // Whatever was found, the gun is left as it was built.
    let lifted = probe.set_limits(GunLimits::default())?;
    let seen = seen?;
    expect(
        lifted.result == ResultCode::Done && lifted.limits == built_in,
        || format!("the limits were lifted with {}", words(&lifted)),
    )?;
    let newest = probe.state()?.inventory.newest;
    probe.stream_from(newest.map_or(1, |newest| newest.get() + 1))?;
    probe.shots(1)?;
    Ok(format!("{seen}; lifted, it fires again"))
}

/// A limit that the maker built in can be asked for tighter only.
fn never_loosened(probe: &mut Probe<'_>, built_in: &GunLimits) -> Result<(), Stop> {
    let Some(looser) = built_in
        .depth_max
        .and_then(|depth| Micrometres::new(depth.get() + 1).ok())
    else {
        return Ok(());
    };
    let answer = probe.set_limits(GunLimits {
        depth_max: Some(looser),
        ..GunLimits::default()
    })?;
    let is_refused = answer.result == ResultCode::NotEnforceable && answer.limits == *built_in;
    expect(is_refused, || {
        format!(
            "a depth limit above the built-in one was answered with {}",
            words(&answer)
        )
    })
}

/// Sets limits that every trigger passes, and watches that its next trigger fires nothing.
fn tight_limits(probe: &mut Probe<'_>, asked: &GunLimits) -> Seen {
    let answer = probe.set_limits(*asked)?;
    expect(
        answer.result == ResultCode::Done && holds(asked, &answer.limits),
        || {
            format!(
                "SET_LIMITS {asked:?} was answered with {} and {:?}",
                words(&answer),
                answer.limits
            )
        },
    )?;
    probe.listen(SHOT_UNDER_WAY)?;
    let stood = probe.state()?;
    expect(holds(asked, &stood.limits), || {
        format!("HELLO does not name the limits: {:?}", stood.limits)
    })?;
    let Some(before) = next_status(probe, 0, |_| true)? else {
        return fail("no STATUS came in 3 s");
    };
    let is_news = |status: &Status| {
        status.refused_count > before.refused_count
            || status.inventory.newest != stood.inventory.newest
    };
    let Some(after) = next_status(probe, ASK_AFTER, is_news)? else {
        return fail("no trigger was pulled above the limit: somebody must fire");
    };
    expect(after.inventory.newest == stood.inventory.newest, || {
        format!(
            "it fired above the limit: newest {:?}, then {:?}",
            stood.inventory.newest, after.inventory.newest
        )
    })?;
    Ok(format!(
        "{} triggers above the limit fired nothing and were counted",
        after.refused_count - before.refused_count
    ))
}

/// The next STATUS that `is_wanted`; after `ask_after_ns` without one, somebody is asked to fire.
fn next_status(
    probe: &mut Probe<'_>,
    ask_after_ns: u64,
    is_wanted: impl Fn(&Status) -> bool,
) -> Result<Option<Status>, Stop> {
    let pick = |heard: &Heard| match &heard.what {
        What::Message(Message::Status(status)) if is_wanted(status) => Some(status.clone()),
        _ => None,
    };
    let found = probe.find(ask_after_ns.max(3_000 * MS), pick)?;
    if found.is_some() || ask_after_ns == 0 {
        return Ok(found);
    }
    probe.ask("pull the trigger of the gun a few times; it is to fire nothing");
    let patience_ns = probe.shot_patience_ns();
    probe.find(patience_ns, pick)
}

pub(super) fn settings_are_true(probe: &mut Probe<'_>) -> Seen {
    let hello = probe.attach()?;
    let next = hello.inventory.newest.map_or(1, |newest| newest.get() + 1);
    probe.stream_from(next)?;
    let before = probe.read_settings()?;
    let heard = probe.next_shot()?;
    let after = probe.read_settings()?;
    expect(
        before.limits == hello.limits && before.lease_ms == hello.lease_ms,
        || format!("SETTINGS and HELLO differ: {before:?}, {hello:?}"),
    )?;
    expect(before.lease_loss == hello.lease_loss, || {
        "SETTINGS and HELLO differ about what is done without a host".to_owned()
    })?;
    if before.set != after.set {
        let seen = "answered; somebody turned the dial meanwhile".to_owned();
        return Ok(seen);
    }
    expect(agree(&before.set, &heard), || {
        format!(
            "SETTINGS says {:?}, the shot after it {:?}",
            before.set, heard.measured
        )
    })?;
    Ok(format!(
        "what is set stands in the next shot too, number {}",
        heard.key.counter.get()
    ))
}

/// Whether a shot was fired as set, where both say it.
fn agree(set: &SetPoints, shot: &ShotEvent) -> bool {
    fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    let measured = &shot.measured;
    same(set.depth, measured.depth_set)
        && same(set.volume, measured.volume_set)
        && same(set.frequency, measured.frequency_set)
}

pub(super) fn gun_shows_itself(probe: &mut Probe<'_>) -> Seen {
    let hello = probe.attach()?;
    let command = probe.next_number();
    let answer = probe.identify(command, 1)?;
    if !hello.capabilities.contains(Capabilities::CAN_IDENTIFY) {
        expect_unsupported(&answer, "IDENTIFY")?;
    }
    let again = probe.identify(command, 1)?;
    let stop = probe.next_number();
    let stopped = probe.identify(stop, 0)?;
    for answer in [answer, again, stopped] {
        expect(answer.result == ResultCode::Done, || {
            format!("IDENTIFY was answered with {}", words(&answer))
        })?;
    }
    Ok("says that it showed itself for a second; whether it did, a person must see".to_owned())
}
