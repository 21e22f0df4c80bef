//! Who may sign: the list in force, and the next one.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use meso_contract::SignedTextBody;
use meso_limits::{SignerList, sign_signer_list};
use serde_json::json;

use super::files::{read_text, replace};
use super::keep::{Kept, list_of};
use super::{SignersCommand, key};
use crate::store::command::{print_line, read_config};

pub(super) fn run(command: &SignersCommand) -> anyhow::Result<ExitCode> {
    match command {
        SignersCommand::Show { config, json } => show(config, *json)?,
        SignersCommand::Sign { list, key, out } => sign(list, key, out)?,
        SignersCommand::Release { signed, config } => release(signed, config)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(config: &Path, as_json: bool) -> anyhow::Result<()> {
    let config = read_config(config)?;
    let kept = Kept::of(&config.data_dir, &config.library)?;
    let list = kept
        .signers
        .context("library.signers in the configuration names nobody")?;
    if as_json {
        let signers: Vec<_> = list
            .signers()
            .map(|signer| {
                json!({ "person": signer.person, "key": signer.key, "revoked": signer.is_revoked })
            })
            .collect();
        let needed = list.signatures_needed();
        let all =
            json!({ "version": list.version(), "signatures_needed": needed, "signers": signers });
        print_line(&all.to_string());
        return Ok(());
    }
    let mode = match list.signatures_needed() {
        1 => "single-signer mode",
        _ => "two people sign",
    };
    print_line(&format!("signer list {}: {mode}", list.version()));
    for signer in list.signers() {
        let state = if signer.is_revoked { " (revoked)" } else { "" };
        print_line(&format!("  {} {}{state}", signer.key, signer.person));
    }
    Ok(())
}

fn sign(list: &Path, key_file: &Path, out: &Path) -> anyhow::Result<()> {
    let text = read_text(list)?;
    SignerList::parse(&text).with_context(|| format!("{} is not signed", list.display()))?;
    let mut signed = match out.exists() {
        true => read_signed(out)?,
        false => SignedTextBody {
            text: text.clone(),
            signatures: Vec::new(),
        },
    };
    anyhow::ensure!(
        signed.text == text,
        "{} holds another text than {}: remove it and let everybody sign anew",
        out.display(),
        list.display()
    );
    let (key_id, signature) = sign_signer_list(&text, &key::read(key_file)?);
    anyhow::ensure!(
        !signed.signatures.iter().any(|(known, _)| *known == key_id),
        "{key_id} has signed this list already"
    );
    signed.signatures.push((key_id.clone(), signature));
    replace(out, &serde_json::to_vec_pretty(&signed)?)?;
    print_line(&format!(
        "signed by {key_id}; {} signature(s) on {}",
        signed.signatures.len(),
        out.display()
    ));
    Ok(())
}

fn release(signed: &Path, config: &Path) -> anyhow::Result<()> {
    let config = read_config(config)?;
    let kept = Kept::of(&config.data_dir, &config.library)?;
    let version = kept.put_signers_in_force(list_of(read_signed(signed)?))?;
    print_line(&format!(
        "signer list {version} is in force; it goes to the rooms with the library when the server \
         starts the next time"
    ));
    Ok(())
}

fn read_signed(path: &Path) -> anyhow::Result<SignedTextBody> {
    let text = read_text(path)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no signed list", path.display()))
}
