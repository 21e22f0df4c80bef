//! What the gun does when its host falls silent.

use meso_link_proto::{LeaseLoss, Message};

use super::Seen;
use super::probe::{Heard, MS, Probe, What, expect, fail};

/// How much earlier than it says a gun may give up its host, and how much later, in ns.
const EARLY: u64 = 300 * MS;
const LATE: u64 = 1_500 * MS;

pub(super) fn silence_ends_it(probe: &mut Probe<'_>) -> Seen {
    probe.attach_and_take(1)?;
    let hello = probe.state()?;
    let lease_ns = u64::from(hello.lease_ms) * MS;
    expect((1_000..=10_000).contains(&hello.lease_ms), || {
        format!("HELLO says that the lease is {} ms", hello.lease_ms)
    })?;
    probe.fall_silent();
    let began_ns = probe.now_ns();
    let unasked = |heard: &Heard| match &heard.what {
        What::Message(Message::Hello(hello)) if hello.session == 0 => {
            Some((heard.at_ns, hello.clone()))
        }
        _ => None,
    };
    let Some((at_ns, alone)) = probe.find(lease_ns + LATE, unasked)? else {
        let waited_ms = (lease_ns + LATE) / MS;
        return fail(format!(
            "{waited_ms} ms without a host, and the gun has not noticed"
        ));
    };
    let after_ms = (at_ns - began_ns) / MS;
    expect(at_ns - began_ns + EARLY >= lease_ns, || {
        format!(
            "the lease of {} ms ended after {after_ms} ms",
            hello.lease_ms
        )
    })?;
    let should_inhibit = alone.lease_loss == LeaseLoss::Inhibit;
    expect(!should_inhibit || alone.is_inhibited, || {
        "the gun says that it inhibits without a host, and has not".to_owned()
    })?;
    let heard = probe.listen(1_700 * MS)?;
    let hellos = heard.iter().filter(|h| unasked(h).is_some()).count();
    let is_host_talk =
        |h: &&Heard| h.shot().is_some() || matches!(h.what, What::Message(Message::Status(_)));
    let talk = heard.iter().filter(is_host_talk).count();
    expect(talk == 0, || {
        format!("{talk} shots and statuses went to a host that is gone")
    })?;
    expect(hellos >= 2, || {
        format!("{hellos} HELLO in 1.7 s without a host, not every 500 ms")
    })?;
    let then = if should_inhibit {
        "inhibits itself"
    } else {
        "goes on alone"
    };
    Ok(format!(
        "ended after {after_ms} ms of silence; the gun {then} and greets"
    ))
}
