//! What is seen of a round, and what is waited for.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use meso_delivery::Receiver;
use meso_store::StorePlace;
use meso_testkit::gun::log::{FiredShot, ShotKeyText, read_log};

use super::{Clinic, PATIENCE, Who};
use crate::matrix::count::{is_declared, is_held};
use crate::sandbox::{Driver, wait_within};

impl Clinic {
    /// Everything that the guns have written down.
    ///
    /// # Errors
    ///
    /// A log cannot be read.
    pub fn fired(&self) -> anyhow::Result<Vec<FiredShot>> {
        let mut fired = Vec::new();
        for log in self.bank.logs() {
            fired.extend(read_log(log)?);
        }
        Ok(fired)
    }

    /// What the store holds, as of its newest commit; `None` while it cannot be read.
    pub fn receiver(&self) -> Option<Receiver> {
        receiver_of(&self.place().ok()?)
    }

    /// How many shots the store holds; `None` while it cannot be read.
    pub fn held_count(&self) -> Option<u64> {
        held_count_of(&self.place().ok()?)
    }

    /// How many shots the first driver's journal holds, as it says; `None` while it does not answer.
    pub fn journalled_count(&self) -> Option<u64> {
        let guns = self.drivers[0].state()?.guns.into_iter();
        Some(guns.map(|gun| u64::from(gun.journalled_counter)).sum())
    }

    /// Waits until the first driver says why its journal cannot be written.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn wait_for_journal_problem(&self, part: &str) -> anyhow::Result<()> {
        let mut said = None;
        let waited = self.wait_until("the room is told of its disk", || {
            said = self.drivers[0].state().map(|state| state.journal_problem);
            let problem = said.iter().flatten().next();
            problem.is_some_and(|problem| problem.contains(part))
        });
        waited.with_context(|| format!("{said:?}"))
    }

    /// Waits until the server says why it stores nothing.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn wait_for_server_problem(&self, part: &str) -> anyhow::Result<()> {
        self.wait_until("the server says why it stores nothing", || {
            let ready = self.server.ready().unwrap_or_default();
            let mut reasons = ready.waiting_for.iter();
            reasons.any(|reason| reason.contains(part))
        })
    }

    /// Whether the clock of a program is one that can be set.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn has_false_clock(&self, who: Who) -> anyhow::Result<bool> {
        let pid = self.pid(who)?;
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
        Ok(maps.contains("libfaketime"))
    }

    /// Where the store is.
    ///
    /// # Errors
    ///
    /// The database's address is none.
    pub fn place(&self) -> anyhow::Result<StorePlace> {
        let path = self.server.data().join("fleet.sqlite");
        Ok(match &self.database {
            None => StorePlace::Embedded { path },
            Some(database) => database.place(path)?,
        })
    }

    pub(super) fn wait_for_stored_shots(
        &self,
        serials: &[String],
        count: u32,
    ) -> anyhow::Result<()> {
        self.wait_until("shots of every gun are stored", || {
            let Some(receiver) = self.receiver() else {
                return false;
            };
            serials.iter().all(|serial| {
                let mut counters = receiver.all_counters();
                counters.any(|(gun, _, counters)| {
                    gun.as_str() == serial && counters.held_count() >= u64::from(count)
                })
            })
        })
    }

    /// Waits until everything that was fired so far is stored, or named where that may be; gives
    /// the time that it took.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn wait_until_stored(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut open: BTreeSet<ShotKeyText> = self.fired()?.iter().map(FiredShot::key).collect();
        let waited = self.wait_until("everything is stored", || {
            if let Some(receiver) = self.receiver() {
                let may_be_missing = &self.allowed.missing;
                open.retain(|key| {
                    let is_named = may_be_missing.contains(key) && is_declared(&receiver, key);
                    !is_held(&receiver, key) && !is_named
                });
            }
            open.is_empty()
        });
        let first: Vec<&ShotKeyText> = open.iter().take(3).collect();
        waited.with_context(|| format!("{} are missing: {first:?} ...", open.len()))?;
        Ok(begun.elapsed())
    }

    /// Waits until no driver has anything left to send.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn wait_until_settled(&self) -> anyhow::Result<()> {
        let mut seen = Vec::new();
        let waited = self.wait_until("nothing is left to send", || {
            seen = self.drivers.iter().map(Driver::state).collect();
            let is_settled = |state: &Option<_>| {
                let state: &Option<meso_contract::room::RoomStateBody> = state;
                state.as_ref().is_some_and(|state| {
                    state.unsealed_record_count == 0 && state.unsettled_block_count == 0
                })
            };
            seen.iter().all(is_settled)
        });
        waited.with_context(|| format!("{seen:?}"))
    }

    /// Waits until the driver of the first room has left by itself.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn wait_until_driver_left(&mut self) -> anyhow::Result<()> {
        let driver = &mut self.drivers[0];
        wait_within(PATIENCE, "the driver leaves", || driver.has_left())
    }

    /// Waits until the driver of the first room has said this, or has left by itself.
    ///
    /// # Errors
    ///
    /// It takes too long.
    pub fn wait_until_driver_left_or(&mut self, said: &str) -> anyhow::Result<()> {
        let driver = &mut self.drivers[0];
        let what = format!("the driver says {said:?} or leaves");
        wait_within(PATIENCE, &what, || {
            driver.log().contains(said) || driver.has_left()
        })
    }

    /// Looks until `done` says so.
    ///
    /// # Errors
    ///
    /// It takes longer than [`PATIENCE`].
    pub fn wait_until(&self, what: &str, done: impl FnMut() -> bool) -> anyhow::Result<()> {
        wait_within(PATIENCE, what, done)
    }

    /// Everything that the programs have said, for a round that failed.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for driver in &self.drivers {
            text.push_str(&format!(
                "--- {}\n{}",
                driver.data().display(),
                driver.log()
            ));
        }
        if let Some(broker) = &self.broker {
            let log = broker.log().unwrap_or_default();
            text.push_str(&format!("--- broker\n{log}"));
        }
        text.push_str(&format!("--- server\n{}", self.server.log()));
        text
    }
}

/// How many shots a store holds; `None` while it cannot be read.
pub(crate) fn held_count_of(place: &StorePlace) -> Option<u64> {
    let receiver = receiver_of(place)?;
    let held = receiver.all_counters();
    Some(held.map(|(_, _, counters)| counters.held_count()).sum())
}

fn receiver_of(place: &StorePlace) -> Option<Receiver> {
    let readers = place.read().ok()?;
    readers.with(|reader| reader.receiver()).ok()
}
