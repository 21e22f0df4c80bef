//! Logs on standard error; `RUST_LOG` chooses how much.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// What is shown without `RUST_LOG`: a client that hangs up is no event at a broker.
const DEFAULT_FILTER: &str = "warn,mqtt5=error";

/// Starts logging: warnings and worse, unless `RUST_LOG` says otherwise.
pub fn start() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    // A second start in one process keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .try_init();
}
