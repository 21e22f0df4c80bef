//! The driver daemon of a treatment-room PC.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
