//! Which gun is on the line, and whether it is the one that it says it is.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{AttachedGun, CommandOutcome, HostEvent, HostLink, RefuseReason};
use crate::auth::{NONCE_BYTES, SealedSession, SessionName, unchecked};
use crate::clock::HostNow;
use crate::frame::Frame;
use crate::message::{Capabilities, Hello, HostHello, Message};
use crate::{frame, timing, version};

use super::ns;

impl HostLink {
    pub(super) fn greet(&mut self, now_ns: u64) {
        self.greeting_at_ns = Some(now_ns.saturating_add(ns(timing::GREETING_INTERVAL)));
        // A delimiter first: it ends whatever the gun may have half received.
        self.output.push(frame::DELIMITER);
        let hello = Message::HostHello(HostHello {
            protocol_min: version::MIN,
            protocol_max: version::CURRENT,
            schema: version::schema(),
            session: self.session,
            nonce: self.nonce,
        });
        // Never sealed: the gun makes the session key of it.
        self.send_plain(&hello);
    }

    /// Takes a greeting; it makes the session key, so it is read before its seal is checked.
    pub(super) fn on_hello_frame(
        &mut self,
        whole: Frame,
        now: HostNow,
        events: &mut Vec<HostEvent>,
    ) {
        let plain = unchecked(&whole).unwrap_or_else(|| whole.clone());
        match Message::decode(&plain) {
            Ok(Message::Hello(hello)) => self.on_hello(&whole, hello, now, events),
            // In an authenticated session nonsense without a right seal is nobody's.
            _ if self.seal.is_some() => self.count_not_authentic(),
            Ok(_) => {}
            Err(rejection) => self.reject(*rejection, now, events),
        }
    }

    fn on_hello(&mut self, whole: &Frame, hello: Hello, now: HostNow, events: &mut Vec<HostEvent>) {
        if let Err(reason) = check_version(&hello).and_then(|()| self.check_key(&hello)) {
            self.lose_gun(events);
            self.refuse(hello, reason, events);
            return;
        }
        if hello.session != self.session {
            self.lose_gun(events);
            self.greet(now.monotonic_ns);
            return;
        }
        let is_admitted = match self.keys.get(&hello.serial) {
            None if whole.is_sealed() => {
                self.count_not_authentic();
                false
            }
            None => {
                self.seal = None;
                true
            }
            Some(_) => self.admit_sealed(whole, &hello, now, events),
        };
        if is_admitted {
            self.heard(now);
            self.attach(hello, now, events);
        }
    }

    /// Whether a gun and this host agree about there being a key.
    fn check_key(&self, hello: &Hello) -> Result<(), RefuseReason> {
        let says_key = hello.capabilities.contains(Capabilities::HOLDS_KEY);
        match (says_key, self.keys.get(&hello.serial)) {
            (true, None) => Err(RefuseReason::KeyMissing),
            (false, Some(_)) => Err(RefuseReason::KeyExpected),
            (false, None) if self.keys.only_authentic => Err(RefuseReason::OnlyAuthentic),
            _ => Ok(()),
        }
    }

    /// Checks the seal of a greeting of this session, and begins the authenticated session with
    /// the first right one.
    fn admit_sealed(
        &mut self,
        whole: &Frame,
        hello: &Hello,
        now: HostNow,
        events: &mut Vec<HostEvent>,
    ) -> bool {
        let is_same_lease = hello.nonce == self.gun_nonce
            && self
                .hello()
                .is_some_and(|known| known.serial == hello.serial);
        if let Some(seal) = self.seal.as_mut().filter(|_| is_same_lease) {
            let is_authentic = seal.open(whole).is_ok();
            if !is_authentic {
                self.count_not_authentic();
            }
            return is_authentic;
        }
        let Some(mut fresh) = self.session_of(self.nonce, hello) else {
            return false;
        };
        if fresh.open(whole).is_err() {
            self.count_not_authentic();
            // An answer to the greeting before the last may still be under way.
            let is_late = self
                .nonce_before
                .and_then(|nonce| self.session_of(nonce, hello))
                .is_some_and(|mut before| before.open(whole).is_ok());
            if self.gun.is_none() && !is_late {
                self.refuse(hello.clone(), RefuseReason::NotAuthentic, events);
            }
            return false;
        }
        if self.seal.is_some() {
            // The gun has begun another session under the host's number of before. Recorded
            // frames of either could be played back, so both sides draw anew.
            self.lose_gun(events);
            self.greet(now.monotonic_ns);
            return false;
        }
        self.seal = Some(fresh);
        self.gun_nonce = hello.nonce;
        true
    }

    fn session_of(&self, host_nonce: [u8; NONCE_BYTES], hello: &Hello) -> Option<SealedSession> {
        let key = self.keys.get(&hello.serial)?;
        let name = SessionName {
            host_nonce,
            gun_nonce: hello.nonce,
            session: hello.session,
            serial: &hello.serial,
        };
        Some(SealedSession::new(key, &name))
    }

    fn attach(&mut self, hello: Hello, now: HostNow, events: &mut Vec<HostEvent>) {
        self.refused = None;
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

    /// Says once, not at every greeting, that a gun is refused, or it would fill the log.
    fn refuse(&mut self, hello: Hello, reason: RefuseReason, events: &mut Vec<HostEvent>) {
        let told = Some((hello.serial.clone(), reason));
        if self.refused != told {
            self.refused = told;
            events.push(HostEvent::Refused {
                hello: Box::new(hello),
                reason,
            });
        }
    }

    /// Forgets the gun; what was commanded and not answered has an unknown outcome. After an
    /// authenticated session the next one gets another random number, so that nothing of this
    /// one can be played back in it.
    fn lose_gun(&mut self, events: &mut Vec<HostEvent>) {
        self.gun = None;
        if self.seal.take().is_some() {
            self.nonce_number = self.nonce_number.wrapping_add(1);
            let next = self.nonce_seed.nonce(self.nonce_number);
            self.nonce_before = Some(core::mem::replace(&mut self.nonce, next));
        }
        for (command, kind) in self.commands.clear() {
            events.push(HostEvent::Command {
                command,
                kind,
                outcome: CommandOutcome::Unknown,
            });
        }
    }

    pub(super) fn count_not_authentic(&mut self) {
        self.not_authentic_count = self.not_authentic_count.saturating_add(1);
    }
}

fn check_version(hello: &Hello) -> Result<(), RefuseReason> {
    let ours = (version::MIN, version::CURRENT);
    let common = version::common(ours, (hello.protocol_min, hello.protocol_max));
    if common.is_none() {
        return Err(RefuseReason::NoCommonVersion {
            gun_min: hello.protocol_min,
            gun_max: hello.protocol_max,
            host_min: ours.0,
            host_max: ours.1,
        });
    }
    // The schema number is of the gun's newest version, which may be one that we do not know.
    if common == Some(hello.protocol_max) && hello.schema != version::schema() {
        return Err(RefuseReason::OtherSchema {
            gun: hello.schema,
            host: version::schema(),
        });
    }
    Ok(())
}
