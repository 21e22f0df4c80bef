//! Starts our programs and stops them again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything here may take before the test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A program of ours, built on first use.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--bins"])
                .args(["--package", "mesofleet"])
                .args(["--package", "mesofleet-driver"])
                .args(["--package", "mesofleet-verify"])
                .status()
                .expect("cargo runs");
            assert!(built.success(), "the programs do not build");
            let test = std::env::current_exe().expect("a test has a path");
            test.ancestors()
                .nth(2)
                .expect("target/debug/deps/test")
                .to_owned()
        })
        .join(name)
}

/// Runs `mesofleet demo` to its end.
pub(crate) fn run_demo(arguments: &[&str]) -> Output {
    Command::new(program("mesofleet"))
        .args(["demo", "--http", "127.0.0.1:0"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the demo runs")
}

/// The JSON object in the last line of a demo's output.
#[track_caller]
pub(crate) fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| {
        panic!(
            "last line is not JSON ({error}): {last:?}\n{}\n{}",
            text,
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A demo that runs beside the test.
pub(crate) struct RunningDemo {
    pub(crate) child: Child,
    pub(crate) address: String,
    lines: Receiver<String>,
}

impl RunningDemo {
    /// Starts it and waits until it says where its dashboards are.
    pub(crate) fn start(arguments: &[&str]) -> RunningDemo {
        let mut child = Command::new(program("mesofleet"))
            .args(["demo", "--http", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut demo = RunningDemo {
            child,
            address: String::new(),
            lines,
        };
        demo.address = demo.announced_address();
        demo
    }

    /// Where the dashboards are, as the demo says in its first line.
    fn announced_address(&self) -> String {
        let line = self
            .lines
            .recv_timeout(PATIENCE)
            .expect("the demo says where its dashboards are");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        address
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .to_owned()
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(&format!("http://{}{path}", self.address))
    }

    /// Blocks until the event stream has brought `count` shots.
    pub(crate) fn wait_for_shots(&self, count: usize) {
        let response = agent()
            .get(format!("http://{}/api/v1/events", self.address))
            .call();
        let reader = BufReader::new(
            response
                .expect("the event stream answers")
                .into_body()
                .into_reader(),
        );
        let mut seen = 0;
        for line in reader.lines() {
            let line = line.expect("the event stream goes on");
            if let Some(data) = line.strip_prefix("data:") {
                let event: Value = serde_json::from_str(data.trim()).expect("events are JSON");
                seen += event["shots"].as_array().map_or(0, Vec::len);
            }
            if seen >= count {
                return;
            }
        }
        panic!("the event stream ended after {seen} shots");
    }

    /// Waits for its end and gives exit code and last line.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            last = line;
        }
        let status = self.child.wait().expect("the demo ends");
        (status.code(), last)
    }
}

impl Drop for RunningDemo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into()
}

/// Asks for a URL: status and body.
pub(crate) fn get(url: &str) -> (u16, String) {
    let response = agent().get(url).call().expect("the server answers");
    let status = response.status().as_u16();
    (
        status,
        response
            .into_body()
            .read_to_string()
            .expect("the body is text"),
    )
}

/// Processes whose parent is `parent` and whose program is called `name`.
pub(crate) fn children_named(parent: u32, name: &str) -> Vec<u32> {
    let is_child = |folder: &Path| -> Option<u32> {
        let pid = folder.file_name()?.to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        let parent_field = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
        let program = std::fs::read_link(folder.join("exe")).ok()?;
        let matches = parent_field == parent.to_string()
            && program.file_name()?.to_string_lossy().starts_with(name);
        matches.then_some(pid)
    };
    std::fs::read_dir("/proc")
        .expect("/proc is there")
        .filter_map(|entry| is_child(&entry.ok()?.path()))
        .collect()
}

/// Sends a signal.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
    assert!(sent.expect("kill runs").success());
}
