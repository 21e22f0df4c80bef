//! Guns that hold a key: their frames are sealed, and they obey no others.

use meso_link_proto::auth::NotAuthentic;
use meso_link_proto::message::Watermark;
use meso_link_proto::{Message, timing};

use super::Seen;
use super::probe::{Heard, MS, Probe, SECOND, Stop, What, expect, ns};

/// How long an answer that must not come is waited for, in ns.
const NO_ANSWER: u64 = 600 * MS;
/// How long the line is watched, in ns.
const WATCH: u64 = 3_500 * MS;

/// Greets, and ends the check where the gun holds no key.
fn greet_sealed(probe: &mut Probe<'_>) -> Result<(), Stop> {
    probe.attach()?;
    probe.sealed_session().map(|_| ())
}

pub(super) fn every_frame_is_sealed(probe: &mut Probe<'_>) -> Seen {
    greet_sealed(probe)?;
    let taken = probe.state()?.inventory.newest;
    probe.stream_from(taken.map_or(1, |newest| newest.get() + 1))?;
    let heard = probe.listen(WATCH)?;
    let is_bad = |h: &&Heard| h.seal.is_err() && !matches!(h.what, What::Garbage(_));
    let count = heard.iter().filter(is_bad).count();
    let reason = heard.iter().find_map(|h| h.seal.err());
    expect(count == 0, || {
        format!(
            "{count} of {} frames are not of the gun's key: {}",
            heard.len(),
            reason.map_or_else(String::new, |reason: NotAuthentic| reason.to_string())
        )
    })?;
    expect(!heard.is_empty(), || "nothing was said in 3.5 s".to_owned())?;
    Ok(format!("{} frames, every seal right", heard.len()))
}

/// Whether the gun answers READ_SETTINGS in these bytes.
fn answers(probe: &mut Probe<'_>, bytes: &[u8], command: u16) -> Result<bool, Stop> {
    probe.send_raw(bytes)?;
    let answer = probe.find(NO_ANSWER, |heard| match &heard.what {
        What::Message(Message::Settings(settings)) if settings.command == command => Some(()),
        _ => None,
    })?;
    Ok(answer.is_some())
}

pub(super) fn forged_frames_are_not_obeyed(probe: &mut Probe<'_>) -> Seen {
    greet_sealed(probe)?;
    let mut before = probe.sealed_session()?;
    greet_sealed(probe)?;
    let command = probe.next_number();
    let request = probe.settings_request(command);
    let unsealed = probe.encode_plain(&request)?;
    let of_before = request
        .encode_sealed(0, &mut before)
        .map_err(|error| Stop::Failed(error.to_string()))?;
    for (what, bytes) in [
        ("without a seal", unsealed),
        ("sealed for the session before", of_before),
    ] {
        let is_obeyed = answers(probe, &bytes, command)?;
        expect(!is_obeyed, || format!("READ_SETTINGS {what} was answered"))?;
    }
    // The counterpart.
    let sealed = probe.encode(&request)?;
    let is_obeyed = answers(probe, &sealed, command)?;
    expect(is_obeyed, || {
        "READ_SETTINGS under the right seal was not answered".to_owned()
    })?;
    forged_life_keeps_no_lease(probe)?;
    Ok("frames of nobody and of an earlier session were not obeyed, and kept no lease".to_owned())
}

/// Falls silent, while somebody without the key says that the host lives.
fn forged_life_keeps_no_lease(probe: &mut Probe<'_>) -> Result<(), Stop> {
    let lease_ns = u64::from(probe.state()?.lease_ms) * MS;
    probe.fall_silent();
    let forged = Message::KeepAlive(Watermark {
        session: probe.session(),
        epoch: None,
        counter: None,
    });
    let forged = probe.encode_plain(&forged)?;
    let until_ns = probe.now_ns() + lease_ns + 2 * SECOND;
    while probe.now_ns() < until_ns {
        probe.send_raw(&forged)?;
        if probe
            .find(ns(timing::GREETING_INTERVAL), greets_alone)?
            .is_some()
        {
            return Ok(());
        }
    }
    // A gun that gives up no host at all fails the check of the lease, not this one.
    let would_end = probe.find(lease_ns + 2 * SECOND, greets_alone)?.is_some();
    expect(!would_end, || {
        "KEEP_ALIVE without a seal kept the lease of a silent host".to_owned()
    })
}

/// Whether the gun says that it has no host.
fn greets_alone(heard: &Heard) -> Option<()> {
    match &heard.what {
        What::Message(Message::Hello(hello)) if hello.session == 0 => Some(()),
        _ => None,
    }
}

pub(super) fn old_frames_are_not_obeyed(probe: &mut Probe<'_>) -> Seen {
    greet_sealed(probe)?;
    let (first, second) = (probe.next_number(), probe.next_number());
    let request = probe.settings_request(first);
    let early = probe.encode(&request)?;
    let request = probe.settings_request(second);
    let late = probe.encode(&request)?;
    let is_obeyed = answers(probe, &late, second)?;
    expect(is_obeyed, || {
        "a frame whose counter leaves a gap was not obeyed, but frames get lost".to_owned()
    })?;
    for (what, bytes, command) in [
        ("a frame sent again", &late, second),
        ("a frame that was overtaken", &early, first),
    ] {
        let is_obeyed = answers(probe, bytes, command)?;
        expect(!is_obeyed, || format!("{what} was obeyed"))?;
    }
    Ok("what was there before, or was overtaken, is not obeyed".to_owned())
}

pub(super) fn each_session_is_new(probe: &mut Probe<'_>) -> Seen {
    greet_sealed(probe)?;
    let first = probe.gun_nonce();
    let again = probe.state()?.nonce;
    expect(first == Some(again), || {
        "the same greeting again drew another random number".to_owned()
    })?;
    greet_sealed(probe)?;
    expect(probe.gun_nonce() != first, || {
        "two sessions have the same random number of the gun".to_owned()
    })?;
    Ok("each session has a random number of its own".to_owned())
}
