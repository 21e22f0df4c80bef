//! The engine over a real journal, without ports, broker or clock.

use std::sync::mpsc;

use meso_config::DriverConfig;
use meso_contract::room::{OpenStepBody, RoomStepBody, SegmentStepBody};
use meso_contract::{
    CheckItemBody, ChecklistBody, ComponentBody, LibraryMessage, NeedleBody, SyringeBody,
};
use meso_domain::{
    Finding, Gap, GapReason, GapState, Judgement, Purpose, PurposeDecidedBy, Record, Rule,
    Severity, Shot,
};
use meso_journal::{Identity, Journal, OpenedJournal};
use meso_limits::SignerList;
use meso_link_proto::clock::ClockMapping;
use meso_link_proto::{
    Capabilities, CommandKind, CommandOutcome, GunLimits, GunText, Hello, Inventory, LeaseLoss,
    Measured, RejectReason, ShotEvent, ShotKey,
};
use meso_serial::{PortName, RejectCause};
use meso_units::{BootId, GunTick, Micrometres, SessionId, Timestamp, Uncertainty};
use tempfile::TempDir;

use super::*;

const EPOCH: Epoch = Epoch(77);

/// 2026-01-01 in ns, or so.
const START_NS: i64 = 1_767_000_000_000_000_000;

struct Bench {
    folder: TempDir,
    more: &'static str,
    engine: Engine,
    journal: Journal,
    now_ms: u64,
    sealed: Vec<SealedBlock>,
}

fn serial() -> GunSerial {
    GunSerial::parse("GUN-1").unwrap()
}

fn open(folder: &TempDir, more: &str) -> (Recovered, Journal) {
    let text = "version = 1\n[driver]\nid = \"room-1\"\nclinic = \"riverside\"\n\
                time_zone = \"Europe/Vienna\"\ndata_dir = \"data\"\n";
    let config = DriverConfig::parse("driver.toml", &format!("{text}{more}")).unwrap();
    let identity = Identity {
        clinic: config.clinic_id.clone(),
        driver: config.driver_id.clone(),
    };
    let opened = OpenedJournal::open(folder.path(), identity, JournalIncarnation(5)).unwrap();
    let zone = TimeZone::get("Europe/Vienna").unwrap();
    let recovered = Engine::recover(config, zone, Some(&signers()), links::keys(folder), &opened);
    let recovered = recovered.unwrap();
    (recovered, opened.start().unwrap())
}

impl Bench {
    fn new() -> Bench {
        Bench::start(tempfile::tempdir().unwrap(), "")
    }

    /// With these lines more in the configuration.
    fn with(more: &'static str) -> Bench {
        Bench::start(tempfile::tempdir().unwrap(), more)
    }

    fn start(folder: TempDir, more: &'static str) -> Bench {
        let (recovered, journal) = open(&folder, more);
        let mut bench = Bench {
            folder,
            more,
            engine: recovered.engine,
            journal,
            now_ms: 0,
            sealed: Vec::new(),
        };
        bench.commit(recovered.batch);
        bench.seal(recovered.seals);
        bench
    }

    /// Kills the daemon: whatever was not committed is gone.
    fn restart(self) -> Bench {
        drop(self.journal);
        let now_ms = self.now_ms;
        let bench = Bench::start(self.folder, self.more);
        Bench { now_ms, ..bench }
    }

    fn now(&self) -> Now {
        Now {
            utc: at(self.now_ms),
            monotonic_ms: self.now_ms,
        }
    }

    fn commit(&self, batch: Batch) -> Committed {
        let (sender, receiver) = mpsc::channel();
        self.journal
            .append(batch, move |committed| sender.send(committed).unwrap());
        receiver.recv().unwrap().unwrap()
    }

    fn seal(&mut self, orders: Vec<SealOrder>) {
        for order in orders {
            let (sender, receiver) = mpsc::channel();
            let sealed_at = self.now().utc;
            self.journal.seal(
                order.stream,
                order.last_sequence,
                sealed_at,
                move |sealed| {
                    sender.send(sealed).unwrap();
                },
            );
            if let Some(block) = receiver.recv().unwrap().unwrap() {
                self.engine.sealed(self.now(), 0, block.clone());
                self.sealed.push(block);
            }
        }
    }

    /// Writes what came, lets it take effect, and gives the calls and records.
    fn hear(&mut self, events: Vec<GunEvent>) -> (Vec<Call>, Vec<Record>) {
        self.hear_on("port", events)
    }

    fn hear_on(&mut self, port: &str, events: Vec<GunEvent>) -> (Vec<Call>, Vec<Record>) {
        let mut epochs = 500..;
        let now = self.now();
        let mut work = Work::default();
        for event in events {
            let event = PortEvent {
                port: PortName::new(port),
                gun: Some(serial()),
                event,
                read_ns: 0,
            };
            let mut new_epoch = || epochs.next().unwrap();
            self.engine
                .take_gun_event(now, event, &mut new_epoch, &mut work);
        }
        let first = std::mem::take(&mut work.first);
        let batch = std::mem::take(&mut work.batch);
        let records = batch.records.iter().map(|new| new.record.clone()).collect();
        let committed = self.commit(batch);
        let after = self.engine.after_commit(self.now(), work, &committed);
        self.seal(after.seals);
        // What is told before the journal write comes first.
        ([first, after.calls].concat(), records)
    }

    /// Writes work of the room and gives the calls.
    fn write(&mut self, mut work: Work) -> Vec<Call> {
        let first = std::mem::take(&mut work.first);
        let committed = self.commit(std::mem::take(&mut work.batch));
        let after = self.engine.after_commit(self.now(), work, &committed);
        [first, after.calls].concat()
    }

    fn step(&mut self, body: &RoomStepBody) -> StepTaken {
        let mut ids = [[0; 16]; 2];
        ids[0][0] = u8::try_from(self.now_ms / 1_000).unwrap();
        ids[1] = ids[0];
        let drawn = Drawn {
            ids,
            salts: [[7; 32]; 2],
        };
        let mut taken = self.engine.take_step(self.now(), body, drawn).unwrap();
        let batch = std::mem::take(&mut taken.work.batch);
        let committed = self.commit(batch);
        let work = std::mem::take(&mut taken.work);
        let after = self.engine.after_commit(self.now(), work, &committed);
        self.seal(after.seals);
        self.engine.apply_events(&taken.events);
        taken
    }

    fn attach(&mut self, oldest: u32, newest: u32) -> Vec<Call> {
        let attached = GunEvent::Attached(Box::new(hello(Some(EPOCH), oldest, newest)));
        self.hear(vec![attached, GunEvent::Clock(mapping(0))]).0
    }

    fn bring_library(&mut self) {
        let payload = release().encode().unwrap();
        let library = self
            .engine
            .check_release(&payload, Some(&signers()))
            .unwrap();
        self.engine.set_library(library);
    }

    fn open_session(&mut self) -> SessionId {
        self.bring_library();
        let opened = self.step(&RoomStepBody::Open(Box::new(open_body())));
        self.step(&RoomStepBody::Segment(segment_body(&opened.answer.session)));
        SessionId::parse(&opened.answer.session).unwrap()
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ns(START_NS + i64::try_from(ms).unwrap() * 1_000_000).unwrap()
}

fn signers() -> SignerList {
    SignerList::single_signer(&[meso_limits::public_key(&[4; 32])]).unwrap()
}

fn release() -> LibraryMessage {
    let protocol = "[[protocols]]\nid = \"mesolift-face\"\ntitle = \"Mesolift\"\n\
                    indication = \"mesolift\"\nzones = [\"cheek\"]\ntechniques = [\"nappage\"]\n\
                    [protocols.needle_depth]\nsoft_max = \"4 mm\"\n\
                    source = \"example to be approved by a clinician\"\n";
    let release = meso_limits::assemble_release(1, true, &[protocol]);
    LibraryMessage {
        signer_lists: Vec::new(),
        version: meso_contract::PAYLOAD_VERSION,
        signatures: vec![meso_limits::sign(&release, &[4; 32])],
        release,
    }
}

fn hello(epoch: Option<Epoch>, oldest: u32, newest: u32) -> Hello {
    let counter = |counter: u32| (counter > 0).then_some(ShotCounter(counter));
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        schema: 0,
        session: 1,
        serial: serial(),
        model: GunText::new("model", "M").unwrap(),
        firmware: GunText::new("firmware", "1").unwrap(),
        firmware_hash: [0; 8],
        boot: BootId(1),
        boot_count: 1,
        inventory: Inventory {
            epoch,
            oldest: counter(oldest),
            newest: counter(newest),
            acknowledged: None,
            lost_count: 0,
        },
        capabilities: Capabilities::default(),
        limits: GunLimits::default(),
        lease_ms: 3_000,
        lease_loss: LeaseLoss::Continue,
        is_inhibited: false,
        inhibit_number: 0,
        tick: GunTick::new(0).unwrap(),
        nonce: [0; 16],
    }
}

/// The gun's tick 0 is the start of the test.
fn mapping(segment: u32) -> ClockMapping {
    ClockMapping {
        boot_id: 1,
        segment,
        reference_tick_us: 0,
        reference_at_ns: START_NS,
        drift_ppb: 0,
        drift_allowance_ppb: 0,
        rtt_ns: 1_000,
    }
}

fn shot_at(counter: u32, tick_ms: u64, depth_um: u32) -> GunEvent {
    shot_of(1, counter, tick_ms, depth_um)
}

fn shot_of(boot: u32, counter: u32, tick_ms: u64, depth_um: u32) -> GunEvent {
    GunEvent::Shot {
        shot: Box::new(ShotEvent {
            key: ShotKey {
                epoch: EPOCH,
                counter: ShotCounter(counter),
            },
            boot: BootId(boot),
            tick: GunTick::new(tick_ms * 1_000).unwrap(),
            interval: None,
            measured: Measured {
                depth_sensed: Some(Micrometres::new(depth_um).unwrap()),
                ..Measured::default()
            },
        }),
        received_at: at(tick_ms + 5),
    }
}

fn shot(counter: u32) -> GunEvent {
    shot_at(counter, u64::from(counter) * 1_000, 2_000)
}

fn open_body() -> OpenStepBody {
    let done = CheckItemBody::Done { reference: None };
    OpenStepBody {
        patient: "ab".repeat(32),
        protocol: "mesolift-face".to_owned(),
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
    }
}

fn segment_body(session: &str) -> SegmentStepBody {
    SegmentStepBody {
        session: session.to_owned(),
        gun: Some("GUN-1".to_owned()),
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
            dead_volume_nl: 0,
        },
        needle: NeedleBody {
            length_um: 4_000,
            gauge: 30,
            needle_count: 1,
            lot: "N-1".to_owned(),
        },
        operator: "op-1".to_owned(),
        reason: String::new(),
    }
}

fn shots_of(records: &[Record]) -> Vec<&Shot> {
    records.iter().filter_map(Record::as_shot).collect()
}

fn gaps_of(records: &[Record]) -> Vec<&Gap> {
    let gaps = records.iter().filter_map(|record| match record {
        Record::Gap(gap) => Some(gap),
        _ => None,
    });
    gaps.collect()
}

fn expect(next: u32) -> Call {
    Call::ExpectFrom(serial(), EPOCH, ShotCounter(next))
}

fn acknowledge(counter: u32) -> Call {
    Call::Acknowledge(serial(), EPOCH, ShotCounter(counter))
}

#[test]
fn a_gun_without_an_epoch_gets_one_and_then_is_asked_from_its_first_shot() {
    let mut bench = Bench::new();
    let greeting = GunEvent::Attached(Box::new(hello(None, 0, 0)));
    let (calls, _) = bench.hear(vec![greeting]);
    assert_eq!(calls, vec![Call::AssignEpoch(serial(), Epoch(500))]);
    assert_eq!(bench.attach(0, 0), vec![expect(1)]);
}

#[test]
fn a_gun_that_an_epoch_did_not_reach_gets_another_one_and_only_such_a_gun() {
    let unanswered = || GunEvent::Command {
        command: 1,
        kind: CommandKind::AssignEpoch,
        outcome: CommandOutcome::Unknown,
    };
    let mut bench = Bench::new();
    bench.hear(vec![GunEvent::Attached(Box::new(hello(None, 0, 0)))]);
    let (calls, _) = bench.hear(vec![unanswered()]);
    assert_eq!(calls, vec![Call::AssignEpoch(serial(), Epoch(500))]);
    bench.attach(0, 0);
    assert_eq!(bench.hear(vec![unanswered()]).0, vec![]);
}

#[test]
fn after_a_restart_a_gun_is_asked_from_the_first_shot_that_the_journal_lacks() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    let (calls, _) = bench.hear(vec![shot(1), shot(2)]);
    assert_eq!(calls, vec![acknowledge(2)]);
    let mut bench = bench.restart();
    assert_eq!(bench.attach(1, 3), vec![expect(3)]);
    // The block that was open when the daemon died was sealed at the start.
    assert_eq!(bench.sealed.len(), 1);
    assert_eq!(bench.engine.unsettled_block_count(), 1);
}

#[test]
fn a_shot_outside_a_session_is_a_patient_shot_by_the_drivers_rule() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    let (_, records) = bench.hear(vec![shot(1)]);
    let shot = shots_of(&records)[0];
    assert_eq!(shot.purpose, Purpose::Patient);
    assert_eq!(shot.purpose_decided_by, PurposeDecidedBy::DriverRule);
    assert_eq!(shot.segment, None);
}

#[test]
fn a_shot_belongs_to_the_segment_of_its_time_even_when_it_is_read_late() {
    let mut bench = Bench::new();
    bench.attach(1, 4);
    bench.now_ms = 10_000;
    let session = bench.open_session();
    bench.now_ms = 20_000;
    bench.step(&RoomStepBody::End {
        session: session.to_string(),
        outcome: "completed".to_owned(),
    });
    let mut bench = bench.restart();
    bench.attach(1, 4);
    let late = vec![
        shot_at(1, 9_000, 100),
        shot_at(2, 15_000, 100),
        shot_at(3, 25_000, 100),
    ];
    let (_, records) = bench.hear(late);
    let segments: Vec<bool> = shots_of(&records)
        .iter()
        .map(|s| s.segment.is_some())
        .collect();
    assert_eq!(segments, vec![false, true, false]);
    // Three runs of equal session are three blocks, the last of which is still open; one more was
    // left open at the restart.
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    let of_the_gun = bench
        .sealed
        .iter()
        .filter(|b| b.stream != Stream::Room)
        .count();
    assert_eq!(of_the_gun, 4);
}

#[test]
fn times_grow_within_a_stretch_of_clock_and_a_start_begins_a_new_one() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    let (_, records) = bench.hear(vec![
        shot_at(1, 500, 1),
        shot_at(2, 500, 1),
        shot_at(3, 400, 1),
    ]);
    let times: Vec<i64> = shots_of(&records).iter().map(|s| s.at.unix_ns()).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    let first = shots_of(&records)[0].clock_segment;
    let stepped = vec![GunEvent::Clock(mapping(1)), shot(4)];
    let (_, records) = bench.hear(stepped);
    assert_eq!(shots_of(&records)[0].clock_segment.0, first.0 + 1);
    let mut bench = bench.restart();
    bench.attach(1, 5);
    let (_, records) = bench.hear(vec![shot(5)]);
    assert_eq!(shots_of(&records)[0].clock_segment.0, first.0 + 2);
}

#[test]
fn a_shot_without_a_clock_mapping_has_the_time_of_its_arrival_and_no_bound() {
    let mut bench = Bench::new();
    let greeting = GunEvent::Attached(Box::new(hello(Some(EPOCH), 1, 1)));
    let (_, records) = bench.hear(vec![greeting, shot(1)]);
    let shot = shots_of(&records)[0];
    assert_eq!(shot.at, at(1_005));
    assert_eq!(shot.uncertainty, Uncertainty::Unbounded);
}

#[test]
fn an_impossible_frame_settles_its_counter_by_name_and_stops_nothing() {
    let mut bench = Bench::new();
    bench.attach(1, 3);
    let rejected = GunEvent::Rejected {
        reason: RejectCause::Frame(RejectReason::UnknownCode {
            field: "purpose",
            code: 99,
        }),
        bytes: vec![1, 2, 3],
        identity: Some(ShotKey {
            epoch: EPOCH,
            counter: ShotCounter(2),
        }),
    };
    let (calls, records) = bench.hear(vec![shot(1), rejected, shot(3)]);
    assert_eq!(calls, vec![acknowledge(3)]);
    let gap = gaps_of(&records)[0];
    assert_eq!(
        (gap.state, gap.reason),
        (GapState::Declared, GapReason::Quarantined)
    );
    assert_eq!(
        (gap.first, gap.last),
        (ShotCounter(2), Some(ShotCounter(2)))
    );
    let status = bench.engine.due_statuses(bench.now());
    assert_eq!(status[0].1.quarantined_frames, 1);
}

#[test]
fn overwritten_shots_are_declared_and_those_another_driver_took_are_awaited() {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.hear(vec![shot(1)]);
    let lost = |first, last| GunEvent::Lost {
        epoch: EPOCH,
        first: ShotCounter(first),
        last: ShotCounter(last),
    };
    let (calls, records) = bench.hear(vec![lost(2, 9)]);
    assert_eq!(calls, vec![acknowledge(9)]);
    let gap = gaps_of(&records)[0];
    assert_eq!(
        (gap.state, gap.reason),
        (GapState::Declared, GapReason::RingOverflow)
    );

    let mut visited_elsewhere = hello(Some(EPOCH), 30, 30);
    visited_elsewhere.inventory.acknowledged = Some(ShotCounter(19));
    bench.hear(vec![GunEvent::Attached(Box::new(visited_elsewhere))]);
    let (_, records) = bench.hear(vec![lost(10, 29)]);
    let states: Vec<_> = gaps_of(&records)
        .iter()
        .map(|gap| (gap.state, gap.first.get(), gap.last.map(ShotCounter::get)))
        .collect();
    let awaited = (GapState::Awaited, 10, Some(19));
    assert_eq!(states, vec![awaited, (GapState::Declared, 20, Some(29))]);
}

#[test]
fn a_gun_met_in_the_middle_of_its_epoch_is_asked_for_what_it_still_offers() {
    let mut bench = Bench::new();
    let mut hello = hello(Some(EPOCH), 100, 120);
    hello.inventory.acknowledged = Some(ShotCounter(110));
    let (calls, records) = bench.hear(vec![GunEvent::Attached(Box::new(hello))]);
    assert!(calls.contains(&expect(100)), "{calls:?}");
    let gap = gaps_of(&records)[0];
    assert_eq!(
        (gap.state, gap.last),
        (GapState::Awaited, Some(ShotCounter(99)))
    );
}

#[test]
fn an_epoch_that_cannot_be_proven_closes_with_an_open_end_and_only_once() {
    let mut bench = Bench::new();
    bench.attach(1, 2);
    bench.hear(vec![shot(1), shot(2)]);
    let mut bench = bench.restart();
    let reset = || GunEvent::Attached(Box::new(hello(None, 0, 0)));
    let (calls, records) = bench.hear(vec![reset()]);
    assert_eq!(calls, vec![Call::AssignEpoch(serial(), Epoch(500))]);
    let gap = gaps_of(&records)[0];
    assert_eq!((gap.first, gap.last), (ShotCounter(3), None));
    assert_eq!(gap.reason, GapReason::EpochClosed);
    let mut bench = bench.restart();
    let (_, records) = bench.hear(vec![reset()]);
    assert_eq!(gaps_of(&records).len(), 0);
}

#[test]
fn an_epoch_of_which_no_shot_was_read_yet_closes_with_an_open_end_even_after_a_restart() {
    let mut bench = Bench::new();
    bench.attach(0, 0);
    let mut bench = bench.restart();
    let (_, records) = bench.hear(vec![GunEvent::Attached(Box::new(hello(None, 0, 0)))]);
    let gaps = gaps_of(&records);
    assert_eq!(gaps.len(), 1, "what it fired before is not known");
    assert_eq!((gaps[0].epoch, gaps[0].last), (EPOCH, None));
}

#[test]
fn the_first_shot_beyond_a_limit_seals_its_block_at_once_and_the_next_ones_do_not() {
    let mut bench = Bench::new();
    bench.attach(1, 9);
    bench.open_session();
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    let before = bench.sealed.len();
    bench.hear(vec![shot(1), shot_at(2, 2_000, 11_000)]);
    assert_eq!(bench.sealed.len(), before + 1);
    bench.hear(vec![shot_at(3, 2_200, 11_000)]);
    assert_eq!(bench.sealed.len(), before + 1);
    bench.hear(vec![shot_at(4, 20_000, 11_000)]);
    assert_eq!(bench.sealed.len(), before + 2);
}

#[test]
fn a_breach_of_another_rule_and_a_worse_one_are_told_at_once_within_an_episode() {
    let mut bench = Bench::new();
    let mut haste = |at_s: i64, breaches: &[(Rule, Severity)]| {
        let finding = |(rule, severity): &(Rule, Severity)| Finding {
            rule: *rule,
            severity: *severity,
            bound: None,
            value: 0,
            limit: 0,
            reason: None,
        };
        let judgement = Judgement {
            library: None,
            engine: 1,
            facts_digest: [0; 32],
            findings: breaches.iter().map(finding).collect(),
        };
        let at = Timestamp::from_unix_ns(at_s * 1_000_000_000).unwrap();
        bench.engine.haste_of(&serial(), at, &judgement)
    };
    use Severity::{Hard, NotCheckable, Soft};
    assert_eq!(haste(0, &[(Rule::NeedleDepth, NotCheckable)]), Haste::None);
    assert_eq!(haste(1, &[(Rule::NeedleDepth, Soft)]), Haste::AtOnce);
    assert_eq!(haste(2, &[(Rule::NeedleDepth, Soft)]), Haste::Soon);
    let both = [(Rule::NeedleDepth, Soft), (Rule::ShotRate, Soft)];
    assert_eq!(haste(3, &both), Haste::AtOnce);
    assert_eq!(haste(4, &both), Haste::Soon);
    assert_eq!(haste(5, &[(Rule::NeedleDepth, Hard)]), Haste::AtOnce);
    assert_eq!(haste(6, &[(Rule::NeedleDepth, Soft)]), Haste::Soon);
    assert_eq!(haste(7, &[(Rule::NeedleDepth, Hard)]), Haste::Soon);
    assert_eq!(haste(30, &[(Rule::NeedleDepth, Soft)]), Haste::AtOnce);
}

#[test]
fn totals_are_the_same_after_a_restart_in_the_middle_of_a_session() {
    let mut bench = Bench::new();
    bench.attach(1, 9);
    let session = bench.open_session();
    let payload = release().encode().unwrap();
    let mut work = Engine::release_work(payload);
    bench.commit(std::mem::take(&mut work.batch));
    bench.hear(vec![shot(1), shot(2), shot(3)]);
    let totals = bench.engine.judge.verdict(session);
    assert!(totals.is_some());
    let bench = bench.restart();
    assert_eq!(bench.engine.judge.verdict(session), totals);
    assert_eq!(bench.engine.library_version().map(|v| v.get()), Some(1));
    assert_eq!(
        bench.engine.room_state(bench.now(), false).open_sessions,
        vec![session.to_string()]
    );
}

#[test]
fn the_backlog_counts_what_the_ingest_does_not_have() {
    let mut bench = Bench::new();
    bench.attach(1, 9);
    bench.hear(vec![shot(1), shot(2), shot(3)]);
    let seals = bench.engine.all_seals();
    bench.seal(seals);
    bench.hear(vec![shot(4)]);
    let backlog = |bench: &mut Bench| {
        bench.now_ms += 2_000;
        bench.engine.due_statuses(bench.now())[0].1.backlog_shots
    };
    // Four shots, and that the gun is here.
    assert_eq!(backlog(&mut bench), 5);
    let watermark = Watermark {
        to: 1,
        ranges: Vec::new(),
        blocks: Vec::new(),
        store: 1,
        ingest: 1,
    };
    bench.engine.settled(&Stream::Gun(serial()), &watermark);
    assert_eq!(backlog(&mut bench), 1);
}

#[test]
fn a_state_is_published_at_most_once_a_second() {
    let mut bench = Bench::new();
    bench.attach(1, 9);
    assert_eq!(bench.engine.due_statuses(bench.now()).len(), 1);
    bench.hear(vec![shot(1)]);
    bench.now_ms = 999;
    assert_eq!(bench.engine.due_statuses(bench.now()).len(), 0);
    bench.now_ms = 1_000;
    assert_eq!(bench.engine.due_statuses(bench.now()).len(), 1);
    bench.now_ms = 5_000;
    assert_eq!(
        bench.engine.due_statuses(bench.now()).len(),
        0,
        "nothing changed"
    );
}

#[test]
fn a_gun_that_is_plugged_in_is_spoken_of_every_minute_with_what_its_room_knows() {
    let mut bench = Bench::new();
    bench.attach(1, 9);
    assert_eq!(bench.engine.due_statuses(bench.now()).len(), 1);
    bench.now_ms = 59_999;
    assert_eq!(bench.engine.due_statuses(bench.now()).len(), 0);
    bench.now_ms = 60_000;
    let (_, status) = bench.engine.due_statuses(bench.now()).remove(0);
    assert_eq!(status.clock_trusted, Some(true));
    assert_eq!(status.library_version, Some(0), "no release is in force");
}

#[test]
fn an_older_release_and_an_unsigned_one_stay_out_of_force() {
    let mut bench = Bench::new();
    let newer = {
        let mut message = release();
        message.release = message.release.replace("version = 1", "version = 2");
        message.signatures = vec![meso_limits::sign(&message.release, &[4; 32])];
        message
    };
    let list = signers();
    let library = bench
        .engine
        .check_release(&newer.encode().unwrap(), Some(&list))
        .unwrap();
    assert_eq!(library.library.version().get(), 2);
    bench.engine.set_library(library);
    let older = release().encode().unwrap();
    assert!(bench.engine.check_release(&older, Some(&list)).is_err());
    let unsigned = LibraryMessage {
        signer_lists: Vec::new(),
        signatures: Vec::new(),
        ..newer
    };
    assert!(
        bench
            .engine
            .check_release(&unsigned.encode().unwrap(), Some(&list))
            .is_err()
    );
    assert!(bench.engine.check_release(&older, None).is_err());
}

#[test]
fn a_room_follows_its_signers_and_refuses_those_who_were_taken_off() {
    let mut bench = Bench::new();
    let list = signers();
    let [old, new] =
        [[4; 32], [5; 32]].map(|seed: [u8; 32]| (seed, meso_limits::public_key(&seed)));
    let text = format!(
        "version = 2\nsignatures_needed = 1\n[[signers]]\nperson = \"old\"\nkey = \"{}\"\n\
         revoked = true\n[[signers]]\nperson = \"new\"\nkey = \"{}\"\n",
        old.1, new.1
    );
    let signer_lists = vec![meso_contract::SignedTextBody {
        signatures: vec![meso_limits::sign_signer_list(&text, &old.0)],
        text,
    }];
    let of_version = |version: u32, seed: &[u8; 32]| {
        let mut message = release();
        let text = format!("version = {version}");
        message.release = message.release.replace("version = 1", &text);
        message.signatures = vec![meso_limits::sign(&message.release, seed)];
        message
    };
    let followed = LibraryMessage {
        signer_lists: signer_lists.clone(),
        ..of_version(2, &new.0)
    };
    let payload = followed.encode().unwrap();
    let checked = bench.engine.check_release(&payload, Some(&list)).unwrap();
    assert_eq!(checked.signer_list, 2);
    bench.engine.set_library(checked);
    let by_revoked = LibraryMessage {
        signer_lists,
        ..of_version(3, &old.0)
    };
    let without_list = of_version(3, &old.0);
    let other_text = LibraryMessage {
        release: followed.release.replace("Mesolift", "Mesolift, changed"),
        ..followed
    };
    let other_text = LibraryMessage {
        signatures: vec![meso_limits::sign(&other_text.release, &new.0)],
        ..other_text
    };
    for refused in [by_revoked, without_list, other_text] {
        let payload = refused.encode().unwrap();
        assert!(
            bench.engine.check_release(&payload, Some(&list)).is_err(),
            "{refused:?}"
        );
    }
}

mod clocks;
mod courses;
mod delivery;
mod interlock;
mod links;
mod live;
mod said;
mod salvage;
mod strays;
mod uncounted;
