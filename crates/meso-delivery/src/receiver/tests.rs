//! The receiver against a plain model, and one test for each promise.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use meso_domain::{GapReason, GapState, GunPosition, SessionEnded, SessionOutcome};
use meso_units::{ClinicId, SessionId, ShotCounter, Timestamp};
use proptest::prelude::*;

use super::*;

mod custody;

fn sample_header(number: u64, previous: Option<BlockHash>) -> BlockHeader {
    BlockHeader {
        clinic: ClinicId::parse("riverside").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse("room-1").unwrap(),
            incarnation: JournalIncarnation(1),
            stream: Stream::Gun(sample_gun()),
            number: BlockNumber(number),
        },
        previous,
        epoch: Some(Epoch(7)),
        session: None,
        record_count: 1,
        sealed_at: Timestamp::UNIX_EPOCH,
        judgements_digest: [0; 32],
    }
}

fn sample_gun() -> GunSerial {
    GunSerial::parse("GUN-0001").unwrap()
}

fn sample_shot(counter: u32) -> ShotIdentity {
    ShotIdentity {
        gun: sample_gun(),
        epoch: Epoch(7),
        counter: ShotCounter(counter),
    }
}

fn sample_gap(first: u32, last: Option<u32>) -> Gap {
    Gap {
        gun: sample_gun(),
        epoch: Epoch(7),
        first: ShotCounter(first),
        last: last.map(ShotCounter),
        state: GapState::Declared,
        reason: GapReason::RingOverflow,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn hash(n: u64) -> BlockHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    BlockHash(bytes)
}

/// A receiver, and what a store would hold.
#[derive(Default)]
struct Bench {
    receiver: Receiver,
    stored: BTreeMap<BlockPlace, BlockHash>,
}

impl Bench {
    fn check(&self, header: &BlockHeader, hash: BlockHash) -> Offer {
        let lookup = |place: &BlockPlace| Ok::<_, Infallible>(self.stored.get(place).copied());
        self.receiver.check(header, hash, lookup).unwrap()
    }

    fn offer(&mut self, number: u64) -> Offer {
        let header = sample_header(number, (number > 1).then(|| hash(number - 1)));
        let offer = self.check(&header, hash(number));
        if matches!(offer, Offer::New { .. }) {
            self.receiver.settle(&header, hash(number));
            self.stored.insert(header.place, hash(number));
        }
        offer
    }

    fn settled(&self) -> Settled {
        let key = StreamKey::from(&sample_header(1, None).place);
        self.receiver.settled(&key, 64)
    }
}

#[test]
fn the_same_block_again_is_a_duplicate_and_another_one_a_conflict() {
    let mut bench = Bench::default();
    assert_eq!(bench.offer(1), Offer::New { link: Link::First });
    assert_eq!(bench.offer(2), Offer::New { link: Link::Proven });
    assert_eq!(bench.offer(1), Offer::Duplicate);
    assert_eq!(bench.offer(2), Offer::Duplicate);
    let other = bench.check(&sample_header(1, None), hash(99));
    assert_eq!(other, Offer::Conflict { held: hash(1) });
}

#[test]
fn a_block_whose_predecessor_is_unknown_is_stored_with_its_link_pending() {
    let mut bench = Bench::default();
    let pending = Offer::New {
        link: Link::Pending,
    };
    assert_eq!(bench.offer(3), pending);
    let forged = bench.check(&sample_header(2, Some(hash(1))), hash(98));
    let expected = hash(2);
    assert_eq!(
        forged,
        Offer::BrokenLink {
            expected,
            found: hash(98)
        }
    );
    assert_eq!(bench.offer(2), pending);
    assert_eq!(bench.offer(1), Offer::New { link: Link::First });
    assert_eq!(bench.settled().to, 3);
}

#[test]
fn a_block_that_names_another_predecessor_is_a_broken_link() {
    let mut bench = Bench::default();
    bench.offer(1);
    let broken = bench.check(&sample_header(2, Some(hash(55))), hash(2));
    let found = hash(55);
    assert_eq!(
        broken,
        Offer::BrokenLink {
            expected: hash(1),
            found
        }
    );
}

#[test]
fn a_place_settled_by_quarantine_still_takes_the_sound_block() {
    let mut bench = Bench::default();
    bench.offer(1);
    bench
        .receiver
        .settle_quarantined(&sample_header(2, None).place);
    assert_eq!(bench.settled().to, 2);
    assert_eq!(bench.offer(2), Offer::New { link: Link::Proven });
    assert_eq!(bench.offer(2), Offer::Duplicate);
}

#[test]
fn a_run_of_blocks_is_named_by_its_last_one_and_one_that_was_refused_has_no_name() {
    let mut bench = Bench::default();
    for number in [1, 2, 3, 6, 7] {
        bench.offer(number);
    }
    let settled = bench.settled();
    let key = StreamKey::from(&sample_header(1, None).place);
    let named = |bench: &Bench| {
        let lookup = |place: &BlockPlace| Ok::<_, Infallible>(bench.stored.get(place).copied());
        let blocks = bench
            .receiver
            .settled_blocks(&key, &bench.settled(), lookup);
        let blocks = blocks.unwrap().into_iter();
        blocks
            .map(|block| (block.number, block.hash))
            .collect::<Vec<_>>()
    };
    assert_eq!(settled.to, 3);
    assert_eq!(named(&bench), [(3, hash(3)), (7, hash(7))]);
    bench
        .receiver
        .settle_quarantined(&key.place(BlockNumber(8)));
    assert_eq!(named(&bench), [(3, hash(3)), (7, hash(7))]);
    bench
        .receiver
        .settle_quarantined(&key.place(BlockNumber(20)));
    assert_eq!(named(&bench), [(3, hash(3)), (7, hash(7))]);
}

#[test]
fn a_number_that_no_driver_can_give_is_impossible() {
    let bench = Bench::default();
    for number in [0, u64::MAX] {
        let header = sample_header(number, Some(hash(1)));
        assert_eq!(bench.check(&header, hash(2)), Offer::ImpossibleNumber);
    }
}

#[test]
fn at_the_range_limit_a_block_is_deferred_and_an_older_one_still_accepted() {
    let mut bench = Bench::default();
    for n in 0..Receiver::STREAM_RANGE_COUNT_MAX as u64 {
        bench.offer(2 + 2 * n);
    }
    let beyond = 4 + 2 * Receiver::STREAM_RANGE_COUNT_MAX as u64;
    assert_eq!(bench.offer(beyond), Offer::Deferred);
    assert_eq!(bench.offer(1), Offer::New { link: Link::First });
}

#[test]
fn at_the_limit_of_epochs_blocks_of_another_one_are_deferred() {
    let bench_of = |count: usize| {
        let mut bench = Bench::default();
        for epoch in 0..count as u64 {
            let identity = ShotIdentity {
                epoch: Epoch(1_000 + epoch),
                ..sample_shot(1)
            };
            bench.receiver.record_shot(&identity);
        }
        bench
    };
    let header = |epoch| BlockHeader {
        epoch,
        ..sample_header(1, None)
    };
    let new = Offer::New { link: Link::First };
    let mut bench = bench_of(Receiver::EPOCH_COUNT_MAX);
    bench.receiver.record_session_end(&SessionEnded {
        session: SessionId::from_bytes([1; 16]),
        at: Timestamp::UNIX_EPOCH,
        outcome: SessionOutcome::Completed,
        last_counters: vec![GunPosition {
            gun: sample_gun(),
            epoch: Epoch(7),
            counter: ShotCounter(1),
            is_away: false,
        }],
    });
    for another in [Some(Epoch(7)), None] {
        assert_eq!(bench.check(&header(another), hash(1)), Offer::Deferred);
    }
    let of_room = BlockHeader {
        place: BlockPlace {
            stream: Stream::Room,
            ..sample_header(1, None).place
        },
        ..header(None)
    };
    // Nor when a store from elsewhere has more.
    bench.receiver.record_shot(&sample_shot(1));
    assert_eq!(bench.check(&of_room, hash(1)), new);
    assert_eq!(bench.check(&header(Some(Epoch(1_000))), hash(1)), new);
    let bench = bench_of(Receiver::EPOCH_COUNT_MAX - 1);
    assert_eq!(bench.check(&header(Some(Epoch(7))), hash(1)), new);
}

#[test]
fn a_hole_is_awaited_until_it_is_declared_and_a_late_arrival_fills_it() {
    let mut receiver = Receiver::default();
    for counter in [1, 2, 6] {
        assert_eq!(receiver.record_shot(&sample_shot(counter)), Arrival::New);
    }
    let states = |receiver: &Receiver| -> Vec<(u64, u64, GapState)> {
        let counters = receiver.counters(&sample_gun(), Epoch(7)).unwrap();
        let hole = |h: Hole| (h.range.first, h.range.last, h.state);
        counters.holes().into_iter().map(hole).collect()
    };
    assert_eq!(states(&receiver), [(3, 5, GapState::Awaited)]);
    receiver.record_gap(&sample_gap(3, Some(4)));
    let expected = [(3, 4, GapState::Declared), (5, 5, GapState::Awaited)];
    assert_eq!(states(&receiver), expected);
    let late = receiver.record_shot(&sample_shot(4));
    assert_eq!(late, Arrival::FillsDeclared);
    assert_eq!(receiver.record_shot(&sample_shot(4)), Arrival::Again);
    let counters = receiver.counters(&sample_gun(), Epoch(7)).unwrap();
    assert_eq!(counters.declared_missing_count(), 1);
    assert_eq!(counters.filled_later_count(), 1);
    assert!(!counters.settled_to(ShotCounter(6)));
    receiver.record_shot(&sample_shot(5));
    let counters = receiver.counters(&sample_gun(), Epoch(7)).unwrap();
    assert!(counters.settled_to(ShotCounter(6)));
}

#[test]
fn a_shot_that_is_gone_is_awaited_again_also_where_it_was_the_last() {
    let mut receiver = Receiver::default();
    (1..=4).for_each(|counter| {
        let _ = receiver.record_shot(&sample_shot(counter));
    });
    receiver.take_changes();
    receiver.forget_shot(&sample_shot(4));
    receiver.forget_shot(&sample_shot(2));
    receiver.forget_shot(&sample_shot(9));
    assert!(receiver.holds(&sample_shot(1)) && !receiver.holds(&sample_shot(4)));
    let doubt = receiver.doubt(&sample_gun(), Epoch(7)).unwrap();
    let missing: Vec<Range> = doubt.missing.ranges().collect();
    let one = |n| Range { first: n, last: n };
    assert_eq!((missing, doubt.known_to), (vec![one(2), one(4)], 4));
    let changes = receiver.take_changes();
    let mut read_back = Receiver::restore(Vec::new(), changes.counters);
    assert!(read_back == receiver);
    assert_eq!(read_back.record_shot(&sample_shot(4)), Arrival::New);
}

#[test]
fn a_gap_without_an_end_says_that_the_count_is_unknown() {
    let mut receiver = Receiver::default();
    receiver.record_gap(&sample_gap(9, None));
    receiver.record_gap(&sample_gap(5, None));
    let counters = receiver.counters(&sample_gun(), Epoch(7)).unwrap();
    assert_eq!(counters.open_ended_from(), Some(5));
    assert_eq!(counters.declared_missing_count(), 0);
}

proptest! {
    #[test]
    fn ranges_answer_like_a_plain_set(
        numbers in prop::collection::vec(0_u64..60, 0..80),
        (start, end) in (0_u64..60, 0_u64..60),
    ) {
        let mut set = RangeSet::default();
        let mut model = BTreeSet::new();
        for n in &numbers {
            prop_assert_eq!(set.would_add_range(*n), !model.contains(n)
                && !model.contains(&(n + 1))
                && !n.checked_sub(1).is_some_and(|b| model.contains(&b)));
            prop_assert_eq!(set.insert(*n), model.insert(*n));
        }
        prop_assert_eq!(set.count(), model.len() as u64);
        prop_assert_eq!(set.highest(), model.last().copied());
        let missing: Vec<u64> = set
            .missing_between(start, end)
            .into_iter()
            .flat_map(|r| r.first..=r.last)
            .collect();
        let expected: Vec<u64> = (start..=end).filter(|n| !model.contains(n)).collect();
        prop_assert_eq!(missing, expected);
        let rebuilt: RangeSet = set.ranges().collect();
        prop_assert_eq!(rebuilt, set);
    }

    #[test]
    fn any_order_and_any_repetition_of_blocks_ends_in_the_same_state(
        order in prop::collection::vec(1_u64..20, 0..80),
    ) {
        let mut bench = Bench::default();
        let mut model = BTreeSet::new();
        for number in order {
            let new = matches!(bench.offer(number), Offer::New { .. });
            prop_assert_eq!(new, model.insert(number));
        }
        let prefix = (1..).take_while(|n| model.contains(n)).count() as u64;
        let settled = bench.settled();
        prop_assert_eq!(settled.to, prefix);
        let beyond: Vec<u64> =
            settled.ranges.iter().flat_map(|r| r.first..=r.last).collect();
        let expected: Vec<u64> = model.into_iter().filter(|n| *n > prefix).collect();
        prop_assert_eq!(beyond, expected);
    }

    #[test]
    fn a_receiver_put_together_from_its_checkpoints_is_the_same_receiver(
        steps in prop::collection::vec((1_u64..20, 1_u32..30, any::<bool>()), 0..60),
    ) {
        let mut bench = Bench::default();
        let mut streams = BTreeMap::new();
        let mut counters = BTreeMap::new();
        for (number, counter, gap) in steps {
            bench.offer(number);
            if number == 7 {
                bench.receiver.record_custody(&sample_header(1, None), &custody::sample_custody(counter, 3));
            } else if gap {
                bench.receiver.record_gap(&sample_gap(counter, Some(counter + 2)));
            } else {
                bench.receiver.record_shot(&sample_shot(counter));
            }
            let changes = bench.receiver.take_changes();
            streams.extend(changes.streams.into_iter().map(|s| (s.key.clone(), s)));
            counters.extend(changes.counters.into_iter().map(|c| ((c.gun.clone(), c.epoch), c)));
        }
        let rebuilt = Receiver::restore(
            streams.into_values().collect::<Vec<_>>(),
            counters.into_values().collect::<Vec<_>>(),
        );
        prop_assert!(rebuilt == bench.receiver);
    }

    #[test]
    fn every_counter_is_held_awaited_or_declared(
        shots in prop::collection::vec(1_u32..40, 1..40),
        gaps in prop::collection::vec((1_u32..40, 0_u32..6), 0..6),
    ) {
        let mut receiver = Receiver::default();
        for shot in &shots {
            receiver.record_shot(&sample_shot(*shot));
        }
        for (first, length) in &gaps {
            receiver.record_gap(&sample_gap(*first, Some(first + length)));
        }
        let counters = receiver.counters(&sample_gun(), Epoch(7)).unwrap();
        let mut named: Vec<u64> = counters
            .holes()
            .into_iter()
            .flat_map(|h| h.range.first..=h.range.last)
            .collect();
        named.extend(shots.iter().copied().collect::<BTreeSet<_>>().into_iter().map(u64::from));
        named.sort_unstable();
        let end = counters.held.highest().max(counters.declared.highest()).unwrap();
        prop_assert_eq!(named, (1..=end).collect::<Vec<_>>());
    }
}
