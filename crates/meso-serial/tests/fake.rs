//! A source of ports in memory, and the far ends of its ports.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use meso_serial::{
    OpenPort, PortDescription, PortName, PortReader, PortSource, PortWriter, SerialConfig,
    SerialError, UsbDescription,
};

/// What is under way on a port.
#[derive(Default)]
struct Cable {
    to_host: VecDeque<u8>,
    to_gun: VecDeque<u8>,
    is_pulled: bool,
    is_stuffed: bool,
    open_count: u32,
}

/// One port, seen from the gun's end.
#[derive(Clone, Default)]
pub(crate) struct FakeCable(Arc<(Mutex<Cable>, Condvar)>);

impl FakeCable {
    /// Puts bytes onto the wire to the host.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.0.0.lock().unwrap().to_host.extend(bytes);
        self.0.1.notify_all();
    }

    /// Takes the bytes that the host has written.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.0.lock().unwrap().to_gun.drain(..).collect()
    }

    /// Pulls the cable: from now on reading gives `Ok(0)`.
    pub(crate) fn pull(&self) {
        self.0.0.lock().unwrap().is_pulled = true;
        self.0.1.notify_all();
    }

    /// Says whether the gun reads nothing any more, so that nothing more can be written.
    pub(crate) fn stuff(&self, is_stuffed: bool) {
        self.0.0.lock().unwrap().is_stuffed = is_stuffed;
    }

    pub(crate) fn open_count(&self) -> u32 {
        self.0.0.lock().unwrap().open_count
    }
}

impl PortReader for FakeCable {
    fn read(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        let guard = self.0.0.lock().unwrap();
        let (mut cable, _) = self
            .0
            .1
            .wait_timeout_while(guard, patience, |cable| {
                cable.to_host.is_empty() && !cable.is_pulled
            })
            .unwrap();
        if cable.is_pulled {
            return Ok(0);
        }
        if cable.to_host.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let count = buffer.len().min(cable.to_host.len());
        for (place, byte) in buffer.iter_mut().zip(cable.to_host.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl PortWriter for FakeCable {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut cable = self.0.0.lock().unwrap();
        if cable.is_stuffed {
            return Err(io::ErrorKind::TimedOut.into());
        }
        cable.to_gun.extend(bytes);
        Ok(())
    }
}

/// Ports that a test plugs in.
#[derive(Clone, Default)]
pub(crate) struct FakeSource(
    Arc<Mutex<BTreeMap<PortName, Option<FakeCable>>>>,
    Arc<Mutex<BTreeMap<PortName, UsbDescription>>>,
);

impl FakeSource {
    pub(crate) fn plug(&self, name: &str) -> FakeCable {
        let cable = FakeCable::default();
        self.0
            .lock()
            .unwrap()
            .insert(PortName::new(name), Some(cable.clone()));
        cable
    }

    /// Says which USB device a port is.
    pub(crate) fn describe_usb(&self, name: &str, serial: Option<&str>) {
        let usb = UsbDescription {
            vendor_id: 0x1209,
            product_id: 1,
            serial: serial.map(str::to_owned),
            manufacturer: None,
            product: None,
        };
        self.1.lock().unwrap().insert(PortName::new(name), usb);
    }

    /// A port that is listed and cannot be opened.
    pub(crate) fn plug_unopenable(&self, name: &str) {
        self.0.lock().unwrap().insert(PortName::new(name), None);
    }
}

impl PortSource for FakeSource {
    fn list(&mut self) -> Result<Vec<PortName>, SerialError> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }

    fn describe_port(&mut self, port: &PortName) -> PortDescription {
        PortDescription {
            name: port.clone(),
            path: port.as_str().into(),
            target: None,
            usb: self.1.lock().unwrap().get(port).cloned(),
            problem: None,
        }
    }

    fn open(&mut self, port: &PortName, _: &SerialConfig) -> Result<OpenPort, SerialError> {
        let Some(cable) = self.0.lock().unwrap().get(port).cloned().flatten() else {
            return Err(SerialError::ListFolder {
                folder: port.as_str().into(),
                source: io::ErrorKind::PermissionDenied.into(),
            });
        };
        cable.0.0.lock().unwrap().open_count += 1;
        Ok(OpenPort {
            reader: Box::new(cable.clone()),
            writer: Box::new(cable),
        })
    }
}
