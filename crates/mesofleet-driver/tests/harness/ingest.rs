//! The ingest, played by the test: it stores blocks, checks their links and says how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use meso_bus::{ClientOptions, Consumer, ConsumerEvent, Delivery, Message, Publisher};
use meso_contract::topics::{self, Topic};
use meso_contract::{
    BlockMessage, DriverStatusMessage, LibraryMessage, NumberRange, WatermarkMessage,
};
use meso_delivery::{Range, RangeSet};
use meso_domain::{BlockHash, BlockPlace, GapReason, Purpose, Record, RecordBlock, Shot, Stream};
use meso_testkit::gun::log::FiredShot;
use meso_units::{BlockNumber, ClinicId, DriverId, JournalIncarnation, Micrometres, Nanolitres};
use tokio::sync::watch;

use super::{CLINIC, in_time};

type Key = (u64, u32);

/// A stream of a journal.
type Line = (DriverId, JournalIncarnation, Stream);

fn line_of(place: &BlockPlace) -> Line {
    (
        place.driver.clone(),
        place.incarnation,
        place.stream.clone(),
    )
}

/// What arrived.
#[derive(Clone, Default)]
pub struct Seen {
    pub births: u64,
    pub shots: BTreeMap<Key, Shot>,
    blocks: BTreeMap<(Line, BlockNumber), (BlockHash, Option<BlockHash>)>,
    /// Who brought a shot first.
    brought: BTreeMap<Key, Line>,
    /// Shots that another driver brought again, with the same measured values.
    pub again: usize,
    session_events: usize,
    /// First counter and reason of the gaps whose count nobody can know.
    pub open_ended: Vec<(u32, GapReason)>,
    duplicates: Vec<Key>,
    ingest: u64,
    blocks_to_lose: u64,
}

pub struct FakeIngest {
    seen: watch::Receiver<Seen>,
    shared: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeIngest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeIngest {
    pub async fn start(broker: SocketAddr, library: LibraryMessage) -> FakeIngest {
        let clinic = ClinicId::parse(CLINIC).unwrap();
        let release = Message::retained(topics::library(&clinic), library.encode().unwrap());
        // Goes out over every connection, since a broker that restarts forgets it.
        let publisher = Publisher::start(
            ClientOptions::new("ingest-out", broker),
            None,
            Some(release),
        );
        in_time(publisher.connected()).await.unwrap();
        let mut consumer = Consumer::start(
            ClientOptions::new("ingest-in", broker),
            topics::partitions()
                .map(topics::blocks_filter)
                .chain([topics::status_filter()])
                .collect(),
        );
        while !matches!(
            in_time(consumer.next()).await,
            Some(ConsumerEvent::Ready { .. })
        ) {}
        let (sender, seen) = watch::channel(Seen::default());
        let shared = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(serve(consumer, publisher, Arc::clone(&shared), sender));
        FakeIngest { seen, shared, task }
    }

    pub async fn wait_until(&self, enough: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        in_time(seen.wait_for(|seen| enough(seen))).await.unwrap();
    }

    pub fn birth_count(&self) -> u64 {
        self.seen.borrow().births
    }

    pub fn shot_count(&self) -> usize {
        self.seen.borrow().shots.len()
    }

    /// How many shots came once more, from another driver.
    pub fn again_count(&self) -> usize {
        self.seen.borrow().again
    }

    pub fn session_event_count(&self) -> usize {
        self.seen.borrow().session_events
    }

    pub fn patient_shots_all_have_a_segment(&self) -> bool {
        let seen = self.seen.borrow();
        let mut patient = seen
            .shots
            .values()
            .filter(|s| s.purpose == Purpose::Patient);
        patient.all(|shot| shot.segment.is_some())
    }

    /// Takes this many blocks without storing them, then goes on as another process.
    pub fn lose_blocks_and_restart(&self, count: u64) {
        self.shared.lock().unwrap().blocks_to_lose = count;
    }

    /// Compares field by field with what the gun wrote down.
    #[track_caller]
    pub fn assert_holds_exactly(&self, fired: &[FiredShot]) {
        let seen = self.seen.borrow();
        assert_eq!(seen.duplicates, Vec::new(), "arrived in two blocks");
        assert_eq!(seen.open_ended, Vec::new(), "the gun counts");
        let stored: BTreeSet<Key> = seen.shots.keys().copied().collect();
        let expected: BTreeSet<Key> = fired.iter().map(|f| (f.epoch, f.counter)).collect();
        assert_eq!(stored, expected);
        for fired in fired {
            let shot = &seen.shots[&(fired.epoch, fired.counter)];
            assert_eq!(shot.gun_tick.get(), fired.tick_us);
            assert_eq!(shot.interval.map(|v| v.get()), fired.interval_us);
            assert_eq!(
                shot.needle_depth.set.map(Micrometres::get),
                fired.depth_set_um
            );
            let sensed = shot.needle_depth.actual_value().map(Micrometres::get);
            assert_eq!(sensed, fired.depth_sensed_um);
            assert_eq!(shot.volume.set.map(Nanolitres::get), fired.volume_set_nl);
            let sensed = shot.volume.actual_value().map(Nanolitres::get);
            assert_eq!(sensed, fired.volume_sensed_nl);
            assert_eq!(shot.flags.bits(), fired.flags);
            assert_eq!(shot.frequency_set.map(|v| v.get()), fired.frequency_set_spm);
            assert_eq!(Some(shot.purpose.as_str()), fired.purpose.as_deref());
        }
        assert_chains_are_whole(&seen);
    }
}

/// Every block names the hash of the one before it, and none is missing.
#[track_caller]
fn assert_chains_are_whole(seen: &Seen) {
    for ((line, number), (_, previous)) in &seen.blocks {
        let before = number.get().checked_sub(1).filter(|before| *before > 0);
        let held = before.map(|before| seen.blocks[&(line.clone(), BlockNumber(before))].0);
        assert_eq!(*previous, held, "block {number} of {line:?}");
    }
}

async fn serve(
    mut consumer: Consumer,
    publisher: Publisher,
    shared: Arc<Mutex<Seen>>,
    sender: watch::Sender<Seen>,
) {
    while let Some(event) = consumer.next().await {
        let ConsumerEvent::Message(delivery) = event else {
            continue;
        };
        let ticket = delivery.ticket;
        if let Some(watermark) = take(&delivery, &shared) {
            // Where the connection is down, the block comes again and with it the watermark.
            let _ = publisher.publish(watermark).await;
        }
        let _ = sender.send(shared.lock().unwrap().clone());
        consumer.acknowledge(ticket);
    }
}

fn take(delivery: &Delivery, shared: &Mutex<Seen>) -> Option<Message> {
    let mut seen = shared.lock().unwrap();
    match Topic::parse(&delivery.topic).unwrap() {
        Topic::Status { .. } => {
            let status = DriverStatusMessage::decode(&delivery.payload).unwrap();
            seen.births += u64::from(status.online);
            None
        }
        Topic::Blocks { .. } => {
            let block = BlockMessage::decode(&delivery.payload).unwrap();
            if seen.blocks_to_lose > 0 {
                seen.blocks_to_lose -= 1;
                seen.ingest += u64::from(seen.blocks_to_lose == 0);
                return None;
            }
            store(&mut seen, &block);
            Some(watermark(&seen, &block))
        }
        other => panic!("not asked for: {other:?}"),
    }
}

fn store(seen: &mut Seen, block: &RecordBlock) {
    let place = &block.header().place;
    let links = (block.hash(), block.header().previous);
    let key = (line_of(place), place.number);
    if let Some(known) = seen.blocks.insert(key, links) {
        assert_eq!(known, links, "{place} came again with other content");
        return;
    }
    for record in block.records() {
        match record {
            Record::Shot(shot) => {
                let key = (shot.identity.epoch.get(), shot.identity.counter.get());
                let line = line_of(place);
                match seen.shots.get(&key) {
                    None => {
                        seen.brought.insert(key, line);
                        seen.shots.insert(key, shot.clone());
                    }
                    Some(first) if seen.brought[&key] != line => {
                        assert_eq!(first.gun_tick, shot.gun_tick);
                        assert_eq!(first.needle_depth, shot.needle_depth);
                        seen.again += 1;
                    }
                    Some(_) => seen.duplicates.push(key),
                }
            }
            Record::Session(_) => seen.session_events += 1,
            Record::Gap(gap) if gap.last.is_none() => {
                seen.open_ended.push((gap.first.get(), gap.reason));
            }
            Record::Gap(gap) => panic!("nothing is missing, and yet: {gap:?}"),
            Record::Amendment(_)
            | Record::Custody(_)
            | Record::Interlock(_)
            | Record::Patient(_) => {}
        }
    }
}

fn watermark(seen: &Seen, block: &RecordBlock) -> Message {
    let place = &block.header().place;
    let line = line_of(place);
    let numbers: RangeSet = seen
        .blocks
        .keys()
        .filter(|(of, _)| *of == line)
        .map(|(_, number)| Range {
            first: number.get(),
            last: number.get(),
        })
        .collect();
    let mut message = WatermarkMessage::new(block.header().place.incarnation, 1, seen.ingest);
    message.settled_to = numbers.run_from(1).unwrap_or(0);
    message.settled_ranges = numbers
        .ranges()
        .map(|range| NumberRange {
            first: range.first,
            last: range.last,
        })
        .collect();
    let clinic = ClinicId::parse(CLINIC).unwrap();
    let topic = topics::watermark(&clinic, &place.driver, &place.stream);
    Message::retained(topic, message.encode().unwrap())
}
