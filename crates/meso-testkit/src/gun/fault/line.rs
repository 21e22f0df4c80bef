//! The place of a fault: between a sound gun and its line.

use std::collections::{BTreeSet, VecDeque};

use meso_link_proto::auth::unchecked;
use meso_link_proto::frame::{DELIMITER, Decoded, Frame, FrameDecoder};
use meso_link_proto::message::{AssignEpoch, HostHello, SendFrom, SetLimits, TimeRequest, kind};
use meso_link_proto::{GunLimits, GunLink, GunSettings, Message, version};
use meso_units::{Epoch, GunTick, ShotCounter};

use super::Fault;
use super::frames::{frame_of, patched};
use super::restart::restarted;
use super::seals::{Seals, plain};

/// The requests and commands that the fault makes by itself; the gun's answers never go out.
const OWN_REQUEST: u16 = u16::MAX;
/// How often a gun without a lease is told that its host lives, in µs.
const OWN_TIME_INTERVAL_US: u64 = 1_000_000;
/// How many sent shots are kept to be sent again; an older one is not.
const SENT_MAX: usize = 32;
/// From which shot of a session on shots are dropped, and one in how many.
const DROPS_FROM: u32 = 40;
const DROPS_ONE_IN: u32 = 10;

/// What makes of a frame that the gun has begun to read no frame.
const CUT_SHORT: &[u8] = &[0xFF, 0xFF, DELIMITER];

/// A fault between a sound gun and its line.
#[derive(Debug)]
pub struct FaultyLine {
    fault: Fault,
    settings: GunSettings,
    /// For a gun that holds a key.
    seals: Option<Seals>,
    /// What goes in is read here first.
    incoming: FrameDecoder,
    outgoing: FrameDecoder,
    session: u32,
    /// The session in which shots were last asked for in the host's name.
    asked: u32,
    inhibit_number: u32,
    /// The epoch that `newest_sent` and what was dropped and sent are of.
    epoch: Option<Epoch>,
    newest_sent: u32,
    sent_count: u32,
    status_count: u32,
    own_time_at_us: u64,
    dropped: BTreeSet<u32>,
    sent: VecDeque<(u32, Frame)>,
    extra: VecDeque<Frame>,
    /// The epoch that the gun has, and the one that its host believes it to have.
    alias: Option<(Epoch, Epoch)>,
    /// The limits that it only says that it enforces.
    claimed: Option<GunLimits>,
}

impl FaultyLine {
    /// A line with that fault to a gun with those settings.
    pub fn new(fault: Fault, settings: GunSettings) -> FaultyLine {
        let mut line = FaultyLine {
            fault,
            seals: Seals::new(fault, &settings),
            settings,
            incoming: FrameDecoder::new(),
            outgoing: FrameDecoder::new(),
            session: 0,
            asked: 0,
            inhibit_number: 0,
            epoch: None,
            newest_sent: 0,
            sent_count: 0,
            status_count: 0,
            own_time_at_us: 0,
            dropped: BTreeSet::new(),
            sent: VecDeque::new(),
            extra: VecDeque::new(),
            alias: None,
            claimed: None,
        };
        // The gun's own bytes come whole, so the first delimiter need not be waited for.
        line.outgoing.push(&[DELIMITER]);
        line
    }

    /// Takes bytes of the host and hands them, changed, to the gun.
    pub fn receive(&mut self, link: &mut GunLink, bytes: &[u8], now: GunTick) {
        for byte in bytes {
            let decoded = self.incoming.push(std::slice::from_ref(byte));
            let frame = decoded.into_iter().find_map(|decoded| match decoded {
                Decoded::Frame(frame) => Some(frame),
                Decoded::Garbage { .. } => None,
            });
            match frame {
                None => link.receive(std::slice::from_ref(byte), now),
                Some(frame) => self.on_frame(link, *byte, &frame, now),
            }
        }
    }

    /// Takes a frame of which the gun has everything but the last byte.
    fn on_frame(&mut self, link: &mut GunLink, last: u8, frame: &Frame, now: GunTick) {
        let opened = match self.seals.as_mut() {
            Some(seals) if frame.kind != kind::HOST_HELLO => seals.open_from_host(frame),
            _ => Some(frame.clone()),
        };
        let message = opened.as_ref().map(Message::decode);
        let Some(Ok(message)) = message else {
            // Nothing that a sound gun would obey either; a frame of another seal it must not
            // even get, because the seal towards it has a count of its own.
            let rest = if message.is_some() {
                &[last][..]
            } else {
                CUT_SHORT
            };
            link.receive(rest, now);
            return;
        };
        link.receive(CUT_SHORT, now);
        if let Message::HostHello(hello) = &message {
            self.on_host_hello(link, hello, now);
        }
        let acknowledged = match &message {
            Message::Acknowledge(mark) | Message::KeepAlive(mark) => {
                let known = self.alias.map_or(link.epoch(), |(_, outer)| Some(outer));
                let is_ours = mark.session == self.session && mark.epoch == known;
                mark.counter.filter(|_| is_ours)
            }
            _ => None,
        };
        let before = link.epoch();
        let changed = self.changed(message);
        self.feed(link, changed, now);
        if let (Fault::ReusesEpoch, Some(before), Some(after)) = (self.fault, before, link.epoch())
            && before != after
        {
            let outer = self.alias.map_or(before, |(_, outer)| outer);
            self.alias = Some((after, outer));
        }
        if let Some(counter) = acknowledged {
            self.on_acknowledged(link, counter, now);
        }
    }

    fn on_host_hello(&mut self, link: &mut GunLink, hello: &HostHello, now: GunTick) {
        if let Some(seals) = self.seals.as_mut() {
            seals.on_host_hello(hello);
        }
        if hello.session == self.session {
            return;
        }
        self.session = hello.session;
        self.sent_count = 0;
        if let (Fault::RestartsCounter, Some(epoch)) = (self.fault, link.epoch()) {
            *link = restarted(&self.settings, self.session, epoch, now);
        }
    }

    /// What the gun hears of a message, if anything.
    fn changed(&mut self, mut message: Message) -> Option<Message> {
        self.to_inner_epoch(&mut message);
        Some(match (self.fault, message) {
            (Fault::IgnoresAck, Message::Acknowledge(_))
            | (Fault::IgnoresIdentify, Message::Identify(_)) => return None,
            (Fault::IgnoresAck, Message::KeepAlive(mut mark)) => {
                mark.counter = None;
                Message::KeepAlive(mark)
            }
            (Fault::ResumeByOldFrame, Message::Resume(mut resume)) => {
                resume.inhibit_number = self.inhibit_number;
                Message::Resume(resume)
            }
            (Fault::IgnoresLimits, Message::SetLimits(asked)) => {
                self.claimed = (asked.limits != GunLimits::default()).then_some(asked.limits);
                let limits = GunLimits::default();
                Message::SetLimits(SetLimits { limits, ..asked })
            }
            (_, message) => message,
        })
    }

    /// Puts the epoch that the gun has in the place of the one that the host knows.
    fn to_inner_epoch(&self, message: &mut Message) {
        let Some((inner, outer)) = self.alias else {
            return;
        };
        match message {
            Message::Acknowledge(mark) | Message::KeepAlive(mark) => {
                mark.epoch = mark.epoch.map(|e| if e == outer { inner } else { e });
            }
            Message::SendFrom(request) if request.epoch == outer => request.epoch = inner,
            Message::AssignEpoch(command) => {
                command.replaces = command.replaces.map(|e| if e == outer { inner } else { e });
                if command.epoch == outer {
                    command.epoch = inner;
                }
            }
            _ => {}
        }
    }

    fn on_acknowledged(&mut self, link: &mut GunLink, counter: ShotCounter, now: GunTick) {
        if self.fault == Fault::ResendsAcknowledged {
            let again = self.sent.iter().find(|(sent, _)| *sent == counter.get());
            self.extra.extend(again.map(|(_, frame)| frame.clone()));
        }
        let newest = link.inventory().newest;
        let is_all = newest.is_some_and(|newest| newest <= counter);
        if let (Fault::CounterGoesBack, true, Some(epoch)) = (self.fault, is_all, link.epoch()) {
            let outer = self.alias.map_or(epoch, |(_, outer)| outer);
            let inner = Epoch(epoch.get().wrapping_add(1).max(1));
            let assign = AssignEpoch {
                session: self.session,
                command: OWN_REQUEST,
                replaces: Some(epoch),
                epoch: inner,
            };
            self.feed(link, Some(Message::AssignEpoch(assign)), now);
            self.alias = Some((inner, outer));
            self.ask_for_shots(link, now);
        }
    }

    fn ask_for_shots(&mut self, link: &mut GunLink, now: GunTick) {
        let request = link.epoch().map(|epoch| {
            let newest = link.inventory().newest.map_or(0, ShotCounter::get);
            Message::SendFrom(SendFrom {
                session: self.session,
                request: OWN_REQUEST,
                epoch,
                counter: ShotCounter(newest + 1),
            })
        });
        self.feed(link, request, now);
    }

    /// Lets the gun hear a message, sealed where it holds a key.
    fn feed(&mut self, link: &mut GunLink, message: Option<Message>, now: GunTick) {
        let Some(frame) = message.as_ref().and_then(frame_of) else {
            return;
        };
        let bytes = match self.seals.as_mut() {
            Some(seals) if frame.kind != kind::HOST_HELLO => seals.seal_to_gun(&frame),
            _ => plain(&frame),
        };
        link.receive(&bytes, now);
    }

    /// The next bytes of the gun, changed; `None` when it has nothing to say now.
    pub fn next_frame(&mut self, link: &mut GunLink, now: GunTick) -> Option<Vec<u8>> {
        if self.fault == Fault::NoLease && now.get() >= self.own_time_at_us {
            self.own_time_at_us = now.get() + OWN_TIME_INTERVAL_US;
            let request = Message::TimeRequest(TimeRequest {
                request: u32::MAX,
                host_sent_ns: 0,
            });
            self.feed(link, Some(request), now);
        }
        loop {
            if let Some(extra) = self.extra.pop_front() {
                return Some(self.wire(&extra, true));
            }
            let bytes = link.next_frame(now)?;
            let decoded = self.outgoing.push(&bytes).into_iter().next();
            let Some(Decoded::Frame(frame)) = decoded else {
                return Some(bytes);
            };
            let is_sealed = frame.is_sealed();
            let frame = unchecked(&frame).unwrap_or(frame);
            let Ok(message) = Message::decode(&frame) else {
                return Some(bytes);
            };
            self.on_own(link, &message, now);
            if let Some(changed) = self.change(frame, &message) {
                let wire = self.wire(&changed, is_sealed);
                return Some(self.spoil(wire, &message));
            }
        }
    }

    /// Notes what the gun says of itself.
    fn on_own(&mut self, link: &mut GunLink, message: &Message, now: GunTick) {
        match message {
            Message::Hello(hello) => {
                self.inhibit_number = hello.inhibit_number;
                if self.epoch != hello.epoch() {
                    self.epoch = hello.epoch();
                    self.newest_sent = 0;
                    self.dropped.clear();
                    self.sent.clear();
                }
                if let Some(seals) = self.seals.as_mut() {
                    seals.on_hello(hello);
                }
                let is_new = hello.session == self.session && self.asked != hello.session;
                let streams = self.fault == Fault::StreamsUnasked && link.epoch().is_some();
                if is_new && streams && hello.session != 0 {
                    self.asked = hello.session;
                    self.ask_for_shots(link, now);
                }
            }
            Message::Result(result) => self.inhibit_number = result.inhibit_number,
            _ => {}
        }
    }

    fn wire(&mut self, frame: &Frame, is_sealed: bool) -> Vec<u8> {
        let frame_bytes = match self.seals.as_mut().filter(|_| is_sealed) {
            Some(seals) => seals.seal_to_host(frame),
            None => plain(frame),
        };
        [&[DELIMITER], frame_bytes.as_slice()].concat()
    }

    /// A frame of the gun as it goes out; `None` for one that does not.
    fn change(&mut self, frame: Frame, message: &Message) -> Option<Frame> {
        let frame = self.with_outer_epoch(frame);
        Some(match message {
            Message::Hello(hello) => {
                let nonce = self.seals.as_ref().filter(|_| hello.nonce != [0; 16]);
                let frame = match nonce {
                    Some(seals) => patched(frame, 128, &seals.outer_nonce(hello.nonce)),
                    None => frame,
                };
                let frame = self.with_claimed(frame, 102);
                match self.fault {
                    Fault::WrongSchema => patched(frame, 2, &(!version::schema()).to_le_bytes()),
                    _ => frame,
                }
            }
            Message::TimeAnswer(answer) => match self.fault {
                Fault::NoLease if answer.request == u32::MAX => return None,
                Fault::LiesAboutTime => {
                    let fast = |tick: GunTick| tick.get() + tick.get() / 20;
                    let stamps = [fast(answer.received), fast(answer.sent)].map(u64::to_le_bytes);
                    patched(frame, 12, &stamps.concat())
                }
                _ => frame,
            },
            Message::Range(range) if range.request == OWN_REQUEST => return None,
            Message::Range(range) => match self.fault {
                Fault::ForgetsRing if range.from <= self.newest_sent => {
                    let from = self.newest_sent + 1;
                    patched(frame, 18, &from.to_le_bytes())
                }
                _ => frame,
            },
            Message::Result(result) if result.command == OWN_REQUEST => return None,
            Message::Result(_) => self.with_claimed(frame, 20),
            Message::Settings(settings) => {
                let frame = self.with_claimed(frame, 18);
                match (self.fault, settings.set.depth) {
                    (Fault::FalseSettings, Some(depth)) => {
                        let off = depth.get() ^ 0x200;
                        patched(frame, 6, &off.to_le_bytes())
                    }
                    _ => frame,
                }
            }
            Message::Shot(shot) => return self.change_shot(shot.key.counter.get(), frame),
            _ => frame,
        })
    }

    /// The epoch that the host knows in the place of the one that the gun has.
    fn with_outer_epoch(&self, frame: Frame) -> Frame {
        let at = match frame.kind {
            kind::HELLO => 74,
            kind::SHOT => 0,
            kind::STATUS => 8,
            kind::RANGE => 6,
            kind::RESULT => 12,
            _ => return frame,
        };
        match self.alias {
            Some((inner, outer)) if frame.payload[at..at + 8] == inner.get().to_le_bytes() => {
                patched(frame, at, &outer.get().to_le_bytes())
            }
            _ => frame,
        }
    }

    /// The limits that the gun only says that it enforces, where a frame names limits at `at`.
    fn with_claimed(&self, frame: Frame, at: usize) -> Frame {
        let Some(limits) = self.claimed else {
            return frame;
        };
        let depth_um = limits.depth_max.map_or(0, |depth| depth.get());
        let volume_nl = limits.volume_max.map_or(0, |volume| volume.get());
        let rate_spm = limits.frequency_max.map_or(0, |rate| rate.get());
        let volume_nl = u32::try_from(volume_nl).unwrap_or(u32::MAX);
        let frame = patched(frame, at, &depth_um.to_le_bytes());
        let frame = patched(frame, at + 4, &volume_nl.to_le_bytes());
        patched(frame, at + 8, &rate_spm.to_le_bytes())
    }

    /// What stands between a frame and its checksum, and around it.
    fn spoil(&mut self, mut bytes: Vec<u8>, message: &Message) -> Vec<u8> {
        if !matches!(message, Message::Status(_)) {
            return bytes;
        }
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
                long.push(DELIMITER);
                long.extend_from_slice(&bytes);
                long
            }
            _ => bytes,
        }
    }

    fn change_shot(&mut self, counter: u32, frame: Frame) -> Option<Frame> {
        self.sent_count += 1;
        let is_known = counter <= self.newest_sent;
        self.newest_sent = self.newest_sent.max(counter);
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((counter, frame.clone()));
        match self.fault {
            Fault::ForgetsRing if is_known => None,
            Fault::ImpossibleDepth if counter.is_multiple_of(4) => {
                let present = frame.payload[58] | 1 << 2;
                let frame = patched(frame, 58, &[present]);
                Some(patched(frame, 36, &20_000_u32.to_le_bytes()))
            }
            Fault::DropsUnderLoad => {
                let is_due =
                    self.sent_count >= DROPS_FROM && self.sent_count.is_multiple_of(DROPS_ONE_IN);
                if is_due {
                    self.dropped.insert(counter);
                }
                (!self.dropped.contains(&counter)).then_some(frame)
            }
            _ => Some(frame),
        }
    }
}
