//! Commands of the host: each is done once, however often it comes.

use meso_units::{GunTick, Micrometres, Nanolitres, ShotsPerMinute};

use super::{FireRefused, GunLink};
use crate::message::{
    AssignEpoch, Capabilities, CommandResult, GunLimits, Measured, Message, ReadSettings,
    ResultCode, Settings,
};

/// How many answered commands are remembered, so that a repeated one is not done twice.
const REMEMBERED_MAX: usize = 8;

impl GunLink {
    /// Does a command of the lease's host, or repeats the answer of one that was done before;
    /// says whether it is of that host.
    pub(super) fn once(
        &mut self,
        session: u32,
        command: u16,
        now: GunTick,
        act: impl FnOnce(&mut GunLink) -> ResultCode,
    ) -> bool {
        if !self.is_of_host(session, now) {
            return false;
        }
        let result = self.remembered(command).unwrap_or_else(|| {
            let result = act(self);
            self.remember(command, result);
            result
        });
        self.answer(Message::Result(CommandResult {
            session,
            command,
            result,
            is_inhibited: self.is_inhibited,
            inhibit_number: self.inhibit_number,
            epoch: self.epoch,
            limits: self.limits,
        }));
        true
    }

    fn remembered(&self, command: u16) -> Option<ResultCode> {
        let mut remembered = self.lease.as_ref()?.remembered.iter();
        remembered
            .find(|(known, _)| *known == command)
            .map(|(_, result)| *result)
    }

    fn remember(&mut self, command: u16, result: ResultCode) {
        if let Some(lease) = self.lease.as_mut() {
            if lease.remembered.len() == REMEMBERED_MAX {
                lease.remembered.pop_front();
            }
            lease.remembered.push_back((command, result));
        }
    }

    /// Answered freshly each time, a repeated one too; reading changes nothing.
    pub(super) fn on_read_settings(&mut self, command: &ReadSettings, now: GunTick) {
        if !self.is_of_host(command.session, now) {
            return;
        }
        if self.remembered(command.command).is_none() {
            self.remember(command.command, ResultCode::Done);
        }
        self.answer(Message::Settings(Settings {
            session: command.session,
            command: command.command,
            set: self.set_points,
            limits: self.limits,
            lease_ms: super::lease_ms(),
            lease_loss: self.settings.lease_loss,
        }));
    }

    /// Whether a trigger may fire a shot.
    pub(super) fn check_trigger(&self, measured: &Measured) -> Result<(), FireRefused> {
        if self.is_inhibited {
            return Err(FireRefused::Inhibited);
        }
        let limits = &self.limits;
        let um = |depth: Option<Micrometres>| depth.map(|depth| u64::from(depth.get()));
        let nl = |volume: Option<Nanolitres>| volume.map(Nanolitres::get);
        let spm = |rate: Option<ShotsPerMinute>| rate.map(|rate| u64::from(rate.get()));
        for (setting, set, limit) in [
            (
                "needle depth in µm",
                um(measured.depth_set),
                um(limits.depth_max),
            ),
            (
                "volume in nl",
                nl(measured.volume_set),
                nl(limits.volume_max),
            ),
            (
                "shots per minute",
                spm(measured.frequency_set),
                spm(limits.frequency_max),
            ),
        ] {
            if let (Some(set), Some(limit)) = (set, limit)
                && set > limit
            {
                return Err(FireRefused::AboveLimit {
                    setting,
                    set,
                    limit,
                });
            }
        }
        Ok(())
    }

    pub(super) fn set_limits(&mut self, asked: &GunLimits) -> ResultCode {
        if !self.can(Capabilities::CAN_LIMIT) {
            return ResultCode::Unsupported;
        }
        let built_in = &self.settings.limits;
        let limits = (
            enforceable(built_in.depth_max, asked.depth_max),
            enforceable(built_in.volume_max, asked.volume_max),
            enforceable(built_in.frequency_max, asked.frequency_max),
        );
        let (Some(depth_max), Some(volume_max), Some(frequency_max)) = limits else {
            return ResultCode::NotEnforceable;
        };
        self.limits = GunLimits {
            depth_max,
            volume_max,
            frequency_max,
        };
        ResultCode::Done
    }

    pub(super) fn identify(&mut self, seconds: u8, now: GunTick) -> ResultCode {
        if !self.can(Capabilities::CAN_IDENTIFY) {
            return ResultCode::Unsupported;
        }
        self.identifies_until_us = now.get().saturating_add(u64::from(seconds) * 1_000_000);
        ResultCode::Done
    }

    fn can(&self, capability: Capabilities) -> bool {
        self.settings.capabilities.contains(capability)
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

    pub(super) fn inhibit(&mut self) -> ResultCode {
        if !self.can(Capabilities::CAN_INHIBIT) {
            return ResultCode::Unsupported;
        }
        self.begin_inhibition();
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

/// The limit that comes into force: the asked one, or the maker's where none is asked for;
/// `None` for one that would loosen the maker's.
fn enforceable<T: Copy + Ord>(built_in: Option<T>, asked: Option<T>) -> Option<Option<T>> {
    match (built_in, asked) {
        (Some(built_in), Some(asked)) if asked > built_in => None,
        (built_in, None) => Some(built_in),
        (_, asked) => Some(asked),
    }
}
