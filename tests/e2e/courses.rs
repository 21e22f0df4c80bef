//! A patient is treated in one room and comes to another one: with real drivers and a real server
//! between them, and after that without.

use meso_contract::room::{
    ManualStepBody, OpenStepBody, RoomSessionBody, RoomStateBody, RoomStepBody, SegmentStepBody,
};
use meso_contract::{
    CheckItemBody, ChecklistBody, ComponentBody, LibraryMessage, NeedleBody, PAYLOAD_VERSION,
    SyringeBody,
};
use meso_limits::{assemble_release, public_key, sign};
use meso_tests::sandbox::{Driver, Programs, Sandbox, ServerOptions, wait_until};

pub(crate) const SEED: [u8; 32] = [9; 32];

/// A release of one protocol that wants a week between two sessions.
pub(crate) fn library() -> LibraryMessage {
    let protocol = "[[protocols]]\nid = \"mesolift-face\"\ntitle = \"Mesolift\"\n\
        indication = \"mesolift\"\nzones = [\"cheek\"]\ntechniques = [\"nappage\"]\n\
        [protocols.days_since_session]\nsoft_min = \"7 days\"\n\
        source = \"example to be approved by a clinician\"\n";
    let release = assemble_release(1, true, &[protocol]);
    LibraryMessage {
        version: PAYLOAD_VERSION,
        signatures: vec![sign(&release, &SEED)],
        release,
        signer_lists: Vec::new(),
    }
}

pub(crate) fn open(patient: &str) -> RoomStepBody {
    let done = || CheckItemBody::Done { reference: None };
    RoomStepBody::Open(Box::new(OpenStepBody {
        protocol: "mesolift-face".to_owned(),
        patient: patient.to_owned(),
        operator: "op-1".to_owned(),
        checklist: ChecklistBody {
            screening: done(),
            consent: done(),
            asepsis: done(),
            emergency_kit: done(),
        },
        demo: false,
        screening: None,
        age_years: None,
        weight_g: None,
        details: None,
        course: None,
    }))
}

fn segment(session: &str) -> RoomStepBody {
    RoomStepBody::Segment(SegmentStepBody {
        session: session.to_owned(),
        gun: None,
        zone: "cheek".to_owned(),
        technique: "nappage".to_owned(),
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
        reason: String::new(),
    })
}

pub(crate) fn end(driver: &Driver, session: &str) {
    let end = RoomStepBody::End {
        session: session.to_owned(),
        outcome: "completed".to_owned(),
    };
    driver.step(&end).unwrap();
}

/// Opens a session and begins to treat the cheek; says how the session is then.
pub(crate) fn begin(driver: &Driver, patient: &str) -> RoomSessionBody {
    let opened = driver.step(&open(patient)).unwrap();
    driver.step(&segment(&opened.session)).unwrap();
    session(driver, &opened.session)
}

pub(crate) fn session(driver: &Driver, session: &str) -> RoomSessionBody {
    let state: RoomStateBody = driver.state().unwrap();
    let mut open = state.sessions.into_iter();
    open.find(|one| one.session == session).unwrap()
}

/// A whole treatment by hand.
pub(crate) fn treat(driver: &Driver, patient: &str) {
    let begun = begin(driver, patient);
    let points = ManualStepBody {
        session: begun.session.clone(),
        operator: "op-1".to_owned(),
        segment: begun.segments[0].segment.clone(),
        number: 1,
        points: 4,
        volume_nl: 80_000,
    };
    driver.step(&RoomStepBody::Manual(points)).unwrap();
    end(driver, &begun.session);
}

pub(crate) fn sessions_before(session: &RoomSessionBody) -> Option<u16> {
    let course = session.course.as_ref()?;
    assert_eq!(course.source, "summaries");
    Some(course.sessions_before)
}

fn speaks_of_interval(session: &RoomSessionBody) -> bool {
    let mut findings = session.findings.iter();
    findings
        .any(|finding| finding.rule == "days since the last session" && finding.severity == "soft")
}

#[test]
fn what_one_room_did_the_other_judges_by_also_with_the_network_cut() {
    let library_lines = format!(
        "[library]\nsigners = [\"{}\"]\nsignatures_needed = 1\n",
        public_key(&SEED)
    );
    let options = ServerOptions {
        extra: library_lines.clone(),
        files: vec![("library.json", library().encode().unwrap())],
        ..ServerOptions::default()
    };
    let mut sandbox = Sandbox::start_with(Programs::built().unwrap(), &options).unwrap();
    let start = |name: &str| {
        let mut options = sandbox.driver_options(name).unwrap();
        options.extra = library_lines.clone();
        let driver = sandbox.start_driver_with(options).unwrap();
        wait_until("the room has library and patients", || {
            let state = driver.state().unwrap_or_default();
            state.library_version == Some(1) && state.patient_list_count == 64
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
        driver
    };
    let (first, mut second) = (start("room-1"), start("room-2"));
    let (ann, bob) = ("a1".repeat(32), "b2".repeat(32));

    treat(&first, &ann);
    let waiting = second.step(&open(&ann)).unwrap().session;
    wait_until("the other room hears of it", || {
        sessions_before(&session(&second, &waiting)) == Some(1)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", second.log()));
    second.step(&segment(&waiting)).unwrap();
    assert!(speaks_of_interval(&session(&second, &waiting)));
    end(&second, &waiting);
    let settled = |driver: &Driver| driver.settle(&[]).unwrap();
    settled(&first);
    settled(&second);

    sandbox.server.kill();
    second.kill();
    second.start_again().unwrap();
    second.wait_until_it_answers().unwrap();
    let again = begin(&second, &ann);
    assert_eq!(sessions_before(&again), Some(1), "after a restart, too");
    assert!(speaks_of_interval(&again));
    end(&second, &again.session);
    let new = begin(&second, &bob);
    assert_eq!(sessions_before(&new), Some(0));
    assert!(!speaks_of_interval(&new));
    end(&second, &new.session);
    treat(&second, &bob);
    let own = begin(&second, &bob);
    assert_eq!(sessions_before(&own), Some(1), "nobody but this room knows");
    assert!(speaks_of_interval(&own));
    end(&second, &own.session);

    sandbox.server.start_again().unwrap();
    settled(&second);
    let late = begin(&first, &bob);
    wait_until(
        "what was done without the network reaches the first room",
        || sessions_before(&session(&first, &late.session)) == Some(1),
    )
    .unwrap_or_else(|error| panic!("{error}\n{}", first.log()));
    let stored = sandbox.stop_and_read().unwrap();
    assert_eq!(stored.quarantined_count, 0, "room and server judge alike");
}
