//! Fuzzing of the link: the C library and the Rust crate, each on whatever bytes a line may bring.
//!
//! Runs on stable Rust: coverage comes from flags of the compiler, the fuzzer is LLVM's libFuzzer
//! on both sides. `firmware-bridge/FUZZING.md` says what the targets look at.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{packages, process};

/// How many inputs are tried unless the caller says otherwise: some minutes for each target.
pub(crate) const RUNS_DEFAULT: u64 = 1_000_000;

/// The longest input for a decoder, in bytes: one frame of the longest and the next one.
const LINE_BYTES_MAX: u32 = 320;

/// The longest input for one end of the link, in bytes: some dozens of things that happen.
const LIFE_BYTES_MAX: u32 = 1_024;

/// What makes rustc count which code was reached, as libFuzzer wants it; and overflows are found
/// though the build is optimised.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 --cfg fuzzing";

/// The C library, in `firmware-bridge`.
const LIBRARY: [&str; 4] = [
    "meso_frame.c",
    "meso_message.c",
    "meso_link.c",
    "meso_sha256.c",
];

/// What can be fuzzed: its name, and whether it is in C.
const TARGETS: [(&str, bool); 5] = [
    ("c-decoder", true),
    ("c-gun", true),
    ("rust-decoder", false),
    ("rust-gun", false),
    ("rust-host", false),
];

/// What came of one target.
struct Outcome {
    name: &'static str,
    executions: u64,
    time: Duration,
    survived: bool,
}

/// Fuzzes all targets, or the one that is named, with so many inputs each.
pub(crate) fn run(workspace: &Workspace, runs: u64, only: Option<&str>) -> Result<ExitCode> {
    let chosen: Vec<_> = TARGETS
        .into_iter()
        .filter(|(name, _)| only.is_none_or(|only| only == *name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        bail!(
            "there is no target of that name; there are {}",
            names.join(", ")
        );
    }
    println!(
        "cargo xtask fuzz: installs Debian's clang-14 and libclang-rt-14-dev if there is no clang\n\
         with a fuzzer; builds the targets, then tries {runs} inputs on each of {}.",
        chosen.len()
    );
    let folder = build_folder()?;
    let mut outcomes = Vec::new();
    for (name, is_c) in chosen {
        let program = if is_c {
            build_c(workspace, name, &folder)?
        } else {
            build_rust(workspace, name, &folder)?
        };
        outcomes.push(fuzz(workspace, name, &program, &folder, runs)?);
    }
    Ok(summary(&outcomes))
}

/// Where fuzz targets are built: beside the folder that this program was built into.
fn build_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program's own path is not known")?;
    let target = own
        .ancestors()
        .nth(2)
        .context("this program lies in no target folder; run it as `cargo xtask`")?;
    Ok(target.join("fuzz"))
}

/// The name of a target without its language.
fn base(name: &str) -> &str {
    name.split_once('-').map_or(name, |(_, base)| base)
}

fn build_c(workspace: &Workspace, name: &str, folder: &Path) -> Result<PathBuf> {
    let bridge = workspace.root().join("firmware-bridge");
    let program = folder.join(name);
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let mut clang = Command::new(packages::clang()?);
    clang
        .args(["-std=c99", "-Wall", "-Wextra", "-g", "-O2"])
        .args([
            "-fsanitize=fuzzer,address,undefined",
            "-fno-sanitize-recover=all",
        ])
        .arg("-o")
        .arg(&program)
        .arg(bridge.join("fuzz").join(format!("{}.c", base(name))))
        .args(LIBRARY.map(|file| bridge.join(file)));
    process::run(&mut clang)?;
    Ok(program)
}

fn build_rust(workspace: &Workspace, name: &str, folder: &Path) -> Result<PathBuf> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not say for which system it builds")?;
    let mut build = workspace.cargo(&["build", "--release", "--locked", "--manifest-path"]);
    build
        .arg("crates/meso-link-proto/fuzz/Cargo.toml")
        // Named, so that the flags are not those of build scripts too.
        .args(["--target", host, "--bin", base(name)])
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", COVERAGE);
    process::run(&mut build)?;
    Ok(folder.join(host).join("release").join(base(name)))
}

fn fuzz(
    workspace: &Workspace,
    name: &'static str,
    program: &Path,
    folder: &Path,
    runs: u64,
) -> Result<Outcome> {
    let kept = workspace
        .root()
        .join("firmware-bridge/fuzz/corpus")
        .join(base(name));
    let grown = folder.join("corpus").join(name);
    let found = folder.join("found");
    for made in [&grown, &found] {
        std::fs::create_dir_all(made)
            .with_context(|| format!("the folder {} cannot be made", made.display()))?;
    }
    let input_bytes_max = if base(name) == "decoder" {
        LINE_BYTES_MAX
    } else {
        LIFE_BYTES_MAX
    };
    let mut command = Command::new(program);
    command
        .arg(format!("-runs={runs}"))
        .arg(format!("-max_len={input_bytes_max}"))
        .arg(format!("-artifact_prefix={}/{name}-", found.display()))
        .arg("-print_final_stats=1")
        // What is found new goes into the first; what the checkout keeps is only read.
        .args([&grown, &kept]);
    let started = Instant::now();
    let (survived, executions) = process::run_fuzzer(&mut command)?;
    if !survived {
        println!(
            "{name} did not survive; the input lies in {}. Mend the code, and keep the input in {}",
            found.display(),
            kept.display()
        );
    }
    Ok(Outcome {
        name,
        executions,
        time: started.elapsed(),
        survived,
    })
}

fn summary(outcomes: &[Outcome]) -> ExitCode {
    println!(
        "\n{:<14} {:>12} {:>9}  result",
        "target", "executions", "seconds"
    );
    for outcome in outcomes {
        println!(
            "{:<14} {:>12} {:>9.0}  {}",
            outcome.name,
            outcome.executions,
            outcome.time.as_secs_f64(),
            if outcome.survived {
                "no crash"
            } else {
                "CRASHED"
            }
        );
    }
    if outcomes.iter().all(|outcome| outcome.survived) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
