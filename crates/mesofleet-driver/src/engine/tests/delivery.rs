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
