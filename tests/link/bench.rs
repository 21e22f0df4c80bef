//! The C library as a child process: built with the C compiler of this machine and its checkers of
//! memory and undefined behaviour, driven over standard input and output.
//!
//! A process instead of a foreign function: the workspace forbids `unsafe`, and what the checkers
//! of C find ends the child and not the test.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use meso_tests::root;

/// The options of every C build of this test.
const OPTIONS: [&str; 9] = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Werror",
    "-g",
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
];

/// The library itself, in `firmware-bridge`.
const LIBRARY: [&str; 4] = [
    "meso_frame.c",
    "meso_message.c",
    "meso_link.c",
    "meso_sha256.c",
];

/// Builds `tests/NAME.c` of the firmware bridge with the library.
///
/// # Panics
///
/// Where the C compiler is missing or finds fault.
pub(crate) fn build(name: &str) -> PathBuf {
    build_with(name, &[&format!("tests/{name}.c"), "tests/describe.c"])
}

/// Builds these files of the firmware bridge with the library.
///
/// # Panics
///
/// Where the C compiler is missing or finds fault.
pub(crate) fn build_with(name: &str, sources: &[&str]) -> PathBuf {
    let folder = root().join("firmware-bridge");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("meso-{name}"));
    // Built beside and moved, so that nobody ever starts a half-written program.
    let fresh = out.with_extension(std::process::id().to_string());
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let built = Command::new(&compiler)
        .args(OPTIONS)
        .arg("-o")
        .arg(&fresh)
        .args(sources.iter().map(|file| folder.join(file)))
        .args(LIBRARY.map(|file| folder.join(file)))
        .output()
        .unwrap_or_else(|error| panic!("the C compiler {compiler:?} cannot be started: {error}"));
    let complaints = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "{compiler:?} refuses {name}:\n{complaints}"
    );
    std::fs::rename(&fresh, &out).unwrap();
    out
}

/// The running child; it ends when its input is closed.
pub(crate) struct Bench {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bench {
    /// Starts a child of its own for the caller.
    pub(crate) fn start() -> Bench {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let mut child = Command::new(PROGRAM.get_or_init(|| build("bench")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Bench {
            child,
            input,
            output,
        }
    }

    /// Sends one request.
    fn send(&mut self, request: &str) {
        self.input.write_all(request.as_bytes()).unwrap();
        self.input.write_all(b"\n").unwrap();
        self.input.flush().unwrap();
    }

    /// Reads one line of an answer.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(
            line.ends_with('\n'),
            "the C side ended: see its output above"
        );
        line.trim_end().to_owned()
    }

    /// Sends a request that has one line of answer.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        self.send(request);
        self.line()
    }

    /// What the C decoder finds in these bytes, and its counters.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Vec<String> {
        self.send(&format!("decode {}", hex(bytes)));
        let mut found = Vec::new();
        loop {
            let line = self.line();
            let is_end = line.starts_with("end ");
            found.push(line);
            if is_end {
                return found;
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It holds nothing that would have to be saved.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes as hexadecimal; `-` for none.
pub(crate) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal text; none for `-`.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_tests_of_the_c_library_hold() {
    let program = build("test_link");
    let vectors = root().join("firmware-bridge/vectors");
    let run = Command::new(program).arg(vectors).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{complaints}");
    assert!(said.contains(" 0 failures"), "{said}");
}
