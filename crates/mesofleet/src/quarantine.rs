//! `mesofleet quarantine`: what was refused, looked at and offered once more.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use meso_config::ServerConfig;
use meso_contract::BlockMessage;
use meso_domain::Shot;
use meso_domain::canonical::Canonical as _;
use meso_store::QuarantineRow;
use serde_json::json;

use crate::cli::{
    QuarantineCommand, QuarantineListArguments, QuarantineReleaseArguments, QuarantineShowArguments,
};
use crate::clock::now;
use crate::ingest::{Arrival, Ingest, Way};
use crate::serve::ingest_options;
use crate::store::command::{place_of, print_line, read_config};

/// The most things that are looked through for a digest: all that a store keeps.
const ROWS_MAX: u32 = 100_000;

/// Digits of a digest that a list shows.
const DIGITS_SHOWN: usize = 16;

/// Runs a command on the quarantine.
///
/// # Errors
///
/// The store cannot be used, or there is no such thing.
pub fn run(command: &QuarantineCommand) -> anyhow::Result<ExitCode> {
    match command {
        QuarantineCommand::List(arguments) => list(arguments),
        QuarantineCommand::Show(arguments) => show(arguments),
        QuarantineCommand::Release(arguments) => release(arguments),
    }
}

fn rows(config: &ServerConfig, limit: u32) -> anyhow::Result<Vec<QuarantineRow>> {
    let readers = place_of(config)?.read()?;
    Ok(readers.with(|reader| reader.quarantine(limit))?)
}

fn list(arguments: &QuarantineListArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let rows = rows(&config, arguments.limit)?;
    for row in &rows {
        print_line(&match arguments.json {
            true => as_json(row).to_string(),
            false => as_text(row),
        });
    }
    if rows.is_empty() && !arguments.json {
        print_line("nothing is in quarantine");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_text(row: &QuarantineRow) -> String {
    let kept = &row.quarantined;
    let released = row
        .released_at
        .map_or_else(String::new, |at| format!(", released {at}"));
    format!(
        "{}  {}  seen {}{released}  {}\n    {}",
        &hex::encode(kept.digest)[..DIGITS_SHOWN],
        kept.at,
        row.seen_count,
        kept.source,
        kept.reason
    )
}

fn as_json(row: &QuarantineRow) -> serde_json::Value {
    let kept = &row.quarantined;
    json!({
        "digest": hex::encode(kept.digest),
        "first_at_ms": kept.at.unix_ms(),
        "seen_count": row.seen_count,
        "source": kept.source,
        "reason": kept.reason,
        "bytes_kept": row.has_bytes,
        "released_at_ms": row.released_at.map(|at| at.unix_ms()),
    })
}

/// The one thing whose digest begins with these digits.
fn find(config: &ServerConfig, digits: &str) -> anyhow::Result<QuarantineRow> {
    let wanted = digits.to_ascii_lowercase();
    let mut found = rows(config, ROWS_MAX)?;
    found.retain(|row| {
        !wanted.is_empty() && hex::encode(row.quarantined.digest).starts_with(&wanted)
    });
    anyhow::ensure!(
        found.len() < 2,
        "{digits} is the beginning of more than one; write more of it"
    );
    found
        .pop()
        .with_context(|| format!("nothing in quarantine begins with {digits}; see the list"))
}

fn show(arguments: &QuarantineShowArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let row = find(&config, &arguments.digest)?;
    print_line(&as_text(&row));
    let bytes = &row.quarantined.bytes;
    if !row.has_bytes {
        print_line(match row.released_at {
            Some(_) => "its bytes are not kept here any more: they are stored where they belong",
            None => "its bytes were not kept: too many things were in quarantine before it",
        });
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &arguments.bytes {
        write_new(path, bytes)?;
        print_line(&format!(
            "{} bytes written to {}",
            bytes.len(),
            path.display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => print_line(&text.escape_debug().to_string().replace("\\n", "\n")),
        Err(_) => print_line(&hex::encode(bytes)),
    }
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(bytes)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn release(arguments: &QuarantineReleaseArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let row = find(&config, &arguments.digest)?;
    anyhow::ensure!(
        row.released_at.is_none(),
        "it was released before, and is stored where it belongs"
    );
    anyhow::ensure!(
        row.has_bytes,
        "its bytes were not kept here, so there is nothing to release: its driver still has them"
    );
    let store = place_of(&config)?.open(0)?;
    let bytes = &row.quarantined.bytes;
    // A shot that InfluxDB refused is stored; it only has to be sent there again.
    if let Ok(shot) = Shot::from_canonical(bytes) {
        let mut writer = store.writer;
        if !writer.send_again(&shot.identity)? {
            print_line(&format!(
                "{} is refused again, or is where it should be",
                shot.identity
            ));
            return Ok(ExitCode::FAILURE);
        }
        writer.note_released(row.quarantined.digest, now())?;
        print_line(&format!("{} is in InfluxDB now", shot.identity));
        return Ok(ExitCode::SUCCESS);
    }
    let block = BlockMessage::decode(bytes).context(
        "these bytes are still no block; `quarantine show` writes them to a file for a closer look",
    )?;
    let place = block.header().place.to_string();
    let options = ingest_options(&config, store.incarnation)?;
    let (mut ingest, _) = Ingest::open(store.writer, options, now())?;
    let arrival = Arrival::Block {
        block: Box::new(block),
        way: Way::Live,
    };
    let committed = ingest.commit(vec![arrival], now())?;
    let mut writer = ingest.into_store();
    if committed.news.block_count == 0 {
        print_line(&format!("{place} is refused again, or is held already"));
        return Ok(ExitCode::FAILURE);
    }
    writer.note_released(row.quarantined.digest, now())?;
    print_line(&format!("{place} is stored and logged now"));
    Ok(ExitCode::SUCCESS)
}
