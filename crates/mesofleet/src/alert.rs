//! `mesofleet alert`: what is wrong, and what people say about it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use meso_alerts::{Alert, AlertId, Alerts};
use meso_contract::http::{AcknowledgeBody, AlertView, ResolveBody, SilenceBody};
use meso_domain::canonical::Canonical as _;
use meso_store::AlertSelection;
use meso_units::GunSerial;
use serde::Serialize;

use crate::serve::alert_view;
use crate::server_client::ServerClient;
use crate::store::command::{place_of, print_line, read_config};

/// The longest silence, in minutes.
const SILENCE_MINUTES_MAX: i64 = Alerts::SILENCE_NS_MAX / 60_000_000_000;

/// Alerts: look at them, and say what is done about them.
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// List alerts, newest first; reads the store, beside the server or without it.
    List(ListArguments),
    /// Show everything that is known of one alert.
    Show(ShowArguments),
    /// Say that you have seen it. It neither stops nor releases a gun.
    Ack(AckArguments),
    /// Say that it is over. What happens after this moment brings it back.
    Resolve(ResolveArguments),
    /// Let nobody be told of it for a while. It stays in the list, and ends early if it turns hard.
    Silence(SilenceArguments),
}

/// Options of `alert list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only alerts in this state; without it all that are not resolved or merged.
    #[arg(long, value_parser = PossibleValuesParser::new(
        ["open", "acknowledged", "latched", "resolved", "merged", "all"]))]
    pub state: Option<String>,
    /// Only alerts of this gun.
    #[arg(long, value_name = "SERIAL", value_parser = GunSerial::parse)]
    pub gun: Option<GunSerial>,
    /// The most alerts that are listed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `alert show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The alert, 16 digits of 0-9 and a-f.
    #[arg(value_name = "ID", value_parser = AlertId::parse)]
    pub id: AlertId,
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON on one line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `alert ack`.
#[derive(Args, Debug)]
pub struct AckArguments {
    /// Which alert, and who.
    #[command(flatten)]
    pub who: Who,
}

/// Options of `alert resolve`.
#[derive(Args, Debug)]
pub struct ResolveArguments {
    /// Which alert, and who.
    #[command(flatten)]
    pub who: Who,
    /// Why, 1 to 200 characters on one line; it must name no patient.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Options of `alert silence`.
#[derive(Args, Debug)]
pub struct SilenceArguments {
    /// Which alert, and who.
    #[command(flatten)]
    pub who: Who,
    /// For how many minutes from now.
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=SILENCE_MINUTES_MAX))]
    pub minutes: u32,
    /// Why, 1 to 200 characters on one line; it must name no patient.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Which alert, and who does something about it; the server must be running.
#[derive(Args, Debug)]
pub struct Who {
    /// The alert, 16 digits of 0-9 and a-f.
    #[arg(value_name = "ID", value_parser = AlertId::parse)]
    pub id: AlertId,
    /// The configuration file of the server.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Your staff number or alias, never a name: 1 to 32 of a-z, 0-9 and -.
    #[arg(long, value_name = "WHO")]
    pub by: String,
    /// Print the alert as it is then, as JSON on one line.
    #[arg(long)]
    pub json: bool,
}

/// Runs a command on alerts.
///
/// # Errors
///
/// The store cannot be read, the server is not there, or it refuses.
pub fn run(command: &AlertCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlertCommand::List(arguments) => list(arguments),
        AlertCommand::Show(arguments) => show(arguments),
        AlertCommand::Ack(arguments) => {
            let by = arguments.who.by.clone();
            tell(&arguments.who, "acknowledge", &AcknowledgeBody { by })
        }
        AlertCommand::Resolve(arguments) => {
            let body = ResolveBody {
                by: arguments.who.by.clone(),
                reason: arguments.reason.clone(),
            };
            tell(&arguments.who, "resolve", &body)
        }
        AlertCommand::Silence(arguments) => {
            let body = SilenceBody {
                by: arguments.who.by.clone(),
                minutes: arguments.minutes,
                reason: arguments.reason.clone(),
            };
            tell(&arguments.who, "silence", &body)
        }
    }
}

fn list(arguments: &ListArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let readers = place_of(&config)?.read()?;
    let state = match arguments.state.as_deref() {
        Some("open") => Some("open"),
        Some("acknowledged") => Some("acknowledged"),
        Some("latched") => Some("latched"),
        Some("resolved") => Some("resolved"),
        Some("merged") => Some("merged"),
        _ => None,
    };
    let selection = AlertSelection {
        state,
        gun: arguments.gun.clone(),
        ..AlertSelection::default()
    };
    let rows = match arguments.state {
        Some(_) => readers.with(|reader| reader.alerts(&selection, arguments.limit))?,
        None => {
            let mut rows = readers.with(|reader| reader.unresolved_alerts())?;
            rows.retain(|row| arguments.gun.is_none() || row.gun == arguments.gun);
            rows.sort_by(|one, other| (other.opened_at, &other.id).cmp(&(one.opened_at, &one.id)));
            rows.truncate(arguments.limit as usize);
            rows
        }
    };
    for row in &rows {
        let view = alert_view(&Alert::from_canonical(&row.body)?);
        print_line(&match arguments.json {
            true => serde_json::to_string(&view)?,
            false => one_line(&view),
        });
    }
    if rows.is_empty() && !arguments.json {
        print_line("no such alert");
    }
    Ok(ExitCode::SUCCESS)
}

fn one_line(alert: &AlertView) -> String {
    let place = match (alert.gun.as_str(), alert.driver.as_deref()) {
        ("", Some(driver)) => driver,
        ("", None) => "server",
        (gun, _) => gun,
    };
    let silent = alert.silenced_until_ms.map_or("", |_| " (silenced)");
    let late = alert
        .escalated_at_ms
        .map_or("", |_| " (waits for too long)");
    format!(
        "{}  {:4}  {}{silent}{late}  {place}  {} x  {}",
        alert.id, alert.severity, alert.state, alert.shot_count, alert.text
    )
}

fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let readers = place_of(&config)?.read()?;
    let id = arguments.id.to_string();
    let row = readers.with(|reader| reader.alert(&id))?;
    let row = row.with_context(|| format!("alert {id} is not in the store; see the list"))?;
    let view = alert_view(&Alert::from_canonical(&row.body)?);
    print_line(&match arguments.json {
        true => serde_json::to_string(&view)?,
        false => format!(
            "{}\n{}",
            one_line(&view),
            serde_json::to_string_pretty(&view)?
        ),
    });
    Ok(ExitCode::SUCCESS)
}

fn tell(who: &Who, deed: &str, body: &impl Serialize) -> anyhow::Result<ExitCode> {
    let config = read_config(&who.config)?;
    let path = format!("/api/v1/alerts/{}/{deed}", who.id);
    let alert: AlertView = ServerClient::of(&config, &who.config)?.post(&path, body)?;
    print_line(&match who.json {
        true => serde_json::to_string(&alert)?,
        false => one_line(&alert),
    });
    Ok(ExitCode::SUCCESS)
}
