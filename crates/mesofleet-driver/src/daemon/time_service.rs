//! Whether a time service has set this computer's clock.

use std::time::Duration;

use meso_config::ClockTrust;
use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::platform::{TimeService, time_service};

/// How often the system is asked until a time service has set its clock.
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// Hears once that a time service has set the clock; `None` where nobody waits for that.
pub(super) type ClockSet = Option<oneshot::Receiver<()>>;

/// Asks the system, and goes on asking where nothing has set its clock yet: until then `engine`
/// trusts no time.
pub(super) async fn await_time_service(trust: ClockTrust, engine: &mut Engine) -> ClockSet {
    if trust == ClockTrust::Date {
        return None;
    }
    match time_service().await {
        TimeService::HasSet => None,
        TimeService::Unknown => {
            tracing::info!("no time service can be asked about: the clock counts by its date");
            None
        }
        TimeService::HasNotSet => {
            tracing::warn!(
                "no time service has set this computer's clock since its start: until one does, times \
                 have no bound and rules about time are not judged; look at `timedatectl`, or set \
                 clock.trusted_after where the clock is right by other means"
            );
            engine.await_time_service();
            let (done, set) = oneshot::channel();
            tokio::spawn(ask_until_set(done));
            Some(set)
        }
    }
}

/// Ends when the clock is set, or when nobody waits for it any more.
async fn ask_until_set(mut done: oneshot::Sender<()>) {
    loop {
        tokio::select! {
            () = done.closed() => return,
            () = tokio::time::sleep(ASK_INTERVAL) => {}
        }
        if time_service().await == TimeService::HasSet {
            // Who does not wait any more does not care.
            let _ = done.send(());
            return;
        }
    }
}

/// Waits until the clock is set; for ever where nobody waits for that.
///
/// # Cancel safety
///
/// What was said is not lost when this is dropped.
pub(super) async fn clock_set(waiting: &mut ClockSet) {
    match waiting {
        Some(set) => {
            let heard = set.await;
            *waiting = None;
            if heard.is_err() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
