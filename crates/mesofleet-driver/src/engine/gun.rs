//! What the daemon knows of one gun.

use std::collections::BTreeMap;

use meso_link_proto::clock::ClockMapping;
use meso_link_proto::frame::LineCounters;
use meso_link_proto::{CommandKind, CommandOutcome, Hello};
use meso_serial::GunEvent;
use meso_units::{ClockSegment, Epoch, GunSerial, ShotCounter, Timestamp};

/// One gun, attached or not.
#[derive(Debug, Default)]
pub(super) struct Gun {
    pub(super) is_attached: bool,
    pub(super) model: String,
    pub(super) firmware: String,
    pub(super) is_inhibited: bool,
    /// The epoch of its latest greeting, or of the last one before the start.
    pub(super) epoch: Option<Epoch>,
    /// How far the journal holds each epoch. An epoch more costs a gun its memory, so there are
    /// a handful in its life.
    pub(super) held: BTreeMap<Epoch, ShotCounter>,
    /// The newest counter that the gun spoke of.
    pub(super) newest_counter: u32,
    /// The highest counter of the present epoch that was judged.
    pub(super) judged_to: u32,
    /// What some driver had acknowledged when the gun greeted: those shots are held somewhere.
    pub(super) acknowledged_to: u32,
    pub(super) mapping: Option<ClockMapping>,
    /// Time and stretch of clock of its newest shot.
    pub(super) newest_at: Option<(ClockSegment, Timestamp)>,
    /// The time of its newest shot beyond a limit.
    pub(super) alarm_at: Option<Timestamp>,
    pub(super) quarantined_frames: u64,
    pub(super) line: LineTotals,
    /// Whether its state differs from what was last published.
    pub(super) is_changed: bool,
    pub(super) published_ms: Option<u64>,
}

/// The counters of a line begin anew with each opening of a port; these do not.
#[derive(Debug, Default)]
pub(super) struct LineTotals {
    before: LineCounters,
    current: LineCounters,
}

impl LineTotals {
    fn update(&mut self, counters: LineCounters) {
        if counters.frames < self.current.frames {
            self.close();
        }
        self.current = counters;
    }

    fn close(&mut self) {
        let (before, current) = (&mut self.before, std::mem::take(&mut self.current));
        before.frames += current.frames;
        before.bad_crc += current.bad_crc;
        before.bad_cobs += current.bad_cobs;
        before.oversize += current.oversize;
        before.skipped_bytes += current.skipped_bytes;
    }

    pub(super) fn bad_frames(&self) -> u64 {
        let bad = |c: &LineCounters| c.bad_crc + c.bad_cobs + c.oversize;
        bad(&self.before) + bad(&self.current)
    }

    pub(super) fn skipped_bytes(&self) -> u64 {
        self.before.skipped_bytes + self.current.skipped_bytes
    }
}

impl Gun {
    /// The first counter of an epoch that the journal lacks.
    pub(super) fn next_counter(&self, epoch: Epoch) -> ShotCounter {
        let held = self.held.get(&epoch).copied().unwrap_or(ShotCounter(0));
        held.next().unwrap_or(held)
    }

    /// How far the journal holds the present epoch.
    pub(super) fn journalled(&self) -> u32 {
        let held = self.epoch.and_then(|epoch| self.held.get(&epoch));
        held.map_or(0, |counter| counter.get())
    }

    /// Takes over what a greeting says.
    pub(super) fn greet(&mut self, hello: &Hello) {
        self.is_attached = true;
        self.model = hello.model.to_string();
        self.firmware = hello.firmware.to_string();
        self.is_inhibited = hello.is_inhibited;
        self.newest_counter = hello.inventory.newest.map_or(0, ShotCounter::get);
        self.acknowledged_to = hello.inventory.acknowledged.map_or(0, ShotCounter::get);
        self.is_changed = true;
    }

    /// Whether an epoch did not reach this gun: without one it keeps every shot to itself. The
    /// link has tried for over half a second by then, which is the pause between two tries.
    pub(super) fn needs_another_try(&self, event: &GunEvent) -> bool {
        let GunEvent::Command { kind, outcome, .. } = event else {
            return false;
        };
        let is_lost = (*kind, *outcome) == (CommandKind::AssignEpoch, CommandOutcome::Unknown);
        is_lost && self.is_attached && self.epoch.is_none()
    }

    /// Takes note of what changes no record.
    pub(super) fn note(&mut self, serial: &GunSerial, event: GunEvent) {
        match event {
            GunEvent::Clock(mapping) => self.mapping = Some(mapping),
            GunEvent::Status(status) => {
                let newest = status.inventory.newest.map_or(0, ShotCounter::get);
                self.newest_counter = self.newest_counter.max(newest);
                if self.is_inhibited != status.is_inhibited {
                    self.is_inhibited = status.is_inhibited;
                    self.is_changed = true;
                }
            }
            GunEvent::Counters(counters) => {
                let before = (self.line.bad_frames(), self.line.skipped_bytes());
                self.line.update(counters);
                let after = (self.line.bad_frames(), self.line.skipped_bytes());
                self.is_changed |= before != after;
            }
            GunEvent::Detached { reason } => {
                tracing::info!(gun = %serial, %reason, "gun detached");
                self.is_attached = false;
                self.line.close();
                self.is_changed = true;
            }
            GunEvent::Refused { reason, .. } => {
                tracing::warn!(gun = %serial, %reason, "gun refused");
            }
            GunEvent::Command { kind, outcome, .. } => {
                tracing::debug!(gun = %serial, ?kind, ?outcome, "command answered");
            }
            GunEvent::Unavailable { problem } => {
                tracing::warn!(gun = %serial, problem, "a port cannot be used");
            }
            // These make records and never come here.
            GunEvent::Attached(_)
            | GunEvent::Shot { .. }
            | GunEvent::Rejected { .. }
            | GunEvent::Lost { .. }
            | GunEvent::CounterWentBack { .. } => {}
        }
    }
}
