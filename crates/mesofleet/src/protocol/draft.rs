//! From files to a draft, to signatures, to the release in force.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use meso_contract::LibraryMessage;
use meso_contract::topics::PAYLOAD_BYTES_MAX;
use meso_limits::{Choices, Library, PackTopic, ProtocolFile, ReleaseHeader, SignerList};
use meso_units::ProtocolId;

use super::files::{read_message, read_text, replace, unsigned, write_new};
use super::keep::Kept;
use super::{DraftArguments, ReleaseArguments, RetireArguments, SignArguments, key};
use crate::store::command::{print_line, read_config};

pub(super) fn draft(arguments: &DraftArguments) -> anyhow::Result<ExitCode> {
    let header = ReleaseHeader {
        version: arguments.version,
        demo: arguments.demo,
        choices: choices(&arguments.choose)?,
    };
    write_draft(&header, &texts(&arguments.files)?, &arguments.out)
}

fn texts(files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::with_capacity(files.len());
    for path in files {
        let text = read_text(path)?;
        // Named by file and line here; of the whole release only lines of the whole are known.
        ProtocolFile::parse(&text).with_context(|| format!("{} cannot be used", path.display()))?;
        texts.push(text);
    }
    Ok(texts)
}

fn write_draft(header: &ReleaseHeader, texts: &[String], out: &Path) -> anyhow::Result<ExitCode> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let message = unsigned(header.assemble(&texts));
    let library = Library::parse(&message.release).context("no draft can be made")?;
    let bytes = message.encode()?;
    anyhow::ensure!(
        bytes.len() + SignerList::SIGNATURE_COUNT_MAX * 256 <= PAYLOAD_BYTES_MAX,
        "the draft has {} bytes, and a message to the rooms at most {PAYLOAD_BYTES_MAX} with its \
         signatures: leave out protocols that the clinic does not use",
        bytes.len()
    );
    write_new(out, &bytes)?;
    print_line(&format!(
        "draft of release {} with {} protocols in {}: nothing is in force until it is signed",
        library.version(),
        library.protocols().len(),
        out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Reads `course=taper-to-monthly` and `course:chin-fat=chin-label`.
fn choices(texts: &[String]) -> anyhow::Result<Choices> {
    let mut choices = Choices::default();
    for text in texts {
        let wrong = || {
            format!(
                "{text:?} is no choice: write TOPIC=PACK with course, anticoagulants or cancer, or \
                 course:PROTOCOL=PACK"
            )
        };
        let (what, pack) = text.split_once('=').with_context(wrong)?;
        let pack = ProtocolId::parse(pack).with_context(wrong)?;
        match what.split_once(':') {
            Some(("course", protocol)) => {
                let protocol = ProtocolId::parse(protocol).with_context(wrong)?;
                choices.course_of.insert(protocol, pack);
            }
            Some(_) => anyhow::bail!(wrong()),
            None => {
                let mut topics = PackTopic::ALL.into_iter();
                let topic = topics.find(|topic| topic.as_str() == what);
                choices.by_topic.insert(topic.with_context(wrong)?, pack);
            }
        }
    }
    Ok(choices)
}

pub(super) fn sign(arguments: &SignArguments) -> anyhow::Result<ExitCode> {
    let path = &arguments.draft;
    let mut message = read_message(path)?;
    let library = Library::parse(&message.release)
        .with_context(|| format!("{} is not signed", path.display()))?;
    let seed = key::read(&arguments.key)?;
    let (key_id, signature) = meso_limits::sign(&message.release, &seed);
    anyhow::ensure!(
        !message.signatures.iter().any(|(known, _)| *known == key_id),
        "{key_id} has signed this draft already; the next signature is another person's"
    );
    summarise(&library);
    confirm(arguments.yes, "Sign this release?")?;
    message.signatures.push((key_id.clone(), signature));
    replace(path, &message.encode()?)?;
    print_line(&format!(
        "signed by {key_id}; {} signature(s) on {}",
        message.signatures.len(),
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn summarise(library: &Library) {
    print_line(&format!(
        "release {} with {} protocols; every limit is an example to be approved by a clinician",
        library.version(),
        library.protocols().len()
    ));
    for topic in PackTopic::ALL {
        let chosen = match topic {
            PackTopic::Course => library.choices().by_topic.get(&topic).cloned(),
            _ => library.chosen(topic).map(|pack| pack.id.clone()),
        };
        let chosen = chosen.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
        print_line(&format!("  {}: {chosen}", topic.as_str()));
    }
}

/// Asks a person at a terminal; elsewhere `--yes` must say so.
fn confirm(is_sure: bool, question: &str) -> anyhow::Result<()> {
    if is_sure {
        return Ok(());
    }
    anyhow::ensure!(
        std::io::stdin().is_terminal(),
        "nobody is there to ask: add --yes to go on"
    );
    print_line(&format!("{question} Write yes to go on."));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    anyhow::ensure!(answer.trim() == "yes", "nothing was changed");
    Ok(())
}

pub(super) fn release(arguments: &ReleaseArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let kept = Kept::of(&config.data_dir, &config.library)?;
    let message = read_message(&arguments.draft)?;
    let offered = kept.check(&message)?;
    summarise(&offered.library);
    if offered.is_single_signer {
        print_line("single-signer mode: one person's signature is enough here");
    }
    confirm(arguments.yes, "Put this release into force?")?;
    let version = kept.put_in_force(&LibraryMessage {
        signer_lists: Vec::new(),
        ..message
    })?;
    print_line(&format!(
        "release {version} is in force; it goes to the rooms when the server starts the next time"
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn retire(arguments: &RetireArguments) -> anyhow::Result<ExitCode> {
    let config = read_config(&arguments.config)?;
    let kept = Kept::of(&config.data_dir, &config.library)?;
    let in_force = kept
        .in_force
        .context("no release is in force, so nothing can be retired")?
        .library;
    let mut ids = BTreeSet::new();
    for id in &arguments.ids {
        let id = ProtocolId::parse(id)?;
        anyhow::ensure!(
            in_force.protocol(&id).is_some(),
            "protocol {id} is not in release {} in force",
            in_force.version()
        );
        ids.insert(id);
    }
    let mut texts = texts(&arguments.files)?;
    let mut rest = BTreeSet::new();
    texts.retain(|text| match ProtocolFile::parse(text) {
        Ok(file) => {
            let goes = file.protocols.iter().any(|known| ids.contains(&known.id));
            if !goes {
                rest.extend(file.protocols.into_iter().map(|known| known.id));
            }
            !goes
        }
        Err(_) => true,
    });
    let wanted: BTreeSet<ProtocolId> = in_force
        .protocols()
        .iter()
        .map(|known| known.id.clone())
        .filter(|id| !ids.contains(id))
        .collect();
    if let Some(missing) = wanted.difference(&rest).next() {
        anyhow::bail!("protocol {missing} stays in force, but none of the files holds it alone");
    }
    let mut choices = in_force.choices().clone();
    choices.course_of.retain(|id, _| !ids.contains(id));
    let header = ReleaseHeader {
        version: in_force.version().get().saturating_add(1),
        demo: in_force.demo(),
        choices,
    };
    write_draft(&header, &texts, &arguments.out)
}
