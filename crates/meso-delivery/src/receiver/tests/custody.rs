//! Who had a gun, and what that says about what is missing.

use meso_domain::{GunPosition, SessionOutcome};
use meso_units::SessionId;

use super::*;

pub(super) fn sample_custody(first: u32, at_ns: i64) -> Custody {
    Custody {
        gun: sample_gun(),
        epoch: Epoch(7),
        first: ShotCounter(first),
        newest: ShotCounter(first - 1),
        at: at(at_ns),
    }
}

fn at(ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(ns).unwrap()
}

fn header_of(room: &str) -> BlockHeader {
    let mut header = sample_header(1, None);
    header.place.driver = DriverId::parse(room).unwrap();
    header
}

fn counters(receiver: &Receiver) -> &Counters {
    receiver.counters(&sample_gun(), Epoch(7)).unwrap()
}

fn take(receiver: &mut Receiver, room: &str, first: u32, at_ns: i64) {
    receiver.record_custody(&header_of(room), &sample_custody(first, at_ns));
}

fn record_shots(receiver: &mut Receiver, shots: impl IntoIterator<Item = u32>) {
    for counter in shots {
        receiver.record_shot(&sample_shot(counter));
    }
}

#[test]
fn custody_goes_from_counter_to_counter_in_whatever_order_it_is_told() {
    let told = [("room-1", 1, 10), ("room-2", 11, 20), ("room-1", 31, 30)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let mut receiver = Receiver::default();
        for place in order {
            let (room, first, at_ns) = told[place];
            take(&mut receiver, room, first, at_ns);
        }
        // A daemon that starts says it again, and changes nothing.
        take(&mut receiver, "room-1", 41, 40);
        let custody = counters(&receiver).custody();
        let intervals: Vec<_> = custody
            .iter()
            .map(|it| (it.first, it.last, it.holder.driver.as_str()))
            .collect();
        let expected = [
            (1, Some(10), "room-1"),
            (11, Some(30), "room-2"),
            (31, None, "room-1"),
        ];
        assert_eq!(intervals, expected);
    }
}

#[test]
fn of_two_who_had_the_gun_while_it_fired_nothing_the_later_counts() {
    for order in [["room-1", "room-2"], ["room-2", "room-1"]] {
        let mut receiver = Receiver::default();
        for room in order {
            take(
                &mut receiver,
                room,
                5,
                if room == "room-2" { 20 } else { 10 },
            );
        }
        let holder = counters(&receiver).holder_at(7).unwrap();
        assert_eq!(holder.driver.as_str(), "room-2");
    }
}

#[test]
fn a_hole_is_awaited_from_whoever_had_the_gun_then() {
    let mut receiver = Receiver::default();
    take(&mut receiver, "room-1", 1, 10);
    take(&mut receiver, "room-2", 11, 20);
    record_shots(&mut receiver, (1..=8).chain(13..=14));
    let holes: Vec<_> = counters(&receiver)
        .holes()
        .into_iter()
        .map(|hole| {
            let driver = hole.holder.map(|holder| holder.driver.to_string());
            (hole.range.first, hole.range.last, driver.unwrap())
        })
        .collect();
    let room = |number| format!("room-{number}");
    assert_eq!(holes, [(9, 10, room(1)), (11, 12, room(2))]);
}

#[test]
fn shots_that_only_a_gun_has_spoken_of_are_missing_too() {
    let mut receiver = Receiver::default();
    let mut custody = sample_custody(1, 10);
    custody.newest = ShotCounter(4);
    receiver.record_custody(&header_of("room-1"), &custody);
    record_shots(&mut receiver, 1..=2);
    let doubt = receiver.doubt(&sample_gun(), Epoch(7)).unwrap();
    let missing: Vec<_> = doubt.missing.ranges().collect();
    assert_eq!(missing, [Range { first: 3, last: 4 }]);
    assert_eq!(doubt.holders.len(), 1);
    record_shots(&mut receiver, 3..=4);
    assert_eq!(receiver.doubt(&sample_gun(), Epoch(7)), None);
}

#[test]
fn of_two_epochs_one_is_over_and_of_one_nobody_asks() {
    let mut receiver = Receiver::default();
    take(&mut receiver, "room-1", 1, 10);
    assert_eq!(receiver.doubt(&sample_gun(), Epoch(7)), None);
    let other = Custody {
        epoch: Epoch(8),
        ..sample_custody(1, 20)
    };
    receiver.record_custody(&header_of("room-2"), &other);
    for epoch in [Epoch(7), Epoch(8)] {
        let doubt = receiver.doubt(&sample_gun(), epoch).unwrap();
        assert!(doubt.may_be_over);
        assert_eq!(doubt.holders.len(), 2, "both rooms are asked");
    }
    receiver.record_gap(&sample_gap(1, None));
    assert_eq!(receiver.doubt(&sample_gun(), Epoch(7)), None, "it is over");
    let other = receiver.doubt(&sample_gun(), Epoch(8)).unwrap();
    assert!(other.may_be_over, "the gun may have left it, too");
}

#[test]
fn totals_are_provisional_while_an_older_counter_is_awaited() {
    let mut receiver = Receiver::default();
    record_shots(&mut receiver, [1, 2, 4]);
    let standing = |receiver: &Receiver, counter| {
        let counters = counters(receiver);
        counters.standing(ShotCounter(counter))
    };
    assert_eq!(standing(&receiver, 2), Standing::Final);
    assert_eq!(standing(&receiver, 4), Standing::Provisional);
    receiver.record_gap(&sample_gap(3, Some(3)));
    assert_eq!(standing(&receiver, 4), Standing::Final);
}

#[test]
fn a_session_waits_for_a_gun_that_was_away_until_it_is_seen_again() {
    let position = |is_away| GunPosition {
        gun: sample_gun(),
        epoch: Epoch(7),
        counter: ShotCounter(2),
        is_away,
    };
    let mut receiver = Receiver::default();
    take(&mut receiver, "room-1", 1, 10);
    record_shots(&mut receiver, 1..=2);
    let settles = |receiver: &Receiver, is_away| {
        counters(receiver).settles_session(&position(is_away), at(100))
    };
    assert!(settles(&receiver, false));
    assert!(!settles(&receiver, true), "it may hold more");
    // It comes back in another room with two shots more.
    let mut back = sample_custody(3, 200);
    back.newest = ShotCounter(4);
    receiver.record_custody(&header_of("room-2"), &back);
    assert!(!settles(&receiver, true), "they are on their way");
    record_shots(&mut receiver, 3..=4);
    assert!(settles(&receiver, true));
    // One that never comes back is waited for until its epoch is known to be over.
    let mut receiver = Receiver::default();
    record_shots(&mut receiver, 1..=2);
    receiver.record_gap(&sample_gap(3, None));
    assert!(settles(&receiver, true));
}

#[test]
fn the_end_of_a_session_says_what_is_missing_behind_the_last_shot_that_came() {
    let mut receiver = Receiver::default();
    record_shots(&mut receiver, 1..=2);
    receiver.record_session_end(&SessionEnded {
        session: SessionId::from_bytes([1; 16]),
        at: at(5),
        outcome: SessionOutcome::Completed,
        last_counters: vec![GunPosition {
            gun: sample_gun(),
            epoch: Epoch(7),
            counter: ShotCounter(5),
            is_away: false,
        }],
    });
    let awaited = counters(&receiver).awaited_gaps(&sample_gun(), Epoch(7), at(6));
    let ends: Vec<_> = awaited.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(ends, [(ShotCounter(3), Some(ShotCounter(5)))]);
}

#[test]
fn what_lies_before_an_open_end_is_missing_where_it_did_not_arrive() {
    let mut receiver = Receiver::default();
    record_shots(&mut receiver, 1..=2);
    receiver.record_gap(&sample_gap(6, None));
    let doubt = receiver.doubt(&sample_gun(), Epoch(7)).unwrap();
    let missing: Vec<_> = doubt.missing.ranges().collect();
    assert_eq!(missing, [Range { first: 3, last: 5 }]);
}

proptest! {
    #[test]
    fn a_set_without_another_is_what_a_plain_set_says(
        one in prop::collection::btree_set(0_u64..40, 0..30),
        other in prop::collection::btree_set(0_u64..40, 0..30),
        taken_out in 0_u64..40,
    ) {
        let set = |numbers: &BTreeSet<u64>| -> RangeSet {
            numbers.iter().map(|n| Range { first: *n, last: *n }).collect()
        };
        let left = set(&one).without(&set(&other));
        prop_assert_eq!(&left, &set(&(&one - &other)));
        let mut fewer = set(&one);
        fewer.remove(taken_out);
        let mut model = one;
        model.remove(&taken_out);
        prop_assert_eq!(fewer.is_empty(), model.is_empty());
        prop_assert_eq!(fewer, set(&model));
    }
}
