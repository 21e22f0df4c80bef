//! Blocks that cannot be sent.

use meso_delivery::Range;
use meso_journal::ForgottenShots;
use meso_units::BlockNumber;

use super::*;
use crate::outbox::{Undeliverable, WhyNot};

fn publishes(effects: &[Effect]) -> usize {
    let publish = |effect: &&Effect| matches!(effect, Effect::Publish(_));
    effects.iter().filter(publish).count()
}

#[test]
fn a_block_that_no_message_can_carry_is_shown_and_not_tried_for_ever() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.hear(vec![shot(1)]);
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    let now = bench.now();
    let sent = bench.engine.delivery(now, 0, SenderEvent::Connected);
    assert_eq!(publishes(&sent), 1);
    let block = Undeliverable {
        stream: Stream::Gun(serial()),
        number: BlockNumber(1),
        why: WhyNot::NoMessage,
    };
    bench.engine.undeliverable(now, block);
    assert_eq!(bench.engine.room_state(now, true).unsendable_block_count, 1);
    bench.now_ms = 3_600_000;
    let later = bench.engine.delivery(bench.now(), 0, SenderEvent::Tick);
    assert_eq!(publishes(&later), 0, "it is not tried again");
    let bench = bench.restart();
    assert_eq!(
        bench.engine.unsettled_block_count(),
        1,
        "it is in the journal, and the next start tries once"
    );
}

#[test]
fn shots_that_store_and_journal_have_lost_get_a_name() {
    let bench = Bench::new();
    let forgotten = [ForgottenShots {
        epoch: EPOCH,
        counters: Range { first: 3, last: 9 },
    }];
    let stream = Stream::Gun(serial());
    let now = bench.now();
    let work = bench.engine.declare_forgotten(now, &stream, &forgotten);
    let records: Vec<_> = work
        .batch
        .records
        .into_iter()
        .map(|new| new.record)
        .collect();
    let gap = gaps_of(&records)[0];
    assert_eq!(
        (gap.first, gap.last),
        (ShotCounter(3), Some(ShotCounter(9)))
    );
    assert_eq!(gap.state, GapState::Declared);
    let room = bench
        .engine
        .declare_forgotten(now, &Stream::Room, &forgotten);
    assert!(room.batch.records.is_empty());
}

fn custody_of(records: &[Record]) -> Vec<(u32, u32)> {
    let custody = records.iter().filter_map(|record| match record {
        Record::Custody(custody) => Some((custody.first.get(), custody.newest.get())),
        _ => None,
    });
    custody.collect()
}

fn attached(oldest: u32, newest: u32, acknowledged: u32) -> Vec<GunEvent> {
    let mut hello = hello(Some(EPOCH), oldest, newest);
    hello.inventory.acknowledged = (acknowledged > 0).then_some(ShotCounter(acknowledged));
    vec![GunEvent::Attached(Box::new(hello))]
}

#[test]
fn custody_is_written_when_a_gun_is_new_and_when_others_have_had_it() {
    let mut bench = Bench::new();
    let (_, records) = bench.hear(attached(1, 2, 0));
    assert_eq!(custody_of(&records), [(1, 2)]);
    bench.hear(vec![shot(1), shot(2)]);
    let (_, records) = bench.hear(attached(1, 2, 2));
    assert_eq!(custody_of(&records), [], "nothing is new");
    let (_, records) = bench.hear(attached(3, 9, 7));
    assert_eq!(custody_of(&records), [(8, 9)], "others have read up to 7");
    // After a start nobody knows who had it meanwhile.
    let mut bench = bench.restart();
    let (_, records) = bench.hear(attached(3, 9, 7));
    assert_eq!(custody_of(&records).len(), 1);
}

#[test]
fn a_gun_that_was_away_at_the_end_of_a_session_is_named_and_written_down_when_it_is_back() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    let session = bench.open_session();
    bench.hear(vec![shot(1)]);
    let reason = meso_serial::DetachReason::HungUp;
    bench.hear(vec![GunEvent::Detached { reason }]);
    bench.now_ms = 5_000;
    let taken = bench.step(&RoomStepBody::End {
        session: session.to_string(),
        outcome: "completed".to_owned(),
    });
    let meso_domain::SessionEvent::Ended(ended) = &taken.events[0] else {
        panic!("{:?}", taken.events);
    };
    let position = &ended.last_counters[0];
    assert_eq!((position.counter, position.is_away), (ShotCounter(1), true));
    let (_, records) = bench.hear(attached(1, 3, 1));
    assert_eq!(custody_of(&records), [(2, 3)], "it fired twice meanwhile");
}

fn found(bench: &Bench, wanted: &[Range]) -> meso_journal::Found {
    let (sender, receiver) = mpsc::channel();
    let stream = Stream::Gun(serial());
    bench
        .journal
        .find(stream, EPOCH, wanted.to_vec(), move |found| {
            sender.send(found.unwrap()).unwrap();
        });
    receiver.recv().unwrap()
}

#[test]
fn what_the_ingest_lacks_is_sent_again_and_what_nobody_has_is_not_promised() {
    let mut bench = Bench::new();
    bench.hear(attached(3, 8, 0));
    bench.hear(vec![shot(3), shot(4), shot(5)]);
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    let wanted = [Range { first: 1, last: 4 }];
    let answer = bench.engine.take_wanted(
        bench.now(),
        &serial(),
        EPOCH,
        &wanted,
        &found(&bench, &wanted),
    );
    let held: Vec<_> = answer
        .answer
        .held
        .iter()
        .map(|it| (it.first, it.last))
        .collect();
    assert_eq!(held, [(3, 8)], "5 are here, 3 are still to be read");
    assert_eq!(answer.answer.present_epoch(), Ok(Some(EPOCH)));
    let number = bench.sealed.last().unwrap().number.get();
    let resend = SenderEvent::Wanted {
        stream: Stream::Gun(serial()),
        numbers: vec![number],
    };
    assert_eq!(answer.resend, resend);
    assert!(answer.work.is_empty());
    let other = Epoch(1_000);
    let nothing = meso_journal::Found::default();
    let answer = bench
        .engine
        .take_wanted(bench.now(), &serial(), other, &[], &nothing);
    assert!(answer.answer.held.is_empty());
    assert_eq!(answer.answer.present_epoch(), Ok(Some(EPOCH)), "it is over");
}

#[test]
fn what_the_ring_still_holds_is_read_from_the_gun_once_more_and_only_once() {
    let mut bench = Bench::new();
    bench.attach(1, 4);
    let rejected = GunEvent::Rejected {
        reason: RejectCause::Frame(RejectReason::UnknownCode {
            field: "purpose",
            code: 99,
        }),
        bytes: vec![1],
        identity: Some(ShotKey {
            epoch: EPOCH,
            counter: ShotCounter(2),
        }),
    };
    bench.hear(vec![shot(1), rejected, shot(3), shot(4)]);
    let wanted = [Range { first: 2, last: 2 }];
    let mut ask = || {
        let found = found(&bench, &wanted);
        let now = bench.now();
        let answer = bench
            .engine
            .take_wanted(now, &serial(), EPOCH, &wanted, &found);
        let held = answer.answer.held.iter().map(|it| (it.first, it.last));
        (answer.work.last.clone(), held.collect::<Vec<_>>())
    };
    assert_eq!(ask(), (vec![expect(2)], vec![(1, 4)]));
    assert_eq!(ask(), (vec![], vec![(1, 1), (3, 4)]), "it did not help");
}

#[test]
fn shots_that_were_forgotten_are_named_when_they_are_wanted() {
    let bench = Bench::new();
    let set = |first, last| [Range { first, last }].into_iter().collect();
    let gone = meso_journal::Found {
        shots: set(1, 9),
        forgotten: set(1, 3),
        ..meso_journal::Found::default()
    };
    let mut bench = bench;
    let wanted = [Range { first: 1, last: 3 }];
    let now = bench.now();
    let answer = bench
        .engine
        .take_wanted(now, &serial(), EPOCH, &wanted, &gone);
    let records = answer
        .work
        .batch
        .records
        .iter()
        .map(|new| new.record.clone());
    let records: Vec<_> = records.collect();
    assert_eq!(gaps_of(&records)[0].last, Some(ShotCounter(3)));
    let held: Vec<_> = answer
        .answer
        .held
        .iter()
        .map(|it| (it.first, it.last))
        .collect();
    assert_eq!(held, [(4, 9)]);
}

#[test]
fn a_clock_that_is_set_forward_ends_no_session() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.open_session();
    let look = |bench: &mut Bench, utc_ms: u64, monotonic_ms: u64| {
        let now = Now {
            utc: at(utc_ms),
            monotonic_ms,
        };
        bench.engine.take_idle(now).is_some()
    };
    assert!(!look(&mut bench, 1_000, 1_000));
    assert!(!look(&mut bench, 7_200_000, 1_250), "two hours in a moment");
    assert!(!look(&mut bench, 7_300_000, 101_250));
    assert!(look(&mut bench, 9_300_000, 2_101_250), "it is idle now");
}
