//! Identity: epoch and counter.

use meso_link_proto::message::AssignEpoch;
use meso_link_proto::{Message, ResultCode};
use meso_units::Epoch;

use super::Seen;
use super::probe::{Heard, MS, Probe, What, expect, fail, words};

pub(super) fn counter_goes_on(probe: &mut Probe<'_>) -> Seen {
    let shots = probe.attach_and_take(5)?;
    let (newest, epoch) = (shots.last().map_or(0, |shot| shot.counter), probe.epoch()?);
    // A host that closed the port and opened it again.
    let hello = probe.greet()?;
    let now = hello.inventory.newest.map_or(0, |counter| counter.get());
    match hello.epoch() {
        Some(same) if same == epoch => expect(now >= newest, || {
            format!("shot {newest} was the newest, now {now} is, under the same epoch")
        })?,
        // A gun that lost its memory asks for an epoch; that is right, if it did restart.
        None => expect(false, || "a greeting took the epoch away".to_owned())?,
        Some(other) => expect(false, || {
            format!(
                "epoch {:#x} became {:#x} by itself",
                epoch.get(),
                other.get()
            )
        })?,
    }
    // Whatever the newest is, it is acknowledged: a ring without duties is no reason to begin anew.
    probe.acknowledge(u32::MAX - 1)?;
    probe.listen(300 * MS)?;
    let kept = probe
        .state()?
        .inventory
        .newest
        .map_or(0, |counter| counter.get());
    expect(kept >= now, || {
        format!(
            "shot {now} was the newest, and after everything was acknowledged {kept} is, under \
             the same epoch"
        )
    })?;
    let request = probe.next_number();
    let foreign = probe.send_from(request, Epoch(epoch.get() ^ 1), 1);
    probe.send(&foreign)?;
    let heard = probe.listen(600 * MS)?;
    let is_answer = |h: &Heard| matches!(h.what, What::Message(Message::Range(_)));
    expect(!heard.iter().any(is_answer), || {
        "SEND_FROM of another epoch was answered".to_owned()
    })?;
    Ok(format!(
        "epoch {:#018x} and counter ({newest}, then {now}) go on",
        epoch.get()
    ))
}

pub(super) fn assignment_is_guarded(probe: &mut Probe<'_>) -> Seen {
    probe.attach()?;
    let epoch = probe.epoch()?;
    let fresh = Epoch(epoch.get().wrapping_add(1).max(1));
    let same = probe.assign_epoch(None, epoch)?;
    expect(
        same.result == ResultCode::Done && same.epoch == Some(epoch),
        || {
            format!(
                "the epoch that it has already was answered with {:?}",
                same.result
            )
        },
    )?;
    let command = probe.next_number();
    let wrong = Message::AssignEpoch(AssignEpoch {
        session: probe.session(),
        command,
        replaces: Some(Epoch(!epoch.get())),
        epoch: fresh,
    });
    for attempt in ["first", "repeated"] {
        let answer = probe.command(&wrong, command)?;
        expect(
            answer.result == ResultCode::OtherEpoch && answer.epoch == Some(epoch),
            || {
                format!(
                    "the {attempt} assignment in place of another epoch: {}",
                    words(&answer)
                )
            },
        )?;
    }
    let newest = probe
        .state()?
        .inventory
        .newest
        .map_or(0, |counter| counter.get());
    probe.stream_from(newest + 1)?;
    probe.shots(1)?;
    let held = probe.assign_epoch(Some(epoch), fresh)?;
    expect(
        held.result == ResultCode::HoldsUnacknowledged && held.epoch == Some(epoch),
        || {
            format!(
                "with unacknowledged shots in the ring a new epoch got {}",
                words(&held)
            )
        },
    )?;
    Ok("kept against a wrong predecessor and while shots are unacknowledged".to_owned())
}

/// How often the ring is acknowledged and a new epoch tried, while somebody may be firing.
const CHANGES_MAX: u32 = 20;

pub(super) fn new_one_is_taken(probe: &mut Probe<'_>) -> Seen {
    probe.attach_and_take(1)?;
    let before = probe.epoch()?;
    let fresh = Epoch(before.get().rotate_left(17) ^ 0x5A5A_0000_0000_5A5A);
    let mut answer = None;
    for _ in 0..CHANGES_MAX {
        probe.acknowledge(u32::MAX - 1)?;
        let given = probe.assign_epoch(Some(before), fresh)?;
        answer = Some(given);
        if given.result != ResultCode::HoldsUnacknowledged {
            break;
        }
    }
    let Some(answer) = answer else {
        return fail("no epoch was assigned");
    };
    expect(answer.result == ResultCode::Done, || {
        format!(
            "with everything acknowledged a new epoch got {}",
            words(&answer)
        )
    })?;
    let hello = probe.greet()?;
    expect(
        answer.epoch == Some(fresh) && hello.epoch() == Some(fresh),
        || {
            format!(
                "epoch {:#018x} was taken, and the gun goes on under {:#018x}",
                fresh.get(),
                hello.epoch().map_or(0, Epoch::get)
            )
        },
    )?;
    probe.stream_from(1)?;
    let first = probe.shots(1)?[0].counter;
    expect(first == 1, || {
        format!("the first shot of the new epoch has counter {first}")
    })?;
    Ok(format!(
        "epoch {:#018x} taken in place of {:#018x}, its first shot is number 1",
        fresh.get(),
        before.get()
    ))
}
