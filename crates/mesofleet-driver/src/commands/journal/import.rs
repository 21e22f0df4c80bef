//! `mesofleet-driver journal import`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use meso_bus::{
    BusError, ClientOptions, Consumer, ConsumerEvent, Delivery, Endpoint, Message, Publisher,
};
use meso_contract::topics::{self, Topic};
use meso_contract::{BlockFileHeader, BlockMessage, WatermarkMessage, read_block_file};
use meso_domain::{RecordBlock, Stream};
use meso_units::{BlockNumber, ClinicId, DriverId};
use mesofleet_driver::loopback;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::{Failure, print};
use super::settled::{Settled, Standing};

/// Blocks on their way that the server has not settled; further ones wait in the file, so that
/// no queue of the broker runs over.
const UNSETTLED_MAX: usize = 32;

/// Blocks that are read ahead of the sending.
const READ_AHEAD_MAX: usize = 8;

/// How long the server may settle nothing before what is left is sent again.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// How long the broker may take between two of the watermarks that it keeps. One that comes later
/// only means that a settled block is sent again.
const KEPT_WITHIN: Duration = Duration::from_millis(500);

/// How often the file is sent at most; each time only what is not settled.
const ROUNDS_MAX: usize = 3;

/// Options of `journal import`.
#[derive(Args, Debug)]
#[command(
    after_help = "Sends the blocks as their driver would and waits until the server has \
    settled them: these very blocks, by their hashes. Nothing comes twice: neither when the file is \
    sent again, nor when its driver sends the same blocks later. Ends with 1 where the server did not \
    settle all, or holds other blocks under their numbers."
)]
pub(crate) struct ImportArguments {
    /// A file that `journal export` wrote.
    file: PathBuf,
    /// Host and port of the server's broker.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    broker: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Imported {
    file: String,
    owner: String,
    blocks: u64,
    /// Blocks that the server had settled before.
    known: u64,
}

/// Sends a file of blocks and waits until the server has settled them.
pub(super) fn import(arguments: &ImportArguments) -> Result<ExitCode, Failure> {
    let value = &arguments.broker;
    let (host, port) = loopback(value).ok_or_else(|| {
        anyhow!("--broker {value:?} is not host:port of this computer; others only with TLS")
    })?;
    let checked = check(&arguments.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let (owner, blocks) = (checked.header.owner.clone(), checked.blocks);
    let known = runtime.block_on(send(arguments, checked, &host, port))?;
    let answer = Imported {
        file: arguments.file.display().to_string(),
        owner,
        blocks,
        known,
    };
    print(arguments.json, &answer, || {
        format!(
            "{}: {} record blocks of {} are settled, {known} of them before",
            answer.file, answer.blocks, answer.owner
        )
    })
}

/// What a look through the whole file has shown.
struct Checked {
    header: BlockFileHeader,
    clinic: ClinicId,
    driver: DriverId,
    blocks: u64,
    /// The blocks, of which nothing is known to be settled yet.
    settled: Settled,
}

/// Reads the whole file before anything of it is sent.
fn check(path: &Path) -> anyhow::Result<Checked> {
    let name = path.display();
    let mut owners = BTreeSet::new();
    let mut settled = Settled::default();
    let (header, trailer) = read_block_file(open(path)?, |block| {
        let place = &block.header().place;
        let incarnation = format!("{:016x}", place.incarnation.get());
        owners.insert((
            format!("{}/{}", block.header().clinic, place.driver),
            incarnation,
        ));
        settled.know(&block);
        Ok(())
    })
    .with_context(|| format!("nothing of {name} was sent"))?;
    owners.insert((header.owner.clone(), header.incarnation.clone()));
    let owner = header.owner.split_once('/');
    let (Some((clinic, driver)), 1) = (owner, owners.len()) else {
        bail!("{name} has blocks of more than one journal; nothing of it was sent");
    };
    Ok(Checked {
        clinic: ClinicId::parse(clinic).context("the file's owner is none")?,
        driver: DriverId::parse(driver).context("the file's owner is none")?,
        blocks: trailer.blocks,
        settled,
        header,
    })
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(BufReader::new(file))
}

/// Sends until everything is settled; says how many blocks were so before.
async fn send(
    arguments: &ImportArguments,
    mut checked: Checked,
    host: &str,
    port: u16,
) -> anyhow::Result<u64> {
    let id = format!("{}-{}-import", checked.clinic, checked.driver);
    let client =
        |suffix: &str| ClientOptions::new(&format!("{id}{suffix}"), Endpoint::new(host, port));
    let filter = topics::watermark_filter(&checked.clinic, &checked.driver);
    let settled = std::mem::take(&mut checked.settled);
    let mut sender = Sender {
        checked,
        settled,
        publisher: Publisher::start(client(""), None, None),
        consumer: Consumer::start(client("-in"), vec![filter]),
        unsettled: BTreeSet::new(),
    };
    sender.connect().await?;
    let mut known = 0;
    for round in 0..ROUNDS_MAX {
        let skipped = sender.round(&arguments.file).await?;
        if round == 0 {
            known = skipped;
        }
        if sender.unsettled.is_empty() {
            let unproven = sender.settled.unproven_count();
            sender.publisher.close().await;
            sender.consumer.close().await;
            return known_if_proven(known, unproven);
        }
        tracing::debug!(round, "the server has not settled everything");
    }
    Err(anyhow!(
        "the server did not settle {} blocks; see whether it runs, then import the file again: \
         nothing comes twice",
        sender.unsettled.len()
    ))
}

/// What it came to when nothing waits any more.
fn known_if_proven(known: u64, unproven: usize) -> anyhow::Result<u64> {
    if unproven > 0 {
        bail!(
            "the server holds later blocks than this file, and does not say whether {unproven} blocks \
             below them are those of the file; they were sent: were they others, \
             `mesofleet quarantine list` has them. Export the journal as it is now, and import that"
        );
    }
    Ok(known)
}

struct Sender {
    checked: Checked,
    settled: Settled,
    publisher: Publisher,
    consumer: Consumer,
    /// What was sent and is not settled.
    unsettled: BTreeSet<(Stream, BlockNumber)>,
}

impl Sender {
    /// Waits for both connections, and for the watermarks that the broker keeps.
    async fn connect(&mut self) -> anyhow::Result<()> {
        let nobody = "no broker answers; start the server, or name its broker with --broker";
        timeout(QUIET_MAX, self.publisher.connected())
            .await
            .context(nobody)??;
        loop {
            match timeout(QUIET_MAX, self.consumer.next()).await {
                Ok(Some(ConsumerEvent::Ready { .. })) => break,
                Ok(Some(ConsumerEvent::Message(delivery))) => self.take(&delivery)?,
                Ok(Some(ConsumerEvent::Down { .. })) => {}
                Ok(None) | Err(_) => bail!(nobody),
            }
        }
        while let Ok(Some(event)) = timeout(KEPT_WITHIN, self.consumer.next()).await {
            self.hear(event)?;
        }
        Ok(())
    }

    /// Sends the file once; says how many blocks needed no sending.
    async fn round(&mut self, path: &Path) -> anyhow::Result<u64> {
        let (blocks, mut read) = mpsc::channel(READ_AHEAD_MAX);
        let input = open(path)?;
        let reader = tokio::task::spawn_blocking(move || {
            read_block_file(input, |block| {
                blocks
                    .blocking_send(block)
                    .map_err(|_| io::Error::from(ErrorKind::BrokenPipe).into())
            })
        });
        let mut skipped = 0;
        while let Some(block) = read.recv().await {
            while let Some(event) = self.consumer.try_next() {
                self.hear(event)?;
            }
            let place = (
                block.header().place.stream.clone(),
                block.header().place.number,
            );
            if self.settled.standing(&place.0, place.1) == Standing::Settled {
                skipped += 1;
                continue;
            }
            self.publish(&block).await?;
            self.unsettled.insert(place);
            if !self.wait_below(UNSETTLED_MAX).await? {
                return Ok(skipped);
            }
        }
        reader.await?.context("the file changed meanwhile")?;
        self.wait_below(1).await?;
        Ok(skipped)
    }

    async fn publish(&self, block: &RecordBlock) -> anyhow::Result<()> {
        let checked = &self.checked;
        let stream = &block.header().place.stream;
        let topic = topics::blocks(&checked.clinic, &checked.driver, stream);
        let message = Message::new(topic, BlockMessage::encode(block)?);
        match self.publisher.publish(message).await {
            // It stays unsettled, and the next round brings it again.
            Ok(()) | Err(BusError::NotConnected) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until fewer are unsettled; false where the server settled nothing for too long.
    async fn wait_below(&mut self, count: usize) -> anyhow::Result<bool> {
        while self.unsettled.len() >= count {
            match timeout(QUIET_MAX, self.consumer.next()).await {
                Ok(Some(event)) => self.hear(event)?,
                Ok(None) | Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn hear(&mut self, event: ConsumerEvent) -> anyhow::Result<()> {
        match event {
            ConsumerEvent::Message(delivery) => self.take(&delivery),
            _ => Ok(()),
        }
    }

    fn take(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        self.consumer.acknowledge(delivery.ticket);
        let Ok(Topic::Watermark { stream, .. }) = Topic::parse(&delivery.topic) else {
            return Ok(());
        };
        let Ok(mark) = WatermarkMessage::decode(&delivery.payload) else {
            return Ok(());
        };
        if mark.incarnation != self.checked.header.incarnation {
            return Ok(());
        }
        self.settled.hear(stream.clone(), mark)?;
        let settled = &self.settled;
        self.unsettled.retain(|(of, number)| {
            *of != stream || settled.standing(of, *number) == Standing::Open
        });
        Ok(())
    }
}
