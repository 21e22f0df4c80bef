//! What a frame with a good checksum can still have wrong.

use alloc::vec::Vec;

use meso_units::UnitError;

use super::ShotKey;

/// A frame that arrived whole and says something impossible: to be kept, shown and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What is wrong.
    pub reason: RejectReason,
    /// The shot that it was, where that can be read: its counter then counts as settled.
    pub identity: Option<ShotKey>,
    /// The frame's kind byte.
    pub kind: u8,
    /// The payload as it came.
    pub bytes: Vec<u8>,
}

/// What is wrong with a frame whose checksum was right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectReason {
    /// No message has this kind.
    #[error("message kind {kind:#04x} is not known")]
    UnknownKind {
        /// The kind byte.
        kind: u8,
    },
    /// The frame is of a version that is not spoken here.
    #[error("link version {version} is not spoken here")]
    UnknownVersion {
        /// The version of the frame.
        version: u8,
    },
    /// The frame has flags that this version does not know and so must not ignore.
    #[error("frame flags {flags:#x} are not known")]
    UnknownFlags {
        /// The flags, 0 to 15.
        flags: u8,
    },
    /// The payload ends before its last field.
    #[error("payload of {length} bytes ends before its last field")]
    TooShort {
        /// The bytes that came.
        length: usize,
    },
    /// The payload goes on after its last field.
    #[error("payload of {length} bytes is longer than its layout of {length_max}")]
    TooLong {
        /// The bytes that came.
        length: usize,
        /// The bytes of the layout.
        length_max: usize,
    },
    /// A number is outside of what is physically possible.
    #[error("{field}: {source}")]
    Impossible {
        /// The field of the layout.
        field: &'static str,
        /// The value and its range.
        #[source]
        source: UnitError,
    },
    /// A code has no meaning in this version.
    #[error("{field} code {code} is not known")]
    UnknownCode {
        /// The field of the layout.
        field: &'static str,
        /// The code.
        code: u32,
    },
    /// A text is empty, not ASCII, or has bytes after its end.
    #[error("{field} is not printable ASCII padded with zeros")]
    BadText {
        /// The field of the layout.
        field: &'static str,
    },
    /// A number that names something names nothing: the epoch or the counter of a shot, the
    /// session of a host.
    #[error("{field} {value} names nothing")]
    NoIdentity {
        /// The field of the layout.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A shot of an epoch that is not the gun's.
    #[error("shot of epoch {epoch:#018x} while the gun's epoch is {attached:#018x}")]
    OtherEpoch {
        /// The epoch of the shot.
        epoch: u64,
        /// The epoch of the gun's greeting.
        attached: u64,
    },
}
