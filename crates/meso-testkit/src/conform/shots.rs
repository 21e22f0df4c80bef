//! The stream of shots: asked for, in order, each once, and again when asked again.

use super::Seen;
use super::probe::{Heard, MS, Probe, SeenShot, Stop, expect};

/// Ends the check unless the counters go up by one from `from`.
fn expect_consecutive(shots: &[SeenShot], from: u32) -> Result<(), Stop> {
    let counters: Vec<u32> = shots.iter().map(|shot| shot.counter).collect();
    let is_whole = counters
        .iter()
        .zip(from..)
        .all(|(seen, expected)| *seen == expected);
    expect(is_whole, || format!("asked from {from}, got {counters:?}"))
}

pub(super) fn stream_is_complete_and_asked_for(probe: &mut Probe<'_>) -> Seen {
    let hello = probe.attach()?;
    let unasked: Vec<SeenShot> = probe
        .listen(800 * MS)?
        .iter()
        .filter_map(Heard::shot)
        .collect();
    expect(unasked.is_empty(), || {
        format!("{} shots came before SEND_FROM", unasked.len())
    })?;
    let next = hello.inventory.newest.map_or(1, |newest| newest.get() + 1);
    let range = probe.stream_from(next)?;
    expect(range.from == next && range.requested == next, || {
        format!(
            "asked from {next}, RANGE says {} from {}",
            range.requested, range.from
        )
    })?;
    let shots = probe.shots(6)?;
    expect_consecutive(&shots, next)?;
    Ok(format!(
        "nothing before SEND_FROM, then {} shots from {next} on, each once",
        shots.len()
    ))
}

pub(super) fn unacknowledged_shots_come_again(probe: &mut Probe<'_>) -> Seen {
    let first = probe.attach_and_take(4)?;
    let from = first[0].counter;
    let oldest = probe
        .state()?
        .inventory
        .oldest
        .map_or(0, |oldest| oldest.get());
    let range = probe.stream_from(from)?;
    expect(range.from == from, || {
        format!(
            "shot {from} was not acknowledged and the ring begins at {oldest}, but RANGE goes on \
             from {}",
            range.from
        )
    })?;
    let again = probe.shots(first.len())?;
    expect_consecutive(&again, from)?;
    expect(again == first, || {
        let changed = again.iter().zip(&first).find(|(new, old)| new != old);
        format!(
            "shot {} came again with other fields",
            changed.map_or(0, |(s, _)| s.counter)
        )
    })?;
    let beyond = again.last().map_or(0, |shot| shot.counter) + 100_000;
    let range = probe.stream_from(beyond)?;
    let newest = range.newest.map_or(0, |newest| newest.get());
    expect(range.from == beyond && newest < beyond, || {
        format!(
            "asked from {beyond}, RANGE says from {} and newest {newest}",
            range.from
        )
    })?;
    Ok(format!(
        "{} shots from {from} on came again, byte for byte",
        again.len()
    ))
}
