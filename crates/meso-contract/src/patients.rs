//! What the server tells rooms of the earlier sessions of their patients.

use std::collections::BTreeSet;

use meso_domain::{EarlierSession, PATIENT_LIST_COUNT, patient_list_of};
use meso_units::{Nanolitres, PatientCommitment, ProtocolId, SessionId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::error::text;
use crate::shot::parse_at;
use crate::{PAYLOAD_VERSION, PayloadError};

/// One of the [`PATIENT_LIST_COUNT`] lists of a clinic's patients with their earlier sessions. A
/// room that holds the list of a patient who is not in it knows that nobody treated that patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientsMessage {
    /// [`PAYLOAD_VERSION`].
    pub version: u16,
    /// The list, from 0: the six highest bits of its patients' commitments.
    pub list: u8,
    /// Patients were left out, those who were not treated for longest: of a patient who is not in
    /// the list nothing is known.
    pub is_cut: bool,
    /// The patients.
    pub patients: Vec<PatientBody>,
    /// The signature line of the ingest's key under [`PatientsMessage::signed_text`], as a C2SP
    /// signed note has it; absent where nobody signed. A driver that knows the key takes no other.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<String>,
}

/// A patient, by commitment only, with what was done so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientBody {
    /// Commitment to the patient, 64 hexadecimal digits.
    pub patient: String,
    /// Older sessions were left out.
    pub is_cut: bool,
    /// The sessions in which the patient was treated.
    pub sessions: Vec<EarlierSessionBody>,
}

/// What a session amounts to for later ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlierSessionBody {
    /// The session, 32 hexadecimal digits.
    pub session: String,
    /// When it began, nanoseconds since 1970 as text.
    pub opened_at_ns: String,
    /// On which day, counted from 1970-01-01 in the clinic's time zone.
    pub day: i64,
    /// Its protocol.
    pub protocol: String,
    /// What was injected, in nl.
    pub volume_nl: u64,
    /// The zones, in lower case.
    pub zones: Vec<String>,
    /// The drugs, in lower case.
    pub drugs: Vec<String>,
    /// Zones or drugs were left out.
    pub is_cut: bool,
}

impl From<&EarlierSession> for EarlierSessionBody {
    fn from(earlier: &EarlierSession) -> EarlierSessionBody {
        EarlierSessionBody {
            session: earlier.session.to_string(),
            opened_at_ns: earlier.opened_at.unix_ns().to_string(),
            day: earlier.day,
            protocol: earlier.protocol.to_string(),
            volume_nl: earlier.volume.get(),
            zones: earlier.zones.iter().cloned().collect(),
            drugs: earlier.drugs.iter().cloned().collect(),
            is_cut: earlier.is_cut,
        }
    }
}

impl TryFrom<&EarlierSessionBody> for EarlierSession {
    type Error = PayloadError;

    fn try_from(body: &EarlierSessionBody) -> Result<EarlierSession, PayloadError> {
        let names = |field, names: &[String]| -> Result<BTreeSet<String>, PayloadError> {
            names.iter().map(|name| text(field, name)).collect()
        };
        let earlier = EarlierSession {
            session: SessionId::parse(&body.session)?,
            opened_at: parse_at("opened_at_ns", &body.opened_at_ns)?,
            day: body.day,
            protocol: ProtocolId::parse(&body.protocol)?,
            volume: Nanolitres::new(body.volume_nl)?,
            zones: names("zone", &body.zones)?,
            drugs: names("drug", &body.drugs)?,
            is_cut: body.is_cut,
        };
        Ok(earlier.cut())
    }
}

impl PatientBody {
    /// The most sessions of one patient; of more the oldest are left out, and the room asks a
    /// person for the course. Weekly sessions reach it after two and a half years.
    pub const SESSION_COUNT_MAX: usize = 128;

    /// The sessions, oldest first, and no more than fit.
    pub fn new(patient: &PatientCommitment, sessions: &[EarlierSession]) -> PatientBody {
        let mut newest: Vec<&EarlierSession> = sessions.iter().collect();
        newest.sort_by_key(|one| (one.opened_at, one.session));
        let left_out = newest.len().saturating_sub(PatientBody::SESSION_COUNT_MAX);
        PatientBody {
            patient: patient.to_string(),
            is_cut: left_out > 0,
            sessions: newest.into_iter().skip(left_out).map(Into::into).collect(),
        }
    }

    /// The patient.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Unit`] when the text is not 64 hexadecimal digits.
    pub fn commitment(&self) -> Result<PatientCommitment, PayloadError> {
        Ok(PatientCommitment::parse(&self.patient)?)
    }

    /// The sessions.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] naming what is wrong.
    pub fn earlier(&self) -> Result<Vec<EarlierSession>, PayloadError> {
        self.sessions.iter().map(TryInto::try_into).collect()
    }

    fn newest_ns(&self) -> i64 {
        let newest = self.sessions.last();
        newest.map_or(0, |one| one.opened_at_ns.parse().unwrap_or(0))
    }
}

impl PatientsMessage {
    /// The most bytes of the patients of one list; of more those are left out who were not treated
    /// for longest. The lists of a clinic are then 12 MiB, some ten thousand patients, which a
    /// broker keeps for a slow room as a whole.
    pub const PATIENT_BYTES_MAX: usize = 192 * 1024;

    /// A list of these patients, or of those of them that fit.
    pub fn new(list: u8, mut patients: Vec<PatientBody>) -> PatientsMessage {
        patients.sort_by_key(|patient| core::cmp::Reverse(patient.newest_ns()));
        let mut left = PatientsMessage::PATIENT_BYTES_MAX;
        let before = patients.len();
        let fits = |patient: &PatientBody| {
            // Every field of it has a JSON form.
            let bytes = serde_json::to_vec(patient).map_or(usize::MAX, |json| json.len() + 1);
            left = left.saturating_sub(bytes);
            left > 0
        };
        let fitting = patients.iter().map(fits).take_while(|fits| *fits).count();
        patients.truncate(fitting);
        patients.sort_by(|a, b| a.patient.cmp(&b.patient));
        PatientsMessage {
            version: PAYLOAD_VERSION,
            list,
            is_cut: fitting < before,
            patients,
            signature: None,
        }
    }

    /// The text that the ingest signs: a digest of everything that is said, and under which topic, so
    /// that no other clinic can be served with it.
    pub fn signed_text(&self, topic: &str) -> String {
        let unsigned = PatientsMessage {
            signature: None,
            ..self.clone()
        };
        // Every field of it has a JSON form, and equal messages have equal ones.
        let said = serde_json::to_vec(&unsigned).unwrap_or_default();
        let digest = crate::json_id::hex_of(&Sha256::digest(&said));
        format!("mesofleet patients v{}\n{topic}\n{digest}\n", self.version)
    }

    fn check(&self) -> Result<(), PayloadError> {
        let wrong = |field, value: String| PayloadError::UnknownWord { field, value };
        if self.list >= PATIENT_LIST_COUNT {
            return Err(wrong("list", self.list.to_string()));
        }
        for patient in &self.patients {
            if patient_list_of(&patient.commitment()?) != self.list {
                return Err(wrong("patient of another list", patient.patient.clone()));
            }
            patient.earlier()?;
        }
        Ok(())
    }
}
crate::json::json_message!(PatientsMessage checked by PatientsMessage::check);

#[cfg(test)]
mod tests {
    use meso_units::Timestamp;

    use super::*;

    fn earlier(number: u8, second: i64) -> EarlierSession {
        EarlierSession {
            session: SessionId::from_bytes([number; 16]),
            opened_at: Timestamp::from_unix_ns(second * 1_000_000_000).unwrap(),
            day: second / 86_400,
            protocol: ProtocolId::parse("mesolift-face").unwrap(),
            volume: Nanolitres::new(80_000).unwrap(),
            zones: ["cheek".to_owned()].into(),
            drugs: ["lidocaine".to_owned()].into(),
            is_cut: false,
        }
    }

    fn patient(number: u8) -> PatientCommitment {
        let mut bytes = [number; 32];
        bytes[0] = 0;
        PatientCommitment::from_bytes(bytes)
    }

    #[test]
    fn what_is_told_is_heard_and_other_than_it_was_signed_it_has_another_text() {
        let body = PatientBody::new(&patient(1), &[earlier(2, 90_000), earlier(1, 5)]);
        let message = PatientsMessage::new(0, vec![body]);
        let heard = PatientsMessage::decode(&message.encode().unwrap()).unwrap();
        assert_eq!(heard, message);
        let sessions = heard.patients[0].earlier().unwrap();
        assert_eq!(sessions, [earlier(1, 5), earlier(2, 90_000)]);
        let mut other = message.clone();
        other.patients[0].sessions.pop();
        assert_ne!(other.signed_text("t"), message.signed_text("t"));
        assert_ne!(message.signed_text("u"), message.signed_text("t"));
    }

    #[test]
    fn a_patient_of_another_list_or_a_list_that_is_none_is_refused() {
        let body = PatientBody::new(&patient(1), &[earlier(1, 5)]);
        let mut message = PatientsMessage::new(1, vec![body]);
        assert!(PatientsMessage::decode(&message.encode().unwrap()).is_err());
        message.patients.clear();
        assert!(PatientsMessage::decode(&message.encode().unwrap()).is_ok());
        message.list = PATIENT_LIST_COUNT;
        assert!(PatientsMessage::decode(&message.encode().unwrap()).is_err());
    }

    #[test]
    fn what_is_too_much_is_left_out_by_name_the_oldest_first() {
        let many: Vec<EarlierSession> = (0..=PatientBody::SESSION_COUNT_MAX)
            .map(|n| earlier(u8::try_from(n).unwrap(), n as i64))
            .collect();
        let body = PatientBody::new(&patient(1), &many);
        assert!(body.is_cut);
        assert_eq!(body.earlier().unwrap()[0], many[1]);
        let full = |number: u8| PatientBody::new(&patient(number), &many);
        let mut patients: Vec<PatientBody> = (1..=40).map(full).collect();
        patients.push(PatientBody::new(&patient(99), &[earlier(1, 9_999)]));
        let message = PatientsMessage::new(0, patients);
        assert!(message.is_cut && message.patients.len() < 40);
        let newest = patient(99).to_string();
        assert!(message.patients.iter().any(|one| one.patient == newest));
        let bytes = message.encode().unwrap().len();
        assert!(bytes <= crate::topics::PAYLOAD_BYTES_MAX, "{bytes}");
    }
}
