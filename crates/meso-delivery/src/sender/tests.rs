//! The sender against a scripted and against a careless network.

use std::collections::BTreeSet;

use meso_units::GunSerial;
use proptest::prelude::*;

use super::*;
use crate::RangeSet;

mod away;
mod passed;

fn gun(number: u8) -> Stream {
    Stream::Gun(GunSerial::parse(&format!("GUN-{number}")).unwrap())
}

fn sender_with_backlog(newest: u64) -> Sender {
    let mut sender = Sender::new(DriverId::parse("room-1").unwrap(), JournalIncarnation(7));
    sender.restore(StreamPosition {
        stream: gun(1),
        newest,
        watermark: None,
        unsettled: (1..=newest).map(unsettled).collect(),
    });
    sender
}

fn unsettled(number: u64) -> UnsettledBlock {
    UnsettledBlock {
        number,
        hash: hash(number),
        sealed_at: at(0),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns(seconds * 1_000_000_000).unwrap()
}

/// A block of this journal.
fn block(number: u64) -> SettledBlock {
    SettledBlock {
        number,
        hash: hash(number),
    }
}

fn hash(number: u64) -> BlockHash {
    BlockHash([u8::try_from(number % 251).unwrap(); 32])
}

fn watermark(to: u64, ranges: &[(u64, u64)], ingest: u64) -> Watermark {
    let ranges = ranges.iter().map(|(first, last)| Range {
        first: *first,
        last: *last,
    });
    Watermark {
        to,
        ranges: ranges.collect(),
        blocks: Vec::new(),
        store: 1,
        ingest,
    }
}

fn settled(to: u64, ranges: &[(u64, u64)], ingest: u64) -> SenderEvent {
    SenderEvent::Settled {
        stream: gun(1),
        watermark: watermark(to, ranges, ingest),
    }
}

fn sealed(stream: Stream, number: u64) -> SenderEvent {
    sealed_at(stream, number, 0)
}

fn sealed_at(stream: Stream, number: u64, seconds: i64) -> SenderEvent {
    SenderEvent::Sealed {
        stream,
        number: BlockNumber(number),
        hash: hash(number),
        sealed_at: at(seconds),
    }
}

fn published(effects: &[Effect]) -> Vec<u64> {
    let numbers = effects.iter().filter_map(|effect| match effect {
        Effect::Publish(place) => Some(place.number.get()),
        _ => None,
    });
    numbers.collect()
}

fn wake_ms(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::WakeAt(at_ms) => Some(*at_ms),
        _ => None,
    })
}

#[test]
fn nothing_is_sent_without_a_connection_and_the_oldest_first_with_one() {
    let mut sender = sender_with_backlog(3);
    assert_eq!(published(&sender.step(0, 0, sealed(gun(1), 4))), vec![]);
    let effects = sender.step(0, 0, SenderEvent::Connected);
    assert_eq!(published(&effects), vec![1, 2, 3, 4]);
}

#[test]
fn no_more_than_the_window_is_on_its_way_and_a_watermark_opens_it() {
    let mut sender = sender_with_backlog(100);
    let effects = sender.step(0, 0, SenderEvent::Connected);
    assert_eq!(published(&effects), (1..=8).collect::<Vec<_>>());
    let effects = sender.step(0, 0, settled(2, &[], 1));
    assert_eq!(published(&effects), vec![9, 10]);
    assert_eq!(sender.unsettled_count(), 98);
}

#[test]
fn a_live_block_does_not_wait_for_a_long_backlog() {
    let mut sender = sender_with_backlog(1_000);
    sender.step(0, 0, SenderEvent::Connected);
    assert_eq!(published(&sender.step(0, 0, sealed(gun(1), 1_001))), vec![]);
    // Two places come free: the live block goes first, and the backlog goes on.
    let effects = sender.step(0, 0, settled(2, &[], 1));
    assert_eq!(published(&effects), vec![1_001, 9]);
}

#[test]
fn a_backlog_drains_under_a_flood_of_live_blocks() {
    let mut sender = sender_with_backlog(10);
    sender.step(0, 0, SenderEvent::Connected);
    for number in 11..=60 {
        sender.step(0, 0, sealed(gun(1), number));
    }
    let effects = sender.step(0, 0, settled(8, &[], 1));
    let backlog = published(&effects).into_iter().filter(|n| *n <= 10).count();
    assert_eq!(backlog, Sender::BACKLOG_SHARE);
}

#[test]
fn a_new_connection_sends_everything_unsettled_again() {
    let mut sender = sender_with_backlog(3);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(0, &[(2, 2)], 1));
    assert_eq!(
        published(&sender.step(0, 0, SenderEvent::Disconnected)),
        vec![]
    );
    let effects = sender.step(0, 0, SenderEvent::Connected);
    assert_eq!(published(&effects), vec![1, 3]);
}

#[test]
fn another_ingest_gets_what_was_on_its_way_again() {
    let mut sender = sender_with_backlog(3);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(1, &[], 1));
    assert_eq!(
        published(&sender.step(1, 0, settled(1, &[], 2))),
        vec![2, 3]
    );
}

#[test]
fn a_store_restored_from_a_backup_gets_old_blocks_again() {
    let mut sender = sender_with_backlog(3);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(3, &[], 1));
    assert_eq!(sender.unsettled_count(), 0);
    let restored = Watermark {
        store: 2,
        ..watermark(1, &[], 2)
    };
    let effects = sender.step(
        1,
        0,
        SenderEvent::Settled {
            stream: gun(1),
            watermark: restored,
        },
    );
    assert_eq!(published(&effects), vec![2, 3]);
}

#[test]
fn a_backup_that_kept_the_life_of_its_store_gets_later_blocks_again() {
    let mut sender = sender_with_backlog(3);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(3, &[], 1));
    assert_eq!(sender.unsettled_count(), 0);
    let effects = sender.step(1, 0, settled(1, &[], 2));
    assert_eq!(published(&effects), vec![2, 3]);
    assert_eq!(
        sender.unsettled_count(),
        2,
        "nothing of it may be forgotten"
    );
}

#[test]
fn a_lost_block_is_sent_again_later_and_later() {
    let mut sender = sender_with_backlog(1);
    let mut effects = sender.step(0, 0, SenderEvent::Connected);
    let mut waits = Vec::new();
    let mut now_ms = 0;
    for _ in 0..6 {
        let due_ms = wake_ms(&effects).unwrap();
        waits.push(due_ms - now_ms);
        assert_eq!(
            published(&sender.step(due_ms - 1, 0, SenderEvent::Tick)),
            vec![]
        );
        effects = sender.step(due_ms, 0, SenderEvent::Tick);
        assert_eq!(published(&effects), vec![1]);
        now_ms = due_ms;
    }
    assert_eq!(waits, vec![5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
}

/// A sender of several guns with a block each, and no answer, over connections of this length: how
/// many blocks it sends in the second of two hours, and over how many connections.
fn sent_to_nobody(streams: u8, connection_s: u64) -> (usize, u64) {
    const HOUR_MS: u64 = 3_600_000;
    let mut sender = Sender::new(DriverId::parse("room-1").unwrap(), JournalIncarnation(7));
    (1..=streams).for_each(|stream| drop(sender.step(0, 0, sealed(gun(stream), 1))));
    let (mut sent, mut connections) = (0, 0);
    let mut now_ms = 0;
    while now_ms < 2 * HOUR_MS {
        let ends_ms = now_ms + connection_s * 1_000;
        let mut effects = sender.step(now_ms, 0, SenderEvent::Connected);
        let is_late = now_ms >= HOUR_MS;
        connections += u64::from(is_late);
        loop {
            sent += usize::from(is_late) * published(&effects).len();
            match wake_ms(&effects).filter(|wake_ms| *wake_ms < ends_ms) {
                Some(wake_ms) => effects = sender.step(wake_ms, 0, SenderEvent::Tick),
                None => break,
            }
        }
        sender.step(ends_ms, 0, SenderEvent::Disconnected);
        now_ms = ends_ms;
    }
    (sent, connections)
}

proptest! {
    #[test]
    fn an_ingest_that_never_answers_gets_one_block_a_connection_and_one_a_minute(
        streams in 1_u8..16,
        connection_s in 1_u64..300,
    ) {
        let (sent, connections) = sent_to_nobody(streams, connection_s);
        let most = usize::try_from(connections).unwrap() + 60;
        prop_assert!(sent <= most, "{sent} blocks over {connections} connections");
    }
}

#[test]
fn a_connection_after_an_answer_begins_with_the_shortest_timeout() {
    let mut sender = sender_with_backlog(2);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(1, &[], 1));
    let mut effects = Vec::new();
    for _ in 0..4 {
        let due_ms = wake_ms(&effects).unwrap_or(Sender::TIMEOUT_MS);
        effects = sender.step(due_ms, 0, SenderEvent::Tick);
    }
    // The line was dead and is new: what is lost over it now is lost by bad luck.
    let effects = sender.step(100_000, 0, SenderEvent::Connected);
    assert_eq!(wake_ms(&effects), Some(100_000 + Sender::TIMEOUT_MS));
    // Nobody has answered over that one.
    sender.step(105_000, 0, SenderEvent::Tick);
    let effects = sender.step(110_000, 0, SenderEvent::Connected);
    assert_eq!(
        published(&effects),
        vec![2],
        "it is sent at once all the same"
    );
    assert_eq!(wake_ms(&effects), Some(110_000 + 2 * Sender::TIMEOUT_MS));
}

#[test]
fn a_timeout_halves_the_window_and_a_settled_block_opens_it() {
    let mut sender = sender_with_backlog(0);
    for number in 1..=8 {
        for block in 1..=8 {
            sender.step(0, 0, sealed(gun(number), block));
        }
    }
    let effects = sender.step(0, 0, SenderEvent::Connected);
    assert_eq!(published(&effects).len(), Sender::WINDOW_MAX);
    let effects = sender.step(5_000, 0, SenderEvent::Tick);
    assert_eq!(published(&effects).len(), Sender::WINDOW_MAX / 2);
    let effects = sender.step(5_001, 0, settled(1, &[], 1));
    assert_eq!(published(&effects).len(), 2);
}

#[test]
fn the_rooms_stream_goes_first() {
    let mut sender = sender_with_backlog(1);
    sender.step(0, 0, sealed(Stream::Room, 1));
    let effects = sender.step(0, 0, SenderEvent::Connected);
    let Effect::Publish(place) = &effects[0] else {
        panic!("nothing published");
    };
    assert_eq!(place.stream, Stream::Room);
}

/// A driver that was without a connection for so many sessions, each with a block of its begin and,
/// a second later, one of shots; a gun has every third session.
fn sender_with_sessions(count: u64) -> Sender {
    let mut sender = sender_with_backlog(0);
    for session in 0..count {
        let begun_s = i64::try_from(session * 10).unwrap();
        sender.step(0, 0, sealed_at(Stream::Room, session + 1, begun_s));
        let stream = gun(u8::try_from(session % 3).unwrap());
        sender.step(0, 0, sealed_at(stream, session / 3 + 1, begun_s + 1));
    }
    sender
}

#[test]
fn no_shot_of_a_backlog_goes_ahead_of_the_begin_of_its_session() {
    let mut sender = sender_with_sessions(90);
    let mut network = Network::default();
    network.take(sender.step(0, 0, SenderEvent::Connected));
    let mut begun = 0;
    let mut sent = 0;
    while !network.travelling.is_empty() {
        for (stream, number) in std::mem::take(&mut network.travelling) {
            sent += 1;
            match (0..3).find(|n| stream == gun(*n)) {
                Some(n) => assert!((number - 1) * 3 + u64::from(n) < begun, "{stream} {number}"),
                None => begun = number,
            }
            network.stored.insert((stream.clone(), number));
            let watermark = network.watermark_of(&stream);
            network.take(sender.step(0, 0, SenderEvent::Settled { stream, watermark }));
        }
    }
    assert_eq!((sent, sender.unsettled_count()), (180, 0));
}

#[test]
fn a_live_block_does_not_wait_for_the_backlog_of_the_room() {
    let mut sender = sender_with_sessions(90);
    sender.step(0, 0, SenderEvent::Connected);
    let effects = sender.step(0, 0, sealed_at(gun(1), 31, 10_000));
    assert_eq!(published(&effects), vec![31]);
}

#[test]
fn shots_do_not_wait_for_a_room_that_nobody_answers() {
    let mut sender = sender_with_sessions(90);
    let mut network = Network::default();
    network.take(sender.step(0, 0, SenderEvent::Connected));
    let mut now_ms = 0;
    while network.stored.len() < 90 {
        now_ms += 2 * Sender::TIMEOUT_MS_MAX;
        for (stream, number) in std::mem::take(&mut network.travelling) {
            if stream != Stream::Room {
                network.stored.insert((stream.clone(), number));
                let watermark = network.watermark_of(&stream);
                network.take(sender.step(now_ms, 0, SenderEvent::Settled { stream, watermark }));
            }
        }
        assert!(now_ms < 1_000 * Sender::TIMEOUT_MS_MAX, "the guns starve");
        network.take(sender.step(now_ms, 0, SenderEvent::Tick));
    }
    assert_eq!(sender.unsettled_count_of(&Stream::Room), 90);
}

#[test]
fn a_watermark_beyond_the_journal_settles_nothing_that_is_still_to_come() {
    let mut sender = sender_with_backlog(2);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(50, &[], 1));
    assert_eq!(sender.unsettled_count(), 0);
    assert_eq!(published(&sender.step(0, 0, sealed(gun(1), 3))), vec![3]);
}

#[test]
fn a_watermark_is_kept_once_and_a_stranger_is_ignored() {
    let mut sender = sender_with_backlog(2);
    let first = sender.step(0, 0, settled(1, &[], 1));
    assert_eq!(first, vec![Effect::Persist(gun(1), watermark(1, &[], 1))]);
    assert_eq!(sender.step(0, 0, settled(1, &[], 1)), vec![]);
    let stranger = SenderEvent::Settled {
        stream: gun(9),
        watermark: watermark(5, &[], 1),
    };
    assert_eq!(sender.step(0, 0, stranger), vec![]);
}

#[test]
fn a_block_that_the_journal_lost_holds_up_nothing() {
    let mut sender = sender_with_backlog(1);
    sender.step(0, 0, SenderEvent::Connected);
    let gone = SenderEvent::Unavailable {
        stream: gun(1),
        number: BlockNumber(1),
    };
    assert_eq!(published(&sender.step(0, 0, gone)), vec![]);
    assert_eq!(sender.unsettled_count(), 0);
}

/// What a careless network and ingest may do between two steps of time.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Seal(u8),
    Deliver,
    Lose,
    Reconnect,
    RestartIngest,
    Pass,
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => (0_u8..3).prop_map(Fate::Seal),
        4 => Just(Fate::Deliver),
        2 => Just(Fate::Lose),
        1 => Just(Fate::Reconnect),
        1 => Just(Fate::RestartIngest),
        1 => Just(Fate::Pass),
    ]
}

/// The ingest's side of the model: what arrived, and what is travelling.
#[derive(Default)]
struct Network {
    travelling: Vec<(Stream, u64)>,
    stored: BTreeSet<(Stream, u64)>,
    ingest: u64,
}

impl Network {
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Publish(place) = effect {
                self.travelling.push((place.stream, place.number.get()));
            }
        }
        assert!(self.travelling.len() <= 8 * Sender::WINDOW_MAX);
    }

    fn watermark_of(&self, stream: &Stream) -> Watermark {
        let numbers: BTreeSet<u64> = self
            .stored
            .iter()
            .filter(|(s, _)| s == stream)
            .map(|(_, n)| *n)
            .collect();
        let to = (1..).take_while(|n| numbers.contains(n)).last();
        let set: RangeSet = numbers
            .iter()
            .map(|n| Range {
                first: *n,
                last: *n,
            })
            .collect();
        Watermark {
            to: to.unwrap_or(0),
            ranges: set.ranges().collect(),
            blocks: set.ranges().map(|run| block(run.last)).collect(),
            store: 1,
            ingest: self.ingest,
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_network_does_everything_is_stored_in_the_end(
        fates in prop::collection::vec(any_fate(), 0..120),
    ) {
        let mut sender = sender_with_backlog(0);
        let mut network = Network::default();
        let mut sealed_count = [0_u64; 3];
        let mut now_ms = 0;
        network.take(sender.step(now_ms, 500, SenderEvent::Connected));
        let settle_rounds = std::iter::repeat_n(Fate::Deliver, 400)
            .enumerate()
            .map(|(i, deliver)| if i % 4 == 3 { Fate::Pass } else { deliver });
        for fate in fates.into_iter().chain(settle_rounds) {
            match fate {
                Fate::Seal(number) => {
                    sealed_count[usize::from(number)] += 1;
                    let stream = match number {
                        0 => Stream::Room,
                        gun_number => gun(gun_number),
                    };
                    let seconds = sealed_count.iter().sum::<u64>();
                    let seconds = i64::try_from(seconds).unwrap();
                    let event = sealed_at(stream, sealed_count[usize::from(number)], seconds);
                    network.take(sender.step(now_ms, 500, event));
                }
                Fate::Deliver => {
                    for (stream, number) in std::mem::take(&mut network.travelling) {
                        network.stored.insert((stream.clone(), number));
                        let watermark = network.watermark_of(&stream);
                        let event = SenderEvent::Settled { stream, watermark };
                        network.take(sender.step(now_ms, 500, event));
                    }
                }
                Fate::Lose => network.travelling.clear(),
                Fate::Reconnect => {
                    network.travelling.clear();
                    sender.step(now_ms, 500, SenderEvent::Disconnected);
                    network.take(sender.step(now_ms, 500, SenderEvent::Connected));
                }
                Fate::RestartIngest => network.ingest += 1,
                Fate::Pass => {
                    now_ms += 100_000;
                    network.take(sender.step(now_ms, 500, SenderEvent::Tick));
                }
            }
        }
        let sealed_total: u64 = sealed_count.iter().sum();
        prop_assert_eq!(network.stored.len() as u64, sealed_total);
        prop_assert_eq!(sender.unsettled_count(), 0);
    }
}

/// A driver with two guns, both of which a first ingest has settled.
fn sender_with_two_settled() -> Sender {
    let mut sender = sender_with_backlog(3);
    sender.step(0, 0, sealed(gun(2), 1));
    sender.step(0, 0, SenderEvent::Connected);
    for stream in [gun(1), gun(2)] {
        let watermark = watermark(3, &[], 1);
        sender.step(10, 0, SenderEvent::Settled { stream, watermark });
    }
    assert_eq!(sender.unsettled_count(), 0);
    sender
}

fn settled_of_room(ingest: u64) -> SenderEvent {
    SenderEvent::Settled {
        stream: Stream::Room,
        watermark: watermark(0, &[], ingest),
    }
}

#[test]
fn a_stream_that_a_new_ingest_does_not_speak_of_is_asked_about_and_sent_again() {
    let mut sender = sender_with_two_settled();
    let effects = sender.step(100, 0, settled_of_room(2));
    assert_eq!(published(&effects), vec![], "it may speak of them yet");
    assert_eq!(wake_ms(&effects), Some(100 + Sender::DOUBT_MS));
    // Of gun 2 it speaks.
    let watermark = watermark(1, &[], 2);
    let spoken_of = SenderEvent::Settled {
        stream: gun(2),
        watermark,
    };
    sender.step(200, 0, spoken_of);
    let effects = sender.step(100 + Sender::DOUBT_MS, 0, SenderEvent::Tick);
    assert_eq!(published(&effects), vec![3], "the newest of gun 1 alone");
    // The store was put back, and holds nothing but what was just sent.
    let effects = sender.step(3_000, 0, settled(0, &[(3, 3)], 2));
    assert_eq!(published(&effects), vec![1, 2]);
    sender.step(3_100, 0, settled(3, &[], 2));
    let effects = sender.step(60_000, 0, SenderEvent::Tick);
    assert_eq!((published(&effects), wake_ms(&effects)), (vec![], None));
}

#[test]
fn a_question_is_asked_again_until_there_is_an_answer() {
    let mut sender = sender_with_two_settled();
    sender.step(100, 0, settled_of_room(2));
    let due_ms = 100 + Sender::DOUBT_MS;
    let effects = sender.step(due_ms, 0, SenderEvent::Tick);
    assert_eq!(published(&effects).len(), 2, "one block of each gun");
    let effects = sender.step(due_ms + Sender::TIMEOUT_MS, 0, SenderEvent::Tick);
    assert_eq!(published(&effects).len(), 2, "both again");
    // Over a new connection it waits for what the broker has retained, and asks once more.
    sender.step(50_000, 0, SenderEvent::Disconnected);
    let effects = sender.step(60_000, 0, SenderEvent::Connected);
    assert_eq!(published(&effects), vec![]);
    let effects = sender.step(60_000 + Sender::DOUBT_MS, 0, SenderEvent::Tick);
    assert!(!published(&effects).is_empty());
}

#[test]
fn what_another_ingest_settled_meanwhile_is_asked_about_when_the_first_speaks_again() {
    let mut sender = sender_with_two_settled();
    // A second one takes the blocks of a new gun, and leaves.
    sender.step(100, 0, sealed(gun(3), 1));
    let taken = SenderEvent::Settled {
        stream: gun(3),
        watermark: watermark(1, &[], 2),
    };
    sender.step(200, 0, taken);
    assert_eq!(sender.unsettled_count(), 0);
    // The first says what it has always said, and knows nothing of that gun.
    for stream in [gun(1), gun(2)] {
        let watermark = watermark(3, &[], 1);
        sender.step(300, 0, SenderEvent::Settled { stream, watermark });
    }
    let effects = sender.step(300 + Sender::DOUBT_MS, 0, SenderEvent::Tick);
    let mut asked = effects.iter().filter_map(|effect| match effect {
        Effect::Publish(place) => Some(&place.stream),
        _ => None,
    });
    assert!(asked.any(|stream| *stream == gun(3)), "{effects:?}");
}

#[test]
fn a_restart_doubts_only_what_another_ingest_has_settled() {
    let mut sender = Sender::new(DriverId::parse("room-1").unwrap(), JournalIncarnation(7));
    for (stream, ingest) in [(gun(1), 1), (gun(2), 2)] {
        sender.restore(StreamPosition {
            stream,
            newest: 1,
            watermark: Some(watermark(1, &[], ingest)),
            unsettled: Vec::new(),
        });
    }
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(10, 0, settled_of_room(1));
    let effects = sender.step(10 + Sender::DOUBT_MS, 0, SenderEvent::Tick);
    let asked: Vec<&Stream> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Publish(place) => Some(&place.stream),
            _ => None,
        })
        .collect();
    assert_eq!(asked, vec![&gun(2)]);
}

#[test]
fn the_same_life_raises_no_doubt_again() {
    let mut sender = sender_with_two_settled();
    let effects = sender.step(100, 0, settled_of_room(1));
    assert_eq!((published(&effects), wake_ms(&effects)), (vec![], None));
}

#[test]
fn a_block_that_is_wanted_again_goes_out_although_a_watermark_covers_it() {
    let mut sender = sender_with_backlog(5);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(5, &[], 1));
    let wanted = SenderEvent::Wanted {
        stream: gun(1),
        numbers: vec![2, 4, 9],
    };
    assert_eq!(published(&sender.step(1, 0, wanted)), vec![2, 4]);
    assert_eq!(sender.unsettled_count(), 2);
    sender.step(2, 0, settled(5, &[], 1));
    assert_eq!(sender.unsettled_count(), 0);
}

#[test]
fn blocks_that_are_wanted_again_wait_for_the_window_although_watermarks_cover_them() {
    let mut sender = sender_with_backlog(40);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, settled(40, &[], 1));
    let wanted = SenderEvent::Wanted {
        stream: gun(1),
        numbers: (1..=40).collect(),
    };
    let mut sent = published(&sender.step(1, 0, wanted));
    assert_eq!(sent.len(), Sender::STREAM_WINDOW_MAX);
    for now_ms in 2..=10 {
        // It is said again for each of them, and covers those that still wait, too.
        let live = sender.step(now_ms, 0, sealed(gun(1), 40 + now_ms));
        sent.extend(published(&live));
        sent.extend(published(&sender.step(
            now_ms,
            0,
            settled(39 + now_ms, &[], 1),
        )));
    }
    let missing = (1..=40).filter(|number| !sent.contains(number));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<u64>::new());
}

#[test]
fn chance_stretches_a_timeout_by_up_to_a_half() {
    for (jitter, due_ms) in [(0, 5_000), (500, 6_250), (1_000, 7_500), (u16::MAX, 7_500)] {
        let mut sender = sender_with_backlog(1);
        let effects = sender.step(0, jitter, SenderEvent::Connected);
        assert_eq!(wake_ms(&effects), Some(due_ms));
    }
}

fn settled_by_blocks(to: u64, blocks: &[SettledBlock]) -> SenderEvent {
    SenderEvent::Settled {
        stream: gun(1),
        watermark: Watermark {
            blocks: blocks.to_vec(),
            ..watermark(to, &[], 1)
        },
    }
}

#[test]
fn a_number_that_another_block_has_settles_nothing() {
    let mut sender = sender_with_backlog(0);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, sealed(gun(1), 1));
    sender.step(0, 0, sealed(gun(1), 2));
    let own = sender.step(1, 0, settled_by_blocks(1, &[block(1)]));
    assert!(matches!(own[0], Effect::Persist(..)), "{own:?}");
    let other = SettledBlock {
        number: 2,
        hash: hash(99),
    };
    let effects = sender.step(2, 0, settled_by_blocks(2, &[other]));
    assert!(effects.contains(&Effect::BeginAnew(gun(1))), "{effects:?}");
    assert_eq!(sender.unsettled_count(), 1);
    let again = sender.step(3, 0, settled_by_blocks(2, &[other]));
    assert!(
        again.contains(&Effect::BeginAnew(gun(1))),
        "it is said again"
    );
}

#[test]
fn a_journal_that_lacks_what_the_ingest_holds_is_an_older_copy() {
    let mut sender = sender_with_backlog(2);
    sender.step(0, 0, SenderEvent::Connected);
    let effects = sender.step(1, 0, settled_by_blocks(3, &[block(3)]));
    assert!(effects.contains(&Effect::BeginAnew(gun(1))), "{effects:?}");
    assert_eq!(sender.unsettled_count(), 2);
    let unknown = SenderEvent::Settled {
        stream: gun(2),
        watermark: Watermark {
            blocks: vec![block(1)],
            ..watermark(1, &[], 1)
        },
    };
    let effects = sender.step(2, 0, unknown);
    assert!(effects.contains(&Effect::BeginAnew(gun(2))), "{effects:?}");
}

#[test]
fn a_block_that_was_settled_as_the_own_one_is_not_asked_for_again() {
    let mut sender = sender_with_backlog(3);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(1, 0, settled_by_blocks(3, &[block(3)]));
    // A store that was put back to a backup holds less.
    let effects = sender.step(2, 0, settled_by_blocks(2, &[block(2)]));
    assert!(!effects.contains(&Effect::BeginAnew(gun(1))), "{effects:?}");
}
