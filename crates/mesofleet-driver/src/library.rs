//! Which protocol library is in force in the room.

use std::sync::Arc;

use meso_contract::{LibraryMessage, PayloadError};
use meso_limits::{Library, LimitsError, SignedRelease, SignerList};

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
}

/// Checks a payload of the library topic, or of the journal.
///
/// A release older than the one in force is refused, so that nobody who can publish can bring
/// back limits that a clinician has since tightened.
pub(crate) fn check(
    payload: &[u8],
    signers: Option<&SignerList>,
    in_force: Option<&Arc<Library>>,
) -> Result<Library, ReleaseRefused> {
    let signers = signers.ok_or(ReleaseRefused::NoSigners)?;
    let message = LibraryMessage::decode(payload)?;
    let release = SignedRelease {
        text: message.release,
        signatures: message.signatures,
    };
    let library = release.verify(signers)?;
    if let Some(in_force) = in_force
        && library.version() < in_force.version()
    {
        return Err(ReleaseRefused::Older {
            offered: library.version().get(),
            in_force: in_force.version().get(),
        });
    }
    Ok(library)
}
