//! Frames: what the gun sends is whole and in range, and what it gets may be anything.

use meso_link_proto::frame::{DELIMITER, ENCODED_BYTES_MAX, Garbage};
use meso_link_proto::message::kind;
use meso_link_proto::{Message, timing, version};

use super::Seen;
use super::probe::{Heard, MS, Probe, SECOND, Stop, What, expect, fail, ns};
use super::raw;

/// How long the line is watched, in ns; five statuses.
const WATCH: u64 = 5_500 * MS;
/// The status must come at least this often in [`WATCH`]; four, so that a late one is no failure.
const STATUS_COUNT_MIN: usize = 4;

/// What the gun says by itself in a while, shots included.
fn watch(probe: &mut Probe<'_>) -> Result<Vec<Heard>, Stop> {
    probe.attach_and_take(2)?;
    probe.listen(WATCH)
}

pub(super) fn frames_are_whole(probe: &mut Probe<'_>) -> Seen {
    let heard = watch(probe)?;
    let broken = |reason: Garbage| {
        let is = |h: &&Heard| matches!(h.what, What::Garbage(found) if found == reason);
        heard.iter().filter(is).count()
    };
    let (crc, cobs) = (broken(Garbage::BadCrc), broken(Garbage::BadCobs));
    expect(crc + cobs == 0, || {
        format!(
            "{} runs: {crc} with a wrong CRC, {cobs} that are not COBS",
            heard.len()
        )
    })?;
    Ok(format!("{} frames, every CRC right", heard.len()))
}

pub(super) fn runs_are_short(probe: &mut Probe<'_>) -> Seen {
    let heard = watch(probe)?;
    let is_long = |h: &&Heard| matches!(h.what, What::Garbage(Garbage::Oversize));
    let long = heard.iter().filter(is_long).count();
    expect(long == 0, || {
        format!(
            "{long} of {} runs are longer than {ENCODED_BYTES_MAX} bytes",
            heard.len()
        )
    })?;
    Ok(format!(
        "{} frames, none above {ENCODED_BYTES_MAX} bytes",
        heard.len()
    ))
}

pub(super) fn fields_are_in_range(probe: &mut Probe<'_>) -> Seen {
    let shots = probe.attach_and_take(8)?;
    if let Some(bad) = shots
        .iter()
        .find_map(|s| Some((s.counter, s.rejected.as_ref()?)))
    {
        return fail(format!("shot {}: {}", bad.0, bad.1));
    }
    let heard = probe.listen(2 * SECOND)?;
    let rejected = heard.iter().find_map(|h| match &h.what {
        What::Rejected(rejection) => Some(rejection),
        _ => None,
    });
    if let Some(rejection) = rejected {
        return fail(format!(
            "message {:#04x}: {}",
            rejection.kind, rejection.reason
        ));
    }
    Ok(format!(
        "{} shots and {} frames in range",
        shots.len(),
        heard.len()
    ))
}

pub(super) fn garbage_is_survived(probe: &mut Probe<'_>) -> Seen {
    let before = probe.attach()?;
    let mut inhibit = probe.session().to_le_bytes().to_vec();
    inhibit.extend_from_slice(&[0x77, 0x77, 0]);
    let host = version::CURRENT;
    let longer = [inhibit.as_slice(), &[0]].concat();
    let bad: [(&str, Vec<u8>); 7] = [
        ("noise", vec![0xFF; 40]),
        ("600 bytes without a delimiter", vec![0x55; 600]),
        (
            "a wrong CRC",
            raw::frame(kind::INHIBIT, host, &inhibit, 0x0100),
        ),
        (
            "an unknown flag",
            raw::frame(kind::INHIBIT, host | 0x80, &inhibit, 0),
        ),
        (
            "another length",
            raw::frame(kind::INHIBIT, host, &longer, 0),
        ),
        ("an unknown kind", raw::frame(0xEE, host, &inhibit, 0)),
        (
            "another version",
            raw::frame(kind::INHIBIT, 0x0F, &inhibit, 0),
        ),
    ];
    for (what, bytes) in &bad {
        probe.send_raw(bytes)?;
        probe.send_raw(&[DELIMITER])?;
        let after = probe.state().or_else(|stop| match stop {
            Stop::Failed(_) => fail(format!("mute after {what}")),
            other => Err(other),
        })?;
        expect(
            !after.is_inhibited && after.inhibit_number == before.inhibit_number,
            || format!("a frame with {what} was obeyed"),
        )?;
    }
    Ok(format!(
        "{} kinds of bad input passed over, each next frame understood",
        bad.len()
    ))
}

pub(super) fn status_comes_every_second(probe: &mut Probe<'_>) -> Seen {
    probe.greet()?;
    let heard = probe.listen(WATCH)?;
    let times: Vec<u64> = heard
        .iter()
        .filter(|h| matches!(h.what, What::Message(Message::Status(_))))
        .map(|h| h.at_ns)
        .collect();
    let gap_ms = times.windows(2).map(|pair| (pair[1] - pair[0]) / MS).max();
    let seen = format!(
        "{} STATUS in {} ms, at most {} ms apart",
        times.len(),
        WATCH / MS,
        gap_ms.unwrap_or(0)
    );
    let is_steady = gap_ms.is_some_and(|gap| gap <= ns(timing::SILENCE_MAX) / MS);
    expect(times.len() >= STATUS_COUNT_MIN && is_steady, || {
        seen.clone()
    })?;
    Ok(seen)
}
