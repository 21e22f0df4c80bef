//! What is refused: kept, and settled only where it is; what a newer driver sends: left with it.

use meso_alerts::{AlertState, FleetCause};
use meso_contract::BlockMessage;
use meso_domain::Stream;
use meso_store::{QUARANTINE_BYTES_ROWS_MAX, QuarantineRoom, Quarantined};

use super::fleet::{SEEN, driver_status};
use super::*;
use crate::ingest::trouble::REFUSED_SEEN_MIN;

fn topic_of(block: &RecordBlock) -> String {
    let place = &block.header().place;
    meso_contract::topics::blocks(&sample_clinic(), &place.driver, &place.stream)
}

fn payload_of(block: &RecordBlock) -> String {
    String::from_utf8(BlockMessage::encode(block).unwrap()).unwrap()
}

/// The block as it comes where something of it is written in another way.
fn changed(block: &RecordBlock, from: &str, to: &str) -> Arrival {
    let sound = payload_of(block);
    let changed = sound.replacen(from, to, 1);
    assert_ne!(changed, sound, "there is no {from}");
    Arrival::read(&topic_of(block), changed.as_bytes(), now())
}

/// A digit of its hash is another one.
fn damaged(block: &RecordBlock) -> Arrival {
    let digit = block.hash().to_string().remove(0);
    let other = if digit == '0' { '1' } else { '0' };
    let (from, to) = (format!("\"hash\":\"{digit}"), format!("\"hash\":\"{other}"));
    changed(block, &from, &to)
}

/// The same, with so much space behind it that it is kept only where there is room.
fn damaged_and_large(block: &RecordBlock) -> Arrival {
    let space = " ".repeat(meso_store::QUARANTINE_SMALL_BYTES_MAX);
    let Arrival::Refused { quarantined, .. } = damaged(block) else {
        panic!("it was believed");
    };
    let text = String::from_utf8(quarantined.bytes).unwrap() + &space;
    Arrival::read(&topic_of(block), text.as_bytes(), now())
}

/// The block of a driver that has one more key in its header.
fn newer(block: &RecordBlock) -> Arrival {
    changed(block, "\"header\":{", "\"header\":{\"colour\":\"red\",")
}

fn settled(committed: &Committed, stream: &Stream) -> Option<u64> {
    let said = &committed.watermarks;
    let of_stream = said.iter().find(|said| said.stream == *stream);
    of_stream.map(|said| said.message.settled_to)
}

/// Of a treatment, the first block of the room and the first of the gun.
fn first_blocks() -> [RecordBlock; 2] {
    let blocks = sample_treatment();
    let first = |is_room: bool| {
        let mut blocks = blocks.iter();
        let found = blocks.find(|block| (block.header().place.stream == Stream::Room) == is_room);
        found.unwrap().clone()
    };
    [first(true), first(false)]
}

impl Bench {
    fn take_in(&mut self, arrivals: Vec<Arrival>) -> Committed {
        self.ingest().commit(arrivals, now()).unwrap()
    }

    /// Puts so many large things into quarantine that no other one finds room.
    fn fill_quarantine(&mut self) {
        let digest = |number: i64| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            digest
        };
        let refused = (0..QUARANTINE_BYTES_ROWS_MAX).map(|number| Quarantined {
            digest: digest(number),
            source: format!("filler {number}"),
            reason: String::new(),
            bytes: vec![0; meso_store::QUARANTINE_SMALL_BYTES_MAX + 1],
            at: now(),
        });
        let commit = meso_store::Commit {
            quarantined: refused.collect(),
            ..meso_store::Commit::default()
        };
        self.ingest().store.store(&commit).unwrap();
        self.restart();
    }
}

#[test]
fn a_poison_payload_is_kept_counted_and_holds_up_nothing() {
    let mut bench = Bench::new();
    let blocks = sample_treatment();
    let topic = topic_of(&blocks[2]);
    let damaged = BlockMessage::encode(&blocks[2]).unwrap();
    let damaged = String::from_utf8(damaged)
        .unwrap()
        .replace("\"counter\":1,", "\"counter\":9,");
    let mut batch = vec![Arrival::read(&topic, damaged.as_bytes(), now())];
    batch.push(Arrival::read("nobody/knows", b"\x00\xff", now()));
    batch.extend(arrivals(&blocks));
    let committed = bench.ingest().commit(batch, now()).unwrap();
    assert_eq!(committed.news.quarantined_count, 2);
    let kept = bench.store().read().quarantined(9).unwrap();
    assert!(kept.iter().any(|(q, _)| q.bytes == damaged.as_bytes()));
    let effect = bench.effect();
    assert_eq!(
        effect.shots.len(),
        6,
        "the sound block of the same place still counts"
    );
    assert!(effect.is_sealed);
}

#[test]
fn a_place_is_settled_once_its_driver_has_nothing_else_to_send() {
    for block in first_blocks() {
        let mut bench = Bench::new();
        let stream = block.header().place.stream.clone();
        for time in 1..=REFUSED_SEEN_MIN {
            let committed = bench.take_in(vec![damaged(&block)]);
            let is_settled = settled(&committed, &stream) == Some(1);
            assert_eq!(is_settled, time == REFUSED_SEEN_MIN, "{stream}: {time}");
            assert_eq!(committed.news.deferred_count, u64::from(!is_settled));
        }
        let kept = bench.store().read().quarantine(9).unwrap();
        assert!(kept.len() == 1 && kept[0].has_bytes, "{kept:?}");
    }
}

#[test]
fn a_block_that_was_damaged_on_its_way_is_sent_again_and_taken() {
    for block in first_blocks() {
        let mut bench = Bench::new();
        let stream = block.header().place.stream.clone();
        let committed = bench.take_in(vec![damaged(&block)]);
        assert_eq!(settled(&committed, &stream), None, "{stream}");
        let committed = bench.deliver(std::slice::from_ref(&block));
        assert_eq!(committed.news.block_count, 1, "{stream}");
        assert_eq!(settled(&committed, &stream), Some(1));
    }
}

#[test]
fn nothing_is_settled_whose_bytes_the_quarantine_cannot_keep() {
    let [room, gun] = first_blocks();
    let mut bench = Bench::new();
    bench.fill_quarantine();
    for _ in 0..2 * REFUSED_SEEN_MIN {
        let committed = bench.take_in(vec![damaged_and_large(&room), damaged_and_large(&gun)]);
        assert_eq!(committed.watermarks, [], "nobody here has what was in them");
        assert_eq!(committed.news.deferred_count, 2);
    }
    bench.look(0..=0, SEEN);
    let causes: Vec<_> = bench.fleet_alerts().into_iter().map(|it| it.0).collect();
    assert!(causes.contains(&FleetCause::QuarantineFull), "{causes:?}");
    let committed = bench.deliver(&[room, gun]);
    assert_eq!(
        committed.news.block_count, 2,
        "what is sound is not held up"
    );
}

#[test]
fn what_is_small_is_kept_in_a_full_quarantine_too() {
    let mut bench = Bench::new();
    bench.fill_quarantine();
    bench.deliver(&[PaperDriver::new().run(1, 4, None)]);
    let mut other_room = PaperDriver::new();
    other_room.incarnation = meso_units::JournalIncarnation(0xdef);
    let other = sample_shot(2, 3_333);
    bench.deliver(&[other_room.shots(vec![other.clone()], None)]);
    let kept = &bench.store().read().quarantine(1).unwrap()[0];
    assert_eq!(kept.quarantined.bytes, other.canonical_bytes());
}

#[test]
fn another_copy_of_a_shot_waits_where_the_quarantine_has_no_place_and_a_like_one_does_not() {
    let mut bench = Bench::new();
    bench.deliver(&[PaperDriver::new().run(1, 4, None)]);
    bench.ingest().quarantine_room = QuarantineRoom { rows: 0, large: 0 };
    let mut other_room = PaperDriver::new();
    other_room.incarnation = meso_units::JournalIncarnation(0xdef);
    let like = other_room.run(1, 4, None);
    assert_eq!(bench.deliver(&[like]).news.block_count, 1);
    let other = other_room.shots(vec![sample_shot(2, 3_333)], None);
    let committed = bench.deliver(&[other]);
    assert_eq!(committed.watermarks, [], "its driver keeps it");
    assert_eq!(committed.news.deferred_count, 1);
}

#[test]
fn what_is_let_out_makes_room_and_what_came_before_is_kept_then() {
    let [room, _] = first_blocks();
    let mut bench = Bench::new();
    bench.fill_quarantine();
    bench.take_in(vec![damaged_and_large(&room)]);
    let filler = bench.store().read().quarantine(99).unwrap().pop().unwrap();
    let digest = filler.quarantined.digest;
    bench.ingest().store.note_released(digest, now()).unwrap();
    bench.restart();
    let said: Vec<_> = (0..REFUSED_SEEN_MIN)
        .map(|_| {
            settled(
                &bench.take_in(vec![damaged_and_large(&room)]),
                &Stream::Room,
            )
        })
        .collect();
    assert_eq!(said, [None, Some(1), Some(1)]);
    let kept = &bench.store().read().quarantine(1).unwrap()[0];
    assert_eq!((kept.seen_count, kept.has_bytes), (4, true));
}

#[test]
fn a_block_of_a_newer_driver_waits_for_the_update_and_holds_up_nothing() {
    let [room, gun] = first_blocks();
    let mut bench = Bench::new();
    bench.hear(driver_status(true), 0);
    let committed = bench.take_in(vec![newer(&room), newer(&gun)]);
    assert_eq!(committed.watermarks, [], "its driver keeps them");
    assert_eq!(committed.news.not_understood_count, 2);
    assert_eq!(bench.store().read().quarantine(9).unwrap(), []);
    bench.look(1..=1, SEEN);
    let alert = bench.assert_only(FleetCause::ServerOutdated, AlertState::Open);
    assert_eq!(alert.key.subject.driver(), Some(&sample_driver()));
    // Later blocks of the stream are understood, and settled beyond it.
    let blocks = sample_treatment();
    let later: Vec<_> = blocks.into_iter().filter(|it| *it != gun).collect();
    let count = later.len() as u64;
    assert_eq!(bench.deliver(&later).news.block_count, count);
    // The update.
    bench.restart();
    assert_eq!(bench.deliver(&[gun]).news.block_count, 1);
    bench.hear(driver_status(true), 10);
    bench.look(11..=600, SEEN);
    bench.assert_only(FleetCause::ServerOutdated, AlertState::Open);
    bench.look(601..=611, SEEN);
    bench.assert_only(FleetCause::ServerOutdated, AlertState::Latched);
}

#[test]
fn a_newer_status_is_no_poison_and_fills_no_quarantine() {
    let mut bench = Bench::new();
    let said = |number: u32| format!(r#"{{"version":1,"colour":{number}}}"#);
    let topics = ["guns/GUN-0001", "status"];
    for (number, end) in topics.into_iter().enumerate() {
        let topic = format!("mesofleet/v1/riverside/room-1/{end}");
        let said = said(u32::try_from(number).unwrap());
        let arrival = Arrival::read(&topic, said.as_bytes(), now());
        assert!(
            matches!(arrival, Arrival::Newer { .. }),
            "{topic}: {arrival:?}"
        );
        bench.take_in(vec![arrival]);
    }
    assert_eq!(bench.store().read().quarantine(9).unwrap(), []);
}
