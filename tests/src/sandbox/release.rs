//! A protocol library in force, and sessions under it.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use meso_contract::room::{OpenStepBody, RoomStepBody, SegmentStepBody, StepTakenBody};
use meso_contract::{
    CheckItemBody, ChecklistBody, ComponentBody, LibraryMessage, NeedleBody, PAYLOAD_VERSION,
    SyringeBody,
};
use meso_limits::{Library, SignedRelease, SignerList, assemble_release, public_key, sign};

use super::{Driver, ServerOptions, wait_until};

/// The protocol that sessions of a sandbox follow.
pub const PROTOCOL: &str = "mesolift-face";

/// Who treats there.
const OPERATOR: &str = "op-1";

/// The protocol library under which rooms and server judge.
#[derive(Debug)]
pub struct Release {
    /// What is in force.
    pub library: Arc<Library>,
    /// Public keys, as configurations list them.
    pub signers: Vec<String>,
    /// What the server finds in its data folder.
    pub file: Vec<u8>,
}

impl Release {
    /// Signs an example protocol with two keys that protect nothing.
    ///
    /// # Errors
    ///
    /// The protocol does not pass its own check.
    pub fn sign() -> anyhow::Result<Release> {
        let protocol = include_str!("../../../config/protocols/mesolift-face.toml");
        let packs = include_str!("../../../config/protocols/packs.toml");
        let text = assemble_release(1, true, &[protocol, packs]);
        let seeds = [[1; 32], [2; 32]];
        let signers: Vec<String> = seeds.iter().map(public_key).collect();
        let signatures: Vec<_> = seeds.iter().map(|seed| sign(&text, seed)).collect();
        let message = LibraryMessage {
            version: PAYLOAD_VERSION,
            release: text.clone(),
            signatures: signatures.clone(),
            signer_lists: Vec::new(),
        };
        let signed = SignedRelease { text, signatures };
        Ok(Release {
            library: Arc::new(signed.verify(&SignerList::two_signers(&signers)?)?),
            signers,
            file: message.encode()?,
        })
    }

    /// The section of a configuration that believes its signers.
    pub fn section(&self) -> String {
        format!("[library]\nsigners = {:?}\n", self.signers)
    }

    /// A server that has it; `extra` are further sections.
    pub fn server_options(&self, extra: &str) -> ServerOptions {
        ServerOptions {
            extra: format!("{}{extra}", self.section()),
            files: vec![("library.json", self.file.clone())],
            ..ServerOptions::default()
        }
    }
}

/// Opens a session under [`PROTOCOL`] at a driver, with one segment for a gun; waits until the
/// library has come to the room.
///
/// # Errors
///
/// The room refuses a step, or the library does not come.
pub fn open_session(driver: &Driver, gun: &str) -> anyhow::Result<String> {
    let open = RoomStepBody::Open(Box::new(open_step(gun)));
    let mut taken = None;
    let opened = wait_until("the room has its library", || {
        taken = driver.step(&open).ok();
        taken.is_some()
    });
    let Some(StepTakenBody { session, .. }) = taken else {
        opened?;
        bail!("{gun}: no session");
    };
    driver
        .step(&RoomStepBody::Segment(segment_step(&session, gun)))
        .with_context(|| format!("{gun}: no segment"))?;
    Ok(session)
}

fn open_step(gun: &str) -> OpenStepBody {
    let done = || CheckItemBody::Done { reference: None };
    // Any number does that differs from gun to gun: no patient is behind it.
    let patient: String = gun
        .bytes()
        .cycle()
        .take(32)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    OpenStepBody {
        patient,
        protocol: PROTOCOL.to_owned(),
        operator: OPERATOR.to_owned(),
        checklist: ChecklistBody {
            screening: done(),
            consent: done(),
            asepsis: done(),
            emergency_kit: done(),
        },
        demo: true,
        screening: None,
        age_years: Some(40),
        weight_g: Some(70_000),
        details: None,
        course: None,
    }
}

fn segment_step(session: &str, gun: &str) -> SegmentStepBody {
    SegmentStepBody {
        session: session.to_owned(),
        gun: Some(gun.to_owned()),
        zone: "cheek".to_owned(),
        technique: "nappage".to_owned(),
        course_phase: None,
        syringe: SyringeBody {
            components: vec![ComponentBody {
                name: "example cocktail".to_owned(),
                concentration: "as labelled".to_owned(),
                lot: "EXAMPLE-1".to_owned(),
            }],
            ready_made: true,
            prepared_by: OPERATOR.to_owned(),
            loaded_nl: 5_000_000,
            dead_volume_nl: 150_000,
        },
        needle: NeedleBody {
            length_um: 13_000,
            gauge: 30,
            needle_count: 1,
            lot: "EXAMPLE-N1".to_owned(),
        },
        operator: OPERATOR.to_owned(),
        reason: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use meso_units::ProtocolId;

    use super::*;

    #[test]
    fn the_release_of_the_rooms_holds_their_protocol() {
        let release = Release::sign().unwrap();
        let protocol = ProtocolId::parse(PROTOCOL).unwrap();
        assert!(release.library.protocol(&protocol).is_some());
    }
}
