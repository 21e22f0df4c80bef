//! The sending side: which blocks are on their way, and when one is sent again.
//!
//! A block leaves the sender's care only when a watermark of the ingest covers it. That something
//! was handed to a connection, or that a broker acknowledged it, means nothing here. So everything
//! that is not settled is sent again on a new connection, for a new ingest, for a store that was
//! restored from a backup, and after a time-out.
//!
//! A store that was restored may not know a stream at all, and then says nothing of it. So when a
//! watermark of one stream brings word of another ingest than the last one, the newest block of
//! each stream that this one has not spoken of is sent once more, settled or not: the answer tells
//! what is held. That holds for an ingest that was heard of before, too: meanwhile another one may
//! have settled what this one never saw.
//!
//! A number says which block is meant only as long as no other block has it. Where a journal was put
//! back to an older copy, its driver gives numbers a second time, and the ingest may hold the first
//! block of a number. So a watermark names blocks by their hash ([`SettledBlock`]), and one that
//! names a block which this journal does not have under that number settles nothing: the journal has
//! to begin a new life ([`Effect::BeginAnew`]) and to send everything under it.
//!
//! A shot is judged by the session it belongs to, and the begin of that session lies in another stream.
//! So what waits of the room's stream is sent before any block of a gun that was sealed after it: an
//! ingest that learns of the session later has to judge every shot of it once more.
//!
//! A new connection is no answer: a broker may take connections again and again while nobody takes
//! blocks from it. What is unsettled goes out once over each, and beyond that as seldom as before. Where the last
//! connection was used in vain, time-outs go on where they were, and the window is halved as by one.
//!
//! Limits: [`Sender::STREAM_WINDOW_MAX`] and [`Sender::WINDOW_MAX`] blocks on their way; what is
//! beyond them waits in the journal, as number, hash and time only ([`Sender::WAITING_MAX`]).

mod passed;
mod stream;

use std::collections::BTreeMap;

use meso_domain::{BlockHash, BlockPlace, Stream};
use meso_units::{BlockNumber, DriverId, JournalIncarnation, Timestamp};

use crate::receiver::Range;
use passed::PassedOver;
use stream::{Lives, Sent, StreamState};

/// The last block of a run of settled ones. Each block names the hash of the one before it, so one
/// hash speaks for the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: BlockHash,
}

/// How far a stream is settled, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Every block up to this one; 0 for none.
    pub to: u64,
    /// Settled ranges beyond it.
    pub ranges: Vec<Range>,
    /// Which blocks they are, where the ingest says so.
    pub blocks: Vec<SettledBlock>,
    /// The life of the store: another one may have forgotten what the last one had settled.
    pub store: u64,
    /// The life of the ingest process: another one does not know what was on its way, and may have
    /// the store of a backup.
    pub ingest: u64,
}

/// A block that waits for its watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsettledBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: BlockHash,
    /// When it was sealed, by the room's clock: a clock that was set meanwhile makes some shots go
    /// ahead of their session, which costs time and nothing else.
    pub sealed_at: Timestamp,
}

/// Where a stream stands, as the journal holds it: what a restart begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// The stream.
    pub stream: Stream,
    /// The newest sealed block; 0 for none.
    pub newest: u64,
    /// The newest watermark, if any came.
    pub watermark: Option<Watermark>,
    /// The sealed blocks beyond what it settles without a break.
    pub unsettled: Vec<UnsettledBlock>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// A block was sealed and is durable in the journal.
    Sealed {
        /// Its stream.
        stream: Stream,
        /// Its number, one above that of the last.
        number: BlockNumber,
        /// Its hash.
        hash: BlockHash,
        /// When it was sealed.
        sealed_at: Timestamp,
    },
    /// There is a new connection; whatever was on its way may be lost.
    Connected,
    /// There is none.
    Disconnected,
    /// The ingest says how far it is.
    Settled {
        /// The stream.
        stream: Stream,
        /// How far.
        watermark: Watermark,
    },
    /// The journal no longer has a block that it was asked for.
    Unavailable {
        /// Its stream.
        stream: Stream,
        /// Its number.
        number: BlockNumber,
    },
    /// The ingest lacks shots of these blocks although it has settled them, or its store has.
    Wanted {
        /// Their stream.
        stream: Stream,
        /// Their numbers.
        numbers: Vec<u64>,
    },
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this block.
    Publish(BlockPlace),
    /// The watermark of a stream changed: keep it, and let the journal forget what it covers.
    Persist(Stream, Watermark),
    /// The ingest holds another block under a number of this stream, so this journal is an older
    /// copy of the one that sent it. What it has is to be sealed anew under a new life, in which no
    /// number was ever given, and to be sent from the beginning. It is said again as long as the
    /// ingest says so.
    BeginAnew(Stream),
    /// Call again at this time, in ms of the caller's monotonic clock, if nothing happened before.
    WakeAt(u64),
}

/// Sends the blocks of one driver until the ingest has them.
#[derive(Clone, Debug)]
pub struct Sender {
    driver: DriverId,
    incarnation: JournalIncarnation,
    streams: BTreeMap<Stream, StreamState>,
    connected: bool,
    /// Whether anything was sent since the newest connection began, and whether anything was settled.
    was_asked: bool,
    was_answered: bool,
    /// Whether the connection before was used in vain, and nothing was settled since.
    is_in_vain: bool,
    window: usize,
    /// Blocks that were ever sent, each time counted.
    turn: u64,
    /// The lives of which there was word last, since the start.
    present: Option<Lives>,
    /// When there was word last of any stream.
    heard_ms: Option<u64>,
}

impl Sender {
    /// The most blocks of one stream that are on their way; further ones wait in the journal.
    pub const STREAM_WINDOW_MAX: usize = 8;

    /// Of those, how many are kept for the backlog where there is one.
    pub const BACKLOG_SHARE: usize = 2;

    /// The most blocks of all streams that are on their way; each time-out, and each connection
    /// that was used in vain, halves it down to one, each settled block adds one.
    pub const WINDOW_MAX: usize = 32;

    /// The most runs of blocks of one stream that are remembered as passed over by the ingest. A further
    /// block is sent in its turn again and again, before later ones.
    pub const PASSED_RANGES_MAX: usize = 1_024;

    /// How long a block may be on its way before it is sent again, in ms; each time-out in a row
    /// doubles it up to [`Sender::TIMEOUT_MS_MAX`].
    pub const TIMEOUT_MS: u64 = 5_000;

    /// The longest such time, in ms.
    pub const TIMEOUT_MS_MAX: u64 = 60_000;

    /// From so many time-outs in a row on nobody was there, and not only slow: until then what is on its
    /// way is due soon anyway.
    pub const SILENT_TIMEOUTS_MIN: u32 = 2;

    /// How long an ingest has to speak of every stream that it knows before the others are asked
    /// about, in ms, counted from its first word or from a new connection.
    pub const DOUBT_MS: u64 = 2_000;

    /// The most blocks of one stream of which hash and time are remembered: 16 million shots in full
    /// blocks, about 17 MB. Which blocks are meant is not asked of those beyond.
    pub const WAITING_MAX: usize = 262_144;

    /// Begins with no stream.
    pub fn new(driver: DriverId, incarnation: JournalIncarnation) -> Sender {
        Sender {
            driver,
            incarnation,
            streams: BTreeMap::new(),
            connected: false,
            was_asked: false,
            was_answered: false,
            is_in_vain: false,
            window: Sender::WINDOW_MAX,
            turn: 0,
            present: None,
            heard_ms: None,
        }
    }

    /// The life of the journal whose blocks it sends.
    pub const fn incarnation(&self) -> JournalIncarnation {
        self.incarnation
    }

    /// Adds a stream as the journal holds it; call it for each before the first step.
    pub fn restore(&mut self, position: StreamPosition) {
        let state = self.streams.entry(position.stream).or_default();
        state.newest = position.newest;
        state.live_from = position.newest + 1;
        for block in position.unsettled {
            state.remember(block);
        }
        if let Some(watermark) = position.watermark {
            state.apply(&watermark);
        }
    }

    /// Takes what happened and says what to do.
    ///
    /// `now_ms` is the caller's monotonic clock; `jitter_permille` is a random number from 0 to
    /// 1000 that stretches the time-outs begun in this step by up to a half.
    pub fn step(&mut self, now_ms: u64, jitter_permille: u16, event: SenderEvent) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            SenderEvent::Sealed {
                stream,
                number,
                hash,
                sealed_at,
            } => {
                let state = self.streams.entry(stream).or_insert_with(|| StreamState {
                    live_from: 1,
                    ..StreamState::default()
                });
                let number = number.get();
                state.newest = state.newest.max(number);
                state.remember(UnsettledBlock {
                    number,
                    hash,
                    sealed_at,
                });
            }
            SenderEvent::Connected => {
                self.connected = true;
                let was_answered = std::mem::take(&mut self.was_answered);
                self.is_in_vain = std::mem::take(&mut self.was_asked) && !was_answered;
                if self.is_in_vain {
                    self.halve_window();
                }
                for state in self.streams.values_mut() {
                    match self.is_in_vain {
                        true => state.begin_connection(),
                        false => state.begin_live(),
                    }
                    state.passed = PassedOver::default();
                    // What the broker retained comes first, and may be older than the doubt.
                    let asks_at = &mut state.doubted_from_ms;
                    *asks_at = asks_at.map(|_| now_ms.saturating_add(Sender::DOUBT_MS));
                }
            }
            SenderEvent::Disconnected => {
                self.connected = false;
                for state in self.streams.values_mut() {
                    state.on_the_way.clear();
                }
            }
            SenderEvent::Settled { stream, watermark } => {
                effects.extend(self.settle(now_ms, stream, watermark));
            }
            SenderEvent::Unavailable { stream, number } => {
                if let Some(state) = self.streams.get_mut(&stream) {
                    state.settled.insert(number.get());
                    state.wanted.remove(number.get());
                    state.on_the_way.remove(&number.get());
                    state.passed.remove(number.get());
                }
            }
            SenderEvent::Wanted { stream, numbers } => {
                if let Some(state) = self.streams.get_mut(&stream) {
                    numbers.into_iter().for_each(|number| state.want(number));
                }
            }
            SenderEvent::Tick => self.expire(now_ms, jitter_permille),
        }
        self.fill_window(now_ms, jitter_permille, &mut effects);
        effects.extend(self.next_wake_ms(now_ms).map(Effect::WakeAt));
        effects
    }

    /// How many sealed blocks no watermark covers yet.
    pub fn unsettled_count(&self) -> u64 {
        self.streams
            .values()
            .map(StreamState::unsettled_count)
            .sum()
    }

    /// The same of one stream.
    pub fn unsettled_count_of(&self, stream: &Stream) -> u64 {
        self.streams
            .get(stream)
            .map_or(0, StreamState::unsettled_count)
    }

    /// Takes note of lives; says whether they are others than the last ones.
    fn hear(&mut self, lives: Lives) -> bool {
        self.present.replace(lives) != Some(lives)
    }

    /// Another ingest is at work: what it has not spoken of yet it may not have.
    fn doubt_others(&mut self, now_ms: u64, lives: Lives) {
        for state in self.streams.values_mut() {
            if state.newest > 0 && state.lives != Some(lives) {
                let asks_at_ms = now_ms.saturating_add(Sender::DOUBT_MS);
                state.doubted_from_ms.get_or_insert(asks_at_ms);
            }
        }
    }

    /// There is word again. Where there was none since blocks were sent that timed out, they are sent
    /// at once, and not only when their time comes: nobody was there to take them.
    fn end_silence(&mut self, now_ms: u64) {
        let heard_ms = self.heard_ms.replace(now_ms);
        for state in self.streams.values_mut() {
            let was_silent = |from_ms| heard_ms.is_none_or(|heard_ms| heard_ms <= from_ms);
            let is_long = state.timeouts >= Sender::SILENT_TIMEOUTS_MIN;
            if is_long && state.unanswered_from_ms.is_some_and(was_silent) {
                state.begin_live();
            }
        }
    }

    fn settle(&mut self, now_ms: u64, stream: Stream, watermark: Watermark) -> Option<Effect> {
        let known = self.streams.get(&stream);
        let is_own = |block: &SettledBlock| known.is_some_and(|state| state.may_have(block));
        if !watermark.blocks.iter().all(is_own) {
            return Some(Effect::BeginAnew(stream));
        }
        if self.hear(watermark.lives()) {
            self.doubt_others(now_ms, watermark.lives());
        }
        self.end_silence(now_ms);
        // A watermark of a stream that this journal never had says nothing else.
        let state = self.streams.get_mut(&stream)?;
        let was_asked = state.on_the_way.contains_key(&state.newest);
        if was_asked || state.lives != Some(watermark.lives()) {
            state.doubted_from_ms = None;
        }
        let before = state.unsettled_count();
        if !state.apply(&watermark) {
            return None;
        }
        let settled_count = before.saturating_sub(state.unsettled_count());
        if settled_count > 0 {
            state.end_timeouts();
            self.was_answered = true;
            self.is_in_vain = false;
            let grown = usize::try_from(settled_count).unwrap_or(usize::MAX);
            self.window = self.window.saturating_add(grown).min(Sender::WINDOW_MAX);
        }
        Some(Effect::Persist(stream, watermark))
    }

    /// Takes back what has been on its way for too long.
    fn expire(&mut self, now_ms: u64, jitter_permille: u16) {
        let mut any = false;
        for state in self.streams.values_mut() {
            any |= state.expire(now_ms, jitter_permille);
        }
        if any {
            self.halve_window();
        }
    }

    fn halve_window(&mut self) {
        self.window = (self.window / 2).max(1);
    }

    fn fill_window(&mut self, now_ms: u64, jitter_permille: u16, effects: &mut Vec<Effect>) {
        if !self.connected {
            return;
        }
        let mut on_the_way: usize = self.streams.values().map(|s| s.on_the_way.len()).sum();
        loop {
            let is_full = on_the_way >= self.window;
            // The stream with the least on its way goes first, so that none waits for the others; of
            // equal ones that which was answered last. One block of each that is answered goes in any
            // case: it shall not wait for those of another that nobody answers.
            let room = self.room_waits_since();
            let waits_for = |stream: &Stream| room.filter(|_| *stream != Stream::Room);
            let next = self
                .streams
                .iter()
                .filter(|(_, state)| {
                    let is_answered = !self.is_in_vain && state.timeouts == 0;
                    !is_full || (is_answered && state.on_the_way.is_empty())
                })
                .filter_map(|(stream, state)| {
                    let number = state.next_to_send(now_ms, waits_for(stream))?;
                    Some((stream, state, number))
                })
                .min_by_key(|(stream, state, _)| {
                    let is_gun = **stream != Stream::Room;
                    (state.on_the_way.len(), state.timeouts, is_gun)
                })
                .map(|(stream, _, number)| (stream.clone(), number));
            let Some((stream, number)) = next else {
                return;
            };
            if let Some(state) = self.streams.get_mut(&stream) {
                let due_ms = now_ms.saturating_add(timeout_ms(state.timeouts, jitter_permille));
                self.turn += 1;
                let turn = self.turn;
                let at_ms = now_ms;
                let sent = Sent {
                    at_ms,
                    due_ms,
                    turn,
                };
                state.on_the_way.insert(number, sent);
                state.wanted.remove(number);
            }
            on_the_way += 1;
            self.was_asked = true;
            effects.push(Effect::Publish(BlockPlace {
                driver: self.driver.clone(),
                incarnation: self.incarnation,
                stream,
                number: BlockNumber(number),
            }));
        }
    }

    /// When the oldest block of the room's backlog was sealed that is not on its way: a gun's block of
    /// that time or later waits for it. It does not wait for one that nobody answers.
    fn room_waits_since(&self) -> Option<Option<Timestamp>> {
        let room = self.streams.get(&Stream::Room)?;
        if room.is_overdue {
            return None;
        }
        let number = room.backlog_waiting()?;
        Some(room.sealed_at(number))
    }

    fn next_wake_ms(&self, now_ms: u64) -> Option<u64> {
        let states = || self.streams.values();
        let on_the_way = states().flat_map(|state| state.on_the_way.values());
        let timeouts = on_the_way.map(|sent| sent.due_ms);
        let doubts = states().filter_map(|state| state.doubted_from_ms);
        let passed = states().filter_map(|state| state.passed.wake_ms(&state.on_the_way));
        // One that is due already waits for room in the window, or for a connection.
        let later = doubts.chain(passed).filter(|from_ms| *from_ms > now_ms);
        timeouts.chain(later).min()
    }
}

impl Watermark {
    const fn lives(&self) -> Lives {
        (self.store, self.ingest)
    }
}

fn timeout_ms(timeouts: u32, jitter_permille: u16) -> u64 {
    let doubled = Sender::TIMEOUT_MS.saturating_mul(1 << timeouts.min(6));
    let timeout_ms = doubled.min(Sender::TIMEOUT_MS_MAX);
    timeout_ms + timeout_ms * u64::from(jitter_permille.min(1_000)) / 2_000
}

#[cfg(test)]
mod tests;
