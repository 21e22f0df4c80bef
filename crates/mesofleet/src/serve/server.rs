//! The service: everything wired, started and ended in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;
use meso_bus::{Broker, Endpoint, Message};
use meso_contract::http::{AlertView, LiveEvent, OverviewView, ReportRequest};
use meso_contract::{LibraryMessage, PAYLOAD_VERSION, metric_names, topics};
use meso_domain::{RecordBlock, Shot, ShotIdentity};
use meso_ledger::{LogKey, VerifierKey};
use meso_limits::{Library, SignedRelease, SignedSignerList};
use meso_store::InfluxOptions;
use meso_units::{ClinicId, Epoch, GunSerial, ShotCounter};
use meso_web::{AllowedHosts, Backend as _, EVENT_BUFFER_COUNT, WebOptions, WebState};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use super::backend::{FleetBackend, TriggerOnPage};
use super::channels::Notify;
use super::live::{Announcer, renew};
use super::opening::open_ingest;
use super::post::{ChannelHealth, PostOffice, start_desks};
use super::signed_head::SignedHead;
use super::state_files::{ledger_seed, random};
use super::views::release_text;
use crate::ingest::{BusOptions, IMPORT_BLOCKS_MAX, IngestHandle, TimeZones, run_bus};
use crate::protocol::body_of;

/// The most alerts that [`Server::alerts`] gives.
const ALERTS_MAX: u32 = 10_000;

/// Shots that [`Server::stored_shots`] reads at a time.
const SHOTS_PAGE: u32 = 5_000;

/// Upper ends of the buckets of the commit time, in seconds.
const COMMIT_BUCKETS_S: [f64; 8] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

/// Which broker carries the messages.
#[derive(Clone, Debug)]
pub enum BrokerChoice {
    /// One of our own, listening here; port 0 lets the system choose.
    Embedded(SocketAddr),
    /// One that runs already.
    External(Endpoint),
}

/// The protocol library in force: as it was signed, for the rooms, and as it was read.
#[derive(Clone, Debug)]
pub struct LibraryInForce {
    /// What was signed, and by whom.
    pub release: SignedRelease,
    /// What [`SignedRelease::verify`] gave.
    pub library: Arc<Library>,
    /// The signer lists after the one that server and rooms pinned.
    pub signer_lists: Vec<SignedSignerList>,
    /// Whether one person's signature is enough: chosen at the installation, and named wherever
    /// the release is.
    pub is_single_signer: bool,
}

/// What a server is told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The folder of store and ledger key; it must exist.
    pub data_dir: PathBuf,
    /// Where dashboards and interface listen; port 0 lets the system choose.
    pub http: SocketAddr,
    /// The broker.
    pub broker: BrokerChoice,
    /// The name under which the ledger signs.
    pub ledger_origin: String,
    /// The clinics; reports are made in the name of the first.
    pub clinics: Vec<ClinicId>,
    /// Where the days of these clinics begin.
    pub time_zones: TimeZones,
    /// The protocol library, if one is in force.
    pub library: Option<LibraryInForce>,
    /// Whether this is a demonstration.
    pub demo: bool,
    /// The InfluxDB that keeps the shots; without one they are in the data folder.
    pub influx: Option<InfluxOptions>,
    /// Whom alerts are told to.
    pub notify: Notify,
}

impl ServeOptions {
    fn is_single_signer(&self) -> bool {
        let library = self.library.as_ref();
        library.is_some_and(|it| it.is_single_signer)
    }
}

/// A running service. Dropping it leaves its threads running: use [`Server::shutdown`].
pub struct Server {
    http_addr: SocketAddr,
    broker_addr: Option<SocketAddr>,
    log_key: VerifierKey,
    backend: Arc<FleetBackend>,
    events: broadcast::Sender<LiveEvent>,
    parts: Parts,
}

/// What has to be ended.
struct Parts {
    broker: Option<Broker>,
    worker: JoinHandle<()>,
    web: WebState,
    stop_web: watch::Sender<bool>,
    http: tokio::task::JoinHandle<()>,
    bus: tokio::task::JoinHandle<()>,
    renew: tokio::task::JoinHandle<()>,
    desks: Vec<tokio::task::JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("http_addr", &self.http_addr)
            .field("broker_addr", &self.broker_addr)
            .finish_non_exhaustive()
    }
}

/// Stores blocks of an archive behind the live ones.
#[derive(Clone, Debug)]
pub struct Importer {
    ingest: IngestHandle,
}

impl Importer {
    /// Stores blocks and waits until they are durable. It blocks: call it from a thread that may.
    ///
    /// # Errors
    ///
    /// What the commit says.
    pub fn import(&self, blocks: Vec<RecordBlock>) -> anyhow::Result<()> {
        let mut blocks = blocks.into_iter().peekable();
        while blocks.peek().is_some() {
            let part = blocks.by_ref().take(IMPORT_BLOCKS_MAX).collect();
            self.ingest.import(part)?;
        }
        Ok(())
    }
}

impl Server {
    /// Starts everything; must be called inside a tokio runtime with more than one worker or with
    /// blocking threads. What was stored and not logged before is logged before anything is taken.
    /// While an InfluxDB that keeps the shots is away, nothing is taken, and readiness says so.
    ///
    /// # Errors
    ///
    /// An address is in use, the data folder cannot be used, or the ledger's key is not readable.
    pub async fn start(options: ServeOptions) -> anyhow::Result<Server> {
        let clinic = options
            .clinics
            .first()
            .context("a server needs at least one clinic")?
            .clone();
        let metrics = install_metrics()?;
        let log_key = log_key(&options.data_dir, &options.ledger_origin)?;
        let verifier = log_key.verifier();
        write_verifier(&options.data_dir, &verifier)?;
        let http = bind_http(options.http).await?;
        let http_addr = http.local_addr()?;
        let (broker, endpoint) = start_broker(options.broker.clone()).await?;
        let broker_addr = broker.as_ref().map(Broker::address);
        let (events, _) = broadcast::channel(EVENT_BUFFER_COUNT);
        let (post, desks) = PostOffice::open(options.notify.carriers.clone());
        let head = SignedHead::new(&options.data_dir);
        let announcer = Announcer::new(events.clone(), post, head);
        let (connected, broker_is_there) = watch::channel(false);
        let (stop_web, web_stopped) = watch::channel(false);
        let opened = open_ingest(&options, announcer.clone()).await?;
        let health = Arc::new(ChannelHealth::default());
        let is_single_signer = options.is_single_signer();
        let backend = Arc::new(FleetBackend {
            readers: opened.readers,
            board: Arc::clone(&announcer.board),
            ingest: opened.ingest.handle.clone(),
            library: options.library.as_ref().map(|l| Arc::clone(&l.library)),
            log_key: Arc::new(log_key),
            clinic,
            demo: options.demo,
            broker_is_there,
            trigger: Mutex::new(None),
            health: Arc::clone(&health),
            data_dir: options.data_dir.clone(),
            is_single_signer,
        });
        let release = release_text(backend.library.as_deref(), is_single_signer);
        tracing::info!(%http_addr, broker = %endpoint, release, "server started");
        let bus_options = bus_options(endpoint, &options)?;
        let ingest = opened.ingest;
        let desks = start_desks(desks, &ingest.handle, &health, &web_stopped);
        let bus = run_bus(bus_options, ingest.handle, ingest.outgoing, connected);
        let web = WebState::new(WebOptions {
            backend: Arc::clone(&backend) as Arc<dyn meso_web::Backend>,
            events: events.clone(),
            metrics,
            hosts: AllowedHosts::for_bind(http_addr),
        });
        let renew = renew(announcer, Arc::clone(&backend), web_stopped.clone());
        let parts = Parts {
            broker,
            worker: ingest.worker,
            stop_web,
            http: tokio::spawn(serve_http(http, web.clone(), web_stopped)),
            bus: tokio::spawn(bus),
            renew: tokio::spawn(renew),
            desks,
            web,
        };
        Ok(Server {
            http_addr,
            broker_addr,
            log_key: verifier,
            backend,
            events,
            parts,
        })
    }

    /// Where the dashboards listen.
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the embedded broker listens; `None` where another one carries the messages.
    pub const fn broker_addr(&self) -> Option<SocketAddr> {
        self.broker_addr
    }

    /// The public key of the ledger.
    pub const fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// Follows what the pages are told.
    pub fn events(&self) -> broadcast::Receiver<LiveEvent> {
        self.events.subscribe()
    }

    #[cfg(test)]
    pub(super) fn backend(&self) -> &FleetBackend {
        &self.backend
    }

    /// Lets the page press triggers of emulated guns.
    pub fn set_trigger(&self, trigger: impl TriggerOnPage) {
        let mut slot = self
            .backend
            .trigger
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(trigger));
    }

    /// Takes blocks of an archive.
    pub fn importer(&self) -> Importer {
        Importer {
            ingest: self.backend.ingest.clone(),
        }
    }

    /// The numbers at a glance; all zero while the store cannot be read.
    pub fn overview(&self) -> OverviewView {
        self.backend.overview().unwrap_or_default()
    }

    /// Whether every session is sealed.
    pub fn is_settled(&self) -> bool {
        self.backend.overview().is_ok_and(|overview| {
            overview.open_session_count == 0 && overview.unsealed_session_count == 0
        })
    }

    /// Every alert, newest first, at most 10 000.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn alerts(&self) -> anyhow::Result<Vec<AlertView>> {
        Ok(self.backend.all_alerts(ALERTS_MAX)?)
    }

    /// Shots that came again in new blocks, counted before any key could hide them.
    pub fn duplicate_shot_count(&self) -> u64 {
        let totals = self.backend.readers.with(|reader| reader.totals());
        totals.map_or(u64::MAX, |totals| totals.shots_again_count)
    }

    /// Sessions that opened.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn session_count(&self) -> anyhow::Result<u64> {
        Ok(self.backend.readers.with(|reader| reader.session_count())?)
    }

    /// Every stored shot of a gun and epoch, in the order of the counters.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn stored_shots(&self, gun: &GunSerial, epoch: Epoch) -> anyhow::Result<Vec<Shot>> {
        let mut shots: Vec<Shot> = Vec::new();
        loop {
            let next = shots.last().map_or(0, |shot| shot.identity.counter.get());
            let first = ShotIdentity {
                gun: gun.clone(),
                epoch,
                counter: ShotCounter(next.saturating_add(1)),
            };
            let readers = &self.backend.readers;
            let page = readers.with(|reader| reader.shots_from(&first, SHOTS_PAGE))?;
            let is_last = page.len() < SHOTS_PAGE as usize;
            shots.extend(page);
            if is_last {
                return Ok(shots);
            }
        }
    }

    /// The bytes of a report bundle.
    ///
    /// # Errors
    ///
    /// Nothing is logged for the selection, it is too large, or the store cannot be read.
    pub fn export_report(&self, request: &ReportRequest) -> anyhow::Result<Vec<u8>> {
        Ok(self.backend.export_report(request)?)
    }

    /// Ends everything: first the pages, then what comes in, then commits, last the broker.
    ///
    /// # Errors
    ///
    /// A part ended by a panic.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let parts = self.parts;
        parts.web.close_event_streams();
        parts.stop_web.send_replace(true);
        parts.http.await.context("the web part failed")?;
        parts.renew.await.context("the live part failed")?;
        for desk in parts.desks {
            desk.await.context("a channel failed")?;
        }
        // The bus ends when the worker is gone, and carries its last watermarks until then.
        self.backend.ingest.stop().await;
        let worker = parts.worker;
        let ended = tokio::task::spawn_blocking(move || worker.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("the ingest failed"))?;
        parts.bus.await.context("the bus part failed")?;
        if let Some(broker) = parts.broker {
            broker.shutdown().await;
        }
        Ok(())
    }
}

async fn bind_http(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "the dashboards cannot listen on {address}; end what uses it, or choose another \
             address (demo: --http ADDR, serve: bind under [http])"
        )
    })
}

async fn serve_http(listener: TcpListener, web: WebState, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        // A sender that is gone means the same.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let served = axum::serve(listener, meso_web::app(web)).with_graceful_shutdown(stopped);
    if let Err(error) = served.await {
        tracing::error!(%error, "the dashboards ended");
    }
}

async fn start_broker(choice: BrokerChoice) -> anyhow::Result<(Option<Broker>, Endpoint)> {
    match choice {
        BrokerChoice::External(endpoint) => Ok((None, endpoint)),
        BrokerChoice::Embedded(bind) => {
            let broker = Broker::start(bind).await.with_context(|| {
                format!(
                    "the broker cannot listen on {bind}; end what uses it, or choose another \
                     address (serve: bind under [broker])"
                )
            })?;
            let endpoint = broker.address().into();
            Ok((Some(broker), endpoint))
        }
    }
}

pub(super) fn log_key(data_dir: &Path, origin: &str) -> anyhow::Result<LogKey> {
    let seed = ledger_seed(&data_dir.join("ledger.seed"))?;
    LogKey::from_seed(origin, &seed).context("the ledger's name cannot be that of a key")
}

/// Writes the public key where a person finds it: for drivers, which are to believe nobody else,
/// and for auditors.
fn write_verifier(data_dir: &Path, verifier: &VerifierKey) -> anyhow::Result<()> {
    let path = data_dir.join("log.vkey");
    std::fs::write(&path, format!("{verifier}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// How the ingest uses the broker.
fn bus_options(broker: Endpoint, options: &ServeOptions) -> anyhow::Result<BusOptions> {
    Ok(BusOptions {
        broker,
        // One server owns all of them, so far.
        partitions: topics::partitions().collect(),
        standing: standing(options)?,
        // Watermarks are signed on another task than checkpoints.
        log_key: log_key(&options.data_dir, &options.ledger_origin)?,
        jitter_seed: u64::from_le_bytes(random()?),
    })
}

/// The library for the rooms of every clinic.
fn standing(options: &ServeOptions) -> anyhow::Result<Vec<Message>> {
    let Some(in_force) = &options.library else {
        return Ok(Vec::new());
    };
    let message = LibraryMessage {
        version: PAYLOAD_VERSION,
        release: in_force.release.text.clone(),
        signatures: in_force.release.signatures.clone(),
        signer_lists: in_force.signer_lists.iter().map(body_of).collect(),
    };
    let payload = message.encode()?;
    let clinics = options.clinics.iter();
    Ok(clinics
        .map(|clinic| Message::retained(topics::library(clinic), payload.clone()))
        .collect())
}

/// The one recorder of the process; a second server shares it.
fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let commit_time = Matcher::Full(metric_names::COMMIT_SECONDS.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(commit_time, &COMMIT_BUCKETS_S)
        .context("the buckets of a metric are wrong")?
        .build_recorder();
    let handle = INSTALLED.get_or_init(|| recorder.handle());
    if metrics::set_global_recorder(recorder).is_ok() {
        meso_web::describe_metrics();
    }
    Ok(handle.clone())
}
