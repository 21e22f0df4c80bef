//! Running other programs.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often [`succeeds_within`] looks whether the program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let program = |word: &OsStr| {
        let path = Path::new(word);
        path.file_name()
            .unwrap_or(word)
            .to_string_lossy()
            .into_owned()
    };
    words
        .enumerate()
        .map(|(index, word)| {
            if index == 0 {
                program(word)
            } else {
                word.to_string_lossy().into()
            }
        })
        .collect::<Vec<String>>()
        .join(" ")
}

/// Runs the command with our own output and demands success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    println!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` could not be started"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs the command, shows its standard output, and hands each line of it to `look`; demands
/// success.
pub(crate) fn run_watched(command: &mut Command, mut look: impl FnMut(&str)) -> Result<()> {
    let line = shown(command);
    println!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{line}` could not be started"))?;
    if let Some(output) = child.stdout.take() {
        for bytes in BufReader::new(output).split(b'\n') {
            let bytes = bytes.with_context(|| format!("the output of `{line}` broke off"))?;
            let text = String::from_utf8_lossy(&bytes);
            println!("{text}");
            look(&text);
        }
    }
    let status = child.wait().with_context(|| format!("`{line}` was lost"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a fuzzer, whose report goes to standard error: shows it, and gives whether the fuzzed
/// program survived and how many inputs it was given.
pub(crate) fn run_fuzzer(command: &mut Command) -> Result<(bool, u64)> {
    let line = shown(command);
    println!("$ {line}");
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{line}` could not be started"))?;
    let mut executions = 0;
    if let Some(output) = child.stderr.take() {
        for bytes in BufReader::new(output).split(b'\n') {
            let bytes = bytes.with_context(|| format!("the output of `{line}` broke off"))?;
            let text = String::from_utf8_lossy(&bytes);
            println!("{text}");
            if let Some(number) = text.strip_prefix("stat::number_of_executed_units:") {
                executions = number.trim().parse().unwrap_or(0);
            }
        }
    }
    let status = child.wait().with_context(|| format!("`{line}` was lost"))?;
    Ok((status.success(), executions))
}

/// The standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{line}` could not be started"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
}

/// Whether the command ends well within `limit`; it is ended when the time is over. Its output is
/// not shown.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> Result<bool> {
    let line = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("`{line}` could not be started"))?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Replaces this process by the command, so that signals and the exit code are the command's own;
/// where the system cannot, waits for it and passes its exit code on.
pub(crate) fn become_or_run(command: &mut Command) -> Result<ExitCode> {
    let line = shown(command);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(command.exec()).with_context(|| format!("`{line}` could not be started"))
    }
    #[cfg(not(unix))]
    {
        let status = command
            .status()
            .with_context(|| format!("`{line}` could not be started"))?;
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1);
        Ok(ExitCode::from(code))
    }
}

/// The search path with the folder of `program` in front.
pub(crate) fn path_with(program: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = program
        .parent()
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::split_paths(&path));
    std::env::join_paths(folders).with_context(|| format!("{} fits no PATH", program.display()))
}

/// The first of the programs that the search path has.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    names.iter().find_map(|name| {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(&path)
            .map(|folder| folder.join(&file))
            .find(|file| file.is_file())
    })
}
