//! The dashboards: npm packages, generated types, checks, and the build that the server embeds.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process;
use crate::steps::Counts;
use crate::workspace::Workspace;

/// The oldest Node that the build tools run on.
const NODE_MIN: (u32, u32) = (20, 19);

/// Names under dashboards/web that no build reads or that a build makes.
const NOT_SOURCES: [&str; 3] = ["node_modules", "dist", "dist-room"];

/// Whether npm can be run at all.
pub(crate) fn npm_is_there() -> bool {
    process::find(&["node"]).is_some() && process::find(&["npm", "npm.cmd"]).is_some()
}

/// Installs the npm packages if the lock has changed since the last time.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let web = workspace.web();
    check_node()?;
    let lock = fs::read(web.join("package-lock.json"))
        .context("dashboards/web/package-lock.json cannot be read")?;
    let wanted = hex::encode(Sha256::digest(&lock));
    let stamp = web.join("node_modules/.installed-lock");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    process::run(npm(&web).args(["ci", "--no-audit", "--no-fund"]))?;
    // Without a single dependency npm makes no folder.
    fs::create_dir_all(web.join("node_modules"))?;
    fs::write(&stamp, wanted).with_context(|| format!("{} cannot be written", stamp.display()))
}

/// Builds the dashboards unless what is built is current; says whether it did.
pub(crate) fn build(workspace: &Workspace) -> Result<bool> {
    let web = workspace.web();
    if is_current(&web)? {
        println!("the dashboards are built and current");
        return Ok(false);
    }
    install(workspace)?;
    for script in ["gen", "check", "build"] {
        process::run(npm(&web).args(["run", script]))?;
    }
    // Generated types are sources too, so the id is taken after `gen`.
    let id = build_id(&web)?;
    fs::write(web.join("dist/.build-id"), id)
        .context("dashboards/web/dist/.build-id cannot be written")?;
    Ok(true)
}

/// Demands that what is built is current.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    if !is_current(&workspace.web())? {
        bail!("dashboards/web/dist is missing or older than its sources; run `cargo xtask web`");
    }
    println!("the dashboards are built and current");
    Ok(())
}

/// Runs a script of package.json and counts the tests that it reports; false where there is no such
/// script.
pub(crate) fn script(
    workspace: &Workspace,
    script: &str,
    environment: &[(&str, OsString)],
    counts: &mut Counts,
) -> Result<bool> {
    let web = workspace.web();
    if !scripts(&web)?.contains(script) {
        return Ok(false);
    }
    install(workspace)?;
    let mut command = npm(&web);
    command
        .args(["run", script])
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR");
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    process::run_watched(&mut command, |line| counts.add_line(line))?;
    Ok(true)
}

fn is_current(web: &Path) -> Result<bool> {
    let built = fs::read_to_string(web.join("dist/.build-id"));
    let pages = ["dist/index.html", "dist-room/room.html"];
    let there = pages.iter().all(|page| web.join(page).is_file());
    Ok(there && built.is_ok_and(|built| build_id(web).is_ok_and(|id| id == built)))
}

fn npm(web: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(web);
    command
}

fn check_node() -> Result<()> {
    let (major, minor) = NODE_MIN;
    if !npm_is_there() {
        bail!("node or npm is missing; install Node {major}.{minor} or newer and start again");
    }
    let version = process::output(Command::new("node").arg("--version"))?;
    let found = parse_version(version.trim());
    if found.is_none_or(|found| found < NODE_MIN) {
        bail!(
            "node is {}; the dashboards need {major}.{minor} or newer",
            version.trim()
        );
    }
    Ok(())
}

/// Reads `v20.20.2` as (20, 20).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// The names of the scripts that package.json declares.
fn scripts(web: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(web.join("package.json"))
        .context("dashboards/web/package.json cannot be read")?;
    let package: serde_json::Value =
        serde_json::from_str(&text).context("dashboards/web/package.json is not JSON")?;
    let entries = package
        .get("scripts")
        .and_then(serde_json::Value::as_object);
    Ok(entries
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect())
}

/// A hash over every source file and the lock: names, lengths, contents.
fn build_id(web: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect_sources(web, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for path in files {
        let content =
            fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let name = path.strip_prefix(web)?.to_string_lossy().replace('\\', "/");
        hash.update(format!("{name}\0{}\0", content.len()));
        hash.update(&content);
    }
    Ok(hex::encode(hash.finalize()))
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden || NOT_SOURCES.iter().any(|skip| name == *skip) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect_sources(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_read() {
        assert_eq!(parse_version("v20.20.2"), Some((20, 20)));
        assert_eq!(parse_version("22.1"), Some((22, 1)));
        assert_eq!(parse_version("node"), None);
    }

    #[test]
    fn the_build_id_follows_sources_but_not_builds() {
        let folder = tempfile::tempdir().unwrap();
        let web = folder.path();
        fs::create_dir_all(web.join("src")).unwrap();
        fs::create_dir_all(web.join("dist")).unwrap();
        fs::write(web.join("src/main.ts"), "one").unwrap();
        let first = build_id(web).unwrap();
        fs::write(web.join("dist/index.html"), "built").unwrap();
        assert_eq!(build_id(web).unwrap(), first);
        fs::write(web.join("src/main.ts"), "two").unwrap();
        assert_ne!(build_id(web).unwrap(), first);
    }

    #[test]
    fn a_build_is_current_until_a_source_changes() {
        let folder = tempfile::tempdir().unwrap();
        let web = folder.path();
        fs::create_dir_all(web.join("dist")).unwrap();
        fs::write(web.join("package.json"), "{}").unwrap();
        assert!(!is_current(web).unwrap());
        fs::create_dir_all(web.join("dist-room")).unwrap();
        fs::write(web.join("dist/index.html"), "built").unwrap();
        assert!(!is_current(web).unwrap(), "the room's page is missing");
        fs::write(web.join("dist-room/room.html"), "built").unwrap();
        fs::write(web.join("dist/.build-id"), build_id(web).unwrap()).unwrap();
        assert!(is_current(web).unwrap());
        fs::write(web.join("package.json"), "{ }").unwrap();
        assert!(!is_current(web).unwrap());
    }
}
