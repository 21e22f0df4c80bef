//! `cargo xtask bench bus`: what the server keeps in memory while a backlog of thousands of guns
//! arrives over a broker that is not its own.
//!
//! Server and Mosquitto are programs; the drivers are one task here that publishes what their
//! journals would, sends no more than a window of blocks ahead of the watermarks, and sends again
//! what the broker dropped. Only the server's memory is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use meso_bus::{ClientOptions, Consumer, ConsumerEvent, Message, Publisher};
use meso_contract::topics::{self, PREFIX};
use meso_contract::{
    BlockMessage, DriverStatusMessage, GunStatusMessage, PAYLOAD_VERSION, WatermarkMessage,
};
use meso_testkit::backlog::Backlog;
use meso_testkit::mosquitto::Mosquitto;
use meso_tests::sandbox::{CLINIC, CpuTime, Memory, Programs, Sandbox};
use meso_units::{BlockNumber, ClinicId};

/// What the server may keep in memory.
const RESIDENT_KIB_MAX: u64 = 150 * 1_024;
/// Guns of one driver.
const GUNS_PER_DRIVER: u32 = 30;
/// Shots of a block.
const SHOTS_PER_BLOCK: u32 = 64;
/// Blocks that all drivers together send ahead of the watermarks: more than a broker keeps for one
/// client by default, so that a backlog waits there too.
const WINDOW: usize = 4_096;
/// How long no watermark may move before what is not settled goes out again.
const STALLED_AFTER: Duration = Duration::from_secs(3);
/// The longest wait between two such resends: each waits twice as long as the one before, as a
/// driver's do, or the broker's queue is never done with copies.
const RESENT_AFTER_MAX: Duration = Duration::from_secs(24);
/// How long no watermark may move at all.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How often a line is printed.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The broker keeps what does not fit the server.
const BROKER: &str = "allow_anonymous true\nmax_queued_messages 20000\nmax_inflight_messages 128\n";

/// Measures the memory of the server.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench bus")]
struct Arguments {
    /// How many guns.
    #[arg(long, default_value_t = 3_000)]
    guns: u32,
    /// How many shots of backlog, all guns together.
    #[arg(long, default_value_t = 5_000_000)]
    shots: u32,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench bus: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(&folder.path().join("broker"), BROKER)?;
    let mut sandbox = Sandbox::start_on(Programs::beside_us()?, broker.address(), "")?;
    let pid = sandbox.server.pid().context("the server has left")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let idle = Memory::of(pid)?;
    println!("server at rest: {} KiB resident", idle.resident_kib);
    let began = Instant::now();
    let sent = runtime.block_on(async {
        let mut drivers = Drivers::connect(arguments.guns, &broker).await?;
        drivers.greet().await?;
        drivers
            .send(arguments.guns, "first block of every gun", pid)
            .await?;
        let blocks = arguments.shots / SHOTS_PER_BLOCK;
        drivers.send(blocks, "backlog", pid).await?;
        anyhow::Ok(drivers.sent)
    })?;
    let took = began.elapsed();
    let (memory, time) = (Memory::of(pid)?, CpuTime::of(pid)?);
    sandbox.server.stop()?;
    println!(
        "{} guns, {} shots in {:.1} s; {} blocks sent, so {} again; the server took {:.1} s of \
         processor\nserver: {} KiB resident at the end, {} KiB at the most, {} threads",
        arguments.guns,
        u64::from(arguments.guns) * u64::from(SHOTS_PER_BLOCK) + u64::from(arguments.shots),
        took.as_secs_f64(),
        sent,
        sent - u64::from(arguments.guns) - u64::from(arguments.shots / SHOTS_PER_BLOCK),
        (time.user + time.system).as_secs_f64(),
        memory.resident_kib,
        memory.peak_kib,
        memory.thread_count,
    );
    Ok(match memory.peak_kib <= RESIDENT_KIB_MAX {
        true => ExitCode::SUCCESS,
        false => {
            println!("more than {RESIDENT_KIB_MAX} KiB");
            ExitCode::FAILURE
        }
    })
}

/// A block that is not settled yet.
struct Waiting {
    topic: String,
    payload: Vec<u8>,
}

/// All drivers as one.
struct Drivers {
    clinic: ClinicId,
    gun_count: u32,
    backlog: Backlog,
    publisher: Publisher,
    watermarks: Consumer,
    /// By the topic of the watermark that will settle it, and its number.
    waiting: BTreeMap<(String, u64), Waiting>,
    next_gun: u32,
    sent: u64,
}

impl Drivers {
    async fn connect(gun_count: u32, broker: &Mosquitto) -> anyhow::Result<Drivers> {
        let client = |id| ClientOptions::new(id, broker.address());
        let publisher = Publisher::start(client("drivers"), None, None);
        publisher.connected().await?;
        let filter = format!("{PREFIX}/+/+/watermark/+");
        let mut watermarks = Consumer::start(client("drivers-in"), vec![filter]);
        while !matches!(watermarks.next().await, Some(ConsumerEvent::Ready { .. })) {}
        let clinic = ClinicId::parse(CLINIC)?;
        Ok(Drivers {
            gun_count,
            backlog: Backlog::new(clinic.clone(), gun_count, GUNS_PER_DRIVER),
            clinic,
            publisher,
            watermarks,
            waiting: BTreeMap::new(),
            next_gun: 0,
            sent: 0,
        })
    }

    /// Births and states, as the server has them of every room that is on.
    async fn greet(&self) -> anyhow::Result<()> {
        let mut born = BTreeSet::new();
        for gun in 0..self.gun_count {
            let driver = self.backlog.driver(gun);
            if born.insert(driver.clone()) {
                let status = DriverStatusMessage {
                    version: PAYLOAD_VERSION,
                    online: true,
                    program_version: "0.1.0".to_owned(),
                    incarnation: format!("{:016x}", self.backlog.incarnation(gun).get()),
                    start_id: "00000000000000ff".to_owned(),
                    journal_problem: None,
                };
                let topic = topics::status(&self.clinic, &driver);
                let message = Message::retained(topic, status.encode()?);
                self.publisher.publish(message).await?;
            }
            let status = gun_status();
            let topic = topics::gun(&self.clinic, &driver, &Backlog::serial(gun));
            let message = Message::retained(topic, status.encode()?);
            self.publisher.publish(message).await?;
        }
        Ok(())
    }

    /// Sends the next so many blocks and waits until all are settled.
    async fn send(&mut self, blocks: u32, what: &str, pid: u32) -> anyhow::Result<()> {
        let (began, mut told) = (Instant::now(), Instant::now());
        let (mut made, mut moved, mut sent_again) = (0, Instant::now(), Instant::now());
        let mut patience = STALLED_AFTER;
        while made < blocks || !self.waiting.is_empty() {
            while let Some(event) = self.watermarks.try_next() {
                if self.hear(event)? {
                    moved = Instant::now();
                }
            }
            if made < blocks && self.waiting.len() < WINDOW {
                self.send_next().await?;
                made += 1;
            } else if let Ok(Some(event)) =
                tokio::time::timeout(STALLED_AFTER, self.watermarks.next()).await
                && self.hear(event)?
            {
                moved = Instant::now();
            }
            if moved.elapsed() > GIVE_UP_AFTER {
                bail!("{what}: {} blocks are never settled", self.waiting.len());
            }
            if moved.elapsed() < STALLED_AFTER {
                patience = STALLED_AFTER;
            } else if sent_again.elapsed() > patience {
                self.send_again().await?;
                sent_again = Instant::now();
                patience = (patience * 2).min(RESENT_AFTER_MAX);
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                let memory = Memory::of(pid)?;
                println!(
                    "{what}: {made} of {blocks} blocks sent, {} not settled, server {} KiB",
                    self.waiting.len(),
                    memory.resident_kib
                );
            }
        }
        let memory = Memory::of(pid)?;
        println!(
            "{what}: {blocks} blocks settled in {:.1} s; server {} KiB resident, {} KiB at the most",
            began.elapsed().as_secs_f64(),
            memory.resident_kib,
            memory.peak_kib
        );
        Ok(())
    }

    async fn send_next(&mut self) -> anyhow::Result<()> {
        let gun = self.next_gun;
        self.next_gun = (gun + 1) % self.gun_count;
        let block = self.backlog.next_block(gun).context("no such gun")?;
        let place = &block.header().place;
        let settled_by = topics::watermark(&self.clinic, &place.driver, &place.stream);
        let topic = topics::blocks(&self.clinic, &place.driver, &place.stream);
        let payload = BlockMessage::encode(&block)?;
        let number = place.number.get();
        let message = Message::new(topic.clone(), payload.clone());
        self.waiting
            .insert((settled_by, number), Waiting { topic, payload });
        self.publisher.publish(message).await?;
        self.sent += 1;
        Ok(())
    }

    /// What the broker dropped, as drivers do when no watermark comes.
    async fn send_again(&mut self) -> anyhow::Result<()> {
        for Waiting { topic, payload } in self.waiting.values() {
            let message = Message::new(topic.clone(), payload.clone());
            self.publisher.publish(message).await?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Whether a watermark settled anything.
    fn hear(&mut self, event: ConsumerEvent) -> anyhow::Result<bool> {
        let delivery = match event {
            ConsumerEvent::Message(delivery) => delivery,
            ConsumerEvent::Ready { .. } => return Ok(false),
            ConsumerEvent::Down { reason } => bail!("the broker is gone: {reason}"),
        };
        let mark = WatermarkMessage::decode(&delivery.payload)?;
        self.watermarks.acknowledge(delivery.ticket);
        let of_stream = (delivery.topic.clone(), 0)..=(delivery.topic, u64::MAX);
        let settled: Vec<_> = self
            .waiting
            .range(of_stream)
            .map(|(place, _)| place.clone())
            .filter(|(_, number)| mark.covers(BlockNumber(*number)))
            .collect();
        for place in &settled {
            self.waiting.remove(place);
        }
        Ok(!settled.is_empty())
    }
}

fn gun_status() -> GunStatusMessage {
    GunStatusMessage {
        version: PAYLOAD_VERSION,
        attached: true,
        at_ms: 1_748_736_000_000,
        model: "Example 3".to_owned(),
        firmware: "1.2.3".to_owned(),
        battery_percent: Some(87),
        journalled_counter: 1,
        backlog_shots: 1_000,
        bad_frames: 0,
        skipped_bytes: 0,
        quarantined_frames: 0,
        inhibited: false,
        completeness: None,
        interlock: None,
        clock_drift_ppm: None,
        clock_trusted: None,
        library_version: None,
    }
}
