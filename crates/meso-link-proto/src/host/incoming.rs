//! What each message of the gun does to the host's end.

use alloc::boxed::Box;
use alloc::vec::Vec;

use meso_units::ShotCounter;

use super::stream::{RangeVerdict, Turn};
use super::{AttachedGun, CommandOutcome, HostEvent, HostLink, RefuseReason};
use crate::clock::HostNow;
use crate::message::{
    CommandResult, Hello, Message, Range, RejectReason, Rejection, ShotEvent, ShotKey, Status, kind,
};
use crate::version;

impl HostLink {
    pub(super) fn handle(&mut self, message: Message, now: HostNow, events: &mut Vec<HostEvent>) {
        match message {
            Message::Hello(hello) => self.on_hello(hello, now, events),
            Message::Shot(shot) => self.on_shot(shot, now, events),
            Message::Status(status) => self.on_status(status, now, events),
            Message::Range(range) => self.on_range(&range, events),
            Message::TimeAnswer(answer) => {
                let Some(gun) = &self.gun else { return };
                if let Some(mapping) = self.time.answer(gun.hello.boot, &answer, now) {
                    events.push(HostEvent::Clock(mapping));
                }
            }
            Message::Result(result) => self.on_result(&result, events),
            // The host's own messages coming back mean a line that echoes.
            other => events.push(HostEvent::Rejected(Rejection {
                reason: RejectReason::UnknownKind { kind: other.kind() },
                identity: None,
                kind: other.kind(),
                bytes: Vec::new(),
            })),
        }
    }

    fn on_hello(&mut self, hello: Hello, now: HostNow, events: &mut Vec<HostEvent>) {
        if let Err(reason) = check_version(&hello) {
            self.gun = None;
            // Said once, not at every greeting, or a wrong gun would fill the log.
            if self.refused.replace(reason) != Some(reason) {
                events.push(HostEvent::Refused {
                    hello: Box::new(hello),
                    reason,
                });
            }
            return;
        }
        self.refused = None;
        if hello.session != self.session {
            self.detach(events);
            self.greet(now.monotonic_ns);
            return;
        }
        let is_repeated = self.gun.as_ref().is_some_and(|gun| {
            let known = &gun.hello;
            known.serial == hello.serial
                && known.boot == hello.boot
                && known.epoch() == hello.epoch()
        });
        if is_repeated {
            return;
        }
        let is_other = self.hello().is_none_or(|known| known.boot != hello.boot);
        if is_other {
            self.time.restart();
        }
        self.gun = Some(AttachedGun {
            inhibit_number: hello.inhibit_number,
            hello: hello.clone(),
            stream: None,
            keep_alive_at_ns: now.monotonic_ns,
        });
        events.push(HostEvent::Attached(Box::new(hello)));
    }

    /// Forgets the gun; what was commanded and not answered has an unknown outcome.
    fn detach(&mut self, events: &mut Vec<HostEvent>) {
        self.gun = None;
        for (command, kind) in self.commands.clear() {
            events.push(HostEvent::Command {
                command,
                kind,
                outcome: CommandOutcome::Unknown,
            });
        }
    }

    fn on_shot(&mut self, shot: ShotEvent, now: HostNow, events: &mut Vec<HostEvent>) {
        let Some(gun) = self.gun.as_mut() else { return };
        let Some(stream) = gun.stream.as_mut() else {
            return;
        };
        match stream.judge(shot.key, now.monotonic_ns) {
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

    fn on_range(&mut self, range: &Range, events: &mut Vec<HostEvent>) {
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
                if let Some((first, last)) = lost {
                    events.push(HostEvent::Lost { epoch, first, last });
                }
                if confirms && mark.counter.is_some() {
                    self.send(&Message::Acknowledge(mark));
                }
            }
            RangeVerdict::WentBack { expected } => {
                let epoch = stream.position().epoch;
                let newest = range.newest.map_or(0, ShotCounter::get);
                gun.stream = None;
                events.push(HostEvent::CounterWentBack {
                    epoch,
                    newest,
                    expected,
                });
            }
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
            };
            events.push(HostEvent::Command {
                command: result.command,
                kind,
                outcome,
            });
        }
    }
}

fn check_version(hello: &Hello) -> Result<(), RefuseReason> {
    let ours = (version::MIN, version::CURRENT);
    match version::common(ours, (hello.protocol_min, hello.protocol_max)) {
        None => Err(RefuseReason::NoCommonVersion {
            gun_min: hello.protocol_min,
            gun_max: hello.protocol_max,
            host_min: ours.0,
            host_max: ours.1,
        }),
        Some(version::CURRENT) if hello.schema != version::schema() => {
            Err(RefuseReason::OtherSchema {
                gun: hello.schema,
                host: version::schema(),
            })
        }
        Some(_) => Ok(()),
    }
}
