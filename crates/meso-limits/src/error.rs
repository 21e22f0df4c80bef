//! Why a release of the protocol library is not taken.

use core::fmt;

/// One thing that is wrong with the text of a protocol file or a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1; `None` where the text as a whole is meant.
    pub line: Option<u32>,
    /// Where: the path of the key, such as `protocols[2] (hair-scalp) needle_depth.soft_max`.
    pub key: String,
    /// What was found there, shortened.
    pub found: String,
    /// What is allowed there.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(
            f,
            "{}: found {}, allowed is {}",
            self.key, self.found, self.allowed
        )
    }
}

/// Why a release, a signer list or a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// The text is not a library; all problems at once.
    #[error("the protocol library has {} problem(s):{}", problems.len(), Lines(problems))]
    NotALibrary {
        /// Every problem found, in the order of the text.
        problems: Vec<Problem>,
    },
    /// The text is longer than any library.
    #[error("a protocol library of {length} bytes is above the limit of {length_max} bytes")]
    TooLong {
        /// Length of the text.
        length: usize,
        /// The most that is read.
        length_max: usize,
    },
    /// More signatures or signers than are looked at.
    #[error("{count} {what} are above the limit of {count_max}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        count: usize,
        /// The most allowed.
        count_max: usize,
    },
    /// A public key is not 64 hexadecimal digits of an Ed25519 key, or is listed twice.
    #[error(
        "{key:?} is not a signer: write the 64 hexadecimal digits of an Ed25519 public key once"
    )]
    NotASigner {
        /// The text that was given, shortened.
        key: String,
    },
    /// A listed signer's signature does not fit the text.
    #[error(
        "the signature of {key_id} does not fit the release: it was altered or signed as another text"
    )]
    SignatureWrong {
        /// The signer's public key, hexadecimal.
        key_id: String,
    },
    /// A key that may sign no more has signed.
    #[error("{key_id} is revoked and may sign no more: have another person sign the text anew")]
    Revoked {
        /// The signer's public key, hexadecimal.
        key_id: String,
    },
    /// A signer list does not follow the one that is in force.
    #[error(
        "signer list {offered} does not follow list {in_force} in force: the next one is {in_force} + 1"
    )]
    NotTheNext {
        /// The version offered.
        offered: u32,
        /// The version in force.
        in_force: u32,
    },
    /// Too few different listed people signed.
    #[error(
        "{signer_count} of the {needed} needed people signed: have it signed by others on the list, then load it again"
    )]
    NotSigned {
        /// How many different listed people signed.
        signer_count: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// One problem a line.
struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
