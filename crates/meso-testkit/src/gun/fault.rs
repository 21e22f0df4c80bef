//! Guns that are broken on purpose, to prove that the conformance kit sees it.
//!
//! A fault sits between a sound gun and its line and changes what goes in or out; the sound gun
//! knows nothing of it. [`Fault::fails`] names the checks of
//! [`crate::conform::CHECKS`] that see it; all others still pass.

use std::collections::{BTreeSet, VecDeque};
use std::str::FromStr;

use meso_link_proto::frame::{Decoded, Frame, FrameDecoder, encode_frame};
use meso_link_proto::message::{AssignEpoch, HostHello, SendFrom, TimeRequest};
use meso_link_proto::{GunLink, GunSettings, Message, version};
use meso_units::{Epoch, GunTick, ShotCounter};

/// What a gun does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Every fourth STATUS has a wrong checksum.
    BadCrc,
    /// Before every second STATUS comes a run of 300 bytes.
    OversizeFrame,
    /// The schema number is another one.
    WrongSchema,
    /// Every fourth shot senses a needle depth of 20 mm.
    ImpossibleDepth,
    /// Shots stream without having been asked for.
    StreamsUnasked,
    /// A shot that was sent once cannot be read again.
    ForgetsRing,
    /// The watermark never moves.
    IgnoresAck,
    /// The acknowledged shot is sent once more.
    ResendsAcknowledged,
    /// A new session restarts the counter under the same epoch.
    RestartsCounter,
    /// The time that it answers runs 5 % fast.
    LiesAboutTime,
    /// RESUME ends any inhibition, whichever it names.
    ResumeByOldFrame,
    /// From the 40th shot of a session on, one in ten is lost and never counted.
    DropsUnderLoad,
    /// It never gives up a host that is gone.
    NoLease,
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 13] = [
        Fault::BadCrc,
        Fault::OversizeFrame,
        Fault::WrongSchema,
        Fault::ImpossibleDepth,
        Fault::StreamsUnasked,
        Fault::ForgetsRing,
        Fault::IgnoresAck,
        Fault::ResendsAcknowledged,
        Fault::RestartsCounter,
        Fault::LiesAboutTime,
        Fault::ResumeByOldFrame,
        Fault::DropsUnderLoad,
        Fault::NoLease,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::BadCrc => "bad-crc",
            Fault::OversizeFrame => "oversize-frame",
            Fault::WrongSchema => "wrong-schema",
            Fault::ImpossibleDepth => "impossible-depth",
            Fault::StreamsUnasked => "streams-unasked",
            Fault::ForgetsRing => "forgets-ring",
            Fault::IgnoresAck => "ignores-ack",
            Fault::ResendsAcknowledged => "resends-acknowledged",
            Fault::RestartsCounter => "restarts-counter",
            Fault::LiesAboutTime => "lies-about-time",
            Fault::ResumeByOldFrame => "resume-by-old-frame",
            Fault::DropsUnderLoad => "drops-under-load",
            Fault::NoLease => "no-lease",
        }
    }

    /// The checks that it fails, in the order in which they run.
    pub fn fails(self) -> &'static [&'static str] {
        match self {
            Fault::BadCrc => &["checksum"],
            Fault::OversizeFrame => &["frame-size"],
            Fault::WrongSchema => &["negotiation"],
            Fault::ImpossibleDepth => &["fields"],
            Fault::StreamsUnasked => &["stream"],
            // What is forgotten is not counted either, which shows as soon as the host is slow.
            Fault::ForgetsRing => &["resend", "overload"],
            Fault::IgnoresAck => &["watermark"],
            Fault::ResendsAcknowledged => &["no-unasked-resend"],
            Fault::RestartsCounter => &["epoch"],
            Fault::LiesAboutTime => &["time"],
            Fault::ResumeByOldFrame => &["resume"],
            Fault::DropsUnderLoad => &["overload"],
            Fault::NoLease => &["lease"],
        }
    }
}

/// No fault has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no fault: take one of {}", Fault::ALL.map(Fault::name).join(", "))]
pub struct NotAFault {
    /// The name that was given.
    pub name: String,
}

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(name: &str) -> Result<Fault, NotAFault> {
        let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        found.ok_or_else(|| NotAFault {
            name: name.to_owned(),
        })
    }
}

/// The requests that the fault makes by itself; the gun's answers to them never go out.
const OWN_REQUEST: u16 = u16::MAX;
/// How often a gun without a lease is told that its host lives, in µs.
const OWN_TIME_INTERVAL_US: u64 = 1_000_000;
/// How many sent shots are kept to be sent again; an older one is not.
const SENT_MAX: usize = 32;
/// From which shot of a session on shots are dropped, and one in how many.
const DROPS_FROM: u32 = 40;
const DROPS_ONE_IN: u32 = 10;

/// A fault between a sound gun and its line.
#[derive(Debug)]
pub struct FaultyLine {
    fault: Fault,
    settings: GunSettings,
    /// What goes in is read here first.
    incoming: FrameDecoder,
    outgoing: FrameDecoder,
    session: u32,
    inhibit_number: u32,
    newest_sent: u32,
    sent_count: u32,
    status_count: u32,
    own_time_at_us: u64,
    dropped: BTreeSet<u32>,
    sent: VecDeque<(u32, Vec<u8>)>,
    extra: VecDeque<Vec<u8>>,
}

impl FaultyLine {
    /// A line with that fault to a gun with those settings.
    pub fn new(fault: Fault, settings: GunSettings) -> FaultyLine {
        let mut line = FaultyLine {
            fault,
            settings,
            incoming: FrameDecoder::new(),
            outgoing: FrameDecoder::new(),
            session: 0,
            inhibit_number: 0,
            newest_sent: 0,
            sent_count: 0,
            status_count: 0,
            own_time_at_us: 0,
            dropped: BTreeSet::new(),
            sent: VecDeque::new(),
            extra: VecDeque::new(),
        };
        // The gun's own bytes come whole, so the first delimiter need not be waited for.
        line.outgoing.push(&[meso_link_proto::frame::DELIMITER]);
        line
    }

    /// Takes bytes of the host and hands them, changed, to the gun.
    pub fn receive(&mut self, link: &mut GunLink, bytes: &[u8], now: GunTick) {
        for byte in bytes {
            let decoded = self.incoming.push(std::slice::from_ref(byte));
            let message = decoded.iter().find_map(|decoded| match decoded {
                Decoded::Frame(frame) => Message::decode(frame).ok(),
                Decoded::Garbage { .. } => None,
            });
            match message {
                None => link.receive(std::slice::from_ref(byte), now),
                Some(message) => {
                    if self.restarts_at(link, &message, now) {
                        // The new start has not heard the beginning of the frame.
                        feed(link, Some(message), now);
                    } else {
                        self.hand_over(link, byte, message, now);
                    }
                }
            }
        }
    }

    /// Whether a message is a new session at which the gun loses its memory.
    fn restarts_at(&mut self, link: &mut GunLink, message: &Message, now: GunTick) -> bool {
        let Message::HostHello(hello) = message else {
            return false;
        };
        if hello.session == self.session {
            return false;
        }
        self.session = hello.session;
        self.sent_count = 0;
        let (Fault::RestartsCounter, Some(epoch)) = (self.fault, link.epoch()) else {
            return false;
        };
        *link = restarted(self.settings.clone(), epoch, now);
        true
    }

    /// Gives the gun a message, its last byte still to come, or something else in its place.
    fn hand_over(&mut self, link: &mut GunLink, last: &u8, message: Message, now: GunTick) {
        let changed = match (self.fault, message) {
            (Fault::IgnoresAck, Message::Acknowledge(_)) => None,
            (Fault::IgnoresAck, Message::KeepAlive(mut mark)) => {
                mark.counter = None;
                Some(Message::KeepAlive(mark))
            }
            (Fault::ResumeByOldFrame, Message::Resume(mut resume)) => {
                resume.inhibit_number = self.inhibit_number;
                Some(Message::Resume(resume))
            }
            (fault, message) => {
                link.receive(std::slice::from_ref(last), now);
                match message {
                    Message::Acknowledge(mark) if fault == Fault::ResendsAcknowledged => {
                        let counter = mark.counter.map_or(0, ShotCounter::get);
                        let again = self.sent.iter().find(|(sent, _)| *sent == counter);
                        self.extra.extend(again.map(|(_, frame)| frame.clone()));
                    }
                    Message::HostHello(hello) if fault == Fault::StreamsUnasked => {
                        self.ask_for_shots(link, &hello, now);
                    }
                    _ => {}
                }
                return;
            }
        };
        // What the gun has of the frame is cut short, so that it is no frame.
        link.receive(&[0xFF, 0xFF, 0], now);
        feed(link, changed, now);
    }

    fn ask_for_shots(&self, link: &mut GunLink, hello: &HostHello, now: GunTick) {
        let request = link.epoch().map(|epoch| {
            let newest = link.inventory().newest.map_or(0, ShotCounter::get);
            Message::SendFrom(SendFrom {
                session: hello.session,
                request: OWN_REQUEST,
                epoch,
                counter: ShotCounter(newest + 1),
            })
        });
        feed(link, request, now);
    }

    /// The next bytes of the gun, changed; `None` when it has nothing to say now.
    pub fn next_frame(&mut self, link: &mut GunLink, now: GunTick) -> Option<Vec<u8>> {
        if self.fault == Fault::NoLease && now.get() >= self.own_time_at_us {
            self.own_time_at_us = now.get() + OWN_TIME_INTERVAL_US;
            let request = Message::TimeRequest(TimeRequest {
                request: u32::MAX,
                host_sent_ns: 0,
            });
            feed(link, Some(request), now);
        }
        loop {
            if let Some(extra) = self.extra.pop_front() {
                return Some(extra);
            }
            let bytes = link.next_frame(now)?;
            let decoded = self.outgoing.push(&bytes);
            let Some(Decoded::Frame(frame)) = decoded.into_iter().next() else {
                return Some(bytes);
            };
            if let Some(changed) = self.change(frame, bytes) {
                return Some(changed);
            }
        }
    }

    /// A frame of the gun as it goes out; `None` for one that does not.
    fn change(&mut self, frame: Frame, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let message = Message::decode(&frame).ok()?;
        match message {
            Message::Hello(hello) => {
                self.inhibit_number = hello.inhibit_number;
                let is_wrong = self.fault == Fault::WrongSchema;
                let schema = (!version::schema()).to_le_bytes();
                Some(if is_wrong {
                    patched(frame, 2, &schema)
                } else {
                    bytes
                })
            }
            Message::Status(_) => Some(self.change_status(bytes)),
            Message::Result(result) => {
                self.inhibit_number = result.inhibit_number;
                Some(bytes)
            }
            Message::TimeAnswer(answer) => match self.fault {
                Fault::NoLease if answer.request == u32::MAX => None,
                Fault::LiesAboutTime => {
                    let fast = |tick: GunTick| tick.get() + tick.get() / 20;
                    let stamps = [fast(answer.received), fast(answer.sent)].map(u64::to_le_bytes);
                    Some(patched(frame, 12, &stamps.concat()))
                }
                _ => Some(bytes),
            },
            Message::Range(range) => match self.fault {
                Fault::StreamsUnasked if range.request == OWN_REQUEST => None,
                Fault::ForgetsRing if range.from <= self.newest_sent => {
                    let from = self.newest_sent + 1;
                    Some(patched(frame, 18, &from.to_le_bytes()))
                }
                _ => Some(bytes),
            },
            Message::Shot(shot) => self.change_shot(shot.key.counter.get(), frame, bytes),
            _ => Some(bytes),
        }
    }

    fn change_status(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        self.status_count += 1;
        match self.fault {
            Fault::BadCrc if self.status_count.is_multiple_of(4) => {
                // The last code byte before the delimiter may be COBS's; the checksum is before.
                let at = bytes.len() - 3;
                bytes[at] = if bytes[at] == 0x55 { 0x56 } else { 0x55 };
                bytes
            }
            Fault::OversizeFrame if self.status_count.is_multiple_of(2) => {
                let mut long = vec![b'#'; 300];
                long.push(0);
                long.extend_from_slice(&bytes);
                long
            }
            _ => bytes,
        }
    }

    fn change_shot(&mut self, counter: u32, frame: Frame, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.sent_count += 1;
        let is_known = counter <= self.newest_sent;
        self.newest_sent = self.newest_sent.max(counter);
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((counter, bytes.clone()));
        match self.fault {
            Fault::ForgetsRing if is_known => None,
            Fault::ImpossibleDepth if counter.is_multiple_of(4) => {
                let present = frame.payload[58] | 1 << 2;
                let mut frame = frame;
                frame.payload[58] = present;
                Some(patched(frame, 36, &20_000_u32.to_le_bytes()))
            }
            Fault::DropsUnderLoad => {
                let is_due =
                    self.sent_count >= DROPS_FROM && self.sent_count.is_multiple_of(DROPS_ONE_IN);
                if is_due {
                    self.dropped.insert(counter);
                }
                (!self.dropped.contains(&counter)).then_some(bytes)
            }
            _ => Some(bytes),
        }
    }
}

/// The frame with other bytes at `at` of its payload.
fn patched(mut frame: Frame, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame.payload[at..at + bytes.len()].copy_from_slice(bytes);
    let mut wire = vec![0];
    // Cannot fail: the payload is as long as it came.
    wire.extend(encode_frame(frame.kind, frame.sequence, &frame.payload).unwrap_or_default());
    wire
}

fn feed(link: &mut GunLink, message: Option<Message>, now: GunTick) {
    if let Some(Ok(frame)) = message.map(|message| message.encode(0)) {
        link.receive(&frame, now);
    }
}

/// A gun that has just started and believes that the epoch of before is still its own.
fn restarted(settings: GunSettings, epoch: Epoch, now: GunTick) -> GunLink {
    let mut link = GunLink::new(settings);
    link.receive(&[0], now);
    let hello = HostHello {
        protocol_min: version::MIN,
        protocol_max: version::CURRENT,
        schema: version::schema(),
        session: 1,
    };
    let assign = AssignEpoch {
        session: 1,
        command: 1,
        replaces: None,
        epoch,
    };
    feed(&mut link, Some(Message::HostHello(hello)), now);
    feed(&mut link, Some(Message::AssignEpoch(assign)), now);
    link.line_reset();
    link.receive(&[0], now);
    link
}
