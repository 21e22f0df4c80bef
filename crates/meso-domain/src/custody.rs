//! Who has a gun, from which counter on.

use meso_units::{Epoch, GunSerial, ShotCounter, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder};

/// A driver has a gun from a counter on; whose driver, the header of the block says.
///
/// A driver writes it when it meets a gun in an epoch that is new to it, when others have had the
/// gun since, and when the gun comes back after it was away at the end of a session. It lasts until
/// the custody of another driver begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Custody {
    /// The gun.
    pub gun: GunSerial,
    /// The epoch.
    pub epoch: Epoch,
    /// The first shot that nobody had acknowledged before.
    pub first: ShotCounter,
    /// How far the gun had counted when it greeted; 0 for none.
    pub newest: ShotCounter,
    /// When it greeted.
    pub at: Timestamp,
}

impl Canonical for Custody {
    const KIND: u8 = 7;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.text(self.gun.as_str());
        encoder.u64(self.epoch.get());
        encoder.u32(self.first.get());
        encoder.u32(self.newest.get());
        encoder.timestamp(self.at);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Custody, CanonicalError> {
        Ok(Custody {
            gun: GunSerial::parse(decoder.text("gun")?)?,
            epoch: Epoch(decoder.u64()?),
            first: ShotCounter(decoder.u32()?),
            newest: ShotCounter(decoder.u32()?),
            at: decoder.timestamp()?,
        })
    }
}
