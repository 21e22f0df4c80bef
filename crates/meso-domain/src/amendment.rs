//! A correction that points at its original.

use meso_units::{OperatorId, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder, RecordHash};

/// A signed correction: the original stays, both values stay visible.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Amendment {
    /// The record that is corrected.
    pub original: RecordHash,
    /// Who corrects it.
    pub by: OperatorId,
    /// When.
    pub at: Timestamp,
    /// Why, in a sentence.
    pub reason: String,
    /// The field that is corrected.
    pub field: String,
    /// The value before, as shown to people.
    pub old_value: String,
    /// The value after, as shown to people.
    pub new_value: String,
    /// Ed25519 signature of the person over the canonical bytes without this field; as long as the
    /// person has no key, [`Amendment::UNSIGNED`].
    pub signature: [u8; 64],
}

impl Amendment {
    /// In the place of a signature: nobody signed.
    pub const UNSIGNED: [u8; 64] = [0; 64];

    /// The bytes that [`Amendment::signature`] signs.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.u8(Amendment::KIND);
        encoder.u8(1);
        self.encode_unsigned(&mut encoder);
        encoder.into_bytes()
    }

    fn encode_unsigned(&self, encoder: &mut Encoder) {
        encoder.fixed(&self.original.0);
        encoder.text(self.by.as_str());
        encoder.timestamp(self.at);
        encoder.text(&self.reason);
        encoder.text(&self.field);
        encoder.text(&self.old_value);
        encoder.text(&self.new_value);
    }
}

impl Canonical for Amendment {
    const KIND: u8 = 4;

    fn encode_fields(&self, encoder: &mut Encoder) {
        self.encode_unsigned(encoder);
        encoder.fixed(&self.signature);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<Amendment, CanonicalError> {
        Ok(Amendment {
            original: RecordHash(decoder.fixed()?),
            by: OperatorId::parse(decoder.text("amended by")?)?,
            at: decoder.timestamp()?,
            reason: decoder.text("reason")?.to_owned(),
            field: decoder.text("field")?.to_owned(),
            old_value: decoder.text("old value")?.to_owned(),
            new_value: decoder.text("new value")?.to_owned(),
            signature: decoder.fixed()?,
        })
    }
}
