//! What the routes share, and the other end of it, which the driver holds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use meso_contract::room::LiveBody;
use tokio::sync::{mpsc, oneshot, watch};

use crate::patients::PatientKeys;
use crate::sign_ins::SignIns;
use crate::{RoomRequest, StepFailure, StopRequest, Token};

/// Requests that may wait for the driver; a further one is answered with 503 at once.
pub const REQUESTS_WAITING_MAX: usize = 64;

/// How long a request may wait for the driver before it is answered with 503. The step may be
/// taken all the same; the state says whether it was.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the routes share.
#[derive(Clone, Debug)]
pub struct Room {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) token: Token,
    /// Where the room listens; a browser must name it.
    pub(crate) address: SocketAddr,
    /// The driver's data folder.
    pub(crate) folder: PathBuf,
    /// Or why there are none.
    pub(crate) patients: Result<PatientKeys, String>,
    time_zone: TimeZone,
    requests: mpsc::Sender<RoomRequest>,
    stops: mpsc::Sender<StopRequest>,
    pub(crate) live: watch::Sender<LiveBody>,
    sign_ins: Mutex<SignIns>,
    /// One PIN at a time is looked at: each takes 19 MiB and a moment.
    pub(crate) hashing: tokio::sync::Mutex<()>,
    started: Instant,
}

/// What the driver takes out.
#[derive(Debug)]
pub struct RoomInbox {
    /// Requests, one after the other.
    pub requests: mpsc::Receiver<RoomRequest>,
    /// Hands at STOP.
    pub stops: mpsc::Receiver<StopRequest>,
    /// What open pages show; worth filling only while it has receivers.
    pub live: watch::Sender<LiveBody>,
}

impl Room {
    /// A room that listens on `address`, with the people of a data folder, the calendar of the clinic
    /// and the keys of its patients, or why there are none: it takes no codes then.
    pub fn new(
        token: Token,
        address: SocketAddr,
        folder: &Path,
        time_zone: TimeZone,
        patients: Result<PatientKeys, String>,
    ) -> (Room, RoomInbox) {
        let (request_sender, requests) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (stop_sender, stops) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (live, _) = watch::channel(LiveBody::default());
        let shared = Shared {
            token,
            address,
            folder: folder.to_owned(),
            patients,
            time_zone,
            requests: request_sender,
            stops: stop_sender,
            live: live.clone(),
            sign_ins: Mutex::default(),
            hashing: tokio::sync::Mutex::default(),
            started: Instant::now(),
        };
        let room = Room {
            shared: Arc::new(shared),
        };
        let inbox = RoomInbox {
            requests,
            stops,
            live,
        };
        (room, inbox)
    }

    /// Today in the clinic.
    pub(crate) fn today(&self) -> Date {
        let now = jiff::Timestamp::now();
        now.to_zoned(self.shared.time_zone.clone()).date()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn sign_ins(&self) -> MutexGuard<'_, SignIns> {
        // Nothing that holds it can leave it half changed.
        let sign_ins = self.shared.sign_ins.lock();
        sign_ins.unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the driver and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> RoomRequest,
    ) -> Result<T, StepFailure> {
        let (reply, answer) = oneshot::channel();
        let sent = self.shared.requests.try_send(request(reply));
        answered(sent.is_ok(), answer).await
    }

    /// Hands a stop to the driver and waits until the gun was told.
    pub(crate) async fn stop<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> StopRequest,
    ) -> Result<T, StepFailure> {
        let (reply, answer) = oneshot::channel();
        let sent = self.shared.stops.try_send(request(reply));
        answered(sent.is_ok(), answer).await
    }
}

async fn answered<T>(sent: bool, answer: oneshot::Receiver<T>) -> Result<T, StepFailure> {
    if !sent {
        return Err(StepFailure::unavailable("too many requests are waiting"));
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(StepFailure::unavailable("the driver is stopping")),
        Err(_) => Err(StepFailure::unavailable("the driver does not answer")),
    }
}
