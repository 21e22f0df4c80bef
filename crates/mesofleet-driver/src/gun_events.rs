//! The way of gun events from the port threads into the daemon.

use std::sync::mpsc::{SyncSender, sync_channel};

use meso_serial::PortEvent;
use tokio::sync::mpsc;

use crate::DriverError;

/// Events that wait on either side of the bridge. When both are full the ports are read no
/// further, so the guns keep their shots in their rings.
const EVENTS_WAITING_MAX: usize = 256;

/// Stack of the bridge: it only moves events.
const STACK_BYTES: usize = 64 * 1024;

/// Starts the bridge; it ends when the ports have stopped or the daemon listens no more.
///
/// # Errors
///
/// [`DriverError::Thread`] where the system gives no thread.
pub(crate) fn bridge() -> Result<(SyncSender<PortEvent>, mpsc::Receiver<PortEvent>), DriverError> {
    let (ports, from_ports) = sync_channel(EVENTS_WAITING_MAX);
    let (to_daemon, daemon) = mpsc::channel(EVENTS_WAITING_MAX);
    std::thread::Builder::new()
        .name("gun-events".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            while let Ok(event) = from_ports.recv() {
                if to_daemon.blocking_send(event).is_err() {
                    return;
                }
            }
        })
        .map_err(|source| DriverError::Thread {
            name: "gun events",
            source,
        })?;
    Ok((ports, daemon))
}
