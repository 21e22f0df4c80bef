//! Blocks that an ingest does not take, among others that it takes.

use super::*;

/// An ingest that takes every block but some, and answers at once.
struct Picky {
    sender: Sender,
    refused: BTreeSet<(Stream, u64)>,
    network: Network,
    now_ms: u64,
    /// What was sent of the refused blocks, and when.
    tried: Vec<(u64, u64)>,
}

impl Picky {
    fn new(refused: impl IntoIterator<Item = (Stream, u64)>) -> Picky {
        let mut picky = Picky {
            sender: sender_with_backlog(0),
            refused: refused.into_iter().collect(),
            network: Network::default(),
            now_ms: 0,
            tried: Vec::new(),
        };
        picky.step(SenderEvent::Connected);
        picky
    }

    fn step(&mut self, event: SenderEvent) {
        let effects = self.sender.step(self.now_ms, 0, event);
        self.network.take(effects);
        for (stream, number) in std::mem::take(&mut self.network.travelling) {
            if self.refused.contains(&(stream.clone(), number)) {
                self.tried.push((number, self.now_ms));
                continue;
            }
            self.network.stored.insert((stream.clone(), number));
            let watermark = self.network.watermark_of(&stream);
            self.step(SenderEvent::Settled { stream, watermark });
        }
    }

    /// Seals a block each second; says how long the one that waited longest was on its way, in ms.
    fn seal(&mut self, stream: &Stream, numbers: std::ops::RangeInclusive<u64>) -> u64 {
        let mut waited_ms_max = 0;
        for number in numbers {
            let sealed_ms = self.now_ms;
            self.step(sealed(stream.clone(), number));
            let is_refused = self.refused.contains(&(stream.clone(), number));
            while !is_refused && !self.network.stored.contains(&(stream.clone(), number)) {
                self.pass(1_000);
                assert!(
                    self.now_ms < sealed_ms + 600_000,
                    "{stream} {number} is held up"
                );
            }
            waited_ms_max = waited_ms_max.max(self.now_ms - sealed_ms);
            self.pass(1_000);
        }
        waited_ms_max
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 500 {
            self.now_ms += 500;
            self.step(SenderEvent::Tick);
        }
    }
}

#[test]
fn more_blocks_than_a_window_that_are_not_taken_hold_up_no_other_of_their_stream() {
    for stream in [Stream::Room, gun(1)] {
        let refused = (1..=100).filter(|number| number % 3 != 0);
        let mut picky = Picky::new(refused.map(|number| (stream.clone(), number)));
        assert_eq!(picky.seal(&stream, 1..=100), 0, "{stream}");
        assert_eq!(
            picky.sender.unsettled_count(),
            67,
            "nothing of it is forgotten"
        );
    }
}

#[test]
fn a_stream_of_which_nothing_is_taken_holds_up_no_other_stream() {
    let room = (1..=50).map(|number| (Stream::Room, number));
    let mut picky = Picky::new(room);
    for number in 1..=50 {
        picky.step(sealed(Stream::Room, number));
    }
    // Long enough for the window to be halved down to one.
    picky.pass(600_000);
    assert_eq!(picky.seal(&gun(1), 1..=20), 0);
    assert_eq!(picky.seal(&gun(2), 1..=20), 0);
}

#[test]
fn a_block_that_was_damaged_on_its_way_goes_again_after_one_time_out() {
    let mut picky = Picky::new([(gun(1), 1)]);
    picky.seal(&gun(1), 1..=2);
    picky.refused.clear();
    picky.pass(Sender::TIMEOUT_MS);
    assert_eq!(picky.tried, [(1, 0)]);
    assert_eq!(picky.sender.unsettled_count(), 0);
}

#[test]
fn a_block_that_is_not_taken_is_tried_again_later_and_later_but_for_ever() {
    let mut picky = Picky::new([(gun(1), 1)]);
    picky.seal(&gun(1), 1..=2);
    picky.pass(600_000);
    let tried_ms: Vec<u64> = picky.tried.iter().map(|(_, at_ms)| *at_ms).collect();
    let waits = tried_ms.windows(2).map(|pair| pair[1] - pair[0]);
    let waits: Vec<u64> = waits.take(6).collect();
    assert_eq!(waits, [5_000, 15_000, 25_000, 45_000, 65_000, 65_000]);
}

#[test]
fn after_the_update_everything_that_was_not_taken_goes_at_once() {
    let refused = (1..=40).map(|number| (gun(1), number * 2));
    let mut picky = Picky::new(refused);
    picky.seal(&gun(1), 1..=80);
    picky.pass(300_000);
    assert_eq!(picky.sender.unsettled_count(), 40);
    picky.refused.clear();
    picky.network.ingest += 1;
    let watermark = picky.network.watermark_of(&gun(1));
    picky.step(SenderEvent::Settled {
        stream: gun(1),
        watermark,
    });
    assert_eq!(picky.sender.unsettled_count(), 0);
}

#[test]
fn one_that_is_taken_after_all_brings_the_others_along() {
    let refused = [2, 4, 6].map(|number| (gun(1), number));
    let mut picky = Picky::new(refused);
    picky.seal(&gun(1), 1..=7);
    picky.pass(300_000);
    // Holes were closed, so the ingest has room for more of them.
    picky.refused.clear();
    picky.pass(Sender::TIMEOUT_MS_MAX + Sender::TIMEOUT_MS);
    assert_eq!(picky.sender.unsettled_count(), 0);
}
