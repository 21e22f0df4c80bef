//! Who holds the gun's lease, and what is believed to be of that host.

use alloc::collections::VecDeque;

use meso_units::GunTick;

use super::{GunLink, us};
use crate::auth::{self, NONCE_BYTES, SealedSession, SessionName};
use crate::frame::Frame;
use crate::message::{HostHello, Message, ResultCode, kind};
use crate::{timing, version};

/// The lease of the host that greeted last.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) session: u32,
    host_nonce: [u8; NONCE_BYTES],
    /// The gun's own number for this session; zeros where it holds no key.
    pub(super) gun_nonce: [u8; NONCE_BYTES],
    /// What seals and opens the frames of this session; `None` where the gun holds no key.
    pub(super) seal: Option<SealedSession>,
    pub(super) heard_at_us: u64,
    /// The counter that goes out next; `None` until the host asks for shots.
    pub(super) cursor: Option<u32>,
    pub(super) status_at_us: u64,
    /// The latest commands and what became of them.
    pub(super) remembered: VecDeque<(u16, ResultCode)>,
}

impl GunLink {
    pub(super) fn on_host_hello(&mut self, host: &HostHello, now: GunTick) {
        if is_spoken(host) {
            let is_known = self.lease.as_ref().is_some_and(|lease| {
                lease.session == host.session && lease.host_nonce == host.nonce
            });
            if !is_known {
                self.begin_lease(host, now);
            }
        }
        // The answer goes out in any case, so that the host can show whom it cannot speak with.
        let hello = self.hello(host.session, now);
        self.answer(Message::Hello(hello));
    }

    fn begin_lease(&mut self, host: &HostHello, now: GunTick) {
        let mut gun_nonce = [0; NONCE_BYTES];
        let seal = self.settings.key.as_ref().map(|key| {
            self.nonce_number = self.nonce_number.wrapping_add(1);
            gun_nonce = self.settings.nonce_seed.nonce(self.nonce_number);
            let name = SessionName {
                host_nonce: host.nonce,
                gun_nonce,
                session: host.session,
                serial: &self.settings.serial,
            };
            SealedSession::new(key, &name)
        });
        // What waits was meant for the host of before.
        self.answers.clear();
        self.lease = Some(Lease {
            session: host.session,
            host_nonce: host.nonce,
            gun_nonce,
            seal,
            heard_at_us: now.get(),
            cursor: None,
            status_at_us: now.get().saturating_add(us(timing::STATUS_INTERVAL)),
            remembered: VecDeque::new(),
        });
    }

    /// The frame without its seal, if it is to be believed; else it is counted. A gun without a
    /// lease then says who it is, so that a host of before greets it.
    pub(super) fn admit(&mut self, frame: Frame, now: GunTick) -> Option<Frame> {
        let holds_key = self.settings.key.is_some();
        let seal = self.lease.as_mut().map(|lease| lease.seal.as_mut());
        let admitted = match seal {
            _ if frame.kind == kind::HOST_HELLO => (!frame.is_sealed()).then_some(frame.clone()),
            Some(Some(seal)) => seal.open(&frame).ok(),
            None if holds_key => None,
            _ => (!frame.is_sealed()).then_some(frame.clone()),
        };
        if admitted.is_none() {
            self.not_authentic_count = self.not_authentic_count.saturating_add(1);
            let plain = auth::unchecked(&frame).unwrap_or(frame);
            let names_a_session =
                Message::decode(&plain).is_ok_and(|message| message.lease_session().is_some());
            if self.lease.is_none() && names_a_session {
                self.greet_at_once(now);
            }
        }
        admitted
    }

    /// Renews the lease if the session is the one that holds it; else says who this gun is, so
    /// that the host greets it.
    pub(super) fn is_of_host(&mut self, session: u32, now: GunTick) -> bool {
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.session == session) {
            lease.heard_at_us = now.get();
            return true;
        }
        if self.lease.is_none() {
            self.greet_at_once(now);
        }
        false
    }

    fn greet_at_once(&mut self, now: GunTick) {
        self.greeting_at_us = self.greeting_at_us.min(now.get());
    }

    /// Whether a message goes out under the seal of the session that is on.
    pub(super) fn is_sealed(&self, message: &Message) -> bool {
        let Some(lease) = self.lease.as_ref().filter(|lease| lease.seal.is_some()) else {
            return false;
        };
        // The greeting of a host that does not hold the lease must be readable without its key.
        !matches!(message, Message::Hello(hello) if hello.session != lease.session)
    }
}

/// Whether the gun may speak with that host: a common version, and the same layouts of it.
fn is_spoken(host: &HostHello) -> bool {
    let ours = (version::MIN, version::CURRENT);
    let common = version::common(ours, (host.protocol_min, host.protocol_max));
    // The schema number is of the host's newest version, which may be one that we do not know.
    let is_of_common = common == Some(host.protocol_max);
    common.is_some() && (!is_of_common || host.schema == version::schema())
}
