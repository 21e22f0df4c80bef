//! One opening of the line: greeting, orders, polls, records.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use meso_config::guns::{CounterLife, InhibitPlace, ModbusProfile, Registers};
use meso_link_proto::clock::{ClockMapper, ClockSample, HostNow};
use meso_link_proto::{
    Capabilities, CommandOutcome, GunLimits, GunText, Hello, LeaseLoss, ResultCode, Status,
};
use meso_units::{BootId, Epoch, GunSerial, GunTick, ShotCounter};
use sha2::{Digest, Sha256};

use super::client::Client;
use super::ring::{Held, Stream};
use super::status::{RingStatus, text, words};
use super::{ModbusPort, Shared};
use crate::foreign::{ForeignCommand, ForeignLine, Standing, Teller, WaitingCommand};
use crate::ports::Line;
use crate::{CompletenessGrade, DetachReason, GunEvent};

/// How often the gun's clock is compared and its state is told.
const STATUS_INTERVAL_NS: u64 = 1_000_000_000;

/// What the gun said of itself at the greeting.
pub(super) struct Greeted {
    pub(super) status: RingStatus,
    pub(super) epoch: Option<Epoch>,
}

pub(super) struct Session<'a> {
    pub(super) shared: &'a Shared,
    pub(super) teller: Teller<'a>,
    pub(super) orders: &'a ForeignLine,
    pub(super) port: &'a ModbusPort,
    pub(super) client: Client,
    pub(super) greeted: Option<Greeted>,
    /// How often a computed epoch was broken.
    pub(super) generation: u32,
    pub(super) stream: Stream,
    pub(super) held: Vec<Held>,
    /// The counter whose record was last wrong, and how often.
    pub(super) wrong: (u32, u32),
    pub(super) mapper: ClockMapper,
    pub(super) told_at_ns: Option<u64>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        line: &'a Line,
        orders: &'a ForeignLine,
        port: &'a ModbusPort,
        client: Client,
    ) -> Session<'a> {
        Session {
            shared,
            teller: Teller::new(shared, line),
            orders,
            port,
            client,
            greeted: None,
            generation: 0,
            stream: Stream::Waiting,
            held: Vec::new(),
            wrong: (0, 0),
            mapper: ClockMapper::new(),
            told_at_ns: None,
        }
    }

    pub(super) fn has_gun(&self) -> bool {
        self.teller.gun.is_some()
    }

    pub(super) fn end(&mut self, reason: DetachReason) {
        self.teller.detach(reason);
    }

    pub(super) fn profile(&self) -> &'a ModbusProfile {
        &self.port.profile
    }

    /// Serves the gun until something ends it.
    pub(super) async fn run(&mut self) -> DetachReason {
        match self.serve().await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    async fn serve(&mut self) -> Result<Infallible, DetachReason> {
        self.greet().await?;
        loop {
            if self.shared.is_stopping.load(Ordering::Relaxed) {
                return Err(DetachReason::Stopped);
            }
            self.obey().await?;
            if !self.poll().await? {
                let pause = tokio::time::sleep(self.pause());
                tokio::select! {
                    () = self.orders.wake.notified() => {}
                    () = pause => {}
                }
            }
        }
    }

    /// How long nothing is asked; a stop is noticed within it too.
    fn pause(&self) -> Duration {
        self.profile().poll.min(Duration::from_millis(100))
    }

    /// Reads who is there and tells it.
    async fn greet(&mut self) -> Result<(), DetachReason> {
        let map = &self.profile().registers;
        if let Some((at, expected)) = map.map_version {
            let found = self.client.read(at.address, at.words.into()).await?;
            if found.first().copied().map(u64::from) != Some(expected) {
                let problem =
                    format!("the gun's map has version {found:?}, the profile is for {expected}");
                return Err(DetachReason::WrongAnswer { problem });
            }
        }
        let serial = self.read_text(map.serial).await?;
        let serial = GunSerial::parse(&serial).map_err(|error| DetachReason::WrongAnswer {
            problem: error.to_string(),
        })?;
        let model = self.read_label(map.model, &self.port.name).await?;
        let firmware = self.read_label(map.firmware, "unknown").await?;
        let (before, status, after) = self.read_status().await?;
        if status.boot == BootId(0) {
            let problem = "the gun's boot id is 0, which names no start".to_owned();
            return Err(DetachReason::WrongAnswer { problem });
        }
        let epoch = self.epoch_of(&serial, &status);
        self.teller
            .attach_without_proof(&serial, self.port.usb.clone())?;
        self.stream = Stream::Waiting;
        self.held.clear();
        self.orders.stand(Standing {
            epoch,
            can_inhibit: map.inhibit.is_some(),
        });
        let hello = self.hello(serial, [model, firmware], epoch, &status);
        self.greeted = Some(Greeted { status, epoch });
        self.teller
            .tell_attached(Box::new(hello), CompletenessGrade::Counter)?;
        self.tell_time(before, &status, after)
    }

    fn hello(
        &self,
        serial: GunSerial,
        [model, firmware]: [GunText; 2],
        epoch: Option<Epoch>,
        status: &RingStatus,
    ) -> Hello {
        let record = &self.profile().record;
        let mut capabilities = Capabilities::default();
        for (is_there, bit) in [
            (record.depth_sensed.is_some(), Capabilities::SENSES_DEPTH),
            (record.volume_sensed.is_some(), Capabilities::SENSES_VOLUME),
            (record.pressure.is_some(), Capabilities::SENSES_PRESSURE),
            (record.purpose.is_some(), Capabilities::KNOWS_PURPOSE),
            (
                self.profile().registers.inhibit.is_some(),
                Capabilities::CAN_INHIBIT,
            ),
        ] {
            if is_there {
                capabilities = capabilities.union(bit);
            }
        }
        Hello {
            // It speaks no version of the meso link.
            protocol_min: 0,
            protocol_max: 0,
            schema: 0,
            session: 0,
            serial,
            model,
            firmware,
            firmware_hash: [0; 8],
            boot: status.boot,
            boot_count: 0,
            inventory: status.inventory(epoch),
            capabilities,
            limits: GunLimits::default(),
            // Nothing in the map waits for its host.
            lease_ms: 0,
            lease_loss: LeaseLoss::Continue,
            is_inhibited: status.is_inhibited,
            inhibit_number: 0,
            tick: tick(status.clock_us),
            nonce: [0; 16],
        }
    }

    async fn read_text(&mut self, at: Registers) -> Result<String, DetachReason> {
        let words = self.client.read(at.address, at.words.into()).await?;
        Ok(text(&words))
    }

    /// A text for people; `otherwise` where the gun has none that can be shown.
    async fn read_label(
        &mut self,
        at: Option<Registers>,
        otherwise: &str,
    ) -> Result<GunText, DetachReason> {
        let told = match at {
            Some(at) => self.read_text(at).await?,
            None => String::new(),
        };
        let label = |text: &str| GunText::new("model", text);
        label(&told)
            .or_else(|_| label(otherwise))
            .map_err(|error| DetachReason::WrongAnswer {
                problem: error.to_string(),
            })
    }

    /// One poll, with the host's clocks before and after it.
    async fn read_status(&mut self) -> Result<(HostNow, RingStatus, HostNow), DetachReason> {
        let block = RingStatus::block(self.profile());
        let count = block.end - block.start;
        let before = self.shared.clocks.now();
        let words = self.client.read(block.start, count).await?;
        self.teller.read_ns = self.shared.clocks.elapsed_ns();
        let after = self.shared.clocks.now();
        let mut status = RingStatus::decode(self.profile(), &words);
        if let Some(InhibitPlace::Coil(coil)) = self.profile().registers.inhibit {
            status.is_inhibited = self.client.read_coil(coil).await?;
        }
        Ok((before, status, after))
    }

    fn epoch_of(&self, serial: &GunSerial, status: &RingStatus) -> Option<Epoch> {
        match self.profile().counter_life {
            CounterLife::EpochRegisters => status.epoch_register.filter(|raw| *raw != 0).map(Epoch),
            CounterLife::Boot => Some(computed_epoch(serial, status.boot.get(), self.generation)),
            CounterLife::Gun => Some(computed_epoch(serial, 0, self.generation)),
        }
    }

    /// Does what the driver has ordered.
    async fn obey(&mut self) -> Result<(), DetachReason> {
        while let Some(waiting) = self.orders.take_command() {
            if matches!(waiting.command, ForeignCommand::AssignEpoch(_)) {
                // A gun that holds shots which nobody has acknowledged takes no epoch.
                self.obey_acknowledgement().await?;
            }
            self.obey_command(waiting).await?;
        }
        self.obey_acknowledgement().await?;
        if let Some(wanted) = self.orders.take_wanted() {
            self.begin(wanted).await?;
        }
        Ok(())
    }

    async fn obey_acknowledgement(&mut self) -> Result<(), DetachReason> {
        match self.orders.take_acknowledged() {
            Some((epoch, counter)) => self.acknowledge(epoch, counter).await,
            None => Ok(()),
        }
    }

    async fn obey_command(&mut self, waiting: WaitingCommand) -> Result<(), DetachReason> {
        let map = &self.profile().registers;
        let order = self.profile().word_order;
        let result = match waiting.command {
            ForeignCommand::AssignEpoch(epoch) => match map.epoch {
                Some(at) => {
                    let words = words(epoch.get(), at.words, order);
                    match self.client.write(at.address, &words).await? {
                        Ok(()) => ResultCode::Done,
                        Err(_) => ResultCode::HoldsUnacknowledged,
                    }
                }
                None => {
                    self.generation = self.generation.saturating_add(1);
                    ResultCode::Done
                }
            },
            ForeignCommand::Inhibit | ForeignCommand::Resume => {
                let is_inhibit = waiting.command == ForeignCommand::Inhibit;
                self.write_inhibit(is_inhibit).await?
            }
        };
        let (_, status, _) = self.read_status().await?;
        self.teller.tell(GunEvent::Command {
            command: waiting.number,
            kind: waiting.command.kind(),
            outcome: CommandOutcome::Answered {
                result,
                is_inhibited: status.is_inhibited,
                limits: GunLimits::default(),
            },
        })?;
        match waiting.command {
            ForeignCommand::AssignEpoch(_) if result == ResultCode::Done => self.greet().await,
            _ => Ok(()),
        }
    }

    /// Tells the gun to fire no more, or to go on, by whichever the map has.
    async fn write_inhibit(&mut self, is_inhibit: bool) -> Result<ResultCode, DetachReason> {
        let written = match self.profile().registers.inhibit {
            Some(InhibitPlace::Register(at)) => {
                let value = u16::from(is_inhibit);
                self.client.write(at.address, &[value]).await?
            }
            Some(InhibitPlace::Coil(coil)) => self.client.write_coil(coil, is_inhibit).await?,
            None => return Ok(ResultCode::Unsupported),
        };
        Ok(match written {
            Ok(()) => ResultCode::Done,
            Err(_) => ResultCode::OtherInhibition,
        })
    }

    /// Tells the gun what the journal holds. The gun takes nothing beyond its newest shot, and
    /// neither is it told so.
    pub(super) async fn acknowledge(
        &mut self,
        epoch: Epoch,
        counter: ShotCounter,
    ) -> Result<(), DetachReason> {
        let Some(greeted) = &mut self.greeted else {
            return Ok(());
        };
        // Of a broken epoch only what was told apart may go.
        let told_to = match self.stream {
            Stream::Salvaging { last, .. } => last,
            Stream::Waiting | Stream::From { .. } => greeted.status.head,
        };
        let counter = counter.get().min(told_to);
        if greeted.epoch != Some(epoch) || counter <= greeted.status.acknowledged {
            return Ok(());
        }
        let at = self.port.profile.registers.acknowledged;
        let words = words(counter.into(), at.words, self.port.profile.word_order);
        match self.client.write(at.address, &words).await? {
            Ok(()) => {
                greeted.status.acknowledged = counter;
                Ok(())
            }
            Err(exception) => Err(DetachReason::WrongAnswer {
                problem: format!("the gun does not take an acknowledgement: {exception}"),
            }),
        }
    }

    /// Reads where the ring stands, hands on what that confirms, and reads further records; true
    /// where the next poll should come at once.
    async fn poll(&mut self) -> Result<bool, DetachReason> {
        let (before, status, after) = self.read_status().await?;
        let Some(greeted) = &mut self.greeted else {
            return Ok(false);
        };
        if !status.continues(&greeted.status) {
            self.greet().await?;
            return Ok(true);
        }
        let newest_before = greeted.status.head;
        greeted.status = status;
        self.tell_time(before, &status, after)?;
        let Some(epoch) = self.greeted.as_ref().and_then(|greeted| greeted.epoch) else {
            return Ok(false);
        };
        if let Stream::From { next, .. } = self.stream
            && status.head < newest_before
            && status.head < next - 1
        {
            self.went_back(epoch, status.head, ShotCounter(next))?;
        }
        self.hand_on(epoch)?;
        self.read_window(epoch, status).await
    }

    /// State and clock, once a second.
    fn tell_time(
        &mut self,
        before: HostNow,
        status: &RingStatus,
        after: HostNow,
    ) -> Result<(), DetachReason> {
        let is_due = self
            .told_at_ns
            .is_none_or(|told| after.monotonic_ns.saturating_sub(told) >= STATUS_INTERVAL_NS);
        if !is_due {
            return Ok(());
        }
        self.told_at_ns = Some(after.monotonic_ns);
        let has_ticks = self.profile().record.tick.is_some();
        if has_ticks && status.clock_us.is_some() {
            let tick = tick(status.clock_us);
            let sample = ClockSample {
                host_sent: before,
                gun_received: tick,
                gun_sent: tick,
                host_received: after,
            };
            if let Some(mapping) = self.mapper.add(status.boot, &sample) {
                self.teller.tell(GunEvent::Clock(mapping))?;
            }
        }
        let epoch = self.greeted.as_ref().and_then(|greeted| greeted.epoch);
        let status = Status {
            tick: tick(status.clock_us),
            inventory: status.inventory(epoch),
            battery: None,
            temperature: None,
            vacuum: None,
            shots_on_needle: None,
            lifetime_shots: None,
            faults: 0,
            is_inhibited: status.is_inhibited,
            inhibit_number: 0,
            refused_count: 0,
        };
        self.teller.tell(GunEvent::Status(Box::new(status)))
    }
}

/// The epoch of a gun that cannot keep one: the same on every computer that meets the gun.
fn computed_epoch(serial: &GunSerial, boot_id: u32, generation: u32) -> Epoch {
    let mut digest = Sha256::new();
    digest.update(b"mesofleet modbus epoch 1\0");
    digest.update(serial.as_str().as_bytes());
    digest.update([0]);
    digest.update(boot_id.to_le_bytes());
    digest.update(generation.to_le_bytes());
    let bytes = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    // 0 names no epoch.
    Epoch(u64::from_le_bytes(first).max(1))
}

/// The gun's clock; its zero where it has none.
pub(super) fn tick(us: Option<u64>) -> GunTick {
    GunTick::new(us.unwrap_or(0)).unwrap_or(GunTick::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computed_epoch_differs_with_each_thing_that_it_is_made_of() {
        let serial = |text| GunSerial::parse(text).unwrap();
        let epochs = [
            computed_epoch(&serial("GUN-1"), 1, 0),
            computed_epoch(&serial("GUN-2"), 1, 0),
            computed_epoch(&serial("GUN-1"), 2, 0),
            computed_epoch(&serial("GUN-1"), 1, 1),
        ];
        let different: std::collections::BTreeSet<u64> = epochs.iter().map(|e| e.get()).collect();
        assert_eq!(different.len(), 4);
    }

    /// Pinned: another epoch for the same ring would count its shots twice.
    #[test]
    fn the_computed_epoch_never_changes() {
        let serial = GunSerial::parse("GUN-0001").unwrap();
        assert_eq!(
            computed_epoch(&serial, 7, 0).get(),
            11_539_494_063_892_917_805
        );
    }
}
