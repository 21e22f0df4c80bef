//! What a session amounts to for the later sessions of its patient.

use std::collections::BTreeSet;

use meso_units::{Nanolitres, PatientCommitment, ProtocolId, SessionId, Timestamp};

use super::Day;
use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder};

/// How many lists the patients of a clinic are told in: a room that holds a list knows of each
/// patient in it, and that others of that list were not treated.
pub const PATIENT_LIST_COUNT: u8 = 64;

/// The list that a patient belongs to, 0 to [`PATIENT_LIST_COUNT`] - 1: the six highest bits of the
/// commitment, which is as good as random.
pub const fn patient_list_of(patient: &PatientCommitment) -> u8 {
    patient.as_bytes()[0] >> 2
}

/// A session in which somebody was treated, as rules about courses and intervals ask for it.
///
/// It is no record: room and server each make it from what they have of the session, so it can be
/// short of what is still on its way. Two of one session are joined by [`EarlierSession::join`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EarlierSession {
    /// The session.
    pub session: SessionId,
    /// When it began.
    pub opened_at: Timestamp,
    /// On which day, in the clinic's time zone.
    pub day: Day,
    /// Its protocol.
    pub protocol: ProtocolId,
    /// What was injected, by guns and by hand, as far as it is known.
    pub volume: Nanolitres,
    /// The zones that were treated, in lower case.
    pub zones: BTreeSet<String>,
    /// The drugs that were given, in lower case, by the names under which they were given.
    pub drugs: BTreeSet<String>,
    /// There were more names than [`EarlierSession::NAME_COUNT_MAX`]; nobody may conclude from such
    /// a session that something was not given.
    pub is_cut: bool,
}

impl EarlierSession {
    /// The most zones, and the most drugs, that are kept of a session.
    pub const NAME_COUNT_MAX: usize = 64;

    /// Keeps to [`EarlierSession::NAME_COUNT_MAX`], and says where it had to.
    #[must_use]
    pub fn cut(mut self) -> EarlierSession {
        for names in [&mut self.zones, &mut self.drugs] {
            while names.len() > EarlierSession::NAME_COUNT_MAX {
                names.pop_last();
                self.is_cut = true;
            }
        }
        self
    }

    /// Takes over what another account of the same session has more.
    pub fn join(&mut self, other: &EarlierSession) {
        self.opened_at = self.opened_at.min(other.opened_at);
        self.volume = self.volume.max(other.volume);
        self.zones.extend(other.zones.iter().cloned());
        self.drugs.extend(other.drugs.iter().cloned());
        self.is_cut |= other.is_cut;
    }
}

fn names(
    decoder: &mut Decoder<'_>,
    field: &'static str,
) -> Result<BTreeSet<String>, CanonicalError> {
    let names = decoder.list(field, |d| Ok(d.text(field)?.to_owned()))?;
    Ok(names.into_iter().collect())
}

impl Canonical for EarlierSession {
    const KIND: u8 = 11;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.fixed(self.session.as_bytes());
        encoder.timestamp(self.opened_at);
        encoder.i64(self.day);
        encoder.text(self.protocol.as_str());
        encoder.u64(self.volume.get());
        for names in [&self.zones, &self.drugs] {
            let names: Vec<&String> = names.iter().collect();
            encoder.list(&names, |e, name| e.text(name));
        }
        encoder.u8(u8::from(self.is_cut));
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<EarlierSession, CanonicalError> {
        Ok(EarlierSession {
            session: SessionId::from_bytes(decoder.fixed()?),
            opened_at: decoder.timestamp()?,
            day: decoder.i64()?,
            protocol: ProtocolId::parse(decoder.text("protocol")?)?,
            volume: Nanolitres::new(decoder.u64()?)?,
            zones: names(decoder, "zone")?,
            drugs: names(decoder, "drug")?,
            is_cut: super::codec::flag(decoder, "cut")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earlier() -> EarlierSession {
        EarlierSession {
            session: SessionId::from_bytes([5; 16]),
            opened_at: Timestamp::from_unix_ns(1_748_736_000_000_000_000).unwrap(),
            day: 20_240,
            protocol: ProtocolId::parse("mesolift-face").unwrap(),
            volume: Nanolitres::new(80_000).unwrap(),
            zones: ["cheek".to_owned()].into(),
            drugs: ["lidocaine".to_owned(), "hyaluronic acid".to_owned()].into(),
            is_cut: false,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = earlier().canonical_bytes();
        assert_eq!(EarlierSession::from_canonical(&bytes), Ok(earlier()));
        for end in 0..bytes.len() {
            assert!(EarlierSession::from_canonical(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn two_accounts_of_a_session_give_what_either_knows() {
        let mut room = earlier();
        let mut server = earlier();
        server.volume = Nanolitres::new(90_000).unwrap();
        server.zones = ["neck".to_owned()].into();
        server.drugs.clear();
        room.join(&server);
        let mut other_way = server.clone();
        other_way.join(&earlier());
        assert_eq!(room, other_way);
        assert_eq!(
            (room.volume.get(), room.zones.len(), room.drugs.len()),
            (90_000, 2, 2)
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_and_said_to_be() {
        let mut many = earlier();
        many.zones = (0..=EarlierSession::NAME_COUNT_MAX)
            .map(|n| n.to_string())
            .collect();
        let cut = many.cut();
        assert_eq!(
            (cut.zones.len(), cut.is_cut),
            (EarlierSession::NAME_COUNT_MAX, true)
        );
        assert!(!earlier().cut().is_cut);
    }

    #[test]
    fn a_patient_belongs_to_one_of_the_lists() {
        assert_eq!(
            patient_list_of(&PatientCommitment::from_bytes([0xff; 32])),
            PATIENT_LIST_COUNT - 1
        );
        assert_eq!(patient_list_of(&PatientCommitment::from_bytes([3; 32])), 0);
    }
}
