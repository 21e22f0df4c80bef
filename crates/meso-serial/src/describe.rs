//! What can be told of the ports without opening one.

use std::path::{Path, PathBuf};

use serialport::{SerialPortInfo, SerialPortType};

use crate::{EnumeratedSource, FolderSource, PortName, PortSource, SerialError};

/// What is known of a port that nobody has opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDescription {
    /// The name under which its source knows it.
    pub name: PortName,
    /// The path that would be opened.
    pub path: PathBuf,
    /// Where the path leads, where it is a link to something that is there.
    pub target: Option<PathBuf>,
    /// What the USB device says of itself; `None` where it is none or the system does not say.
    pub usb: Option<UsbDescription>,
    /// Why the driver would not get far with it, in words.
    pub problem: Option<&'static str>,
}

/// What a USB device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsbDescription {
    /// Vendor number.
    pub vendor_id: u16,
    /// Product number.
    pub product_id: u16,
    /// Serial number of the USB device; the gun's own is in its greeting.
    pub serial: Option<String>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// What it calls itself.
    pub product: Option<String>,
}

impl PortDescription {
    /// What the system knows of a path; without an enumeration the path is still worth telling.
    pub(crate) fn of_path(name: &PortName, path: PathBuf) -> PortDescription {
        describe(
            name.clone(),
            path,
            &serialport::available_ports().unwrap_or_default(),
        )
    }
}

fn describe(name: PortName, path: PathBuf, known: &[SerialPortInfo]) -> PortDescription {
    let target = std::fs::canonicalize(&path).ok();
    PortDescription {
        usb: usb_of(target.as_deref().unwrap_or(&path), known),
        problem: problem_of(target.as_deref()),
        target: target.filter(|target| *target != path),
        name,
        path,
    }
}

impl FolderSource {
    /// The entries of the folder with what the system knows of where they lead.
    ///
    /// # Errors
    ///
    /// [`SerialError`] where the folder cannot be read.
    pub fn describe(&mut self) -> Result<Vec<PortDescription>, SerialError> {
        let names = self.list()?;
        // Without an enumeration the paths are still worth telling.
        let known = serialport::available_ports().unwrap_or_default();
        let describe = |name: PortName| {
            let path = self.folder().join(name.as_str());
            describe(name, path, &known)
        };
        Ok(names.into_iter().map(describe).collect())
    }
}

impl EnumeratedSource {
    /// The USB serial ports that the system enumerates.
    ///
    /// # Errors
    ///
    /// [`SerialError::Enumerate`].
    pub fn describe(&mut self) -> Result<Vec<PortDescription>, SerialError> {
        let names = self.list()?;
        let known =
            serialport::available_ports().map_err(|source| SerialError::Enumerate { source })?;
        let describe = |name: PortName| {
            let path = PathBuf::from(name.as_str());
            PortDescription {
                usb: usb_of(&path, &known),
                target: None,
                problem: None,
                name,
                path,
            }
        };
        Ok(names.into_iter().map(describe).collect())
    }
}

fn usb_of(path: &Path, known: &[SerialPortInfo]) -> Option<UsbDescription> {
    let port = known
        .iter()
        .find(|port| Path::new(&port.port_name) == path)?;
    let SerialPortType::UsbPort(usb) = &port.port_type else {
        return None;
    };
    Some(UsbDescription {
        vendor_id: usb.vid,
        product_id: usb.pid,
        serial: usb.serial_number.clone(),
        manufacturer: usb.manufacturer.clone(),
        product: usb.product.clone(),
    })
}

fn problem_of(target: Option<&Path>) -> Option<&'static str> {
    match target {
        None => Some("leads nowhere"),
        Some(target) if target.is_dir() => Some("is a folder"),
        Some(target) if target.is_file() => Some("is an ordinary file"),
        Some(_) => None,
    }
}
