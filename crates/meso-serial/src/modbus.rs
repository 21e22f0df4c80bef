//! Guns that are read by Modbus registers, over a serial line or over the network.
//!
//! Each such port has a thread of its own with a runtime of one thread, so that its events come
//! out in order like those of any other port. The host asks; the gun never speaks unasked. What a
//! poll reads is one block of registers: whose ring it is and where it stands. Records are read
//! through a window and count only after the *next* poll has shown the same start and epoch, so
//! that no record of a gun that restarted in between is taken for one of before.
//!
//! # Whose shot is it
//!
//! A shot is (serial number, epoch, counter), and the epoch must be the same on every computer that
//! reads the same ring, or one shot would be counted twice. There are three kinds of guns:
//!
//! - *epoch registers*: the gun keeps the epoch that a host wrote and clears it when its counter
//!   restarts. Exactly as with the meso link: [`crate::GunEvent::Attached`] comes without an epoch,
//!   the driver draws one, [`crate::GunPorts::assign_epoch`] writes it.
//! - *boot*: the counter begins anew with each boot id and with nothing else. The epoch is computed
//!   from serial number and boot id, so that every computer computes the same, with nothing to be
//!   remembered. A new boot id is a new epoch, and the driver closes the old one by name.
//! - *gun*: the counter never begins anew. The epoch is computed from the serial number alone.
//!
//! Where a computed epoch is broken nevertheless (the gun has fewer shots than the journal holds),
//! [`crate::GunEvent::CounterWentBack`] comes, and `assign_epoch` goes on to the next *generation*:
//! a further number that is computed into the epoch. The number that the driver drew is not used,
//! because the gun could not keep it; the epoch is the one of the next
//! [`crate::GunEvent::Attached`].
//!
//! # Time
//!
//! Where the map has a clock register, it is read once a second; request and answer frame the
//! gun's clock like the four timestamps of the meso link, with no time spent within the gun. A
//! record without a tick, or of another start than the clock's, is dated by its arrival and its
//! uncertainty is unbounded.
//!
//! # Acknowledgement
//!
//! The counter that the driver acknowledged is written with one request, again and again if need
//! be: writing the same number twice changes nothing, and the gun takes no number beyond its newest
//! shot. Nothing is written before the journal has it.

mod client;
mod record;
mod ring;
mod session;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use meso_config::guns::{LineSettings, ModbusProfile};

use crate::foreign::{ForeignLine, UsbPort, reader_end};
use crate::ports::{Line, Shared};
use crate::reader::ReaderEnd;
use client::Client;
use session::Session;

/// Where a Modbus gun is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A serial line.
    Serial(PathBuf, LineSettings),
    /// A Modbus/TCP server.
    Tcp(SocketAddr),
}

/// What the thread of such a port is given.
pub(crate) struct ModbusPort {
    pub(crate) name: String,
    pub(crate) profile: ModbusProfile,
    pub(crate) place: Place,
    pub(crate) usb: UsbPort,
}

/// Reads the gun until it is gone, silent, or the driver stops.
pub(crate) fn read_modbus(
    shared: &Shared,
    line: &Arc<ForeignLine>,
    port: &ModbusPort,
) -> ReaderEnd {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let problem = format!("no event loop can be made: {error}");
            return ReaderEnd::Refused(problem);
        }
    };
    runtime.block_on(async {
        let client = match Client::connect(&port.place, &port.profile).await {
            Ok(client) => client,
            Err(problem) => return ReaderEnd::Refused(problem),
        };
        let entry = Line::Foreign(Arc::clone(line));
        let mut session = Session::new(shared, &entry, line, port, client);
        let reason = session.run().await;
        let end = reader_end(&reason, session.has_gun());
        session.end(reason);
        end
    })
}
