//! The way of records from the window into events.

use meso_config::guns::CounterLife;
use meso_link_proto::{ShotEvent, ShotKey};
use meso_units::{BootId, Epoch, ShotCounter};

use super::record;
use super::session::{Session, tick};
use super::status::{RingStatus, words};
use crate::foreign::Wanted;
use crate::{DetachReason, GunEvent, RecordFault, RejectCause};

/// How often a record that cannot be right is read before it goes into the quarantine.
const RECORD_TRIES_MAX: u32 = 3;

/// What comes of the counter now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// The driver has not said from where.
    Waiting,
    /// The next counter to hand on.
    From { next: u32, is_listening: bool },
    /// The epoch is broken: what the ring holds is told apart, until the driver gives another.
    Salvaging {
        next: u32,
        /// The last counter that was told; 0 before the first.
        last: u32,
        /// What [`GunEvent::SalvageEnded`] has named.
        ended: Option<u32>,
    },
}

impl Stream {
    /// The counter whose record is read next.
    const fn next(self) -> Option<u32> {
        match self {
            Stream::Waiting => None,
            Stream::From { next, .. } | Stream::Salvaging { next, .. } => Some(next),
        }
    }

    /// The stream once the record of `counter` was handed on.
    const fn after(self, counter: u32) -> Stream {
        let next = counter.saturating_add(1);
        match self {
            Stream::Waiting => Stream::Waiting,
            Stream::From { is_listening, .. } => Stream::From { next, is_listening },
            Stream::Salvaging { ended, .. } => Stream::Salvaging {
                next,
                last: counter,
                ended,
            },
        }
    }
}

/// A record that counts once a poll has shown that the gun is still the same.
pub(super) enum Held {
    Shot(Box<ShotEvent>),
    Rejected {
        counter: u32,
        fault: RecordFault,
        bytes: Vec<u8>,
    },
}

impl Held {
    fn counter(&self) -> u32 {
        match self {
            Held::Shot(shot) => shot.key.counter.get(),
            Held::Rejected { counter, .. } => *counter,
        }
    }
}

impl Session<'_> {
    /// Shots are wanted from here on.
    pub(super) async fn begin(&mut self, wanted: Wanted) -> Result<(), DetachReason> {
        let Some(greeted) = &self.greeted else {
            return Ok(());
        };
        if greeted.epoch != Some(wanted.epoch) {
            return Ok(());
        }
        let next = wanted.next.get();
        if next.saturating_sub(1) > greeted.status.head {
            return self.went_back(wanted.epoch, greeted.status.head, wanted.next);
        }
        self.held.clear();
        self.stream = Stream::From {
            next,
            is_listening: wanted.is_listening,
        };
        if !wanted.is_listening && next > 1 {
            // What the journal holds need not be kept, whoever told the gun last.
            self.acknowledge(wanted.epoch, ShotCounter(next - 1))
                .await?;
        }
        Ok(())
    }

    pub(super) fn went_back(
        &mut self,
        epoch: Epoch,
        newest: u32,
        expected: ShotCounter,
    ) -> Result<(), DetachReason> {
        self.held.clear();
        self.teller.tell(GunEvent::CounterWentBack {
            epoch,
            newest,
            expected,
        })?;
        if self.profile().counter_life != CounterLife::EpochRegisters {
            // The next generation of a computed epoch clears no ring: what is in it comes as
            // ordinary shots of that.
            self.stream = Stream::Waiting;
            let newest = 0;
            return self.teller.tell(GunEvent::SalvageEnded { epoch, newest });
        }
        let oldest = self
            .greeted
            .as_ref()
            .map_or(1, |greeted| self.first_shown(&greeted.status));
        self.stream = Stream::Salvaging {
            next: oldest,
            last: 0,
            ended: None,
        };
        Ok(())
    }

    /// The oldest counter that the window can show.
    fn first_shown(&self, status: &RingStatus) -> u32 {
        match self.profile().window.from {
            Some(_) => status.oldest(),
            None => status.oldest().max(status.acknowledged.saturating_add(1)),
        }
    }

    /// Says that all of a broken epoch has been told that the window shows.
    fn end_salvage(&mut self, epoch: Epoch) -> Result<(), DetachReason> {
        let Stream::Salvaging { next, last, ended } = self.stream else {
            return Ok(());
        };
        if ended == Some(last) {
            return Ok(());
        }
        self.stream = Stream::Salvaging {
            next,
            last,
            ended: Some(last),
        };
        let newest = last;
        self.teller.tell(GunEvent::SalvageEnded { epoch, newest })
    }

    /// Hands on the records that were read before this poll.
    pub(super) fn hand_on(&mut self, epoch: Epoch) -> Result<(), DetachReason> {
        let received_at = self.shared.clocks.now().utc;
        for held in std::mem::take(&mut self.held) {
            if self.stream.next() != Some(held.counter()) {
                continue;
            }
            self.stream = self.stream.after(held.counter());
            let is_salvage = matches!(self.stream, Stream::Salvaging { .. });
            let event = match held {
                Held::Shot(shot) if is_salvage => GunEvent::Salvaged { shot, received_at },
                Held::Shot(shot) => GunEvent::Shot { shot, received_at },
                Held::Rejected {
                    counter,
                    fault,
                    bytes,
                } => GunEvent::Rejected {
                    reason: RejectCause::Record(fault),
                    bytes,
                    // A number of a broken epoch may stand for another shot: it settles nothing.
                    identity: (!is_salvage).then_some(ShotKey {
                        epoch,
                        counter: ShotCounter(counter),
                    }),
                },
            };
            self.teller.tell(event)?;
        }
        Ok(())
    }

    /// Reads the records that are next, where the ring and the window have any.
    pub(super) async fn read_window(
        &mut self,
        epoch: Epoch,
        status: RingStatus,
    ) -> Result<bool, DetachReason> {
        let Some(next) = self.stream.next() else {
            return Ok(false);
        };
        let window = self.profile().window;
        let first_shown = self.first_shown(&status);
        if next < first_shown && next <= status.head {
            return self.pass_over(epoch, next, first_shown);
        }
        let (from, skip) = match window.from {
            _ if next > status.head => (next, 0),
            Some(at) => {
                let wanted = words(next.into(), at.words, self.profile().word_order);
                if let Err(exception) = self.client.write(at.address, &wanted).await? {
                    let problem = format!("the gun does not move its window: {exception}");
                    return Err(DetachReason::WrongAnswer { problem });
                }
                (next, 0)
            }
            None => (first_shown, next.saturating_sub(first_shown)),
        };
        let there = status.head.saturating_add(1).saturating_sub(from);
        let count = there.min(window.records.into());
        if skip >= count {
            self.end_salvage(epoch)?;
            return Ok(false);
        }
        let count = u16::try_from(count).unwrap_or(window.records);
        let words = self
            .client
            .read(window.address, count * window.words)
            .await?;
        self.take_records(epoch, from, next, &words);
        Ok(!self.held.is_empty() || self.wrong.0 == next)
    }

    /// The ring, or the window, does not show these records any more.
    fn pass_over(
        &mut self,
        epoch: Epoch,
        next: u32,
        first_shown: u32,
    ) -> Result<bool, DetachReason> {
        if let Stream::From { is_listening, .. } = self.stream {
            self.teller.tell(GunEvent::Lost {
                epoch,
                first: ShotCounter(next),
                last: ShotCounter(first_shown - 1),
            })?;
            self.stream = Stream::From {
                next: first_shown,
                is_listening,
            };
        } else if let Stream::Salvaging { last, ended, .. } = self.stream {
            self.stream = Stream::Salvaging {
                next: first_shown,
                last,
                ended,
            };
        }
        Ok(true)
    }

    /// Keeps the records from `next` on up to the first that is not right; `from` is the counter
    /// of the first one in the window.
    fn take_records(&mut self, epoch: Epoch, from: u32, next: u32, words: &[u16]) {
        let (layout, order) = (&self.profile().record, self.profile().word_order);
        let records = words.chunks_exact(usize::from(self.profile().window.words));
        for (expected, words) in (from..)
            .zip(records)
            .filter(|(counter, _)| *counter >= next)
        {
            let held = match record::counter(layout, order, words) {
                Some(counter) if counter == expected => self.held(epoch, expected, words),
                found => match self.tries_of(expected) {
                    Some(tries) => Held::Rejected {
                        counter: expected,
                        fault: match found {
                            None => RecordFault::Checksum {
                                counter: expected,
                                tries,
                            },
                            Some(found) => RecordFault::OtherCounter {
                                counter: expected,
                                found,
                                tries,
                            },
                        },
                        bytes: record::bytes(words),
                    },
                    None => break,
                },
            };
            self.held.push(held);
        }
    }

    /// Counts a wrong record; how often it was wrong where that is often enough to give it up.
    fn tries_of(&mut self, counter: u32) -> Option<u32> {
        // Only the next record is given up: those behind it get their turn.
        if !self.held.is_empty() {
            return None;
        }
        self.wrong = match self.wrong {
            (known, tries) if known == counter => (counter, tries + 1),
            _ => (counter, 1),
        };
        (self.wrong.1 >= RECORD_TRIES_MAX).then_some(self.wrong.1)
    }

    fn held(&self, epoch: Epoch, counter: u32, words: &[u16]) -> Held {
        let profile = self.profile();
        match record::decode(&profile.record, profile.word_order, words) {
            Ok(told) => Held::Shot(Box::new(ShotEvent {
                key: ShotKey {
                    epoch,
                    counter: ShotCounter(counter),
                },
                boot: self.boot_of(told.boot_id),
                // Without a clock the tick says nothing; it must be the same at every reading.
                tick: told.tick.unwrap_or(tick(None)),
                interval: told.interval,
                measured: told.measured,
            })),
            Err(fault) => Held::Rejected {
                counter,
                fault,
                bytes: record::bytes(words),
            },
        }
    }

    /// The start that a record's tick counts from; 0 where nobody can say.
    fn boot_of(&self, told: Option<u32>) -> BootId {
        let now = self
            .greeted
            .as_ref()
            .map_or(BootId(0), |greeted| greeted.status.boot);
        match (told, self.profile().counter_life) {
            (Some(told), _) => BootId(told),
            (None, CounterLife::Boot) => now,
            // A ring that outlives a start may hold records of before it.
            (None, CounterLife::EpochRegisters | CounterLife::Gun) => BootId(0),
        }
    }
}
