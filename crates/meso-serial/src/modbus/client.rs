//! Requests and answers, each within a bounded time.

use std::io;
use std::time::Duration;

use meso_config::guns::{LineSettings, ModbusProfile, Parity, TableKind};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client as _, Context, Reader, Writer, rtu, tcp};
use tokio_modbus::{Error, ExceptionCode, Request, Response, Slave};
use tokio_serial::SerialPortBuilderExt;

use super::Place;
use crate::DetachReason;

/// The longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// The host's end of the line to one gun.
pub(super) struct Client {
    context: Context,
    answer_max: Duration,
    table: TableKind,
}

impl Client {
    /// Opens the line; the error says in words why not.
    pub(super) async fn connect(place: &Place, profile: &ModbusProfile) -> Result<Client, String> {
        let unit = Slave(profile.unit);
        let context = match place {
            Place::Serial(path, settings) => {
                let stream = open_serial(&path.to_string_lossy(), *settings)
                    .map_err(|error| format!("the port cannot be opened: {error}"))?;
                rtu::attach_slave(stream, unit)
            }
            Place::Tcp(address) => {
                let stream = timeout(CONNECT_MAX, TcpStream::connect(address))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    .map_err(|error| format!("{address} does not answer: {error}"))?;
                // Requests are small and each waits for its answer.
                let _ = stream.set_nodelay(true);
                tcp::attach_slave(stream, unit)
            }
        };
        Ok(Client {
            context,
            answer_max: profile.answer_max,
            table: profile.table,
        })
    }

    /// Reads `count` registers from `address` on.
    ///
    /// # Errors
    ///
    /// The reason to close the line: a late answer would be taken for the next one, since a serial
    /// answer does not say which question it is for.
    pub(super) async fn read(
        &mut self,
        address: u16,
        count: u16,
    ) -> Result<Vec<u16>, DetachReason> {
        let request = match self.table {
            TableKind::Holding => Request::ReadHoldingRegisters(address, count),
            TableKind::Input => Request::ReadInputRegisters(address, count),
        };
        // Not by the methods of `Reader`: they take it for a mistake of the program when a gun answers
        // with another number of registers.
        let answer = timeout(self.answer_max, self.context.call(request)).await;
        let answer = closing(answer)?.map(|answer| match answer {
            Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => words,
            _ => Vec::new(),
        });
        match answer {
            Ok(words) if words.len() == usize::from(count) => Ok(words),
            Ok(words) => Err(DetachReason::WrongAnswer {
                problem: format!(
                    "{count} registers from {address:#06x} were asked for and {} came",
                    words.len()
                ),
            }),
            Err(exception) => Err(DetachReason::WrongAnswer {
                problem: format!(
                    "{count} registers from {address:#06x} cannot be read: {exception}; compare the \
                     profile with the gun's map"
                ),
            }),
        }
    }

    /// Writes registers from `address` on; what the gun refuses comes back inside.
    ///
    /// # Errors
    ///
    /// As [`Client::read`].
    pub(super) async fn write(
        &mut self,
        address: u16,
        words: &[u16],
    ) -> Result<Result<(), ExceptionCode>, DetachReason> {
        let asked = self.context.write_multiple_registers(address, words);
        closing(timeout(self.answer_max, asked).await)
    }

    /// Whether a coil is on.
    ///
    /// # Errors
    ///
    /// As [`Client::read`].
    pub(super) async fn read_coil(&mut self, address: u16) -> Result<bool, DetachReason> {
        let asked = self.context.read_coils(address, 1);
        match closing(timeout(self.answer_max, asked).await)? {
            Ok(coils) if !coils.is_empty() => Ok(coils[0]),
            Ok(_) => Err(DetachReason::WrongAnswer {
                problem: format!("coil {address:#06x} was asked for and none came"),
            }),
            Err(exception) => Err(DetachReason::WrongAnswer {
                problem: format!(
                    "coil {address:#06x} cannot be read: {exception}; compare the profile with the \
                     gun's map"
                ),
            }),
        }
    }

    /// Switches a coil; what the gun refuses comes back inside.
    ///
    /// # Errors
    ///
    /// As [`Client::read`].
    pub(super) async fn write_coil(
        &mut self,
        address: u16,
        is_on: bool,
    ) -> Result<Result<(), ExceptionCode>, DetachReason> {
        let asked = self.context.write_single_coil(address, is_on);
        closing(timeout(self.answer_max, asked).await)
    }
}

fn open_serial(
    path: &str,
    settings: LineSettings,
) -> tokio_serial::Result<tokio_serial::SerialStream> {
    use tokio_serial::{ClearBuffer, DataBits, SerialPort, StopBits};
    let stream = tokio_serial::new(path, settings.baud)
        .parity(match settings.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .data_bits(match settings.data_bits {
            7 => DataBits::Seven,
            _ => DataBits::Eight,
        })
        .stop_bits(match settings.stop_bits {
            2 => StopBits::Two,
            _ => StopBits::One,
        })
        .open_native_async()?;
    // The late answer to a question of an earlier opening.
    let _ = stream.clear(ClearBuffer::Input);
    Ok(stream)
}

/// What ends the line, apart from what the gun answers.
fn closing<T>(
    answer: Result<tokio_modbus::Result<T>, tokio::time::error::Elapsed>,
) -> Result<Result<T, ExceptionCode>, DetachReason> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Error::Transport(error))) if error.kind() == io::ErrorKind::InvalidData => {
            Err(DetachReason::NoAnswer)
        }
        Ok(Err(Error::Transport(_))) => Err(DetachReason::HungUp),
        // The answer to another question, or bytes that are none: nothing on the line can be
        // told apart any more.
        Ok(Err(Error::Protocol(_))) | Err(_) => Err(DetachReason::NoAnswer),
    }
}
