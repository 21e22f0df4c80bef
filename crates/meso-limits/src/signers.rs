//! Whose signatures bring a release into force, and how that changes.
//!
//! The first list is pinned: it stands in the configuration of server and rooms, as version 1.
//! Each further one is a text that names its version, signed by as many people of the list before
//! as a release needs. So nobody can add himself, and a room that was away follows the chain.
//!
//! ```toml
//! version = 2
//! signatures_needed = 2
//! [[signers]]
//! person = "physician-1"
//! key = "64 hexadecimal digits"
//! [[signers]]
//! person = "physician-2"
//! key = "64 hexadecimal digits"
//! revoked = true
//! ```

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::LimitsError;
use crate::parse::parse_signers;

/// Put before the text of a list's signatures, so that no signature over a release fits.
const LIST_DOMAIN: &[u8] = b"mesofleet/signers/v1\0";

/// A person who may sign, with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSigner {
    /// Who, by staff number or alias: two keys of one person count once.
    pub person: String,
    /// The public key, 64 hexadecimal digits.
    pub key: String,
    /// Whether the key may sign no more.
    pub is_revoked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    listed: ListedSigner,
    key: VerifyingKey,
}

/// Whose signatures bring a release into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerList {
    version: u32,
    needed: usize,
    entries: Vec<Entry>,
}

/// A further list as it travels: its exact text, and who of the list before signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SignedSignerList {
    /// The text of the list.
    pub text: String,
    /// Key id (the public key) and signature, both in lower-case hexadecimal.
    pub signatures: Vec<(String, String)>,
}

impl SignerList {
    /// The longest list; a longer one is refused.
    pub const SIGNER_COUNT_MAX: usize = 64;
    /// The most signatures that are looked at; a text with more is refused.
    pub const SIGNATURE_COUNT_MAX: usize = 16;
    /// The longest text of a list, in bytes: 64 signers of 256 bytes.
    pub const LENGTH_MAX: usize = 16 * 1_024;
    /// The longest chain of lists that is followed; beyond it the newest is pinned anew.
    pub const CHAIN_LENGTH_MAX: usize = 16;

    /// A release needs two different signers of this list of public keys in hexadecimal; each key
    /// is a person of its own.
    ///
    /// # Errors
    ///
    /// [`LimitsError::NotASigner`] for a bad or doubled key, [`LimitsError::TooMany`] for a list
    /// that is too long.
    pub fn two_signers(keys: &[String]) -> Result<SignerList, LimitsError> {
        SignerList::pinned(keys, 2)
    }

    /// A release needs one signer of this list: for a clinic with one physician, and for
    /// demonstrations.
    ///
    /// # Errors
    ///
    /// As [`SignerList::two_signers`].
    pub fn single_signer(keys: &[String]) -> Result<SignerList, LimitsError> {
        SignerList::pinned(keys, 1)
    }

    /// What a configuration says: its keys, and whether one of them or two must have signed.
    /// `None` where it names nobody, so that nobody's signatures count.
    ///
    /// # Errors
    ///
    /// As [`SignerList::two_signers`].
    pub fn configured(
        keys: &[String],
        signatures_needed: u16,
    ) -> Result<Option<SignerList>, LimitsError> {
        match (keys, signatures_needed) {
            ([], _) => Ok(None),
            (keys, 1) => SignerList::single_signer(keys).map(Some),
            (keys, _) => SignerList::two_signers(keys).map(Some),
        }
    }

    fn pinned(keys: &[String], needed: usize) -> Result<SignerList, LimitsError> {
        let listed = keys.iter().map(|key| ListedSigner {
            person: key.clone(),
            key: key.clone(),
            is_revoked: false,
        });
        SignerList::new(1, needed, listed.collect())
    }

    pub(crate) fn new(
        version: u32,
        needed: usize,
        listed: Vec<ListedSigner>,
    ) -> Result<SignerList, LimitsError> {
        if listed.len() > SignerList::SIGNER_COUNT_MAX {
            return Err(LimitsError::TooMany {
                what: "signers of the protocol library",
                count: listed.len(),
                count_max: SignerList::SIGNER_COUNT_MAX,
            });
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(listed.len());
        for listed in listed {
            let known = |key: &VerifyingKey| entries.iter().any(|entry| entry.key == *key);
            let key = read_key(&listed.key).filter(|key| !key.is_weak() && !known(key));
            let key = key.ok_or_else(|| LimitsError::NotASigner {
                key: listed.key.chars().take(80).collect(),
            })?;
            entries.push(Entry { listed, key });
        }
        Ok(SignerList {
            version,
            needed,
            entries,
        })
    }

    /// Counts up by one with each list; the pinned one is 1.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How many different people a release needs; 1 is the single-signer mode, which every report
    /// and board names.
    pub const fn signatures_needed(&self) -> usize {
        self.needed
    }

    /// The people and their keys.
    pub fn signers(&self) -> impl Iterator<Item = &ListedSigner> {
        self.entries.iter().map(|entry| &entry.listed)
    }

    /// The list after the last of this chain, each signed by the one before.
    ///
    /// # Errors
    ///
    /// [`LimitsError::NotTheNext`] for a version out of turn, [`LimitsError::NotSigned`],
    /// [`LimitsError::SignatureWrong`] or [`LimitsError::Revoked`] for signatures, and
    /// [`LimitsError::NotALibrary`] for a text that is no list.
    pub fn follow(&self, chain: &[SignedSignerList]) -> Result<SignerList, LimitsError> {
        if chain.len() > SignerList::CHAIN_LENGTH_MAX {
            return Err(LimitsError::TooMany {
                what: "signer lists of one chain",
                count: chain.len(),
                count_max: SignerList::CHAIN_LENGTH_MAX,
            });
        }
        chain
            .iter()
            .try_fold(self.clone(), |list, next| list.succeeded_by(next))
    }

    fn succeeded_by(&self, next: &SignedSignerList) -> Result<SignerList, LimitsError> {
        let list = SignerList::parse(&next.text)?;
        if Some(list.version) != self.version.checked_add(1) {
            return Err(LimitsError::NotTheNext {
                offered: list.version,
                in_force: self.version,
            });
        }
        self.check(LIST_DOMAIN, &next.text, &next.signatures)?;
        Ok(list)
    }

    /// Reads the text of a list, whoever signed it.
    ///
    /// # Errors
    ///
    /// [`LimitsError::TooLong`], or [`LimitsError::NotALibrary`] with all problems at once.
    pub fn parse(text: &str) -> Result<SignerList, LimitsError> {
        if text.len() > SignerList::LENGTH_MAX {
            return Err(LimitsError::TooLong {
                length: text.len(),
                length_max: SignerList::LENGTH_MAX,
            });
        }
        parse_signers(text)
    }

    /// Whether enough different people of this list signed the text.
    pub(crate) fn check(
        &self,
        domain: &[u8],
        text: &str,
        signatures: &[(String, String)],
    ) -> Result<(), LimitsError> {
        if signatures.len() > SignerList::SIGNATURE_COUNT_MAX {
            return Err(LimitsError::TooMany {
                what: "signatures of one text",
                count: signatures.len(),
                count_max: SignerList::SIGNATURE_COUNT_MAX,
            });
        }
        let message = [domain, text.as_bytes()].concat();
        let mut signed_by = BTreeSet::new();
        for (key_id, signature) in signatures {
            let Some(entry) = self
                .entries
                .iter()
                .find(|entry| entry.listed.key == *key_id)
            else {
                continue;
            };
            if entry.listed.is_revoked {
                return Err(LimitsError::Revoked {
                    key_id: key_id.clone(),
                });
            }
            let fits = hex::decode(signature)
                .ok()
                .and_then(|bytes| Signature::from_slice(&bytes).ok())
                .is_some_and(|signature| entry.key.verify_strict(&message, &signature).is_ok());
            if !fits {
                return Err(LimitsError::SignatureWrong {
                    key_id: key_id.clone(),
                });
            }
            signed_by.insert(&entry.listed.person);
        }
        if signed_by.len() < self.needed {
            return Err(LimitsError::NotSigned {
                signer_count: signed_by.len(),
                needed: self.needed,
            });
        }
        Ok(())
    }
}

/// Signs the text of a signer list: key id and signature, both hexadecimal.
pub fn sign_signer_list(text: &str, seed: &[u8; 32]) -> (String, String) {
    sign_as(LIST_DOMAIN, text, seed)
}

pub(crate) fn sign_as(domain: &[u8], text: &str, seed: &[u8; 32]) -> (String, String) {
    let message = [domain, text.as_bytes()].concat();
    let signature = SigningKey::from_bytes(seed).sign(&message);
    (verifying_key(seed), hex::encode(signature.to_bytes()))
}

pub(crate) fn verifying_key(seed: &[u8; 32]) -> String {
    hex::encode(SigningKey::from_bytes(seed).verifying_key().as_bytes())
}

fn read_key(text: &str) -> Option<VerifyingKey> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !text.bytes().all(is_digit) {
        return None;
    }
    let bytes: [u8; 32] = hex::decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SignedRelease, assemble_release, public_key, sign};

    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];
    const THREE: [u8; 32] = [3; 32];

    fn pinned() -> SignerList {
        SignerList::two_signers(&[public_key(&ONE), public_key(&TWO)]).unwrap()
    }

    fn list(version: u32, signers: &[(&str, [u8; 32], bool)]) -> String {
        let mut text = format!("version = {version}\nsignatures_needed = 2\n");
        for (person, seed, revoked) in signers {
            let key = public_key(seed);
            text.push_str(&format!(
                "[[signers]]\nperson = \"{person}\"\nkey = \"{key}\"\nrevoked = {revoked}\n"
            ));
        }
        text
    }

    fn signed(text: &str, seeds: &[[u8; 32]]) -> SignedSignerList {
        SignedSignerList {
            text: text.to_owned(),
            signatures: seeds
                .iter()
                .map(|seed| sign_signer_list(text, seed))
                .collect(),
        }
    }

    fn release(seeds: &[[u8; 32]]) -> SignedRelease {
        let text = assemble_release(3, true, &[]);
        let signatures = seeds.iter().map(|seed| sign(&text, seed)).collect();
        SignedRelease { text, signatures }
    }

    #[test]
    fn the_people_of_a_list_make_the_next_one() {
        let second = list(
            2,
            &[("a", ONE, true), ("b", TWO, false), ("c", THREE, false)],
        );
        let list = pinned().follow(&[signed(&second, &[ONE, TWO])]).unwrap();
        assert_eq!((list.version(), list.signatures_needed()), (2, 2));
        assert!(release(&[TWO, THREE]).verify(&list).is_ok());
        let revoked = release(&[ONE, TWO, THREE]).verify(&list);
        assert!(
            matches!(revoked, Err(LimitsError::Revoked { .. })),
            "{revoked:?}"
        );
    }

    #[test]
    fn nobody_puts_himself_on_the_list() {
        let second = list(2, &[("c", THREE, false), ("d", [4; 32], false)]);
        for seeds in [&[THREE, [4; 32]][..], &[ONE, THREE], &[ONE, ONE], &[]] {
            let refused = pinned().follow(&[signed(&second, seeds)]);
            assert!(
                matches!(refused, Err(LimitsError::NotSigned { .. })),
                "{refused:?}"
            );
        }
        let altered = SignedSignerList {
            text: second.replace("\"c\"", "\"e\""),
            ..signed(&second, &[ONE, TWO])
        };
        let refused = pinned().follow(&[altered]);
        assert!(matches!(refused, Err(LimitsError::SignatureWrong { .. })));
    }

    #[test]
    fn lists_follow_each_other_without_a_gap_and_never_go_back() {
        let people = [("a", ONE, false), ("b", TWO, false)];
        let (second, third) = (list(2, &people), list(3, &people));
        let [second, third] = [&second, &third].map(|text| signed(text, &[ONE, TWO]));
        let both = pinned().follow(&[second.clone(), third.clone()]).unwrap();
        assert_eq!(both.version(), 3);
        for chain in [&[third.clone()][..], &[second.clone(), second.clone()]] {
            let refused = pinned().follow(chain);
            assert!(matches!(refused, Err(LimitsError::NotTheNext { .. })));
        }
    }

    #[test]
    fn two_keys_of_one_person_count_once() {
        let second = list(
            2,
            &[("a", ONE, false), ("a", THREE, false), ("b", TWO, false)],
        );
        let list = pinned().follow(&[signed(&second, &[ONE, TWO])]).unwrap();
        assert_eq!(
            release(&[ONE, THREE]).verify(&list),
            Err(LimitsError::NotSigned {
                signer_count: 1,
                needed: 2
            })
        );
        assert!(release(&[THREE, TWO]).verify(&list).is_ok());
    }

    #[test]
    fn a_signature_over_a_release_is_none_over_a_list() {
        let second = list(2, &[("a", ONE, false), ("b", TWO, false)]);
        let signatures = [ONE, TWO].iter().map(|seed| sign(&second, seed)).collect();
        let text = second;
        let refused = pinned().follow(&[SignedSignerList { text, signatures }]);
        assert!(matches!(refused, Err(LimitsError::SignatureWrong { .. })));
    }

    #[test]
    fn all_problems_of_a_list_are_named_at_once() {
        let text = "version = 0\nsignatures_needed = 3\n[[signers]]\nperson = \"\"\nkey = \"no\"\n";
        match SignerList::parse(text) {
            Err(LimitsError::NotALibrary { problems }) => {
                assert!(problems.len() >= 4, "{problems:?}")
            }
            other => panic!("{other:?}"),
        }
        let alone = list(2, &[("a", ONE, false), ("b", TWO, true)]);
        assert!(
            SignerList::parse(&alone).is_err(),
            "one left of two that are needed"
        );
    }
}
