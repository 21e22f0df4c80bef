//! QEMU's control line: one JSON object a line, in the form of its machine protocol.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::error::{QemuError, failed};

/// How long an answer may take; a stopped machine answers too.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Events that may come before an answer; more means that nobody answers.
const EVENTS_MAX: usize = 1_000;

/// The control line of a running machine.
#[derive(Debug)]
pub struct Qmp {
    lines: BufReader<UnixStream>,
}

impl Qmp {
    /// Takes the line that QEMU has opened, and ends its greeting.
    pub(super) fn greet(stream: UnixStream) -> Result<Qmp, QemuError> {
        stream
            .set_read_timeout(Some(ANSWER_WITHIN))
            .map_err(failed("limit the wait for QEMU's answers"))?;
        let mut qmp = Qmp {
            lines: BufReader::new(stream),
        };
        qmp.line()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Resets the machine as its reset pin would: RAM stays, the firmware starts anew.
    ///
    /// # Errors
    ///
    /// [`QemuError`] when QEMU refuses or is gone; so for all others here.
    pub fn system_reset(&mut self) -> Result<(), QemuError> {
        self.execute("system_reset", &json!({})).map(drop)
    }

    /// Stops the processor: firmware that hangs, with its port still there.
    ///
    /// # Errors
    ///
    /// As [`Qmp::system_reset`].
    pub fn stop(&mut self) -> Result<(), QemuError> {
        self.execute("stop", &json!({})).map(drop)
    }

    /// Lets the processor go on.
    ///
    /// # Errors
    ///
    /// As [`Qmp::system_reset`].
    pub fn go_on(&mut self) -> Result<(), QemuError> {
        self.execute("cont", &json!({})).map(drop)
    }

    /// Writes `length` bytes of the machine's memory, from `address` on, into a file.
    ///
    /// # Errors
    ///
    /// As [`Qmp::system_reset`].
    pub fn save_memory(&mut self, address: u32, length: u32, file: &Path) -> Result<(), QemuError> {
        let arguments = json!({"val": address, "size": length, "filename": file});
        self.execute("pmemsave", &arguments).map(drop)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, QemuError> {
        let request = json!({"execute": command, "arguments": arguments});
        let mut line = request.to_string();
        line.push('\n');
        self.lines
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(failed("command QEMU"))?;
        for _ in 0..EVENTS_MAX {
            let mut answer = self.line()?;
            if answer.get("error").is_some() {
                return Err(QemuError::Refused {
                    command: command.to_owned(),
                    answer: answer["error"]["desc"].to_string(),
                });
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
        Err(QemuError::Refused {
            command: command.to_owned(),
            answer: format!("{EVENTS_MAX} events and no answer"),
        })
    }

    fn line(&mut self) -> Result<Value, QemuError> {
        let mut line = String::new();
        self.lines
            .read_line(&mut line)
            .map_err(failed("hear QEMU's answer"))?;
        serde_json::from_str(&line).map_err(|source| QemuError::System {
            what: "understand QEMU's answer",
            source: source.into(),
        })
    }
}
