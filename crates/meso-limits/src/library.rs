//! A release of the protocol library: which limits are in force.

use std::collections::BTreeMap;

use meso_domain::{Rule, Severity, Technique};
use meso_units::{LibraryVersion, ProtocolId};

use crate::parse::{parse_file, parse_library};
use crate::{DoseUnit, Limited, LimitsError};

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
    /// Where each number comes from, by its key as the file writes it: `soft_max`, `tolerance`.
    pub sources: BTreeMap<&'static str, String>,
}

/// A check that answers yes or no, and how bad a no is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// Soft or hard.
    pub breach: Severity,
    /// Where the demand comes from.
    pub source: String,
}

/// What a protocol says of one drug.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Drug {
    /// Its name in cocktails; compared without regard to case.
    pub name: String,
    /// Other names under which a cocktail may list it.
    pub also: Vec<String>,
    /// What it is: `anaesthetic`, `toxin`, `steroid`, `vasodilator`, `lipolytic`, `enzyme` …
    pub class: String,
    /// Milligrams, or units of a brand.
    pub unit: DoseUnit,
    /// The brand, where doses are units: units of different brands are not interchangeable.
    pub brand: Option<String>,
    /// Dose of a session, in billionths of the unit.
    pub session_dose: Limits,
    /// Dose of a session for each kilogram of body weight, in billionths of the unit.
    pub dose_per_kilogram: Limits,
    /// Days since the drug was last given.
    pub interval: Limits,
}

/// One phase of a course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Phase {
    /// What its sessions are for.
    pub goal: String,
    /// Sessions of the phase; without a maximum it is open ended.
    pub sessions: Limits,
    /// Days between two sessions.
    pub interval: Limits,
    /// The components that belong to it; empty where any does.
    pub cocktail: Vec<String>,
}

/// What packs are about: where sources disagree, each view is a pack, and a clinic chooses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackTopic {
    /// How many sessions, how far apart.
    Course,
    /// A patient who takes anticoagulants.
    Anticoagulants,
    /// A patient who has or had cancer.
    Cancer,
}

impl PackTopic {
    /// Every topic.
    pub const ALL: [PackTopic; 3] = [
        PackTopic::Course,
        PackTopic::Anticoagulants,
        PackTopic::Cancer,
    ];

    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            PackTopic::Course => "course",
            PackTopic::Anticoagulants => "anticoagulants",
            PackTopic::Cancer => "cancer",
        }
    }
}

/// What a pack asks for where the answer to its screening question is yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stance {
    /// Do not treat.
    Refuse,
    /// Treat only after the time that [`Pack::washout`] gives. The system records the prescriber's
    /// decision about the medicine and never advises stopping one.
    Washout,
    /// Treat only with a recorded decision of the patient's physician.
    AskPhysician,
}

/// One view of something on which sources disagree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pack {
    /// Its name in choices.
    pub id: ProtocolId,
    /// What it is about.
    pub topic: PackTopic,
    /// Its name for people.
    pub title: String,
    /// Where the view comes from.
    pub source: String,
    /// The phases of a course; empty for other topics.
    pub phases: Vec<Phase>,
    /// What to do; `None` for courses.
    pub stance: Option<Stance>,
    /// Time since the last dose of the medicine, in s, by the group of the medicine.
    pub washout: BTreeMap<String, Limits>,
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
    /// Which part of a clinic uses it: `aesthetic`, `hair`, `skin`, `pain`; empty where not said.
    pub profile: String,
    /// Where it is done.
    pub zones: Vec<String>,
    /// How it is done.
    pub techniques: Vec<Technique>,
    /// The product classes that it is for; empty where any is.
    pub product_classes: Vec<String>,
    /// What is not known, and what a clinician should weigh, for people.
    pub notes: Vec<String>,
    /// Limits by quantity.
    pub limits: BTreeMap<Limited, Limits>,
    /// The nominal skin layers that needles may end in; empty where any is.
    pub layers: Vec<Layer>,
    /// How bad another layer is, and where that comes from.
    pub layer_check: Option<Check>,
    /// Checks that answer yes or no.
    pub checks: BTreeMap<Rule, Check>,
    /// Drugs with limits of their own.
    pub drugs: Vec<Drug>,
    /// The packs from which the clinic chooses the course.
    pub course_packs: Vec<ProtocolId>,
    /// Why the needle may go deeper than 10 mm; without it nothing does.
    pub deeper_than_10_mm: Option<String>,
}

impl Protocol {
    /// The limits of a quantity.
    pub fn limits(&self, quantity: Limited) -> Option<&Limits> {
        self.limits.get(&quantity)
    }
}

/// A nominal skin layer, by the travel of the needle; its lower end belongs to the layer above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Up to 1 mm.
    Epidermal,
    /// Above 1 mm, up to 4 mm.
    Intradermal,
    /// Above 4 mm, up to 10 mm.
    Hypodermal,
}

impl Layer {
    /// Every layer, from the surface down.
    pub const ALL: [Layer; 3] = [Layer::Epidermal, Layer::Intradermal, Layer::Hypodermal];

    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Layer::Epidermal => "epidermal",
            Layer::Intradermal => "intradermal",
            Layer::Hypodermal => "hypodermal",
        }
    }

    /// The deepest travel, in µm, above which the layer begins.
    pub const fn above_um(self) -> i64 {
        match self {
            Layer::Epidermal => -1,
            Layer::Intradermal => 1_000,
            Layer::Hypodermal => 4_000,
        }
    }

    /// The deepest travel of the layer, in µm.
    pub const fn to_um(self) -> i64 {
        match self {
            Layer::Epidermal => 1_000,
            Layer::Intradermal => 4_000,
            Layer::Hypodermal => 10_000,
        }
    }
}

/// A release of the protocol library.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Library {
    pub(crate) version: LibraryVersion,
    pub(crate) demo: bool,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) packs: Vec<Pack>,
    pub(crate) choices: Choices,
}

/// Which packs a clinic chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Choices {
    /// The pack of each topic.
    pub by_topic: BTreeMap<PackTopic, ProtocolId>,
    /// The course of single protocols, before that of [`Choices::by_topic`].
    pub course_of: BTreeMap<ProtocolId, ProtocolId>,
}

/// What one file holds: protocols, packs, or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolFile {
    /// Its protocols, in the order of the text.
    pub protocols: Vec<Protocol>,
    /// Its packs, in the order of the text.
    pub packs: Vec<Pack>,
}

impl ProtocolFile {
    /// Reads one file as it lies in a folder, before it is put together into a release.
    ///
    /// # Errors
    ///
    /// [`LimitsError::TooLong`], or [`LimitsError::NotALibrary`] with all problems at once, each
    /// with its line. That a pack of this name exists is only known of a whole release.
    pub fn parse(text: &str) -> Result<ProtocolFile, LimitsError> {
        if text.len() > Library::LENGTH_MAX {
            return Err(LimitsError::TooLong {
                length: text.len(),
                length_max: Library::LENGTH_MAX,
            });
        }
        parse_file(text)
    }
}

impl Library {
    /// The longest release that is read, in bytes; a longer one is refused. 128 protocols of 4 KiB;
    /// the message that carries it must fit into the broker's packets.
    pub const LENGTH_MAX: usize = 512 * 1_024;
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

    /// What files hold, to be looked at: no release, so its version is 0 and nothing is chosen.
    pub fn of_files(files: Vec<ProtocolFile>) -> Library {
        let mut library = Library {
            version: LibraryVersion(0),
            demo: false,
            protocols: Vec::new(),
            packs: Vec::new(),
            choices: Choices::default(),
        };
        for file in files {
            library.protocols.extend(file.protocols);
            library.packs.extend(file.packs);
        }
        library
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

    /// Its packs, in the order of the text.
    pub fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// What the clinic chose.
    pub const fn choices(&self) -> &Choices {
        &self.choices
    }

    /// The pack that the clinic chose for a topic other than courses.
    pub fn chosen(&self, topic: PackTopic) -> Option<&Pack> {
        self.pack(self.choices.by_topic.get(&topic)?)
    }

    /// The course of a protocol: the clinic's choice, where the protocol lists it.
    pub fn course_of(&self, protocol: &Protocol) -> Option<&Pack> {
        let Choices {
            by_topic,
            course_of,
        } = &self.choices;
        let chosen = course_of
            .get(&protocol.id)
            .or_else(|| by_topic.get(&PackTopic::Course))?;
        let listed = protocol.course_packs.contains(chosen);
        listed.then(|| self.pack(chosen)).flatten()
    }

    fn pack(&self, id: &ProtocolId) -> Option<&Pack> {
        self.packs.iter().find(|pack| pack.id == *id)
    }

    /// The protocol of this name.
    pub fn protocol(&self, id: &ProtocolId) -> Option<&Protocol> {
        self.protocols.iter().find(|protocol| protocol.id == *id)
    }
}

/// The header of a release: everything that no protocol file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReleaseHeader {
    /// Counts up by one with each release.
    pub version: u32,
    /// Whether it is for demonstrations only.
    pub demo: bool,
    /// Which packs the clinic chose.
    pub choices: Choices,
}

impl ReleaseHeader {
    /// Puts the texts of protocol files together into the text of a release, ready to be signed.
    ///
    /// As [`assemble_release`], with the clinic's choices.
    pub fn assemble(&self, protocol_files: &[&str]) -> String {
        let mut head = String::new();
        let Choices {
            by_topic,
            course_of,
        } = &self.choices;
        if !by_topic.is_empty() || !course_of.is_empty() {
            head.push_str("\n[choices]\n");
        }
        for (topic, pack) in by_topic {
            head.push_str(&format!("{} = \"{pack}\"\n", topic.as_str()));
        }
        if !course_of.is_empty() {
            head.push_str("[choices.course_of]\n");
        }
        for (protocol, pack) in course_of {
            head.push_str(&format!("{protocol} = \"{pack}\"\n"));
        }
        let files: Vec<&str> = std::iter::once(head.as_str())
            .filter(|head| !head.is_empty())
            .chain(protocol_files.iter().copied())
            .collect();
        assemble_release(self.version, self.demo, &files)
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
