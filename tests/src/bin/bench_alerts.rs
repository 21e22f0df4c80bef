//! `cargo xtask bench alerts`: from a breach to the pages, with every rule of a protocol at work.
//!
//! Rooms and server are the programs that a clinic runs, with journals, store and ledger on a disk
//! and the broker that the server brings; the emulated guns write at the speed of the wire. Each gun
//! works in a session of its own under an example protocol. A page's event stream is read meanwhile,
//! and each shot past a limit is timed when it arrives there. The clock starts with the time of the
//! shot, which its driver gives it: so the way over the serial line is in the figure too, as far as
//! it is longer than the shortest one that the driver has seen of that gun.
//!
//! A webhook is told of alerts meanwhile, as often as its configuration allows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use meso_contract::http::LiveEvent;
use meso_testkit::gun::bank::{Bank, BankGun};
use meso_testkit::gun::log::read_log;
use meso_tests::sandbox::{
    Comparison, CpuTime, Driver, EventStream, Programs, Received, Release, Sandbox, Webhook,
    compare, load, now_ms, open_session, since_ms, wait_until,
};
use meso_units::GunSerial;
use serde::Serialize;

/// From a breach to the event stream, 99 in 100, in ms.
const BREACH_P99_MS_MAX: u64 = 100;

/// Measures alerts.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench alerts")]
struct Arguments {
    /// How many rooms, each with a driver of its own.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    rooms: u32,
    /// How many guns in each room.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    guns: u32,
    /// How often each fires, in shots a second.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=20))]
    rate: u32,
    /// One shot in so many is too deep; 1 for an alert storm.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    breach_one_in: u32,
    /// How long it is measured, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Print JSON instead of a page.
    #[arg(long)]
    json: bool,
}

/// Latencies, and how many there are.
#[derive(Debug, Default, Serialize)]
struct Latency {
    count: usize,
    p50_ms: u64,
    p99_ms: u64,
    p999_ms: u64,
    max_ms: u64,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Figures {
    rooms: u32,
    guns: u32,
    shots_per_second_per_gun: u32,
    seconds: u32,
    fired: u64,
    stored: u64,
    /// From a shot past a limit to the event stream.
    breach: Latency,
    /// From the first shot of an alert to the event stream.
    alert: Latency,
    alerts_opened: usize,
    resync_count: u64,
    /// Letters to the webhook, as many as its configuration allows, what they say, and how often
    /// they say it again.
    letters: u64,
    letters_max: u64,
    news: u64,
    news_again: u64,
    drivers_core_per_mille: u64,
    server_core_per_mille: u64,
    guns_and_reader_core_per_mille: u64,
    load_before: String,
    load_after: String,
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

/// A room with its guns.
struct Room {
    driver: Driver,
    bank: Bank,
    serials: Vec<String>,
}

/// Measures, prints, and gives what is not as it is meant to be.
fn run(arguments: &Arguments) -> anyhow::Result<Vec<String>> {
    let load_before = load()?;
    let release = Release::sign()?;
    let hook = Webhook::start()?;
    let secrets = tempfile::tempdir()?;
    let options = release.server_options(&hook.section(secrets.path())?);
    let begun = Instant::now();
    let mut sandbox = Sandbox::start_with(Programs::beside_us()?, &options)?;
    let rooms = (1..=arguments.rooms).map(|number| room(arguments, &sandbox, &release, number));
    let mut rooms = rooms.collect::<anyhow::Result<Vec<Room>>>()?;
    let began_ms = now_ms();
    let note = move |seen: &mut Seen, event| seen.note(event, began_ms);
    let stream = EventStream::start(sandbox.server.http(), note)?;
    let pids: Vec<u32> = rooms.iter().filter_map(|room| room.driver.pid()).collect();
    let server = sandbox.server.pid().context("the server has ended")?;
    let look = || [&pids[..], &[server], &[std::process::id()]].map(CpuTime::of_all);
    let before = look();
    let time = Duration::from_secs(arguments.seconds.into());
    park(time);
    let cores: Vec<u64> = (look().iter().zip(before))
        .map(|(after, before)| after.since(before).per_mille_of_core(time))
        .collect();
    let found = finish(&mut sandbox, &mut rooms)?;
    let seen = stream.finish();
    let letters = hook.taken();
    let keys: Vec<String> = letters.iter().flat_map(Received::keys).collect();
    let known: BTreeSet<&String> = keys.iter().collect();
    let figures = Figures {
        rooms: arguments.rooms,
        guns: arguments.rooms * arguments.guns,
        shots_per_second_per_gun: arguments.rate,
        seconds: arguments.seconds,
        fired: found.fired,
        stored: found.stored,
        breach: latency(seen.breaches_ms),
        alerts_opened: seen.alerts.len(),
        alert: latency(seen.alerts.values().copied().collect()),
        resync_count: seen.resync_count,
        letters: letters.len() as u64,
        letters_max: begun.elapsed().as_secs() / Webhook::INTERVAL_S + 1,
        news: keys.len() as u64,
        news_again: (keys.len() - known.len()) as u64,
        drivers_core_per_mille: cores[0],
        server_core_per_mille: cores[1],
        guns_and_reader_core_per_mille: cores[2],
        load_before,
        load_after: load()?,
    };
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&figures)?),
        false => print!("{}", page(&figures)),
    }
    Ok(problems(&figures, &found, seen.episodes_twice))
}

/// A room whose guns fire, each in a session of its own.
fn room(
    arguments: &Arguments,
    sandbox: &Sandbox,
    release: &Release,
    number: u32,
) -> anyhow::Result<Room> {
    let name = format!("room-{number}");
    let mut options = sandbox.driver_options(&name)?;
    options.extra = release.section();
    let driver = sandbox.start_driver_with(options)?;
    let every = Duration::from_micros(1_000_000 / u64::from(arguments.rate));
    let guns = (1..=arguments.guns).map(|gun| {
        let serial = GunSerial::parse(&format!("GUN-{number:02}-{gun:02}"))?;
        Ok(BankGun {
            drift_ppm: i32::try_from(gun % 100)? - 50,
            breach_one_in: arguments.breach_one_in,
            ..BankGun::new(serial, (number * 100 + gun).into(), every)
        })
    });
    let guns = guns.collect::<anyhow::Result<Vec<BankGun>>>()?;
    let serials: Vec<String> = guns.iter().map(|gun| gun.serial.to_string()).collect();
    let bank = Bank::start(
        driver.ports(),
        &sandbox.folder(&format!("logs-{number}"))?,
        guns,
    )?;
    wait_until("every gun fires", || {
        let fired = bank.fired();
        fired.is_ok_and(|fired| fired.iter().all(|count| *count > 0))
    })?;
    for serial in &serials {
        open_session(&driver, serial)?;
    }
    Ok(Room {
        driver,
        bank,
        serials,
    })
}

/// Lets everything arrive, ends the programs and compares guns and store.
fn finish(sandbox: &mut Sandbox, rooms: &mut [Room]) -> anyhow::Result<Comparison> {
    for room in rooms.iter() {
        let fired = room.bank.stop_firing()?;
        let expected: Vec<_> = room.serials.iter().cloned().zip(fired).collect();
        room.driver.settle(&expected)?;
    }
    let mut fired = Vec::new();
    for room in rooms {
        room.driver.leave()?;
        for log in room.bank.logs() {
            fired.extend(read_log(log)?);
        }
    }
    Ok(compare(&fired, &sandbox.stop_and_read()?))
}

/// What the event stream has brought.
#[derive(Debug, Default)]
struct Seen {
    breaches_ms: Vec<u64>,
    /// By the id of the alert.
    alerts: BTreeMap<String, u64>,
    episodes: BTreeSet<(String, String, Option<String>)>,
    /// Alerts that opened although one of the same rule, gun and session was there: between two
    /// breaches of a gun there is far less time here than what divides two episodes.
    episodes_twice: u64,
    resync_count: u64,
}

impl Seen {
    /// Notes an event, but nothing of before the stream was there.
    fn note(&mut self, event: LiveEvent, began_ms: i64) {
        match event {
            LiveEvent::Shots { shots } => {
                let is_breach = |severity: &str| matches!(severity, "soft" | "hard");
                let breaches = shots
                    .iter()
                    .filter(|shot| shot.severity.as_deref().is_some_and(is_breach))
                    .filter(|shot| shot.at_ms >= began_ms);
                self.breaches_ms
                    .extend(breaches.map(|shot| since_ms(shot.at_ms)));
            }
            LiveEvent::Alert { alert } if alert.first_at_ms >= began_ms => {
                if self.alerts.contains_key(&alert.id) {
                    return;
                }
                self.alerts.insert(alert.id, since_ms(alert.first_at_ms));
                let key = (alert.rule, alert.gun, alert.session);
                self.episodes_twice += u64::from(!self.episodes.insert(key));
            }
            LiveEvent::Resync => self.resync_count += 1,
            _ => {}
        }
    }
}

fn latency(mut all_ms: Vec<u64>) -> Latency {
    all_ms.sort_unstable();
    let count = all_ms.len();
    let of_thousand = |part: usize| {
        let index = (count * part / 1_000).min(count.saturating_sub(1));
        all_ms.get(index).copied().unwrap_or(0)
    };
    Latency {
        count,
        p50_ms: of_thousand(500),
        p99_ms: of_thousand(990),
        p999_ms: of_thousand(999),
        max_ms: all_ms.last().copied().unwrap_or(0),
    }
}

/// What is not as it is meant to be.
fn problems(figures: &Figures, found: &Comparison, episodes_twice: u64) -> Vec<String> {
    let mut problems = found.differences.clone();
    let mut demand = |is_met: bool, what: String| {
        if !is_met {
            problems.push(what);
        }
    };
    demand(found.is_whole(), format!("{found:?}"));
    demand(
        figures.breach.count > 0 && figures.alert.count > 0,
        "no breach was seen".to_owned(),
    );
    demand(
        episodes_twice == 0,
        format!("{episodes_twice} alerts of an episode that had one"),
    );
    let Figures {
        letters,
        letters_max,
        news_again,
        ..
    } = figures;
    demand(*letters > 0, "the webhook was told nothing".to_owned());
    demand(
        letters <= letters_max && *news_again == 0,
        format!("{letters} letters of {letters_max}, {news_again} news told again"),
    );
    let p99 = figures.breach.p99_ms;
    demand(
        p99 < BREACH_P99_MS_MAX,
        format!("breach to event stream: p99 is {p99} ms, not below {BREACH_P99_MS_MAX} ms"),
    );
    problems
}

/// The figures as they stand in the documentation.
fn page(figures: &Figures) -> String {
    let core = |per_mille: u64| format!("{}.{} %", per_mille / 10, per_mille % 10);
    let times = |of: &Latency| {
        let Latency {
            count,
            p50_ms,
            p99_ms,
            p999_ms,
            max_ms,
        } = of;
        format!(
            "{count} seen, p50 {p50_ms} ms, p99 {p99_ms} ms, p99.9 {p999_ms} ms, longest {max_ms} ms"
        )
    };
    let rows = [
        (
            "rooms, guns",
            format!("{}, {}", figures.rooms, figures.guns),
        ),
        (
            "shots a second, each",
            figures.shots_per_second_per_gun.to_string(),
        ),
        ("measured", format!("{} s", figures.seconds)),
        (
            "fired, stored",
            format!("{}, {}", figures.fired, figures.stored),
        ),
        ("shot past a limit to event stream", times(&figures.breach)),
        (
            "first shot of an alert to event stream",
            times(&figures.alert),
        ),
        ("alerts opened", figures.alerts_opened.to_string()),
        (
            "stream told to read again",
            figures.resync_count.to_string(),
        ),
        (
            "letters to a webhook",
            format!(
                "{} with {} news, at most {} allowed; told again: {}",
                figures.letters, figures.news, figures.letters_max, figures.news_again
            ),
        ),
        (
            "all drivers, of one core",
            core(figures.drivers_core_per_mille),
        ),
        ("server, of one core", core(figures.server_core_per_mille)),
        (
            "guns and reader, of one core",
            core(figures.guns_and_reader_core_per_mille),
        ),
        ("load before", figures.load_before.clone()),
        ("load after", figures.load_after.clone()),
    ];
    let mut page = String::from("| | |\n|---|---|\n");
    for (name, value) in rows {
        page.push_str(&format!("| {name} | {value} |\n"));
    }
    page
}

/// Lets the programs work for a while.
fn park(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
