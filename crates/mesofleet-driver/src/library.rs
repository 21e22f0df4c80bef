//! Which protocol library is in force in the room.

use std::sync::Arc;

use meso_contract::{LibraryMessage, PayloadError};
use meso_limits::{Library, LimitsError, SignedRelease, SignedSignerList, SignerList};

/// Why a release was not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseRefused {
    #[error("no signers are configured: name them in library.signers")]
    NoSigners,
    #[error("the payload is none")]
    Payload(#[from] PayloadError),
    #[error("the release is not in order")]
    Release(#[from] LimitsError),
    #[error("release {offered} is older than release {in_force} in force")]
    Older { offered: u32, in_force: u32 },
    #[error("release {version} is in force with another text: it needs a higher version")]
    OtherText { version: u32 },
    #[error("signer list {offered} is older than list {in_force} in force")]
    OlderSigners { offered: u32, in_force: u32 },
}

/// A release that may come into force.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) library: Library,
    /// The version of the signer list that vouches for it.
    pub(crate) signer_list: u32,
}

/// Checks a payload of the library topic, or of the journal.
///
/// A release older than the one in force is refused, so that nobody who can publish can bring
/// back limits that a clinician has since tightened; and so is one under an older signer list, so
/// that nobody who was taken off it comes back.
pub(crate) fn check(
    payload: &[u8],
    pinned: Option<&SignerList>,
    in_force: Option<&Arc<Library>>,
    signer_list_in_force: u32,
) -> Result<Checked, ReleaseRefused> {
    let pinned = pinned.ok_or(ReleaseRefused::NoSigners)?;
    let message = LibraryMessage::decode(payload)?;
    let chain: Vec<SignedSignerList> = message
        .signer_lists
        .into_iter()
        .map(|list| SignedSignerList {
            text: list.text,
            signatures: list.signatures,
        })
        .collect();
    let signers = pinned.follow(&chain)?;
    if signers.version() < signer_list_in_force {
        return Err(ReleaseRefused::OlderSigners {
            offered: signers.version(),
            in_force: signer_list_in_force,
        });
    }
    let release = SignedRelease {
        text: message.release,
        signatures: message.signatures,
    };
    let library = release.verify(&signers)?;
    if let Some(in_force) = in_force {
        let (offered, present) = (library.version(), in_force.version());
        if offered < present {
            return Err(ReleaseRefused::Older {
                offered: offered.get(),
                in_force: present.get(),
            });
        }
        if offered == present && library != **in_force {
            return Err(ReleaseRefused::OtherText {
                version: offered.get(),
            });
        }
    }
    Ok(Checked {
        library,
        signer_list: signers.version(),
    })
}
