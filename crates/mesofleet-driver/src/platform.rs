//! What differs between systems. Nothing else in this program calls Unix alone.
//!
//! On Windows a file has the rights of its folder, and a service is stopped by its manager; both
//! are written from the documentation and were never tried there.

/// Whether something has set this computer's clock since it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeService {
    /// The system says so.
    HasSet,
    /// The system says that nothing has.
    HasNotSet,
    /// The system cannot be asked.
    Unknown,
}

pub use sys::terminated;
pub(crate) use sys::{Notify, is_private, opened_privately};
pub(crate) use time_service::time_service;

/// How a private file is described to people.
#[cfg(unix)]
pub(crate) const PRIVATE: &str = "run `chmod 600` on it";
/// How a private file is described to people.
#[cfg(not(unix))]
pub(crate) const PRIVATE: &str = "close it to other users";

#[cfg(unix)]
mod sys {
    use std::fs::{Metadata, OpenOptions};
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    pub(crate) use super::notify::Notify;

    /// A file that is made has no rights for others.
    pub(crate) fn opened_privately(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// Whether nobody but its owner can read or change a file.
    pub(crate) fn is_private(metadata: &Metadata) -> bool {
        metadata.permissions().mode() & 0o077 == 0
    }

    /// Waits until the system asks this program to end.
    pub async fn terminated() {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "requests to terminate are not heard");
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(not(unix))]
mod sys {
    use std::fs::{Metadata, OpenOptions};

    pub(crate) use super::notify::Notify;

    /// Its rights are those of its folder.
    pub(crate) fn opened_privately(_options: &mut OpenOptions) {}

    /// Its rights are those of its folder, which this program does not look at.
    pub(crate) fn is_private(_metadata: &Metadata) -> bool {
        true
    }

    /// Waits for ever: nobody asks here but the keyboard.
    pub async fn terminated() {
        std::future::pending::<()>().await;
    }
}

#[cfg(target_os = "linux")]
mod time_service {
    use std::time::Duration;

    use tokio::process::Command;

    use super::TimeService;

    /// How long the system may take to answer.
    const ANSWER_WAIT: Duration = Duration::from_secs(2);

    /// Asks the system, whichever service it is that sets the clock: the kernel keeps whether one has.
    pub(crate) async fn time_service() -> TimeService {
        let mut asked = Command::new("timedatectl");
        asked.args(["show", "--property", "NTPSynchronized", "--value"]);
        // It speaks to whoever started it where it can, and that is not whom it is to speak to.
        asked.env_remove("NOTIFY_SOCKET");
        let answer = asked.kill_on_drop(true).output();
        match tokio::time::timeout(ANSWER_WAIT, answer).await {
            Ok(Ok(output)) => understood(&output.stdout),
            Ok(Err(_)) | Err(_) => TimeService::Unknown,
        }
    }

    fn understood(answer: &[u8]) -> TimeService {
        match answer.trim_ascii() {
            b"yes" => TimeService::HasSet,
            b"no" => TimeService::HasNotSet,
            _ => TimeService::Unknown,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_clear_answer_counts() {
            assert_eq!(understood(b"yes\n"), TimeService::HasSet);
            assert_eq!(understood(b"no\n"), TimeService::HasNotSet);
            for unclear in ["", "n/a", "yes no", "Failed to connect to bus"] {
                assert_eq!(understood(unclear.as_bytes()), TimeService::Unknown);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod time_service {
    use super::TimeService;

    /// Nobody is asked here.
    pub(crate) async fn time_service() -> TimeService {
        TimeService::Unknown
    }
}

#[cfg(target_os = "linux")]
mod notify {
    use std::ffi::OsStr;
    use std::io;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// The service manager's socket. Never waits: a manager that does not read misses words.
    #[derive(Debug)]
    pub(crate) struct Notify(UnixDatagram);

    impl Notify {
        pub(crate) fn connect(address: &OsStr) -> io::Result<Notify> {
            // systemd writes an abstract address with @ for its leading zero byte.
            let address = match address.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(address)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            socket.set_nonblocking(true)?;
            Ok(Notify(socket))
        }

        pub(crate) fn send(&self, words: &str) -> io::Result<()> {
            self.0.send(words.as_bytes()).map(|_| ())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod notify {
    use std::convert::Infallible;
    use std::ffi::OsStr;
    use std::io;

    /// There is no such manager here.
    #[derive(Debug)]
    pub(crate) struct Notify(Infallible);

    impl Notify {
        pub(crate) fn connect(_address: &OsStr) -> io::Result<Notify> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn send(&self, _words: &str) -> io::Result<()> {
            match self.0 {}
        }
    }
}
