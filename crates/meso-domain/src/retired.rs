//! A room whose computer never comes back.

use meso_units::{ClinicId, DriverId, JournalIncarnation, OperatorId, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder};

/// A person says that a room's journals never come back, and that nobody waits for them any more.
///
/// The ledger has it by its hash, beside the gaps that were declared by it. What comes from the room
/// after all is stored as any other.
///
/// ```
/// use meso_domain::RoomRetired;
/// use meso_domain::canonical::Canonical as _;
/// use meso_units::{ClinicId, DriverId, JournalIncarnation, OperatorId, Timestamp};
///
/// let retired = RoomRetired {
///     clinic: ClinicId::parse("riverside")?,
///     driver: DriverId::parse("room-2")?,
///     journals: vec![JournalIncarnation(7)],
///     by: OperatorId::parse("op-1")?,
///     reason: "the computer was stolen".to_owned(),
///     gap_count: 1,
///     shot_count: 12,
///     at: Timestamp::UNIX_EPOCH,
/// };
/// assert_eq!(RoomRetired::from_canonical(&retired.canonical_bytes())?, retired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoomRetired {
    /// The clinic.
    pub clinic: ClinicId,
    /// The room, by its driver.
    pub driver: DriverId,
    /// The lives of its journal that are given up, at most [`RoomRetired::JOURNAL_COUNT_MAX`].
    pub journals: Vec<JournalIncarnation>,
    /// Who says so.
    pub by: OperatorId,
    /// Why, in words that name no patient.
    pub reason: String,
    /// How many gaps were declared by it.
    pub gap_count: u32,
    /// How many shots these are.
    pub shot_count: u64,
    /// When.
    pub at: Timestamp,
}

impl RoomRetired {
    /// The most lives of a journal that one act gives up: a computer that lost its disk every month
    /// for five years. A room with more is retired more than once.
    pub const JOURNAL_COUNT_MAX: usize = 64;
}

impl Canonical for RoomRetired {
    const KIND: u8 = 18;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.text(self.clinic.as_str());
        encoder.text(self.driver.as_str());
        encoder.list(&self.journals, |e, journal| e.u64(journal.get()));
        encoder.text(self.by.as_str());
        encoder.text(&self.reason);
        encoder.u32(self.gap_count);
        encoder.u64(self.shot_count);
        encoder.timestamp(self.at);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<RoomRetired, CanonicalError> {
        Ok(RoomRetired {
            clinic: ClinicId::parse(decoder.text("clinic")?)?,
            driver: DriverId::parse(decoder.text("driver")?)?,
            journals: decoder.list("journals", |d| Ok(JournalIncarnation(d.u64()?)))?,
            by: OperatorId::parse(decoder.text("by")?)?,
            reason: decoder.text("reason")?.to_owned(),
            gap_count: decoder.u32()?,
            shot_count: decoder.u64()?,
            at: decoder.timestamp()?,
        })
    }
}
