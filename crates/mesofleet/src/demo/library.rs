//! The protocol library of the demonstration, signed with throw-away keys.

use std::sync::Arc;

use anyhow::Context;
use meso_limits::{Library, SignedRelease, SignerList, assemble_release, public_key, sign};

/// The protocols that ship as examples.
const PROTOCOLS: [&str; 5] = [
    include_str!("../../../../config/protocols/mesolift-face.toml"),
    include_str!("../../../../config/protocols/mesoglow-face.toml"),
    include_str!("../../../../config/protocols/hair-scalp.toml"),
    include_str!("../../../../config/protocols/pain-trigger-points.toml"),
    include_str!("../../../../config/protocols/packs.toml"),
];

/// A signed release and whose signatures count.
pub(crate) struct Release {
    /// Text and signatures.
    pub(crate) signed: SignedRelease,
    /// Public keys, hexadecimal.
    pub(crate) signers: Vec<String>,
    /// What the signatures vouch for.
    pub(crate) library: Arc<Library>,
}

/// Signs the example protocols with two keys that nobody keeps.
///
/// # Errors
///
/// No randomness is to be had.
pub(crate) fn signed_release() -> anyhow::Result<Release> {
    let text = assemble_release(1, true, &PROTOCOLS);
    let mut signatures = Vec::new();
    let mut signers = Vec::new();
    for _ in 0..2 {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("no randomness for a throw-away key")?;
        signatures.push(sign(&text, &seed));
        signers.push(public_key(&seed));
    }
    let signed = SignedRelease { text, signatures };
    let library = Arc::new(signed.verify(&SignerList::two_signers(&signers)?)?);
    Ok(Release {
        signed,
        signers,
        library,
    })
}
