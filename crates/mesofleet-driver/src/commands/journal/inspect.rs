//! `mesofleet-driver journal inspect`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jiff::Timestamp as Moment;
use meso_delivery::Range;
use meso_domain::Gap;
use meso_journal::{
    EpochView, JournalError, JournalView, QuarantinedFrame, SETTLED_BYTES_MAX, StreamView,
};
use meso_units::Timestamp;
use mesofleet_driver::{RESUME_VALUES, Resumed, STOP_VALUES, Stopped};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::table::table;
use super::super::{Failure, FolderArguments, print};

/// Options of `journal inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// Show at most this many gaps and this many frames in quarantine, the newest.
    #[arg(long, default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Inspection {
    path: String,
    owner: String,
    incarnation: String,
    file_bytes: u64,
    log_bytes: u64,
    used_bytes: u64,
    settled_bytes: u64,
    settled_bytes_max: i64,
    streams: Vec<StreamShown>,
    guns: Vec<GunShown>,
    gaps: Vec<GapShown>,
    quarantine_count: u64,
    quarantine: Vec<FrameShown>,
    /// Who let guns fire again that were inhibited, oldest first.
    resumes: Vec<Resumed>,
    stops: Vec<Stopped>,
}

#[derive(Debug, Serialize)]
struct StreamShown {
    stream: String,
    records: u64,
    unsealed_records: u64,
    /// The newest sealed block; 0 for none.
    newest_block: u64,
    oldest_block: Option<u64>,
    /// Every block up to here is settled; 0 for none.
    settled_to: u64,
    /// Settled beyond that, first and last.
    settled_beyond: Vec<(u64, u64)>,
    unsettled_blocks: Vec<(u64, u64)>,
    /// Life of the store that settled them, 16 hexadecimal digits.
    store: Option<String>,
}

#[derive(Debug, Serialize)]
struct GunShown {
    gun: String,
    epoch: String,
    /// Every counter up to here is held or named by a gap.
    contiguous: u32,
    shots: Vec<(u64, u64)>,
    gaps: Vec<(u64, u64)>,
    missing: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize)]
struct GapShown {
    gun: String,
    epoch: String,
    first: u32,
    /// Absent for "count unknown".
    last: Option<u32>,
    state: &'static str,
    reason: &'static str,
    at: String,
}

#[derive(Debug, Serialize)]
struct FrameShown {
    at: String,
    gun: Option<String>,
    epoch: Option<String>,
    counter: Option<u32>,
    reason: String,
    bytes_hex: String,
}

/// Says what is in the journal.
pub(super) fn inspect(arguments: &InspectArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.folder()?;
    let found = JournalView::open(&folder)
        .and_then(|view| read(&view, arguments.limit))
        .context("the journal cannot be inspected")?;
    print(arguments.json, &found, || text(&found))
}

fn read(view: &JournalView, limit: u32) -> Result<Inspection, JournalError> {
    let size = view.size()?;
    Ok(Inspection {
        path: view.path().display().to_string(),
        owner: view.owner().to_owned(),
        incarnation: hex_digits(view.incarnation().get()),
        file_bytes: size.file_bytes,
        log_bytes: size.log_bytes,
        used_bytes: size.used_bytes,
        settled_bytes: size.settled_bytes,
        settled_bytes_max: SETTLED_BYTES_MAX,
        streams: view.streams()?.iter().map(StreamShown::from).collect(),
        guns: view.epochs()?.iter().map(GunShown::from).collect(),
        gaps: view.gaps(limit)?.iter().map(GapShown::from).collect(),
        quarantine_count: view.quarantine_count()?,
        quarantine: view
            .quarantine(limit)?
            .iter()
            .map(FrameShown::from)
            .collect(),
        resumes: newest(view, RESUME_VALUES, limit, |it: &Resumed| it.at.clone())?,
        stops: newest(view, STOP_VALUES, limit, |it: &Stopped| it.at.clone())?,
    })
}

/// The newest acts of persons of one kind, oldest first; what does not decode is left out.
fn newest<T: DeserializeOwned>(
    view: &JournalView,
    kind: &str,
    limit: u32,
    at: impl Fn(&T) -> String,
) -> Result<Vec<T>, JournalError> {
    let kept = view.values_under(kind)?;
    let decode = |(_, bytes): &(String, Vec<u8>)| serde_json::from_slice(bytes).ok();
    let mut acts: Vec<T> = kept.iter().filter_map(decode).collect();
    acts.sort_by_key(at);
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(acts.split_off(acts.len().saturating_sub(shown)))
}

impl From<&StreamView> for StreamShown {
    fn from(view: &StreamView) -> StreamShown {
        let mark = view.position.watermark.as_ref();
        StreamShown {
            stream: view.position.stream.to_string(),
            records: view.record_count,
            unsealed_records: view.unsealed_count,
            newest_block: view.position.newest,
            oldest_block: view.oldest_block.map(|oldest| oldest.get()),
            settled_to: mark.map_or(0, |mark| mark.to),
            settled_beyond: mark.map_or_else(Vec::new, |mark| pairs(&mark.ranges)),
            unsettled_blocks: pairs(&view.unsettled_blocks),
            store: mark.map(|mark| hex_digits(mark.store)),
        }
    }
}

impl From<&EpochView> for GunShown {
    fn from(view: &EpochView) -> GunShown {
        GunShown {
            gun: view.gun.to_string(),
            epoch: hex_digits(view.epoch.get()),
            contiguous: view.contiguous.get(),
            shots: pairs(&view.shots),
            gaps: pairs(&view.gaps),
            missing: pairs(&view.missing),
        }
    }
}

impl From<&Gap> for GapShown {
    fn from(gap: &Gap) -> GapShown {
        GapShown {
            gun: gap.gun.to_string(),
            epoch: hex_digits(gap.epoch.get()),
            first: gap.first.get(),
            last: gap.last.map(|last| last.get()),
            state: gap.state.as_str(),
            reason: gap.reason.as_str(),
            at: time(gap.at),
        }
    }
}

impl From<&QuarantinedFrame> for FrameShown {
    fn from(frame: &QuarantinedFrame) -> FrameShown {
        FrameShown {
            at: time(frame.at),
            gun: frame.gun.as_ref().map(ToString::to_string),
            epoch: frame.shot.map(|(epoch, _)| hex_digits(epoch.get())),
            counter: frame.shot.map(|(_, counter)| counter.get()),
            reason: frame.reason.clone(),
            bytes_hex: hex::encode(&frame.bytes),
        }
    }
}

fn hex_digits(number: u64) -> String {
    format!("{number:016x}")
}

fn pairs(ranges: &[Range]) -> Vec<(u64, u64)> {
    ranges
        .iter()
        .map(|range| (range.first, range.last))
        .collect()
}

/// The time in UTC, as RFC 3339 writes it.
fn time(at: Timestamp) -> String {
    let moment = Moment::from_nanosecond(at.unix_ns().into());
    moment.map_or_else(
        |_| format!("{} ns", at.unix_ns()),
        |moment| moment.to_string(),
    )
}

/// Ranges for people; of many only the first and the count.
fn shown(ranges: &[(u64, u64)]) -> String {
    const SHOWN_MAX: usize = 4;
    if ranges.is_empty() {
        return "–".to_owned();
    }
    let one = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let mut list: Vec<_> = ranges.iter().take(SHOWN_MAX).map(one).collect();
    if ranges.len() > SHOWN_MAX {
        list.push(format!("and {} more", ranges.len() - SHOWN_MAX));
    }
    list.join(", ")
}

fn text(it: &Inspection) -> String {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    let mut text = format!(
        "{} of {}, life {}\n\
         file {} KiB, log {} KiB, in use {} KiB, {} KiB of it by settled blocks of guns, which are \
         forgotten above {} MiB\n",
        it.path,
        it.owner,
        it.incarnation,
        kib(it.file_bytes),
        kib(it.log_bytes),
        kib(it.used_bytes),
        kib(it.settled_bytes),
        it.settled_bytes_max / (1024 * 1024),
    );
    if !it.streams.is_empty() {
        text.push('\n');
        text.push_str(&streams_text(&it.streams));
    }
    if !it.guns.is_empty() {
        text.push('\n');
        text.push_str(&guns_text(&it.guns));
    }
    text.push('\n');
    text.push_str(&gaps_text(&it.gaps));
    text.push_str(&quarantine_text(it));
    for resumed in &it.resumes {
        let Resumed {
            at,
            gun,
            operator,
            reason,
            ..
        } = resumed;
        text.push_str(&format!("resumed: {at} {gun} by {operator}: {reason}\n"));
    }
    for stopped in &it.stops {
        let Stopped {
            at,
            gun,
            operator,
            reason,
        } = stopped;
        let who = operator.as_deref().unwrap_or("somebody");
        text.push_str(&format!("stopped: {at} {gun} by {who}: {reason}\n"));
    }
    text
}

fn streams_text(streams: &[StreamShown]) -> String {
    let rows: Vec<_> = streams
        .iter()
        .map(|it| {
            [
                it.stream.clone(),
                it.records.to_string(),
                it.unsealed_records.to_string(),
                match it.oldest_block {
                    Some(oldest) => format!("{oldest}-{}", it.newest_block),
                    None => "–".to_owned(),
                },
                it.settled_to.to_string(),
                shown(&it.unsettled_blocks),
            ]
        })
        .collect();
    table(
        [
            "STREAM",
            "RECORDS",
            "IN NO BLOCK",
            "BLOCKS",
            "SETTLED TO",
            "NOT SETTLED",
        ],
        &rows,
    )
}

fn guns_text(guns: &[GunShown]) -> String {
    let rows: Vec<_> = guns
        .iter()
        .map(|it| {
            [
                it.gun.clone(),
                it.epoch.clone(),
                it.contiguous.to_string(),
                shown(&it.shots),
                shown(&it.gaps),
                shown(&it.missing),
            ]
        })
        .collect();
    table(
        [
            "GUN",
            "EPOCH",
            "WHOLE TO",
            "SHOTS",
            "DECLARED GAPS",
            "AWAITED",
        ],
        &rows,
    )
}

fn gaps_text(gaps: &[GapShown]) -> String {
    if gaps.is_empty() {
        return "no gaps\n".to_owned();
    }
    let line = |gap: &GapShown| {
        let GapShown {
            gun,
            epoch,
            first,
            state,
            reason,
            at,
            ..
        } = gap;
        let counters = match gap.last {
            Some(last) => format!("{first}-{last}"),
            None => format!("from {first}, count unknown"),
        };
        format!("gap: {gun} epoch {epoch}, {counters}: {state}, {reason}, {at}\n")
    };
    gaps.iter().map(line).collect()
}

fn quarantine_text(it: &Inspection) -> String {
    if it.quarantine_count == 0 {
        return "nothing in quarantine\n".to_owned();
    }
    let mut text = format!("{} frames in quarantine\n", it.quarantine_count);
    for frame in &it.quarantine {
        let gun = frame.gun.as_deref().unwrap_or("no known gun");
        let shot = match (&frame.epoch, frame.counter) {
            (Some(epoch), Some(counter)) => format!(" epoch {epoch} shot {counter}"),
            _ => String::new(),
        };
        let FrameShown {
            at,
            reason,
            bytes_hex,
            ..
        } = frame;
        text.push_str(&format!(
            "quarantine: {at} {gun}{shot}: {reason}\n  {bytes_hex}\n"
        ));
    }
    text
}
