//! The few packets of MQTT 3.1.1 that a stranger needs to put anything at all on a topic.
//!
//! It is **not** a client: no session, no keep-alive, no second try. Programs use `meso-bus`; this
//! says what no program of ours would ever say, and listens to what is said.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

const CONNECT: u8 = 0x10;
const PUBLISH_QOS_1: u8 = 0x32;
const SUBSCRIBE: u8 = 0x82;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;

/// A connection.
#[derive(Debug)]
pub struct Stranger {
    stream: TcpStream,
    packet_id: u16,
}

impl Stranger {
    /// Connects under a name of its own.
    ///
    /// # Errors
    ///
    /// The broker is not there or lets nobody in.
    pub fn connect(broker: SocketAddr, client_id: &str) -> io::Result<Stranger> {
        let stream = TcpStream::connect(broker)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stranger = Stranger {
            stream,
            packet_id: 0,
        };
        // Version 4, a clean session, no keep-alive.
        let mut body = text("MQTT");
        body.extend([4, 2, 0, 0]);
        body.extend(text(client_id));
        stranger.send(CONNECT, &body)?;
        match stranger.receive()? {
            (_, answer) if answer.get(1) == Some(&0) => Ok(stranger),
            (_, answer) => Err(io::Error::other(format!("refused: {answer:?}"))),
        }
    }

    /// Publishes at QoS 1 and waits until the broker has it.
    ///
    /// # Errors
    ///
    /// The broker cuts the connection or does not answer.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) -> io::Result<()> {
        let mut body = text(topic);
        body.extend(self.next_id());
        body.extend(payload);
        self.send(PUBLISH_QOS_1, &body)?;
        self.receive_kind(PUBACK).map(drop)
    }

    /// Waits for the next message on a topic that fits one of the filters, and gives topic and payload.
    ///
    /// # Errors
    ///
    /// As [`Stranger::publish`].
    pub fn hear_one(&mut self, filters: &[String]) -> io::Result<(String, Vec<u8>)> {
        let mut body = self.next_id().to_vec();
        for filter in filters {
            body.extend(text(filter));
            body.push(0);
        }
        self.send(SUBSCRIBE, &body)?;
        self.receive_kind(SUBACK)?;
        let body = self.receive_kind(PUBLISH)?;
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (length, rest) = body.split_first_chunk::<2>().ok_or_else(short)?;
        let (topic, payload) = rest
            .split_at_checked(u16::from_be_bytes(*length).into())
            .ok_or_else(short)?;
        Ok((
            String::from_utf8_lossy(topic).into_owned(),
            payload.to_vec(),
        ))
    }

    fn next_id(&mut self) -> [u8; 2] {
        self.packet_id = self.packet_id.wrapping_add(1).max(1);
        self.packet_id.to_be_bytes()
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![kind];
        let mut rest = body.len();
        loop {
            let low = u8::try_from(rest % 128).unwrap_or(0);
            rest /= 128;
            packet.push(low | u8::from(rest > 0) << 7);
            if rest == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet)
    }

    fn receive_kind(&mut self, kind: u8) -> io::Result<Vec<u8>> {
        loop {
            let (found, body) = self.receive()?;
            if found == kind {
                return Ok(body);
            }
        }
    }

    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        let kind = byte[0] >> 4;
        let (mut length, mut shift) = (0, 0);
        loop {
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7F) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 || shift > 21 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes().iter().take(length.into()));
    bytes
}
