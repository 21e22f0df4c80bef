//! The end of a run: guns stop, sessions end, and everything on its way arrives.

use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use meso_contract::room::{RoomStateBody, RoomStepBody};

use super::fleet::Fleet;
use super::stop::Stop;
use crate::serve::Server;

/// How long all of it may take: a driver that is just starting again needs some seconds of it.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether everything arrived, and what was still missing when patience ended.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// What never came; empty where all is well.
    pub(crate) missing: Vec<&'static str>,
}

/// Stops the guns, ends the sessions and waits until all is stored, or until nobody wants to wait.
pub(crate) fn settle(fleet: &Fleet, server: &Server, completed: bool, hurry: &Stop) -> Settled {
    let deadline = Instant::now() + SETTLE_WITHIN;
    let until = |done: &mut dyn FnMut() -> bool| until(deadline, hurry, done);
    let mut settled = Settled::default();
    fleet.stop_firing();
    let mut fired = 0;
    for _ in &fleet.guns {
        let mut answer = Err(TryRecvError::Empty);
        until(&mut || {
            answer = fleet.stopped.try_recv();
            answer != Err(TryRecvError::Empty)
        });
        match answer {
            Ok(shots) => fired += shots,
            Err(_) => settled.missing.push("a gun does not stop"),
        }
    }
    let journalled = |state: &RoomStateBody| {
        let held: u64 = state
            .guns
            .iter()
            .map(|gun| u64::from(gun.journalled_counter))
            .sum();
        held >= fired
    };
    if !until(&mut || fleet.room.state().is_ok_and(|state| journalled(&state))) {
        settled.missing.push("shots are still in a gun");
    }
    if !until(&mut || end_sessions(fleet, completed)) {
        settled.missing.push("sessions cannot be ended");
    }
    let delivered = |state: &RoomStateBody| {
        state.unsealed_record_count == 0 && state.unsettled_block_count == 0
    };
    if !until(&mut || fleet.room.state().is_ok_and(|state| delivered(&state))) {
        settled
            .missing
            .push("blocks are still in the driver's journal");
    }
    if !until(&mut || server.is_settled()) {
        settled.missing.push("sessions are not sealed");
    }
    settled
}

/// Ends what is open; true when nothing is open any more.
fn end_sessions(fleet: &Fleet, completed: bool) -> bool {
    let Ok(state) = fleet.room.state() else {
        return false;
    };
    let outcome = if completed { "completed" } else { "stopped" };
    for session in &state.open_sessions {
        let step = RoomStepBody::End {
            session: session.clone(),
            outcome: outcome.to_owned(),
        };
        if let Err(error) = fleet.room.step(&step) {
            tracing::debug!(%error, "driver does not answer yet");
        }
    }
    state.open_sessions.is_empty()
}

/// Looks until `done`, until the deadline, or until nobody wants to wait.
fn until(deadline: Instant, hurry: &Stop, done: &mut dyn FnMut() -> bool) -> bool {
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline || hurry.wait(LOOK_EVERY) {
            return false;
        }
    }
}
