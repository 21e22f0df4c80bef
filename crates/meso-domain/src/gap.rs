//! What is missing, by name.

use meso_units::{Epoch, GunSerial, ShotCounter, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, coded};

/// Whether a hole may still be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapState {
    /// A driver that held the gun may still bring the shots.
    Awaited,
    /// The shots are gone everywhere.
    Declared,
    /// They arrived after all.
    FilledLater,
}

coded!(GapState, "gap state",
    Awaited = 1, "awaited";
    Declared = 2, "declared";
    FilledLater = 3, "filled later";
);

/// Why shots are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// Not known yet.
    Unknown,
    /// The gun's ring overwrote them before a driver had them.
    RingOverflow,
    /// The epoch closed without proof of its last counter.
    EpochClosed,
    /// The record was refused and is kept in quarantine.
    Quarantined,
    /// The gun does not count its shots: this host numbered those that it heard of, and what it did
    /// not hear of has no number.
    NotCounted,
    /// No journal has them, and neither has the gun.
    GoneEverywhere,
    /// Only a room may have them whose computer never comes back, as a person has said.
    RoomRetired,
}

coded!(GapReason, "gap reason",
    Unknown = 1, "unknown";
    RingOverflow = 2, "ring overflow";
    EpochClosed = 3, "epoch closed";
    Quarantined = 4, "quarantined";
    NotCounted = 5, "not counted by the gun";
    GoneEverywhere = 6, "gone everywhere";
    RoomRetired = 7, "room retired";
);

/// A named hole in the counters of one gun and epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The gun.
    pub gun: GunSerial,
    /// The epoch.
    pub epoch: Epoch,
    /// The first missing counter.
    pub first: ShotCounter,
    /// The last missing counter; `None` says "from `first` on, count unknown".
    pub last: Option<ShotCounter>,
    /// Whether it may still be filled.
    pub state: GapState,
    /// Why.
    pub reason: GapReason,
    /// When this was found.
    pub at: Timestamp,
}

impl Gap {
    /// How many shots are missing; `None` where nobody can know.
    pub fn shot_count(&self) -> Option<u64> {
        self.last
            .map(|last| u64::from(last.get().saturating_sub(self.first.get())) + 1)
    }
}

impl Canonical for Gap {
    const KIND: u8 = 3;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.text(self.gun.as_str());
        encoder.u64(self.epoch.get());
        encoder.u32(self.first.get());
        encoder.option(self.last.as_ref(), |e, v| e.u32(v.get()));
        encoder.u8(self.state.code());
        encoder.u8(self.reason.code());
        encoder.timestamp(self.at);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Gap, CanonicalError> {
        Ok(Gap {
            gun: GunSerial::parse(decoder.text("gun")?)?,
            epoch: Epoch(decoder.u64()?),
            first: ShotCounter(decoder.u32()?),
            last: decoder.option(|d| Ok(ShotCounter(d.u32()?)))?,
            state: GapState::from_code(decoder.u8()?)?,
            reason: GapReason::from_code(decoder.u8()?)?,
            at: decoder.timestamp()?,
        })
    }
}
