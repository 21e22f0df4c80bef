//! As much of HTTP/1.1 as a proxy between two known programs needs.

use std::io::{self, BufRead, Read as _};

/// The largest head of a request or an answer.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A request or an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    /// The first line.
    pub(super) first: String,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// An answer of our own.
    pub(super) fn answer(status: u16, text: &str) -> Message {
        Message {
            first: format!("HTTP/1.1 {status} made-up"),
            headers: vec![("content-type".into(), "application/json".into())],
            body: text.as_bytes().to_vec(),
        }
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        let status = self.first.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Reads one; `None` at the end of the stream.
    pub(super) fn read(stream: &mut impl BufRead, is_answer: bool) -> io::Result<Option<Message>> {
        let mut message = Message::default();
        let mut head_bytes = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            head_bytes += line.len();
            if head_bytes > HEAD_BYTES_MAX {
                return Err(io::Error::other("the head is too long"));
            }
            let line = line.trim_end();
            if message.first.is_empty() {
                message.first = line.to_owned();
            } else if line.is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':') {
                let header = (name.to_ascii_lowercase(), value.trim().to_owned());
                message.headers.push(header);
            }
        }
        if is_answer && matches!(message.status(), 204 | 304) {
            return Ok(Some(message));
        }
        if message.header("transfer-encoding").is_some() {
            message.body = read_chunks(stream)?;
        } else if let Some(length) = message.header("content-length") {
            let length = length.parse().map_err(|_| io::Error::other("no length"))?;
            message.body = vec![0; length];
            stream.read_exact(&mut message.body)?;
        }
        Ok(Some(message))
    }

    /// Writes it with its length, whatever it came with.
    pub(super) fn write(&self, stream: &mut impl io::Write) -> io::Result<()> {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            if !matches!(
                name.as_str(),
                "content-length" | "transfer-encoding" | "connection"
            ) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if self.status() != 204 {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        stream.flush()
    }
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        stream.read_line(&mut size)?;
        let size = size.trim().split(';').next().unwrap_or_default().to_owned();
        let size = u64::from_str_radix(&size, 16).map_err(|_| io::Error::other("no chunk"))?;
        stream.take(size).read_to_end(&mut body)?;
        let mut end = String::new();
        stream.read_line(&mut end)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// The value of a parameter of a request's address, decoded.
pub(super) fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(own, _)| *own == name)?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}
