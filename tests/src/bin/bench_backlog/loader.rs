//! What the database takes at most: the very bodies that the server sent, posted again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Posts recorded bodies over so many connections, as fast as the server takes them.
pub(crate) fn load(
    url: &str,
    bucket: &str,
    connections: usize,
    bodies: Vec<Vec<u8>>,
) -> anyhow::Result<Duration> {
    let address: SocketAddr = url.trim_start_matches("http://").parse()?;
    let bodies = Mutex::new(bodies.into_iter());
    let next = || {
        let mut bodies = bodies.lock().unwrap_or_else(PoisonError::into_inner);
        bodies.next()
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let post_all = || {
            let mut stream = BufReader::new(TcpStream::connect(address)?);
            stream.get_ref().set_nodelay(true)?;
            while let Some(body) = next() {
                post(&mut stream, bucket, &body)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(post_all)).collect();
        let mut done = threads.into_iter().map(|thread| {
            let outcome: anyhow::Result<()> = thread
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a connection panicked")));
            outcome
        });
        done.try_for_each(|outcome| outcome)
    })?;
    Ok(begun.elapsed())
}

fn post(stream: &mut BufReader<TcpStream>, bucket: &str, body: &[u8]) -> anyhow::Result<()> {
    let head = format!(
        "POST /api/v2/write?bucket={bucket}&org=o&precision=ns HTTP/1.1\r\nHost: x\r\n\
         Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(head.as_bytes())?;
    stream.get_mut().write_all(body)?;
    let mut line = String::new();
    stream.read_line(&mut line).context("no answer")?;
    if !line.starts_with("HTTP/1.1 204") {
        bail!("the database answered {line:?}");
    }
    while !line.trim_end().is_empty() {
        line.clear();
        stream.read_line(&mut line)?;
    }
    Ok(())
}
