//! A flag that wakes whoever waits for it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Says "stop" once, to everybody.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    // Guards only the flag; never held while anything else is done.
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Says it.
    pub(crate) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits at most `within`; true when it was said.
    pub(crate) fn wait(&self, within: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = self
            .changed
            .wait_timeout_while(stopped, within, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        *stopped
    }
}
