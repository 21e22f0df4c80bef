//! `mesofleet demo`: everything on loopback, with the driver and the guns as processes of their
//! own, so that killing one is meaningful.

mod driver_process;
mod fleet;
mod guns;
mod history;
mod library;
mod operator;
mod past;
mod room_client;
mod settle;
mod status_line;
mod stop;
mod summary;
mod truth;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use meso_units::{ClinicId, DriverId};

use crate::cli::DemoOptions;
use crate::ingest::TimeZones;
use crate::serve::{BrokerChoice, LibraryInForce, Notify, ServeOptions, Server};
use fleet::Fleet;
use status_line::StatusLine;
use stop::Stop;

/// The clinic of the demonstration.
const CLINIC: &str = "demo-clinic";
/// The room of the demonstration.
const DRIVER: &str = "demo-room";
/// The name under which the demonstration's ledger signs.
const LEDGER_ORIGIN: &str = "demo.invalid/mesofleet";
/// Only who runs the demonstration may look into its folders: they hold keys and logs.
const PRIVATE_FOLDER: u32 = 0o700;
/// How often the status line renews itself.
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// The exit code of a program that Ctrl-C ended, as shells expect it.
const INTERRUPTED: u8 = 130;

/// Where the demonstration keeps what.
pub(crate) struct Folders {
    root: PathBuf,
    /// Removes a temporary root on drop; taken out when a report has to stay.
    temporary: Option<tempfile::TempDir>,
}

impl Folders {
    fn make(options: &DemoOptions) -> anyhow::Result<Folders> {
        let (root, temporary) = match &options.data {
            Some(folder) => (folder.clone(), None),
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("mesofleet-demo-")
                    .tempdir()
                    .context("cannot make a temporary folder; name one with --data DIR")?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        for folder in ["driver", "server", "ports", "guns"] {
            let folder = root.join(folder);
            let mut maker = std::fs::DirBuilder::new();
            maker.recursive(true).mode(PRIVATE_FOLDER);
            maker.create(&folder).with_context(|| {
                format!(
                    "cannot make the folder {}; choose another place with --data DIR",
                    folder.display()
                )
            })?;
        }
        Ok(Folders { root, temporary })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Leaves a temporary folder where it is, because a report lies in it.
    fn keep(&mut self) {
        if let Some(folder) = self.temporary.take() {
            // Only the path is of use from here on, and that is `root`.
            let _ = folder.keep();
        }
    }
}

/// Why the demonstration goes into its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its time is over.
    TimeIsUp,
    /// Somebody pressed Ctrl-C, or asked it to end.
    Interrupted,
}

/// Runs the demonstration.
///
/// # Errors
///
/// Whatever keeps it from starting or from going on, with the next step for a person.
pub fn run(options: &DemoOptions) -> anyhow::Result<ExitCode> {
    crate::logging::start();
    crate::firmware::check(&options.firmware)?;
    let mut folders = Folders::make(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let [interrupted, hurry] = watch_for_interrupts(&runtime)?;
    let clinic = ClinicId::parse(CLINIC)?;
    let driver = DriverId::parse(DRIVER)?;
    let release = library::signed_release()?;
    let server = runtime.block_on(start_server(options, &folders, &clinic, &release))?;
    announce(&server);
    let fleet = Fleet::start(options, &folders, &server, &driver, &release)?;
    server.set_trigger(fleet.triggers());
    let past = past::Past::start(options, &server, &fleet, &clinic, &driver, &release.library)?;
    let ending = wait(options, &server, &interrupted);
    past.stop();
    if ending == Ending::Interrupted {
        eprintln!("ending, once everything that was fired is stored; Ctrl-C again ends it at once");
    }
    let outcome = settle::settle(&fleet, &server, ending == Ending::TimeIsUp, &hurry);
    let summary = match (ending, options.run_for) {
        (Ending::TimeIsUp, Some(_)) => {
            folders.keep();
            Some(summary::conclude(
                &fleet,
                &server,
                &folders.path("report.zip"),
                &outcome,
            )?)
        }
        _ => {
            let missing = outcome.missing.iter();
            missing.for_each(|what| eprintln!("not everything is stored: {what}"));
            None
        }
    };
    fleet.leave()?;
    runtime.block_on(server.shutdown())?;
    Ok(match summary {
        Some(summary) => summary.print(),
        None => ExitCode::from(INTERRUPTED),
    })
}

async fn start_server(
    options: &DemoOptions,
    folders: &Folders,
    clinic: &ClinicId,
    release: &library::Release,
) -> anyhow::Result<Server> {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let influx = match &options.store {
        Some(spec) => {
            let options = spec.influx()?;
            // Nobody has set it up for us.
            if let Some(options) = &options {
                meso_store::prepare_influx(options)?;
            }
            options
        }
        None => None,
    };
    Server::start(ServeOptions {
        data_dir: folders.path("server"),
        http: options.http,
        broker: BrokerChoice::Embedded(any_port),
        ledger_origin: LEDGER_ORIGIN.to_owned(),
        clinics: vec![clinic.clone()],
        time_zones: TimeZones::default(),
        library: Some(LibraryInForce {
            release: release.signed.clone(),
            library: Arc::clone(&release.library),
            signer_lists: Vec::new(),
            is_single_signer: false,
        }),
        demo: true,
        influx,
        notify: Notify::default(),
    })
    .await
}

fn announce(server: &Server) {
    println!(
        "Mesofleet DEMO: the board is at http://{}/ (no real guns, no patients; Ctrl-C ends it)",
        server.http_addr()
    );
}

/// Turns Ctrl-C and polite requests to end into flags: of the first, and of a further one.
fn watch_for_interrupts(runtime: &tokio::runtime::Runtime) -> anyhow::Result<[Arc<Stop>; 2]> {
    use tokio::signal::unix::{SignalKind, signal};
    let _inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let flags = [Arc::default(), Arc::default()];
    let raised: [Arc<Stop>; 2] = flags.clone();
    runtime.spawn(async move {
        for flag in raised {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            flag.stop();
        }
    });
    Ok(flags)
}

/// Waits for the end of the run and renews the status line meanwhile.
fn wait(options: &DemoOptions, server: &Server, interrupted: &Stop) -> Ending {
    let started = Instant::now();
    let mut line = StatusLine::new();
    loop {
        let elapsed = started.elapsed();
        let left = options
            .run_for
            .map(|run_for| run_for.saturating_sub(elapsed));
        if left == Some(Duration::ZERO) {
            line.clear();
            return Ending::TimeIsUp;
        }
        if interrupted.wait(left.map_or(RENEW_EVERY, |left| left.min(RENEW_EVERY))) {
            line.clear();
            return Ending::Interrupted;
        }
        line.show(&status(server, elapsed, left));
    }
}

fn status(server: &Server, elapsed: Duration, left: Option<Duration>) -> String {
    let overview = server.overview();
    let time = match left {
        Some(left) => format!("{} left", minutes(left)),
        None => minutes(elapsed),
    };
    format!(
        "DEMO {time} · {} of {} guns · {} sessions · {} shots · alerts: {} hard, {} soft",
        overview.attached_gun_count,
        overview.gun_count,
        overview.open_session_count,
        overview.shots_today_count,
        overview.open_hard_alert_count,
        overview.open_soft_alert_count,
    )
}

/// A length of time as `12 s` or `3 min 05 s`.
fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// The driver's configuration file.
fn driver_config(
    folders: &Folders,
    (server, broker): (&Server, SocketAddr),
    driver: &DriverId,
    release: &library::Release,
) -> String {
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let signers: Vec<String> = release
        .signers
        .iter()
        .map(|key| format!("{key:?}"))
        .collect();
    format!(
        "version = 1\n\
         [driver]\nid = \"{driver}\"\nclinic = \"{CLINIC}\"\ntime_zone = \"UTC\"\ndata_dir = {}\n\
         [ports]\nsource = \"folder\"\nfolder = {}\nrescan_ms = 100\n\
         [clock]\ntrusted_after = \"date\"\n\
         [broker]\nhost = \"{}\"\nport = {}\n\
         [ingest]\nkey = \"{}\"\n\
         [room]\nhttp = \"127.0.0.1:0\"\n\
         [library]\nsigners = [{}]\n",
        quoted(&folders.path("driver")),
        quoted(&folders.path("ports")),
        broker.ip(),
        broker.port(),
        server.log_key(),
        signers.join(", "),
    )
}
