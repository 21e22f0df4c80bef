//! What can be wrong with a configuration, and the one message that tells all of it.

use std::fmt;

/// How many problems one message lists; the rest are only counted.
pub(crate) const PROBLEMS_SHOWN_MAX: usize = 100;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is longer than any configuration.
    #[error("the text has {bytes} bytes; allowed: at most {bytes_max}")]
    TooLong {
        /// The length of the text, in bytes.
        bytes: usize,
        /// The largest allowed length, in bytes.
        bytes_max: usize,
    },
    /// A place where the text is not TOML.
    #[error("this is not TOML: {reason}")]
    NotToml {
        /// The line, counted from 1, where it is known.
        line: Option<u32>,
        /// What the TOML parser says.
        reason: String,
    },
    /// A key that nothing reads.
    #[error("{key} = {found} is not a key here; allowed: {allowed}")]
    UnknownKey {
        /// The line, counted from 1.
        line: u32,
        /// The full key.
        key: String,
        /// The value, shortened.
        found: String,
        /// The keys that are read at this place.
        allowed: String,
    },
    /// A key that must be there.
    #[error("{key} is missing; allowed: {allowed}")]
    Missing {
        /// The full key.
        key: String,
        /// What may stand there.
        allowed: String,
    },
    /// A value of the wrong type, such as text for a number.
    #[error("{key} = {found} is of the wrong type; allowed: {allowed}")]
    WrongType {
        /// The line, counted from 1.
        line: u32,
        /// The full key.
        key: String,
        /// The value, shortened.
        found: String,
        /// What may stand there.
        allowed: String,
    },
    /// A value of the right type that is not allowed.
    #[error("{key} = {found} is not allowed; allowed: {allowed}")]
    NotAllowed {
        /// The line, counted from 1.
        line: u32,
        /// The full key.
        key: String,
        /// The value, shortened.
        found: String,
        /// What may stand there.
        allowed: String,
    },
}

impl Problem {
    /// The line of the file, counted from 1; `None` where something is missing.
    pub fn line(&self) -> Option<u32> {
        match self {
            Problem::TooLong { .. } | Problem::Missing { .. } => None,
            Problem::NotToml { line, .. } => *line,
            Problem::UnknownKey { line, .. }
            | Problem::WrongType { line, .. }
            | Problem::NotAllowed { line, .. } => Some(*line),
        }
    }

    /// The full key, such as `broker.port`; `None` where the text could not be read at all.
    pub fn key(&self) -> Option<&str> {
        match self {
            Problem::TooLong { .. } | Problem::NotToml { .. } => None,
            Problem::UnknownKey { key, .. }
            | Problem::Missing { key, .. }
            | Problem::WrongType { key, .. }
            | Problem::NotAllowed { key, .. } => Some(key),
        }
    }
}

/// Everything that is wrong with one configuration file; shown as one message, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file_name: String,
    list: Vec<Problem>,
}

impl Problems {
    /// Sorts the problems by line, what is missing last.
    pub(crate) fn new(file_name: &str, mut list: Vec<Problem>) -> Problems {
        list.sort_by_key(|problem| problem.line().unwrap_or(u32::MAX));
        Problems {
            file_name: file_name.to_owned(),
            list,
        }
    }

    /// How many there are; never 0.
    #[expect(
        clippy::len_without_is_empty,
        reason = "there is always at least one problem"
    )]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Each problem, in the order of the lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file_name;
        match self.list.len() {
            1 => write!(f, "{file} has 1 problem:")?,
            count => write!(f, "{file} has {count} problems:")?,
        }
        for problem in self.list.iter().take(PROBLEMS_SHOWN_MAX) {
            match problem.line() {
                Some(line) => write!(f, "\n  {file}, line {line}: {problem}")?,
                None => write!(f, "\n  {file}: {problem}")?,
            }
        }
        match self.list.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for Problems {}
