//! The text of a protocol file or a release: TOML, every problem named at once with its line.

mod pack;
mod protocol;
mod walk;

use std::collections::BTreeSet;

use meso_units::{LibraryVersion, ProtocolId};
use toml::de::DeTable;

use crate::{
    Choices, Library, LimitsError, ListedSigner, Pack, PackTopic, Problem, Protocol, ProtocolFile,
    SignerList,
};
use walk::{Notes, Section, as_text};

/// The version of the format of protocols and packs, as their key `format` says it; absent is 1.
pub(crate) const FORMAT_VERSION: i64 = 1;

/// Reads a release.
pub(crate) fn parse_library(text: &str) -> Result<Library, LimitsError> {
    read(text, |root| {
        let version = root
            .whole("version", "a whole number from 1 on")
            .and_then(|version| {
                let version = u32::try_from(version).ok().filter(|version| *version >= 1);
                if version.is_none() {
                    root.wrong("version", "a whole number from 1 on");
                }
                version
            });
        let demo = root.truth("demo");
        let choices = read_choices(root);
        let file = read_tables(root);
        check_choices(root, &choices, &file);
        Some(Library {
            version: LibraryVersion(version?),
            demo: demo?,
            protocols: file.protocols,
            packs: file.packs,
            choices,
        })
    })
}

/// Reads a single file.
pub(crate) fn parse_file(text: &str) -> Result<ProtocolFile, LimitsError> {
    read(text, |root| {
        let file = read_tables(root);
        if file.protocols.is_empty() && file.packs.is_empty() {
            root.wrong_here("neither", "at least one [[protocols]] or [[packs]] table");
        }
        Some(file)
    })
}

/// Reads a signer list.
pub(crate) fn parse_signers(text: &str) -> Result<SignerList, LimitsError> {
    let (version, needed, listed) = read(text, |root| {
        let version = root
            .whole("version", "a whole number from 2 on")
            .and_then(|version| u32::try_from(version).ok())
            .filter(|version| *version >= 2);
        if version.is_none() && root.get("version").is_some() {
            root.wrong(
                "version",
                "a whole number from 2 on; 1 is the list in the configuration",
            );
        }
        let needed = root
            .whole("signatures_needed", "1 or 2")
            .and_then(|needed| usize::try_from(needed).ok())
            .filter(|needed| (1..=2).contains(needed));
        if needed.is_none() && root.get("signatures_needed").is_some() {
            root.wrong("signatures_needed", "1 or 2");
        }
        let sections = root.sections("signers", SignerList::SIGNER_COUNT_MAX);
        let listed: Vec<ListedSigner> = sections.iter().filter_map(read_signer).collect();
        let people: BTreeSet<&String> = listed
            .iter()
            .filter(|signer| !signer.is_revoked)
            .map(|signer| &signer.person)
            .collect();
        if people.len() < needed.unwrap_or(1) {
            let found = format!("{} people whose keys are not revoked", people.len());
            root.wrong_here(&found, "as many as signatures_needed, or more");
        }
        Some((version?, needed?, listed))
    })?;
    SignerList::new(version, needed, listed)
}

fn read_signer(section: &Section<'_>) -> Option<ListedSigner> {
    let person = section.text("person");
    let key = section.text("key");
    let is_key = |key: &String| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        key.len() == 64 && key.bytes().all(is_digit)
    };
    if key.as_ref().is_some_and(|key| !is_key(key)) {
        section.wrong(
            "key",
            "the 64 digits of 0-9 and a-f of an Ed25519 public key",
        );
    }
    let is_revoked = match section.get("revoked") {
        None => Some(false),
        Some(_) => section.truth("revoked"),
    };
    section.note_unknown_keys();
    Some(ListedSigner {
        person: person?,
        key: key.filter(is_key)?,
        is_revoked: is_revoked?,
    })
}

fn read<T>(text: &str, build: impl FnOnce(&Section<'_>) -> Option<T>) -> Result<T, LimitsError> {
    let notes = Notes::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map(|span| span.start);
        notes.add(at, "the text", error.message(), "TOML");
    }
    // What follows from a place that is not TOML would only confuse.
    let value = errors
        .is_empty()
        .then(|| {
            let root = Section::new(&notes, String::new(), 0, table.get_ref());
            let value = build(&root);
            root.note_unknown_keys();
            value
        })
        .flatten();
    let problems: Vec<Problem> = notes.into_list();
    match value {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(LimitsError::NotALibrary { problems }),
    }
}

fn read_tables(root: &Section<'_>) -> ProtocolFile {
    let mut protocols: Vec<Protocol> = Vec::new();
    for section in root.sections("protocols", Library::PROTOCOL_COUNT_MAX) {
        let Some(protocol) = protocol::read(&section) else {
            continue;
        };
        if protocols.iter().any(|known| known.id == protocol.id) {
            section.wrong("id", "an id that no other protocol of the release has");
        }
        protocols.push(protocol);
    }
    let mut packs: Vec<Pack> = Vec::new();
    for section in root.sections("packs", Library::PROTOCOL_COUNT_MAX) {
        let Some(pack) = pack::read(&section) else {
            continue;
        };
        if packs.iter().any(|known| known.id == pack.id) {
            section.wrong("id", "an id that no other pack of the release has");
        }
        packs.push(pack);
    }
    ProtocolFile { protocols, packs }
}

fn read_choices(root: &Section<'_>) -> Choices {
    let mut choices = Choices::default();
    let Some(section) = root.section("choices") else {
        return choices;
    };
    for topic in PackTopic::ALL {
        let key = topic.as_str();
        if let Some(id) = section.optional_text(key) {
            match ProtocolId::parse(&id) {
                Ok(id) => _ = choices.by_topic.insert(topic, id),
                Err(_) => section.wrong(key, "the id of a pack"),
            }
        }
    }
    if let Some(courses) = section.section("course_of") {
        for (key, value) in courses.entries() {
            let protocol = ProtocolId::parse(key).ok();
            let pack = as_text(value.get_ref()).and_then(|id| ProtocolId::parse(id).ok());
            match protocol.zip(pack) {
                Some((protocol, pack)) => _ = choices.course_of.insert(protocol, pack),
                None => courses.wrong(key, "the id of a pack, by the id of a protocol"),
            }
        }
    }
    section.note_unknown_keys();
    choices
}

/// Every pack that is named must be there, and be about what it is named for.
fn check_choices(root: &Section<'_>, choices: &Choices, file: &ProtocolFile) {
    let is_pack = |id: &ProtocolId, topic: PackTopic| {
        let mut packs = file.packs.iter();
        packs.any(|pack| pack.id == *id && pack.topic == topic)
    };
    let note = |key: String, id: &ProtocolId, topic: PackTopic| {
        let allowed = format!("a pack of the release about {}", topic.as_str());
        root.notes.add(None, &key, id.as_str(), &allowed);
    };
    for (topic, id) in &choices.by_topic {
        if !is_pack(id, *topic) {
            note(format!("choices.{}", topic.as_str()), id, *topic);
        }
    }
    for (protocol, id) in &choices.course_of {
        let known = file.protocols.iter().find(|known| known.id == *protocol);
        let is_listed = known.is_some_and(|known| known.course_packs.contains(id));
        if !is_listed || !is_pack(id, PackTopic::Course) {
            note(
                format!("choices.course_of.{protocol}"),
                id,
                PackTopic::Course,
            );
        }
    }
    for protocol in &file.protocols {
        for id in &protocol.course_packs {
            if !is_pack(id, PackTopic::Course) {
                note(
                    format!("{}.course_packs", protocol.id),
                    id,
                    PackTopic::Course,
                );
            }
        }
    }
}
