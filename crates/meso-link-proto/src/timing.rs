//! How long each side waits for what, in one place.

use core::time::Duration;

/// The host repeats its greeting this often until the gun answers; the gun repeats its own this
/// often while nobody holds its lease.
pub const GREETING_INTERVAL: Duration = Duration::from_millis(500);
/// The host sends a sign of life this often.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// The gun sends its status this often; also its sign of life.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// A gun that has not heard its host for this long takes the lease back: it stops the stream,
/// greets again, and does what its setting says.
pub const LEASE: Duration = Duration::from_secs(3);
/// A host that has not heard its gun for this long reports it as silent; the port is then to be
/// closed and opened again.
pub const SILENCE_MAX: Duration = Duration::from_millis(2_500);
/// The host repeats a request for shots after this long without an answer.
pub const SEND_FROM_TIMEOUT: Duration = Duration::from_millis(500);
/// After a hole the host asks again at most this often.
pub const SEND_FROM_GAP: Duration = Duration::from_millis(100);
/// The first request for shots waits at most this long for the first clock sample, so that the
/// first shots can already be mapped.
pub const CLOCK_PATIENCE: Duration = Duration::from_millis(500);
/// Between two of the first eight requests for the time.
pub const TIME_INTERVAL_FIRST: Duration = Duration::from_millis(100);
/// Between two later requests for the time.
pub const TIME_INTERVAL: Duration = Duration::from_secs(2);
/// An answer to a request for the time that comes later than this is not used.
pub const TIME_TIMEOUT: Duration = Duration::from_millis(500);
/// The host repeats a command after this long without an answer.
pub const COMMAND_TIMEOUT: Duration = Duration::from_millis(200);
/// How often a command is sent in all; after the last its outcome is "unknown".
pub const COMMAND_TRIES_MAX: u32 = 3;
