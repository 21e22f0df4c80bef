//! `mesofleet-driver journal export`.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use meso_contract::{BlockFileHeader, BlockFileTrailer, BlockFileWriter, read_block_file};
use meso_delivery::Range;
use meso_journal::{JournalView, StreamView};
use meso_units::BlockNumber;
use serde::Serialize;

use super::super::{Failure, FolderArguments, print};

/// Options of `journal export`.
#[derive(Args, Debug)]
#[command(
    after_help = "The file holds one JSON document a line: a header, the payload of each \
    block as the broker would get it, and a last line with their number and the SHA-256 of every \
    byte before it. Exporting settles nothing: the driver goes on sending what is not settled."
)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    folder: FolderArguments,
    /// The file to write; must not exist.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Every sealed block that is still here, and not only those that the server has not settled.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Exported {
    file: String,
    owner: String,
    blocks: u64,
    sha256: String,
    /// Records that are in no block yet, and so not in the file.
    unsealed_records: u64,
}

/// Writes sealed blocks into a file and reads it back.
pub(super) fn export(arguments: &ExportArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.folder()?;
    let view = JournalView::open(&folder).context("the journal cannot be read")?;
    let streams = view.streams().context("the journal cannot be read")?;
    if arguments.to.exists() {
        let name = arguments.to.display();
        return Err(anyhow::anyhow!("{name} exists; choose another name").into());
    }
    let trailer = write_in_one_step(&view, &streams, arguments.all, &arguments.to)?;
    let answer = Exported {
        file: arguments.to.display().to_string(),
        owner: view.owner().to_owned(),
        blocks: trailer.blocks,
        sha256: trailer.sha256,
        unsealed_records: streams.iter().map(|stream| stream.unsealed_count).sum(),
    };
    print(arguments.json, &answer, || text(&answer))
}

/// Writes beside the file, reads back, and gives it its name only then.
fn write_in_one_step(
    view: &JournalView,
    streams: &[StreamView],
    all: bool,
    to: &Path,
) -> anyhow::Result<BlockFileTrailer> {
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let trailer = write(view, streams, all, &part).and_then(|trailer| {
        read_back(&part, &trailer)?;
        fs::rename(&part, to).with_context(|| format!("cannot name it {}", to.display()))?;
        Ok(trailer)
    });
    if trailer.is_err() {
        // Half a file is of no use to anybody; the first error is the one to tell.
        let _ = fs::remove_file(&part);
    }
    trailer
}

fn write(
    view: &JournalView,
    streams: &[StreamView],
    all: bool,
    path: &Path,
) -> anyhow::Result<BlockFileTrailer> {
    let name = path.display();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .with_context(|| format!("cannot write {name}"))?;
    let incarnation = format!("{:016x}", view.incarnation().get());
    let header = BlockFileHeader::new(view.owner().to_owned(), incarnation);
    let mut writer = BlockFileWriter::begin(BufWriter::new(file), &header)?;
    for stream in streams {
        for range in wanted(stream, all) {
            write_range(view, stream, range, &mut writer)?;
        }
    }
    let (mut out, trailer) = writer.finish()?;
    out.flush()
        .and_then(|()| out.get_ref().sync_all())
        .with_context(|| format!("cannot write {name}"))?;
    Ok(trailer)
}

fn wanted(stream: &StreamView, all: bool) -> Vec<Range> {
    match stream.oldest_block {
        Some(oldest) if all => vec![Range {
            first: oldest.get(),
            last: stream.position.newest,
        }],
        _ => stream.unsettled_blocks.clone(),
    }
}

fn write_range(
    view: &JournalView,
    stream: &StreamView,
    range: Range,
    writer: &mut BlockFileWriter<impl Write>,
) -> anyhow::Result<()> {
    let name = &stream.position.stream;
    for number in range.first..=range.last {
        let block = view
            .block(name, BlockNumber(number))
            .with_context(|| format!("block {number} of {name} cannot be read"))?;
        let Some(block) = block else {
            bail!("block {number} of {name} is not settled and not in the journal");
        };
        writer.push(&block)?;
    }
    Ok(())
}

fn read_back(path: &Path, written: &BlockFileTrailer) -> anyhow::Result<()> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name} back"))?;
    let (_, read) = read_block_file(BufReader::new(file), |_| Ok(()))
        .with_context(|| format!("{name} does not read back as it was written"))?;
    if read != *written {
        bail!("{name} does not read back as it was written");
    }
    Ok(())
}

fn text(it: &Exported) -> String {
    let mut text = format!(
        "{}: {} record blocks of {}, read back and in order\nSHA-256 {}\n",
        it.file, it.blocks, it.owner, it.sha256
    );
    if it.unsealed_records > 0 {
        text.push_str(&format!(
            "note: {} records are in no block yet and so not in the file; a running driver seals \
             them within seconds, one that starts at once\n",
            it.unsealed_records
        ));
    }
    text
}
