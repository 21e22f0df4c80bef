//! The thread that reads messages, and what waits before and behind it.

use std::sync::mpsc as std_mpsc;

use meso_alerts::{AlertId, Deed};
use meso_bus::Ticket;
use meso_domain::RecordBlock;
use meso_units::DriverId;
use tokio::sync::mpsc;

use super::IngestError;
use super::arrival::Arrival;
use super::retire::{Awaited, Retirement};
use super::telling::Posted;
use super::watch::Look;
use crate::clock::now;

/// Messages that were read and wait for the commit under way; beyond them nothing is read. A commit
/// takes all that wait, so a slow store gets larger commits; a block of 64 shots is about 40 KiB
/// here.
pub(super) const READ_WAITING_MAX: usize = 256;

/// Where one who waits is told how it went.
pub(super) type Reply = std_mpsc::SyncSender<Result<(), IngestError>>;

/// What is asked of the two threads.
#[derive(Debug)]
pub(super) enum Command {
    /// A message of the broker.
    Message {
        topic: String,
        payload: Vec<u8>,
        ticket: Ticket,
    },
    /// Something for the worker itself.
    Order(Order),
}

/// A message that was read, or an order, in the order in which they came.
#[derive(Debug)]
pub(super) enum Step {
    Message {
        arrival: Arrival,
        byte_count: usize,
        ticket: Ticket,
    },
    Order(Order),
}

/// What the worker is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Blocks of an archive.
    Import {
        blocks: Vec<RecordBlock>,
        reply: Reply,
    },
    /// A person does something with an alert.
    Deed {
        id: AlertId,
        deed: Deed,
        reply: Reply,
    },
    /// A person wants to know what retiring a room would declare.
    Await {
        driver: DriverId,
        reply: std_mpsc::SyncSender<Result<Awaited, IngestError>>,
    },
    /// A person says that a room never comes back.
    Retire { wanted: Retirement, reply: Reply },
    /// A second has passed, and this was seen of what lies around.
    Tick(Look),
    /// What became of a letter.
    Posted(Posted),
    /// Finish what was asked before, then end.
    Stop,
}

/// Reads messages while the worker commits those before them: half of what a backlog costs is to
/// take its messages apart.
pub(super) fn read_all(mut commands: mpsc::Receiver<Command>, steps: &mpsc::Sender<Step>) {
    while let Some(command) = commands.blocking_recv() {
        let step = match command {
            Command::Message {
                topic,
                payload,
                ticket,
            } => Step::Message {
                arrival: Arrival::read(&topic, &payload, now()),
                byte_count: payload.len(),
                ticket,
            },
            Command::Order(order) => Step::Order(order),
        };
        if steps.blocking_send(step).is_err() {
            return;
        }
    }
}
