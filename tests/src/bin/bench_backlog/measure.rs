//! One measurement, and the table of all.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use meso_contract::metric_names::SHOTS_STORED_TOTAL;
use meso_store::{InfluxOptions, StorePlace, Totals};
use meso_testkit::gun::bank::{Bank, BankGun};
use meso_testkit::influx::{InfluxProxy, Influxd};
use meso_tests::sandbox::{
    CpuTime, Driver, DriverOptions, Memory, Programs, Release, Sandbox, ServerOptions, wait_until,
};
use meso_units::GunSerial;
use serde::Serialize;

use crate::cores::Cores;
use crate::journals;
use crate::listen::{Seen, listen};
use crate::{Arguments, BUCKET, PATIENCE};

/// How often it is looked whether everything is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The gun that fires meanwhile.
const LIVE_GUN: &str = "LIVE-01";

/// How often it does.
const LIVE_EVERY: Duration = Duration::from_millis(250);

/// Where the shots go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Embedded,
    Influx,
}

/// What came out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) what: String,
    /// `None` for the bare loader.
    pub(crate) kind: Option<Kind>,
    pub(crate) cores: Cores,
    pub(crate) shots: u64,
    pub(crate) took_ms: u64,
    /// Of each kind of process, in ns of processor time a shot.
    pub(crate) drivers_ns: u64,
    pub(crate) server_ns: u64,
    pub(crate) influxd_ns: u64,
    /// This process: the proxy, the live gun, the reader of the event stream; or the loader.
    pub(crate) bench_ns: u64,
    pub(crate) server_peak_kib: u64,
    /// From the start of a server on all of it until it is ready.
    pub(crate) ready_again_ms: u64,
    pub(crate) live_fired: u64,
    pub(crate) live_seen: u64,
    pub(crate) live_median_ms: u64,
    pub(crate) live_latest_ms: u64,
    pub(crate) problems: Vec<String>,
}

impl Figures {
    /// Processor time of everything, in ns a shot.
    const fn all_ns(&self) -> u64 {
        self.drivers_ns + self.server_ns + self.influxd_ns + self.bench_ns
    }

    /// What limits it on an otherwise idle computer, in ns a shot: both cores together, or the
    /// busier of the two.
    fn limit_ns(&self) -> u64 {
        match self.cores {
            Cores::Both | Cores::First => self.all_ns() / 2,
            Cores::Second => self.influxd_ns.max(self.all_ns() - self.influxd_ns),
        }
    }
}

/// Processor time of everything that runs.
struct Processor {
    drivers: Vec<u32>,
    server: Option<u32>,
    influxd: Option<u32>,
    before: [CpuTime; 4],
}

impl Processor {
    fn start(drivers: Vec<u32>, server: Option<u32>, influxd: Option<u32>) -> Processor {
        let mut processor = Processor {
            drivers,
            server,
            influxd,
            before: [CpuTime::default(); 4],
        };
        processor.before = processor.look();
        // Whatever the drivers have spent since their start belongs to the backlog.
        processor.before[0] = CpuTime::default();
        processor
    }

    fn look(&self) -> [CpuTime; 4] {
        [
            CpuTime::of_all(&self.drivers),
            CpuTime::of_all(self.server.as_slice()),
            CpuTime::of_all(self.influxd.as_slice()),
            CpuTime::of_all(&[std::process::id()]),
        ]
    }

    fn write(&self, figures: &mut Figures) {
        let after = self.look();
        let ns = |index: usize| {
            let spent = after[index].since(self.before[index]);
            let ns = (spent.user + spent.system).as_nanos() / u128::from(figures.shots.max(1));
            u64::try_from(ns).unwrap_or(u64::MAX)
        };
        (figures.drivers_ns, figures.server_ns) = (ns(0), ns(1));
        (figures.influxd_ns, figures.bench_ns) = (ns(2), ns(3));
    }
}

/// The backlog through everything.
pub(crate) fn whole(
    arguments: &Arguments,
    kind: Kind,
    past: &Path,
    release: &Release,
    options: &ServerOptions,
    database: Option<(&Influxd, &InfluxProxy, Cores)>,
) -> anyhow::Result<Figures> {
    let influxd = database.map(|(influxd, ..)| influxd.id());
    let mut sandbox = Sandbox::start_with(Programs::beside_us()?, options)?;
    let waiting = waiting(arguments, past, release, &sandbox)?;
    let http = sandbox.server.http();
    let stream = listen(http, LIVE_GUN)?;
    let live = BankGun::new(GunSerial::parse(LIVE_GUN)?, 1, LIVE_EVERY);
    let ports = waiting[0].ports.clone();
    let bank = Bank::start(&ports, &sandbox.folder("logs")?, vec![live])?;
    let shots = u64::from(arguments.shots);
    let mut figures = Figures {
        what: format!("{kind:?}").to_lowercase(),
        kind: Some(kind),
        cores: database.map_or(Cores::Both, |(.., cores)| cores),
        shots,
        ..Figures::default()
    };
    let before = Processor::start(Vec::new(), sandbox.server.pid(), influxd);
    let begun = Instant::now();
    let drivers = waiting
        .into_iter()
        .map(|options| sandbox.start_driver_with(options));
    let mut drivers = drivers.collect::<anyhow::Result<Vec<Driver>>>()?;
    let processor = Processor {
        drivers: drivers.iter().filter_map(Driver::pid).collect(),
        ..before
    };
    while stored(http)?.saturating_sub(stream.look(Seen::live_count)) < shots {
        if begun.elapsed() > PATIENCE {
            bail!("{} of {shots} shots after {PATIENCE:?}", stored(http)?);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    figures.took_ms = ms(begun.elapsed());
    processor.write(&mut figures);
    let server = sandbox.server.pid().context("the server has ended")?;
    figures.server_peak_kib = Memory::of(server)?.peak_kib;
    let fired: u64 = bank.stop_firing()?.iter().sum();
    drivers[0].settle(&[(LIVE_GUN.to_owned(), fired)])?;
    // What was settled is on its way to the page.
    let _ = wait_until("the page sees every live shot", || {
        stream.look(Seen::live_count) >= fired
    });
    for driver in &mut drivers {
        driver.leave()?;
    }
    sandbox.server.stop()?;
    let seen = stream.finish();
    figures.live_fired = fired;
    note_live(&mut figures, seen.latencies_ms);
    let path = sandbox.folder("server")?.join("fleet.sqlite");
    let place = match database {
        None => StorePlace::Embedded { path },
        Some((_, proxy, _)) => StorePlace::Influx {
            path,
            options: Box::new(InfluxOptions::new(&proxy.url(), "o", BUCKET)?),
        },
    };
    check(&mut figures, &place)?;
    figures.ready_again_ms = ready_again_ms(&mut sandbox, options)?;
    sandbox.server.stop()?;
    Ok(figures)
}

/// What drivers are told whose journals are full.
fn waiting(
    arguments: &Arguments,
    past: &Path,
    release: &Release,
    sandbox: &Sandbox,
) -> anyhow::Result<Vec<DriverOptions>> {
    let mut waiting = Vec::new();
    for number in 1..=arguments.drivers {
        let mut options = sandbox.driver_options(&journals::name(number))?;
        options.extra = release.section();
        journals::copy(&past.join(journals::name(number)), &options.data)?;
        waiting.push(options);
    }
    Ok(waiting)
}

fn ready_again_ms(sandbox: &mut Sandbox, options: &ServerOptions) -> anyhow::Result<u64> {
    let begun = Instant::now();
    sandbox.start_server_again(options)?;
    let http = sandbox.server.http();
    wait_until("the server is ready again", || {
        ureq::get(format!("http://{http}/readyz")).call().is_ok()
    })?;
    Ok(ms(begun.elapsed()))
}

/// The bodies alone.
pub(crate) fn bare(
    arguments: &Arguments,
    influxd: u32,
    cores: Cores,
    load: impl FnOnce() -> anyhow::Result<Duration>,
) -> anyhow::Result<Figures> {
    let processor = Processor::start(Vec::new(), None, Some(influxd));
    let took = load()?;
    let mut figures = Figures {
        what: "influx, the same bodies, bare".to_owned(),
        cores,
        shots: arguments.shots.into(),
        took_ms: ms(took),
        ..Figures::default()
    };
    processor.write(&mut figures);
    Ok(figures)
}

/// Shots that are stored and logged, as the server counts them.
fn stored(http: std::net::SocketAddr) -> anyhow::Result<u64> {
    let mut answer = ureq::get(format!("http://{http}/metrics")).call()?;
    let text = answer.body_mut().read_to_string()?;
    let lines = text.lines().filter(|l| l.starts_with(SHOTS_STORED_TOTAL));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

fn note_live(figures: &mut Figures, mut latencies_ms: Vec<u64>) {
    latencies_ms.sort_unstable();
    figures.live_seen = latencies_ms.len() as u64;
    figures.live_median_ms = latencies_ms
        .get(latencies_ms.len() / 2)
        .copied()
        .unwrap_or(0);
    figures.live_latest_ms = latencies_ms.last().copied().unwrap_or(0);
    let Figures {
        what,
        live_fired,
        live_seen,
        ..
    } = &*figures;
    if live_seen != live_fired || *live_fired == 0 {
        let problem =
            format!("{what}: {live_fired} live shots, {live_seen} of them on the event stream");
        figures.problems.push(problem);
    }
}

/// Looks whether every shot is stored, once, and nothing else happened.
fn check(figures: &mut Figures, place: &StorePlace) -> anyhow::Result<()> {
    let totals = place.read()?.with(|reader| reader.totals())?;
    let Totals {
        shot_count,
        shots_again_count,
        quarantined_count,
        unsealed_session_count,
        ..
    } = totals;
    let expected = figures.shots + figures.live_fired;
    if (
        shot_count,
        shots_again_count,
        quarantined_count,
        unsealed_session_count,
    ) != (expected, 0, 0, 0)
    {
        let what = &figures.what;
        figures.problems.push(format!(
            "{what}: {expected} shots were fired; {totals:?} are stored"
        ));
    }
    Ok(())
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the whole way reaches of the bare loader, over all rounds.
pub(crate) fn percent_of_bare(all: &[Figures], cores: Cores) -> Option<u64> {
    let sum = |kind| -> u64 {
        let of_kind = all
            .iter()
            .filter(|figures| figures.kind == kind && figures.cores == cores);
        of_kind.map(|figures| figures.took_ms).sum()
    };
    let (whole, bare) = (sum(Some(Kind::Influx)), sum(None));
    (whole > 0 && bare > 0).then(|| bare * 100 / whole)
}

/// The same by processor time alone, which says more where the computer does other things, too.
fn percent_by_processor(all: &[Figures], cores: Cores) -> u64 {
    let sum = |kind| -> u64 {
        let of_kind = all
            .iter()
            .filter(|figures| figures.kind == kind && figures.cores == cores);
        of_kind.map(Figures::limit_ns).sum()
    };
    sum(None) * 100 / sum(Some(Kind::Influx)).max(1)
}

/// The figures as they stand in the documentation.
pub(crate) fn table(all: &[Figures]) -> String {
    let mut table = String::from(
        "| into | cores | time | shots/s | processor a shot: drivers, server, influxd, rest | \
         server's memory at most | ready again | live shots fired, seen | median, latest |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for figures in all {
        let us = |ns: u64| format!("{}.{:01}", ns / 1_000, ns % 1_000 / 100);
        let (live, memory) = match figures.kind {
            Some(_) => (
                format!(
                    "{}, {} | {} ms, {} ms",
                    figures.live_fired,
                    figures.live_seen,
                    figures.live_median_ms,
                    figures.live_latest_ms
                ),
                format!(
                    "{} MB | {} ms",
                    figures.server_peak_kib / 1_024,
                    figures.ready_again_ms
                ),
            ),
            None => (" | ".to_owned(), " | ".to_owned()),
        };
        table.push_str(&format!(
            "| {} | {} | {}.{:02} s | {} | {}, {}, {}, {} µs | {memory} | {live} |\n",
            figures.what,
            figures.cores.says(),
            figures.took_ms / 1_000,
            figures.took_ms % 1_000 / 10,
            figures.shots * 1_000 / figures.took_ms.max(1),
            us(figures.drivers_ns),
            us(figures.server_ns),
            us(figures.influxd_ns),
            us(figures.bench_ns),
        ));
    }
    for cores in [Cores::Both, Cores::Second] {
        if let Some(percent) = percent_of_bare(all, cores) {
            table.push_str(&format!(
                "\nInto influxd, {}: the whole way reaches {percent} % of the bare loader; {} % \
                 by processor time alone.\n",
                cores.says(),
                percent_by_processor(all, cores)
            ));
        }
    }
    table
}
