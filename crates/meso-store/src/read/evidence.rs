//! Questions of ingest and report: blocks, the receiver's progress, the ledger.

use std::collections::BTreeSet;

use meso_delivery::{CountersCheckpoint, Receiver, StreamCheckpoint, StreamKey};
use meso_domain::canonical::Canonical as _;
use meso_domain::{
    BlockHash, BlockHeader, BlockPlace, Gap, LedgerEntry, LedgerEntryKind, Record, RoomRetired,
    Stream,
};
use meso_ledger::{Hash, HashKey, HashReader};
use meso_units::{
    BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, SessionId, ShotCounter,
    Timestamp,
};
use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::{Reader, cell};
use crate::commit::{
    BlockRef, EntryRef, InQuarantine, LoadedBlock, LoadedRecord, QuarantineRoom, Unlogged,
};
use crate::shot_row::{bits, from_bits};
use crate::write::quarantine_room;
use crate::{StoreError, pack};

/// Which blocks are wanted; an absent field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockSelection {
    /// Blocks with a record at or after this moment.
    pub from: Option<Timestamp>,
    /// Blocks with a record before this moment.
    pub to: Option<Timestamp>,
    /// Blocks of this gun, and the room's.
    pub gun: Option<GunSerial>,
    /// Blocks of this session.
    pub session: Option<SessionId>,
}

impl Reader<'_> {
    /// The hash of the block that is stored under a place.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn block_hash(&self, place: &BlockPlace) -> Result<Option<BlockHash>, StoreError> {
        let sql = "SELECT b.hash FROM streams t JOIN blocks b ON b.stream = t.id
            WHERE t.driver = ?1 AND t.incarnation = ?2 AND t.stream = ?3 AND b.number = ?4";
        let values = params![
            place.driver.as_str(),
            bits(place.incarnation.get()),
            place.stream.to_string(),
            bits(place.number.get())
        ];
        self.one("find a block", sql, values, |row| {
            Ok(BlockHash(cell(row, 0)?))
        })
    }

    /// What is stored and not logged, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn unlogged(&self, blocks_max: usize, entries_max: usize) -> Result<Unlogged, StoreError> {
        let blocks = "SELECT id, hash FROM blocks WHERE leaf IS NULL ORDER BY id LIMIT ?1";
        let entries =
            "SELECT id, kind, digest FROM entries WHERE leaf IS NULL ORDER BY id LIMIT ?1";
        Ok(Unlogged {
            blocks: self.all("find unlogged blocks", blocks, [blocks_max as i64], |row| {
                Ok((BlockRef(cell(row, 0)?), BlockHash(cell(row, 1)?)))
            })?,
            entries: self.all(
                "find unlogged entries",
                entries,
                [entries_max as i64],
                |row| {
                    let kind = LedgerEntryKind::from_code(cell(row, 1)?)?;
                    let digest = cell(row, 2)?;
                    Ok((EntryRef(cell(row, 0)?), LedgerEntry { kind, digest }))
                },
            )?,
        })
    }

    /// The blocks of a selection in the order of arrival, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn select_blocks(
        &self,
        selection: &BlockSelection,
        limit: u32,
    ) -> Result<Vec<BlockRef>, StoreError> {
        // Only the conditions that are asked for, so that an index can serve them.
        let mut sql = "SELECT b.id FROM blocks b WHERE 1".to_owned();
        let mut values: Vec<Value> = Vec::new();
        let mut narrow = |condition: &str, value: Value| {
            values.push(value);
            sql.push_str(&condition.replace("?", &format!("?{}", values.len())));
        };
        if let Some(from) = selection.from {
            narrow(" AND b.last_at_ns >= ?", from.unix_ns().into());
        }
        if let Some(to) = selection.to {
            narrow(" AND b.first_at_ns < ?", to.unix_ns().into());
        }
        if let Some(gun) = &selection.gun {
            let condition =
                " AND (b.gun IS NULL OR b.gun = (SELECT id FROM guns WHERE serial = ?))";
            narrow(condition, gun.to_string().into());
        }
        if let Some(session) = &selection.session {
            let condition = " AND b.session = (SELECT id FROM sessions WHERE session = ?)";
            narrow(condition, session.as_bytes().to_vec().into());
        }
        narrow(" ORDER BY b.id LIMIT ?", limit.into());
        self.all("select blocks", &sql, params_from_iter(values), |row| {
            Ok(BlockRef(cell(row, 0)?))
        })
    }

    /// Blocks and their hashes among some rows.
    pub(crate) fn blocks_between(
        &self,
        first: i64,
        end: i64,
    ) -> Result<Vec<(BlockRef, BlockHash)>, StoreError> {
        let sql = "SELECT id, hash FROM blocks WHERE id >= ?1 AND id < ?2 ORDER BY id";
        self.all("read blocks", sql, [first, end], |row| {
            Ok((BlockRef(cell(row, 0)?), BlockHash(cell(row, 1)?)))
        })
    }

    /// A block with its records.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read or is not there.
    pub fn load_block(&self, block: BlockRef) -> Result<LoadedBlock, StoreError> {
        let sql = "SELECT y.header, y.record_hashes, y.judgements, b.leaf FROM blocks b
            JOIN block_bodies y ON y.block = b.id WHERE b.id = ?1";
        let row = self.one("read a block", sql, [block.0], |row| {
            let header = BlockHeader::from_canonical(&cell::<Vec<u8>>(row, 0)?)?;
            let hashes = pack::read_hashes(&cell::<Vec<u8>>(row, 1)?)?;
            let judgements = pack::read_judgements(&cell::<Vec<u8>>(row, 2)?)?;
            Ok((header, hashes, judgements, cell::<Option<i64>>(row, 3)?))
        })?;
        let damaged = |detail: &str| StoreError::damaged("a block", detail);
        let (header, hashes, judgements, leaf) = row.ok_or_else(|| damaged("it is not there"))?;
        let mut records: Vec<Option<LoadedRecord>> = vec![None; hashes.len()];
        for (position, record) in self.block_records(block)? {
            let slot = records.get_mut(position);
            *slot.ok_or_else(|| damaged("a record too many"))? = Some(record);
        }
        let records = hashes.into_iter().zip(records).map(|(hash, record)| {
            let record = record.ok_or_else(|| damaged("a record is missing"))?;
            Ok((hash, record))
        });
        Ok(LoadedBlock {
            header,
            records: records.collect::<Result<_, StoreError>>()?,
            judgements,
            leaf: leaf.map(from_bits),
        })
    }

    fn block_records(&self, block: BlockRef) -> Result<Vec<(usize, LoadedRecord)>, StoreError> {
        let position = |row: &Row<'_>, index| -> Result<usize, StoreError> {
            let raw: i64 = cell(row, index)?;
            usize::try_from(raw).map_err(|_| StoreError::damaged("a position", raw))
        };
        let stored = |record| LoadedRecord::Stored(Box::new(record));
        let others = "SELECT position, bytes FROM records WHERE block = ?1";
        let copies = "SELECT position, counter FROM other_copies WHERE block = ?1";
        let spans = self.spans("read shots of a block", "b.id = ?1", [block.0])?;
        let shots = self.take(&spans)?.into_iter().flatten();
        let mut records: Vec<(usize, LoadedRecord)> = shots
            .map(|shelved| (shelved.position, stored(Record::Shot(shelved.shot))))
            .collect();
        let here: BTreeSet<usize> = records.iter().map(|(position, _)| *position).collect();
        let all = spans.iter().flat_map(|span| span.runs.shots());
        let lost = all.filter(|(position, _)| !here.contains(position));
        records.extend(
            lost.map(|(position, counter)| (position, LoadedRecord::Lost(ShotCounter(counter)))),
        );
        records.extend(
            self.all("read records of a block", others, [block.0], |row| {
                let record = Record::from_canonical(&cell::<Vec<u8>>(row, 1)?)?;
                Ok((position(row, 0)?, stored(record)))
            })?,
        );
        records.extend(
            self.all("read copies of a block", copies, [block.0], |row| {
                let counter = LoadedRecord::OtherCopy(ShotCounter(cell(row, 1)?));
                Ok((position(row, 0)?, counter))
            })?,
        );
        Ok(records)
    }

    /// The receiver as it was at the last ledger commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn receiver(&self) -> Result<Receiver, StoreError> {
        let streams = "SELECT driver, incarnation, stream, settled, head_number, head_hash,
            expected FROM streams";
        let counters = "SELECT gun, epoch, held, declared, open_ended_from, known_to, custody
            FROM counters";
        Ok(Receiver::restore(
            self.all("read streams", streams, [], |row| {
                let number: Option<i64> = cell(row, 4)?;
                let hash: Option<[u8; 32]> = cell(row, 5)?;
                Ok(StreamCheckpoint {
                    key: read_key(row)?,
                    settled: pack::read_ranges(&cell::<Vec<u8>>(row, 3)?)?,
                    head: number.zip(hash).map(|(n, h)| (from_bits(n), BlockHash(h))),
                    expected: pack::read_expected(&cell::<Vec<u8>>(row, 6)?)?,
                })
            })?,
            self.all("read counters", counters, [], |row| {
                Ok(CountersCheckpoint {
                    gun: GunSerial::parse(&cell::<String>(row, 0)?)?,
                    epoch: Epoch(from_bits(cell(row, 1)?)),
                    held: pack::read_ranges(&cell::<Vec<u8>>(row, 2)?)?,
                    declared: pack::read_ranges(&cell::<Vec<u8>>(row, 3)?)?,
                    open_ended_from: cell::<Option<i64>>(row, 4)?.map(from_bits),
                    known_to: from_bits(cell(row, 5)?),
                    custody: pack::read_custody(&cell::<Vec<u8>>(row, 6)?)?,
                })
            })?,
        ))
    }

    /// How often bytes of this digest came into quarantine, and whether they are kept there; `None`
    /// where they are not in it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn in_quarantine(&self, digest: &[u8; 32]) -> Result<Option<InQuarantine>, StoreError> {
        let sql = "SELECT seen_count, bytes IS NOT NULL FROM quarantine WHERE digest = ?1";
        self.one("look into the quarantine", sql, [digest], |row| {
            Ok(InQuarantine {
                seen_count: from_bits(cell(row, 0)?),
                has_bytes: cell(row, 1)?,
            })
        })
    }

    /// How much more the quarantine can keep.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn quarantine_room(&self) -> Result<QuarantineRoom, StoreError> {
        quarantine_room(self.connection)
    }

    /// The gaps that the ingest itself has declared and the leaf of each, oldest first, at most
    /// `limit`; those alone that are in no leaf yet, where asked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn declared_gaps(
        &self,
        only_unlogged: bool,
        limit: u32,
    ) -> Result<Vec<(Gap, Option<u64>)>, StoreError> {
        let sql = "SELECT bytes, leaf FROM entries WHERE kind = ?1 AND (leaf IS NULL OR NOT ?2)
            ORDER BY id LIMIT ?3";
        let values = params![LedgerEntryKind::DeclaredGap.code(), only_unlogged, limit];
        self.all("read declared gaps", sql, values, |row| {
            let gap = Gap::from_canonical(&cell::<Vec<u8>>(row, 0)?)?;
            Ok((gap, cell::<Option<i64>>(row, 1)?.map(from_bits)))
        })
    }

    /// The newest rooms that a person has retired, oldest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn retired_rooms(&self, limit: u32) -> Result<Vec<RoomRetired>, StoreError> {
        let sql = "SELECT bytes FROM (SELECT id, bytes FROM entries WHERE kind = ?1
            ORDER BY id DESC LIMIT ?2) ORDER BY id";
        let values = params![LedgerEntryKind::RoomRetired.code(), limit];
        self.all("read retired rooms", sql, values, |row| {
            Ok(RoomRetired::from_canonical(&cell::<Vec<u8>>(row, 0)?)?)
        })
    }

    /// Every stream of which a block is stored, and its clinic.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they cannot be read.
    pub fn streams(&self) -> Result<Vec<(ClinicId, StreamKey)>, StoreError> {
        let sql = "SELECT driver, incarnation, stream, clinic FROM streams WHERE clinic <> ''";
        self.all("read streams", sql, [], |row| {
            Ok((ClinicId::parse(&cell::<String>(row, 3)?)?, read_key(row)?))
        })
    }

    /// The block of a room that holds events of this session and was sealed last, whatever came first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn room_block_of(&self, session: SessionId) -> Result<Option<BlockPlace>, StoreError> {
        let sql = "SELECT t.driver, t.incarnation, t.stream, b.number FROM sessions e
            JOIN blocks b ON b.session = e.id JOIN streams t ON t.id = b.stream
            WHERE e.session = ?1 AND t.stream = ?2 ORDER BY t.id DESC, b.number DESC LIMIT 1";
        let values = params![session.as_bytes(), Stream::Room.to_string()];
        self.one("find the end of a session", sql, values, |row| {
            Ok(read_key(row)?.place(BlockNumber(from_bits(cell(row, 3)?))))
        })
    }

    /// How many leaves the ledger has.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn leaf_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(leaf) + 1, 0) FROM leaves";
        let size = self.one("read the size of the ledger", sql, [], |row| {
            Ok(from_bits(cell(row, 0)?))
        })?;
        Ok(size.unwrap_or(0))
    }

    /// The bytes of a leaf.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn leaf(&self, leaf: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT bytes FROM leaves WHERE leaf = ?1";
        self.one("read a leaf", sql, [bits(leaf)], |row| cell(row, 0))
    }

    /// The newest signed checkpoint.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM meta WHERE key = 'checkpoint'";
        let bytes = self.one("read the checkpoint", sql, [], |row| {
            cell::<Vec<u8>>(row, 0)
        })?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|error| StoreError::damaged("the checkpoint", error))
    }
}

fn read_key(row: &Row<'_>) -> Result<StreamKey, StoreError> {
    Ok(StreamKey {
        driver: DriverId::parse(&cell::<String>(row, 0)?)?,
        incarnation: JournalIncarnation(from_bits(cell(row, 1)?)),
        stream: Stream::parse(&cell::<String>(row, 2)?)?,
    })
}

impl HashReader for Reader<'_> {
    type Error = StoreError;

    fn read_hashes(&self, keys: &[HashKey]) -> Result<Vec<Option<Hash>>, StoreError> {
        let sql = "SELECT hash FROM hashes WHERE level = ?1 AND idx = ?2";
        keys.iter()
            .map(|key| {
                let values = params![key.level, bits(key.index)];
                self.one("read a hash of the ledger", sql, values, |row| {
                    Ok(Hash::from_bytes(cell(row, 0)?))
                })
            })
            .collect()
    }
}
