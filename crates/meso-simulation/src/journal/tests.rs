//! The model against the real journal.

use std::sync::mpsc;

use meso_domain::{Gap, Judgement, Quantity, Shot};
use meso_journal::{Journal, OpenedJournal};
use meso_testkit::samples::bare_shot;
use meso_units::{ClinicId, ClockSegment, DriverId, GunTick, Nanolitres, Uncertainty};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Request {
    Append(Vec<NewRecord>),
    Seal(u64),
    Settle(u64),
    Load(u64),
    Find(u64, u64),
    Reopen,
    BeginAnew(u64),
}

fn gun() -> GunSerial {
    GunSerial::parse("GUN-1").unwrap()
}

fn stream() -> Stream {
    Stream::Gun(gun())
}

fn identity() -> Identity {
    Identity {
        clinic: ClinicId::parse("riverside").unwrap(),
        driver: DriverId::parse("room-1").unwrap(),
    }
}

fn new_record(record: Record) -> NewRecord {
    let judgement = record.as_shot().map(|_| Judgement {
        library: None,
        engine: 1,
        facts_digest: [3; 32],
        findings: Vec::new(),
    });
    NewRecord {
        stream: stream(),
        record,
        judgement,
        session: None,
    }
}

fn shot(counter: u32, volume: u64, at_ns: i64) -> NewRecord {
    new_record(Record::Shot(Shot {
        at: Timestamp::from_unix_ns(at_ns).unwrap(),
        uncertainty: Uncertainty::Unbounded,
        clock_segment: ClockSegment(1),
        needle_depth: Quantity::UNKNOWN,
        volume: Quantity {
            set: Some(Nanolitres::new(volume).unwrap()),
            actual: None,
        },
        ..bare_shot(
            gun(),
            Epoch(9),
            counter,
            GunTick::new(u64::from(counter)).unwrap(),
        )
    }))
}

fn gap(first: u32, length: u32, is_open_ended: bool, reason: GapReason) -> NewRecord {
    new_record(Record::Gap(Gap {
        gun: gun(),
        epoch: Epoch(9),
        first: ShotCounter(first),
        last: (!is_open_ended).then_some(ShotCounter(first + length)),
        state: GapState::Declared,
        reason,
        at: Timestamp::UNIX_EPOCH,
    }))
}

fn record() -> impl Strategy<Value = NewRecord> {
    let reason = prop_oneof![Just(GapReason::RingOverflow), Just(GapReason::Unknown)];
    prop_oneof![
        6 => (1_u32..24, 1_u64..3, 0_i64..9).prop_map(|(counter, volume, at)| {
            // Most repetitions say the same, some do not.
            shot(counter, if volume == 1 { 100 } else { 100 + u64::from(counter % 2) }, at)
        }),
        1 => (1_u32..24, 0_u32..5, any::<bool>(), reason)
            .prop_map(|(first, length, is_open_ended, why)| gap(first, length, is_open_ended, why)),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        6 => prop::collection::vec(record(), 1..6).prop_map(Request::Append),
        3 => (0_u64..40).prop_map(Request::Seal),
        1 => (0_u64..6).prop_map(Request::Settle),
        1 => (0_u64..6).prop_map(Request::Load),
        1 => (1_u64..24, 0_u64..8).prop_map(|(first, length)| Request::Find(first, first + length)),
        1 => Just(Request::Reopen),
        1 => (6_u64..9).prop_map(Request::BeginAnew),
    ]
}

/// Asks the real journal and waits for its answer.
fn ask<T: Send + 'static>(request: impl FnOnce(mpsc::Sender<T>)) -> T {
    let (sender, answer) = mpsc::channel();
    request(sender);
    answer.recv().unwrap()
}

fn start(folder: &std::path::Path, model: &JournalModel) -> Journal {
    let life = JournalIncarnation(5);
    let opened = OpenedJournal::open(folder, identity(), life).unwrap();
    assert_eq!(*opened.recovery(), model.open().recovery);
    opened.start().unwrap()
}

fn batch(records: &[NewRecord]) -> Batch {
    Batch {
        records: records.to_vec(),
        ..Batch::default()
    }
}

fn watermark(to: u64) -> Watermark {
    Watermark {
        to,
        ranges: Vec::new(),
        blocks: Vec::new(),
        store: 1,
        ingest: 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_model_answers_as_the_journal(requests in prop::collection::vec(request(), 1..24)) {
        let folder = tempfile::tempdir().unwrap();
        let mut model = JournalModel::new(identity(), JournalIncarnation(5));
        let mut journal = start(folder.path(), &model);
        for request in requests {
            match request {
                Request::Append(records) => {
                    let batch = batch(&records);
                    let expected = model.append(&batch);
                    let real = ask(|answer| {
                        journal.append(batch, move |done| answer.send(done.unwrap()).unwrap());
                    });
                    prop_assert_eq!(real, expected);
                }
                Request::Seal(last) => {
                    let at = Timestamp::UNIX_EPOCH;
                    let expected = model.seal(&stream(), last, at).map_err(|e| e.to_string());
                    let real = ask(|answer| {
                        journal.seal(stream(), last, at, move |done| answer.send(done).unwrap());
                    });
                    prop_assert_eq!(real.map_err(|error| error.to_string()), expected);
                }
                Request::Settle(to) => {
                    model.settle(&stream(), watermark(to));
                    let settled = ask(|answer| {
                        journal.settle(stream(), watermark(to), move |done| {
                            answer.send(done.map_err(|error| error.to_string())).unwrap();
                        });
                    });
                    prop_assert_eq!(settled, Ok(()));
                }
                Request::Load(number) => {
                    let number = BlockNumber(number);
                    let real = ask(|answer| {
                        journal.load(stream(), number, move |done| {
                            answer.send(done.unwrap()).unwrap();
                        });
                    });
                    prop_assert_eq!(real, model.load(&stream(), number).map(|b| (*b).clone()));
                }
                Request::Find(first, last) => {
                    let wanted = vec![Range { first, last }];
                    let expected = model.find(&stream(), Epoch(9), &wanted);
                    let real = ask(|answer| {
                        journal.find(stream(), Epoch(9), wanted, move |done| {
                            answer.send(done.unwrap()).unwrap();
                        });
                    });
                    prop_assert_eq!(real, expected);
                }
                Request::BeginAnew(life) => {
                    journal.close();
                    let (life, at) = (JournalIncarnation(life), Timestamp::UNIX_EPOCH);
                    model.begin_anew(life, at).unwrap();
                    let mut opened = OpenedJournal::open(folder.path(), identity(), life).unwrap();
                    opened.begin_anew(life, at).unwrap();
                    drop(opened);
                    journal = start(folder.path(), &model);
                }
                Request::Reopen => {
                    journal.close();
                    journal = start(folder.path(), &model);
                }
            }
        }
    }
}
