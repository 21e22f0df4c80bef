//! Tells the pages what changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meso_contract::http::LiveEvent;
use meso_contract::metric_names as names;
use meso_units::{GunSerial, SessionId};
use meso_web::Backend as _;
use tokio::sync::{broadcast, watch};

use super::backend::FleetBackend;
use super::board::Board;
use super::post::PostOffice;
use super::signed_head::SignedHead;
use super::views::{alert_view, shot_view};
use crate::ingest::{Arrival, IngestError, Listener, NewShot, News, chain};

/// How often views that need the store are renewed for the pages.
const RENEW_EVERY: Duration = Duration::from_millis(500);

/// What looks different since the pages were last told.
#[derive(Debug, Default)]
struct Changed {
    guns: BTreeSet<GunSerial>,
    sessions: BTreeSet<SessionId>,
    anything: bool,
}

/// Listens to the ingest: shots and alerts go out at once, what needs the store is noted.
#[derive(Clone, Debug)]
pub(super) struct Announcer {
    pub(super) board: Arc<Board>,
    pub(super) events: broadcast::Sender<LiveEvent>,
    /// A std lock: held to note or to take.
    changed: Arc<Mutex<Changed>>,
    post: PostOffice,
    pub(super) head: Arc<SignedHead>,
}

impl Announcer {
    pub(super) fn new(
        events: broadcast::Sender<LiveEvent>,
        post: PostOffice,
        head: SignedHead,
    ) -> Announcer {
        Announcer {
            board: Arc::new(Board::default()),
            events,
            changed: Arc::new(Mutex::new(Changed::default())),
            post,
            head: Arc::new(head),
        }
    }

    fn note(&self, note: impl FnOnce(&mut Changed)) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.anything = true;
        note(&mut changed);
    }

    fn send(&self, event: LiveEvent) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }
}

impl Listener for Announcer {
    fn committed(&mut self, news: &News) {
        count(news);
        if news.was_set_back {
            self.head.put_aside();
        }
        if let Some(checkpoint) = &news.checkpoint {
            self.head.remember(checkpoint);
        }
        self.post.leave(&news.letters);
        self.board.commit(news);
        self.note(|changed| {
            changed.guns.extend(news.guns.iter().cloned());
            changed.guns.extend(news.declared_missing.keys().cloned());
            let alerted = news
                .alerts
                .iter()
                .filter_map(|alert| alert.key.subject.gun());
            changed.guns.extend(alerted.cloned());
            changed.sessions.extend(&news.sessions);
        });
        if self.events.receiver_count() == 0 {
            return;
        }
        for part in news.shots.chunks(LiveEvent::SHOT_COUNT_MAX) {
            let view = |new: &NewShot| shot_view(&new.shot, new.session, Some(&new.verdict));
            self.send(LiveEvent::Shots {
                shots: part.iter().map(view).collect(),
            });
        }
        for alert in &news.alerts {
            self.send(LiveEvent::Alert {
                alert: Box::new(alert_view(alert)),
            });
        }
    }

    fn status(&mut self, arrival: Arrival) {
        let guns = self.board.hear(arrival);
        self.note(|changed| changed.guns.extend(guns));
    }

    fn failed(&mut self, error: &IngestError) {
        metrics::gauge!(names::INGEST_FAILING).set(1.0);
        self.board.fail(chain(error));
        self.note(|_| {});
    }

    fn recovered(&mut self) {
        metrics::gauge!(names::INGEST_FAILING).set(0.0);
        self.board.recover();
        self.note(|_| {});
    }
}

fn count(news: &News) {
    for (clinic, count) in &news.stored_counts {
        let clinic = clinic.to_string();
        metrics::counter!(names::SHOTS_STORED_TOTAL, "clinic" => clinic).increment(*count);
    }
    metrics::counter!(names::BLOCKS_COMMITTED_TOTAL).increment(news.block_count);
    metrics::counter!(names::BLOCKS_DUPLICATE_TOTAL).increment(news.blocks_again_count);
    metrics::counter!(names::LATE_FINDINGS_TOTAL).increment(news.late_finding_count);
    metrics::counter!(names::PATIENTS_MERGED_TOTAL).increment(news.merged_count);
    metrics::counter!(names::QUARANTINED_TOTAL).increment(news.quarantined_count);
    metrics::counter!(names::BLOCKS_DEFERRED_TOTAL).increment(news.deferred_count);
    metrics::counter!(names::NOT_UNDERSTOOD_TOTAL).increment(news.not_understood_count);
    metrics::counter!(names::CONFLICTS_TOTAL).increment(news.conflict_count);
    metrics::counter!(names::CONTRADICTIONS_TOTAL).increment(news.contradiction_count);
    metrics::counter!(names::PROVISIONAL_SHOTS_TOTAL).increment(news.provisional_count);
    metrics::gauge!(names::INQUIRIES_OPEN).set(news.inquiry_count as f64);
    metrics::gauge!(names::LEDGER_SIZE).set(news.leaf_count as f64);
}

/// Renews views that need the store, until `stop` says so.
pub(super) async fn renew(
    announcer: Announcer,
    backend: Arc<FleetBackend>,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(RENEW_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u64;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        round += 1;
        let changed = {
            let mut changed = announcer
                .changed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *changed)
        };
        let (announcer, backend) = (announcer.clone(), Arc::clone(&backend));
        let renewed = tokio::task::spawn_blocking(move || {
            if round.is_multiple_of(2) {
                backend.ingest.tick(backend.look());
                set_gauges(&backend);
            }
            if changed.anything && announcer.events.receiver_count() > 0 {
                renew_once(&announcer, &backend, &changed);
            }
        });
        if let Err(error) = renewed.await {
            tracing::error!(%error, "views cannot be renewed");
        }
    }
}

fn renew_once(announcer: &Announcer, backend: &FleetBackend, changed: &Changed) {
    // A store that cannot be read is told by readiness; the pages ask again.
    for gun in backend
        .gun_views(|gun| changed.guns.contains(gun))
        .unwrap_or_default()
    {
        announcer.send(LiveEvent::Gun { gun: Box::new(gun) });
    }
    for session in &changed.sessions {
        if let Ok(session) = backend.session(*session)
            && session.opened_at_ms > 0
        {
            announcer.send(LiveEvent::Session {
                session: Box::new(session),
            });
        }
    }
    if let Ok(overview) = backend.overview() {
        announcer.send(LiveEvent::Overview {
            overview: Box::new(overview),
        });
    }
}

fn set_gauges(backend: &FleetBackend) {
    let under_way = u32::try_from(backend.readers.writes_under_way()).unwrap_or(u32::MAX);
    metrics::gauge!(names::STORE_WRITES_UNDER_WAY).set(f64::from(under_way));
    let Ok(overview) = backend.overview() else {
        return;
    };
    let open = |severity: &'static str, count: u32| {
        metrics::gauge!(names::ALERTS_OPEN, "severity" => severity).set(f64::from(count));
    };
    open("hard", overview.open_hard_alert_count);
    open("soft", overview.open_soft_alert_count);
    metrics::gauge!(names::GUNS_ATTACHED).set(f64::from(overview.attached_gun_count));
}
