//! A release of the protocol library: which limits are in force.

use meso_domain::Technique;
use meso_units::{LibraryVersion, ProtocolId};

use crate::LimitsError;
use crate::parse::parse_library;

/// The limits of one quantity, each in the unit of its rule as in
/// [`Finding::value`](meso_domain::Finding::value): µm, nl, µs or a count.
///
/// A value equal to a limit is within it. A shot rate is kept as its interval in µs, rounded down,
/// so the highest rate is the shortest interval (`soft_min`, `hard_min`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Below this a person should look.
    pub soft_min: Option<i64>,
    /// Above this a person should look.
    pub soft_max: Option<i64>,
    /// Below this it must stop.
    pub hard_min: Option<i64>,
    /// Above this it must stop.
    pub hard_max: Option<i64>,
    /// How far a measured value may pass a *soft* limit unremarked, in percent of the limit, 0 to
    /// 50: a set 0.020 ml that reads 0.0205 ml is no news. Set points and hard limits get none.
    pub tolerance_percent: u8,
    /// Where the numbers come from.
    pub source: String,
}

/// One protocol: what a treatment of this kind should keep to. A rule without limits here is not
/// judged under this protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// Its name in records.
    pub id: ProtocolId,
    /// Its name for people.
    pub title: String,
    /// What it is for.
    pub indication: String,
    /// Where it is done.
    pub zones: Vec<String>,
    /// How it is done.
    pub techniques: Vec<Technique>,
    /// Needle depth, in µm.
    pub needle_depth: Option<Limits>,
    /// Volume of one point, in nl; a head of n working needles sets n points a trigger.
    pub volume_per_point: Option<Limits>,
    /// Shortest time between two triggers, in µs; written as a rate.
    pub shot_rate: Option<Limits>,
    /// Volume of a whole session, in nl.
    pub session_volume: Option<Limits>,
    /// Failed injections in a row, as a count.
    pub failed_injections: Option<Limits>,
}

/// A release of the protocol library.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Library {
    pub(crate) version: LibraryVersion,
    pub(crate) demo: bool,
    pub(crate) protocols: Vec<Protocol>,
}

impl Library {
    /// The longest release that is read, in bytes; a longer one is refused. 256 protocols of 1 KiB.
    pub const LENGTH_MAX: usize = 256 * 1_024;
    /// The most protocols of one release; one with more is refused.
    pub const PROTOCOL_COUNT_MAX: usize = 256;

    /// Reads the text of a release without asking who signed it; [`crate::SignedRelease::verify`]
    /// is the way to a library that is in force.
    ///
    /// # Errors
    ///
    /// [`LimitsError::TooLong`], or [`LimitsError::NotALibrary`] with all problems at once.
    pub fn parse(text: &str) -> Result<Library, LimitsError> {
        if text.len() > Library::LENGTH_MAX {
            return Err(LimitsError::TooLong {
                length: text.len(),
                length_max: Library::LENGTH_MAX,
            });
        }
        parse_library(text)
    }

    /// The release; each counts up by one.
    pub const fn version(&self) -> LibraryVersion {
        self.version
    }

    /// Whether it is for demonstrations only.
    pub const fn demo(&self) -> bool {
        self.demo
    }

    /// Its protocols, in the order of the text.
    pub fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    /// The protocol of this name.
    pub fn protocol(&self, id: &ProtocolId) -> Option<&Protocol> {
        self.protocols.iter().find(|protocol| protocol.id == *id)
    }
}

/// Puts the texts of protocol files together into the text of a release, ready to be signed.
///
/// The files' text is kept byte for byte, comments and sources included, so that what is signed is
/// what was reviewed. Nothing is checked here: a file that is not a protocol is named when the
/// release is read.
pub fn assemble_release(version: u32, demo: bool, protocol_files: &[&str]) -> String {
    let mut text = format!(
        "# A release of the protocol library. Every limit is an example to be approved by a \
         clinician.\nversion = {version}\ndemo = {demo}\n"
    );
    for file in protocol_files {
        text.push('\n');
        text.push_str(file.trim_end());
        text.push('\n');
    }
    text
}
