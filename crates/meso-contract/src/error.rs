//! What can be wrong with a payload.

use meso_domain::{BlockError, BlockHash, CanonicalError, ShotError};
use meso_units::UnitError;

/// Why a payload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not JSON of the expected shape.
    #[error("payload is not valid: {detail}")]
    NotJson {
        /// What the JSON reader says.
        detail: String,
    },
    /// A key or a kind of record that is not known here.
    #[error("payload has something that is not known here: {detail}")]
    UnknownPart {
        /// What the JSON reader says.
        detail: String,
    },
    /// A version that is not understood.
    #[error("payload version {found} is not understood, only {known}")]
    Version {
        /// The version found.
        found: u16,
        /// The version known.
        known: u16,
    },
    /// Larger than allowed.
    #[error("payload of {length} bytes is above the limit of {max}")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// A word that is none of the known ones.
    #[error("{field} {value:?} is not known")]
    UnknownWord {
        /// The field.
        field: &'static str,
        /// The word.
        value: String,
    },
    /// A text longer than a record can hold.
    #[error("{field} has {length} bytes, more than {max}")]
    TextTooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        max: usize,
    },
    /// The block is not the one that was sealed.
    #[error("block hash {said} is named and {found} is computed: it was changed on the way")]
    HashDiffers {
        /// What the payload says.
        said: BlockHash,
        /// What its contents give.
        found: BlockHash,
    },
    /// A quantity or identifier out of range.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A code without a meaning.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A shot that contradicts itself.
    #[error(transparent)]
    Shot(#[from] ShotError),
    /// A block whose parts do not fit each other.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl PayloadError {
    /// Whether a newer program may have written the payload rightly: a later version, or a key, a
    /// kind of record or a word that is not known here. What is plainly damaged is none of these.
    pub fn may_be_newer(&self) -> bool {
        match self {
            PayloadError::Version { found, known } => found > known,
            PayloadError::UnknownPart { .. } | PayloadError::UnknownWord { .. } => true,
            PayloadError::Canonical(error) => matches!(error, CanonicalError::UnknownCode { .. }),
            PayloadError::NotJson { .. }
            | PayloadError::TooLarge { .. }
            | PayloadError::TextTooLong { .. }
            | PayloadError::HashDiffers { .. }
            | PayloadError::Unit(_)
            | PayloadError::Shot(_)
            | PayloadError::Block(_) => false,
        }
    }
}

/// Reads a word of a coded enum.
pub(crate) fn word<T>(
    field: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, PayloadError> {
    parse(text).ok_or_else(|| PayloadError::UnknownWord {
        field,
        value: text.chars().take(64).collect(),
    })
}

/// Takes a free text if a record can hold it.
pub(crate) fn text(field: &'static str, value: &str) -> Result<String, PayloadError> {
    let max = meso_domain::canonical::TEXT_LENGTH_MAX;
    if value.len() > max {
        return Err(PayloadError::TextTooLong {
            field,
            length: value.len(),
            max,
        });
    }
    Ok(value.to_owned())
}
