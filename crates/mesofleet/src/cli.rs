//! The command line: what a person types, and nothing resolved yet.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use meso_testkit::conform::CHECKS;
use meso_testkit::gun::fault::Fault;

use crate::alert::AlertCommand;
use crate::broker::BrokerCommand;
use crate::protocol::ProtocolCommand;
use crate::room::RoomCommand;
use crate::store::{StoreCommand, StoreSpec};

/// Telemetry and compliance for fleets of mesotherapy injector guns.
#[derive(Debug, Parser)]
#[command(name = "mesofleet", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine with emulated guns: no server, no sign-in, no sudo.
    Demo(DemoOptions),
    /// Run broker, ingest, store and dashboards from a configuration file.
    Serve(ServeArguments),
    /// Set a store up, check it, or move a history from one to another.
    #[command(subcommand)]
    Store(StoreCommand),
    /// The protocol library: check, compare, sign and release what a treatment should keep to.
    #[command(subcommand)]
    Protocol(ProtocolCommand),
    /// Alerts: look at them, and say what is done about them.
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Rooms that never come back.
    #[command(subcommand)]
    Room(RoomCommand),
    /// What was refused: look at it, or offer it once more.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// What a broker must be told that is not ours.
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// Emulated guns, and the conformance checks for makers of real ones.
    #[command(subcommand)]
    Gun(GunCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Options of `mesofleet serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// The configuration file; `config/server.toml` shows every key.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// What was refused.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List it, newest first; may run beside the server.
    List(QuarantineListArguments),
    /// Show one thing, or write its bytes to a file.
    Show(QuarantineShowArguments),
    /// Offer one thing to the ingest once more; the server must be stopped. Exit 1 where it is
    /// refused again.
    Release(QuarantineReleaseArguments),
}

/// Options of `mesofleet quarantine list`.
#[derive(Args, Debug)]
pub struct QuarantineListArguments {
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `mesofleet quarantine show`.
#[derive(Args, Debug)]
pub struct QuarantineShowArguments {
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The first digits of its digest, as the list gives them.
    #[arg(value_name = "DIGEST")]
    pub digest: String,
    /// Write its bytes to this file, which must not exist.
    #[arg(long, value_name = "FILE")]
    pub bytes: Option<PathBuf>,
}

/// Options of `mesofleet quarantine release`.
#[derive(Args, Debug)]
pub struct QuarantineReleaseArguments {
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The first digits of its digest, as the list gives them.
    #[arg(value_name = "DIGEST")]
    pub digest: String,
}

/// Emulated guns, and the checks of real ones.
#[derive(Debug, Subcommand)]
pub enum GunCommand {
    /// Put an emulated gun behind a pseudo-terminal.
    Emulate(EmulateOptions),
    /// Check whether the gun on a port keeps to the meso link; exit 1 where a mandatory check
    /// fails, 2 where the port cannot be used. Never on a gun in use: it acknowledges shots
    /// that nobody keeps.
    Conform(ConformOptions),
}

/// Options of `mesofleet gun conform`.
#[derive(Args, Clone, Debug)]
pub struct ConformOptions {
    /// The port that the gun is on.
    #[arg(long, value_name = "PATH", required_unless_present = "list")]
    pub port: Option<String>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Run this check only; may be given more than once.
    #[arg(long, value_name = "NAME", value_parser = parse_check)]
    pub only: Vec<String>,
    /// The file of the gun's key, 64 hexadecimal digits, where it holds one.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// How long to wait for somebody to pull the trigger.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub shot_patience: Duration,
    /// Print the names of all checks and run none.
    #[arg(long)]
    pub list: bool,
}

/// Options of `mesofleet demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// How many emulated guns.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub guns: u8,
    /// Run that long, then end the sessions, export and verify a report, and print a summary.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub run_for: Option<Duration>,
    /// Seed of the guns: the same seed fires the same shots.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// Where the dashboards listen, on loopback only; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR", value_parser = parse_loopback)]
    pub http: SocketAddr,
    /// Where to keep the data; else a temporary folder, removed at the end unless it holds a report.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where to keep the shots: `embedded`, or `influx=URL` with, behind commas, `org=NAME`,
    /// `bucket=NAME` and `token-file=PATH`.
    #[arg(long, value_name = "SPEC", value_parser = StoreSpec::parse_without_data)]
    pub store: Option<StoreSpec>,
    /// Let one gun go too deep, one too fast and one too much (the default).
    #[arg(long, overrides_with = "no_breach")]
    pub breach: bool,
    /// No injected breaches.
    #[arg(long, overrides_with = "breach")]
    pub no_breach: bool,
    /// Past sessions to make up, so that trends are not empty: `90d`, or `0d` for none.
    /// [default: 90d without --for, else none]
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    pub history: Option<u16>,
    /// What runs in the guns.
    #[command(flatten)]
    pub firmware: FirmwareOptions,
}

/// What runs in the guns.
#[derive(Args, Clone, Debug, Default)]
pub struct FirmwareOptions {
    /// What runs in a gun.
    #[arg(long, value_enum, default_value_t = FirmwareName::Emulated, value_name = "NAME")]
    pub firmware: FirmwareName,
    /// The image for `--firmware qemu`; else the one beside this program, which
    /// `cargo xtask firmware` builds.
    #[arg(long, value_name = "FILE")]
    pub firmware_image: Option<PathBuf>,
}

/// What runs in a gun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FirmwareName {
    /// The emulated gun: this program plays it.
    #[default]
    Emulated,
    /// The reference firmware, C on an Arm processor that QEMU emulates.
    Qemu,
}

impl DemoOptions {
    /// Whether breaches are injected.
    pub fn injects_breaches(&self) -> bool {
        !self.no_breach
    }

    /// How many days of history to make up.
    pub fn history_days(&self) -> u16 {
        self.history
            .unwrap_or(if self.run_for.is_some() { 0 } else { 90 })
    }
}

/// Options of `mesofleet gun emulate`.
#[derive(Args, Clone, Debug)]
pub struct EmulateOptions {
    /// The folder in which the gun's port appears, under its serial number.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "link",
        conflicts_with = "link"
    )]
    pub ports: Option<PathBuf>,
    /// Put the gun's port at exactly this path.
    #[arg(long, value_name = "PATH")]
    pub link: Option<PathBuf>,
    /// The serial number.
    #[arg(long, value_name = "SERIAL", default_value = "GUN-0001")]
    pub serial: String,
    /// The gun's own log of every shot, one JSON object a line; without it none is kept.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/dev/null",
        hide_default_value = true
    )]
    pub log: PathBuf,
    /// The file of the gun's key, 64 hexadecimal digits; without it the gun holds none.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The seed: the same seed fires the same shots.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// How the gun is used.
    #[arg(long, value_enum, default_value_t = HabitName::Nappage)]
    pub habit: HabitName,
    /// What goes wrong, on purpose.
    #[arg(long, value_enum, default_value_t = BreachName::None)]
    pub breach: BreachName,
    /// Drift of the gun's clock in parts per million.
    #[arg(
        long,
        default_value_t = 0,
        allow_negative_numbers = true,
        value_name = "PPM"
    )]
    pub drift_ppm: i32,
    /// Fire this often, in milliseconds, with nobody at the gun; habit and breach do not apply.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(20..=60_000))]
    pub fire_every: Option<u32>,
    /// Break the gun on purpose, to see a check fail.
    #[arg(long, value_name = "NAME", value_parser = fault_names())]
    pub fault: Option<Fault>,
    /// Emulate a gun that does not speak the meso link: a Modbus gun with the registers of this
    /// profile, or one that prints the lines of config/guns/example-text-line.toml. It fires by
    /// --fire-every or when told to; habit, breach, drift, fault and firmware do not apply.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// What runs in the gun.
    #[command(flatten)]
    pub firmware: FirmwareOptions,
}

impl EmulateOptions {
    /// Where the gun's port appears: the folder, and its name there.
    pub fn port(&self) -> (PathBuf, String) {
        let name = self.link.as_deref().and_then(Path::file_name);
        let folder = self.link.as_deref().and_then(Path::parent);
        match (folder, name) {
            (Some(folder), Some(name)) => (folder.to_owned(), name.to_string_lossy().into_owned()),
            _ => (self.ports.clone().unwrap_or_default(), self.serial.clone()),
        }
    }
}

/// How an emulated gun is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum HabitName {
    /// Quick shallow points, up to 9 a second.
    Nappage,
    /// One point after the other.
    PointByPoint,
    /// Bursts.
    Burst,
    /// One shot for each press on the page.
    WaitForTrigger,
}

/// What an emulated gun does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BreachName {
    /// Nothing.
    None,
    /// Past 10 mm.
    TooDeep,
    /// Past 9 shots a second.
    TooFast,
    /// Past the volume of a trigger.
    TooMuch,
}

/// Reads `20s`, `5m` or `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let problem = || {
        format!(
            "{text:?} is not a duration from 1s to 168h: write a number and s, m or h, such as 20s"
        )
    };
    let (number, factor) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        _ => return Err(problem()),
    };
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .filter(|seconds| (1..=7 * 24 * 3_600).contains(seconds))
        .ok_or_else(problem)?;
    Ok(Duration::from_secs(seconds))
}

/// Reads `127.0.0.1:8080`, `[::1]:0` or `localhost:8080`; nobody signs in to the demonstration, so
/// it is never offered to a network.
fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address = numeric.parse::<SocketAddr>().map_err(|_| {
        format!("{text:?} is not an address with a port: write one such as 127.0.0.1:8080")
    })?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{} can be reached from a network, and nobody signs in to the demonstration: \
             write 127.0.0.1:{}",
            address.ip(),
            address.port()
        ))
    }
}

/// Reads the name of a fault; the help lists them.
fn fault_names() -> impl TypedValueParser<Value = Fault> {
    PossibleValuesParser::new(Fault::ALL.map(Fault::name))
        .try_map(|name: String| name.parse::<Fault>())
}

/// Reads the name of a check.
fn parse_check(name: &str) -> Result<String, String> {
    let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "{name:?} is no check: take one of {}",
        names.join(", ")
    ))
}

/// Reads `90d`.
fn parse_days(text: &str) -> Result<u16, String> {
    text.strip_suffix('d')
        .and_then(|number| number.parse::<u16>().ok())
        .filter(|days| *days <= 366)
        .ok_or_else(|| format!("{text:?} is not a number of days: write 0d to 366d, such as 90d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_its_unit_and_has_a_range() {
        assert_eq!(parse_duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "20", "s", "0s", "-1s", "1.5s", "200h", "20 s", "20ms"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_demonstration_listens_on_loopback_only() {
        let here = |text| parse_loopback(text).map(|address| address.to_string());
        assert_eq!(here("127.0.0.1:8080").as_deref(), Ok("127.0.0.1:8080"));
        assert_eq!(here("localhost:0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(here("[::1]:8080").as_deref(), Ok("[::1]:8080"));
        for wrong in [
            "0.0.0.0:8080",
            "[::]:8080",
            "192.0.2.1:80",
            "8080",
            ":8080",
            "localhost",
        ] {
            assert!(parse_loopback(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn history_is_off_where_a_run_has_an_end() {
        let parse = |words: &[&str]| match Cli::parse_from(words).command {
            Command::Demo(options) => options,
            other => panic!("{other:?}"),
        };
        assert_eq!(parse(&["mesofleet", "demo"]).history_days(), 90);
        assert_eq!(
            parse(&["mesofleet", "demo", "--for", "20s"]).history_days(),
            0
        );
        assert_eq!(
            parse(&["mesofleet", "demo", "--for", "20s", "--history", "7d"]).history_days(),
            7
        );
        assert!(parse(&["mesofleet", "demo"]).injects_breaches());
        assert!(!parse(&["mesofleet", "demo", "--no-breach"]).injects_breaches());
    }
}
