//! What a round begins with.

use std::time::Duration;

/// What a round begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Guns.
    pub guns: u32,
    /// Whether the last of them is plugged in only later.
    pub last_gun_is_late: bool,
    /// How often each fires.
    pub fire_every: Duration,
    /// How many shots the ring of each holds.
    pub ring_shots_max: usize,
    /// Rooms, each with a driver; the guns begin in the first.
    pub rooms: u32,
    /// Whether the broker is a real Mosquitto, or the embedded one of the server.
    pub broker: bool,
    /// How many messages Mosquitto keeps for a client that is away or slow.
    pub queue_max: u32,
    /// Whether the shots are kept in a real InfluxDB.
    pub database: bool,
    /// KiB of a disk of its own for the first driver's journal.
    pub driver_disk_kib: Option<u32>,
    /// MiB of an ext4 disk of its own for the first driver's journal.
    pub driver_ext4_mib: Option<u64>,
    /// KiB of a disk of its own for the server.
    pub server_disk_kib: Option<u32>,
    /// KiB of a disk of its own for the database.
    pub database_disk_kib: Option<u32>,
    /// Whether every gun works in a session of its own that is open from before the fault until
    /// after it.
    pub sessions: bool,
    /// Whose clock can be set.
    pub false_clocks: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            guns: 3,
            last_gun_is_late: false,
            fire_every: Duration::from_millis(70),
            ring_shots_max: 4_096,
            rooms: 1,
            broker: true,
            queue_max: 20,
            database: false,
            driver_disk_kib: None,
            driver_ext4_mib: None,
            server_disk_kib: None,
            database_disk_kib: None,
            sessions: false,
            false_clocks: false,
        }
    }
}
