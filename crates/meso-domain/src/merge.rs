//! Two ids of one patient, and whom they lead to.

use std::collections::{BTreeMap, BTreeSet};

use meso_units::{PatientCommitment, Timestamp};

use crate::canonical::{Canonical, CanonicalError, Decoder, Encoder};

/// A room learnt that an id which it made for a patient is one of two: another room had made one for
/// the same code, out of its sight.
///
/// Sealed sessions keep the commitment that they were opened under. It is a record of the room and
/// of no session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PatientMerged {
    /// The id that gives way, by commitment.
    pub from: PatientCommitment,
    /// The id that further sessions carry, by commitment.
    pub into: PatientCommitment,
    /// When the room learnt it, by the clock of its computer.
    pub at: Timestamp,
}

impl Canonical for PatientMerged {
    const KIND: u8 = 12;

    fn encode_fields(&self, encoder: &mut Encoder) {
        encoder.fixed(self.from.as_bytes());
        encoder.fixed(self.into.as_bytes());
        encoder.timestamp(self.at);
    }

    fn decode_fields(decoder: &mut Decoder<'_>) -> Result<PatientMerged, CanonicalError> {
        Ok(PatientMerged {
            from: PatientCommitment::from_bytes(decoder.fixed()?),
            into: PatientCommitment::from_bytes(decoder.fixed()?),
            at: decoder.timestamp()?,
        })
    }
}

/// Why a merge is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeRefused {
    /// The patient would have too many ids.
    #[error(
        "a patient would have {count} ids, the limit is {}: compare the patients' keys of the rooms",
        PatientMerges::IDS_PER_PATIENT_MAX
    )]
    TooManyIds {
        /// How many.
        count: usize,
    },
    /// Too many ids are merged already.
    #[error(
        "{count} ids of patients would be merged, the limit is {}: earlier sessions of this one are \
         told under each of its ids apart",
        PatientMerges::IDS_MAX
    )]
    TooManyPatients {
        /// How many.
        count: usize,
    },
}

/// The ids of one patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    members: BTreeSet<PatientCommitment>,
    /// Those that gave way to another one.
    left: BTreeSet<PatientCommitment>,
}

/// Which ids are the same patient's, by the merges of a clinic.
///
/// Merges join ids into groups, so neither their order nor their number changes anything, and a
/// chain or a ring of them leads everybody to the same id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatientMerges {
    /// The group of an id, by the smallest id in it.
    group_of: BTreeMap<PatientCommitment, PatientCommitment>,
    groups: BTreeMap<PatientCommitment, Group>,
}

impl PatientMerges {
    /// The most ids of one patient: one for each room that was alone when it met the patient. A merge
    /// beyond that is refused, and the ids stay apart.
    pub const IDS_PER_PATIENT_MAX: usize = 64;

    /// The most ids that are followed, some 6 MB; a merge beyond that is refused, and the ids stay
    /// apart.
    pub const IDS_MAX: usize = 65_536;

    /// Takes a merge; says whether anything is other than before.
    ///
    /// # Errors
    ///
    /// [`MergeRefused`] where a limit is reached; nothing has changed then.
    pub fn note(&mut self, merged: &PatientMerged) -> Result<bool, MergeRefused> {
        let (from, into) = (merged.from, merged.into);
        if from == into {
            return Ok(false);
        }
        let groups = [self.key_of(&from), self.key_of(&into)];
        if groups[0] == groups[1] {
            let group = self.groups.entry(groups[0]).or_default();
            return Ok(group.left.insert(from));
        }
        let new = [from, into]
            .iter()
            .filter(|id| !self.group_of.contains_key(id))
            .count();
        let count = self.group_of.len() + new;
        if count > PatientMerges::IDS_MAX {
            return Err(MergeRefused::TooManyPatients { count });
        }
        let count = groups.iter().map(|key| self.count_in(key)).sum();
        if count > PatientMerges::IDS_PER_PATIENT_MAX {
            return Err(MergeRefused::TooManyIds { count });
        }
        let mut joined = Group::default();
        for key in groups {
            let group = self.groups.remove(&key).unwrap_or_default();
            joined.members.extend(group.members);
            joined.left.extend(group.left);
        }
        joined.members.extend([from, into]);
        joined.left.insert(from);
        let key = groups[0].min(groups[1]);
        for member in &joined.members {
            self.group_of.insert(*member, key);
        }
        self.groups.insert(key, joined);
        Ok(true)
    }

    /// Every id of the patient who has this one, itself among them, in their order.
    pub fn ids_of(&self, patient: &PatientCommitment) -> Vec<PatientCommitment> {
        match self.group(patient) {
            Some(group) => group.members.iter().copied().collect(),
            None => vec![*patient],
        }
    }

    /// The id that this one leads to: of those of the patient that never gave way the smallest; where
    /// all of them did, the smallest of all.
    pub fn winner_of(&self, patient: &PatientCommitment) -> PatientCommitment {
        let Some(group) = self.group(patient) else {
            return *patient;
        };
        let mut stayed = group.members.difference(&group.left);
        let first = stayed.next().or_else(|| group.members.first());
        first.copied().unwrap_or(*patient)
    }

    /// Every id that is one of several.
    pub fn ids(&self) -> impl Iterator<Item = &PatientCommitment> {
        self.group_of.keys()
    }

    /// How many ids gave way to another one.
    pub fn merged_count(&self) -> usize {
        self.groups.values().map(|group| group.left.len()).sum()
    }

    fn group(&self, patient: &PatientCommitment) -> Option<&Group> {
        self.groups.get(self.group_of.get(patient)?)
    }

    fn key_of(&self, patient: &PatientCommitment) -> PatientCommitment {
        self.group_of.get(patient).copied().unwrap_or(*patient)
    }

    fn count_in(&self, key: &PatientCommitment) -> usize {
        self.groups.get(key).map_or(1, |group| group.members.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> PatientCommitment {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        PatientCommitment::from_bytes(bytes)
    }

    fn merged(from: u16, into: u16) -> PatientMerged {
        PatientMerged {
            from: id(from),
            into: id(into),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_chain_and_a_ring_lead_everybody_to_one_id() {
        let mut merges = PatientMerges::default();
        assert_eq!(merges.note(&merged(1, 2)), Ok(true));
        assert_eq!(merges.note(&merged(1, 2)), Ok(false), "it was said before");
        assert_eq!(merges.winner_of(&id(1)), id(2));
        assert_eq!(merges.note(&merged(2, 3)), Ok(true));
        assert_eq!(merges.winner_of(&id(1)), id(3));
        assert_eq!(merges.ids_of(&id(2)), [id(1), id(2), id(3)]);
        assert_eq!(merges.merged_count(), 2);
        assert_eq!(merges.note(&merged(3, 1)), Ok(true), "a ring");
        for member in 1..=3 {
            assert_eq!(merges.winner_of(&id(member)), id(1));
        }
        assert_eq!(merges.ids_of(&id(9)), [id(9)]);
        assert_eq!(merges.winner_of(&id(9)), id(9));
    }

    #[test]
    fn an_id_that_leads_to_itself_is_no_merge() {
        let mut merges = PatientMerges::default();
        assert_eq!(merges.note(&merged(1, 1)), Ok(false));
        assert_eq!(merges, PatientMerges::default());
    }

    #[test]
    fn one_id_too_many_is_refused_and_changes_nothing() {
        let mut merges = PatientMerges::default();
        let most = u16::try_from(PatientMerges::IDS_PER_PATIENT_MAX).unwrap();
        for from in 1..most {
            assert_eq!(merges.note(&merged(from, 0)), Ok(true));
        }
        let before = merges.clone();
        let refused = merges.note(&merged(most, 0));
        let count = usize::from(most) + 1;
        assert_eq!(refused, Err(MergeRefused::TooManyIds { count }));
        assert_eq!(merges, before);
        assert_eq!(
            merges.note(&merged(most, most + 1)),
            Ok(true),
            "others go on"
        );
    }
}
