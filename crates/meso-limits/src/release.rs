//! Who approved a release: signatures over its exact bytes.

use crate::signers::{sign_as, verifying_key};
use crate::{Library, LimitsError, SignerList};

/// Put before the text of every signature, so that no signature over anything else fits.
const RELEASE_DOMAIN: &[u8] = b"mesofleet/library/v1\0";

/// A release as it travels: the exact text that was signed, and who signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SignedRelease {
    /// The text of the release.
    pub text: String,
    /// Key id (the public key) and signature, both in lower-case hexadecimal.
    pub signatures: Vec<(String, String)>,
}

impl SignedRelease {
    /// Checks the signatures and reads the library; only what comes out of here is in force.
    ///
    /// Signatures of keys that are not listed count for nothing. The same person twice counts once.
    /// A release with a revoked key's signature is refused as a whole.
    ///
    /// # Errors
    ///
    /// [`LimitsError::NotSigned`] for too few people, [`LimitsError::SignatureWrong`] for a listed
    /// signer whose signature does not fit, [`LimitsError::Revoked`] for one who may sign no more, and whatever [`Library::parse`] says of the text.
    pub fn verify(&self, signers: &SignerList) -> Result<Library, LimitsError> {
        if self.text.len() > Library::LENGTH_MAX {
            return Err(LimitsError::TooLong {
                length: self.text.len(),
                length_max: Library::LENGTH_MAX,
            });
        }
        signers.check(RELEASE_DOMAIN, &self.text, &self.signatures)?;
        Library::parse(&self.text)
    }
}

/// Signs the text of a release with an Ed25519 seed: key id and signature, both hexadecimal.
///
/// Whether the text is a release is for the caller to check first: nobody should sign what
/// [`Library::parse`] refuses.
pub fn sign(text: &str, seed: &[u8; 32]) -> (String, String) {
    sign_as(RELEASE_DOMAIN, text, seed)
}

/// The public key of a seed, as signer lists and key ids write it: 64 hexadecimal digits.
pub fn public_key(seed: &[u8; 32]) -> String {
    verifying_key(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];
    const STRANGER: [u8; 32] = [3; 32];

    fn text() -> String {
        crate::assemble_release(3, true, &[])
    }

    fn signed_with(seeds: &[[u8; 32]]) -> SignedRelease {
        let text = text();
        SignedRelease {
            signatures: seeds.iter().map(|seed| sign(&text, seed)).collect(),
            text,
        }
    }

    fn two_signers() -> SignerList {
        SignerList::two_signers(&[public_key(&ONE), public_key(&TWO)]).expect("two good keys")
    }

    #[test]
    fn two_different_signers_bring_a_release_into_force() {
        let library = signed_with(&[ONE, TWO])
            .verify(&two_signers())
            .expect("signed by both");
        assert_eq!(library.version().get(), 3);
    }

    #[test]
    fn the_same_signer_twice_is_one_signer() {
        assert_eq!(
            signed_with(&[ONE, ONE]).verify(&two_signers()),
            Err(LimitsError::NotSigned {
                signer_count: 1,
                needed: 2
            })
        );
    }

    #[test]
    fn a_stranger_counts_for_nothing() {
        assert_eq!(
            signed_with(&[ONE, STRANGER]).verify(&two_signers()),
            Err(LimitsError::NotSigned {
                signer_count: 1,
                needed: 2
            })
        );
    }

    #[test]
    fn one_signer_is_enough_where_the_list_says_so() {
        let signers = SignerList::single_signer(&[public_key(&ONE)]).expect("a good key");
        assert!(signed_with(&[ONE]).verify(&signers).is_ok());
        assert!(signed_with(&[STRANGER]).verify(&signers).is_err());
        assert!(signed_with(&[]).verify(&signers).is_err());
    }

    #[test]
    fn an_altered_release_is_refused() {
        let mut release = signed_with(&[ONE, TWO]);
        release.text = release.text.replace("version = 3", "version = 4");
        assert_eq!(
            release.verify(&two_signers()),
            Err(LimitsError::SignatureWrong {
                key_id: public_key(&ONE)
            })
        );
    }

    #[test]
    fn a_key_listed_twice_is_refused() {
        let twice = [public_key(&ONE), public_key(&ONE)];
        assert!(matches!(
            SignerList::two_signers(&twice),
            Err(LimitsError::NotASigner { .. })
        ));
    }

    /// Do not change this test: releases that clinics signed must stay signed.
    #[test]
    fn a_signature_of_known_text_is_pinned() {
        let (key_id, signature) = sign("version = 1\n", &ONE);
        assert_eq!(
            key_id,
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
        );
        assert_eq!(
            signature,
            "7a0c62fb9c5f3a601c5782baa0ac5ab2b50d0d8181e1ca6505d83440966df50eacf3939c36a9b4d52c3fafe381922cd621d005f814f10b78d7c842b8364d8a0c"
        );
    }
}
