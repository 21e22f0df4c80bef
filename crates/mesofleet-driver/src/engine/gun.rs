//! What the daemon knows of one gun.

use std::collections::BTreeMap;

use meso_delivery::Range;
use meso_domain::{Rule, Severity};
use meso_link_proto::frame::LineCounters;
use meso_link_proto::{Capabilities, CommandKind, CommandOutcome, Hello};
use meso_serial::{CompletenessGrade, GunEvent, PortName};
use meso_units::{ClockSegment, Epoch, GunSerial, ShotCounter, Timestamp};

use super::clock::GunClock;
use super::interlock::Interlock;
use super::live::LastShot;
use super::strays::Strays;

/// One gun, attached or not.
#[derive(Debug, Default)]
pub(super) struct Gun {
    pub(super) is_attached: bool,
    /// The port on which it greeted last.
    pub(super) port: Option<PortName>,
    /// Why the driver does not speak with it.
    pub(super) refused: Option<String>,
    pub(super) model: String,
    pub(super) firmware: String,
    pub(super) is_inhibited: bool,
    pub(super) can_inhibit: bool,
    pub(super) interlock: Interlock,
    /// The epoch of its latest greeting, or of the last one before the start.
    pub(super) epoch: Option<Epoch>,
    /// How far the journal holds each epoch. An epoch more costs a gun its memory, so there are
    /// a handful in its life.
    pub(super) held: BTreeMap<Epoch, ShotCounter>,
    /// The newest counter that the gun spoke of.
    pub(super) newest_counter: u32,
    /// The highest counter of the present epoch that was judged.
    pub(super) judged_to: u32,
    /// Up to here every counter of the present epoch came as a shot or by name, written or not.
    pub(super) taken_to: u32,
    /// What some driver had acknowledged when the gun greeted: those shots are held somewhere.
    pub(super) acknowledged_to: u32,
    /// The oldest counter that its ring held, as it last said; 0 for none.
    pub(super) oldest_counter: u32,
    /// Whether this start of the daemon has written that the gun is here, and nothing has happened
    /// since that makes it worth writing again.
    pub(super) has_custody: bool,
    /// From here on its ring was read once more since it greeted.
    pub(super) read_again_from: Option<ShotCounter>,
    pub(super) clock: GunClock,
    /// Time and stretch of clock of its newest shot.
    pub(super) newest_at: Option<(ClockSegment, Timestamp)>,
    /// For each rule whose limit it passed: the worst severity of the episode, and the time of its
    /// newest shot.
    pub(super) alarms: BTreeMap<Rule, (Severity, Timestamp)>,
    /// Its last shot since the start, for the room's page.
    pub(super) last_shot: Option<Box<LastShot>>,
    /// Its shots that belong to no session.
    pub(super) strays: Strays,
    pub(super) quarantined_frames: u64,
    /// Shots of a counter that went back.
    pub(super) salvaged_shots: u64,
    /// How far its record can be proven to be whole.
    pub(super) grade: Option<CompletenessGrade>,
    /// Whether the present epoch ends with the opening of the port, because the host does the
    /// counting.
    pub(super) ends_with_port: bool,
    /// The serial number of its USB device, where that is another one.
    pub(super) usb_serial: Option<String>,
    /// Whether its link is authenticated.
    pub(super) is_authentic: bool,
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

    /// The epoch under which it is plugged in, if it is.
    pub(super) fn present_epoch(&self) -> Option<Epoch> {
        self.epoch.filter(|_| self.is_attached)
    }

    /// What its ring held, as it last said.
    pub(super) fn ring(&self) -> Option<Range> {
        (self.oldest_counter > 0).then_some(Range {
            first: self.oldest_counter.into(),
            last: self.newest_counter.into(),
        })
    }

    /// How far the journal holds the present epoch.
    pub(super) fn journalled(&self) -> u32 {
        let held = self.epoch.and_then(|epoch| self.held.get(&epoch));
        held.map_or(0, |counter| counter.get())
    }

    /// The first counter of the present epoch that is neither a shot nor named, written or not.
    pub(super) fn next_untaken(&self, epoch: Epoch) -> ShotCounter {
        let taken = ShotCounter(self.taken_to);
        self.next_counter(epoch).max(taken.next().unwrap_or(taken))
    }

    /// How far its record can be proven to be whole, as people read it.
    pub(super) fn shown_grade(&self) -> Option<String> {
        self.grade.map(|grade| grade_words(grade).to_owned())
    }

    /// Takes over what a greeting says.
    pub(super) fn greet(&mut self, hello: &Hello) {
        self.is_attached = true;
        self.model = hello.model.to_string();
        self.firmware = hello.firmware.to_string();
        self.is_inhibited = hello.is_inhibited;
        self.can_inhibit = hello.capabilities.contains(Capabilities::CAN_INHIBIT);
        self.is_authentic = hello.capabilities.contains(Capabilities::HOLDS_KEY);
        self.refused = None;
        self.usb_serial = None;
        self.interlock.line_changed();
        self.newest_counter = hello.inventory.newest.map_or(0, ShotCounter::get);
        self.oldest_counter = hello.inventory.oldest.map_or(0, ShotCounter::get);
        self.read_again_from = None;
        self.acknowledged_to = hello.inventory.acknowledged.map_or(0, ShotCounter::get);
        self.is_changed = true;
    }

    /// Whether an epoch did not reach this gun: without one it keeps every shot to itself. The
    /// link has tried for over half a second by then, which is the pause between two tries.
    pub(super) fn needs_another_try(&self, kind: CommandKind, outcome: CommandOutcome) -> bool {
        let is_lost = (kind, outcome) == (CommandKind::AssignEpoch, CommandOutcome::Unknown);
        is_lost && self.is_attached && self.epoch.is_none()
    }

    /// Takes note of what changes no record.
    pub(super) fn note(&mut self, serial: &GunSerial, event: GunEvent) {
        match event {
            GunEvent::Status(status) => {
                let newest = status.inventory.newest.map_or(0, ShotCounter::get);
                self.newest_counter = self.newest_counter.max(newest);
                self.oldest_counter = status.inventory.oldest.map_or(0, ShotCounter::get);
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
                self.interlock.line_changed();
                self.line.close();
                self.is_changed = true;
            }
            GunEvent::Refused { reason, .. } => {
                tracing::error!(gun = %serial, %reason, "gun refused: no shot is taken from it");
                self.refused = Some(reason.to_string());
                self.is_attached = false;
                self.is_changed = true;
            }
            GunEvent::Grade(grade) => {
                self.grade = Some(grade);
                self.is_changed = true;
            }
            GunEvent::UsbSerialDiffers { usb } => {
                tracing::warn!(gun = %serial, usb, "the USB device has the number of another gun");
                self.usb_serial = Some(usb);
                self.is_changed = true;
            }
            GunEvent::Unavailable { problem } => {
                tracing::warn!(gun = %serial, problem, "a port cannot be used");
            }
            // These go ways of their own and never come here.
            GunEvent::Attached(_)
            | GunEvent::Clock(_)
            | GunEvent::Command { .. }
            | GunEvent::Shot { .. }
            | GunEvent::Rejected { .. }
            | GunEvent::Lost { .. }
            | GunEvent::CounterWentBack { .. }
            | GunEvent::Salvaged { .. }
            | GunEvent::SalvageEnded { .. } => {}
            // Nobody in the driver asks for them.
            GunEvent::Settings(_) => {}
        }
    }
}

/// A grade as people read it.
const fn grade_words(grade: CompletenessGrade) -> &'static str {
    match grade {
        CompletenessGrade::Counter => "counter",
        CompletenessGrade::AuthenticatedCounter => "authenticated counter",
        // Also of a grade that is new here: nothing better is known of it.
        _ => "completeness not provable",
    }
}

/// Whose event it is: the gun's that it greets with, else that of the port.
pub(super) fn gun_of(gun: Option<GunSerial>, event: &GunEvent) -> Option<GunSerial> {
    match event {
        GunEvent::Attached(hello) => Some(hello.serial.clone()),
        GunEvent::Refused { hello, .. } => Some(hello.serial.clone()),
        _ => gun,
    }
}
