//! Runs the target `decoder` of `targets.rs` on whatever the fuzzer thinks of.
#![no_main]

#[path = "../src/targets.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "each program runs one of the targets"
)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::decoder(data));
