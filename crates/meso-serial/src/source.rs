//! Where ports come from, and what a port can do.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use meso_config::guns::Parity;
use serialport::{ClearBuffer, DataBits, ErrorKind, SerialPort, SerialPortType, StopBits};

use crate::{PortDescription, PortName, SerialConfig, SerialError};

/// How long a write may wait for room before the port counts as broken. A gun that reads at
/// 115 200 baud makes room for the longest frame in 25 ms.
const WRITE_TIMEOUT: Duration = Duration::from_millis(200);
/// A folder with more entries than this is not a folder of ports; the rest is passed over.
const PORTS_MAX: usize = 256;

/// The reading half of an open port.
pub trait PortReader: Send {
    /// Waits at most `patience` for bytes and reads what is there.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] when nothing came; anything else, and `Ok(0)`, means that the
    /// port is gone.
    fn read(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize>;
}

/// The writing half of an open port.
pub trait PortWriter: Send {
    /// Writes all bytes within a bounded time.
    ///
    /// # Errors
    ///
    /// Any error means that the port is to be closed.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A port that was opened for this program alone.
pub struct OpenPort {
    /// The reading half.
    pub reader: Box<dyn PortReader>,
    /// The writing half.
    pub writer: Box<dyn PortWriter>,
}

/// A place that knows which ports there are now.
pub trait PortSource: Send + 'static {
    /// The ports that are there now, in a stable order.
    ///
    /// # Errors
    ///
    /// [`SerialError`] when the place cannot be looked at.
    fn list(&mut self) -> Result<Vec<PortName>, SerialError>;

    /// What is known of a port without opening it; asked once for each opening.
    fn describe_port(&mut self, port: &PortName) -> PortDescription {
        PortDescription::of_path(port, PathBuf::from(port.as_str()))
    }

    /// Opens a port for this program alone.
    ///
    /// # Errors
    ///
    /// [`SerialError::Gone`] when it is not there any more, [`SerialError::Open`] otherwise.
    fn open(&mut self, port: &PortName, config: &SerialConfig) -> Result<OpenPort, SerialError>;
}

/// Ports are the entries of a folder, such as `/dev/serial/by-id`; a leading dot hides one. A
/// folder that does not exist has no ports (yet).
#[derive(Clone, Debug)]
pub struct FolderSource {
    folder: PathBuf,
}

impl FolderSource {
    /// A source over `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> FolderSource {
        FolderSource {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl PortSource for FolderSource {
    fn list(&mut self) -> Result<Vec<PortName>, SerialError> {
        let failed = |source| SerialError::ListFolder {
            folder: self.folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries.take(PORTS_MAX) {
            let name = entry.map_err(failed)?.file_name();
            // A name that is not text cannot be shown or configured, so it is no port.
            if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
                names.push(PortName::new(name));
            }
        }
        names.sort();
        Ok(names)
    }

    fn describe_port(&mut self, port: &PortName) -> PortDescription {
        PortDescription::of_path(port, self.folder.join(port.as_str()))
    }

    fn open(&mut self, port: &PortName, config: &SerialConfig) -> Result<OpenPort, SerialError> {
        let path = self.folder.join(port.as_str());
        open_port(port, &path.to_string_lossy(), config)
    }
}

/// Ports are the USB serial ports that the system enumerates.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnumeratedSource;

impl PortSource for EnumeratedSource {
    fn list(&mut self) -> Result<Vec<PortName>, SerialError> {
        let ports =
            serialport::available_ports().map_err(|source| SerialError::Enumerate { source })?;
        // Built-in ports are left alone: whatever hangs there did not ask for our greeting.
        let mut names: Vec<PortName> = ports
            .into_iter()
            .filter(|port| matches!(port.port_type, SerialPortType::UsbPort(_)))
            .map(|port| PortName::new(port.port_name))
            .take(PORTS_MAX)
            .collect();
        names.sort();
        Ok(names)
    }

    fn open(&mut self, port: &PortName, config: &SerialConfig) -> Result<OpenPort, SerialError> {
        open_port(port, port.as_str(), config)
    }
}

/// One port by its path, such as `/dev/ttyUSB0` or `COM3`, whether it is there or not.
#[derive(Clone, Debug)]
pub struct PathSource {
    path: String,
}

impl PathSource {
    /// A source of this port alone.
    pub fn new(path: impl Into<String>) -> PathSource {
        PathSource { path: path.into() }
    }
}

impl PortSource for PathSource {
    fn list(&mut self) -> Result<Vec<PortName>, SerialError> {
        Ok(vec![PortName::new(self.path.clone())])
    }

    fn describe_port(&mut self, port: &PortName) -> PortDescription {
        PortDescription::of_path(port, PathBuf::from(&self.path))
    }

    fn open(&mut self, port: &PortName, config: &SerialConfig) -> Result<OpenPort, SerialError> {
        open_port(port, &self.path, config)
    }
}

fn open_port(port: &PortName, path: &str, config: &SerialConfig) -> Result<OpenPort, SerialError> {
    let failed = |source: serialport::Error| match source.kind() {
        ErrorKind::Io(io::ErrorKind::NotFound) => SerialError::Gone { port: port.clone() },
        _ => SerialError::Open {
            port: port.clone(),
            source,
        },
    };
    let mut reader = serialport::new(path, config.line.baud)
        .parity(match config.line.parity {
            Parity::None => serialport::Parity::None,
            Parity::Even => serialport::Parity::Even,
            Parity::Odd => serialport::Parity::Odd,
        })
        .data_bits(match config.line.data_bits {
            7 => DataBits::Seven,
            _ => DataBits::Eight,
        })
        .stop_bits(match config.line.stop_bits {
            2 => StopBits::Two,
            _ => StopBits::One,
        })
        .open()
        .map_err(failed)?;
    // "Somebody listens": some USB devices send nothing before they see it. A port without such
    // lines, as a pseudo-terminal, refuses and is no worse off.
    let _ = reader.write_data_terminal_ready(true);
    let _ = reader.write_request_to_send(true);
    let mut writer = reader.try_clone().map_err(failed)?;
    writer.set_timeout(WRITE_TIMEOUT).map_err(failed)?;
    // What an earlier opening left behind; the decoder also skips to the first delimiter, so a
    // port that cannot be cleared is no worse off.
    let _ = reader.clear(ClearBuffer::Input);
    Ok(OpenPort {
        reader: Box::new(SystemReader(reader)),
        writer: Box::new(SystemWriter(writer)),
    })
}

struct SystemReader(Box<dyn SerialPort>);

impl PortReader for SystemReader {
    fn read(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<usize> {
        self.0.set_timeout(patience)?;
        self.0.read(buffer)
    }
}

struct SystemWriter(Box<dyn SerialPort>);

impl PortWriter for SystemWriter {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}
