//! Store-and-forward as two pure state machines: the driver's [`Sender`], the ingest's [`Receiver`].
//!
//! A [`Cutter`] decides when journalled records are sealed into a block. The sender decides which
//! blocks are on their way and when one is sent again; only the ingest's watermark settles a block.
//! The receiver decides what is new, what is a duplicate and what is missing. [`Inquiries`] asks
//! everybody who may have what is missing, and says when it is gone everywhere.
//!
//! It is **not** a transport: nothing here opens a connection, reads a clock, waits or stores.
//! Events and the time come in, effects go out, and the same events give the same effects.
//!
//! Read first: [`Sender`], [`Cutter`], [`Receiver`], [`Inquiries`].
//!
//! ```
//! use meso_delivery::{Effect, Sender, SenderEvent};
//! use meso_domain::{BlockHash, Stream};
//! use meso_units::{BlockNumber, DriverId, JournalIncarnation, Timestamp};
//!
//! let mut sender = Sender::new(DriverId::parse("room-1")?, JournalIncarnation(7));
//! let (stream, hash) = (Stream::Room, BlockHash([1; 32]));
//! let sealed_at = Timestamp::from_unix_ns(0)?;
//! let sealed = SenderEvent::Sealed { stream, number: BlockNumber(1), hash, sealed_at };
//! assert!(sender.step(0, 0, sealed).is_empty(), "there is no connection yet");
//! let effects = sender.step(10, 0, SenderEvent::Connected);
//! assert!(matches!(effects[0], Effect::Publish(_)));
//! # Ok::<(), meso_units::UnitError>(())
//! ```

mod cutter;
mod inquiry;
mod receiver;
mod sender;

pub use cutter::{CutContext, CutLimits, Cutter, Haste};
pub use inquiry::{Answer, Conclusion, Doubt, Inquiries, Question};
pub use receiver::{
    Arrival, Changes, Counters, CountersCheckpoint, CustodyInterval, CustodyStart, Holder, Hole,
    Link, Offer, Range, RangeSet, Receiver, Settled, Standing, StreamCheckpoint, StreamKey,
};
pub use sender::{
    Effect, Sender, SenderEvent, SettledBlock, StreamPosition, UnsettledBlock, Watermark,
};
