//! Commands of the host: each is done once, however often it comes.

use meso_units::GunTick;

use super::GunLink;
use crate::message::{AssignEpoch, CommandResult, Message, ResultCode};

/// How many answered commands are remembered, so that a repeated one is not done twice.
const REMEMBERED_MAX: usize = 8;

impl GunLink {
    /// Does a command of the lease's host, or repeats the answer of one that was done before.
    pub(super) fn once(
        &mut self,
        session: u32,
        command: u16,
        now: GunTick,
        act: impl FnOnce(&mut GunLink) -> ResultCode,
    ) {
        if !self.is_of_host(session, now) {
            return;
        }
        let known = self.lease.as_ref().and_then(|lease| {
            lease
                .remembered
                .iter()
                .find(|known| known.command == command)
                .copied()
        });
        let result = known.map_or_else(|| act(self), |known| known.result);
        let answer = CommandResult {
            session,
            command,
            result,
            is_inhibited: self.is_inhibited,
            inhibit_number: self.inhibit_number,
            epoch: self.epoch,
        };
        if known.is_none()
            && let Some(lease) = self.lease.as_mut()
        {
            if lease.remembered.len() == REMEMBERED_MAX {
                lease.remembered.pop_front();
            }
            lease.remembered.push_back(answer);
        }
        self.answer(Message::Result(answer));
    }

    pub(super) fn assign(&mut self, command: &AssignEpoch) -> ResultCode {
        if self.epoch == Some(command.epoch) {
            return ResultCode::Done;
        }
        if self.epoch != command.replaces {
            return ResultCode::OtherEpoch;
        }
        if self.epoch.is_some() {
            if self.ring.holds_unacknowledged() {
                return ResultCode::HoldsUnacknowledged;
            }
            self.ring.clear();
        }
        self.epoch = Some(command.epoch);
        if let Some(lease) = self.lease.as_mut() {
            lease.cursor = None;
        }
        ResultCode::Done
    }

    /// Inhibiting an inhibited gun changes nothing, not even the number.
    pub(super) fn begin_inhibition(&mut self) {
        if !self.is_inhibited {
            self.is_inhibited = true;
            self.inhibit_number = self.inhibit_number.wrapping_add(1);
        }
    }

    pub(super) fn end_inhibition(&mut self, inhibit_number: u32) -> ResultCode {
        if inhibit_number != self.inhibit_number {
            return ResultCode::OtherInhibition;
        }
        self.is_inhibited = false;
        ResultCode::Done
    }
}
