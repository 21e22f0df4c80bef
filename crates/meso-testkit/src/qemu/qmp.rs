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

    /// Pulls a device out of the machine and waits until it is gone.
    pub(super) fn remove_device(&mut self, id: &str) -> Result<(), QemuError> {
        let command = "device_del";
        self.send(command, &json!({"id": id}))?;
        let (mut is_ordered, mut is_gone) = (false, false);
        for _ in 0..EVENTS_MAX {
            let said = self.line()?;
            if said.get("error").is_some() {
                return Err(refused(command, &said));
            }
            is_ordered |= said.get("return").is_some();
            is_gone |= said["event"] == "DEVICE_DELETED" && said["data"]["device"] == id;
            if is_ordered && is_gone {
                return Ok(());
            }
        }
        Err(no_answer(command))
    }

    /// Puts a device into the machine; `device` names its driver, its id and its properties.
    pub(super) fn add_device(&mut self, device: &Value) -> Result<(), QemuError> {
        self.execute("device_add", device).map(drop)
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, QemuError> {
        self.send(command, arguments)?;
        for _ in 0..EVENTS_MAX {
            let mut answer = self.line()?;
            if answer.get("error").is_some() {
                return Err(refused(command, &answer));
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
        Err(no_answer(command))
    }

    fn send(&mut self, command: &str, arguments: &Value) -> Result<(), QemuError> {
        let request = json!({"execute": command, "arguments": arguments});
        let line = format!("{request}\n");
        let written = self.lines.get_mut().write_all(line.as_bytes());
        written.map_err(failed("command QEMU"))
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

fn refused(command: &str, answer: &Value) -> QemuError {
    QemuError::Refused {
        command: command.to_owned(),
        answer: answer["error"]["desc"].to_string(),
    }
}

fn no_answer(command: &str) -> QemuError {
    QemuError::Refused {
        command: command.to_owned(),
        answer: format!("{EVENTS_MAX} events and no answer"),
    }
}
