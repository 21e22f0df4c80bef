//! One gun of a bank.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use meso_link_proto::auth::NonceSeed;
use meso_link_proto::{
    Capabilities, GunLimits, GunLink, GunSettings, GunText, Housekeeping, LeaseLoss, Measured,
    Message, Purpose, ShotEvent, message, version,
};
use meso_units::{
    BootId, Epoch, GunTick, Micrometres, MilliCelsius, Millivolts, Nanolitres, UnitError,
};

use super::{BankError, BankGun, Order};
use crate::gun::line::{Line, LineChange};
use crate::gun::log::{FiredShot, LogWriter};
use crate::gun::plan::{Plan, Step};
use crate::gun::player::measured;

/// The gun's clock when it starts, in µs: it started two seconds ago.
const START_TICK_US: u64 = 2_000_000;
/// The depth of a shot that is to pass every limit, in µm.
const BREACH_DEPTH_UM: u32 = 11_000;
/// The longest time in which a gun does nothing by itself, so that its greetings and states are
/// not late.
const IDLE: Duration = Duration::from_millis(50);
/// How often a closed port is looked at; how soon an opening is seen.
const CLOSED: Duration = Duration::from_millis(10);
/// How long bytes may wait although the wire has room: it carries 58 of them in this time.
const WIRE: Duration = Duration::from_millis(5);
/// How long half a frame lies on the line before the cable is out; the host has read it by then.
const HALF_FRAME: Duration = Duration::from_millis(30);

/// One gun, its line and its log.
pub(super) struct Gun {
    options: BankGun,
    started: Instant,
    boot_count: u32,
    link: GunLink,
    line: Option<Line>,
    plan: Plan,
    /// When the next shot is due by the gun's clock; `None` once it fires no more.
    due_us: Option<u64>,
    log: LogWriter,
    /// All shots of the present epoch, to be remembered where the counter goes back.
    shots: Vec<ShotEvent>,
    fired: u64,
    turn_at: Instant,
    is_hung: bool,
    holds_fire: bool,
    corrupt_one_in: u32,
    /// Bytes sent, for the choice of the one to corrupt.
    sent_bytes: u64,
    babble: Vec<u8>,
    tears_next_shot: bool,
    torn_at: Option<Instant>,
}

impl Gun {
    pub(super) fn start(options: BankGun, ports: &Path, log: &Path) -> Result<Gun, BankError> {
        let line = match options.is_plugged {
            true => Some(expose(ports, options.serial.as_str())?),
            false => None,
        };
        let log = LogWriter::create(log)?;
        let gap_us = u64::try_from(options.fire_every.as_micros()).unwrap_or(u64::MAX);
        let plan = Plan::on_bench(options.seed, gap_us);
        Ok(Gun {
            started: Instant::now(),
            boot_count: 1,
            link: GunLink::new(settings(&options, 1)?),
            line,
            plan,
            due_us: Some(START_TICK_US + gap_us),
            log,
            shots: Vec::new(),
            fired: 0,
            turn_at: Instant::now(),
            is_hung: false,
            holds_fire: false,
            corrupt_one_in: 0,
            sent_bytes: 0,
            babble: Vec::new(),
            tears_next_shot: false,
            torn_at: None,
            options,
        })
    }

    fn now(&self) -> Result<GunTick, UnitError> {
        let us = self.started.elapsed().as_micros();
        let scale = 1_000_000_u128.saturating_add_signed(i128::from(self.options.drift_ppm));
        let ticks = u64::try_from(us * scale / 1_000_000).unwrap_or(u64::MAX);
        GunTick::new(ticks.saturating_add(START_TICK_US))
    }

    /// The descriptor to wait on; `None` while nobody has the port open.
    pub(super) fn readable_fd(&self) -> Option<BorrowedFd<'_>> {
        if self.is_hung {
            return None;
        }
        self.line.as_ref().and_then(Line::readable_fd)
    }

    /// When it has something to do, unless bytes come before.
    pub(super) fn turn_at(&self) -> Instant {
        self.turn_at
    }

    /// How long nothing is due.
    fn patience(&self) -> Duration {
        let is_open = self.line.as_ref().is_some_and(Line::is_open);
        let longest = match is_open || self.is_hung {
            true => IDLE,
            false => CLOSED,
        };
        let until_shot = match (self.due_us, self.now()) {
            (Some(due_us), Ok(now)) if self.may_fire() => {
                Duration::from_micros(due_us.saturating_sub(now.get()))
            }
            _ => longest,
        };
        let is_wire_busy = is_open && self.line.as_ref().is_some_and(Line::has_unsent);
        let until_wire = if is_wire_busy { WIRE } else { longest };
        until_shot.min(until_wire).min(longest)
    }

    fn may_fire(&self) -> bool {
        self.link.epoch().is_some() && !self.link.is_inhibited() && !self.holds_fire
    }

    /// Does what is due.
    pub(super) fn turn(&mut self) -> Result<(), BankError> {
        if !self.is_hung {
            self.play()?;
            if self
                .torn_at
                .is_some_and(|torn| torn.elapsed() >= HALF_FRAME)
            {
                self.unplug();
            }
            self.talk()?;
        }
        self.turn_at = Instant::now() + self.patience();
        Ok(())
    }

    pub(super) fn obey(&mut self, order: Order) -> Result<u64, BankError> {
        self.turn_at = Instant::now();
        match order {
            Order::Count => {}
            Order::StopFiring => self.due_us = None,
            Order::HoldFire(holds_fire) => self.hold_fire(holds_fire)?,
            Order::FireBurst(count) => self.burst(count)?,
            Order::Unplug => self.unplug(),
            Order::UnplugInMidFrame => self.tears_next_shot = true,
            Order::Plug { folder, name } => self.line = Some(expose(&folder, &name)?),
            Order::Reset => self.reset(),
            Order::CutPower => {
                self.boot_count += 1;
                self.link = GunLink::new(settings(&self.options, self.boot_count)?);
                self.shots.clear();
                self.restart_clock();
            }
            Order::Hang(is_hung) => self.is_hung = is_hung,
            Order::CorruptOneIn(count) => self.corrupt_one_in = count,
            Order::Babble(bytes) => self.babble = bytes,
            Order::ForgetNewest(count) => self.forget(count)?,
        }
        Ok(self.fired)
    }

    fn hold_fire(&mut self, holds_fire: bool) -> Result<(), UnitError> {
        self.holds_fire = holds_fire;
        // Not at once: the planned time of that shot would lie before this moment.
        let next_us = self.now()?.get().saturating_add(self.gap_us());
        self.due_us = self.due_us.map(|_| next_us);
        Ok(())
    }

    fn unplug(&mut self) {
        self.torn_at = None;
        self.line = None;
        self.link.line_reset();
    }

    fn reset(&mut self) {
        self.boot_count += 1;
        let boot = boot(&self.options, self.boot_count);
        self.link.restart(boot, self.boot_count);
        self.restart_clock();
    }

    /// The clock of a gun begins anew with each start.
    fn restart_clock(&mut self) {
        self.started = Instant::now();
        self.due_us = self.due_us.map(|_| START_TICK_US + self.gap_us());
    }

    fn gap_us(&self) -> u64 {
        u64::try_from(self.options.fire_every.as_micros()).unwrap_or(u64::MAX)
    }

    fn forget(&mut self, count: u32) -> Result<(), BankError> {
        let Some(epoch) = self.link.epoch() else {
            return Ok(());
        };
        let kept = self.shots.len().saturating_sub(count as usize);
        self.shots.truncate(kept);
        self.boot_count += 1;
        let settings = settings(&self.options, self.boot_count)?;
        self.restart_clock();
        self.link = remembering(settings, epoch, &self.shots, self.now()?);
        Ok(())
    }

    fn burst(&mut self, count: u32) -> Result<(), BankError> {
        let mut tick = self.now()?;
        for _ in 0..count {
            self.fire(tick)?;
            tick = GunTick::new(tick.get() + 1_000)?;
        }
        Ok(())
    }

    /// Fires what is due; what was due while the gun could not fire is put off until it can.
    fn play(&mut self) -> Result<(), BankError> {
        let now = self.now()?;
        while let Some(due_us) = self.due_us.filter(|due_us| *due_us <= now.get()) {
            if !self.may_fire() {
                self.due_us = Some(now.get());
                return Ok(());
            }
            self.due_us = Some(due_us.saturating_add(self.gap_us().max(1)));
            // The planned time, whenever it is played.
            self.fire(GunTick::new(due_us)?)?;
        }
        Ok(())
    }

    fn fire(&mut self, tick: GunTick) -> Result<(), BankError> {
        let Some(Step::Fire(planned)) = self.plan.next() else {
            return Ok(());
        };
        let mut measured: Measured = measured(&planned, Purpose::Patient)?;
        let one_in = u64::from(self.options.breach_one_in);
        if one_in > 0 && (self.fired + 1).is_multiple_of(one_in) {
            measured.depth_sensed = Some(Micrometres::new(BREACH_DEPTH_UM)?);
        }
        // Refused while inhibited, and then nothing was fired.
        if let Ok(shot) = self.link.fire(measured, tick) {
            let serial = self.options.serial.as_str();
            self.log.append(&FiredShot::new(serial, &shot))?;
            self.fired += 1;
            self.shots.push(shot);
        }
        Ok(())
    }

    /// Moves bytes between the port and the link.
    fn talk(&mut self) -> Result<(), BankError> {
        let Some(line) = self.line.as_mut() else {
            return Ok(());
        };
        let port = PathBuf::from(self.options.serial.as_str());
        let failed = |source| BankError::Port {
            port: port.clone(),
            source,
        };
        if let Some(change) = line.check().map_err(failed)? {
            self.link.line_reset();
            if change == LineChange::Opened && !self.babble.is_empty() {
                let babble = std::mem::take(&mut self.babble);
                line.send(&babble).map_err(failed)?;
            }
        }
        if !line.is_open() || self.torn_at.is_some() {
            return Ok(());
        }
        let bytes = line.read().map_err(failed)?;
        let now = self.now()?;
        self.link.receive(&bytes, now);
        self.link.set_housekeeping(Housekeeping {
            battery: Millivolts::new(3_900).ok(),
            temperature: MilliCelsius::new(31_500).ok(),
            vacuum: None,
            shots_on_needle: None,
        });
        self.say(now).map_err(failed)
    }

    fn say(&mut self, now: GunTick) -> std::io::Result<()> {
        let Some(line) = self.line.as_mut() else {
            return Ok(());
        };
        line.flush()?;
        while line.may_send(now.get()) {
            let Some(mut frame) = self.link.next_frame(now) else {
                return Ok(());
            };
            corrupt(&mut frame, self.corrupt_one_in, &mut self.sent_bytes);
            if self.tears_next_shot && is_shot(&frame) {
                self.tears_next_shot = false;
                self.torn_at = Some(Instant::now());
                return line.send(&frame[..frame.len() / 2]);
            }
            line.send(&frame)?;
        }
        Ok(())
    }
}

/// Whether an encoded frame is a shot: of all that a gun sends, only HELLO is as long, and that
/// begins with a delimiter.
fn is_shot(frame: &[u8]) -> bool {
    frame.len() >= 70 && frame[0] != meso_link_proto::frame::DELIMITER
}

/// Flips a bit in one byte of `one_in`.
fn corrupt(frame: &mut [u8], one_in: u32, sent_bytes: &mut u64) {
    for byte in frame {
        *sent_bytes += 1;
        if one_in > 0 && sent_bytes.is_multiple_of(u64::from(one_in)) {
            *byte ^= 0x10;
        }
    }
}

/// A gun that starts from an old copy of its memory: it holds these shots of that epoch.
fn remembering(settings: GunSettings, epoch: Epoch, shots: &[ShotEvent], now: GunTick) -> GunLink {
    let mut link = GunLink::new(settings);
    link.receive(&[meso_link_proto::frame::DELIMITER], now);
    let hello = message::HostHello {
        protocol_min: version::MIN,
        protocol_max: version::CURRENT,
        schema: version::schema(),
        session: 1,
        nonce: [0; 16],
    };
    let assign = message::AssignEpoch {
        session: 1,
        command: 1,
        replaces: None,
        epoch,
    };
    for message in [Message::HostHello(hello), Message::AssignEpoch(assign)] {
        link.receive(&message.encode(0).unwrap_or_default(), now);
    }
    for shot in shots {
        // They were fired once already.
        let _ = link.fire(shot.measured.clone(), shot.tick);
    }
    link.line_reset();
    link
}

fn expose(folder: &Path, name: &str) -> Result<Line, BankError> {
    Line::expose(folder, name).map_err(|source| BankError::Port {
        port: folder.join(name),
        source,
    })
}

/// Differs from start to start and from gun to gun.
fn boot(options: &BankGun, boot_count: u32) -> BootId {
    let seed = u32::try_from(options.seed & u64::from(u32::MAX)).unwrap_or(1);
    BootId(seed.wrapping_mul(0x9E37_79B9).wrapping_add(boot_count))
}

fn settings(options: &BankGun, boot_count: u32) -> Result<GunSettings, BankError> {
    Ok(GunSettings {
        serial: options.serial.clone(),
        model: GunText::new("model", "MESO-BANK")?,
        firmware: GunText::new("firmware", env!("CARGO_PKG_VERSION"))?,
        firmware_hash: [0; 8],
        boot: boot(options, boot_count),
        boot_count,
        capabilities: Capabilities::SENSES_DEPTH
            .union(Capabilities::SENSES_VOLUME)
            .union(Capabilities::KNOWS_PURPOSE)
            .union(Capabilities::CAN_INHIBIT),
        limits: GunLimits {
            depth_max: Some(Micrometres::MAX),
            volume_max: Some(Nanolitres::new(1_000_000)?),
            frequency_max: None,
        },
        lease_loss: LeaseLoss::Continue,
        ring_shots_max: options.ring_shots_max,
        key: None,
        nonce_seed: NonceSeed::new([0; 32]),
    })
}
