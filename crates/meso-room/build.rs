//! Makes the folder of the built page, so that embedding it never fails.
//!
//! Cargo recompiles a crate on every build while a watched folder is missing, so an empty one is
//! made. Nothing is fetched or built here: `cargo xtask web` does that.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed=REQUIRE_WEB");
    let Some(manifest_dir) = env::var_os("CARGO_MANIFEST_DIR") else {
        println!("cargo::error=CARGO_MANIFEST_DIR is not set; run this through cargo");
        return ExitCode::FAILURE;
    };
    let dist = PathBuf::from(manifest_dir).join("../../dashboards/web/dist-room");
    println!("cargo::rerun-if-changed={}", dist.display());
    if let Err(error) = fs::create_dir_all(&dist) {
        println!("cargo::error=cannot make {}: {error}", dist.display());
        return ExitCode::FAILURE;
    }
    let wanted = env::var_os("REQUIRE_WEB").is_some_and(|value| value == "1");
    if wanted && !dist.join("room.html").is_file() {
        println!("cargo::error=REQUIRE_WEB=1, but the page is not built: cargo xtask web");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
