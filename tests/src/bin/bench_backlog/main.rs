//! `cargo xtask bench store`: a backlog of journalled shots, through the programs that a clinic
//! runs, into either store.
//!
//! The journals of some drivers are filled beforehand. Then, at once: the drivers send them, an
//! emulated gun fires live at the first of them, the server (broker, ingest, store, ledger, pages)
//! takes everything, a page's event stream is read. For InfluxDB a real `influxd` stands behind the
//! test proxy; the very bodies that it got are then posted again over as many connections, to
//! another fresh `influxd`: what that takes is what the database costs by itself.
//!
//! The clock runs from the start of the first driver until the last shot of the backlog is stored
//! and logged. Every process runs on the first two cores of this computer. For InfluxDB this is
//! measured twice: once all share both cores, and once `influxd` has the first for itself and
//! everything else the second, as where the database is another computer's work.

mod cores;
mod journals;
mod listen;
mod loader;
mod measure;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use meso_testkit::influx::{Dialect, InfluxProxy, Influxd};
use meso_tests::sandbox::{Release, load};

use cores::Cores;
use journals::Past;
use measure::{Figures, Kind};

/// The longest time of the backlog into the embedded store.
const EMBEDDED_MS_MAX: u64 = 20_000;

/// What the whole way reaches of the bare loader, at least, where the database has a core of its
/// own. Where all share both cores, the bare loader alone keeps both busy, so that every instruction
/// of ours is one that the database waits for.
const PERCENT_OF_BARE_MIN: u64 = 80;

/// From a live shot to the event stream, at most.
const LIVE_MS_MAX: u64 = 2_000;

/// From the start of a server on a full store until it is ready, at most.
const READY_MS_MAX: u64 = 2_000;

/// Connections to the database, the server's and the bare loader's.
const CONNECTIONS: usize = 2;

const BUCKET: &str = "bench";

/// Measures a backlog.
#[derive(Debug, Parser)]
#[command(name = "bench-backlog")]
struct Arguments {
    /// Shots of the backlog.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    shots: u32,
    /// Drivers whose journals hold them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    drivers: u32,
    /// Guns of each driver.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    guns: u32,
    /// Shots of each session: as many points as the example protocol of these rooms allows a face.
    /// Of a session that is longer every further shot is past a limit.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    shots_per_session: u32,
    /// Which store.
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// Rounds with InfluxDB, each once with everything and once bare.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            ExitCode::from(u8::from(!problems.is_empty()))
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, prints, and gives what is not as it is meant to be.
fn run(arguments: &Arguments) -> anyhow::Result<Vec<String>> {
    Cores::Both.hold(std::process::id())?;
    let load_before = load()?;
    let release = Release::sign()?;
    let past = tempfile::tempdir().context("cannot make a temporary folder")?;
    eprintln!("filling the journals of {} drivers", arguments.drivers);
    for number in 1..=arguments.drivers {
        let share = arguments.shots / arguments.drivers;
        let rest = arguments.shots % arguments.drivers;
        let shots = share + u32::from(number <= rest);
        let folder = past.path().join(journals::name(number));
        let content = Past {
            guns: arguments.guns,
            shots_per_session: arguments.shots_per_session,
        };
        journals::fill(&folder, number, shots, content, &release)?;
    }
    let mut all = Vec::new();
    if arguments.only != Some(Kind::Influx) {
        eprintln!("into the embedded store");
        let options = release.server_options("");
        all.push(measure::whole(
            arguments,
            Kind::Embedded,
            past.path(),
            &release,
            &options,
            None,
        )?);
    }
    if arguments.only != Some(Kind::Embedded) {
        for round in 1..=arguments.rounds {
            for cores in [Cores::Both, Cores::Second] {
                eprintln!("round {round}, {}", cores.says());
                all.extend(influx_round(arguments, cores, past.path(), &release)?);
            }
        }
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&all)?),
        false => {
            print!("{}", measure::table(&all));
            println!(
                "\nLoad of the computer before: {load_before}; after: {}",
                load()?
            );
        }
    }
    Ok(problems(arguments, &all))
}

/// Everything, and then the same bodies alone; everything but the database is held to `cores`.
fn influx_round(
    arguments: &Arguments,
    cores: Cores,
    past: &Path,
    release: &Release,
) -> anyhow::Result<[Figures; 2]> {
    let folder = tempfile::tempdir()?;
    let (whole, bodies) = {
        let (server, proxy) = start(&folder.path().join("whole"), cores)?;
        proxy.record();
        let extra = format!(
            "[store]\nkind = \"influx\"\n[influx]\nurl = \"{}\"\norg = \"o\"\n\
             bucket = \"{BUCKET}\"\nconnections = {CONNECTIONS}\n",
            proxy.url()
        );
        let options = release.server_options(&extra);
        let figures = measure::whole(
            arguments,
            Kind::Influx,
            past,
            release,
            &options,
            Some((&server, &proxy, cores)),
        )?;
        (figures, proxy.take_recorded())
    };
    let (server, proxy) = start(&folder.path().join("bare"), cores)?;
    let bare = measure::bare(arguments, server.id(), cores, || {
        loader::load(&proxy.url(), BUCKET, CONNECTIONS, bodies)
    })?;
    Cores::Both.hold(std::process::id())?;
    Ok([whole, bare])
}

/// Starts a database, and holds it and everything that comes after to their cores.
fn start(folder: &Path, cores: Cores) -> anyhow::Result<(Influxd, InfluxProxy)> {
    let server = Influxd::start(folder)?;
    cores.of_the_database().hold(server.id())?;
    cores.hold(std::process::id())?;
    server.create_database(BUCKET)?;
    let proxy = InfluxProxy::start(server.address(), Dialect::V1)?;
    proxy.look_into(false);
    Ok((server, proxy))
}

/// What is not as it is meant to be; times are promised for a million shots.
fn problems(arguments: &Arguments, all: &[Figures]) -> Vec<String> {
    let mut problems: Vec<String> = all
        .iter()
        .flat_map(|figures| figures.problems.clone())
        .collect();
    for figures in all {
        let Figures {
            what,
            took_ms,
            live_latest_ms,
            ready_again_ms,
            ..
        } = figures;
        let max_ms = EMBEDDED_MS_MAX * u64::from(arguments.shots) / 1_000_000;
        if figures.kind == Some(Kind::Embedded) && *took_ms >= max_ms {
            problems.push(format!("{what}: {took_ms} ms, not below {max_ms} ms"));
        }
        if *ready_again_ms >= READY_MS_MAX {
            problems.push(format!(
                "{what}: ready again after {ready_again_ms} ms, not below {READY_MS_MAX} ms"
            ));
        }
        if *live_latest_ms > LIVE_MS_MAX {
            problems.push(format!(
                "{what}: a live shot came after {live_latest_ms} ms, not within {LIVE_MS_MAX} ms"
            ));
        }
    }
    if let Some(percent) = measure::percent_of_bare(all, Cores::Second)
        && percent < PERCENT_OF_BARE_MIN
    {
        problems.push(format!(
            "{}: {percent} % of the bare loader, not {PERCENT_OF_BARE_MIN} %",
            Cores::Second.says()
        ));
    }
    problems
}

/// Longer than any of this takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(600);
