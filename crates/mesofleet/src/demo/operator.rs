//! The person at the gun: takes the steps in the room that the gun's plan asks for.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use meso_contract::room::{
    OpenStepBody, RoomStepBody, SamePatientStepBody, SegmentStepBody, StepTakenBody,
};
use meso_contract::{CheckItemBody, ChecklistBody, ComponentBody, NeedleBody, SyringeBody};
use meso_testkit::gun::plan::Step;
use meso_testkit::gun::process::{GunCommand, GunNotice};

use super::guns::GunCommands;
use super::room_client::{RoomClient, StepResult};
use super::stop::Stop;

/// How long to wait before a driver that is not there is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The room's code for a library that has not come yet; it is on its way when the driver starts.
const LIBRARY_MISSING: &str = "library_missing";

/// The room's code for a question that an unplugged gun raises.
const SAME_PATIENT: &str = "same_patient_unanswered";

/// Works at one gun until the gun leaves.
pub(crate) struct Operator {
    pub(crate) serial: String,
    pub(crate) commands: GunCommands,
    pub(crate) room: RoomClient,
    /// Ends every waiting for the driver.
    pub(crate) abandon: Arc<Stop>,
    /// Told once the gun has stopped firing.
    pub(crate) stopped: std::sync::mpsc::Sender<u64>,
    pub(crate) work: Work,
}

/// What the operator has at hand.
#[derive(Debug, Default)]
pub(crate) struct Work {
    session: Option<String>,
    zone: String,
    technique: String,
    syringes: u32,
    needles: u32,
}

impl Operator {
    /// Reads the gun's lines to their end.
    pub(crate) fn run(mut self, lines: &Receiver<String>) {
        for line in lines {
            match serde_json::from_str(&line) {
                Ok(GunNotice::Operator { step }) => {
                    self.take(&step);
                    if let Err(error) = self.commands.send(&GunCommand::Continue) {
                        tracing::warn!(%error, "gun did not take a command");
                        return;
                    }
                }
                // The demo may have given up waiting for it.
                Ok(GunNotice::Stopped { fired }) => drop(self.stopped.send(fired)),
                Ok(GunNotice::Ready { .. }) => {}
                Err(error) => tracing::warn!(%error, line, "gun said what nobody understands"),
            }
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::OpenSession {
                zone,
                technique,
                protocol,
            } => self.open(zone, technique, protocol),
            Step::ChangeNeedle => {
                self.work.needles += 1;
                self.segment("needle change");
            }
            Step::ChangeSyringe => {
                self.work.syringes += 1;
                self.segment("syringe change");
            }
            Step::NextZone { zone } => {
                self.work.zone.clone_from(zone);
                self.segment("next zone");
            }
            Step::EndSession => self.end(),
            Step::Prime(_) | Step::Fire(_) | Step::AwaitTrigger | Step::Pause { .. } => {}
        }
    }

    fn open(&mut self, zone: &str, technique: &str, protocol: &str) {
        let mut patient = [0; 32];
        if let Err(error) = getrandom::fill(&mut patient) {
            tracing::error!(%error, "no randomness for a patient");
            return;
        }
        let opened = self.ask(&RoomStepBody::Open(Box::new(OpenStepBody {
            patient: hex::encode(patient),
            protocol: protocol.to_owned(),
            operator: self.operator(),
            checklist: checklist(),
            demo: true,
            screening: None,
            age_years: None,
            weight_g: None,
            details: None,
            course: None,
        })));
        let Some(opened) = opened else { return };
        self.work = Work {
            session: Some(opened.session),
            zone: zone.to_owned(),
            technique: technique.to_owned(),
            syringes: self.work.syringes + 1,
            needles: self.work.needles + 1,
        };
        self.segment("");
    }

    fn segment(&mut self, reason: &str) {
        let Some(session) = self.work.session.clone() else {
            return;
        };
        let operator = self.operator();
        let load = SyringeBody {
            components: vec![ComponentBody {
                name: "demo cocktail".to_owned(),
                concentration: "as labelled".to_owned(),
                lot: format!("DEMO-{}", 200 + self.work.syringes),
            }],
            ready_made: true,
            prepared_by: operator.clone(),
            loaded_nl: 5_000_000,
            dead_volume_nl: 150_000,
        };
        let needle = NeedleBody {
            length_um: 13_000,
            gauge: 30,
            needle_count: 1,
            lot: format!("DEMO-N{}", 20 + self.work.needles),
        };
        self.ask(&RoomStepBody::Segment(SegmentStepBody {
            session,
            gun: Some(self.serial.clone()),
            zone: self.work.zone.clone(),
            technique: self.work.technique.clone(),
            course_phase: None,
            syringe: load,
            needle,
            operator,
            reason: reason.to_owned(),
        }));
    }

    fn end(&mut self) {
        if let Some(session) = self.work.session.take() {
            self.ask(&RoomStepBody::End {
                session,
                outcome: "completed".to_owned(),
            });
        }
    }

    fn operator(&self) -> String {
        format!(
            "demo-operator-{}",
            1 + self.serial.bytes().map(u32::from).sum::<u32>() % 3
        )
    }

    /// The gun was unplugged for a moment; the next try of the step finds the answer.
    fn answer_same_patient(&self) {
        let Some(session) = self.work.session.clone() else {
            return;
        };
        let answer = RoomStepBody::SamePatient(SamePatientStepBody {
            session,
            operator: self.operator(),
            is_same: true,
        });
        if let Err(error) = self.room.step(&answer) {
            tracing::debug!(%error, "driver does not answer yet");
        }
    }

    /// Takes a step, as often as it needs while the driver starts again.
    fn ask(&self, step: &RoomStepBody) -> Option<StepTakenBody> {
        loop {
            match self.room.step(step) {
                Ok(StepResult::Taken(taken)) => return Some(taken),
                Ok(StepResult::Refused(refused)) if refused.code == LIBRARY_MISSING => {
                    tracing::debug!("the room waits for its protocol library");
                }
                Ok(StepResult::Refused(refused)) if refused.code == SAME_PATIENT => {
                    self.answer_same_patient();
                }
                Ok(StepResult::Refused(refused)) => {
                    tracing::warn!(
                        code = refused.code,
                        message = refused.message,
                        "step refused"
                    );
                    return None;
                }
                Err(error) => tracing::debug!(%error, "driver does not answer yet"),
            }
            if self.abandon.wait(ASK_AGAIN_AFTER) {
                return None;
            }
        }
    }
}

fn checklist() -> ChecklistBody {
    let done = || CheckItemBody::Done { reference: None };
    ChecklistBody {
        screening: done(),
        consent: done(),
        asepsis: done(),
        emergency_kit: done(),
    }
}
