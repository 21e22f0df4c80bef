//! Acknowledgement by watermark.

use meso_link_proto::Message;
use meso_link_proto::message::Watermark;
use meso_units::{Epoch, ShotCounter};

use super::Seen;
use super::probe::{Heard, MS, Probe, SeenShot, Stop, expect};

/// Ends the check unless the gun says that its watermark is `expected`.
fn expect_mark(probe: &mut Probe<'_>, expected: u32, after: &str) -> Result<(), Stop> {
    let mark = probe
        .state()?
        .inventory
        .acknowledged
        .map_or(0, |counter| counter.get());
    expect(mark == expected, || {
        format!("after {after} the watermark is {mark} and not {expected}")
    })
}

pub(super) fn moves_forward_only(probe: &mut Probe<'_>) -> Seen {
    let shots = probe.attach_and_take(4)?;
    let (first, epoch) = (shots[0].counter, probe.epoch()?);
    let mark = |session, epoch, counter| Watermark {
        session,
        epoch: Some(epoch),
        counter: Some(ShotCounter(counter)),
    };
    let session = probe.session();
    probe.acknowledge(first + 1)?;
    expect_mark(probe, first + 1, "an acknowledgement")?;
    probe.acknowledge(first + 1)?;
    expect_mark(probe, first + 1, "the same again")?;
    probe.acknowledge(first)?;
    expect_mark(probe, first + 1, "an older one")?;
    let other = Epoch(epoch.get() ^ 1);
    probe.send(&Message::Acknowledge(mark(session, other, first + 3)))?;
    expect_mark(probe, first + 1, "one of another epoch")?;
    probe.send(&Message::KeepAlive(mark(session, epoch, first + 2)))?;
    expect_mark(probe, first + 2, "a KEEP_ALIVE")?;
    let stranger = session ^ 0x2000_0000;
    probe.send(&Message::Acknowledge(mark(stranger, epoch, first + 3)))?;
    expect_mark(probe, first + 2, "one of another session")?;
    probe.send(&Message::Acknowledge(mark(
        session,
        epoch,
        first + 1_000_000,
    )))?;
    let state = probe.state()?.inventory;
    expect(
        state.acknowledged.is_some() && state.acknowledged <= state.newest,
        || format!("one beyond the newest shot is not clamped: {state:?}"),
    )?;
    Ok("moves on ACKNOWLEDGE and KEEP_ALIVE, never back, clamped, only in its epoch".to_owned())
}

pub(super) fn nothing_comes_again_unasked(probe: &mut Probe<'_>) -> Seen {
    let shots = probe.attach_and_take(4)?;
    let acknowledged = shots[2].counter;
    probe.acknowledge(acknowledged)?;
    let later: Vec<SeenShot> = probe
        .listen(2_500 * MS)?
        .iter()
        .filter_map(Heard::shot)
        .collect();
    let old = later.iter().find(|shot| shot.counter <= acknowledged);
    expect(old.is_none(), || {
        format!(
            "shot {} came again after everything up to {acknowledged} was acknowledged",
            old.map_or(0, |shot| shot.counter)
        )
    })?;
    let last = shots.last().map_or(0, |shot| shot.counter);
    let twice = later.iter().find(|shot| shot.counter <= last);
    expect(twice.is_none(), || {
        format!("shot {} came twice", twice.map_or(0, |shot| shot.counter))
    })?;
    Ok(format!(
        "up to {acknowledged} acknowledged, {} later shots, all new",
        later.len()
    ))
}
