//! Whether anything is missing that nobody declared.

use std::collections::{BTreeMap, HashSet};

use meso_domain::{Gap, GapReason, GapState, Record, SessionEvent, ShotIdentity};
use meso_units::{Epoch, GunSerial, ShotCounter};

use super::evidence::{Block, Evidence};
use super::finding::{Finding, FindingKind, Findings};
use crate::facts::Withheld;
use crate::manifest::SelectionText;

/// The counters of one gun and epoch that are accounted for, as ranges with both ends.
type Ranges = BTreeMap<(GunSerial, Epoch), Vec<(u32, u32)>>;

/// Checks that the blocks of each stream follow one another, and hands back notices.
pub(super) fn check_chains(
    evidence: &Evidence,
    selection: &SelectionText,
    findings: &mut Findings,
) -> Vec<String> {
    let mut notices = Vec::new();
    for blocks in evidence.streams().values() {
        if let Some(first) = blocks.first() {
            check_first(first, selection.whole_log, findings);
        }
        for pair in blocks.windows(2) {
            if let Some(notice) = check_pair(pair[0], pair[1], selection, findings) {
                notices.push(notice);
            }
        }
    }
    notices
}

fn check_first(first: &Block, whole_log: bool, findings: &mut Findings) {
    let (place, number) = (&first.header.place, first.header.place.number.get());
    if (number == 1) != first.header.previous.is_none() {
        let detail = format!("{place}: only block 1 has no predecessor");
        findings.push(Finding::new(FindingKind::ChainBroken, detail));
    }
    if whole_log && number != 1 {
        let detail = format!("the report says it is the whole log, but begins with {place}");
        findings.push(Finding::new(FindingKind::ChainBroken, detail));
    }
}

fn check_pair(
    earlier: &Block,
    later: &Block,
    selection: &SelectionText,
    findings: &mut Findings,
) -> Option<String> {
    let place = &later.header.place;
    let (before, number) = (earlier.header.place.number.get(), place.number.get());
    let mut push = |detail| findings.push(Finding::new(FindingKind::ChainBroken, detail));
    match number - before {
        0 => push(format!("{place} is there twice")),
        1 if later.header.previous != Some(earlier.hash) => {
            push(format!("{place} does not follow the block before it"));
        }
        1 => {}
        missing if selection.sessions.is_empty() => {
            push(format!("{} blocks are missing before {place}", missing - 1));
        }
        missing => {
            return Some(format!(
                "{} blocks before {place} are outside the selected sessions",
                missing - 1
            ));
        }
    }
    None
}

/// Checks that what is given by hash only may be, as far as the report itself can tell.
pub(super) fn check_withheld(evidence: &Evidence, whole_log: bool, findings: &mut Findings) {
    let included: HashSet<&ShotIdentity> = evidence
        .shots
        .iter()
        .filter_map(|slot| slot.shot.as_ref())
        .collect();
    for record in &evidence.withheld {
        let detail = match (record.reason, &record.shot) {
            (Withheld::OutsideSelection, _) if whole_log => {
                "the report says it is the whole log, but gives this record by hash only"
            }
            (Withheld::OtherCopyStored, Some(shot)) if !included.contains(shot) => {
                "the other copy of this shot is not in the report"
            }
            (Withheld::Gone, None) => "what is gone is no shot, and everything else is kept here",
            (Withheld::Erasable, Some(_)) => "a shot says nothing that could be erased",
            _ => continue,
        };
        let finding = Finding::new(FindingKind::Deleted, detail.to_owned());
        findings.push(finding.of_shot(record.shot.clone()));
    }
}

/// Checks that no counter is missing without a declared gap, and hands back notices.
pub(super) fn check_counters(
    evidence: &Evidence,
    gaps: &[Gap],
    events: &[Record],
    selection: &SelectionText,
    findings: &mut Findings,
) -> Vec<String> {
    let mut notices = Vec::new();
    let mut ranges = held_ranges(evidence);
    for gap in gaps {
        if gap.reason == GapReason::NotCounted {
            // It says what cannot be known, and excuses no hole among the host's own numbers.
            let gun = &gap.gun;
            let notice = format!("gun {gun} does not count its shots: completeness not provable");
            if !notices.contains(&notice) {
                notices.push(notice);
            }
            continue;
        }
        if gap.last.is_none() && gap.state == GapState::Declared {
            notices.push(format!(
                "completeness of gun {} is not provable from counter {} on: count unknown",
                gap.gun, gap.first
            ));
        }
        let last = gap.last.map_or(u32::MAX, ShotCounter::get);
        if gap.state == GapState::Declared
            && let Some(ranges) = ranges.get_mut(&(gap.gun.clone(), gap.epoch))
        {
            ranges.push((gap.first.get(), last));
        }
    }
    check_session_ends(&ranges, gaps, events, findings);
    for ((gun, epoch), mut held) in ranges {
        held.sort_unstable();
        for (first, last) in holes(&held) {
            if selection.sessions.is_empty() {
                let make = || hole(&gun, epoch, first, last, gaps);
                findings.push_lazily(FindingKind::Hole, make);
            } else {
                notices.push(format!(
                    "shots {first} to {last} of gun {gun} are outside the selected sessions"
                ));
            }
        }
    }
    notices
}

/// Counters of shots that are there or withheld by name.
fn held_ranges(evidence: &Evidence) -> Ranges {
    let included = evidence.shots.iter().filter_map(|slot| slot.shot.as_ref());
    let withheld = evidence
        .withheld
        .iter()
        .filter(|record| record.reason != Withheld::Gone)
        .filter_map(|record| record.shot.as_ref());
    let mut ranges = Ranges::new();
    for shot in included.chain(withheld) {
        let counter = shot.counter.get();
        let held = ranges.entry((shot.gun.clone(), shot.epoch)).or_default();
        match held.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(counter) => *last = counter,
            _ => held.push((counter, counter)),
        }
    }
    ranges
}

/// The holes between sorted ranges.
fn holes(held: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut holes = Vec::new();
    let mut covered: Option<u32> = None;
    for &(first, last) in held {
        if let Some(end) = covered
            && end < u32::MAX
            && first > end + 1
        {
            holes.push((end + 1, first - 1));
        }
        covered = covered.max(Some(last));
    }
    holes
}

fn hole(gun: &GunSerial, epoch: Epoch, first: u32, last: u32, gaps: &[Gap]) -> Finding {
    let awaited = gaps.iter().any(|gap| {
        gap.state == GapState::Awaited
            && (&gap.gun, gap.epoch) == (gun, epoch)
            && gap.first.get() <= last
            && gap.last.is_some_and(|end| end.get() >= first)
    });
    let state = if awaited {
        "still awaited"
    } else {
        "missing and not declared"
    };
    let count = u64::from(last - first) + 1;
    let detail = format!("{count} shots, up to counter {last}, are {state}");
    let shot = ShotIdentity {
        gun: gun.clone(),
        epoch,
        counter: ShotCounter(first),
    };
    Finding::new(FindingKind::Hole, detail).of_shot(Some(shot))
}

/// A session says how far each gun had counted when it ended: the report must reach as far.
fn check_session_ends(ranges: &Ranges, gaps: &[Gap], events: &[Record], findings: &mut Findings) {
    let end = |held: &Vec<(u32, u32)>| held.iter().map(|(_, last)| *last).max().unwrap_or_default();
    let ends: BTreeMap<_, u32> = ranges.iter().map(|(key, held)| (key, end(held))).collect();
    for event in events {
        let Record::Session(SessionEvent::Ended(ended)) = event else {
            continue;
        };
        for position in &ended.last_counters {
            let key = (position.gun.clone(), position.epoch);
            let counter = position.counter.get();
            if let Some(end) = ends.get(&key).filter(|end| **end < counter) {
                let make = || hole(&key.0, key.1, end + 1, counter, gaps);
                findings.push_lazily(FindingKind::Hole, make);
            }
        }
    }
}
