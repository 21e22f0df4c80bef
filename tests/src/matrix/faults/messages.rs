//! Brokers that forget and drop, messages that nobody should send, and two who take them.

use anyhow::{Context, ensure};
use meso_contract::{BlockMessage, topics};
use meso_store::StorePlace;
use meso_testkit::gun::bank::Order;
use meso_testkit::mqtt::Stranger;

use crate::matrix::clinic::{Clinic, Who, held_count_of};
use crate::matrix::{Fault, Moments, usual};
use crate::sandbox::Server;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "broker-session-loss",
        what: "The broker forgets sessions, queues and retained messages while the ingest is away.",
        setup: usual,
        act: session_loss,
    },
    Fault {
        name: "broker-queue-overflow",
        what: "The ingest is away or stands still until the broker has dropped what it had \
               acknowledged.",
        setup: |setup| setup.queue_max = 2,
        act: overflow,
    },
    Fault {
        name: "poison-records",
        what: "Bytes, types, values and places that no driver sends come between its blocks.",
        setup: usual,
        act: poison,
    },
    Fault {
        name: "two-ingests-one-store",
        what: "A second server is started on the folder of the first.",
        setup: usual,
        act: two_on_one_store,
    },
    Fault {
        name: "two-ingests-two-stores",
        what: "A second server with a folder of its own takes blocks from the same broker, those \
               of a new gun too, and leaves.",
        setup: |setup| setup.last_gun_is_late = true,
        act: two_on_two_stores,
    },
];

fn session_loss(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 800);
    clinic.kill(Who::Server);
    moments.rest(500, 1_500);
    clinic.kill(Who::Broker);
    moments.rest(0, 800);
    clinic.start_again(Who::Broker)?;
    moments.rest(0, 1_500);
    clinic.start_again(Who::Server)
}

fn overflow(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 500);
    let is_frozen = moments.coin();
    match is_frozen {
        true => clinic.freeze(Who::Server, true)?,
        false => clinic.kill(Who::Server),
    }
    let broker = clinic.broker.as_ref().context("there is no broker")?;
    // Said once for each client that lags; what was dropped is in no log.
    clinic.wait_until("the broker drops what it has acknowledged", || {
        let log = broker.log().unwrap_or_default();
        log.contains("messages are being dropped")
    })?;
    moments.rest(500, 2_500);
    match is_frozen {
        true => clinic.freeze(Who::Server, false),
        false => clinic.start_again(Who::Server),
    }
}

/// What is put between the blocks, each under the topic of a real one.
fn spoilt(payload: &[u8], moments: &mut Moments) -> anyhow::Result<Vec<Vec<u8>>> {
    let text = std::str::from_utf8(payload)?;
    let cut = usize::try_from(moments.between(1, payload.len() as u64 - 1))?;
    let mut flipped = payload.to_vec();
    flipped[cut] ^= 0x04;
    let spoilt = [
        b"\x00\xFF\xFE not even text".to_vec(),
        Vec::new(),
        b"{}".to_vec(),
        b"[[[[[[[[[[[[[[[[".to_vec(),
        payload[..cut].to_vec(),
        flipped,
        replaced(text, "\"gun_tick_us\":", "\"gun_tick_us\":1"),
        replaced(text, "\"counter\":", "\"counter\":-"),
        replaced(text, "\"version\":1", "\"version\":77"),
        replaced(text, "\"records\":[", "\"records\":[null,"),
        // Under a number that its driver gives to a block that is still to come.
        renumbered(payload, 2)?,
    ];
    Ok(spoilt.into_iter().filter(|it| it != payload).collect())
}

fn replaced(text: &str, from: &str, to: &str) -> Vec<u8> {
    text.replacen(from, to, 1).into_bytes()
}

/// The block under a later number, which its hash gives away.
fn renumbered(payload: &[u8], later: u64) -> anyhow::Result<Vec<u8>> {
    let mut message: serde_json::Value = serde_json::from_slice(payload)?;
    let number = message.pointer_mut("/header/number").context("no number")?;
    *number = (number.as_u64().context("no number")? + later).into();
    Ok(serde_json::to_vec(&message)?)
}

fn poison(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    let broker = clinic.broker.as_ref().context("there is no broker")?;
    let mut stranger = Stranger::connect(broker.address(), "stranger")?;
    moments.rest(100, 800);
    let every_block: Vec<String> = topics::partitions().map(topics::blocks_filter).collect();
    let (topic, payload) = stranger.hear_one(&every_block)?;
    let mut sent = std::collections::BTreeSet::new();
    for bytes in spoilt(&payload, moments)? {
        stranger.publish(&topic, &bytes)?;
        sent.insert(bytes);
        moments.rest(0, 200);
    }
    // Under the topic of another gun, and under none that is known.
    let elsewhere = topic.replace("GUN-", "GUM-");
    ensure!(elsewhere != topic, "{topic} names no gun");
    stranger.publish(&elsewhere, &payload)?;
    // The very same again, which is no poison: it is held already, or will be.
    stranger.publish(&topic, &payload)?;
    sent.insert(payload);
    // What a newer driver might have sent stays with its driver.
    let is_kept = |bytes: &&Vec<u8>| {
        let read = BlockMessage::decode(bytes);
        !read.is_err_and(|error| error.may_be_newer())
    };
    clinic.allowed.quarantined = sent.iter().filter(is_kept).count() as u64;
    Ok(())
}

fn two_on_one_store(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    for _ in 0..moments.between(1, 3) {
        moments.rest(100, 800);
        let first = &clinic.server;
        let second = Server::start(clinic.programs(), first.data(), first.options());
        let Ok(mut second) = second else { continue };
        // It listens for a moment before it finds the store in use.
        clinic.wait_until("the second server leaves", || second.has_left())?;
    }
    let log = clinic.server.log();
    ensure!(
        log.contains("is in use by another server"),
        "no second server found the store in use"
    );
    Ok(())
}

fn two_on_two_stores(clinic: &mut Clinic, moments: &mut Moments) -> anyhow::Result<()> {
    moments.rest(100, 500);
    let folder = clinic.path("second-server");
    let mut second = Server::start(clinic.programs(), &folder, clinic.server.options())?;
    moments.rest(500, 1_500);
    // A gun that the first never hears of while the second is there, and that leaves before it.
    let port = clinic.serial(2).to_owned();
    clinic.plug(2, 0, &port)?;
    moments.rest(1_000, 4_000);
    let store = StorePlace::Embedded {
        path: folder.join("fleet.sqlite"),
    };
    clinic.wait_until("the second server has shots", || {
        held_count_of(&store).is_some_and(|held| held > 0)
    })?;
    let is_unplugged = moments.coin();
    if is_unplugged {
        // It stays away: what it fired after it was read nobody could bring.
        clinic.order(2, Order::StopFiring)?;
        clinic.wait_until("the driver has read the gun", || is_read(clinic, 2))?;
        clinic.order(2, Order::Unplug)?;
        moments.rest(500, 1_500);
    }
    match moments.coin() {
        true => second.stop()?,
        false => second.kill(),
    }
    Ok(())
}

/// Whether the driver's journal holds whatever a gun has fired.
fn is_read(clinic: &Clinic, gun: usize) -> bool {
    let serial = clinic.serial(gun);
    let journalled = clinic.drivers[0]
        .gun(serial)
        .map_or(0, |known| known.journalled_counter);
    clinic.fired().is_ok_and(|fired| {
        let mut of_gun = fired.iter().filter(|shot| shot.serial == serial);
        of_gun.all(|shot| shot.counter <= journalled)
    })
}
