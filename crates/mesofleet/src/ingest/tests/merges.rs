//! Ids of patients that turned out to be one patient's: rooms are told of the sessions of both under
//! each, in whatever order things come, and after a restart.

use meso_domain::{
    EarlierSession, PatientMerged, PatientMerges, SessionEvent, SessionOpened, patient_list_of,
};
use meso_units::{PatientCommitment, SessionId};

use super::*;

fn id(number: u8) -> PatientCommitment {
    PatientCommitment::from_bytes([number; 32])
}

fn merged(from: u8, into: u8) -> PatientMerged {
    PatientMerged {
        from: id(from),
        into: id(into),
        at: at(0),
    }
}

fn session(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

/// A session of a patient in which one zone was treated by hand.
fn treated(driver: &mut PaperDriver, patient: u8) -> Vec<RecordBlock> {
    let SessionEvent::Opened(begun) = opened(session(patient)) else {
        panic!("a begin");
    };
    let begun = SessionOpened {
        demo: false,
        patient: id(patient),
        ..begun
    };
    let SessionEvent::SegmentOpened(mut by_hand) = segment(session(patient)) else {
        panic!("a segment");
    };
    by_hand.delivery = meso_domain::Delivery::ManualSyringe;
    let points = meso_domain::ManualEntry {
        segment: by_hand.segment,
        number: 1,
        points: 4,
        volume: meso_units::Nanolitres::new(80_000).unwrap(),
    };
    let said = meso_domain::Statement {
        session: session(patient),
        at: at(2),
        by: Some(meso_units::OperatorId::parse("op-7").unwrap()),
        said: meso_domain::Said::Manual(points),
    };
    vec![
        driver.event(SessionEvent::Opened(begun)),
        driver.event(SessionEvent::SegmentOpened(by_hand)),
        driver.event(SessionEvent::Stated(Box::new(said))),
    ]
}

/// What rooms were told last of a patient.
#[derive(Default)]
struct Rooms(std::collections::BTreeMap<u8, meso_contract::PatientsMessage>);

impl Rooms {
    /// Delivers blocks and hears what is told of them, at once or a little later.
    fn deliver(&mut self, bench: &mut Bench, blocks: &[RecordBlock]) -> Committed {
        let committed = bench.deliver(blocks);
        self.hear(&committed);
        self.hear(&bench.deliver_at(&[], at(3_000)));
        committed
    }

    fn hear(&mut self, committed: &Committed) {
        for told in &committed.patients {
            self.0.insert(told.message.list, told.message.clone());
        }
    }

    fn know(&self, patient: u8) -> Vec<SessionId> {
        let Some(message) = self.0.get(&patient_list_of(&id(patient))) else {
            return Vec::new();
        };
        let text = id(patient).to_string();
        let body = message.patients.iter().find(|body| body.patient == text);
        let earlier = body.map_or_else(Vec::new, |body| body.earlier().unwrap());
        let mut sessions: Vec<SessionId> = earlier
            .iter()
            .map(|one: &EarlierSession| one.session)
            .collect();
        sessions.sort();
        sessions
    }
}

#[test]
fn what_was_done_under_one_id_is_told_under_both_and_told_again_at_once() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let mut rooms = Rooms::default();
    let (first, second) = (treated(&mut driver, 0x11), treated(&mut driver, 0xa2));
    rooms.deliver(&mut bench, &[first, second].concat());
    assert_eq!(rooms.know(0x11), [session(0x11)]);
    assert_eq!(rooms.know(0xa2), [session(0xa2)]);
    let merge = driver.merged(merged(0xa2, 0x11));
    let committed = rooms.deliver(&mut bench, std::slice::from_ref(&merge));
    assert_eq!(committed.news.merged_count, 1);
    let both = [session(0x11), session(0xa2)];
    assert_eq!(
        (&rooms.know(0x11)[..], &rooms.know(0xa2)[..]),
        (&both[..], &both[..])
    );
    let again = bench.deliver(&[merge, driver.merged(merged(0xa2, 0x11))]);
    assert_eq!(
        (again.news.merged_count, again.patients.len()),
        (0, 0),
        "it is known"
    );
    let mut later = Rooms::default();
    later.hear(&bench.restart());
    assert_eq!(
        (&later.know(0x11)[..], &later.know(0xa2)[..]),
        (&both[..], &both[..])
    );
    let kept = bench.store().read().patient_merges().unwrap();
    assert_eq!(kept, [(sample_clinic(), merged(0xa2, 0x11))]);
}

#[test]
fn a_treatment_after_the_merge_is_told_under_every_id() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let mut rooms = Rooms::default();
    let chain = [(0xa2, 0x11), (0x11, 0x53)];
    let chain = chain.map(|(from, into)| driver.merged(merged(from, into)));
    rooms.deliver(&mut bench, &chain);
    rooms.deliver(&mut bench, &treated(&mut driver, 0x11));
    for patient in [0xa2, 0x11, 0x53] {
        assert_eq!(rooms.know(patient), [session(0x11)]);
    }
    assert_eq!(rooms.know(0x54), []);
}

#[test]
fn a_merge_that_was_stored_and_not_logged_is_known_after_a_kill() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    bench.deliver(&treated(&mut driver, 0xa2));
    crash_in(&mut bench, &driver.merged(merged(0xa2, 0x11)), Step::Store);
    let mut rooms = Rooms::default();
    rooms.hear(&bench.restart());
    assert_eq!(rooms.know(0x11), [session(0xa2)]);
}

#[test]
fn a_merge_too_many_is_quarantined_and_its_id_stays_apart() {
    let mut bench = Bench::new();
    let mut driver = PaperDriver::new();
    let most = u8::try_from(PatientMerges::IDS_PER_PATIENT_MAX).unwrap();
    let merges: Vec<RecordBlock> = (1..most)
        .map(|from| driver.merged(merged(from, 0)))
        .collect();
    assert_eq!(bench.deliver(&merges).news.quarantined_count, 0);
    let committed = bench.deliver(&[driver.merged(merged(most, 0))]);
    assert_eq!(committed.news.quarantined_count, 1);
    let mut rooms = Rooms::default();
    rooms.deliver(&mut bench, &treated(&mut driver, most));
    assert_eq!(
        (rooms.know(most), rooms.know(0)),
        (vec![session(most)], vec![])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn in_any_order_and_with_restarts_rooms_end_up_knowing_the_same(
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        restarts in prop::collection::vec(any::<bool>(), 5),
    ) {
        let mut driver = PaperDriver::new();
        let parts = [
            treated(&mut driver, 0x11),
            treated(&mut driver, 0xa2),
            treated(&mut driver, 0x53),
            vec![driver.merged(merged(0xa2, 0x11))],
            vec![driver.merged(merged(0x53, 0xa2))],
        ];
        let mut bench = Bench::new();
        let mut rooms = Rooms::default();
        for (index, is_restarted) in order.iter().zip(&restarts) {
            rooms.deliver(&mut bench, &parts[*index]);
            if *is_restarted {
                rooms.hear(&bench.restart());
            }
        }
        let all = vec![session(0x11), session(0x53), session(0xa2)];
        for patient in [0x11, 0xa2, 0x53] {
            prop_assert_eq!(rooms.know(patient), all.clone());
        }
    }
}
