//! The person in the room.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use meso_contract::room::{
    OpenStepBody, ROOM_ACCESS_FILE_NAME, RoomAccessFile, RoomStepBody, SamePatientStepBody,
    SegmentStepBody, StepTakenBody,
};
use meso_contract::{CheckItemBody, ChecklistBody, ComponentBody, NeedleBody, SyringeBody};
use meso_testkit::gun::plan::Step;

use super::PATIENCE;

pub struct Operator {
    data: PathBuf,
    session: String,
    zone: String,
    technique: String,
}

impl Operator {
    pub fn new(data: PathBuf) -> Operator {
        Operator {
            data,
            session: String::new(),
            zone: String::new(),
            technique: String::new(),
        }
    }

    /// Does what the gun asks for.
    pub async fn take(&mut self, step: Step) {
        match step {
            Step::OpenSession {
                zone,
                technique,
                protocol,
            } => {
                let opened = self.post(open(protocol)).await;
                (self.session, self.zone, self.technique) = (opened.session, zone, technique);
                self.open_segment("").await;
            }
            Step::NextZone { zone } => {
                self.zone = zone;
                self.open_segment("next zone").await;
            }
            Step::ChangeNeedle => self.open_segment("new needle").await,
            Step::ChangeSyringe => self.open_segment("new syringe").await,
            Step::EndSession => {
                let end = RoomStepBody::End {
                    session: self.session.clone(),
                    outcome: "completed".to_owned(),
                };
                self.post(end).await;
            }
            other => panic!("the operator has nothing to do with {other:?}"),
        }
    }

    async fn open_segment(&self, reason: &str) {
        let segment = segment(&self.session, &self.zone, &self.technique, reason);
        self.post(RoomStepBody::Segment(segment)).await;
    }

    /// Posts a step as often as it takes: the daemon may be dead for the moment, or may not have
    /// the library yet.
    async fn post(&self, step: RoomStepBody) -> StepTakenBody {
        let body = serde_json::to_vec(&step).unwrap();
        let same = serde_json::to_vec(&RoomStepBody::SamePatient(SamePatientStepBody {
            session: self.session.clone(),
            operator: "op-1".to_owned(),
            is_same: true,
        }));
        let same = same.unwrap();
        let file = self.data.join(ROOM_ACCESS_FILE_NAME);
        let posted = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            loop {
                match post_once(&file, &body) {
                    Ok(taken) => return taken,
                    Err(problem) if began.elapsed() > PATIENCE => panic!("{problem}"),
                    // A test that unplugs guns plugs them in again for the same patient.
                    Err(problem) if problem.contains("same_patient_unanswered") => {
                        let _ = post_once(&file, &same);
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        posted.await.unwrap()
    }
}

fn post_once(file: &std::path::Path, body: &[u8]) -> Result<StepTakenBody, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let access: RoomAccessFile = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut response = agent
        .post(format!("http://{}/api/v1/steps", access.address))
        .header("authorization", format!("Bearer {}", access.token))
        .send(body)
        .map_err(|error| error.to_string())?;
    let status = response.status();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    if status != 200 {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn open(protocol: String) -> RoomStepBody {
    let done = CheckItemBody::Done { reference: None };
    RoomStepBody::Open(Box::new(OpenStepBody {
        patient: "ab".repeat(32),
        protocol,
        operator: "op-1".to_owned(),
        checklist: ChecklistBody {
            screening: done.clone(),
            consent: done.clone(),
            asepsis: done.clone(),
            emergency_kit: done,
        },
        demo: true,
        screening: None,
        age_years: None,
        weight_g: None,
        details: None,
        course: None,
    }))
}

fn segment(session: &str, zone: &str, technique: &str, reason: &str) -> SegmentStepBody {
    SegmentStepBody {
        session: session.to_owned(),
        gun: Some("GUN-0001".to_owned()),
        zone: zone.to_owned(),
        technique: technique.to_owned(),
        course_phase: None,
        syringe: SyringeBody {
            components: vec![ComponentBody {
                name: "hyaluronic acid".to_owned(),
                concentration: "1 %".to_owned(),
                lot: "L-1".to_owned(),
            }],
            ready_made: true,
            prepared_by: "op-1".to_owned(),
            loaded_nl: 5_000_000,
            dead_volume_nl: 100_000,
        },
        needle: NeedleBody {
            length_um: 4_000,
            gauge: 30,
            needle_count: 1,
            lot: "N-1".to_owned(),
        },
        operator: "op-1".to_owned(),
        reason: reason.to_owned(),
    }
}
