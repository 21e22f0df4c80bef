//! The writing half: `/api/v2/write` through the `influxdb2` crate, on a thread of its own.
//!
//! The crate gives the request, its headers and its errors; what it lacks is here: time-outs,
//! compression of line protocol, attempts with back-off and jitter, halving of refused bodies, a
//! count of what is on its way, and an end of it where nobody waits for the answer any more.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use influxdb2::api::write::TimestampPrecision;
use influxdb2::{Client, ClientBuilder, RequestError};
use reqwest_of_influxdb2::StatusCode;
use reqwest_of_influxdb2::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use tokio::sync::{Semaphore, mpsc};

use super::bisect::{Bisection, RefusedLine};
use super::doubt::{Doubt, says_disk_is_full};
use super::line::Lines;
use super::options::InfluxOptions;
use crate::StoreError;

/// Lines of one body: what influxd takes best in the loads that were measured.
const BODY_LINES_MAX: usize = 5_000;

/// Bytes of one body before compression; 3 Core refuses more than 10 MiB.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Attempts of one body; after the last the caller keeps what it has.
const ATTEMPTS_MAX: u32 = 4;

/// The longest wait between two attempts.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// Lines of one write that a server may refuse; more mean that the server is wrong, not the lines,
/// so nothing is set aside and the write fails.
const REFUSED_LINES_MAX: usize = 1_000;

/// How much of a server's words a message repeats, in characters.
const WORDS_MAX: usize = 300;

/// Writes that are begun and not answered, those included for whose answer nobody waits after an
/// error. The shelf begins fewer: at most one for each of 1,024 blocks, 16 behind them and one before.
/// Above it nothing is begun, and the blocks stay pending.
pub(super) const UNDER_WAY_MAX: usize = 1_041;

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// What one request came to.
enum Answer {
    /// All of it is stored.
    Taken,
    /// Some of it is refused for good.
    Refused(String),
    /// It may go better the next time.
    Again(String),
    /// A person has to see to it.
    Never(String),
    /// Its disk is full, and a person has to see to it.
    Full(String),
}

/// Why nothing more was written.
type Failure = String;

struct Job {
    lines: Arc<Lines>,
    reply: std_mpsc::SyncSender<Written>,
    /// How often writes were given up before it was begun.
    generation: u64,
    counted: Counted,
}

/// What both sides know of the writes.
#[derive(Debug, Default)]
struct Tally {
    /// Begun and not answered.
    under_way: AtomicUsize,
    /// How often what was under way was given up.
    generation: AtomicU64,
}

/// Counts a write for as long as it is there.
struct Counted(Arc<Tally>);

impl Counted {
    fn new(tally: &Arc<Tally>) -> Counted {
        tally.under_way.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(tally))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Writes lines.
#[derive(Debug)]
pub(crate) struct WriteHalf {
    /// Without a limit of its own, because sending must not wait inside a runtime;
    /// [`UNDER_WAY_MAX`] is the limit.
    jobs: mpsc::UnboundedSender<Job>,
    tally: Arc<Tally>,
    options: InfluxOptions,
}

/// A write that was begun. Dropping it does not end it; [`WriteHalf::give_up`] does.
#[derive(Debug)]
#[must_use]
pub(crate) struct UnderWay {
    answer: std_mpsc::Receiver<Written>,
    /// What came out, once it was looked at.
    written: Option<Written>,
    options: InfluxOptions,
}

/// The lines that a server refuses for good, or why it has not taken the others.
type Written = Result<Vec<RefusedLine>, Failure>;

impl UnderWay {
    /// Whether an answer is there within some time, so that waiting takes no more.
    pub(crate) fn is_answered_within(&mut self, patience: Duration) -> bool {
        if self.written.is_none() {
            self.written = match self.answer.recv_timeout(patience) {
                Ok(written) => Some(written),
                Err(std_mpsc::RecvTimeoutError::Timeout) => None,
                Err(std_mpsc::RecvTimeoutError::Disconnected) => return true,
            };
        }
        self.written.is_some()
    }

    /// Waits until the server has the lines; gives those that it refuses for good.
    pub(crate) fn wait(self) -> Result<Vec<RefusedLine>, StoreError> {
        let written = match self.written {
            Some(written) => written,
            None => self.answer.recv().map_err(|_| gone(&self.options))?,
        };
        written.map_err(|failure| self.options.error("took no points", failure))
    }
}

fn gone(options: &InfluxOptions) -> StoreError {
    options.error("took no points", "its thread is gone")
}

impl WriteHalf {
    /// Starts the thread; it ends when the half is dropped.
    pub(crate) fn start(
        options: &InfluxOptions,
        doubt: Option<Doubt>,
    ) -> Result<WriteHalf, StoreError> {
        let cannot = |error: &dyn std::error::Error| options.error("cannot be used", error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot(&error))?;
        let tally = Arc::new(Tally::default());
        let sender = Sender::new(options, doubt, Arc::clone(&tally))
            .map_err(|error| options.error("cannot be used", error))?;
        let (jobs, received) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("influx".to_owned())
            .spawn(move || runtime.block_on(sender.serve(received)))
            .map_err(|error| cannot(&error))?;
        Ok(WriteHalf {
            jobs,
            tally,
            options: options.clone(),
        })
    }

    /// Begins to write lines; several writes share the connections, the first ones first.
    pub(crate) fn begin(&self, lines: Arc<Lines>) -> Result<UnderWay, StoreError> {
        if self.under_way_count() >= UNDER_WAY_MAX {
            let told = format!("{UNDER_WAY_MAX} writes are on their way to it, the limit");
            return Err(self.options.error("gets no more points now", told));
        }
        let (reply, answer) = std_mpsc::sync_channel(1);
        let sent = self.jobs.send(Job {
            lines,
            reply,
            generation: self.tally.generation.load(Ordering::Relaxed),
            counted: Counted::new(&self.tally),
        });
        sent.map_err(|_| gone(&self.options))?;
        Ok(UnderWay {
            answer,
            written: None,
            options: self.options.clone(),
        })
    }

    /// How many writes are begun and not answered.
    pub(crate) fn under_way_count(&self) -> usize {
        self.tally.under_way.load(Ordering::Relaxed)
    }

    /// Ends what was begun so far, for nobody waits for it any more: requests that are sent are
    /// heard out, no further one is made. What the server has taken of it may be written again.
    pub(crate) fn give_up(&self) {
        self.tally.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes lines and waits until the server has them; gives those that it refuses for good.
    pub(crate) fn write(&self, lines: Lines) -> Result<Vec<RefusedLine>, StoreError> {
        self.begin(Arc::new(lines))?.wait()
    }
}

struct Sender {
    client: Client,
    options: InfluxOptions,
    /// One permit for each connection.
    connections: Semaphore,
    doubt: Option<Doubt>,
    tally: Arc<Tally>,
}

impl Sender {
    fn new(
        options: &InfluxOptions,
        doubt: Option<Doubt>,
        tally: Arc<Tally>,
    ) -> Result<Sender, String> {
        let mut headers = HeaderMap::new();
        if options.gzip {
            // The crate compresses only points that it writes itself.
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let http = reqwest_of_influxdb2::ClientBuilder::new()
            .default_headers(headers)
            .timeout(options.request_within)
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            // A redirected POST would arrive as a GET.
            .redirect(reqwest_of_influxdb2::redirect::Policy::none())
            .no_proxy();
        let token = options.token().map_or("", |token| token.expose());
        let builder = ClientBuilder::with_builder(http, options.url(), options.org(), token);
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Sender {
            client,
            connections: Semaphore::new(connections_of(options)),
            doubt,
            tally,
            options: options.clone(),
        })
    }

    /// Does jobs until nobody can give any more.
    async fn serve(self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => under_way.push(self.serve_one(job)),
                    None => break,
                },
                Some(()) = under_way.next() => {}
            }
        }
        while under_way.next().await.is_some() {}
    }

    async fn serve_one(&self, job: Job) {
        let written = self.write(&job).await;
        let Job { reply, counted, .. } = job;
        // Before anybody hears of it, so that who waited finds it gone.
        drop(counted);
        // Whoever asked may be gone.
        let _ = reply.send(written);
    }

    async fn write(&self, job: &Job) -> Written {
        let lines = &*job.lines;
        let connections = connections_of(&self.options);
        let bodies = lines.parts(lines_per_body(lines, connections), BODY_BYTES_MAX);
        let writes = bodies.into_iter().map(|body| self.write_body(job, body));
        let mut written = futures_util::stream::iter(writes).buffer_unordered(connections);
        let (mut refused, mut failure) = (Vec::new(), None);
        // Every body is heard out: what a server has taken need not be sent in vain.
        while let Some(body) = written.next().await {
            match body {
                Ok(lines) => refused.extend(lines),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(failure) => Err(failure),
            None if refused.len() > REFUSED_LINES_MAX => Err(refused_too_many(&refused)),
            None => Ok(refused),
        }
    }

    /// Whether one more request of a write may be made.
    fn check(&self, job: &Job) -> Result<(), Failure> {
        if job.generation != self.tally.generation.load(Ordering::Relaxed) {
            return Err("another write failed, and nobody waits for this one".to_owned());
        }
        self.doubt.as_ref().map_or(Ok(()), Doubt::check)
    }

    async fn write_body(&self, job: &Job, body: Range<usize>) -> Written {
        // It is never closed.
        let _connection = self.connections.acquire().await;
        let mut bisection = Bisection::new(body);
        while let Some(range) = bisection.next() {
            let bytes = job.lines.bytes(range);
            let mut attempt = 1;
            loop {
                self.check(job)?;
                match self.send(bytes).await {
                    Answer::Taken => bisection.taken(),
                    Answer::Refused(reason) => bisection.refused(&reason),
                    Answer::Never(reason) => return Err(reason),
                    Answer::Full(reason) => {
                        return Err(match &self.doubt {
                            Some(doubt) => doubt.begin(&reason),
                            None => reason,
                        });
                    }
                    Answer::Again(reason) if attempt >= ATTEMPTS_MAX => {
                        return Err(format!("{reason}, {attempt} times"));
                    }
                    Answer::Again(_) => {
                        tokio::time::sleep(self.back_off(attempt)).await;
                        attempt += 1;
                        continue;
                    }
                }
                break;
            }
            if bisection.refused_count() > REFUSED_LINES_MAX {
                return Err(refused_too_many(&bisection.into_refused()));
            }
        }
        Ok(bisection.into_refused())
    }

    /// Doubles with each attempt; the upper half of it is random, so that many that were refused at
    /// once do not come back at once.
    fn back_off(&self, attempt: u32) -> Duration {
        let full = self
            .options
            .back_off
            .saturating_mul(1 << (attempt - 1).min(16))
            .min(BACK_OFF_MAX);
        let mut random = [0; 4];
        // Without randomness the wait is merely a full one.
        let share = match getrandom::fill(&mut random) {
            Ok(()) => u32::from_le_bytes(random) % 1_024,
            Err(_) => 1_024,
        };
        full / 2 + full / 2 * share / 1_024
    }

    async fn send(&self, lines: &[u8]) -> Answer {
        let body = match self.options.gzip {
            true => match gzip(lines) {
                Ok(body) => body,
                Err(error) => return Answer::Never(error.to_string()),
            },
            false => lines.to_vec(),
        };
        let (org, bucket) = (self.options.org(), self.options.bucket());
        let sent = self
            .client
            .write_line_protocol_with_precision(org, bucket, body, TimestampPrecision::Nanoseconds)
            .await;
        match sent {
            Ok(()) => Answer::Taken,
            Err(RequestError::Http { status, text }) => judge(status, &text),
            Err(RequestError::ReqwestProcessing { source }) => Answer::Again(transport(&source)),
            Err(other) => Answer::Again(other.to_string()),
        }
    }
}

fn connections_of(options: &InfluxOptions) -> usize {
    options.connections.clamp(1, InfluxOptions::CONNECTIONS_MAX)
}

/// As many as give every connection its share.
fn lines_per_body(lines: &Lines, connections: usize) -> usize {
    lines.len().div_ceil(connections).clamp(1, BODY_LINES_MAX)
}

/// What a status means for the lines that were sent.
fn judge(status: StatusCode, text: &str) -> Answer {
    let words: String = text.chars().take(WORDS_MAX).collect();
    let said = format!("it answered {status}: {}", words.trim());
    match status {
        // Also where some of the points are stored: all of them are sent again.
        _ if says_disk_is_full(text) => Answer::Full(said),
        StatusCode::BAD_REQUEST
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::PAYLOAD_TOO_LARGE => Answer::Refused(said),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Answer::Never(format!("{said}; check the token and what it may write"))
        }
        StatusCode::NOT_FOUND => Answer::Never(format!(
            "{said}; check organisation and bucket, or make them with `mesofleet store init`"
        )),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Answer::Again(said),
        status if status.is_server_error() => Answer::Again(said),
        _ => Answer::Never(said),
    }
}

/// The causes of a failed request in one line.
fn transport(error: &reqwest_of_influxdb2::Error) -> String {
    let kind = match () {
        () if error.is_timeout() => "it did not answer in time",
        () if error.is_connect() => "it cannot be reached",
        () => "the connection broke",
    };
    kind.to_owned()
}

fn refused_too_many(refused: &[RefusedLine]) -> Failure {
    let first = refused.first().map_or("", |line| line.reason.as_str());
    format!("it refuses more than {REFUSED_LINES_MAX} points of one commit; the first: {first}")
}

/// The fastest level: the network is rarely slower than the processor.
fn gzip(lines: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines)?;
    encoder.finish()
}
