//! Which blocks of a file the server has settled: these very blocks, and not only their numbers.
//!
//! A journal that was put back to an older copy gives numbers a second time, and the server may hold
//! the first block of a number. So a watermark names the last block of each run by its hash, and a
//! run counts where the file has that block. What lies below a block that the file does not have is
//! not proven: it is sent, so that a block which differs ends in the server's quarantine, and it is
//! never said to be settled.

use std::collections::BTreeMap;

use anyhow::bail;
use meso_contract::{NumberedHash, WatermarkMessage};
use meso_domain::{BlockHash, RecordBlock, Stream};
use meso_units::BlockNumber;

/// What the server has done with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing that it has told.
    Open,
    /// It is in store and ledger.
    Settled,
    /// A block of its number is, in a run that ends beyond the file.
    Unproven,
}

/// A hash, and whether the file has the block or only the next one, which names it.
#[derive(Clone, Copy, Debug)]
struct Known {
    hash: BlockHash,
    is_here: bool,
}

/// The blocks of a file and what the server has said of them. It holds about 100 bytes for each
/// block, and a file has no more of them than a journal.
#[derive(Debug, Default)]
pub(super) struct Settled {
    known: BTreeMap<Stream, BTreeMap<u64, Known>>,
    /// The newest watermark of each stream.
    marks: BTreeMap<Stream, WatermarkMessage>,
}

impl Settled {
    /// Takes note of a block of the file.
    pub(super) fn know(&mut self, block: &RecordBlock) {
        let header = block.header();
        let (number, previous) = (header.place.number.get(), header.previous);
        self.know_hashes(&header.place.stream, number, block.hash(), previous);
    }

    fn know_hashes(
        &mut self,
        stream: &Stream,
        number: u64,
        hash: BlockHash,
        previous: Option<BlockHash>,
    ) {
        let known = self.known.entry(stream.clone()).or_default();
        known.insert(
            number,
            Known {
                hash,
                is_here: true,
            },
        );
        if let (Some(before), Some(hash)) = (number.checked_sub(1), previous) {
            known.entry(before).or_insert(Known {
                hash,
                is_here: false,
            });
        }
    }

    /// Takes a watermark over.
    ///
    /// # Errors
    ///
    /// The server holds another block under a number of the file: nothing of the watermark counts.
    pub(super) fn hear(&mut self, stream: Stream, mark: WatermarkMessage) -> anyhow::Result<()> {
        let known = self.known.get(&stream);
        for named in &mark.settled_hashes {
            let own = known.and_then(|known| known.get(&named.number));
            if own.is_some_and(|own| !is_named(named, own.hash)) {
                bail!(
                    "the server holds another block {} of {stream} than the file: the journal was put \
                     back to an older copy after it had sent blocks; start its driver, which begins a \
                     new life of the journal and sends everything under that, or export it again then",
                    named.number
                );
            }
        }
        self.marks.insert(stream, mark);
        Ok(())
    }

    /// What the server has done with a block.
    pub(super) fn standing(&self, stream: &Stream, number: BlockNumber) -> Standing {
        let Some((mark, run)) = self
            .marks
            .get(stream)
            .and_then(|mark| Some((mark, run_of(mark, number.get())?)))
        else {
            return Standing::Open;
        };
        let named = mark.settled_hashes.iter();
        let named = named.filter(|named| run.contains(&named.number));
        // An ingest that names no block of a run says no more than the numbers.
        let Some(named) = named.max_by_key(|named| named.number) else {
            return Standing::Settled;
        };
        let own = self.known.get(stream);
        match own.and_then(|own| own.get(&named.number)) {
            Some(own) if is_named(named, own.hash) => Standing::Settled,
            _ => Standing::Unproven,
        }
    }

    /// How many blocks of the file are not proven to be those that the server has.
    pub(super) fn unproven_count(&self) -> usize {
        let blocks = self.known.iter().flat_map(|(stream, known)| {
            let here = known.iter().filter(|(_, known)| known.is_here);
            here.map(move |(number, _)| self.standing(stream, BlockNumber(*number)))
        });
        blocks
            .filter(|standing| *standing == Standing::Unproven)
            .count()
    }
}

fn is_named(named: &NumberedHash, hash: BlockHash) -> bool {
    // A watermark whose hashes do not read is refused before.
    named.block_hash().is_ok_and(|named| named == hash)
}

/// The run of settled numbers that has this one.
fn run_of(mark: &WatermarkMessage, number: u64) -> Option<std::ops::RangeInclusive<u64>> {
    let ranges = mark.settled_ranges.iter().map(|it| it.first..=it.last);
    std::iter::once(1..=mark.settled_to)
        .chain(ranges)
        .find(|run| run.contains(&number))
}

#[cfg(test)]
mod tests {
    use meso_contract::NumberRange;
    use meso_units::JournalIncarnation;

    use super::*;

    fn hash(of: u8) -> BlockHash {
        BlockHash([of; 32])
    }

    /// A file with blocks 51 to 53.
    fn file() -> Settled {
        let mut settled = Settled::default();
        for number in 51..=53 {
            let previous = Some(hash(number - 1));
            settled.know_hashes(&Stream::Room, number.into(), hash(number), previous);
        }
        settled
    }

    fn mark(to: u64, ranges: &[(u64, u64)], named: &[(u64, BlockHash)]) -> WatermarkMessage {
        let mut mark = WatermarkMessage::new(JournalIncarnation(7), 1, 1);
        mark.settled_to = to;
        let ranges = ranges
            .iter()
            .map(|&(first, last)| NumberRange { first, last });
        mark.settled_ranges = ranges.collect();
        let named = named
            .iter()
            .map(|(number, hash)| NumberedHash::new(*number, hash));
        mark.settled_hashes = named.collect();
        mark
    }

    fn standings(settled: &Settled) -> Vec<Standing> {
        let numbers = (51..=53).map(BlockNumber);
        numbers
            .map(|number| settled.standing(&Stream::Room, number))
            .collect()
    }

    #[test]
    fn a_run_that_ends_with_a_block_of_the_file_is_settled() {
        use Standing::{Open, Settled};
        let mut heard = file();
        assert_eq!(standings(&heard), [Open; 3]);
        let one = mark(51, &[(53, 53)], &[(51, hash(51)), (53, hash(53))]);
        heard.hear(Stream::Room, one).unwrap();
        assert_eq!(standings(&heard), [Settled, Open, Settled]);
        let all = mark(53, &[], &[(53, hash(53))]);
        heard.hear(Stream::Room, all).unwrap();
        assert_eq!(standings(&heard), [Settled; 3]);
        assert_eq!(heard.unproven_count(), 0);
    }

    #[test]
    fn another_block_under_a_number_of_the_file_settles_nothing() {
        let mut settled = file();
        let other = mark(53, &[], &[(53, hash(99))]);
        let refused = settled.hear(Stream::Room, other).unwrap_err();
        assert!(refused.to_string().contains("block 53"), "{refused}");
        assert_eq!(standings(&settled), [Standing::Open; 3]);
        // Block 51 names the one before it.
        let before = mark(50, &[], &[(50, hash(99))]);
        assert!(settled.hear(Stream::Room, before).is_err());
        assert!(
            settled
                .hear(Stream::Room, mark(50, &[], &[(50, hash(50))]))
                .is_ok()
        );
    }

    #[test]
    fn what_lies_below_a_block_that_the_file_lacks_is_not_proven() {
        let mut settled = file();
        let beyond = mark(60, &[], &[(60, hash(60))]);
        settled.hear(Stream::Room, beyond).unwrap();
        assert_eq!(standings(&settled), [Standing::Unproven; 3]);
        assert_eq!(settled.unproven_count(), 3);
    }

    #[test]
    fn an_ingest_that_names_no_blocks_is_believed_by_numbers() {
        let mut settled = file();
        settled.hear(Stream::Room, mark(53, &[], &[])).unwrap();
        assert_eq!(standings(&settled), [Standing::Settled; 3]);
    }
}
