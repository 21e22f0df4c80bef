//! One line on a terminal that renews itself; silent where there is no terminal.

use std::io::{IsTerminal, Write, stderr};

/// Clears the line and returns to its beginning.
const RENEW: &str = "\r\x1b[2K";
/// Cuts what does not fit at the edge: a line that wraps could not be renewed.
const NO_WRAP: &str = "\x1b[?7l";
/// What a terminal does by itself.
const WRAP: &str = "\x1b[?7h";

/// The status line.
#[derive(Debug)]
pub(crate) struct StatusLine {
    terminal: bool,
    shown: bool,
}

impl StatusLine {
    /// Asks whether there is a terminal.
    pub(crate) fn new() -> StatusLine {
        StatusLine {
            terminal: stderr().is_terminal(),
            shown: false,
        }
    }

    /// Shows `text` in place of what was there, and leaves the cursor at its beginning, where the
    /// `^C` of a terminal cannot break into a second line.
    pub(crate) fn show(&mut self, text: &str) {
        if self.terminal {
            // A terminal that went away must not end a run.
            let _ = write!(stderr(), "{RENEW}{NO_WRAP}{text}{WRAP}\r");
            let _ = stderr().flush();
            self.shown = true;
        }
    }

    /// Ends the line, so that other output begins on a fresh one.
    pub(crate) fn clear(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "{RENEW}");
            let _ = stderr().flush();
            self.shown = false;
        }
    }
}
