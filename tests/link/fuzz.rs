//! What the fuzzers once found, and what they begin from, tried again in every run of the tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use meso_tests::root;

use crate::bench::build_with;

#[path = "../../crates/meso-link-proto/fuzz/src/targets.rs"]
pub(crate) mod targets;

/// The kept inputs of one target, in the order of their names.
fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = root().join("firmware-bridge/fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap();
    let mut inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 20, "only {} in {folder:?}", inputs.len());
    inputs
}

/// Tries every kept input in Rust; a failure names the input.
fn replay_rust(target: &str, run: fn(&[u8])) {
    for input in inputs(target) {
        let bytes = fs::read(&input).unwrap();
        let survived = std::panic::catch_unwind(|| run(&bytes)).is_ok();
        assert!(survived, "{}", input.display());
    }
}

/// Tries every kept input in C, in one child with the checkers of C.
fn replay_c(target: &str) {
    let source = format!("fuzz/{target}.c");
    let program = build_with(&format!("replay-{target}"), &[&source, "fuzz/replay.c"]);
    let inputs = inputs(target);
    let run = Command::new(program).args(&inputs).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let tail = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{tail}");
    assert_eq!(said.trim(), format!("{} inputs", inputs.len()));
}

#[test]
fn the_decoder_in_rust_survives_every_kept_input() {
    replay_rust("decoder", targets::decoder);
}

#[test]
fn the_gun_in_rust_survives_every_kept_input() {
    replay_rust("gun", targets::gun);
}

#[test]
fn the_host_in_rust_survives_every_kept_input() {
    replay_rust("host", targets::host);
}

#[test]
fn the_decoder_in_c_survives_every_kept_input() {
    replay_c("decoder");
}

#[test]
fn the_gun_in_c_survives_every_kept_input() {
    replay_c("gun");
}

#[test]
fn a_target_that_finds_something_is_noticed() {
    let found = std::panic::catch_unwind(|| replay_rust("gun", |bytes| assert!(bytes.len() < 9)));
    assert!(found.is_err());
}
