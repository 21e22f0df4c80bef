//! `mesofleet store repair`.

use std::process::ExitCode;

use meso_store::{LostBlock, StorePlace, find_lost};
use serde_json::json;

use super::arguments::RepairArguments;
use super::command::{chosen, print_line};
use super::shown::{Shown, is_confirmed};

/// Blocks that are spelt out; more of them would only hide the first.
const BLOCKS_SHOWN_MAX: usize = 10;

/// Looks for shots that the InfluxDB does not have any more, and has the rooms asked for them.
pub(super) fn repair(arguments: &RepairArguments) -> anyhow::Result<ExitCode> {
    let place = chosen(&arguments.store)?;
    anyhow::ensure!(
        place.path().exists(),
        "there is no store in {}",
        place.path().display()
    );
    anyhow::ensure!(
        matches!(place, StorePlace::Influx { .. }),
        "the store in {} keeps its shots in its own file; where that is damaged, put the data folder \
         back to a backup",
        place.path().display()
    );
    let json = arguments.store.json;
    // Also for a look alone: what a server has on its way would be taken for gone.
    let mut store = place.open(0)?;
    store.writer.settle()?;
    let mut shown = Shown::new(json);
    let lost = find_lost(&store.readers, |progress| shown.progress(progress))?;
    shown.end();
    let shot_count: usize = lost.iter().map(LostBlock::missing_count).sum();
    let question = format!(
        "{} shots of {} blocks are missing from now on, until a room sends them once more; those that \
         no room has are declared to be gone. Go on?",
        shot_count,
        lost.len()
    );
    if !json {
        show(&lost, shot_count);
    }
    let is_wanted = !lost.is_empty() && !arguments.dry_run;
    let is_noted = is_wanted && (arguments.yes || is_confirmed(&question)?);
    if is_noted {
        store.writer.note_lost(&lost)?;
    }
    if json {
        let line = json!({
            "blocks": lost.len(),
            "shots": shot_count,
            "noted": is_noted,
            "more": lost.len() >= LostBlock::COUNT_MAX,
        });
        print_line(&line.to_string());
    } else {
        say_what_is_next(&lost, is_noted);
    }
    Ok(match lost.is_empty() || is_noted {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn show(lost: &[LostBlock], shot_count: usize) {
    for block in lost.iter().take(BLOCKS_SHOWN_MAX) {
        print_line(&block.to_string());
    }
    print_line(&format!("{} blocks lack {shot_count} shots", lost.len()));
}

fn say_what_is_next(lost: &[LostBlock], is_noted: bool) {
    let next = match is_noted {
        true => {
            "start the server: it asks the rooms for them, and `mesofleet store check` says when all \
             is there"
        }
        false if lost.is_empty() => "nothing is to be repaired",
        false => "nothing was changed",
    };
    print_line(next);
    if lost.len() >= LostBlock::COUNT_MAX {
        print_line(&format!(
            "more than {} at a time are too many: when these are back, run it again",
            LostBlock::COUNT_MAX
        ));
    }
}
