//! What a check needs of the line: bytes both ways, and the time.

use std::io;

/// The line broke in the middle of the checks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The port is gone or takes no more bytes.
    #[error("the port broke while the checks ran: look at cable and power, then run them again")]
    Broken {
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// An open line to one gun, with a clock that never steps.
pub trait Wire {
    /// The time in ns since any moment.
    fn now_ns(&self) -> u64;

    /// Sends all bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Broken`] when the line takes no more.
    fn send(&mut self, bytes: &[u8]) -> Result<(), WireError>;

    /// Waits for bytes, at most until `until_ns`, and returns what is there; empty at the end.
    ///
    /// # Errors
    ///
    /// [`WireError::Broken`] when the line is gone.
    fn receive(&mut self, until_ns: u64) -> Result<Vec<u8>, WireError>;

    /// Lets time pass without reading, as a host that is busy.
    fn neglect(&mut self, until_ns: u64);
}
