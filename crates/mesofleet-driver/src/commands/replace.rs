//! `mesofleet-driver replace`: a new computer takes the place of an old one.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use meso_bus::{ClientOptions, Consumer, ConsumerEvent, Delivery};
use meso_config::DriverConfig;
use meso_contract::topics::{self, Topic};
use meso_contract::{DriverStatusMessage, SuccessorMessage, read_block_file};
use meso_journal::{Identity, JournalError, JournalView};
use mesofleet_driver::{broker_of, incarnation_text, make_successor};
use serde::Serialize;
use tokio::time::timeout;

use super::{ConfigArguments, Failure, print};

/// How long the broker may take to answer.
const BROKER_WITHIN: Duration = Duration::from_secs(5);

/// How long the broker may take between two of the messages that it keeps.
const KEPT_WITHIN: Duration = Duration::from_millis(500);

/// Options of `replace`.
#[derive(Args, Debug)]
#[command(
    after_help = "Run it once on the new computer, with the old one's driver id in the \
    configuration and an empty data folder. It makes a new journal that names the old one, so that \
    the old driver stops as soon as it hears of it. Then start the driver: what the guns still \
    hold is read from them, also what the old computer had read; the server knows a shot again. \
    What only the old journal holds is lost with its disk, and its numbers are shown as awaited: \
    where the disk can be read, `journal export` there and `journal import` here bring it. A \
    session that was open on the old computer is opened anew."
)]
pub(crate) struct ReplaceArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// A file that `journal export` wrote on the old computer: says which journal is replaced.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The life of the old journal, 16 hexadecimal digits, where neither broker nor file know it.
    #[arg(long, value_name = "LIFE", value_parser = life)]
    old: Option<String>,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Replaced {
    clinic: String,
    driver: String,
    data_dir: String,
    /// The lives of the journals that are replaced, 16 hexadecimal digits each.
    replaced: Vec<String>,
    /// The life of the new journal; absent where nothing was done.
    incarnation: Option<String>,
    next: Vec<String>,
}

/// Takes the place of an old computer.
pub(super) fn replace(arguments: ReplaceArguments) -> Result<ExitCode, Failure> {
    let ReplaceArguments {
        config,
        from,
        old,
        dry_run,
        yes,
        json,
    } = arguments;
    let config_path = config.config.display().to_string();
    let settings = config.settings()?;
    let config = settings.config();
    refuse_a_second_journal(&config.data_dir)?;
    let replaced = replaced(config, from.as_deref(), old)?;
    let mut answer = Replaced {
        clinic: config.clinic_id.to_string(),
        driver: config.driver_id.to_string(),
        data_dir: config.data_dir.display().to_string(),
        replaced,
        incarnation: None,
        next: next_steps(&config_path, from.as_deref()),
    };
    if !dry_run {
        if !yes {
            ask(&answer)?;
        }
        let identity = Identity {
            clinic: config.clinic_id.clone(),
            driver: config.driver_id.clone(),
        };
        let made = make_successor(&config.data_dir, identity, &answer.replaced);
        let made = made.map_err(anyhow::Error::from)?;
        answer.incarnation = Some(incarnation_text(made));
    }
    print(json, &answer, || text(&answer))
}

fn refuse_a_second_journal(folder: &Path) -> anyhow::Result<()> {
    match JournalView::open(folder) {
        Err(JournalError::Absent { .. }) => Ok(()),
        Err(error) => Err(error).context("the data folder cannot be used"),
        Ok(view) => bail!(
            "{} holds journal {} already: a new computer begins with an empty data folder, and \
             this one is no new one",
            folder.display(),
            incarnation_text(view.incarnation())
        ),
    }
}

/// The lives of every journal whose place is taken.
fn replaced(
    config: &DriverConfig,
    from: Option<&Path>,
    old: Option<String>,
) -> anyhow::Result<Vec<String>> {
    let mut lives = Vec::new();
    lives.extend(old);
    if let Some(path) = from {
        lives.push(life_of_file(config, path)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    match runtime.block_on(ask_broker(config))? {
        Some(known) => lives.extend(known),
        None if lives.is_empty() => bail!(
            "no broker answers on {}, so nobody knows which journal is replaced: start the \
             server, or name the journal with --from or --old",
            config.broker
        ),
        None => eprintln!(
            "no broker answers: whether the old driver still runs is not known; end it first"
        ),
    }
    lives.sort();
    lives.dedup();
    let most = SuccessorMessage::REPLACED_COUNT_MAX;
    match lives.len() {
        0 => bail!(
            "the broker knows no journal of driver {} of clinic {}: where it never ran, start it \
             with `run`; else name the old journal with --from or --old",
            config.driver_id,
            config.clinic_id
        ),
        count if count > most => bail!(
            "{count} journals would be replaced, at most {most} can be: give this computer a \
             driver id of its own"
        ),
        _ => Ok(lives),
    }
}

fn life_of_file(config: &DriverConfig, path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let (header, _) = read_block_file(BufReader::new(file), |_| Ok(()))
        .with_context(|| format!("{name} cannot be used"))?;
    let own = format!("{}/{}", config.clinic_id, config.driver_id);
    if header.owner != own {
        bail!("{name} is of driver {} and not of {own}", header.owner);
    }
    Ok(header.incarnation)
}

/// What the broker knows of the driver's journals; `None` where no broker answers.
async fn ask_broker(config: &DriverConfig) -> anyhow::Result<Option<Vec<String>>> {
    let (clinic, driver) = (&config.clinic_id, &config.driver_id);
    let id = format!("{clinic}.{driver}.replace");
    let options = ClientOptions::new(&id, broker_of(config)?);
    let filters = vec![
        topics::status(clinic, driver),
        topics::successor(clinic, driver),
    ];
    let mut consumer = Consumer::start(options, filters);
    let ready = timeout(BROKER_WITHIN, async {
        while let Some(event) = consumer.next().await {
            if matches!(event, ConsumerEvent::Ready { .. }) {
                return true;
            }
        }
        false
    });
    if !ready.await.unwrap_or(false) {
        return Ok(None);
    }
    let mut lives = Vec::new();
    while let Ok(Some(event)) = timeout(KEPT_WITHIN, consumer.next()).await {
        if let ConsumerEvent::Message(delivery) = event {
            consumer.acknowledge(delivery.ticket);
            lives.extend(lives_of(&delivery)?);
        }
    }
    consumer.close().await;
    Ok(Some(lives))
}

fn lives_of(delivery: &Delivery) -> anyhow::Result<Vec<String>> {
    match Topic::parse(&delivery.topic) {
        Ok(Topic::Status { driver, .. }) => {
            let status = DriverStatusMessage::decode(&delivery.payload)?;
            if status.online {
                bail!(
                    "driver {driver} is connected now, with journal {}: end it on its computer \
                     first; one that is dead is known to be gone within a minute",
                    status.incarnation
                );
            }
            Ok(vec![status.incarnation])
        }
        Ok(Topic::Successor { .. }) => {
            let message = SuccessorMessage::decode(&delivery.payload)?;
            let mut lives = message.replaced;
            lives.push(message.incarnation);
            Ok(lives)
        }
        _ => Ok(Vec::new()),
    }
}

fn life(text: &str) -> Result<String, String> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 16 && text.bytes().all(is_digit) {
        return Ok(text.to_owned());
    }
    Err("16 digits of 0-9 and a-f, as `journal inspect` shows".to_owned())
}

fn ask(answer: &Replaced) -> anyhow::Result<()> {
    let driver = &answer.driver;
    if !io::stdin().is_terminal() {
        bail!("nobody is here to ask: say --yes where driver {driver} is to be replaced");
    }
    eprint!("{}\nWrite {driver} to go on: ", plan(answer));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() != driver {
        return Err(anyhow!("nothing was changed"));
    }
    Ok(())
}

fn plan(answer: &Replaced) -> String {
    format!(
        "driver {} of clinic {}: a new journal in {} takes the place of {}",
        answer.driver,
        answer.clinic,
        answer.data_dir,
        answer.replaced.join(", ")
    )
}

fn next_steps(config: &str, from: Option<&Path>) -> Vec<String> {
    let mut next = Vec::new();
    if let Some(file) = from {
        next.push(format!(
            "mesofleet-driver journal import {}",
            file.display()
        ));
    }
    next.push(format!("mesofleet-driver run --config {config}"));
    next
}

fn text(answer: &Replaced) -> String {
    let done = match &answer.incarnation {
        Some(incarnation) => format!("done: its life is {incarnation}. Next:"),
        None => "nothing was changed. It would be followed by:".to_owned(),
    };
    let next = answer.next.iter().map(|step| format!("  {step}\n"));
    format!("{}\n{done}\n{}", plan(answer), next.collect::<String>())
}
