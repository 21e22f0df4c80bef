//! What goes in and what comes out.

use meso_delivery::{CutContext, StreamPosition};
use meso_domain::{BlockHash, Judgement, Record, Stream};
use meso_units::{
    BlockNumber, ClinicId, DriverId, Epoch, GunSerial, JournalIncarnation, SessionId, ShotCounter,
    Timestamp,
};

/// Whose journal it is; part of every block header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The clinic.
    pub clinic: ClinicId,
    /// The driver.
    pub driver: DriverId,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The stream that it goes into.
    pub stream: Stream,
    /// The record.
    pub record: Record,
    /// The edge's verdict; there for a shot and for nothing else.
    pub judgement: Option<Judgement>,
    /// The session that it belongs to, if any.
    pub session: Option<SessionId>,
}

/// A frame that said something impossible, to be kept with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedFrame {
    /// When it arrived.
    pub at: Timestamp,
    /// The gun, where it is known.
    pub gun: Option<GunSerial>,
    /// Epoch and counter, where they could be read.
    pub shot: Option<(Epoch, ShotCounter)>,
    /// Why, for people.
    pub reason: String,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

/// What is written together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records, in the order of their arrival.
    pub records: Vec<NewRecord>,
    /// Frames for the quarantine.
    pub quarantined: Vec<QuarantinedFrame>,
    /// Small named values: each replaces the value of that name.
    pub values: Vec<(String, Vec<u8>)>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written under this number of its stream.
    Recorded {
        /// Counts the records of the stream from 1.
        sequence: u64,
    },
    /// It is held already, with the same measured fields: nothing was written.
    Known,
    /// A shot of this identity is held with other measured fields: the new one went into
    /// quarantine.
    Conflict,
}

/// How far the journal holds the shots of a gun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The gun.
    pub gun: GunSerial,
    /// Its epoch.
    pub epoch: Epoch,
    /// Every counter up to here is a shot in the journal or a gap with a name; 0 for none.
    pub contiguous: ShotCounter,
}

/// The answer to a batch, after the disk has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// What became of each record, in their order.
    pub outcomes: Vec<Outcome>,
    /// Where each gun of the batch stands now.
    pub positions: Vec<Position>,
}

/// A block that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// Its stream.
    pub stream: Stream,
    /// Its number.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: BlockHash,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// The number of its last record in the stream.
    pub last_sequence: u64,
}

/// How many records a stream has had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamExtent {
    /// The stream.
    pub stream: Stream,
    /// The number of its newest record; 0 for none.
    pub newest_sequence: u64,
    /// The number of the last record that the ingest has settled with all before it.
    pub settled_sequence: u64,
}

/// A record that is in no block yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// Its stream.
    pub stream: Stream,
    /// Its number in the stream.
    pub sequence: u64,
    /// What it must have in common with the others of its block.
    pub context: CutContext,
}

/// What is known of one gun and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GunRecovery {
    /// Gun, epoch and how far they are held.
    pub position: Position,
    /// The time of the newest shot that is still here.
    pub newest_at: Option<Timestamp>,
}

/// What a start begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The life of this journal.
    pub incarnation: JournalIncarnation,
    /// Where each stream stands.
    pub positions: Vec<StreamPosition>,
    /// How many records each stream has had.
    pub extents: Vec<StreamExtent>,
    /// Records that are in no block yet, by stream and number.
    pub unsealed: Vec<Unsealed>,
    /// What is held of each gun and epoch.
    pub guns: Vec<GunRecovery>,
}
