//! A verdict on a session that changed after the fact.

use meso_units::{LibraryVersion, SessionId, Timestamp};

use crate::Finding;
use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder};

/// What is said of one rule over a whole session changed, because shots came late, were claimed, or
/// an event was corrected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LateVerdict {
    /// The session.
    pub session: SessionId,
    /// When it became known.
    pub at: Timestamp,
    /// The release of the protocol library; `None` where none is in force.
    pub library: Option<LibraryVersion>,
    /// The version of the limit engine.
    pub engine: u16,
    /// What was said before; `None` where the rule had passed or did not apply.
    pub before: Option<Finding>,
    /// What is said now; `None` where the rule passes.
    pub after: Option<Finding>,
}

impl Canonical for LateVerdict {
    const KIND: u8 = 10;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.fixed(self.session.as_bytes());
        encoder.timestamp(self.at);
        encoder.option(self.library.as_ref(), |e, version| e.u32(version.get()));
        encoder.u16(self.engine);
        encoder.option(self.before.as_ref(), |e, finding| finding.write(e));
        encoder.option(self.after.as_ref(), |e, finding| finding.write(e));
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<LateVerdict, CanonicalError> {
        Ok(LateVerdict {
            session: SessionId::from_bytes(decoder.fixed()?),
            at: decoder.timestamp()?,
            library: decoder.option(|d| Ok(LibraryVersion(d.u32()?)))?,
            engine: decoder.u16()?,
            before: decoder.option(Finding::read)?,
            after: decoder.option(Finding::read)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bound, Rule, Severity};

    #[test]
    fn what_is_written_is_read_back() {
        let late = LateVerdict {
            session: SessionId::from_bytes([5; 16]),
            at: Timestamp::from_unix_ns(7).unwrap(),
            library: Some(LibraryVersion(3)),
            engine: 2,
            before: None,
            after: Some(Finding {
                rule: Rule::SessionVolume,
                severity: Severity::Hard,
                bound: Some(Bound::Maximum),
                value: 7_000_000,
                limit: 5_000_000,
                reason: None,
            }),
        };
        let bytes = late.canonical_bytes();
        assert_eq!(LateVerdict::from_canonical(&bytes), Ok(late));
        for end in 0..bytes.len() {
            assert!(LateVerdict::from_canonical(&bytes[..end]).is_err());
        }
    }
}
