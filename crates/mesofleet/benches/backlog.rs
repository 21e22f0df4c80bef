//! A backlog of journalled shots through the whole ingest, from the messages of the broker to the
//! watermarks: `cargo xtask bench store` runs it in release mode.
//!
//! `backlog embedded SHOTS` ends in the embedded store. `backlog influx SHOTS` ends in a real
//! `influxd`, and then sends the very same bodies over as many connections from memory, to another
//! database of a fresh `influxd`: what the ingest costs beyond the database is the difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that cannot run says so by a panic"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use meso_contract::{BlockMessage, topics};
use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Quantity, Record, RecordBlock, Shot, Sourced, Stream,
};
use meso_ledger::LogKey;
use meso_limits::Judge;
use meso_store::{InfluxOptions, StorePlace};
use meso_testkit::influx::{Dialect, InfluxProxy, Influxd};
use meso_testkit::samples::bare_shot;
use meso_units::{
    BlockNumber, ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, JournalIncarnation,
    Micrometres, Microseconds, Nanolitres, Timestamp, Uncertainty,
};
use mesofleet::ingest::{Arrival, Ingest, IngestOptions};

/// Guns whose journals are drained at once.
const GUN_COUNT: u32 = 64;

/// Shots of a block, as a backlog seals them.
const SHOTS_PER_BLOCK: u32 = 64;

/// Payload bytes of a commit: the limit of the ingest's worker.
const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Connections to the database, the ingest's and the bare loader's.
const CONNECTIONS: usize = 2;

const BUCKET: &str = "bench";

/// Messages as the broker brings them: topic and payload.
fn messages(shots: u32) -> Vec<(String, Vec<u8>)> {
    let mut judge = Judge::new(None);
    let mut previous: Vec<Option<BlockHash>> = vec![None; GUN_COUNT as usize];
    let blocks = shots / SHOTS_PER_BLOCK;
    (0..blocks)
        .map(|n| {
            let (gun, number) = (n % GUN_COUNT, n / GUN_COUNT);
            let chain = &mut previous[gun as usize];
            let block = block(&mut judge, gun, number, *chain);
            *chain = Some(block.hash());
            let header = block.header();
            let place = &header.place;
            let topic = topics::blocks(&header.clinic, &place.driver, &place.stream);
            (topic, BlockMessage::encode(&block).unwrap())
        })
        .collect()
}

fn block(judge: &mut Judge, gun: u32, number: u32, previous: Option<BlockHash>) -> RecordBlock {
    let serial = GunSerial::parse(&format!("GUN-{gun:04}")).unwrap();
    let first = number * SHOTS_PER_BLOCK + 1;
    let shots: Vec<Shot> = (first..first + SHOTS_PER_BLOCK)
        .map(|counter| shot(&serial, counter))
        .collect();
    let judgements = shots.iter().map(|shot| judge.judge(shot, None)).collect();
    let header = BlockHeader {
        clinic: ClinicId::parse("riverside").unwrap(),
        place: BlockPlace {
            driver: DriverId::parse(&format!("room-{gun}")).unwrap(),
            incarnation: JournalIncarnation(u64::from(gun) + 1),
            stream: Stream::Gun(serial),
            number: BlockNumber(u64::from(number) + 1),
        },
        previous,
        epoch: Some(Epoch(7)),
        session: None,
        record_count: 0,
        sealed_at: at(first),
        judgements_digest: [0; 32],
    };
    let records = shots.into_iter().map(Record::Shot).collect();
    RecordBlock::seal(header, records, judgements).unwrap()
}

fn at(counter: u32) -> Timestamp {
    let ns = 1_748_736_000_000_000_000 + i64::from(counter) * 120_000_000;
    Timestamp::from_unix_ns(ns).unwrap()
}

fn shot(serial: &GunSerial, counter: u32) -> Shot {
    Shot {
        at: at(counter),
        uncertainty: Uncertainty::Within(1_000_000),
        clock_segment: ClockSegment(0),
        needle_depth: Quantity {
            set: Micrometres::new(2_500).ok(),
            actual: Micrometres::new(2_400 + counter % 200)
                .ok()
                .map(Sourced::sensed),
        },
        volume: Quantity {
            set: Nanolitres::new(18_000).ok(),
            actual: Nanolitres::new(17_000 + u64::from(counter % 2_000))
                .ok()
                .map(Sourced::sensed),
        },
        interval: Microseconds::new(120_000).ok(),
        ..bare_shot(
            serial.clone(),
            Epoch(7),
            counter,
            GunTick::new(u64::from(counter) * 120_000).unwrap(),
        )
    }
}

/// Takes every message through decoding, commits, ledger and watermarks, as the worker does.
fn ingest(place: &StorePlace, messages: &[(String, Vec<u8>)]) -> Duration {
    let store = place.open(1).unwrap();
    let options = IngestOptions {
        log_key: LogKey::from_seed("example.org/log", &[7; 32]).unwrap(),
        log_origin: "example.org/log".to_owned(),
        clinics: [ClinicId::parse("riverside").unwrap()].into(),
        library: None,
        store_incarnation: store.incarnation,
        ingest_incarnation: 2,
    };
    let now = at(0);
    let (mut ingest, _) = Ingest::open(store.writer, options, now).unwrap();
    let begun = Instant::now();
    let mut left = messages;
    let mut settled = 0;
    while !left.is_empty() {
        let (mut bytes, mut count) = (0, 0);
        while count < left.len().min(1_024) && bytes < COMMIT_BYTES_MAX {
            bytes += left[count].1.len();
            count += 1;
        }
        let (these, later) = left.split_at(count);
        let arrivals = these
            .iter()
            .map(|(topic, payload)| Arrival::read(topic, payload, now));
        let committed = ingest.commit(arrivals.collect(), now).unwrap();
        settled += committed.news.block_count;
        left = later;
    }
    let spent = begun.elapsed();
    assert_eq!(
        settled,
        messages.len() as u64,
        "every block is stored and logged"
    );
    spent
}

/// How long this thread has had a processor: on a busy computer only this says much.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let ns = text.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(ns)
}

fn print(name: &str, shots: u32, spent: Duration) {
    let seconds = spent.as_secs_f64();
    println!(
        "{name}: {seconds:.2} s, {:.0} shots/s",
        f64::from(shots) / seconds
    );
    std::io::stdout().flush().unwrap();
}

fn embedded(shots: u32) {
    let messages = messages(shots);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.sqlite");
    let had = processor();
    let spent = ingest(&StorePlace::Embedded { path }, &messages);
    print("backlog into the embedded store", shots, spent);
    let us = (processor() - had).as_secs_f64() * 1e6 / f64::from(shots);
    println!("{us:.2} µs of processor a shot");
}

fn server(folder: &Path) -> (Influxd, InfluxProxy) {
    let server = Influxd::start(folder).unwrap();
    server.create_database(BUCKET).unwrap();
    let proxy = InfluxProxy::start(server.address(), Dialect::V1).unwrap();
    proxy.look_into(false);
    (server, proxy)
}

/// Posts recorded bodies as fast as the server takes them.
fn load(proxy: &InfluxProxy, bodies: Vec<Vec<u8>>) -> Duration {
    let address: SocketAddr = proxy.url().trim_start_matches("http://").parse().unwrap();
    let bodies = Mutex::new(bodies.into_iter());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
                stream.get_ref().set_nodelay(true).unwrap();
                while let Some(body) = { bodies.lock().unwrap().next() } {
                    post(&mut stream, &body);
                }
            });
        }
    });
    begun.elapsed()
}

fn post(stream: &mut BufReader<TcpStream>, body: &[u8]) {
    let head = format!(
        "POST /api/v2/write?bucket={BUCKET}&org=o&precision=ns HTTP/1.1\r\nHost: x\r\n\
         Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(head.as_bytes()).unwrap();
    stream.get_mut().write_all(body).unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 204"), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
}

fn influx(shots: u32) {
    let messages = messages(shots);
    let folder = tempfile::tempdir().unwrap();
    let bodies = {
        let (_server, proxy) = server(&folder.path().join("recorded"));
        proxy.record();
        let spent = ingest(&on(&proxy, &folder.path().join("a.sqlite")), &messages);
        print("warm-up, recorded", shots, spent);
        proxy.take_recorded()
    };
    let mut sums = [Duration::ZERO; 2];
    for round in 1..=2 {
        // By turns, so that what else the computer does falls on both.
        for turn in 0..2 {
            let is_ingest = (round + turn) % 2 == 0;
            let (_server, proxy) = server(&folder.path().join(format!("{round}-{turn}")));
            let spent = match is_ingest {
                true => {
                    let path = folder.path().join(format!("{round}.sqlite"));
                    ingest(&on(&proxy, &path), &messages)
                }
                false => load(&proxy, bodies.clone()),
            };
            let name = if is_ingest {
                "backlog into influxd"
            } else {
                "the same bodies, bare"
            };
            print(&format!("round {round}, {name}"), shots, spent);
            sums[usize::from(is_ingest)] += spent;
        }
    }
    let [bare, ours] = sums.map(|sum| sum.as_secs_f64());
    println!(
        "the ingest reaches {:.0} % of the bare loader",
        bare / ours * 100.0
    );
}

fn on(proxy: &InfluxProxy, path: &Path) -> StorePlace {
    let mut options = InfluxOptions::new(&proxy.url(), "o", BUCKET).unwrap();
    options.connections = CONNECTIONS;
    options.request_within = Duration::from_secs(60);
    StorePlace::Influx {
        path: path.to_owned(),
        options: Box::new(options),
    }
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let shots = words.get(1).map_or(1_000_000, |word| word.parse().unwrap());
    match words.first().map(String::as_str) {
        Some("influx") => influx(shots),
        Some("embedded") => embedded(shots),
        _ => {
            embedded(shots);
            influx(shots);
        }
    }
}
