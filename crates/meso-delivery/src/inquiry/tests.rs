//! Whom to ask, for how long, and what is certain by the answers.

use proptest::prelude::*;

use super::*;

const EPOCH: Epoch = Epoch(7);
const NEXT_EPOCH: Epoch = Epoch(8);

fn gun() -> GunSerial {
    GunSerial::parse("GUN-0001").unwrap()
}

fn clinic() -> ClinicId {
    ClinicId::parse("riverside").unwrap()
}

fn room(number: u64) -> DriverId {
    DriverId::parse(&format!("room-{number}")).unwrap()
}

fn holder(number: u64, incarnation: u64) -> Holder {
    Holder {
        clinic: clinic(),
        driver: room(number),
        incarnation: JournalIncarnation(incarnation),
    }
}

fn set(ranges: &[(u64, u64)]) -> RangeSet {
    let ranges = ranges.iter().map(|(first, last)| Range {
        first: *first,
        last: *last,
    });
    ranges.collect()
}

fn doubt(missing: &[(u64, u64)], holders: &[Holder]) -> Doubt {
    Doubt {
        missing: set(missing),
        known_to: 20,
        may_be_over: false,
        holders: holders.iter().cloned().collect(),
    }
}

/// Rooms 1 to `count` are there, each with its first journal.
fn with_rooms(count: u64) -> Inquiries {
    let mut inquiries = Inquiries::default();
    for number in 1..=count {
        let life = JournalIncarnation(1);
        inquiries.driver(0, clinic(), room(number), life, true);
    }
    inquiries
}

fn answer(number: u64, held: &[(u64, u64)], present: Option<Epoch>) -> Answer {
    Answer {
        driver: room(number),
        incarnation: JournalIncarnation(1),
        gun: gun(),
        epoch: EPOCH,
        held: set(held),
        present,
    }
}

fn gone(first: u64, last: u64) -> Conclusion {
    Conclusion::Gone {
        gun: gun(),
        epoch: EPOCH,
        range: Range { first, last },
    }
}

fn asked(questions: &[Question]) -> Vec<&str> {
    let drivers = questions.iter().map(|it| it.holder.driver.as_str());
    drivers.collect()
}

#[test]
fn a_hole_that_the_next_block_closes_is_asked_of_nobody() {
    let mut inquiries = with_rooms(2);
    let hole = doubt(&[(5, 6)], &[holder(1, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    assert_eq!(inquiries.ask(Inquiries::PATIENCE_MS - 1, 0), vec![]);
    inquiries.consider(1, &gun(), EPOCH, None);
    assert_eq!(inquiries.ask(Inquiries::PATIENCE_MS, 0), vec![]);
    assert_eq!(inquiries.open_count(), 0);
}

#[test]
fn everybody_is_asked_again_later_and_later() {
    let mut inquiries = with_rooms(2);
    let hole = doubt(&[(5, 6)], &[holder(1, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    let mut now_ms = Inquiries::PATIENCE_MS;
    let mut waits = Vec::new();
    for _ in 0..7 {
        let questions = inquiries.ask(now_ms, 0);
        assert_eq!(asked(&questions), ["room-1", "room-2"]);
        assert_eq!(questions[0].wanted, vec![Range { first: 5, last: 6 }]);
        let again_ms = (now_ms + 1..).find(|at| !inquiries.clone().ask(*at, 0).is_empty());
        waits.push(again_ms.unwrap() - now_ms);
        now_ms = again_ms.unwrap();
    }
    assert_eq!(
        waits,
        [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]
    );
}

#[test]
fn as_long_as_asking_helps_it_is_done_again_soon() {
    let mut inquiries = with_rooms(1);
    let hole = |first| Some(doubt(&[(first, 15)], &[holder(1, 1)]));
    inquiries.consider(0, &gun(), EPOCH, hole(5));
    let mut now_ms = Inquiries::PATIENCE_MS;
    for first in 6..=12 {
        assert_eq!(inquiries.ask(now_ms, 0).len(), 1);
        // What came is less than what was asked for.
        inquiries.consider(now_ms, &gun(), EPOCH, hole(first));
        now_ms += Inquiries::PATIENCE_MS;
    }
    assert_eq!(inquiries.ask(now_ms, 0).len(), 1);
    let again_ms = now_ms + Inquiries::ROUND_MS;
    assert_eq!(inquiries.ask(again_ms - 1, 0), vec![], "nothing came");
    assert_eq!(inquiries.ask(again_ms, 0).len(), 1);
}

#[test]
fn what_nobody_holds_is_gone_once_all_have_answered_and_the_gun_was_seen() {
    let mut inquiries = with_rooms(2);
    let hole = doubt(&[(5, 9)], &[holder(1, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    assert_eq!(inquiries.answer(answer(1, &[(1, 4)], Some(EPOCH))), vec![]);
    // Room 2 is going to bring two of them.
    let certain = inquiries.answer(answer(2, &[(7, 8)], None));
    assert_eq!(certain, vec![gone(5, 6), gone(9, 9)]);
    assert_eq!(inquiries.awaited_from(&gun(), EPOCH), vec![holder(2, 1)]);
}

#[test]
fn while_the_gun_is_unplugged_it_may_hold_what_is_missing() {
    let mut inquiries = with_rooms(1);
    let hole = doubt(&[(5, 6)], &[holder(1, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    assert_eq!(inquiries.answer(answer(1, &[], None)), vec![]);
    let certain = inquiries.answer(answer(1, &[], Some(NEXT_EPOCH)));
    assert_eq!(certain, vec![gone(5, 6)]);
}

#[test]
fn a_room_that_is_away_is_waited_for_and_a_journal_that_was_replaced_is_not() {
    let mut inquiries = with_rooms(1);
    let hole = doubt(&[(5, 6)], &[holder(1, 1), holder(2, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    let questions = inquiries.ask(Inquiries::PATIENCE_MS, 0);
    assert_eq!(
        asked(&questions),
        ["room-1", "room-2"],
        "room 2 was not seen yet, and may be there all the same"
    );
    assert_eq!(inquiries.answer(answer(1, &[], Some(EPOCH))), vec![]);
    let waiting_for = inquiries.awaited_from(&gun(), EPOCH);
    assert_eq!(waiting_for, vec![holder(2, 1)]);
    // Room 2 comes with a new disk.
    let life = JournalIncarnation(2);
    inquiries.driver(6_000, clinic(), room(2), life, true);
    assert_eq!(inquiries.answer(answer(1, &[], Some(EPOCH))), vec![]);
    let of_new_journal = Answer {
        incarnation: life,
        ..answer(2, &[], None)
    };
    assert_eq!(inquiries.answer(of_new_journal), vec![gone(5, 6)]);
}

#[test]
fn a_retired_journal_is_not_waited_for_but_asked_while_it_is_there() {
    let mut inquiries = with_rooms(1);
    let hole = doubt(&[(5, 6)], &[holder(1, 1), holder(2, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    assert_eq!(inquiries.answer(answer(1, &[], Some(EPOCH))), vec![]);
    inquiries.retire(0, &room(2), JournalIncarnation(1));
    assert!(inquiries.is_retired(&room(2)) && !inquiries.is_retired(&room(1)));
    assert_eq!(inquiries.awaited_from(&gun(), EPOCH), vec![]);
    let certain = inquiries.answer(answer(1, &[], Some(EPOCH)));
    assert_eq!(certain, vec![gone(5, 6)]);
    // It comes back after all.
    inquiries.driver(0, clinic(), room(2), JournalIncarnation(1), true);
    assert!(!inquiries.is_retired(&room(2)) && inquiries.is_online(&room(2)));
    assert_eq!(inquiries.answer(answer(1, &[], Some(EPOCH))), vec![]);
    assert_eq!(
        asked(&inquiries.ask(Inquiries::PATIENCE_MS, 0)),
        ["room-1", "room-2"]
    );
}

#[test]
fn a_new_journal_of_a_retired_room_is_waited_for_as_any_other() {
    let mut inquiries = with_rooms(1);
    let hole = doubt(&[(5, 6)], &[holder(1, 1), holder(2, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    inquiries.retire(0, &room(2), JournalIncarnation(1));
    for is_online in [true, false] {
        inquiries.driver(0, clinic(), room(2), JournalIncarnation(2), is_online);
    }
    assert!(!inquiries.is_retired(&room(2)));
    assert_eq!(inquiries.answer(answer(1, &[], Some(EPOCH))), vec![]);
    assert_eq!(inquiries.awaited_from(&gun(), EPOCH), vec![holder(2, 2)]);
}

#[test]
fn an_epoch_is_over_when_its_gun_is_seen_under_another() {
    let perhaps_over = Doubt {
        may_be_over: true,
        ..doubt(&[], &[holder(1, 1)])
    };
    let mut inquiries = with_rooms(2);
    inquiries.consider(0, &gun(), EPOCH, Some(perhaps_over));
    inquiries.answer(answer(1, &[(1, 20)], Some(EPOCH)));
    assert_eq!(inquiries.answer(answer(2, &[], None)), vec![], "it is not");
    inquiries.answer(answer(1, &[(1, 25)], None));
    let certain = inquiries.answer(answer(2, &[], Some(NEXT_EPOCH)));
    assert_eq!(certain, vec![], "room 1 is going to bring more of it");
    inquiries.answer(answer(1, &[(1, 20)], None));
    let certain = inquiries.answer(answer(2, &[], Some(NEXT_EPOCH)));
    let over = Conclusion::Over {
        gun: gun(),
        epoch: EPOCH,
        from: 21,
    };
    assert_eq!(certain, vec![over]);
}

#[test]
fn a_gun_that_was_seen_under_its_epoch_is_left_alone_until_it_is_seen_again() {
    let perhaps_over = Doubt {
        may_be_over: true,
        ..doubt(&[], &[holder(1, 1)])
    };
    let mut inquiries = with_rooms(1);
    inquiries.consider(0, &gun(), EPOCH, Some(perhaps_over));
    assert_eq!(inquiries.ask(5_000, 0).len(), 1);
    inquiries.answer(answer(1, &[(1, 20)], Some(EPOCH)));
    assert_eq!(inquiries.open_count(), 0);
    assert_eq!(inquiries.ask(9_000_000, 0), vec![]);
    inquiries.driver(9_000_000, clinic(), room(1), JournalIncarnation(1), true);
    assert_eq!(
        inquiries.open_count(),
        0,
        "a driver that comes back is no news"
    );
    inquiries.gun_was_seen(9_000_000, &gun());
    assert_eq!(inquiries.ask(9_000_000, 0), vec![], "not at once");
    assert_eq!(inquiries.ask(9_005_000, 0).len(), 1);
}

#[test]
fn an_answer_to_an_older_question_says_nothing_of_a_new_hole() {
    let mut inquiries = with_rooms(2);
    let holders = [holder(1, 1)];
    inquiries.consider(0, &gun(), EPOCH, Some(doubt(&[(5, 6)], &holders)));
    inquiries.answer(answer(1, &[], Some(EPOCH)));
    let more = doubt(&[(5, 6), (9, 9)], &holders);
    inquiries.consider(10, &gun(), EPOCH, Some(more));
    assert_eq!(inquiries.answer(answer(2, &[], None)), vec![]);
    // A hole that became smaller changes nothing.
    inquiries.consider(20, &gun(), EPOCH, Some(doubt(&[(9, 9)], &holders)));
    let certain = inquiries.answer(answer(1, &[], Some(EPOCH)));
    assert_eq!(certain, vec![gone(9, 9)]);
}

#[test]
fn drivers_of_other_clinics_are_not_asked() {
    let mut inquiries = with_rooms(1);
    let other = ClinicId::parse("hillside").unwrap();
    inquiries.driver(0, other, room(9), JournalIncarnation(1), true);
    let hole = doubt(&[(5, 6)], &[holder(1, 1)]);
    inquiries.consider(0, &gun(), EPOCH, Some(hole));
    let questions = inquiries.ask(Inquiries::PATIENCE_MS, 0);
    assert_eq!(asked(&questions), ["room-1"]);
}

#[test]
fn questions_of_one_step_have_a_limit_and_all_are_asked_in_the_end() {
    let mut inquiries = with_rooms(3);
    let epochs = 1..=100;
    for epoch in epochs.clone() {
        let hole = doubt(&[(5, 6)], &[holder(1, 1)]);
        inquiries.consider(0, &gun(), Epoch(epoch), Some(hole));
    }
    let mut seen = BTreeSet::new();
    for step in 0..6 {
        let questions = inquiries.ask(Inquiries::PATIENCE_MS + step, 0);
        assert!(questions.len() <= Inquiries::QUESTIONS_MAX);
        seen.extend(questions.into_iter().map(|it| it.epoch.get()));
    }
    assert_eq!(seen, epochs.collect());
}

proptest! {
    #[test]
    fn nothing_that_anybody_holds_is_ever_gone_and_the_rest_is_in_the_end(
        missing in prop::collection::btree_set(1_u64..20, 1..12),
        journals in prop::collection::vec(prop::collection::btree_set(1_u64..20, 0..8), 3),
        order in prop::collection::vec((0_usize..3, any::<bool>()), 0..12),
    ) {
        let single = |n: &u64| Range { first: *n, last: *n };
        let mut inquiries = with_rooms(3);
        let of = Doubt {
            missing: missing.iter().map(single).collect(),
            ..doubt(&[], &[holder(1, 1)])
        };
        inquiries.consider(0, &gun(), EPOCH, Some(of));
        let mut named = BTreeSet::new();
        let last_round = (0..3).map(|room| (room, true));
        for (place, is_plugged_in) in order.into_iter().chain(last_round) {
            let number = place as u64 + 1;
            let said = Answer {
                held: journals[place].iter().map(single).collect(),
                ..answer(number, &[], is_plugged_in.then_some(EPOCH))
            };
            for conclusion in inquiries.answer(said) {
                if let Conclusion::Gone { range, .. } = conclusion {
                    named.extend(range.first..=range.last);
                }
            }
        }
        let held: BTreeSet<u64> = journals.into_iter().flatten().collect();
        prop_assert_eq!(named, &missing - &held);
    }
}
