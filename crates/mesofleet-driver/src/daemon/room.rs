//! What people ask for in the room, and what they are shown.

use meso_contract::room::{LiveBody, ResumeGunBody, RoomGunBody, RoomStepBody, StepTakenBody};
use meso_domain::SessionEvent;
use meso_room::{RoomRequest, StepFailure, StopRequest};
use meso_units::GunSerial;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use super::Daemon;
use crate::DriverError;
use crate::engine::{StepTaken, Work};
use crate::machine::drawn;

/// How often the room's pages are shown something new, at most: as often as an eye follows.
pub(super) const LIVE_INTERVAL: Duration = Duration::from_millis(100);

impl Daemon {
    /// Shows the room to its pages, where one is open and the last picture is old enough.
    pub(super) fn show_live(&mut self) {
        let now = Instant::now();
        if self.live.receiver_count() == 0 || now < self.live_shown + LIVE_INTERVAL {
            return;
        }
        self.live_shown = now;
        let live = self.live_body();
        self.live.send_if_modified(|shown| {
            let is_other = LiveBody {
                at_ms: live.at_ms,
                ..shown.clone()
            } != live;
            if is_other {
                *shown = live;
            }
            is_other
        });
    }

    /// Answers a request of the room.
    pub(super) async fn handle_room(&mut self, request: RoomRequest) -> Result<(), DriverError> {
        // What the guns have said before this request belongs before it; while that cannot be
        // written, the request is answered where the disk is waited for.
        self.asked = Some(request);
        self.handle_guns_so_far().await?;
        let Some(request) = self.asked.take() else {
            return Ok(());
        };
        match self.shown(request) {
            Some(RoomRequest::Patient {
                tag,
                protocol,
                reply,
            }) => {
                let answer = self.find_patient(&tag, protocol.as_ref()).await?;
                let _ = reply.send(answer);
            }
            Some(RoomRequest::ResumeGun { gun, body, reply }) => {
                let answer = self.resume_gun(&gun, &body).await?;
                let _ = reply.send(answer);
            }
            Some(RoomRequest::Step { step, reply }) => self.take_step(&step, reply).await?,
            _ => {}
        }
        Ok(())
    }

    /// Answers a request that only looks; gives any other back.
    pub(super) fn shown(&self, request: RoomRequest) -> Option<RoomRequest> {
        // Whoever asked may have gone.
        match request {
            RoomRequest::State { reply } => {
                let mut state = self.engine.room_state(self.clocks.now(), self.is_connected);
                state.latencies = self.latency.bodies();
                state.journal_problem = self.disk_problem_text();
                let _ = reply.send(state);
            }
            RoomRequest::Live { reply } => drop(reply.send(self.live_body())),
            RoomRequest::Library { reply } => drop(reply.send(self.engine.library_body())),
            RoomRequest::Questionnaire { reply } => {
                let _ = reply.send(self.engine.questionnaire());
            }
            RoomRequest::History { reply } => drop(reply.send(self.engine.history())),
            other => return Some(other),
        }
        None
    }

    fn live_body(&self) -> LiveBody {
        let mut live = self.engine.live(self.clocks.now(), self.is_connected);
        live.room.journal_problem = self.disk_problem_text();
        live
    }

    async fn take_step(
        &mut self,
        step: &RoomStepBody,
        reply: oneshot::Sender<Result<StepTakenBody, StepFailure>>,
    ) -> Result<(), DriverError> {
        let drawn = drawn()?;
        let taken = match self.engine.take_step(self.clocks.now(), step, drawn) {
            Ok(taken) => taken,
            Err(failure) => {
                let _ = reply.send(Err(failure));
                return Ok(());
            }
        };
        let StepTaken {
            mut work,
            events,
            answer,
        } = taken;
        self.tell_first(&mut work, None);
        if !work.is_empty() {
            let batch = std::mem::take(&mut work.batch);
            match self.commit_now(batch).await? {
                Ok(committed) => self.follow(work, &committed).await?,
                Err(error) => {
                    // The person is not kept waiting: what is not on the disk was not taken.
                    let _ = reply.send(Err(StepFailure::unavailable(error.to_string())));
                    return self.wait_until_disk_is_well(error).await;
                }
            }
        }
        self.apply_events(&events).await?;
        let _ = reply.send(Ok(answer));
        Ok(())
    }

    /// Lets events take effect that are on the disk, and the guns hear what follows.
    pub(super) async fn apply_events(
        &mut self,
        events: &[SessionEvent],
    ) -> Result<(), DriverError> {
        self.engine.apply_events(events);
        let work = self.engine.reconcile_all(self.clocks.now().utc);
        self.write(work).await
    }

    async fn resume_gun(
        &mut self,
        gun: &GunSerial,
        body: &ResumeGunBody,
    ) -> Result<Result<RoomGunBody, StepFailure>, DriverError> {
        let work = match self.engine.take_resume(self.clocks.now(), gun, body) {
            Ok(work) => work,
            Err(failure) => return Ok(Err(failure)),
        };
        self.write(work).await?;
        Ok(Ok(self.engine.resumed_gun(gun, self.clocks.now())))
    }

    /// A hand at STOP: the gun is told now, and what is to be written of it with the next commit.
    pub(super) fn handle_stop(&mut self, stop: StopRequest) {
        let mut work = std::mem::take(&mut self.heard);
        self.hear_stop(stop, &mut work);
        self.heard = work;
    }

    pub(super) fn hear_stop(&mut self, stop: StopRequest, work: &mut Work) {
        let StopRequest { gun, body, reply } = stop;
        let now = self.clocks.now();
        let answer = match self.engine.take_stop(now, &gun, &body, work) {
            Ok(()) => {
                self.tell_first(work, None);
                self.remember_stop(&gun, &body, now.utc);
                self.engine.stopped_gun(&gun, now)
            }
            Err(failure) => Err(failure),
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
    }
}
