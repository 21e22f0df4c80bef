//! Which complete subtrees make up a stretch of leaves.

use crate::error::ReadError;
use crate::hash::{Hash, HashKey, HashReader, node_hash};

/// The largest power of two below `count`; `count` is at least 2.
pub(crate) const fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// A stretch of leaves whose hash is asked for: `first` up to but not including `end`.
///
/// Every stretch in this crate begins at a multiple of the power of two that is at least as long
/// as it, so the binary digits of its length name its complete subtrees from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) first: u64,
    pub(crate) end: u64,
}

impl Stretch {
    pub(crate) const fn length(self) -> u64 {
        self.end - self.first
    }

    /// The complete subtrees, from the left, that is the largest first.
    pub(crate) fn keys(self) -> impl Iterator<Item = HashKey> {
        let mut first = self.first;
        let length = self.length();
        (0..u64::BITS as u8)
            .rev()
            .filter(move |level| length >> level & 1 == 1)
            .map(move |level| {
                let key = HashKey {
                    level,
                    index: first >> level,
                };
                first += 1 << level;
                key
            })
    }
}

/// The root over subtrees from the left: the smallest two are joined first.
pub(crate) fn fold(subtrees: &[Hash]) -> Option<Hash> {
    subtrees
        .iter()
        .copied()
        .rev()
        .reduce(|right, left| node_hash(left, right))
}

/// The hashes of the stretches, read with one question to the storage.
pub(crate) fn read_stretches<R: HashReader>(
    stretches: &[Stretch],
    reader: &R,
) -> Result<Vec<Hash>, ReadError<R::Error>> {
    let keys: Vec<HashKey> = stretches
        .iter()
        .flat_map(|stretch| stretch.keys())
        .collect();
    let subtrees = read_all(&keys, reader)?;
    let mut rest = subtrees.as_slice();
    let mut hashes = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let (mine, others) = rest.split_at(stretch.length().count_ones() as usize);
        hashes.extend(fold(mine));
        rest = others;
    }
    Ok(hashes)
}

/// The hashes of the keys, none of them missing.
pub(crate) fn read_all<R: HashReader>(
    keys: &[HashKey],
    reader: &R,
) -> Result<Vec<Hash>, ReadError<R::Error>> {
    let read = reader
        .read_hashes(keys)
        .map_err(|source| ReadError::Storage { source })?;
    // A reader that answers too few is treated as one that lacks the rest.
    let answers = read.into_iter().chain(core::iter::repeat(None));
    keys.iter()
        .zip(answers)
        .map(|(key, hash)| hash.ok_or(ReadError::Missing { key: *key }))
        .collect()
}
