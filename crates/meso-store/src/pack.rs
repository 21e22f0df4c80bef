//! Small lists as bytes of a column: fixed-width little-endian numbers, one after the other.

use meso_delivery::{CustodyStart, Holder, Range};
use meso_domain::canonical::Canonical as _;
use meso_domain::{BlockHash, Judgement, RecordHash};
use meso_units::{ClinicId, DriverId, JournalIncarnation, Timestamp};

use crate::StoreError;

fn number(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
    u64::from_le_bytes(wide)
}

fn chunks<'a>(
    what: &'static str,
    bytes: &'a [u8],
    width: usize,
) -> Result<std::slice::ChunksExact<'a, u8>, StoreError> {
    let chunks = bytes.chunks_exact(width);
    match chunks.remainder().is_empty() {
        true => Ok(chunks),
        false => Err(StoreError::damaged(what, "a list ends in the middle")),
    }
}

pub(crate) fn ranges(ranges: &[Range]) -> Vec<u8> {
    let both = |range: &Range| [range.first.to_le_bytes(), range.last.to_le_bytes()].concat();
    ranges.iter().flat_map(both).collect()
}

pub(crate) fn read_ranges(bytes: &[u8]) -> Result<Vec<Range>, StoreError> {
    let range = |chunk: &[u8]| Range {
        first: number(&chunk[..8]),
        last: number(&chunk[8..]),
    };
    Ok(chunks("ranges of numbers", bytes, 16)?.map(range).collect())
}

pub(crate) fn custody(starts: &[CustodyStart]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for start in starts {
        let holder = &start.holder;
        for number in [start.first, start.newest, holder.incarnation.get()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&start.at.unix_ns().to_le_bytes());
        for name in [holder.clinic.as_str(), holder.driver.as_str()] {
            // Identifiers are far shorter than 64 KiB.
            let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
    }
    bytes
}

pub(crate) fn read_custody(mut bytes: &[u8]) -> Result<Vec<CustodyStart>, StoreError> {
    let mut starts = Vec::new();
    while !bytes.is_empty() {
        let mut eight = || take(&mut bytes, 8).map(number);
        let (first, newest, incarnation, at) = (eight()?, eight()?, eight()?, eight()?);
        let (clinic, driver) = (take_name(&mut bytes)?, take_name(&mut bytes)?);
        starts.push(CustodyStart {
            first,
            newest,
            holder: Holder {
                clinic: ClinicId::parse(&clinic)?,
                driver: DriverId::parse(&driver)?,
                incarnation: JournalIncarnation(incarnation),
            },
            at: Timestamp::from_unix_ns(at.cast_signed())?,
        });
    }
    Ok(starts)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], StoreError> {
    let (one, rest) = bytes
        .split_at_checked(count)
        .ok_or_else(|| StoreError::damaged("who had a gun", "a list ends in the middle"))?;
    *bytes = rest;
    Ok(one)
}

fn take_name(bytes: &mut &[u8]) -> Result<String, StoreError> {
    let length = usize::try_from(number(take(bytes, 2)?)).unwrap_or(usize::MAX);
    let name = take(bytes, length)?.to_vec();
    String::from_utf8(name).map_err(|error| StoreError::damaged("who had a gun", error))
}

pub(crate) fn expected(expected: &[(u64, BlockHash)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(expected.len() * 40);
    for (number, hash) in expected {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&hash.0);
    }
    bytes
}

pub(crate) fn read_expected(bytes: &[u8]) -> Result<Vec<(u64, BlockHash)>, StoreError> {
    let item = |chunk: &[u8]| (number(&chunk[..8]), BlockHash(hash(&chunk[8..])));
    Ok(chunks("expected hashes", bytes, 40)?.map(item).collect())
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(&bytes[..32]);
    hash
}

pub(crate) fn hashes(hashes: &[RecordHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

pub(crate) fn read_hashes(bytes: &[u8]) -> Result<Vec<RecordHash>, StoreError> {
    let item = |chunk: &[u8]| RecordHash(hash(chunk));
    Ok(chunks("record hashes", bytes, 32)?.map(item).collect())
}

pub(crate) fn judgements(judgements: &[Judgement]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for judgement in judgements {
        let one = judgement.canonical_bytes();
        // A judgement has at most a few findings of about twenty bytes.
        let length = u32::try_from(one.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&one);
    }
    bytes
}

pub(crate) fn read_judgements(mut bytes: &[u8]) -> Result<Vec<Judgement>, StoreError> {
    let damaged = || StoreError::damaged("verdicts of a block", "a verdict ends in the middle");
    let mut judgements = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at_checked(4).ok_or_else(damaged)?;
        let length = usize::try_from(number(length)).map_err(|_| damaged())?;
        let (one, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        judgements.push(Judgement::from_canonical(one)?);
        bytes = rest;
    }
    Ok(judgements)
}
