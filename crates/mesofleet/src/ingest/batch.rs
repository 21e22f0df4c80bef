//! What the thread that commits does in one go.

use std::sync::mpsc as std_mpsc;

use meso_alerts::{AlertId, Deed};
use meso_bus::Ticket;
use meso_domain::CommitEntry;
use meso_units::DriverId;

use super::IngestError;
use super::arrival::{Arrival, Way};
use super::reading::{Order, Reply, Step};
use super::retire::{Awaited, Retirement};
use super::telling::Posted;
use super::watch::Look;

/// Payload bytes of one commit; the next message begins another one.
const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is done in one go.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) tickets: Vec<Ticket>,
    byte_count: usize,
    block_count: usize,
    pub(super) imports: Vec<Reply>,
    pub(super) deeds: Vec<(AlertId, Deed, Reply)>,
    pub(super) questions: Vec<(DriverId, std_mpsc::SyncSender<Result<Awaited, IngestError>>)>,
    pub(super) retirements: Vec<(Retirement, Reply)>,
    pub(super) posted: Vec<Posted>,
    pub(super) tick: Option<Look>,
    pub(super) is_last: bool,
}

impl Batch {
    pub(super) fn has_room(&self) -> bool {
        self.block_count < CommitEntry::BLOCK_COUNT_MAX
            && self.byte_count < COMMIT_BYTES_MAX
            && self.imports.is_empty()
            && !self.is_last
    }

    pub(super) fn add(&mut self, step: Step) {
        match step {
            Step::Message {
                arrival,
                byte_count,
                ticket,
            } => {
                self.byte_count += byte_count;
                self.block_count += 1;
                self.arrivals.push(arrival);
                self.tickets.push(ticket);
            }
            Step::Order(order) => self.obey(order),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Import { blocks, reply } => {
                let way = Way::Import;
                let arrivals = blocks.into_iter().map(Box::new);
                self.arrivals
                    .extend(arrivals.map(|block| Arrival::Block { block, way }));
                self.imports.push(reply);
            }
            Order::Deed { id, deed, reply } => self.deeds.push((id, deed, reply)),
            Order::Await { driver, reply } => self.questions.push((driver, reply)),
            Order::Retire { wanted, reply } => self.retirements.push((wanted, reply)),
            Order::Tick(look) => self.tick = Some(look),
            Order::Posted(posted) => self.posted.push(posted),
            Order::Stop => self.is_last = true,
        }
    }
}
