//! What a server keeps in its data folder: the release in force, every one before it, and the
//! chain of signer lists.
//!
//! | file | what |
//! |---|---|
//! | `library.json` | the release in force, as it travels to the rooms |
//! | `libraries/00000003.json` | release 3, and so on; a server never goes back behind the highest |
//! | `signers.json` | the signer lists after the one in the configuration, each signed by the one before |

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use meso_config::LibraryTrust;
use meso_contract::{LibraryMessage, SignedTextBody};
use meso_limits::{SignedSignerList, SignerList};

use super::files::{replace, signed_of, write_new};
use crate::serve::LibraryInForce;

const IN_FORCE: &str = "library.json";
const EVERY_RELEASE: &str = "libraries";
const SIGNERS: &str = "signers.json";

/// The list in the configuration; `None` where it names nobody.
fn signer_list(trust: &LibraryTrust) -> anyhow::Result<Option<SignerList>> {
    let keys: Vec<String> = trust.signers.iter().map(ToString::to_string).collect();
    SignerList::configured(&keys, trust.signatures_needed).context("library.signers cannot be used")
}

/// What a data folder holds, checked.
pub(crate) struct Kept {
    folder: PathBuf,
    /// Whose signatures count now; `None` where nobody's do.
    pub(crate) signers: Option<SignerList>,
    /// The lists after the one in the configuration.
    pub(super) chain: Vec<SignedSignerList>,
    /// The release in force; `None` where only the general limits hold.
    pub(crate) in_force: Option<LibraryInForce>,
}

impl Kept {
    /// Reads and checks everything.
    ///
    /// # Errors
    ///
    /// A release that is not rightly signed, or lower than one that was in force: nobody should
    /// believe that it is in force.
    pub(crate) fn of(data_dir: &Path, trust: &LibraryTrust) -> anyhow::Result<Kept> {
        let pinned = signer_list(trust)?;
        let chain = read_chain(&data_dir.join(SIGNERS))?;
        let signers = pinned
            .map(|pinned| pinned.follow(&chain))
            .transpose()
            .with_context(|| format!("{SIGNERS} in the data folder cannot be used"))?;
        let mut kept = Kept {
            folder: data_dir.to_owned(),
            signers,
            chain,
            in_force: None,
        };
        let path = data_dir.join(IN_FORCE);
        if kept.signers.is_some() && path.exists() {
            let wrong = || format!("{} is no release that may come into force", path.display());
            let bytes = fs::read(&path).with_context(wrong)?;
            let message = LibraryMessage::decode(&bytes).with_context(wrong)?;
            let in_force = kept.check(&message).with_context(wrong)?;
            let highest = kept.highest_release()?;
            let version = in_force.library.version().get();
            anyhow::ensure!(
                version >= highest,
                "{} holds release {version}, but release {highest} was in force: releases never \
                 go back; make a draft of version {} from the older files",
                path.display(),
                highest.saturating_add(1)
            );
            kept.in_force = Some(in_force);
        }
        Ok(kept)
    }

    /// Checks a release against the list in force.
    ///
    /// # Errors
    ///
    /// Nobody's signatures count here, too few count on it, or its text has problems.
    pub(super) fn check(&self, message: &LibraryMessage) -> anyhow::Result<LibraryInForce> {
        let signers = self.signers.as_ref().context(
            "library.signers in the configuration names nobody, so no release can come into force",
        )?;
        let release = signed_of(message);
        let library = release.verify(signers)?;
        Ok(LibraryInForce {
            library: Arc::new(library),
            release,
            signer_lists: self.chain.clone(),
            is_single_signer: signers.signatures_needed() == 1,
        })
    }

    /// Takes a release over.
    ///
    /// # Errors
    ///
    /// It is not rightly signed, or not higher than the one in force.
    pub(super) fn put_in_force(&self, message: &LibraryMessage) -> anyhow::Result<u32> {
        let offered = self.check(message)?.library.version().get();
        let in_force = self.in_force.as_ref();
        let in_force = in_force.map_or(0, |in_force| in_force.library.version().get());
        let highest = self.highest_release()?.max(in_force);
        anyhow::ensure!(
            offered > highest,
            "release {offered} is not higher than release {highest}, which is or was in force: \
             make a draft of version {}",
            highest.saturating_add(1)
        );
        let folder = self.folder.join(EVERY_RELEASE);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let bytes = message.encode()?;
        write_new(&folder.join(format!("{offered:08}.json")), &bytes)?;
        replace(&self.folder.join(IN_FORCE), &bytes)?;
        Ok(offered)
    }

    /// Takes the next signer list over.
    ///
    /// # Errors
    ///
    /// It does not follow the list in force, or too few people of that list signed it.
    pub(super) fn put_signers_in_force(&self, next: SignedSignerList) -> anyhow::Result<u32> {
        let signers = self
            .signers
            .as_ref()
            .context("library.signers in the configuration names nobody to follow")?;
        let list = signers.follow(std::slice::from_ref(&next))?;
        let mut chain: Vec<SignedTextBody> = self.chain.iter().map(body_of).collect();
        chain.push(body_of(&next));
        anyhow::ensure!(
            chain.len() <= SignerList::CHAIN_LENGTH_MAX,
            "the chain of signer lists is {} long already: pin the newest list in the \
             configuration of server and rooms, and begin a new chain",
            SignerList::CHAIN_LENGTH_MAX
        );
        replace(
            &self.folder.join(SIGNERS),
            &serde_json::to_vec_pretty(&chain)?,
        )?;
        Ok(list.version())
    }

    fn highest_release(&self) -> anyhow::Result<u32> {
        let folder = self.folder.join(EVERY_RELEASE);
        if !folder.exists() {
            return Ok(0);
        }
        let mut highest = 0;
        for entry in fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?
        {
            let path = entry?.path();
            let number = path
                .file_stem()
                .and_then(|name| name.to_str()?.parse().ok());
            highest = highest.max(number.unwrap_or(0));
        }
        Ok(highest)
    }
}

fn read_chain(path: &Path) -> anyhow::Result<Vec<SignedSignerList>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = || format!("{} is no chain of signer lists", path.display());
    let bytes = fs::read(path).with_context(wrong)?;
    let chain: Vec<SignedTextBody> = serde_json::from_slice(&bytes).with_context(wrong)?;
    Ok(chain.into_iter().map(list_of).collect())
}

/// A list as it lies in a file and travels.
pub(crate) fn body_of(list: &SignedSignerList) -> SignedTextBody {
    SignedTextBody {
        text: list.text.clone(),
        signatures: list.signatures.clone(),
    }
}

/// A list that travelled.
pub(super) fn list_of(body: SignedTextBody) -> SignedSignerList {
    SignedSignerList {
        text: body.text,
        signatures: body.signatures,
    }
}
