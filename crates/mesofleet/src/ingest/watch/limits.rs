//! From when on something is wrong, and what is seen from outside.

/// From when on something is wrong with the fleet. All defaults are house choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// How long a driver with guns may be gone, in s.
    pub driver_silent_s: i64,
    /// How long a driver may say nothing of a gun that is plugged in, in s.
    pub gun_silent_s: i64,
    /// How long the clock of a room may be untrusted, in s.
    pub clock_untrusted_s: i64,
    /// How long a missing shot may be awaited, in s.
    pub gap_awaited_s: i64,
    /// How long a room may judge by an older release than the one in force, in s.
    pub library_lag_s: i64,
    /// How long a channel of notifications may fail, in s.
    pub channel_failing_s: i64,
    /// Shots that the journal of a driver may hold unstored.
    pub journal_shots: i64,
    /// Free space below which the disk of the server is nearly full, in MiB.
    pub disk_free_mib: i64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            driver_silent_s: 120,
            gun_silent_s: 180,
            clock_untrusted_s: 60,
            gap_awaited_s: 900,
            library_lag_s: 3_600,
            channel_failing_s: 300,
            journal_shots: 5_000,
            disk_free_mib: 1_024,
        }
    }
}

/// What only those around the ingest can see, once a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether the broker is there: without it everybody is silent, and nobody is at fault.
    pub is_connected: bool,
    /// Free space on the disk of the store, in MiB, where it can be told.
    pub disk_free_mib: Option<i64>,
    /// For how long the channel that fails for longest has failed, in s: 0 while all work, `None`
    /// while that is not known.
    pub channel_failing_s: Option<i64>,
    /// Blocks that were found to lack shots since the start.
    pub lacking_blocks: u64,
}
