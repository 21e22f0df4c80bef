//! Putting the daemon together.

use std::sync::Arc;

use meso_bus::{ClientOptions, Consumer, Message, Publisher};
use meso_config::{DriverConfig, PortSource};
use meso_contract::{DriverStatusMessage, PAYLOAD_VERSION, topics};
use meso_journal::{Batch, Identity, Journal, OpenedJournal};
use meso_room::{
    PATIENT_KEY_FILE_NAME, PatientKeys, Room, RoomInbox, Token, app, read_patient_key,
    write_access_file,
};
use meso_serial::{EnumeratedSource, FolderSource, GunPorts, PortEvent, SerialConfig};
use meso_units::JournalIncarnation;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::disk::Ears;
use super::time_service::await_time_service;
use super::{ANEW_PAUSE, Beginning, Daemon};
use crate::broker::broker_of;
use crate::engine::{Engine, LINK_VALUES, Recovered, SealOrder, Work};
use crate::latency::Latency;
use crate::machine::{Clocks, random, random_number};
use crate::outbox::{JOBS_WAITING_MAX, Job, Outbox, Undeliverable};
use crate::replacing::{incarnation_text, successor_message};
use crate::{DriverError, Settings, Supervisor, gun_events};

/// Blocks that cannot be sent and of which the engine has not heard yet.
const UNDELIVERABLE_WAITING_MAX: usize = 16;

pub(super) async fn start(
    settings: &Settings,
    supervisor: Arc<Supervisor>,
    leaving: watch::Receiver<bool>,
    beginning: Beginning,
) -> Result<Daemon, DriverError> {
    let config = settings.config();
    let serial = serial_config(settings)?;
    let opened = open_journal(config, beginning)?;
    let incarnation = opened.recovery().incarnation;
    let successor = successor_message(config, &opened)?;
    let patients = patient_keys(config, &opened)?;
    let Recovered {
        mut engine,
        batch,
        seals,
    } = recover(settings, patients.clone(), &opened)?;
    let opened = opened.keep_settled_for(config.journal.settled_min);
    let journal = Arc::new(opened.start()?);
    let clock_set = await_time_service(config.clock, &mut engine).await;
    // Before the birth message, so that whoever hears it finds the room's address.
    let (inbox, room_server) = serve_room(settings, patients).await?;
    let status = status(incarnation)?;
    let (online, offline) = states(config, &status);
    let publisher = Publisher::start(client(config, "")?, Some(offline.clone()), Some(online));
    let consumer = listen(config)?;
    let connection = publisher.state();
    let (outbox, undeliverable, outbox_task) = start_outbox(config, publisher, &journal);
    let (ports, guns) = open_ports(config, serial)?;
    let daemon = Daemon {
        settings: settings.clone(),
        supervisor,
        clocks: Clocks::start(),
        clock_set,
        engine,
        journal,
        ports: Some(ports),
        guns,
        heard: Work::default(),
        unwritten_stops: Vec::new(),
        room: inbox.requests,
        asked: None,
        stops: inbox.stops,
        live: inbox.live,
        live_shown: Instant::now(),
        looked_at: Instant::now(),
        room_server,
        consumer,
        connection,
        is_connected: false,
        links_from: None,
        latency: Latency::new(),
        outbox,
        outbox_task,
        undeliverable,
        sender_wake_ms: None,
        status,
        offline,
        disk_problem: None,
        told_disk: None,
        is_disk_back: false,
        successor,
        is_successor_due: false,
        is_older_copy: false,
        anew_from: anew_from(beginning),
        leaving,
    };
    write_first(daemon, batch, seals).await
}

/// From when on another life of the journal may begin.
fn anew_from(beginning: Beginning) -> Instant {
    match beginning {
        Beginning::AsItIs => Instant::now(),
        Beginning::Anew => Instant::now() + ANEW_PAUSE,
    }
}

/// Writes what a start makes, before anything is heard of guns or of the room.
async fn write_first(
    mut daemon: Daemon,
    batch: Batch,
    seals: Vec<SealOrder>,
) -> Result<Daemon, DriverError> {
    daemon.commit(batch, Ears::ToStops).await?;
    daemon.seal(seals).await?;
    let work = daemon.engine.close_ended_epochs(daemon.clocks.now());
    daemon.write(work).await?;
    Ok(daemon)
}

fn recover(
    settings: &Settings,
    patients: Result<PatientKeys, String>,
    opened: &OpenedJournal,
) -> Result<Recovered, DriverError> {
    let (config, zone) = (settings.config().clone(), settings.time_zone().clone());
    let signers = settings.signers();
    Ok(Engine::recover(config, zone, signers, patients, opened)?)
}

fn open_journal(config: &DriverConfig, beginning: Beginning) -> Result<OpenedJournal, DriverError> {
    let identity = Identity {
        clinic: config.clinic_id.clone(),
        driver: config.driver_id.clone(),
    };
    let new_incarnation = JournalIncarnation(random_number()?);
    let mut opened = OpenedJournal::open(&config.data_dir, identity, new_incarnation)?;
    if beginning == Beginning::Anew {
        opened.begin_anew(new_incarnation, Clocks::start().now().utc)?;
        tracing::warn!(
            journal = incarnation_text(new_incarnation),
            "the journal has begun a new life"
        );
    }
    Ok(opened)
}

fn start_outbox(
    config: &DriverConfig,
    publisher: Publisher,
    journal: &Arc<Journal>,
) -> (
    mpsc::Sender<Job>,
    mpsc::Receiver<Undeliverable>,
    JoinHandle<()>,
) {
    let (outbox, jobs) = mpsc::channel(JOBS_WAITING_MAX);
    let (sender, undeliverable) = mpsc::channel(UNDELIVERABLE_WAITING_MAX);
    let task = Outbox {
        clinic: config.clinic_id.clone(),
        publisher,
        journal: Arc::clone(journal),
        undeliverable: sender,
    };
    let task = tokio::spawn(task.run(jobs));
    (outbox, undeliverable, task)
}

/// How this start of the driver is.
fn status(incarnation: JournalIncarnation) -> Result<DriverStatusMessage, DriverError> {
    Ok(DriverStatusMessage {
        version: PAYLOAD_VERSION,
        online: true,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        incarnation: format!("{:016x}", incarnation.get()),
        start_id: format!("{:016x}", random_number()?),
        journal_problem: None,
    })
}

/// The birth message, and the last will.
fn states(config: &DriverConfig, status: &DriverStatusMessage) -> (Message, Message) {
    let topic = topics::status(&config.clinic_id, &config.driver_id);
    let gone = DriverStatusMessage {
        online: false,
        ..status.clone()
    };
    // Every field of it has a JSON form.
    let message = |status: &DriverStatusMessage| {
        Message::retained(topic.clone(), status.encode().unwrap_or_default())
    };
    (message(status), message(&gone))
}

/// The id of one of the driver's two connections. No identifier has a dot, so no two drivers share
/// an id: they would throw each other out of the broker for ever.
fn client_id(config: &DriverConfig, suffix: &str) -> String {
    format!("{}.{}{suffix}", config.clinic_id, config.driver_id)
}

fn client(config: &DriverConfig, suffix: &str) -> Result<ClientOptions, DriverError> {
    let id = client_id(config, suffix);
    let options = ClientOptions::new(&id, broker_of(config)?);
    Ok(options.with_jitter_seed(random_number()?))
}

/// Hears what the server and a successor say.
fn listen(config: &DriverConfig) -> Result<Consumer, DriverError> {
    let (clinic, driver) = (&config.clinic_id, &config.driver_id);
    let filters = vec![
        topics::watermark_filter(clinic, driver),
        topics::wanted_filter(clinic, driver),
        topics::library(clinic),
        topics::patients_filter(clinic),
        topics::links_filter(clinic),
        topics::successor(clinic, driver),
    ];
    Ok(Consumer::start(client(config, ".in")?, filters))
}

async fn serve_room(
    settings: &Settings,
    patients: Result<PatientKeys, String>,
) -> Result<(RoomInbox, JoinHandle<()>), DriverError> {
    let config = settings.config();
    let failed = |source| DriverError::Listen {
        address: config.room_http,
        source,
    };
    let listener = TcpListener::bind(config.room_http).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let token = Token::from_random(random()?);
    let (room, inbox) = Room::new(
        token.clone(),
        address,
        &config.data_dir,
        settings.time_zone().clone(),
        patients,
    );
    let router = app(room);
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the room's interface stopped");
        }
    });
    write_access_file(&config.data_dir, address, &token)?;
    tracing::info!(page = %format!("http://{address}/"), "the room's interface listens");
    Ok((inbox, server))
}

/// The keys of the room's patients, or why there are none: guns are driven all the same, and codes are
/// not taken. No key is made where the journal has links under one that is gone: patients who are known
/// would begin anew.
fn patient_keys(
    config: &DriverConfig,
    opened: &OpenedJournal,
) -> Result<Result<PatientKeys, String>, DriverError> {
    let folder = &config.data_dir;
    let is_gone = matches!(read_patient_key(folder), Ok(None))
        && !opened.values_under(LINK_VALUES)?.is_empty();
    let keys = match is_gone {
        true => Err(format!(
            "{} is gone, and the journal knows patients under it: bring it back, or take over that of \
             another room with `patients key import`",
            folder.join(PATIENT_KEY_FILE_NAME).display()
        )),
        false => PatientKeys::open(folder).map_err(|error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            format!("{error}{cause}")
        }),
    };
    if let Err(problem) = &keys {
        tracing::error!(problem, "ALARM: no patient's code can be taken");
    }
    Ok(keys)
}

/// Keys and profiles of the guns, read before anything is opened.
fn serial_config(settings: &Settings) -> Result<SerialConfig, DriverError> {
    let config = settings.config();
    let keys = settings
        .keys()
        .map_err(|problems| DriverError::Keys { problems })?;
    tracing::info!(count = keys.count(), "keys of guns");
    let profiles = settings
        .profiles()
        .map_err(|problems| DriverError::Profiles { problems })?;
    Ok(SerialConfig {
        scan_interval: config.ports.rescan,
        usb_serial: config.ports.usb_serial,
        profiles,
        keys,
        ..SerialConfig::default()
    })
}

fn open_ports(
    config: &DriverConfig,
    serial: SerialConfig,
) -> Result<(GunPorts, mpsc::Receiver<PortEvent>), DriverError> {
    let (events, guns) = gun_events::bridge()?;
    let ports = match &config.ports.source {
        PortSource::Folder(folder) => GunPorts::start(FolderSource::new(folder), serial, events)?,
        _ => GunPorts::start(EnumeratedSource, serial, events)?,
    };
    Ok((ports, guns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(clinic: &str, driver: &str, suffix: &str) -> String {
        let text = format!(
            "version = 1\n[driver]\nid = \"{driver}\"\nclinic = \"{clinic}\"\n\
             time_zone = \"UTC\"\ndata_dir = \"data\"\n"
        );
        client_id(&DriverConfig::parse("driver.toml", &text).unwrap(), suffix)
    }

    #[test]
    fn no_two_connections_share_an_id() {
        assert_ne!(id("north-west", "room", ""), id("north", "west-room", ""));
        assert_ne!(id("north", "room", ".in"), id("north", "room-in", ""));
        assert_ne!(id("mesofleet", "ingest", ""), "mesofleet-ingest");
    }
}
