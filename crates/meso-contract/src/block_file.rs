//! Sealed blocks in a file, for a way without a network.
//!
//! The file is text in UTF-8, one JSON document a line, each line ended by one line feed:
//!
//! 1. a [`BlockFileHeader`], which says whose journal it is;
//! 2. any number of [`BlockMessage`] payloads, byte for byte as the broker would get them, each
//!    stream's in the order of its numbers;
//! 3. a [`BlockFileTrailer`]: how many there are, and the SHA-256 of every byte before that line.
//!
//! A file without its last line is cut off. The hash finds an accident, not a forger: what a
//! block says is bound by the block's own hash and by the one of its successor.

use std::io::{self, BufRead, Read, Write};

use meso_domain::RecordBlock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::topics::PAYLOAD_BYTES_MAX;
use crate::{BlockMessage, PayloadError};

/// What the first line calls the format.
const FORMAT: &str = "mesofleet-blocks";

/// The version of the format that this program writes and reads.
const VERSION: u16 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockFileHeader {
    format: String,
    version: u16,
    /// Clinic and driver, `clinic/driver`.
    pub owner: String,
    /// Life of the journal, 16 hexadecimal digits.
    pub incarnation: String,
}

impl BlockFileHeader {
    /// The first line of a file of this journal.
    pub fn new(owner: String, incarnation: String) -> BlockFileHeader {
        BlockFileHeader {
            format: FORMAT.to_owned(),
            version: VERSION,
            owner,
            incarnation,
        }
    }
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockFileTrailer {
    /// How many blocks the file has.
    pub blocks: u64,
    /// SHA-256 of every byte before this line, 64 hexadecimal digits.
    pub sha256: String,
}

/// Why a file of blocks cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFileError {
    /// The system cannot read or write.
    #[error("the file of blocks cannot be read or written")]
    Io {
        /// Why.
        #[from]
        source: io::Error,
    },
    /// The first line is none.
    #[error("line 1 is not the beginning of a file of blocks: {detail}")]
    NotABlockFile {
        /// What is wrong with it.
        detail: String,
    },
    /// The file is of another version.
    #[error("the file has version {found}, this program knows {known}; update the program")]
    Version {
        /// The version found.
        found: u16,
        /// The version known.
        known: u16,
    },
    /// A block does not decode or does not have its hash.
    #[error("line {line} is no sealed block")]
    Block {
        /// The line, counted from 1.
        line: u64,
        /// Why.
        #[source]
        source: PayloadError,
    },
    /// The last line is missing.
    #[error("the file is cut off after line {line}; copy it again")]
    CutOff {
        /// The last whole line, counted from 1.
        line: u64,
    },
    /// The last line says something else than the lines before it.
    #[error("the file was changed: its last line says {said}, it has {found}; copy it again")]
    Changed {
        /// Blocks and hash of the last line.
        said: String,
        /// Blocks and hash found.
        found: String,
    },
}

/// Writes a file of blocks.
#[derive(Debug)]
pub struct BlockFileWriter<W> {
    out: W,
    digest: Sha256,
    blocks: u64,
}

impl<W: Write> BlockFileWriter<W> {
    /// Writes the first line.
    ///
    /// # Errors
    ///
    /// [`BlockFileError::Io`].
    pub fn begin(out: W, header: &BlockFileHeader) -> Result<BlockFileWriter<W>, BlockFileError> {
        let mut writer = BlockFileWriter {
            out,
            digest: Sha256::new(),
            blocks: 0,
        };
        writer.line(json(header)?)?;
        Ok(writer)
    }

    /// Writes a block.
    ///
    /// # Errors
    ///
    /// [`BlockFileError::Io`], or [`BlockFileError::Block`] for one that is too large to be sent.
    pub fn push(&mut self, block: &RecordBlock) -> Result<(), BlockFileError> {
        let payload = BlockMessage::encode(block).map_err(|source| BlockFileError::Block {
            line: self.blocks + 2,
            source,
        })?;
        self.line(payload)?;
        self.blocks += 1;
        Ok(())
    }

    /// Writes the last line, and gives the output back unflushed.
    ///
    /// # Errors
    ///
    /// [`BlockFileError::Io`].
    pub fn finish(mut self) -> Result<(W, BlockFileTrailer), BlockFileError> {
        let trailer = BlockFileTrailer {
            blocks: self.blocks,
            sha256: hex::encode(self.digest.clone().finalize()),
        };
        self.line(json(&trailer)?)?;
        Ok((self.out, trailer))
    }

    fn line(&mut self, mut bytes: Vec<u8>) -> Result<(), BlockFileError> {
        bytes.push(b'\n');
        self.digest.update(&bytes);
        Ok(self.out.write_all(&bytes)?)
    }
}

fn json(document: &impl Serialize) -> Result<Vec<u8>, BlockFileError> {
    serde_json::to_vec(document).map_err(|error| BlockFileError::Io {
        source: error.into(),
    })
}

/// Reads a file of blocks and hands over each one that is in order.
///
/// Each block is checked by its own hash before it is handed over; whether the file is whole is
/// known only at its end. A caller for whom that matters reads the file twice.
///
/// # Errors
///
/// [`BlockFileError`] naming the line; or what `take` says.
pub fn read_block_file(
    mut input: impl BufRead,
    mut take: impl FnMut(RecordBlock) -> Result<(), BlockFileError>,
) -> Result<(BlockFileHeader, BlockFileTrailer), BlockFileError> {
    let mut digest = Sha256::new();
    let mut line = 1;
    let first = next_line(&mut input, line)?.ok_or(BlockFileError::CutOff { line: 0 })?;
    let header = header(&first)?;
    digest.update(&first);
    loop {
        line += 1;
        let Some(bytes) = next_line(&mut input, line)? else {
            return Err(BlockFileError::CutOff { line: line - 1 });
        };
        if let Ok(trailer) = serde_json::from_slice::<BlockFileTrailer>(&bytes) {
            check(&trailer, line - 2, digest)?;
            return Ok((header, trailer));
        }
        let block = BlockMessage::decode(bytes.trim_ascii_end())
            .map_err(|source| BlockFileError::Block { line, source })?;
        digest.update(&bytes);
        take(block)?;
    }
}

fn header(bytes: &[u8]) -> Result<BlockFileHeader, BlockFileError> {
    let header: BlockFileHeader =
        serde_json::from_slice(bytes).map_err(|error| BlockFileError::NotABlockFile {
            detail: error.to_string(),
        })?;
    if header.format != FORMAT {
        return Err(BlockFileError::NotABlockFile {
            detail: format!("its format is {:?} and not {FORMAT:?}", header.format),
        });
    }
    if header.version != VERSION {
        return Err(BlockFileError::Version {
            found: header.version,
            known: VERSION,
        });
    }
    Ok(header)
}

/// A whole line with its line feed; `None` at the end.
fn next_line(input: &mut impl BufRead, line: u64) -> Result<Option<Vec<u8>>, BlockFileError> {
    let mut bytes = Vec::new();
    // One byte more than the longest payload with its line feed, so that a longer one is seen.
    let longest = u64::try_from(PAYLOAD_BYTES_MAX + 2).unwrap_or(u64::MAX);
    input.by_ref().take(longest).read_until(b'\n', &mut bytes)?;
    match bytes.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(bytes)),
        Some(_) if bytes.len() > PAYLOAD_BYTES_MAX => Err(BlockFileError::Block {
            line,
            source: PayloadError::TooLarge {
                length: bytes.len(),
                max: PAYLOAD_BYTES_MAX,
            },
        }),
        Some(_) => Err(BlockFileError::CutOff { line: line - 1 }),
    }
}

fn check(trailer: &BlockFileTrailer, blocks: u64, digest: Sha256) -> Result<(), BlockFileError> {
    let found = BlockFileTrailer {
        blocks,
        sha256: hex::encode(digest.finalize()),
    };
    if found == *trailer {
        return Ok(());
    }
    let show = |it: &BlockFileTrailer| format!("{} blocks with hash {}", it.blocks, it.sha256);
    Err(BlockFileError::Changed {
        said: show(trailer),
        found: show(&found),
    })
}
