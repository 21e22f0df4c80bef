//! From codes to patients: over a restart, without a network, and after another room came back.

use meso_contract::LinksMessage;
use meso_contract::PatientsMessage;
use meso_contract::room::ManualStepBody;
use meso_domain::{PATIENT_LIST_COUNT, PatientMerged};
use meso_room::{
    CodeTag, Link, LinkEntry, LinkPlace, LinkTable, PATIENT_KEY_FILE_NAME, PatientKeys,
    write_patient_key,
};
use meso_units::{ClinicId, DriverId, PatientCommitment};

use super::*;
use crate::engine::links::Links;

pub(super) fn keys(folder: &TempDir) -> Result<PatientKeys, String> {
    PatientKeys::open(folder.path()).map_err(|error| error.to_string())
}

fn room(number: u8) -> DriverId {
    DriverId::parse(&format!("room-{number}")).unwrap()
}

fn link(tag: CodeTag, id: u8, made_at: Timestamp, made_by: &DriverId) -> Link {
    Link {
        tag,
        id: [id; 16],
        salt: [id; 32],
        made_at,
        made_by: made_by.clone(),
    }
}

/// A page of links as a room tells it.
fn page(keys: &PatientKeys, driver: &DriverId, links: &[Link]) -> Vec<u8> {
    let entries: Vec<LinkEntry> = links
        .iter()
        .map(|link| LinkEntry {
            link: link.clone(),
            told_into: None,
        })
        .collect();
    let clinic = ClinicId::parse("riverside").unwrap();
    let place = LinkPlace {
        clinic: &clinic,
        driver,
        kind: "page",
        number: 0,
    };
    let sealed = keys.seal(&place, &[4; 32], &entries);
    LinksMessage::new(0, keys.fingerprint(), &sealed)
        .encode()
        .unwrap()
}

impl Bench {
    fn tag(&self, code: &str) -> CodeTag {
        keys(&self.folder).unwrap().tag(code).unwrap()
    }

    fn find(&mut self, code: &str) -> PatientCommitment {
        let id = self.now_ms.to_le_bytes()[0];
        let drawn = DrawnLink {
            id: [id; 16],
            salt: [id; 32],
            seed: [id; 32],
        };
        let tag = self.tag(code);
        let (work, patient) = self.engine.find_patient(self.now(), &tag, &drawn).unwrap();
        self.write(work);
        patient
    }

    fn hear_links(&mut self, driver: &DriverId, payload: &[u8]) -> bool {
        let work = self
            .engine
            .take_links(self.now(), driver, 0, payload, &[5; 32]);
        let is_news = !work.is_empty();
        self.write(work);
        is_news
    }

    /// What is recorded of ids that gave way.
    fn merge(&mut self) -> Vec<PatientMerged> {
        let mut merged = Vec::new();
        while self.engine.is_merge_due() {
            let work = self.engine.take_merges(self.now(), &[6; 32]);
            let records = work.batch.records.iter();
            merged.extend(records.map(|new| match &new.record {
                Record::Patient(merged) => merged.clone(),
                other => panic!("{other:?}"),
            }));
            self.write(work);
        }
        merged
    }

    fn tell_empty_lists(&mut self) {
        for list in 0..PATIENT_LIST_COUNT {
            let message = PatientsMessage::new(list, Vec::new());
            let payload = message.encode().unwrap();
            let work = self.engine.take_patients(list, &message, payload).unwrap();
            self.write(work);
        }
    }

    /// Opens a session of a patient; how many the room knows of before it.
    fn open_for(&mut self, patient: &PatientCommitment) -> (String, Option<u16>) {
        let open = OpenStepBody {
            patient: patient.to_string(),
            demo: false,
            ..open_body()
        };
        let session = self
            .step(&RoomStepBody::Open(Box::new(open)))
            .answer
            .session;
        let before = self.sessions_before(&session);
        (session, before)
    }

    fn sessions_before(&self, session: &str) -> Option<u16> {
        let state = self.engine.room_state(self.now(), true);
        let shown = state.sessions.iter().find(|one| one.session == session);
        Some(shown?.course.as_ref()?.sessions_before)
    }

    fn treat(&mut self, session: &str) {
        let by_hand = SegmentStepBody {
            gun: None,
            ..segment_body(session)
        };
        let segment = self.step(&RoomStepBody::Segment(by_hand)).answer.segment;
        self.step(&RoomStepBody::Manual(ManualStepBody {
            session: session.to_owned(),
            operator: "op-1".to_owned(),
            segment: segment.unwrap(),
            number: 1,
            points: 4,
            volume_nl: 80_000,
        }));
        self.step(&RoomStepBody::End {
            session: session.to_owned(),
            outcome: "completed".to_owned(),
        });
    }

    fn links(&self) -> meso_contract::room::PatientLinksBody {
        self.engine.room_state(self.now(), true).patient_links
    }
}

#[test]
fn a_code_leads_to_the_same_patient_also_after_a_restart() {
    let mut bench = Bench::new();
    bench.now_ms = 1_000;
    let (ann, bob) = (bench.find("P-1"), bench.find("P-1"));
    assert_eq!(ann, bob);
    bench.now_ms = 2_001;
    let other = bench.find("P-2");
    assert_ne!(other, ann);
    let mut bench = bench.restart();
    assert_eq!((bench.find("P-1"), bench.find(" p-2 ")), (ann, other));
    let links = bench.links();
    assert_eq!((links.known_count, links.made_here_count), (2, 2));
    assert_eq!((links.unreadable_shelf_count, links.merged_count), (0, 0));
}

#[test]
fn of_two_ids_the_older_counts_and_the_room_of_the_other_records_it_once() {
    let mut bench = Bench::new();
    bench.now_ms = 10_001;
    let mine = bench.find("P-1");
    let theirs = link(bench.tag("P-1"), 9, at(5_000), &room(2));
    let payload = page(
        &keys(&bench.folder).unwrap(),
        &room(2),
        std::slice::from_ref(&theirs),
    );
    assert_eq!(bench.merge(), []);
    assert!(bench.hear_links(&room(2), &payload));
    let merged = PatientMerged {
        from: mine,
        into: theirs.commitment(),
        at: at(10_001),
    };
    assert_eq!(bench.merge(), [merged]);
    assert_eq!(bench.find("P-1"), theirs.commitment());
    assert!(!bench.hear_links(&room(2), &payload), "it came again");
    assert_eq!(bench.merge(), []);
    let mut bench = bench.restart();
    assert_eq!(bench.merge(), [], "nor after a restart");
    assert_eq!(bench.find("P-1"), theirs.commitment());
    assert_eq!(bench.links().merged_count, 1);
}

#[test]
fn a_merge_that_a_kill_cut_off_is_recorded_after_it() {
    let mut bench = Bench::new();
    bench.now_ms = 10_001;
    bench.find("P-1");
    let theirs = link(bench.tag("P-1"), 9, at(5_000), &room(2));
    let payload = page(&keys(&bench.folder).unwrap(), &room(2), &[theirs]);
    bench.hear_links(&room(2), &payload);
    let unwritten = bench.engine.take_merges(bench.now(), &[6; 32]);
    assert_eq!(unwritten.batch.records.len(), 1);
    let mut bench = bench.restart();
    assert_eq!(bench.merge().len(), 1);
}

#[test]
fn an_id_that_is_older_than_the_other_rooms_stays_and_nothing_is_recorded_here() {
    let mut bench = Bench::new();
    bench.now_ms = 1_001;
    let mine = bench.find("P-1");
    let theirs = link(bench.tag("P-1"), 9, at(5_000), &room(2));
    let payload = page(&keys(&bench.folder).unwrap(), &room(2), &[theirs]);
    assert!(bench.hear_links(&room(2), &payload));
    assert_eq!((bench.merge(), bench.find("P-1")), (vec![], mine));
}

#[test]
fn a_course_counts_the_sessions_of_every_id_of_a_patient() {
    let mut bench = Bench::new();
    bench.bring_library();
    bench.tell_empty_lists();
    bench.now_ms = 10_001;
    let mine = bench.find("P-1");
    let (first, before) = bench.open_for(&mine);
    assert_eq!(before, Some(0));
    bench.treat(&first);
    bench.now_ms = 20_000;
    let theirs = link(bench.tag("P-1"), 9, at(5_000), &room(2));
    let other_id = theirs.commitment();
    let (unknown, before) = bench.open_for(&other_id);
    assert_eq!(before, Some(0), "nobody knows that it is the same patient");
    let payload = page(&keys(&bench.folder).unwrap(), &room(2), &[theirs]);
    bench.hear_links(&room(2), &payload);
    let (work, events) = bench.engine.take_courses(bench.now()).unwrap();
    bench.write(work);
    bench.engine.apply_events(&events);
    assert_eq!(
        bench.sessions_before(&unknown),
        Some(1),
        "an open session hears of it"
    );
    bench.treat(&unknown);
    bench.now_ms = 30_000;
    let (_, before) = bench.open_for(&other_id);
    assert_eq!(before, Some(2));
}

#[test]
fn links_under_another_key_are_named_and_change_nothing_until_they_can_be_read() {
    let mut bench = Bench::new();
    bench.now_ms = 1_000;
    let mine = bench.find("P-1");
    let theirs = link(bench.tag("P-1"), 9, at(0), &room(2));
    let other_key = PatientKeys::from_key(&[3; 32]);
    let payload = page(&other_key, &room(2), std::slice::from_ref(&theirs));
    assert!(!bench.hear_links(&room(2), &payload));
    assert_eq!(bench.links().other_keys, ["room-2"]);
    assert_eq!((bench.merge(), bench.find("P-1")), (vec![], mine));
    let payload = page(&keys(&bench.folder).unwrap(), &room(2), &[theirs]);
    assert!(bench.hear_links(&room(2), &payload));
    assert_eq!(bench.links().other_keys, [""; 0]);
}

#[test]
fn what_is_no_page_of_its_driver_is_counted_and_changes_nothing() {
    let mut bench = Bench::new();
    let key = keys(&bench.folder).unwrap();
    let theirs = link(bench.tag("P-1"), 9, at(0), &room(2));
    assert!(!bench.hear_links(&room(2), b"{"));
    assert_eq!(bench.links().refused_count, 1);
    // A driver that tells of another one's links, and a page that was moved to another topic.
    let of_another = page(&key, &room(3), std::slice::from_ref(&theirs));
    assert!(!bench.hear_links(&room(3), &of_another));
    assert_eq!(bench.links().refused_count, 2);
    let moved = page(&key, &room(2), std::slice::from_ref(&theirs));
    assert!(!bench.hear_links(&room(3), &moved));
    assert_eq!(bench.links().damaged, ["room-3"]);
    let now = bench.now();
    let work = bench.engine.take_links(now, &room(2), 1, &moved, &[5; 32]);
    assert!(work.is_empty(), "the page of another topic");
    assert_eq!(
        (bench.links().refused_count, bench.links().known_count),
        (3, 0)
    );
}

#[test]
fn the_log_speaks_of_refused_links_of_a_room_once_a_minute_and_says_how_many() {
    let now = |monotonic_ms| Now {
        utc: at(0),
        monotonic_ms,
    };
    let mut links = Links::default();
    let (mut spoken, mut said) = (0, 0);
    for second in 0..180 {
        for _ in 0..10 {
            if let Some(count) = links.note_refused(now(second * 1_000), &room(2)) {
                spoken += 1;
                said += count;
            }
        }
    }
    assert_eq!((spoken, links.refused_count), (3, 1_800));
    assert_eq!(said, 1 + 600 + 600, "what came since is said the next time");
    assert_eq!(links.note_refused(now(179_000), &room(3)), Some(1));
}

#[test]
fn links_that_cannot_be_read_are_counted_kept_and_there_again_with_the_key() {
    let mut bench = Bench::new();
    bench.now_ms = 1_000;
    let ann = bench.find("P-1");
    let path = bench.folder.path().join(PATIENT_KEY_FILE_NAME);
    let key = std::fs::read(&path).unwrap();
    std::fs::write(&path, hex::encode([9; 32])).unwrap();
    let mut bench = bench.restart();
    assert_eq!(bench.links().unreadable_shelf_count, 1);
    bench.now_ms = 2_001;
    let unknown = bench.find("P-1");
    assert_ne!(unknown, ann);
    std::fs::write(&path, key).unwrap();
    let mut bench = bench.restart();
    assert_eq!(bench.find("P-1"), ann);
    assert_eq!(
        bench.links().unreadable_shelf_count,
        1,
        "that of the other key"
    );
}

#[test]
fn without_a_key_no_code_is_taken_and_the_room_says_why() {
    let bench = Bench::new();
    let path = bench.folder.path().join(PATIENT_KEY_FILE_NAME);
    let tag = bench.tag("P-1");
    std::fs::write(&path, "nothing").unwrap();
    let mut bench = bench.restart();
    let drawn = DrawnLink {
        id: [1; 16],
        salt: [1; 32],
        seed: [1; 32],
    };
    let refused = bench.engine.find_patient(bench.now(), &tag, &drawn);
    assert!(refused.unwrap_err().to_string().contains("patients.key"));
    let links = bench.links();
    assert!(links.key.is_none() && links.problem.unwrap().contains("patients.key"));
}

#[test]
fn pages_are_told_once_a_connection_and_again_where_they_changed_or_were_refused() {
    let mut bench = Bench::new();
    let told = |bench: &mut Bench| -> Vec<u8> {
        let pages = bench.engine.due_pages(&[8; 32], 64);
        pages.iter().map(|message| message.page).collect()
    };
    bench.engine.all_links_due();
    assert!(told(&mut bench).is_empty(), "there is nothing to tell");
    let count = u8::try_from(LinkTable::SHELF_LINKS_MAX - 1).unwrap();
    for code in 0..=count {
        bench.now_ms = 1_000 + u64::from(code);
        let _ = bench.find(&format!("P-{code}"));
    }
    assert_eq!(told(&mut bench), [0]);
    assert!(!bench.engine.is_page_due());
    // The newest belongs to the next page; the full one stays as it is.
    let mut next = link(bench.tag("Q"), 1, at(9_000), &room(1));
    next.id = *b"the two hundreds";
    let payload = page(&keys(&bench.folder).unwrap(), &room(1), &[next]);
    assert!(
        bench.hear_links(&room(1), &payload),
        "a link of its own that it had lost"
    );
    assert_eq!(told(&mut bench), [1]);
    bench.engine.page_refused(0);
    assert_eq!(told(&mut bench), [0]);
    bench.engine.all_links_due();
    assert_eq!(told(&mut bench), [0, 1]);
}

#[test]
fn a_page_of_a_key_that_was_replaced_here_is_written_over_so_that_nobody_is_asked_for_it() {
    let mut bench = Bench::new();
    bench.find("P-1");
    let [earlier] = &bench.engine.due_pages(&[8; 32], 64)[..] else {
        panic!("one page");
    };
    let payload = earlier.encode().unwrap();
    write_patient_key(&bench.folder.path().join(PATIENT_KEY_FILE_NAME), &[3; 32]).unwrap();
    let mut bench = bench.restart();
    bench.engine.all_links_due();
    assert!(!bench.hear_links(&room(1), &payload));
    assert_eq!(bench.links().other_keys, ["room-1"]);
    let [message] = &bench.engine.due_pages(&[8; 32], 64)[..] else {
        panic!("one page");
    };
    assert!(!bench.hear_links(&room(1), &message.encode().unwrap()));
    assert_eq!(bench.links().other_keys, [""; 0]);
    assert!(bench.engine.due_pages(&[8; 32], 64).is_empty());
}

#[test]
fn a_page_under_a_key_that_was_never_here_stays_and_no_history_is_taken_for_none() {
    let mut bench = Bench::new();
    let patient = bench.find("P-1");
    assert!(bench.engine.all_ids_of(&patient).is_some());
    let lost = PatientKeys::from_key(&[3; 32]);
    let theirs = link(bench.tag("P-1"), 9, at(0), &room(1));
    let payload = page(&lost, &room(1), std::slice::from_ref(&theirs));
    bench.engine.all_links_due();
    assert!(!bench.hear_links(&room(1), &payload));
    let told = bench.engine.due_pages(&[8; 32], 64);
    let pages: Vec<u8> = told.iter().map(|message| message.page).collect();
    assert_eq!(pages, [1], "the one that lies there may be the only copy");
    assert_eq!(bench.engine.all_ids_of(&patient), None);
}

#[test]
fn pages_are_told_so_many_at_a_time() {
    let mut bench = Bench::new();
    bench.find("P-1");
    assert!(bench.engine.due_pages(&[8; 32], 0).is_empty());
    assert!(bench.engine.is_page_due(), "it is told the next time");
    assert_eq!(bench.engine.due_pages(&[8; 32], 1).len(), 1);
    bench.engine.due_pages(&[8; 32], 1);
    assert!(!bench.engine.is_page_due());
}

#[test]
fn neither_journal_nor_page_holds_a_code_or_an_id_that_can_be_read() {
    let mut bench = Bench::new();
    bench.now_ms = 1_007;
    bench.find("P-SECRET-1");
    let [message] = &bench.engine.due_pages(&[8; 32], 64)[..] else {
        panic!("one page");
    };
    let told = message.sealed_bytes().unwrap();
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(bench.folder.path()).unwrap() {
        kept.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let id = [bench.now_ms.to_le_bytes()[0]; 16];
    let tag = bench.tag("P-SECRET-1");
    let kept_of = |secret: &[u8]| kept.windows(secret.len()).any(|bytes| bytes == secret);
    assert!(kept_of(LINK_VALUES.as_bytes()), "the journal was read");
    for secret in [b"P-SECRET-1", b"p-secret-1", &id[..]] {
        assert!(!kept_of(secret));
        assert!(!told.windows(secret.len()).any(|bytes| bytes == secret));
    }
    assert!(format!("{tag:?}").ends_with("(…)"));
}
