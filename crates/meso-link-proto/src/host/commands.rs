//! Commands that wait for their answer.

use alloc::vec::Vec;

use super::ns;
use crate::message::{GunLimits, Message, ResultCode};
use crate::{LinkError, timing};

/// How many commands may wait for their answer; a further one is refused.
const WAITING_MAX: usize = 8;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// Give the gun an epoch.
    AssignEpoch,
    /// Fire no more.
    Inhibit,
    /// Fire again.
    Resume,
    /// Enforce limits.
    SetLimits,
    /// Say what you are set to.
    ReadSettings,
    /// Blink or beep.
    Identify,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// The gun has answered.
    Answered {
        /// What it says.
        result: ResultCode,
        /// Whether it is inhibited after it.
        is_inhibited: bool,
        /// The limits that it enforces after it.
        limits: GunLimits,
    },
    /// It has not answered any of the tries; the next status tells its state.
    Unknown,
}

#[derive(Debug)]
struct Waiting {
    number: u16,
    kind: CommandKind,
    message: Message,
    tries: u32,
    sent_at_ns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Commands {
    number: u16,
    waiting: Vec<Waiting>,
}

impl Commands {
    pub(super) fn begin(
        &mut self,
        kind: CommandKind,
        now_ns: u64,
        message: impl FnOnce(u16) -> Message,
    ) -> Result<(u16, Message), LinkError> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(LinkError::TooManyCommands {
                waiting: self.waiting.len(),
                waiting_max: WAITING_MAX,
            });
        }
        self.number = self.number.wrapping_add(1);
        let message = message(self.number);
        self.waiting.push(Waiting {
            number: self.number,
            kind,
            message: message.clone(),
            tries: 1,
            sent_at_ns: now_ns,
        });
        Ok((self.number, message))
    }

    pub(super) fn answer(&mut self, number: u16) -> Option<CommandKind> {
        let place = self
            .waiting
            .iter()
            .position(|waiting| waiting.number == number)?;
        Some(self.waiting.remove(place).kind)
    }

    pub(super) fn due_ns(&self) -> u64 {
        self.waiting
            .iter()
            .map(Waiting::due_ns)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// What is due: a message to send again, or (with its number and kind) one given up.
    pub(super) fn overdue(&mut self, now_ns: u64) -> Vec<(Message, Option<(u16, CommandKind)>)> {
        let mut due = Vec::new();
        self.waiting.retain_mut(|waiting| {
            if now_ns < waiting.due_ns() {
                return true;
            }
            let is_last = waiting.tries >= timing::COMMAND_TRIES_MAX;
            let given_up = is_last.then_some((waiting.number, waiting.kind));
            due.push((waiting.message.clone(), given_up));
            waiting.tries += 1;
            waiting.sent_at_ns = now_ns;
            !is_last
        });
        due
    }

    pub(super) fn clear(&mut self) -> Vec<(u16, CommandKind)> {
        self.waiting
            .drain(..)
            .map(|waiting| (waiting.number, waiting.kind))
            .collect()
    }
}

impl Waiting {
    fn due_ns(&self) -> u64 {
        self.sent_at_ns.saturating_add(ns(timing::COMMAND_TIMEOUT))
    }
}
