//! A [`Wire`] over a serial port of this machine.

use std::io;
use std::time::{Duration, Instant};

use meso_serial::{EnumeratedSource, OpenPort, PortName, PortSource, SerialConfig, SerialError};

use super::{Wire, WireError};

/// The longest single wait for bytes.
const READ_PATIENCE_MAX: Duration = Duration::from_millis(50);

/// The port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the port {path}")]
pub struct PortError {
    /// The path that was given.
    pub path: String,
    /// Why.
    #[source]
    pub source: SerialError,
}

/// An open serial port.
pub struct PortWire {
    port: OpenPort,
    started: Instant,
}

impl PortWire {
    /// Opens the port at `path` for this program alone, at 115 200 baud.
    ///
    /// # Errors
    ///
    /// [`PortError`] when there is none, or somebody else has it.
    pub fn open(path: &str) -> Result<PortWire, PortError> {
        let port = EnumeratedSource
            .open(&PortName::new(path), &SerialConfig::default())
            .map_err(|source| PortError {
                path: path.to_owned(),
                source,
            })?;
        let started = Instant::now();
        Ok(PortWire { port, started })
    }

    fn until(&self, until_ns: u64) -> Duration {
        Duration::from_nanos(until_ns.saturating_sub(self.now_ns()))
    }
}

impl Wire for PortWire {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let broken = |source| WireError::Broken { source };
        self.port.writer.write_all(bytes).map_err(broken)
    }

    fn receive(&mut self, until_ns: u64) -> Result<Vec<u8>, WireError> {
        let mut buffer = [0_u8; 4_096];
        loop {
            let patience = self.until(until_ns).min(READ_PATIENCE_MAX);
            match self.port.reader.read(&mut buffer, patience) {
                // A serial port that reads nothing without waiting has been unplugged.
                Ok(0) => {
                    let source = io::ErrorKind::BrokenPipe.into();
                    return Err(WireError::Broken { source });
                }
                Ok(count) => return Ok(buffer[..count].to_vec()),
                Err(error) if is_nothing_yet(&error) => {}
                Err(source) => return Err(WireError::Broken { source }),
            }
            if self.until(until_ns).is_zero() {
                return Ok(Vec::new());
            }
        }
    }

    fn neglect(&mut self, until_ns: u64) {
        std::thread::sleep(self.until(until_ns));
    }
}

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
