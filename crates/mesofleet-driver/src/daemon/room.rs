//! What the people in the room ask of the daemon.

use meso_contract::room::{ResumeGunBody, RoomGunBody, RoomStepBody, StepTakenBody};
use meso_domain::SessionEvent;
use meso_room::{RoomRequest, StepFailure};
use meso_units::GunSerial;

use super::Daemon;
use crate::DriverError;
use crate::engine::StepTaken;
use crate::machine::drawn;

impl Daemon {
    pub(super) async fn handle_room(&mut self, request: RoomRequest) -> Result<(), DriverError> {
        // What the guns have said before this request belongs before it.
        self.handle_guns_so_far().await?;
        match request {
            RoomRequest::State { reply } => {
                let mut state = self.engine.room_state(self.clocks.now(), self.is_connected);
                state.latencies = self.latency.bodies();
                let _ = reply.send(state);
            }
            RoomRequest::Questionnaire { reply } => {
                let _ = reply.send(self.engine.questionnaire());
            }
            RoomRequest::ResumeGun { gun, body, reply } => {
                let answer = self.resume_gun(&gun, &body).await?;
                let _ = reply.send(answer);
            }
            RoomRequest::Step { step, reply } => {
                let answer = self.take_step(&step).await?;
                let _ = reply.send(answer);
            }
        }
        Ok(())
    }

    async fn take_step(
        &mut self,
        step: &RoomStepBody,
    ) -> Result<Result<StepTakenBody, StepFailure>, DriverError> {
        let drawn = drawn()?;
        let StepTaken {
            work,
            events,
            answer,
        } = match self.engine.take_step(self.clocks.now(), step, drawn) {
            Ok(taken) => taken,
            Err(failure) => return Ok(Err(failure)),
        };
        self.write(work).await?;
        self.apply_events(&events).await?;
        Ok(Ok(answer))
    }

    /// Lets events take effect that are on the disk, and the guns hear what follows.
    pub(super) async fn apply_events(
        &mut self,
        events: &[SessionEvent],
    ) -> Result<(), DriverError> {
        self.engine.apply_events(events);
        let work = self.engine.reconcile_all();
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
}
