//! The dashboards in a real browser, over a demo that runs beside the checks, and the treatment
//! room's page over a driver of its own.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::steps::{Counts, Outcome};
use crate::workspace::Workspace;
use crate::{packages, process, web};

/// The npm script that drives the browser; it reads the board's address from `BASE_URL`.
const SCRIPT: &str = "e2e";

/// The npm script that treats on the room's page.
const ROOM_SCRIPT: &str = "e2e:room";

/// How long a demo may take to end after it was asked to.
const END_LIMIT: Duration = Duration::from_secs(60);

/// How often the end of the demo is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The exit code of a demo that was asked to end by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Runs the browser checks of the dashboards.
pub(crate) fn check(workspace: &Workspace, counts: &mut Counts) -> Result<Outcome> {
    let chromium = packages::chromium()?;
    workspace.build_programs()?;
    let screenshots = workspace.cache()?.join("screenshots");
    std::fs::create_dir_all(&screenshots)?;
    let demo = Demo::start(workspace)?;
    let environment = [
        ("BASE_URL", demo.address.clone().into()),
        ("CHROMIUM", chromium.into_os_string()),
        ("SCREENSHOTS", screenshots.clone().into_os_string()),
    ];
    let checked = web::script(workspace, SCRIPT, &environment, counts);
    let ended = demo.end();
    if !checked? {
        bail!("dashboards/web/package.json declares no script {SCRIPT}");
    }
    ended?;
    check_room(workspace, counts, &screenshots)?;
    println!("screenshots lie in {}", screenshots.display());
    Ok(Outcome::Done)
}

/// Treats on the room's page; the script starts server, driver and gun by itself.
fn check_room(workspace: &Workspace, counts: &mut Counts, screenshots: &Path) -> Result<()> {
    let driver = workspace.binary("mesofleet-driver")?;
    let programs = driver.parent().context("the programs lie in no folder")?;
    let environment = [
        ("PROGRAMS", programs.to_owned().into_os_string()),
        ("CHROMIUM", packages::chromium()?.into_os_string()),
        ("SCREENSHOTS", screenshots.to_owned().into_os_string()),
    ];
    if !web::script(workspace, ROOM_SCRIPT, &environment, counts)? {
        bail!("dashboards/web/package.json declares no script {ROOM_SCRIPT}");
    }
    Ok(())
}

/// A demo in the background; ended, if need be by force, when it is dropped.
struct Demo {
    child: Child,
    address: String,
}

impl Demo {
    /// Starts a demo on a free port and waits until it says where its board is.
    fn start(workspace: &Workspace) -> Result<Demo> {
        let mut command = Command::new(workspace.binary("mesofleet")?);
        command.args(["demo", "--http", "127.0.0.1:0", "--seed", "7"]);
        println!("$ {} (in the background)", process::shown(&command));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the demo could not be started")?;
        let output = child.stdout.take().context("the demo has no output")?;
        let mut demo = Demo {
            child,
            address: String::new(),
        };
        let mut lines = BufReader::new(output).lines();
        demo.address = read_address(&mut lines)?;
        // Keeps reading, so that the demo never waits for a full pipe.
        thread::spawn(move || lines.for_each(drop));
        Ok(demo)
    }

    /// Asks it to end as Ctrl-C does, and demands that it ends in good order.
    fn end(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        process::run(Command::new("kill").args(["-INT", &pid]))?;
        let deadline = Instant::now() + END_LIMIT;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.code() == Some(INTERRUPTED) => return Ok(()),
                Some(status) => bail!("the demo ended with {status}, not with {INTERRUPTED}"),
                None if Instant::now() >= deadline => {
                    bail!("the demo did not end within {} s", END_LIMIT.as_secs());
                }
                None => thread::sleep(POLL_INTERVAL),
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already unless something failed, and then both calls say so in vain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads on until a line names an address.
fn read_address(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    for line in lines {
        let line = line.context("the output of the demo broke off")?;
        println!("demo: {line}");
        if let Some(address) = address_in(&line) {
            return Ok(address);
        }
    }
    bail!("the demo ended without naming the address of its board")
}

fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let address = rest.split_whitespace().next()?.trim_end_matches('/');
    Some(format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_board_is_found_in_a_line() {
        let line = "the board is at http://127.0.0.1:41234/ (DEMO)";
        assert_eq!(address_in(line).as_deref(), Some("http://127.0.0.1:41234"));
        assert_eq!(address_in("starting"), None);
    }
}
