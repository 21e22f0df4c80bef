//! INHIBIT and RESUME.

use meso_link_proto::{Capabilities, ResultCode};

use super::Seen;
use super::probe::{MS, Probe, Stop, expect, words};

/// How long a shot that was under way may take to end, in ns.
const SHOT_UNDER_WAY: u64 = 500 * MS;

/// Attaches to a gun that says that it obeys INHIBIT; gives the number of its latest inhibition.
fn attach_to_inhibitable(probe: &mut Probe<'_>) -> Result<u32, Stop> {
    let hello = probe.attach()?;
    if hello.capabilities.contains(Capabilities::CAN_INHIBIT) {
        return Ok(hello.inhibit_number);
    }
    let command = probe.next_number();
    let answer = probe.inhibit(command)?;
    expect(
        answer.result == ResultCode::Unsupported && !answer.is_inhibited,
        || {
            format!(
                "the gun says that it cannot inhibit, and answers INHIBIT with {}",
                words(&answer)
            )
        },
    )?;
    let seen = "the gun does not obey INHIBIT, and says so".to_owned();
    Err(Stop::NotApplicable(seen))
}

pub(super) fn inhibit_is_idempotent(probe: &mut Probe<'_>) -> Seen {
    let before = attach_to_inhibitable(probe)?;
    let command = probe.next_number();
    let number = probe.inhibit(command)?.inhibit_number;
    expect(number == before.wrapping_add(1), || {
        format!("inhibition {before} was the latest, the next one is {number}")
    })?;
    let again = probe.next_number();
    for (what, command) in [("the frame repeated", command), ("a second INHIBIT", again)] {
        let answer = probe.inhibit(command)?;
        let is_same = answer.result == ResultCode::Done
            && answer.is_inhibited
            && answer.inhibit_number == number;
        expect(is_same, || {
            format!("{what} was answered with {}", words(&answer))
        })?;
    }
    probe.listen(SHOT_UNDER_WAY)?;
    let stood = probe.state()?;
    expect(stood.is_inhibited, || {
        "HELLO does not say that it is inhibited".to_owned()
    })?;
    probe.listen(2_000 * MS)?;
    let later = probe.state()?;
    expect(later.inventory.newest == stood.inventory.newest, || {
        format!(
            "it fired while inhibited: {:?}, then {:?}",
            stood.inventory, later.inventory
        )
    })?;
    let resumed = probe.resume(number)?;
    expect(!resumed.is_inhibited, || {
        format!("RESUME was answered with {}", words(&resumed))
    })?;
    Ok(format!(
        "inhibition {number} held for 2 s; repeating it changed nothing"
    ))
}

pub(super) fn resume_names_its_inhibition(probe: &mut Probe<'_>) -> Seen {
    attach_to_inhibitable(probe)?;
    let command = probe.next_number();
    let first = probe.inhibit(command)?.inhibit_number;
    for wrong in [first.wrapping_sub(1), first.wrapping_add(1)] {
        expect_refused(probe, wrong, first)?;
    }
    let ended = probe.resume(first)?;
    expect(
        ended.result == ResultCode::Done && !ended.is_inhibited,
        || {
            format!(
                "RESUME of inhibition {first} was answered with {}",
                words(&ended)
            )
        },
    )?;
    let command = probe.next_number();
    let second = probe.inhibit(command)?.inhibit_number;
    // The frame of before, as if it had been late.
    expect_refused(probe, first, second)?;
    let ended = probe.resume(second)?;
    expect(!ended.is_inhibited, || {
        format!("RESUME was answered with {}", words(&ended))
    })?;
    let newest = probe
        .state()?
        .inventory
        .newest
        .map_or(0, |counter| counter.get());
    probe.stream_from(newest + 1)?;
    probe.shots(1)?;
    Ok(format!(
        "only the number of the latest inhibition ({second}) let it fire again"
    ))
}

fn expect_refused(probe: &mut Probe<'_>, wrong: u32, latest: u32) -> Result<(), Stop> {
    let answer = probe.resume(wrong)?;
    let is_refused = answer.result == ResultCode::OtherInhibition
        && answer.is_inhibited
        && answer.inhibit_number == latest;
    expect(is_refused, || {
        format!(
            "RESUME of {wrong} while {latest} is the latest was answered with {}",
            words(&answer)
        )
    })
}
