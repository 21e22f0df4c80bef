//! The host that asks: it keeps its session alive, decodes, and otherwise does only what a check
//! tells it. It is lenient where [`meso_link_proto::HostLink`] is strict, because it must get far
//! enough with a broken gun to say what is broken.

mod ask;

use std::collections::VecDeque;

use meso_link_proto::auth::{NONCE_BYTES, NotAuthentic, SealedSession, SessionName, unchecked};
use meso_link_proto::frame::{DELIMITER, Decoded, Frame, FrameDecoder, Garbage};
use meso_link_proto::message::{CommandResult, HostHello, Watermark, kind};
use meso_link_proto::{
    Capabilities, Hello, Message, RejectReason, Rejection, ShotEvent, timing, version,
};
use meso_units::{Epoch, ShotCounter};

use super::{Bench, Wire, WireError};

/// One millisecond in ns.
pub(super) const MS: u64 = 1_000_000;
/// One second in ns.
pub(super) const SECOND: u64 = 1_000 * MS;
/// How long one try of a question waits for its answer, in ns.
const ANSWER_PATIENCE: u64 = 500 * MS;
/// How often a question is asked before the gun counts as mute.
const TRIES_MAX: u32 = 4;
/// Without a shot for this long, the person at the gun is asked for one, in ns.
const ASK_AFTER: u64 = 1_500 * MS;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Stop {
    /// The gun does something else than it must.
    Failed(String),
    /// The gun need not.
    NotApplicable(String),
    /// The line broke.
    Wire(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Stop {
        Stop::Wire(error)
    }
}

/// Ends a check as failed.
pub(super) fn fail<T>(seen: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(seen.into()))
}

/// Ends a check as failed unless `holds`.
pub(super) fn expect(holds: bool, seen: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds { Ok(()) } else { fail(seen()) }
}

/// What stood between two delimiters.
#[derive(Clone, Debug)]
pub(super) enum What {
    Message(Message),
    Rejected(Rejection),
    Garbage(Garbage),
}

/// Something heard, and when.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) at_ns: u64,
    pub(super) what: What,
    /// Whether the gun's key sealed it; an error where it did not.
    pub(super) seal: Result<(), NotAuthentic>,
}

/// A shot as it came, in range or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenShot {
    pub(super) counter: u32,
    pub(super) payload: Vec<u8>,
    pub(super) rejected: Option<RejectReason>,
}

impl Heard {
    /// The shot, if it is one whose counter can be read.
    pub(super) fn shot(&self) -> Option<SeenShot> {
        match &self.what {
            What::Message(Message::Shot(shot)) => Some(SeenShot {
                counter: shot.key.counter.get(),
                payload: shot.encode_payload(),
                rejected: None,
            }),
            What::Rejected(rejection) if rejection.kind == kind::SHOT => Some(SeenShot {
                counter: rejection.identity?.counter.get(),
                payload: rejection.bytes.clone(),
                rejected: Some(rejection.reason.clone()),
            }),
            _ => None,
        }
    }
}

pub(super) struct Probe<'w> {
    wire: &'w mut dyn Wire,
    bench: Bench,
    ask: &'w mut dyn FnMut(&str),
    decoder: FrameDecoder,
    sequence: u16,
    session: u32,
    number: u16,
    /// The epoch of the attached gun.
    epoch: Option<Epoch>,
    /// What KEEP_ALIVE repeats.
    mark: Option<u32>,
    /// When the next KEEP_ALIVE is due; `None` while silent.
    keep_alive_at_ns: Option<u64>,
    waiting: VecDeque<Heard>,
    host_nonce: [u8; NONCE_BYTES],
    /// The session under the gun's key, with the gun's random number; `None` without a key and
    /// before HELLO.
    seal: Option<(SealedSession, [u8; NONCE_BYTES])>,
    greeted: u64,
}

impl<'w> Probe<'w> {
    pub(super) fn new(
        wire: &'w mut dyn Wire,
        bench: &Bench,
        ask: &'w mut dyn FnMut(&str),
    ) -> Probe<'w> {
        Probe {
            wire,
            session: bench.session.max(1),
            bench: bench.clone(),
            ask,
            decoder: FrameDecoder::new(),
            sequence: 0,
            number: 0,
            epoch: None,
            mark: None,
            keep_alive_at_ns: None,
            waiting: VecDeque::new(),
            host_nonce: [0; NONCE_BYTES],
            seal: None,
            greeted: 0,
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.wire.now_ns()
    }

    pub(super) fn session(&self) -> u32 {
        self.session
    }

    /// A number for the next command or request, never 0.
    pub(super) fn next_number(&mut self) -> u16 {
        self.number = self.number.wrapping_add(1).max(1);
        self.number
    }

    /// The epoch of the attached gun.
    pub(super) fn epoch(&self) -> Result<Epoch, Stop> {
        let missing = || Stop::Failed("the gun has no epoch after one was assigned".to_owned());
        self.epoch.ok_or_else(missing)
    }

    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        Ok(self.wire.send(bytes)?)
    }

    pub(super) fn send(&mut self, message: &Message) -> Result<(), Stop> {
        let frame = self.encode(message)?;
        self.send_raw(&frame)
    }

    /// The bytes of a message, sealed where the gun holds a key; not sent yet.
    pub(super) fn encode(&mut self, message: &Message) -> Result<Vec<u8>, Stop> {
        self.sequence = self.sequence.wrapping_add(1);
        let is_greeting = matches!(message, Message::HostHello(_));
        let encoded = match self.seal.as_mut().filter(|_| !is_greeting) {
            Some((seal, _)) => message.encode_sealed(self.sequence, seal),
            None => message.encode(self.sequence),
        };
        encoded.map_err(|error| Stop::Failed(error.to_string()))
    }

    /// The bytes of a message without a seal.
    pub(super) fn encode_plain(&self, message: &Message) -> Result<Vec<u8>, Stop> {
        message
            .encode(self.sequence)
            .map_err(|error| Stop::Failed(error.to_string()))
    }

    /// The session under the gun's key; ends the check where the gun holds none.
    pub(super) fn sealed_session(&self) -> Result<SealedSession, Stop> {
        match (&self.seal, &self.bench.key) {
            (Some((seal, _)), _) => Ok(seal.clone()),
            (None, None) => Err(Stop::NotApplicable("the gun holds no key".to_owned())),
            (None, Some(_)) => fail("a key was given, and the gun says that it holds none"),
        }
    }

    /// The gun's random number of the session that is on.
    pub(super) fn gun_nonce(&self) -> Option<[u8; NONCE_BYTES]> {
        self.seal.as_ref().map(|(_, nonce)| *nonce)
    }

    /// The next thing heard before `until_ns`; keeps the lease alive meanwhile.
    pub(super) fn hear(&mut self, until_ns: u64) -> Result<Option<Heard>, Stop> {
        loop {
            if let Some(heard) = self.waiting.pop_front() {
                return Ok(Some(heard));
            }
            let now_ns = self.now_ns();
            if now_ns >= until_ns {
                return Ok(None);
            }
            self.keep_alive()?;
            let limit_ns = until_ns.min(self.keep_alive_at_ns.unwrap_or(u64::MAX));
            let bytes = self.wire.receive(limit_ns)?;
            let at_ns = self.now_ns();
            for decoded in self.decoder.push(&bytes) {
                let (what, seal) = match decoded {
                    Decoded::Frame(frame) => self.understand(&frame),
                    Decoded::Garbage { reason, .. } => (What::Garbage(reason), Ok(())),
                };
                self.waiting.push_back(Heard { at_ns, what, seal });
            }
        }
    }

    /// What a frame says, whoever sealed it, and whether the gun's key did.
    fn understand(&mut self, frame: &Frame) -> (What, Result<(), NotAuthentic>) {
        let plain = unchecked(frame);
        let plain = plain.as_ref().unwrap_or(frame);
        let what = match Message::decode(plain) {
            Ok(message) => What::Message(message),
            Err(rejection) => What::Rejected(*rejection),
        };
        if let What::Message(Message::Hello(hello)) = &what {
            self.begin_sealed(hello);
        }
        let seal = match self.seal.as_mut() {
            Some((seal, _)) => seal.open(frame).map(|_| ()),
            None => Ok(()),
        };
        (what, seal)
    }

    /// Derives the session key from the answer of a gun that holds a key.
    fn begin_sealed(&mut self, hello: &Hello) {
        let holds_key = hello.capabilities.contains(Capabilities::HOLDS_KEY);
        let is_known = self.gun_nonce() == Some(hello.nonce);
        if hello.session != self.session || !holds_key || is_known {
            return;
        }
        self.seal = self.bench.key.as_ref().map(|key| {
            let name = SessionName {
                host_nonce: self.host_nonce,
                gun_nonce: hello.nonce,
                session: hello.session,
                serial: &hello.serial,
            };
            (SealedSession::new(key, &name), hello.nonce)
        });
    }

    /// Everything heard for that long.
    pub(super) fn listen(&mut self, for_ns: u64) -> Result<Vec<Heard>, Stop> {
        let until_ns = self.now_ns() + for_ns;
        let mut all = Vec::new();
        while let Some(heard) = self.hear(until_ns)? {
            all.push(heard);
        }
        Ok(all)
    }

    /// The first thing heard that `pick` takes; what comes before it is dropped.
    pub(super) fn find<T>(
        &mut self,
        for_ns: u64,
        mut pick: impl FnMut(&Heard) -> Option<T>,
    ) -> Result<Option<T>, Stop> {
        let until_ns = self.now_ns() + for_ns;
        while let Some(heard) = self.hear(until_ns)? {
            if let Some(found) = pick(&heard) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Asks and waits for the answer, as often as a sound host would.
    fn question<T>(
        &mut self,
        message: &Message,
        mut pick: impl FnMut(&Message) -> Option<T>,
    ) -> Result<Option<T>, Stop> {
        for _ in 0..TRIES_MAX {
            self.send(message)?;
            let found = self.find(ANSWER_PATIENCE, |heard| match &heard.what {
                What::Message(message) => pick(message),
                _ => None,
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Sends KEEP_ALIVE where it is due.
    fn keep_alive(&mut self) -> Result<(), Stop> {
        let now_ns = self.now_ns();
        if self.keep_alive_at_ns.is_none_or(|at_ns| now_ns < at_ns) {
            return Ok(());
        }
        self.keep_alive_at_ns = Some(now_ns + ns(timing::KEEP_ALIVE_INTERVAL));
        let mark = self.watermark(self.mark);
        self.send(&Message::KeepAlive(mark))
    }

    /// No KEEP_ALIVE until the next greeting.
    pub(super) fn fall_silent(&mut self) {
        self.keep_alive_at_ns = None;
    }

    /// Lets time pass without reading, the lease kept alive.
    pub(super) fn neglect(&mut self, for_ns: u64) -> Result<(), Stop> {
        let until_ns = self.now_ns() + for_ns;
        while self.now_ns() < until_ns {
            self.keep_alive()?;
            let limit_ns = until_ns.min(self.keep_alive_at_ns.unwrap_or(u64::MAX));
            self.wire.neglect(limit_ns);
        }
        Ok(())
    }

    fn watermark(&self, counter: Option<u32>) -> Watermark {
        Watermark {
            session: self.session,
            epoch: counter.and(self.epoch),
            counter: counter.map(ShotCounter),
        }
    }

    /// The gun's answer to a HOST_HELLO of the session that is on.
    fn host_hello(&mut self, protocol_max: u8, schema: u32) -> Result<Hello, Stop> {
        let session = self.session;
        let hello = Message::HostHello(HostHello {
            protocol_min: version::MIN,
            protocol_max,
            schema,
            session,
            nonce: self.host_nonce,
        });
        self.send_raw(&[DELIMITER])?;
        let found = self.question(&hello, |message| match message {
            Message::Hello(hello) if hello.session == session => Some(hello.clone()),
            _ => None,
        })?;
        let Some(hello) = found else {
            return fail("HOST_HELLO was not answered within 2 s");
        };
        let holds_key = hello.capabilities.contains(Capabilities::HOLDS_KEY);
        expect(!holds_key || self.bench.key.is_some(), || {
            "the gun holds a key and obeys nobody without it: give it with --key-file".to_owned()
        })?;
        Ok(hello)
    }

    /// Opens a new session and says what the gun answered.
    pub(super) fn greet(&mut self) -> Result<Hello, Stop> {
        self.greet_as(version::CURRENT, version::schema())
    }

    /// Opens a new session as a host whose newest version is that one.
    pub(super) fn greet_as(&mut self, protocol_max: u8, schema: u32) -> Result<Hello, Stop> {
        self.session = self.session.wrapping_add(1).max(1);
        self.mark = None;
        self.waiting.clear();
        self.seal = None;
        self.greeted += 1;
        self.host_nonce = self.bench.nonce;
        for (byte, count) in self.host_nonce.iter_mut().zip(self.greeted.to_le_bytes()) {
            *byte ^= count;
        }
        let hello = self.host_hello(protocol_max, schema)?;
        self.epoch = hello.epoch();
        self.keep_alive_at_ns = Some(self.now_ns() + ns(timing::KEEP_ALIVE_INTERVAL));
        Ok(hello)
    }

    /// Asks again under the same session, which changes nothing: the gun's state now.
    pub(super) fn state(&mut self) -> Result<Hello, Stop> {
        self.host_hello(version::CURRENT, version::schema())
    }

    /// Opens a new session on a gun that may fire: with an epoch, and not inhibited.
    pub(super) fn attach(&mut self) -> Result<Hello, Stop> {
        let mut hello = self.greet()?;
        if hello.epoch().is_none() {
            let epoch = self.bench.epoch;
            let result = self.assign_epoch(None, epoch)?;
            expect(result.epoch == Some(epoch), || {
                format!(
                    "a gun without epoch did not take the assigned one: {}",
                    words(&result)
                )
            })?;
            self.epoch = Some(epoch);
            hello = self.state()?;
        }
        if hello.is_inhibited {
            self.resume(hello.inhibit_number)?;
        }
        Ok(hello)
    }

    /// Asks the person at the gun for something.
    pub(super) fn ask(&mut self, what: &str) {
        (self.ask)(what);
    }

    /// How long somebody may take to pull the trigger, in ns.
    pub(super) fn shot_patience_ns(&self) -> u64 {
        self.bench.shot_patience_ns
    }

    /// The next shot that is in range.
    pub(super) fn next_shot(&mut self) -> Result<ShotEvent, Stop> {
        let pick = |heard: &Heard| match &heard.what {
            What::Message(Message::Shot(shot)) => Some(shot.clone()),
            _ => None,
        };
        if let Some(shot) = self.find(ASK_AFTER, pick)? {
            return Ok(shot);
        }
        self.ask("pull the trigger of the gun a few times");
        let found = self.find(self.bench.shot_patience_ns, pick)?;
        found.map_or_else(|| fail("no shot came: somebody must fire"), Ok)
    }

    /// The next shots that come, in the order in which they do.
    pub(super) fn shots(&mut self, count: usize) -> Result<Vec<SeenShot>, Stop> {
        let mut shots = Vec::new();
        while shots.len() < count {
            let shot = match self.find(ASK_AFTER, Heard::shot)? {
                Some(shot) => Some(shot),
                None => {
                    (self.ask)("pull the trigger of the gun a few times");
                    self.find(self.bench.shot_patience_ns, Heard::shot)?
                }
            };
            let Some(shot) = shot else {
                return fail(format!(
                    "{} of {count} shots came: somebody must fire",
                    shots.len()
                ));
            };
            shots.push(shot);
        }
        Ok(shots)
    }

    /// Opens a session, streams what is fired from now on, and takes the next `count` shots.
    pub(super) fn attach_and_take(&mut self, count: usize) -> Result<Vec<SeenShot>, Stop> {
        let hello = self.attach()?;
        let next = hello.inventory.newest.map_or(1, |newest| newest.get() + 1);
        self.stream_from(next)?;
        self.shots(count)
    }
}

/// A duration of the link in ns.
pub(super) fn ns(duration: core::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// An answer of the gun in words.
pub(super) fn words(answer: &CommandResult) -> String {
    let state = if answer.is_inhibited {
        "inhibited"
    } else {
        "not inhibited"
    };
    format!(
        "{:?}, then {state}, latest inhibition {}, epoch {:#018x}",
        answer.result,
        answer.inhibit_number,
        answer.epoch.map_or(0, Epoch::get)
    )
}
