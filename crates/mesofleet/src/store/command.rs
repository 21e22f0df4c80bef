//! The commands.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use meso_config::ServerConfig;
use meso_store::{InitOutcome, Inspection, StorePlace};
use serde_json::json;

use super::arguments::{CopyArguments, StoreArguments, StoreCommand};
use super::repair::repair;
use super::shown::{Shown, is_confirmed};
use super::{StoreSpec, influx_of, store_place};

/// What a data folder holds beside the store that a copy needs to go on.
const BESIDE: [&str; 4] = [
    "ledger.seed",
    "ledger.checkpoint",
    "library.json",
    "signers.json",
];

/// Only who runs the server may look into its folder.
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// Runs a command on a store.
///
/// # Errors
///
/// The store cannot be used as the command wants it.
pub fn run(command: &StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Init(arguments) => init(arguments),
        StoreCommand::Check(arguments) => check(arguments),
        StoreCommand::Repair(arguments) => repair(arguments),
        StoreCommand::Copy(arguments) => copy(arguments),
    }
}

/// The configuration of a server.
pub(crate) fn read_config(path: &Path) -> anyhow::Result<ServerConfig> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    ServerConfig::parse(&path.display().to_string(), &text)
        .map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// The store of a configuration.
pub(crate) fn place_of(config: &ServerConfig) -> anyhow::Result<StorePlace> {
    let influx = influx_of(config.store, &config.influx)?;
    Ok(store_place(&config.data_dir, influx))
}

pub(super) fn chosen(arguments: &StoreArguments) -> anyhow::Result<StorePlace> {
    match (&arguments.config, &arguments.store) {
        (Some(config), _) => place_of(&read_config(config)?),
        (None, Some(spec)) => spec.place(),
        (None, None) => anyhow::bail!("name a store with --config FILE or --store SPEC"),
    }
}

fn make_folder(place: &StorePlace) -> anyhow::Result<()> {
    let Some(folder) = place
        .path()
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

fn init(arguments: &StoreArguments) -> anyhow::Result<ExitCode> {
    let place = chosen(arguments)?;
    make_folder(&place)?;
    let file_was_there = place.path().exists();
    let bucket = match &place {
        StorePlace::Influx { options, .. } => match meso_store::prepare_influx(options)? {
            InitOutcome::Made => Some((options.bucket().to_owned(), "made")),
            _ => Some((options.bucket().to_owned(), "was there")),
        },
        StorePlace::Embedded { .. } => None,
    };
    let mut incarnation = [0; 8];
    getrandom::fill(&mut incarnation).context("the system gives no randomness")?;
    drop(place.open(u64::from_le_bytes(incarnation))?);
    let file = if file_was_there { "was there" } else { "made" };
    let path = place.path().display().to_string();
    if arguments.json {
        let bucket = bucket.map(|(name, state)| json!({ "name": name, "state": state }));
        print_line(&json!({ "file": path, "state": file, "bucket": bucket }).to_string());
    } else {
        print_line(&format!("store {path}: {file}"));
        if let Some((name, state)) = bucket {
            print_line(&format!(
                "bucket {name}: {state}; it takes points and gives them back"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &StoreArguments) -> anyhow::Result<ExitCode> {
    let place = chosen(arguments)?;
    let mut shown = Shown::new(arguments.json);
    let readers = place.read()?;
    let points = match &place {
        StorePlace::Influx { options, .. } => {
            Some(meso_store::inspect_influx(options, &readers)?.shot_points)
        }
        StorePlace::Embedded { .. } => None,
    };
    let inspection = meso_store::inspect(&readers, |progress| shown.progress(progress))?;
    shown.end();
    report(&inspection, points, arguments.json);
    if !inspection.is_sound() && points.is_some() && !arguments.json {
        print_line(
            "have the rooms send what is wrong once more: stop the server, run `mesofleet store \
             repair`, and start it again",
        );
    }
    Ok(if inspection.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn report(inspection: &Inspection, points: Option<u64>, json: bool) {
    let digest = hex::encode(inspection.digest);
    if json {
        let line = json!({
            "blocks": inspection.block_count,
            "shots": inspection.shot_count,
            "leaves": inspection.leaf_count,
            "wrong": inspection.wrong_count,
            "first_wrong": inspection.wrong,
            "shot_points": points,
            "digest": digest,
        });
        print_line(&line.to_string());
        return;
    }
    for wrong in &inspection.wrong {
        print_line(&format!("wrong: {wrong}"));
    }
    print_line(&format!(
        "{} blocks, {} shots, {} ledger leaves, {} wrong; digest {digest}",
        inspection.block_count,
        inspection.shot_count,
        inspection.leaf_count,
        inspection.wrong_count
    ));
    if let Some(points) = points {
        print_line(&format!(
            "{points} points of shots of that time in the bucket, whoever wrote them"
        ));
    }
}

fn copy(arguments: &CopyArguments) -> anyhow::Result<ExitCode> {
    let (from, to) = (arguments.from.place()?, arguments.to.place()?);
    anyhow::ensure!(
        from.path().exists(),
        "there is no store in {}",
        arguments.from.data().display()
    );
    if let StorePlace::Influx { options, .. } = &to {
        let points = meso_store::inspect_influx(options, &from.read()?)?.shot_points;
        let question = format!(
            "bucket {} already holds {points} points of shots of that time, and what is copied \
             cannot be told from them in dashboards. Copy into it?",
            options.bucket()
        );
        if points > 0 && !arguments.yes && !is_confirmed(&question)? {
            print_line("nothing was copied");
            return Ok(ExitCode::FAILURE);
        }
    }
    make_folder(&to)?;
    copy_beside(&arguments.from, &arguments.to)?;
    let mut shown = Shown::new(arguments.json);
    let copied = meso_store::copy_store(&from, &to, |progress| shown.progress(progress))?;
    shown.end();
    report(&copied, None, arguments.json);
    if !arguments.json {
        print_line(
            "both stores gave back the same records. The copy is the same store: start the server \
             on one of the two only",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The ledger's key and the library: without the key a copy would contradict its own checkpoints.
fn copy_beside(from: &StoreSpec, to: &StoreSpec) -> anyhow::Result<()> {
    for name in BESIDE {
        let (source, target) = (from.data().join(name), to.data().join(name));
        if !source.exists() || target.exists() {
            continue;
        }
        let bytes =
            std::fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(PRIVATE_FILE)
            .open(&target)
            .with_context(|| format!("cannot make {}", target.display()))?;
        file.write_all(&bytes)
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

/// Prints a line; a reader that has seen enough, such as `head`, is no error.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
