//! The gun's end of the line, by the Modbus standard.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::device::ILLEGAL_ADDRESS;
use super::{LineFault, Orders, RtuPort, SharedGun, lock};
use crate::gun::line::Line;

/// How long the loop rests where nothing is to be done.
const REST: Duration = Duration::from_millis(1);
/// Requests longer than this are none.
const REQUEST_BYTES_MAX: usize = 260;
/// The function is not there.
const ILLEGAL_FUNCTION: u8 = 1;

/// What becomes of a request.
struct Answered {
    pdu: Vec<u8>,
    fault: Option<LineFault>,
}

/// Does a request, unless the line hangs up before.
fn answer(gun: &SharedGun, request: &[u8]) -> Answered {
    let mut gun = lock(gun);
    let fault = gun.next_fault();
    if fault == Some(LineFault::HangUpBefore) {
        return Answered {
            pdu: Vec::new(),
            fault,
        };
    }
    let word = |place: usize| {
        let high = request.get(place).copied().unwrap_or(0);
        let low = request.get(place + 1).copied().unwrap_or(0);
        u16::from_be_bytes([high, low])
    };
    let function = request.first().copied().unwrap_or(0);
    let done = match function {
        3 | 4 => gun.device.read(word(1), word(3)).map(|words| {
            let mut pdu = vec![function, (words.len() * 2) as u8];
            pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            pdu
        }),
        1 if word(3) == 1 => gun
            .device
            .read_coil(word(1))
            .map(|is_on| vec![function, 1, u8::from(is_on)]),
        5 if request.len() == 5 => gun
            .device
            .write_coil(word(1), word(3))
            .map(|()| request.to_vec()),
        16 => {
            let count = usize::from(word(3));
            let words: Vec<u16> = (0..count).map(|place| word(6 + 2 * place)).collect();
            if request.len() == 6 + 2 * count {
                gun.device
                    .write(word(1), &words)
                    .map(|()| request[..5].to_vec())
            } else {
                Err(ILLEGAL_ADDRESS)
            }
        }
        _ => Err(ILLEGAL_FUNCTION),
    };
    let pdu = done.unwrap_or_else(|code| vec![function | 0x80, code]);
    Answered { pdu, fault }
}

/// The CRC-16 of Modbus, bit by bit.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0xA001;
            }
        }
    }
    crc
}

/// Requests over TCP, from one host at a time; a new one throws the old one out.
pub(super) struct TcpServer {
    listener: TcpListener,
}

impl TcpServer {
    pub(super) fn new(listener: TcpListener) -> io::Result<TcpServer> {
        listener.set_nonblocking(true)?;
        Ok(TcpServer { listener })
    }

    pub(super) fn run(self, gun: &SharedGun, orders: &Orders) -> io::Result<()> {
        let mut host: Option<(TcpStream, Vec<u8>)> = None;
        let mut fire_at = Instant::now();
        while !orders.is_stopping() {
            orders.fire_due(gun, &mut fire_at)?;
            if let Ok((stream, _)) = self.listener.accept() {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(REST))?;
                stream.set_nodelay(true)?;
                host = Some((stream, Vec::new()));
            }
            let Some((stream, buffer)) = &mut host else {
                std::thread::sleep(REST);
                continue;
            };
            if !serve_tcp(gun, stream, buffer) {
                host = None;
            }
        }
        Ok(())
    }
}

/// Reads what is there and answers; false where the connection is over.
fn serve_tcp(gun: &SharedGun, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 512];
    match stream.read(&mut bytes) {
        Ok(0) => return false,
        Ok(count) => buffer.extend(&bytes[..count]),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) => {}
        Err(_) => return false,
    }
    while buffer.len() >= 7 {
        let length = usize::from(u16::from_be_bytes([buffer[4], buffer[5]]));
        if !(2..=REQUEST_BYTES_MAX).contains(&length) {
            return false;
        }
        if buffer.len() < 6 + length {
            break;
        }
        let frame: Vec<u8> = buffer.drain(..6 + length).collect();
        let Answered { pdu, fault } = answer(gun, &frame[7..]);
        let mut whole = frame[..4].to_vec();
        whole.extend(((pdu.len() + 1) as u16).to_be_bytes());
        whole.push(frame[6]);
        whole.extend(&pdu);
        let sent = match fault {
            None | Some(LineFault::Restart(..)) => stream.write_all(&whole),
            Some(LineFault::HangUpBefore | LineFault::HangUpBehind) => return false,
            Some(LineFault::HangUpWithin) => {
                // Whoever is gone already has missed all of it instead.
                let _ = stream.write_all(&whole[..whole.len() / 2]);
                return false;
            }
            Some(LineFault::Silence) => Ok(()),
            Some(LineFault::Late(delay)) => {
                std::thread::sleep(delay);
                stream.write_all(&whole)
            }
        };
        if sent.is_err() {
            return false;
        }
    }
    true
}

/// Requests over a pseudo-terminal.
pub(super) struct RtuServer {
    port: RtuPort,
    line: Line,
}

impl RtuServer {
    pub(super) fn new(port: RtuPort) -> io::Result<RtuServer> {
        let line = Line::expose(&port.folder, &port.name)?;
        Ok(RtuServer { port, line })
    }

    pub(super) fn run(mut self, gun: &SharedGun, orders: &Orders) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut fire_at = Instant::now();
        while !orders.is_stopping() {
            orders.fire_due(gun, &mut fire_at)?;
            if self.line.check()?.is_some() {
                buffer.clear();
            }
            let bytes = match self.line.is_open() {
                true => self.line.read()?,
                false => Vec::new(),
            };
            if bytes.is_empty() {
                self.line.flush()?;
                std::thread::sleep(REST);
                continue;
            }
            buffer.extend(bytes);
            while let Some(frame) = next_request(&mut buffer) {
                if !self.serve(gun, &frame)? {
                    self = RtuServer::replugged(self)?;
                    buffer.clear();
                }
            }
        }
        Ok(())
    }

    /// Takes the port away and puts it back, as when a cable is pulled.
    fn replugged(before: RtuServer) -> io::Result<RtuServer> {
        let RtuServer { port, line } = before;
        drop(line);
        RtuServer::new(port)
    }

    /// Answers a request; false where the line is to hang up.
    fn serve(&mut self, gun: &SharedGun, frame: &[u8]) -> io::Result<bool> {
        let Answered { pdu, fault } = answer(gun, &frame[1..frame.len() - 2]);
        let mut whole = vec![frame[0]];
        whole.extend(&pdu);
        whole.extend(crc16(&whole).to_le_bytes());
        match fault {
            None | Some(LineFault::Restart(..)) => self.line.send(&whole)?,
            Some(LineFault::HangUpBefore | LineFault::HangUpBehind) => return Ok(false),
            Some(LineFault::HangUpWithin) => {
                self.line.send(&whole[..whole.len() / 2])?;
                return Ok(false);
            }
            Some(LineFault::Silence) => {}
            Some(LineFault::Late(delay)) => {
                std::thread::sleep(delay);
                self.line.send(&whole)?;
            }
        }
        Ok(true)
    }
}

/// Takes the first whole request with a right checksum; bytes that are none are passed over.
fn next_request(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        let length = match buffer.get(1)? {
            16 => 9 + usize::from(*buffer.get(6)?),
            _ => 8,
        };
        if buffer.len() < length {
            return None;
        }
        let (body, checksum) = buffer[..length].split_at(length - 2);
        if crc16(body).to_le_bytes() == *checksum {
            return Some(buffer.drain(..length).collect());
        }
        buffer.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of CRC-16/MODBUS.
        assert_eq!(crc16(b"123456789"), 0x4B37);
    }

    #[test]
    fn a_request_is_found_behind_bytes_that_are_none() {
        let mut request = vec![1, 3, 0, 0, 0, 1];
        request.extend(crc16(&request).to_le_bytes());
        let mut buffer = vec![0xAA, 0x55, 0x00];
        buffer.extend(&request);
        assert_eq!(next_request(&mut buffer), Some(request));
        assert!(buffer.is_empty());
    }
}
