//! The proxy.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufReader, Read as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::columns::Columns;
use super::dialect::{Dialect, V3_BODY_BYTES_MAX, Wrong};
use super::http::{Message, parameter};

/// What influxd 1.6.7 says then.
const DISK_FULL: &str = r#"{"error":"engine: error writing WAL entry: write /wal/_00001.wal: no space left on device"}"#;

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not passed on; this status is the answer.
    Status(u16),
    /// It is not passed on; the answer is that of an influxd whose disk is full.
    DiskFull,
    /// It is not passed on, and nothing is answered until [`InfluxProxy::mend`].
    Hang,
    /// It is passed on and stored, and the connection breaks before the answer.
    DropAfter,
    /// It is not passed on, and the connection breaks.
    DropBefore,
    /// It is passed on and stored, and the answer comes only after this time, in ms.
    AnswerAfter(u64),
}

/// What the proxy has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Writes that came in.
    pub write_count: u64,
    /// Writes that a fault was done to.
    pub fault_count: u64,
    /// Points that were sent again, as they were.
    pub same_again_count: u64,
    /// Points that were sent again with other values: there must be none.
    pub different_again_count: u64,
    /// The longest body, in bytes, after decompression.
    pub body_bytes_max: u64,
    /// Questions that came in.
    pub question_count: u64,
}

#[derive(Debug, Default)]
struct State {
    dialect: Dialect,
    token: Option<String>,
    faults: VecDeque<Fault>,
    standing: Option<Fault>,
    unreadable: Vec<String>,
    other_type: Vec<String>,
    looks_into: bool,
    /// Bodies as they came, where they are recorded.
    recorded: Option<Vec<Vec<u8>>>,
    counts: ProxyCounts,
    columns: Columns,
    /// Tags and time of every point, and its fields.
    points: BTreeMap<String, String>,
    generation: u64,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct Shared {
    /// A std lock: held for a moment, never while something is waited for but the change itself.
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands before an `influxd`; dropping it ends it.
#[derive(Debug)]
pub struct InfluxProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl InfluxProxy {
    /// Starts one before a server.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub fn start(server: SocketAddr, dialect: Dialect) -> io::Result<InfluxProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        {
            let mut state = shared.lock();
            state.dialect = dialect;
            state.looks_into = true;
        }
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("proxy".into())
            .spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if accepting.lock().is_stopped {
                        return;
                    }
                    let shared = Arc::clone(&accepting);
                    let serve = move || {
                        // Either side may break off at any time: that is what it is for.
                        let _ = serve(&client, server, &shared);
                        let _ = client.shutdown(Shutdown::Both);
                    };
                    if std::thread::Builder::new().spawn(serve).is_err() {
                        return;
                    }
                }
            })?;
        Ok(InfluxProxy { address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as an URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves as another version from now on.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.shared.lock().dialect = dialect;
    }

    /// Lets only those in who have this token.
    pub fn demand_token(&self, token: &str) {
        self.shared.lock().token = Some(token.to_owned());
    }

    /// Does these faults to the next writes, one to each.
    pub fn fail_next(&self, faults: &[Fault]) {
        self.shared.lock().faults.extend(faults);
    }

    /// Does this fault to every write until [`InfluxProxy::mend`].
    pub fn fail_all(&self, fault: Fault) {
        self.shared.lock().standing = Some(fault);
    }

    /// Cannot read lines that have this text in them.
    pub fn refuse_lines_with(&self, text: &str) {
        self.shared.lock().unreadable.push(text.to_owned());
    }

    /// Finds another type in lines that have this text in them.
    pub fn find_other_type_in(&self, text: &str) {
        self.shared.lock().other_type.push(text.to_owned());
    }

    /// Behaves from now on as if somebody had written this line before.
    pub fn has_taken(&self, line: &str) {
        // That it might be refused is its writer's business.
        let _ = self.shared.lock().columns.take(line);
    }

    /// Looks into bodies or only passes them on, which costs less.
    pub fn look_into(&self, looks_into: bool) {
        self.shared.lock().looks_into = looks_into;
    }

    /// Keeps every body that is passed on, as it came.
    pub fn record(&self) {
        self.shared.lock().recorded = Some(Vec::new());
    }

    /// The bodies since [`InfluxProxy::record`], and no more from now on.
    pub fn take_recorded(&self) -> Vec<Vec<u8>> {
        self.shared.lock().recorded.take().unwrap_or_default()
    }

    /// Ends every fault and refusal.
    pub fn mend(&self) {
        let mut state = self.shared.lock();
        state.faults.clear();
        state.standing = None;
        state.unreadable.clear();
        state.other_type.clear();
        state.generation += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What it has seen.
    pub fn counts(&self) -> ProxyCounts {
        self.shared.lock().counts
    }
}

impl Drop for InfluxProxy {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        self.mend();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(client: &TcpStream, server: SocketAddr, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut incoming = BufReader::new(client);
    let mut behind: Option<BufReader<TcpStream>> = None;
    while let Some(request) = Message::read(&mut incoming, false)? {
        let answer = match request.first.split(' ').nth(1) {
            Some(path) if path.starts_with("/api/v2/write") => {
                write(&request, path, shared, server, &mut behind)?
            }
            Some(path) if path.starts_with("/query") => {
                query(&request, path, shared, server, &mut behind)?
            }
            _ => Some(Message::answer(404, r#"{"error":"not found"}"#)),
        };
        match answer {
            Some(answer) => answer.write(&mut (&mut &*client))?,
            None => return Ok(()),
        }
    }
    Ok(())
}

fn is_let_in(request: &Message, shared: &Shared) -> bool {
    let state = shared.lock();
    let wanted = state.token.as_ref().map(|token| format!("Token {token}"));
    wanted.is_none_or(|wanted| request.header("authorization") == Some(&wanted))
}

fn forward(
    mut request: Message,
    server: SocketAddr,
    behind: &mut Option<BufReader<TcpStream>>,
) -> io::Result<Message> {
    request.headers.retain(|(name, _)| name != "authorization");
    for _ in 0..2 {
        if behind.is_none() {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            *behind = Some(BufReader::new(stream));
        }
        let Some(stream) = behind else { continue };
        let sent = request.write(stream.get_mut());
        match sent.and_then(|()| Message::read(stream, true)) {
            Ok(Some(answer)) => return Ok(answer),
            // A connection that the server closed meanwhile.
            _ => *behind = None,
        }
    }
    Ok(Message::answer(
        503,
        r#"{"error":"the database is not there"}"#,
    ))
}

fn query(
    request: &Message,
    path: &str,
    shared: &Shared,
    server: SocketAddr,
    behind: &mut Option<BufReader<TcpStream>>,
) -> io::Result<Option<Message>> {
    shared.lock().counts.question_count += 1;
    if !is_let_in(request, shared) {
        return Ok(Some(Message::answer(401, r#"{"error":"unauthorized"}"#)));
    }
    let question = parameter(path, "q").unwrap_or_default();
    if let Some(reason) = shared.lock().dialect.refuses(&question) {
        let text = format!(r#"{{"error":"{reason}"}}"#);
        return Ok(Some(Message::answer(400, &text)));
    }
    forward(request.clone(), server, behind).map(Some)
}

fn write(
    request: &Message,
    path: &str,
    shared: &Shared,
    server: SocketAddr,
    behind: &mut Option<BufReader<TcpStream>>,
) -> io::Result<Option<Message>> {
    if !is_let_in(request, shared) {
        return Ok(Some(Message::answer(401, r#"{"code":"unauthorized"}"#)));
    }
    let fault = next_fault(shared);
    match fault {
        Some(Fault::Status(status)) => {
            return Ok(Some(Message::answer(status, r#"{"error":"made up"}"#)));
        }
        Some(Fault::DiskFull) => return Ok(Some(Message::answer(500, DISK_FULL))),
        Some(Fault::Hang) => {
            hang(shared);
            return Ok(None);
        }
        Some(Fault::DropBefore) => return Ok(None),
        Some(Fault::DropAfter | Fault::AnswerAfter(_)) | None => {}
    }
    let mut passed = request.clone();
    passed.first = mapped(path);
    if let Some(recorded) = &mut shared.lock().recorded {
        recorded.push(request.body.clone());
    }
    let mut refusal = None;
    if shared.lock().looks_into {
        let text = text_of(request)?;
        let kept = look_into(&text, shared, &mut refusal);
        if let Some(answer) = refusal.as_ref().filter(|_| kept.is_none()) {
            return Ok(Some(answer.clone()));
        }
        if let Some(kept) = kept.filter(|kept| *kept != text) {
            passed
                .headers
                .retain(|(name, _)| name != "content-encoding");
            passed.body = kept.into_bytes();
        }
    }
    let answer = match passed.body.is_empty() {
        true => Message::answer(204, ""),
        false => forward(passed, server, behind)?,
    };
    match fault {
        Some(Fault::AnswerAfter(wait_ms)) => {
            wait(shared, Duration::from_millis(wait_ms));
            Ok(Some(refusal.unwrap_or(answer)))
        }
        Some(_) => Ok(None),
        None => Ok(Some(refusal.unwrap_or(answer))),
    }
}

/// The write address of 1.6.
fn mapped(path: &str) -> String {
    let bucket = parameter(path, "bucket").unwrap_or_default();
    let precision = match parameter(path, "precision").as_deref() {
        Some("us") => "u",
        Some("ms") => "ms",
        Some("s") => "s",
        _ => "n",
    };
    let encoded: String = bucket.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("POST /write?db={encoded}&precision={precision} HTTP/1.1")
}

fn next_fault(shared: &Shared) -> Option<Fault> {
    let mut state = shared.lock();
    state.counts.write_count += 1;
    let fault = state.faults.pop_front().or(state.standing);
    state.counts.fault_count += u64::from(fault.is_some());
    fault
}

fn hang(shared: &Shared) {
    let state = shared.lock();
    let generation = state.generation;
    let waited = shared
        .changed
        .wait_while(state, |state| state.generation == generation);
    drop(waited.unwrap_or_else(PoisonError::into_inner));
}

/// Waits so long, or until [`InfluxProxy::mend`].
fn wait(shared: &Shared, time: Duration) {
    let state = shared.lock();
    let generation = state.generation;
    let waited = shared
        .changed
        .wait_timeout_while(state, time, |state| state.generation == generation);
    drop(waited.unwrap_or_else(PoisonError::into_inner));
}

fn text_of(request: &Message) -> io::Result<String> {
    let mut text = String::new();
    match request.header("content-encoding") {
        Some("gzip") => {
            flate2::read::GzDecoder::new(&request.body[..]).read_to_string(&mut text)?;
        }
        _ => text = String::from_utf8_lossy(&request.body).into_owned(),
    }
    Ok(text)
}

/// What is passed on of a body, `None` for nothing, and the refusal of the rest.
fn look_into(text: &str, shared: &Shared, refusal: &mut Option<Message>) -> Option<String> {
    let mut state = shared.lock();
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    state.counts.body_bytes_max = state.counts.body_bytes_max.max(length);
    if state.dialect == Dialect::V3 && text.len() > V3_BODY_BYTES_MAX {
        *refusal = Some(Message::answer(413, r#"{"error":"body too large"}"#));
        return None;
    }
    let has = |marks: &[String], line: &str| marks.iter().any(|mark| line.contains(mark.as_str()));
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let wrong = match () {
            () if has(&state.unreadable, line) => Some(Wrong::Unreadable),
            () if has(&state.other_type, line) => Some(Wrong::OtherType),
            () => None,
        };
        if state.dialect == Dialect::V3
            && let Err((status, words)) = state.columns.take(line)
        {
            let text = format!(r#"{{"error":"{words}","data":[]}}"#);
            *refusal = Some(Message::answer(status, &text));
            continue;
        }
        let Some(wrong) = wrong else {
            kept.push_str(line);
            continue;
        };
        let (keeps_the_rest, status, text) = state.dialect.partial(wrong, line);
        *refusal = Some(Message::answer(status, &text));
        if !keeps_the_rest {
            return None;
        }
    }
    for line in kept.lines() {
        note(&mut state, line);
    }
    Some(kept)
}

/// Compares a point with the one that was written there before.
fn note(state: &mut State, line: &str) {
    let (Some((series, rest)), Some((_, at))) = (line.split_once(' '), line.rsplit_once(' '))
    else {
        return;
    };
    match state
        .points
        .insert(format!("{series} {at}"), rest.to_owned())
    {
        Some(before) if before == rest => state.counts.same_again_count += 1,
        Some(_) => state.counts.different_again_count += 1,
        None => {}
    }
}
