//! What only the computer can say: the time, and random numbers.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use meso_units::Timestamp;

use crate::DriverError;
use crate::engine::Drawn;

/// One reading of the clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// The time as people know it; it may step.
    pub(crate) utc: Timestamp,
    /// Milliseconds since the start of this program; never steps.
    pub(crate) monotonic_ms: u64,
}

/// The clocks of this computer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    started: Instant,
}

impl Clocks {
    pub(crate) fn start() -> Clocks {
        Clocks {
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let ns = since_1970.map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        });
        let ms = self.started.elapsed().as_millis();
        Now {
            utc: Timestamp::from_unix_ns(ns).unwrap_or(Timestamp::UNIX_EPOCH),
            monotonic_ms: u64::try_from(ms).unwrap_or(u64::MAX),
        }
    }

    /// When the monotonic clock shows this.
    pub(crate) fn instant_of(&self, monotonic_ms: u64) -> Instant {
        self.started + std::time::Duration::from_millis(monotonic_ms)
    }
}

/// Random bytes of the system.
///
/// # Errors
///
/// [`DriverError::Random`] where the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], DriverError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|source| DriverError::Random { source })?;
    Ok(bytes)
}

/// A random number that is not zero.
///
/// # Errors
///
/// [`DriverError::Random`] where the system has none.
pub(crate) fn random_number() -> Result<u64, DriverError> {
    random().map(|bytes| u64::from_le_bytes(bytes).max(1))
}

/// Random bytes for what a step in the room may make.
///
/// # Errors
///
/// [`DriverError::Random`] where the system has none.
pub(crate) fn drawn() -> Result<Drawn, DriverError> {
    Ok(Drawn {
        ids: [random()?, random()?],
        salts: [random()?, random()?],
    })
}
