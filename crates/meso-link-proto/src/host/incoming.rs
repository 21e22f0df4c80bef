//! What each message of the gun does to the host's end.

use alloc::boxed::Box;
use alloc::vec::Vec;

use meso_units::ShotCounter;

use super::stream::{RangeVerdict, Stream, Turn};
use super::{CommandOutcome, HostEvent, HostLink};
use crate::clock::HostNow;
use crate::frame::Frame;
use crate::message::{
    CommandResult, Message, Range, RejectReason, Rejection, Settings, ShotEvent, ShotKey, Status,
    kind,
};

impl HostLink {
    /// Takes a frame: in an authenticated session only one with a right seal.
    pub(super) fn on_frame(&mut self, frame: Frame, now: HostNow, events: &mut Vec<HostEvent>) {
        if frame.kind == kind::HELLO {
            if self.seal.is_none() {
                self.heard(now);
            }
            self.on_hello_frame(frame, now, events);
            return;
        }
        let opened = match self.seal.as_mut() {
            Some(seal) => seal.open(&frame).ok(),
            None => (!frame.is_sealed()).then_some(frame),
        };
        let Some(frame) = opened else {
            self.count_not_authentic();
            return;
        };
        self.heard(now);
        match Message::decode(&frame) {
            Ok(message) => self.handle(message, now, events),
            Err(rejection) => self.reject(*rejection, now, events),
        }
    }

    pub(super) fn heard(&mut self, now: HostNow) {
        self.heard_at_ns = Some(now.monotonic_ns);
        self.is_silent = false;
    }

    fn handle(&mut self, message: Message, now: HostNow, events: &mut Vec<HostEvent>) {
        match message {
            Message::Shot(shot) => self.on_shot(shot, now, events),
            Message::Status(status) => self.on_status(status, now, events),
            Message::Range(range) => self.on_range(&range, now, events),
            Message::TimeAnswer(answer) => {
                let Some(gun) = &self.gun else { return };
                if let Some(mapping) = self.time.answer(gun.hello.boot, &answer, now) {
                    events.push(HostEvent::Clock(mapping));
                }
            }
            Message::Result(result) => self.on_result(&result, events),
            Message::Settings(settings) => self.on_settings(settings, events),
            // The host's own messages coming back mean a line that echoes.
            other => events.push(HostEvent::Rejected(Rejection {
                reason: RejectReason::UnknownKind { kind: other.kind() },
                identity: None,
                kind: other.kind(),
                bytes: Vec::new(),
            })),
        }
    }

    fn on_shot(&mut self, shot: ShotEvent, now: HostNow, events: &mut Vec<HostEvent>) {
        let Some(gun) = self.gun.as_mut() else { return };
        let Some(stream) = gun.stream.as_mut() else {
            return;
        };
        match stream.judge(shot.key, now.monotonic_ns) {
            Turn::Next if stream.is_salvage() => {
                events.push(HostEvent::Salvaged {
                    shot: Box::new(shot),
                });
                self.tell_salvage_end(events);
            }
            Turn::Next => events.push(HostEvent::Shot(Box::new(shot))),
            Turn::Again => self.duplicate_count += 1,
            Turn::TooEarly => {}
            Turn::OtherEpoch => {
                let attached = stream.position().epoch.get();
                let epoch = shot.key.epoch.get();
                events.push(HostEvent::Rejected(Rejection {
                    reason: RejectReason::OtherEpoch { epoch, attached },
                    identity: Some(shot.key),
                    kind: kind::SHOT,
                    bytes: shot.encode_payload(),
                }));
            }
        }
    }

    /// An impossible shot in its turn counts as come; out of turn it is asked for again like
    /// any other. Anything that is no shot is handed on.
    pub(super) fn reject(
        &mut self,
        rejection: Rejection,
        now: HostNow,
        events: &mut Vec<HostEvent>,
    ) {
        let stream = self.gun.as_mut().and_then(|gun| gun.stream.as_mut());
        match (rejection.identity, stream) {
            (Some(key), Some(stream)) => match stream.judge(key, now.monotonic_ns) {
                Turn::Next | Turn::OtherEpoch => {
                    events.push(HostEvent::Rejected(rejection));
                    self.tell_salvage_end(events);
                }
                Turn::Again => self.duplicate_count += 1,
                Turn::TooEarly => {}
            },
            // Without a stream nothing was asked for; the shot comes again when it is.
            (Some(ShotKey { .. }), None) => {}
            (None, _) => events.push(HostEvent::Rejected(rejection)),
        }
    }

    fn on_status(&mut self, status: Status, now: HostNow, events: &mut Vec<HostEvent>) {
        let Some(gun) = self.gun.as_mut() else { return };
        gun.inhibit_number = status.inhibit_number;
        if status.inventory.epoch != gun.hello.epoch() {
            // The greeting that told of the new epoch was lost on the way: ask for it again.
            self.greet(now.monotonic_ns);
            return;
        }
        if let Some(stream) = gun.stream.as_mut() {
            stream.on_inventory(&status.inventory, now.monotonic_ns);
        }
        events.push(HostEvent::Status(Box::new(status)));
    }

    fn on_range(&mut self, range: &Range, now: HostNow, events: &mut Vec<HostEvent>) {
        let session = self.session;
        let Some(gun) = self.gun.as_mut() else { return };
        let Some(stream) = gun.stream.as_mut() else {
            return;
        };
        if range.session != session {
            return;
        }
        match stream.on_range(range) {
            RangeVerdict::Ignored => {}
            RangeVerdict::Settled { lost, confirms } => {
                let epoch = stream.position().epoch;
                let mark = stream.watermark(session);
                // What is gone of a broken epoch has no place in the record.
                if let Some((first, last)) = lost.filter(|_| !stream.is_salvage()) {
                    events.push(HostEvent::Lost { epoch, first, last });
                }
                if confirms && mark.counter.is_some() {
                    self.send(&Message::Acknowledge(mark));
                }
                self.tell_salvage_end(events);
            }
            RangeVerdict::WentBack { expected } => {
                let epoch = stream.position().epoch;
                let newest = range.newest.map_or(0, ShotCounter::get);
                events.push(HostEvent::CounterWentBack {
                    epoch,
                    newest,
                    expected,
                });
                // Whatever it holds may be other shots under known numbers: read once, apart.
                gun.stream = Some(Stream::salvaging(epoch, now.monotonic_ns));
            }
        }
    }

    /// Says once that all shots of a broken epoch are there.
    fn tell_salvage_end(&mut self, events: &mut Vec<HostEvent>) {
        let stream = self.gun.as_mut().and_then(|gun| gun.stream.as_mut());
        if let Some(stream) = stream
            && let Some(newest) = stream.salvage_end()
        {
            let epoch = stream.position().epoch;
            events.push(HostEvent::SalvageEnded { epoch, newest });
        }
    }

    fn on_result(&mut self, result: &CommandResult, events: &mut Vec<HostEvent>) {
        if result.session != self.session {
            return;
        }
        if let Some(gun) = self.gun.as_mut() {
            gun.inhibit_number = result.inhibit_number;
        }
        if let Some(kind) = self.commands.answer(result.command) {
            let outcome = CommandOutcome::Answered {
                result: result.result,
                is_inhibited: result.is_inhibited,
                limits: result.limits,
            };
            events.push(HostEvent::Command {
                command: result.command,
                kind,
                outcome,
            });
        }
    }

    fn on_settings(&mut self, settings: Settings, events: &mut Vec<HostEvent>) {
        if settings.session == self.session && self.commands.answer(settings.command).is_some() {
            events.push(HostEvent::Settings(Box::new(settings)));
        }
    }
}
