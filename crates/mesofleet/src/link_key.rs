//! The key of one gun, from the file that `--key-file` names.

use std::fs;
use std::path::Path;

use anyhow::Context;
use meso_testkit::gun::LinkKey;

/// Reads the key; `None` where no file is named.
///
/// # Errors
///
/// The file cannot be read or holds no key; the text does not repeat what stands in it.
pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Option<LinkKey>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let key = LinkKey::parse(&text).with_context(|| format!("{name} cannot be used"))?;
    Ok(Some(key))
}
