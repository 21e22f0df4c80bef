//! Why the daemon cannot start or go on.

use std::net::SocketAddr;

use meso_journal::JournalError;
use meso_room::AccessError;
use meso_serial::SerialError;

use crate::KeyProblem;

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The journal cannot be used.
    #[error("the journal cannot be used")]
    Journal {
        /// Why.
        #[from]
        source: JournalError,
    },
    /// A file of `[broker]` cannot be used.
    #[error("the broker of the configuration cannot be used")]
    Broker {
        /// Why.
        #[from]
        source: meso_bus::BusError,
    },
    /// The ports cannot be watched.
    #[error("the ports cannot be watched")]
    Serial {
        /// Why.
        #[from]
        source: SerialError,
    },
    /// The room's interface cannot listen.
    #[error(
        "the room's interface cannot listen on {address}; choose another port by room.http in the \
         configuration, or 0 for any free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The access file cannot be written.
    #[error("the room's access file cannot be written")]
    Access {
        /// Why.
        #[from]
        source: AccessError,
    },
    /// Another computer has taken this driver's place.
    #[error(
        "journal {by} of another computer has taken the place of this one: this driver stays \
         stopped; what only this journal holds goes to the server with `journal export` and \
         `journal import`"
    )]
    Replaced {
        /// The life of the journal in force.
        by: String,
    },
    /// Keys of guns cannot be used.
    #[error("keys of guns cannot be used:\n{}", lines(problems))]
    Keys {
        /// Everything that is wrong.
        problems: Vec<KeyProblem>,
    },
    /// Profiles of guns cannot be used.
    #[error("profiles of guns cannot be used:\n{}", problems.join("\n"))]
    Profiles {
        /// Everything that is wrong.
        problems: Vec<String>,
    },
    /// The system gives no thread.
    #[error("the system gives no thread for {name}")]
    Thread {
        /// What for.
        name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random {
        /// Why.
        #[source]
        source: getrandom::Error,
    },
}

fn lines(problems: &[KeyProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(|it| format!("  {it}")).collect();
    lines.join("\n")
}
