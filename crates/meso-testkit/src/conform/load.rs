//! A host that asks for much and does not read.

use std::collections::BTreeSet;

use meso_link_proto::Message;

use super::Seen;
use super::probe::{MS, Probe, SECOND, Stop, What, expect, fail};

/// How many shots a repeated backlog has at most.
const BACKLOG_MAX: u32 = 100;
/// How often the backlog is asked for while nothing is read; below what a gun may keep waiting.
const ASKED: u16 = 8;
/// How many shots one RANGE may declare gone; a gun that says more has lost its mind, and what is
/// beyond stays missing.
const GONE_MAX: u32 = 10_000;
/// How often what is missing after that is asked for again.
const ROUNDS_MAX: u32 = 6;

/// What became of the shots of a backlog.
#[derive(Default)]
struct Tally {
    received: BTreeSet<u32>,
    /// The gun said that it has them no more.
    gone: BTreeSet<u32>,
}

impl Tally {
    fn settled(&self, counter: u32) -> bool {
        self.received.contains(&counter) || self.gone.contains(&counter)
    }

    /// Takes what comes in that time.
    fn collect(&mut self, probe: &mut Probe<'_>, for_ns: u64) -> Result<(), Stop> {
        for heard in probe.listen(for_ns)? {
            if let Some(shot) = heard.shot() {
                self.received.insert(shot.counter);
            }
            // The ring overtook the stream by itself, and says so.
            if let What::Message(Message::Range(range)) = &heard.what
                && range.request == 0
            {
                self.overtaken(range.requested, range.from);
            }
        }
        Ok(())
    }

    fn overtaken(&mut self, requested: u32, from: u32) {
        let last = from.min(requested.saturating_add(GONE_MAX));
        self.gone.extend(requested..last);
    }
}

pub(super) fn nothing_is_lost_silently(probe: &mut Probe<'_>) -> Seen {
    let taken = probe.attach_and_take(6)?;
    let last_seen = taken.last().map_or(1, |shot| shot.counter);
    let before = probe.state()?.inventory;
    let oldest = before.oldest.map_or(1, |oldest| oldest.get());
    let start = oldest.max(last_seen.saturating_sub(BACKLOG_MAX));
    let epoch = probe.epoch()?;
    for _ in 0..ASKED {
        let request = probe.next_number();
        let message = probe.send_from(request, epoch, start);
        probe.send(&message)?;
        probe.neglect(300 * MS)?;
    }
    let mut tally = Tally::default();
    tally.collect(probe, 2 * SECOND)?;
    let at_once = tally.received.len();
    let newest = probe
        .state()?
        .inventory
        .newest
        .map_or(0, |newest| newest.get());
    let mut asked = 0_u32;
    while let Some(missing) = (start..=newest).find(|counter| !tally.settled(*counter)) {
        if asked == ROUNDS_MAX {
            return fail(format!(
                "shot {missing} never came, and nothing says that it is gone"
            ));
        }
        asked += 1;
        let range = probe.stream_from(missing)?;
        tally.overtaken(missing, range.from.min(newest + 1));
        tally.collect(probe, SECOND)?;
    }
    let acknowledged = before.acknowledged.map_or(0, |counter| counter.get());
    // Who was acknowledged may be overwritten, and who came in the end is not gone.
    let is_lost = |c: &&u32| **c > acknowledged && !tally.received.contains(c);
    let gone = tally.gone.iter().filter(is_lost).count();
    let counted = probe
        .state()?
        .inventory
        .lost_count
        .saturating_sub(before.lost_count);
    expect(
        usize::try_from(counted).is_ok_and(|counted| counted >= gone),
        || format!("{gone} shots are gone from the ring, and `lost` grew by {counted}"),
    )?;
    Ok(format!(
        "{} ms unread: {at_once} of {start} to {newest} came, the rest after {asked} requests, \
         {gone} gone and counted",
        u64::from(ASKED) * 300
    ))
}
