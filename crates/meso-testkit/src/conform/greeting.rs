//! Who the gun is, whom it speaks with, and what it says that it can.

use meso_link_proto::message::{AssignEpoch, HostHello};
use meso_link_proto::{Capabilities, Hello, Message, ResultCode, version};
use meso_units::Epoch;

use super::Seen;
use super::probe::{Heard, MS, Probe, Stop, What, expect};

/// How long an answer that must not come is waited for, in ns.
const NO_ANSWER: u64 = 600 * MS;

pub(super) fn is_answered(probe: &mut Probe<'_>) -> Seen {
    let before_ns = probe.now_ns();
    let hello = probe.attach()?;
    let took_ms = (probe.now_ns() - before_ns) / MS;
    let next = hello.inventory.newest.map_or(1, |newest| newest.get() + 1);
    probe.stream_from(next)?;
    let again = probe.state()?;
    expect(
        again.serial == hello.serial && again.boot == hello.boot,
        || format!("{} answered first, then {}", hello.serial, again.serial),
    )?;
    // The same session again changes nothing, so the stream must still be on.
    probe.shots(1)?;
    Ok(format!(
        "{}, {} {}, after {took_ms} ms; a repeated greeting left the stream on",
        hello.serial,
        hello.model.as_str(),
        hello.firmware.as_str()
    ))
}

pub(super) fn names_version_and_schema(probe: &mut Probe<'_>) -> Seen {
    let hello = probe.greet()?;
    let theirs = (hello.protocol_min, hello.protocol_max);
    let common = version::common((version::MIN, version::CURRENT), theirs);
    expect(common.is_some() && theirs.0 <= theirs.1, || {
        format!(
            "versions {} to {} hold none of {} to {}",
            theirs.0,
            theirs.1,
            version::MIN,
            version::CURRENT
        )
    })?;
    if theirs.1 != version::CURRENT {
        let seen = format!("schema {:#010x} is of version {}", hello.schema, theirs.1);
        return Err(Stop::NotApplicable(seen));
    }
    expect(hello.schema == version::schema(), || {
        format!(
            "schema {:#010x}, but version {} has {:#010x}",
            hello.schema,
            version::CURRENT,
            version::schema()
        )
    })?;
    // A host that also speaks a version that does not exist yet.
    probe.greet_as(version::CURRENT + 1, !version::schema())?;
    let session = probe.session();
    let is_obeyed = obeys(probe, session)?;
    expect(is_obeyed, || {
        format!(
            "a host of versions {} to {} was not obeyed, though {} is common to both",
            version::MIN,
            version::CURRENT + 1,
            version::CURRENT
        )
    })?;
    Ok(format!(
        "versions {} to {}, schema {:#010x}",
        theirs.0, theirs.1, hello.schema
    ))
}

/// Whether the gun obeys a session: it answers a command that can only be refused.
fn obeys(probe: &mut Probe<'_>, session: u32) -> Result<bool, Stop> {
    let command = probe.next_number();
    probe.send(&Message::AssignEpoch(AssignEpoch {
        session,
        command,
        replaces: Some(Epoch(u64::MAX)),
        epoch: Epoch(u64::MAX - 1),
    }))?;
    let answer = probe.find(NO_ANSWER, |heard| match &heard.what {
        What::Message(Message::Result(result)) => Some(result.result),
        _ => None,
    })?;
    Ok(answer.is_some())
}

fn answers(heard: &Heard, session: u32) -> Option<Hello> {
    match &heard.what {
        What::Message(Message::Hello(hello)) if hello.session == session => Some(hello.clone()),
        _ => None,
    }
}

pub(super) fn refuses_strange_versions(probe: &mut Probe<'_>) -> Seen {
    let newer = version::CURRENT + 1;
    let strange = [
        (newer, newer, version::schema(), "another version"),
        (
            version::MIN,
            version::CURRENT,
            !version::schema(),
            "another schema",
        ),
    ];
    probe.greet()?;
    for (protocol_min, protocol_max, schema, what) in strange {
        let session = probe.session() ^ 0x4000_0000;
        probe.send(&Message::HostHello(HostHello {
            protocol_min,
            protocol_max,
            schema,
            session,
            nonce: [0; 16],
        }))?;
        let answer = probe.find(NO_ANSWER, |heard| answers(heard, session))?;
        expect(answer.is_some(), || {
            format!("a host of {what} got no HELLO, so it cannot show whom it met")
        })?;
        let is_obeyed = obeys(probe, session)?;
        expect(!is_obeyed, || format!("a host of {what} was obeyed"))?;
    }
    Ok("hosts of another version and of another schema were answered and not obeyed".to_owned())
}

pub(super) fn ignores_other_sessions(probe: &mut Probe<'_>) -> Seen {
    let before = probe.attach()?;
    let stranger = probe.session() ^ 0x2000_0000;
    let is_obeyed = obeys(probe, stranger)?;
    expect(!is_obeyed, || {
        "a command of a session that never greeted was answered".to_owned()
    })?;
    let after = probe.state()?;
    expect(
        after.epoch() == before.epoch() || before.epoch().is_none(),
        || "a command of a session that never greeted changed the epoch".to_owned(),
    )?;
    // A gun that has a host greets nobody else, even if the command would have changed nothing.
    let epoch = probe.epoch()?;
    let command = probe.next_number();
    probe.send(&Message::AssignEpoch(AssignEpoch {
        session: stranger,
        command,
        replaces: Some(epoch),
        epoch,
    }))?;
    let answer = probe.find(NO_ANSWER, |heard| answers(heard, stranger))?;
    expect(answer.is_none(), || {
        "a command of a session that never greeted was answered with HELLO".to_owned()
    })?;
    // The counterpart: the same command of the host itself is answered.
    let mine = probe.assign_epoch(Some(Epoch(u64::MAX)), Epoch(u64::MAX - 1))?;
    expect(mine.result == ResultCode::OtherEpoch, || {
        format!(
            "the same command of the host was answered with {:?}",
            mine.result
        )
    })?;
    Ok("a command of another session was passed over, the host's own answered".to_owned())
}

pub(super) fn senses_depth_and_volume(probe: &mut Probe<'_>) -> Seen {
    let capabilities = probe.greet()?.capabilities;
    let both = Capabilities::SENSES_DEPTH.union(Capabilities::SENSES_VOLUME);
    expect(capabilities.contains(both), || {
        "the gun reports what was set and not what was done: depth or volume is not sensed"
            .to_owned()
    })?;
    Ok("depth and volume are sensed".to_owned())
}

pub(super) fn ring_outlives_power_cut(probe: &mut Probe<'_>) -> Seen {
    let capabilities = probe.greet()?.capabilities;
    expect(capabilities.contains(Capabilities::DURABLE_RING), || {
        "a power cut loses the shots that the host does not hold yet".to_owned()
    })?;
    Ok("the gun says that its ring outlives a power cut".to_owned())
}
