//! The ingest or its store is away, and the broker is not.

use super::*;

/// A driver whose gun has fired for so long without an answer, a block a second.
struct Away {
    sender: Sender,
    now_ms: u64,
    newest: u64,
}

impl Away {
    fn new(seconds: u64) -> Away {
        let mut sender = sender_with_backlog(0);
        sender.step(0, 0, SenderEvent::Connected);
        sender.step(0, 0, sealed(gun(1), 1));
        sender.step(0, 0, settled(1, &[], 1));
        let mut away = Away {
            sender,
            now_ms: 0,
            newest: 1,
        };
        for _ in 0..seconds {
            away.now_ms += 1_000;
            away.seal();
            away.sender.step(away.now_ms, 0, SenderEvent::Tick);
        }
        away
    }

    fn seal(&mut self) -> Vec<u64> {
        self.newest += 1;
        let event = sealed(gun(1), self.newest);
        published(&self.sender.step(self.now_ms, 0, event))
    }

    /// Takes whatever is sent, in turn, until this block is taken; says how many were before it.
    fn blocks_before(&mut self, mut sent: Vec<u64>, wanted: u64, ingest: u64) -> usize {
        let mut stored = RangeSet::default();
        stored.insert(1);
        for before in 0.. {
            assert!(!sent.is_empty(), "nothing is sent any more");
            let number = sent.remove(0);
            stored.insert(number);
            if number == wanted {
                return before;
            }
            let to = stored.run_from(1).unwrap();
            let beyond: Vec<_> = stored.ranges().filter(|range| range.first > to).collect();
            let beyond: Vec<_> = beyond.iter().map(|it| (it.first, it.last)).collect();
            let event = settled(to, &beyond, ingest);
            sent.extend(published(&self.sender.step(self.now_ms, 0, event)));
        }
        unreachable!("it is sent in the end")
    }
}

#[test]
fn a_live_block_passes_what_was_sealed_while_the_ingest_was_away() {
    for ingest in [1, 2] {
        let mut away = Away::new(3_600);
        // Another ingest, or the same one whose store is back: it says what it holds.
        let event = settled(1, &[], ingest);
        let mut sent = published(&away.sender.step(away.now_ms, 0, event));
        assert!(!sent.is_empty(), "nothing waits for its time any more");
        sent.extend(away.seal());
        let wanted = away.newest;
        let before = away.blocks_before(sent, wanted, ingest);
        assert!(
            before <= Sender::STREAM_WINDOW_MAX,
            "{before} went before it"
        );
    }
}

#[test]
fn a_stream_of_which_the_ingest_never_heard_is_sent_at_once_too() {
    let mut away = Away::new(600);
    away.sender.step(away.now_ms, 0, sealed(gun(2), 1));
    for _ in 0..120 {
        away.now_ms += 1_000;
        away.sender.step(away.now_ms, 0, SenderEvent::Tick);
    }
    let effects = away.sender.step(away.now_ms, 0, settled(1, &[], 1));
    let new = effects.iter().filter(|effect| match effect {
        Effect::Publish(place) => place.stream == gun(2),
        _ => false,
    });
    assert_eq!(new.count(), 1);
}

#[test]
fn word_of_other_streams_does_not_end_the_back_off_of_one_that_is_never_answered() {
    let mut sender = sender_with_backlog(0);
    sender.step(0, 0, SenderEvent::Connected);
    sender.step(0, 0, sealed(Stream::Room, 1));
    let mut tries = 0;
    for second in 1..=600 {
        let now_ms = second * 1_000;
        let stream = gun(1);
        sender.step(now_ms, 0, sealed(stream.clone(), second));
        let watermark = watermark(second, &[], 1);
        let answered = SenderEvent::Settled { stream, watermark };
        for event in [answered, SenderEvent::Tick] {
            let effects = sender.step(now_ms, 0, event);
            tries += published(&effects).len();
        }
    }
    // At 5 s, 15 s, 35 s, 75 s, and then once a minute.
    assert_eq!(tries, 4 + 8);
}
