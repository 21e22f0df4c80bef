//! Asking everybody who may have what is missing, and saying when it is gone everywhere.
//!
//! A hole in the counters of a gun is awaited for as long as anybody may still bring the shots:
//! the journal of any driver of the clinics that had the gun, or the gun itself. Each of them is
//! asked, again and again. When all have answered, and one of them has the gun plugged in, what
//! none of them holds is gone. An epoch is over when the gun is seen under another one: what it had
//! fired since the highest known counter, nobody can know.
//!
//! Only answers to questions count, never the times of records: whoever answers knows more than
//! whoever asked, so it does not matter how wrong the clocks are.

use std::collections::{BTreeMap, BTreeSet};

use meso_units::{ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation};

use crate::receiver::{Holder, Range, RangeSet};

/// What of a gun and epoch somebody has to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Counters that are missing and not declared.
    pub missing: RangeSet,
    /// The highest counter that the gun is known to have had.
    pub known_to: u64,
    /// Whether the gun may be under another epoch by now.
    pub may_be_over: bool,
    /// Every journal that had the gun, in whatever epoch.
    pub holders: BTreeSet<Holder>,
}

/// Asks a driver what it has of a gun and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose journal is asked.
    pub holder: Holder,
    /// The gun.
    pub gun: GunSerial,
    /// The epoch.
    pub epoch: Epoch,
    /// What is missing: at most [`Inquiries::WANTED_COUNT_MAX`] ranges, lowest first.
    pub wanted: Vec<Range>,
}

/// What a driver has of a gun and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The driver.
    pub driver: DriverId,
    /// The life of its journal.
    pub incarnation: JournalIncarnation,
    /// The gun.
    pub gun: GunSerial,
    /// The epoch.
    pub epoch: Epoch,
    /// Shots that its journal has, or that it is going to read from the gun.
    pub held: RangeSet,
    /// The epoch under which the gun is plugged in there, if it is.
    pub present: Option<Epoch>,
}

/// What is certain now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Nobody has these any more.
    Gone {
        /// The gun.
        gun: GunSerial,
        /// The epoch.
        epoch: Epoch,
        /// The counters.
        range: Range,
    },
    /// The epoch is over, and what the gun fired in it from here on nobody can know.
    Over {
        /// The gun.
        gun: GunSerial,
        /// The epoch.
        epoch: Epoch,
        /// The first counter of which nothing is known.
        from: u64,
    },
}

#[derive(Clone, Debug)]
struct KnownDriver {
    clinic: ClinicId,
    incarnation: JournalIncarnation,
    is_online: bool,
}

#[derive(Clone, Debug)]
struct Inquiry {
    doubt: Doubt,
    /// When everybody is asked (again).
    due_ms: u64,
    /// Rounds of questions in a row.
    rounds: u32,
    /// The gun was seen under this epoch, and nothing is missing: there is nothing to ask until
    /// something happens.
    is_at_rest: bool,
    answers: BTreeMap<(DriverId, JournalIncarnation), (RangeSet, Option<Epoch>)>,
}

/// What is asked, of whom, and what came of it.
///
/// It remembers nothing that a restart would lose: whatever is not concluded is asked again.
#[derive(Clone, Debug, Default)]
pub struct Inquiries {
    drivers: BTreeMap<DriverId, KnownDriver>,
    open: BTreeMap<(GunSerial, Epoch), Inquiry>,
    /// Journals that never come back, as a person has said; while one is there all the same, it is
    /// asked as any other.
    retired: BTreeSet<(DriverId, JournalIncarnation)>,
    /// More drivers came than are remembered: nothing is concluded any more.
    has_forgotten_drivers: bool,
}

impl Inquiries {
    /// How long a hole may exist before anybody is asked, in ms: most are closed by the next block.
    pub const PATIENCE_MS: u64 = 5_000;

    /// How long answers are waited for before everybody is asked again, in ms; each round doubles
    /// it up to [`Inquiries::ROUND_MS_MAX`].
    pub const ROUND_MS: u64 = 10_000;

    /// The longest such time, in ms.
    pub const ROUND_MS_MAX: u64 = 300_000;

    /// The most questions of one step, or those about one gun and epoch where its clinics have more
    /// rooms; further ones wait for the next.
    pub const QUESTIONS_MAX: usize = 64;

    /// The most ranges that a question names; what is beyond them is asked for later.
    pub const WANTED_COUNT_MAX: usize = 64;

    /// The most drivers that are remembered. Where there are more, every hole stays awaited:
    /// nobody can say any more that all were asked.
    pub const DRIVER_COUNT_MAX: usize = 16_384;

    /// Takes note of a driver's birth or leave.
    pub fn driver(
        &mut self,
        now_ms: u64,
        clinic: ClinicId,
        driver: DriverId,
        incarnation: JournalIncarnation,
        is_online: bool,
    ) {
        let is_known = self.drivers.contains_key(&driver);
        if !is_known && self.drivers.len() >= Inquiries::DRIVER_COUNT_MAX {
            self.has_forgotten_drivers = true;
            return;
        }
        let known = KnownDriver {
            clinic,
            incarnation,
            is_online,
        };
        self.drivers.insert(driver, known);
        if is_online {
            let open = self.open.values_mut().filter(|it| !it.is_at_rest);
            open.for_each(|inquiry| inquiry.begin_soon(now_ms));
        }
    }

    /// Waits no longer for a journal that never comes back.
    pub fn retire(&mut self, now_ms: u64, driver: &DriverId, incarnation: JournalIncarnation) {
        self.retired.insert((driver.clone(), incarnation));
        let open = self.open.values_mut().filter(|it| !it.is_at_rest);
        open.for_each(|inquiry| inquiry.begin_soon(now_ms));
    }

    /// Whether a driver has no journal but retired ones and is not there, as far as is known.
    pub fn is_retired(&self, driver: &DriverId) -> bool {
        match self.drivers.get(driver) {
            Some(known) => {
                let key = (driver.clone(), known.incarnation);
                !known.is_online && self.retired.contains(&key)
            }
            None => self.retired.iter().any(|(other, _)| other == driver),
        }
    }

    /// The clinic of a driver and the life of its journal, by its last word.
    pub fn journal_of(&self, driver: &DriverId) -> Option<(ClinicId, JournalIncarnation)> {
        let known = self.drivers.get(driver)?;
        Some((known.clinic.clone(), known.incarnation))
    }

    /// Whether a driver is there now, by its last word.
    pub fn is_online(&self, driver: &DriverId) -> bool {
        self.drivers
            .get(driver)
            .is_some_and(|known| known.is_online)
    }

    /// Takes note of what is in doubt of a gun and epoch, or that nothing is.
    pub fn consider(&mut self, now_ms: u64, gun: &GunSerial, epoch: Epoch, doubt: Option<Doubt>) {
        let key = (gun.clone(), epoch);
        let Some(doubt) = doubt else {
            self.open.remove(&key);
            return;
        };
        let inquiry = self.open.entry(key).or_insert_with(|| Inquiry {
            doubt: doubt.clone(),
            due_ms: now_ms.saturating_add(Inquiries::PATIENCE_MS),
            rounds: 0,
            is_at_rest: false,
            answers: BTreeMap::new(),
        });
        let before = std::mem::replace(&mut inquiry.doubt, doubt);
        let is_more = !inquiry.doubt.missing.without(&before.missing).is_empty()
            || inquiry.doubt.may_be_over
                && (!before.may_be_over || inquiry.doubt.known_to > before.known_to)
            || inquiry.doubt.holders != before.holders;
        if is_more {
            // Whoever answered was not asked about this.
            inquiry.answers.clear();
        }
        // A journal sends what fits into its window; of what did not it has to be asked again, and soon
        // for as long as that helps.
        let is_less = !before.missing.without(&inquiry.doubt.missing).is_empty();
        if is_more || is_less {
            inquiry.begin_soon(now_ms);
        }
    }

    /// A gun was seen somewhere: whoever has it can be asked at once.
    pub fn gun_was_seen(&mut self, now_ms: u64, gun: &GunSerial) {
        let of_gun = self.open.iter_mut().filter(|((of, _), _)| of == gun);
        of_gun.for_each(|(_, inquiry)| inquiry.begin_soon(now_ms));
    }

    /// Asks whoever is to be asked by now; `jitter_permille` is a random number from 0 to 1000.
    pub fn ask(&mut self, now_ms: u64, jitter_permille: u16) -> Vec<Question> {
        let mut questions = Vec::new();
        for ((gun, epoch), inquiry) in &mut self.open {
            if inquiry.is_at_rest || inquiry.due_ms > now_ms {
                continue;
            }
            let asked = candidates(&self.drivers, &self.retired, &inquiry.doubt)
                .into_iter()
                .filter(|(_, is_online)| *is_online)
                .map(|(holder, _)| Question {
                    holder,
                    gun: gun.clone(),
                    epoch: *epoch,
                    wanted: first_ranges(&inquiry.doubt.missing),
                });
            let asked: Vec<Question> = asked.collect();
            // A round is asked as a whole, or all of them would be cut short for ever.
            let is_full = questions.len() + asked.len() > Inquiries::QUESTIONS_MAX;
            if is_full && !questions.is_empty() {
                break;
            }
            questions.extend(asked);
            inquiry.answers.clear();
            inquiry.due_ms = now_ms.saturating_add(round_ms(inquiry.rounds, jitter_permille));
            inquiry.rounds = inquiry.rounds.saturating_add(1);
        }
        questions
    }

    /// Takes an answer, and says what is certain by it.
    pub fn answer(&mut self, answer: Answer) -> Vec<Conclusion> {
        let key = (answer.gun.clone(), answer.epoch);
        let Some(inquiry) = self.open.get_mut(&key) else {
            return Vec::new();
        };
        // Its birth may have been lost; whoever answers is there.
        let of_answer =
            |it: &&Holder| it.driver == answer.driver && it.incarnation == answer.incarnation;
        if let Some(holder) = inquiry.doubt.holders.iter().find(of_answer)
            && self.drivers.len() < Inquiries::DRIVER_COUNT_MAX
        {
            let known = self.drivers.entry(answer.driver.clone());
            known.or_insert_with(|| KnownDriver {
                clinic: holder.clinic.clone(),
                incarnation: answer.incarnation,
                is_online: true,
            });
        }
        let from = (answer.driver, answer.incarnation);
        inquiry.answers.insert(from, (answer.held, answer.present));
        if self.has_forgotten_drivers {
            return Vec::new();
        }
        let all = candidates(&self.drivers, &self.retired, &inquiry.doubt);
        let has_answered = |holder: &Holder| {
            let key = (holder.driver.clone(), holder.incarnation);
            inquiry.answers.contains_key(&key)
        };
        match all.iter().all(|(holder, _)| has_answered(holder)) {
            true => inquiry.conclude(&key.0, key.1),
            false => Vec::new(),
        }
    }

    /// How many guns and epochs are in doubt.
    pub fn open_count(&self) -> usize {
        self.open.values().filter(|it| !it.is_at_rest).count()
    }

    /// Guns of which shots are missing and awaited, with a clinic that had them, where one is known;
    /// a gun with several such epochs comes as often.
    pub fn guns_awaited(&self) -> impl Iterator<Item = (&GunSerial, Option<&ClinicId>)> {
        let missing = self.open.iter();
        let missing = missing.filter(|(_, inquiry)| !inquiry.doubt.missing.is_empty());
        missing.map(|((gun, _), inquiry)| {
            let holder = inquiry.doubt.holders.last();
            (gun, holder.map(|holder| &holder.clinic))
        })
    }

    /// Whom the missing shots of a gun and epoch are awaited from: journals that have not answered
    /// that they lack them.
    pub fn awaited_from(&self, gun: &GunSerial, epoch: Epoch) -> Vec<Holder> {
        let Some(inquiry) = self.open.get(&(gun.clone(), epoch)) else {
            return Vec::new();
        };
        let lacks_all = |holder: &Holder| {
            let key = (holder.driver.clone(), holder.incarnation);
            let answer = inquiry.answers.get(&key);
            answer.is_some_and(|(held, _)| {
                let missing = &inquiry.doubt.missing;
                missing.without(held) == *missing
            })
        };
        candidates(&self.drivers, &self.retired, &inquiry.doubt)
            .into_iter()
            .map(|(holder, _)| holder)
            .filter(|holder| !lacks_all(holder))
            .collect()
    }
}

impl Inquiry {
    fn begin_soon(&mut self, now_ms: u64) {
        self.rounds = 0;
        let soon_ms = now_ms.saturating_add(Inquiries::PATIENCE_MS);
        self.due_ms = match std::mem::take(&mut self.is_at_rest) {
            true => soon_ms,
            false => self.due_ms.min(soon_ms),
        };
    }

    /// What is certain once everybody has answered.
    fn conclude(&mut self, gun: &GunSerial, epoch: Epoch) -> Vec<Conclusion> {
        let answers = || self.answers.values();
        let seen_under: BTreeSet<Epoch> = answers().filter_map(|(_, present)| *present).collect();
        if seen_under.is_empty() {
            // Nobody has the gun: it may still hold what is missing.
            return Vec::new();
        }
        let held: RangeSet = answers().flat_map(|(held, _)| held.ranges()).collect();
        let gone = self.doubt.missing.without(&held);
        let gone = gone.ranges().map(|range| Conclusion::Gone {
            gun: gun.clone(),
            epoch,
            range,
        });
        let mut conclusions: Vec<Conclusion> = gone.collect();
        let nothing_is_to_come = held.highest().unwrap_or(0) <= self.doubt.known_to;
        if self.doubt.may_be_over && !seen_under.contains(&epoch) && nothing_is_to_come {
            conclusions.push(Conclusion::Over {
                gun: gun.clone(),
                epoch,
                from: self.doubt.known_to + 1,
            });
        }
        self.is_at_rest = self.doubt.missing.is_empty() && seen_under.contains(&epoch);
        conclusions
    }
}

/// Every journal that may have something of the gun, and whether it can be asked now: that of each
/// driver of the clinics that had the gun, and those that had the gun and were not seen since, of
/// which nobody knows whether they hear it. A journal whose driver has another one by now is gone,
/// and so is a retired one that is not there.
fn candidates(
    drivers: &BTreeMap<DriverId, KnownDriver>,
    retired: &BTreeSet<(DriverId, JournalIncarnation)>,
    doubt: &Doubt,
) -> Vec<(Holder, bool)> {
    let clinics: BTreeSet<&ClinicId> = doubt.holders.iter().map(|it| &it.clinic).collect();
    let of_clinics = drivers
        .iter()
        .filter(|(_, it)| clinics.contains(&it.clinic));
    let known = of_clinics.map(|(driver, known)| {
        let holder = Holder {
            clinic: known.clinic.clone(),
            driver: driver.clone(),
            incarnation: known.incarnation,
        };
        (holder, known.is_online)
    });
    let not_seen = doubt.holders.iter();
    let not_seen = not_seen.filter(|holder| !drivers.contains_key(&holder.driver));
    let not_seen = not_seen.map(|holder| (holder.clone(), true));
    let is_retired =
        |holder: &Holder| retired.contains(&(holder.driver.clone(), holder.incarnation));
    let is_there = |holder: &Holder| drivers.get(&holder.driver).is_some_and(|it| it.is_online);
    let all = known.chain(not_seen);
    all.filter(|(holder, _)| !is_retired(holder) || is_there(holder))
        .collect()
}

fn first_ranges(missing: &RangeSet) -> Vec<Range> {
    missing.ranges().take(Inquiries::WANTED_COUNT_MAX).collect()
}

fn round_ms(rounds: u32, jitter_permille: u16) -> u64 {
    let doubled = Inquiries::ROUND_MS.saturating_mul(1 << rounds.min(8));
    let round_ms = doubled.min(Inquiries::ROUND_MS_MAX);
    round_ms + round_ms * u64::from(jitter_permille.min(1_000)) / 2_000
}

#[cfg(test)]
mod tests;
