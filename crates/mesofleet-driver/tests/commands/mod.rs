//! The commands beside `run`, as a person types them.

mod beside_a_driver;
mod offline;
#[cfg(target_os = "linux")]
mod service;
mod treatment;

use std::ffi::OsStr;
use std::process::Command;

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Answer {
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Answer {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// Runs a command to its end.
pub fn driver<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_mesofleet-driver"))
        .args(arguments)
        .output()
        .unwrap();
    Answer {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
