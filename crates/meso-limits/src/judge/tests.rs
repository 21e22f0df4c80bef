//! The rules, one promise each.

use std::sync::Arc;

use meso_domain::{
    Bound, CheckItem, Checklist, Delivery, Finding, Judgement, Needle, NotCheckable, Purpose,
    PurposeDecidedBy, Quantity, Rule, SegmentOpened, SessionEnded, SessionEvent, SessionOpened,
    SessionOutcome, Severity, Shot, ShotFlags, ShotIdentity, Sourced, SyringeLoad, Technique,
};
use meso_units::{
    ClinicId, ClockSegment, DriverId, Epoch, GunSerial, GunTick, LibraryVersion, Micrometres,
    Microseconds, Nanolitres, NeedleCount, OperatorId, PatientCommitment, ProtocolId, SegmentId,
    SessionId, ShotCounter, Timestamp, Uncertainty,
};
use proptest::prelude::*;

use super::{Judge, general};
use crate::{Library, assemble_release};

const SESSION: SessionId = SessionId::from_bytes([1; 16]);
const SEGMENT: SegmentId = SegmentId::from_bytes([2; 16]);
const PROTOCOL: &str = r#"
[[protocols]]
id = "sample"
title = "Sample"
indication = "sample"
zones = ["cheek"]
techniques = ["nappage"]
[protocols.needle_depth]
soft_min = "1 mm"
soft_max = "4 mm"
hard_max = "6 mm"
source = "example to be approved by a clinician"
[protocols.volume_per_point]
soft_min = "0.005 ml"
soft_max = "0.02 ml"
hard_max = "0.05 ml"
tolerance = "10 %"
source = "example to be approved by a clinician"
[protocols.shot_rate]
soft_max = "5 per second"
source = "example to be approved by a clinician"
[protocols.session_volume]
soft_max = "0.05 ml"
hard_max = "0.1 ml"
source = "example to be approved by a clinician"
[protocols.failed_injections]
soft_max = "2 in a row"
source = "example to be approved by a clinician"
"#;

fn sample_library() -> Arc<Library> {
    Arc::new(Library::parse(&assemble_release(3, true, &[PROTOCOL])).unwrap())
}

/// A judge that knows the session and its segment, with a head of `needles`.
fn sample_judge(needles: u8) -> Judge {
    let mut judge = Judge::new(Some(sample_library()));
    for event in sample_events(SESSION, SEGMENT, needles) {
        judge.session_event(&event);
    }
    judge
}

fn sample_events(session: SessionId, segment: SegmentId, needles: u8) -> [SessionEvent; 2] {
    let at = Timestamp::from_unix_ns(1_000).unwrap();
    let done = CheckItem::Done(None);
    let operator = OperatorId::parse("op-1").unwrap();
    let protocol = ProtocolId::parse("sample").unwrap();
    let opened = SessionOpened {
        session,
        at,
        clinic: ClinicId::parse("clinic").unwrap(),
        room: DriverId::parse("room-1").unwrap(),
        time_zone: "Europe/Vienna".to_owned(),
        utc_offset_s: 3_600,
        patient: PatientCommitment::from_bytes([3; 32]),
        screening_digest: None,
        protocol: protocol.clone(),
        library: LibraryVersion(3),
        operator: operator.clone(),
        checklist: Checklist {
            screening: done.clone(),
            consent: done.clone(),
            asepsis: done.clone(),
            emergency_kit: done,
        },
        demo: true,
    };
    let begun = SegmentOpened {
        segment,
        session,
        at,
        delivery: Delivery::Gun(GunSerial::parse("GUN-0001").unwrap()),
        zone: "cheek".to_owned(),
        technique: Technique::Nappage,
        protocol,
        library: LibraryVersion(3),
        course_phase: None,
        syringe: SyringeLoad {
            components: Vec::new(),
            ready_made: true,
            prepared_by: operator.clone(),
            loaded: Nanolitres::new(5_000_000).unwrap(),
            dead_volume: Nanolitres::ZERO,
        },
        needle: Needle {
            length: Micrometres::new(4_000).unwrap(),
            gauge: 30,
            count: needles,
            lot: "lot".to_owned(),
        },
        operator,
        reason: String::new(),
    };
    [
        SessionEvent::Opened(opened),
        SessionEvent::SegmentOpened(begun),
    ]
}

/// A patient shot that every rule of the sample protocol passes.
fn sample_shot(counter: u32) -> Shot {
    Shot {
        identity: ShotIdentity {
            gun: GunSerial::parse("GUN-0001").unwrap(),
            epoch: Epoch(7),
            counter: ShotCounter(counter),
        },
        at: Timestamp::from_unix_ns(i64::from(counter) * 500_000_000).unwrap(),
        uncertainty: Uncertainty::Within(1_000),
        clock_segment: ClockSegment(0),
        gun_tick: GunTick::new(u64::from(counter) * 500_000).unwrap(),
        needle_depth: sensed(Micrometres::new(2_000).unwrap()),
        volume: sensed(Nanolitres::new(10_000).unwrap()),
        interval: Some(Microseconds::new(500_000).unwrap()),
        frequency_set: None,
        needles_working: None,
        pressure: None,
        flags: ShotFlags::NONE,
        purpose: Purpose::Patient,
        purpose_decided_by: PurposeDecidedBy::Gun,
        segment: Some(SEGMENT),
        library: Some(LibraryVersion(3)),
    }
}

fn sensed<T>(value: T) -> Quantity<T> {
    Quantity {
        set: None,
        actual: Some(Sourced::sensed(value)),
    }
}

fn with_depth(um: u32) -> Shot {
    Shot {
        needle_depth: sensed(Micrometres::new(um).unwrap()),
        ..sample_shot(2)
    }
}

fn with_volume(nl: u64) -> Shot {
    Shot {
        volume: sensed(Nanolitres::new(nl).unwrap()),
        ..sample_shot(2)
    }
}

fn with_interval(us: u64) -> Shot {
    Shot {
        interval: Some(Microseconds::new(us).unwrap()),
        ..sample_shot(2)
    }
}

/// The one finding that a fresh judge has on a shot in the sample session.
#[track_caller]
fn check(shot: &Shot) -> Option<(Rule, Severity, Option<Bound>, i64, i64)> {
    let findings = sample_judge(1).judge(shot, Some(SESSION)).findings;
    assert!(findings.len() <= 1, "{findings:?}");
    findings
        .first()
        .map(|f| (f.rule, f.severity, f.bound, f.value, f.limit))
}

fn find(judgement: &Judgement, rule: Rule) -> Option<Finding> {
    judgement
        .findings
        .iter()
        .find(|finding| finding.rule == rule)
        .copied()
}

#[test]
fn a_shot_within_all_limits_has_no_finding() {
    assert_eq!(check(&sample_shot(2)), None);
}

#[test]
fn a_value_on_the_limit_is_within_it() {
    assert_eq!(check(&with_depth(4_000)), None);
    assert_eq!(check(&with_depth(1_000)), None);
}

#[test]
fn depth_is_judged_against_soft_and_hard_limits() {
    let max = Some(Bound::Maximum);
    let rule = Rule::NeedleDepth;
    assert_eq!(
        check(&with_depth(4_001)),
        Some((rule, Severity::Soft, max, 4_001, 4_000))
    );
    assert_eq!(
        check(&with_depth(6_001)),
        Some((rule, Severity::Hard, max, 6_001, 6_000))
    );
    let min = Some(Bound::Minimum);
    assert_eq!(
        check(&with_depth(999)),
        Some((rule, Severity::Soft, min, 999, 1_000))
    );
}

#[test]
fn the_set_point_is_judged_where_the_gun_senses_nothing() {
    let set = Some(Micrometres::new(7_000).unwrap());
    let shot = Shot {
        needle_depth: Quantity { set, actual: None },
        ..sample_shot(2)
    };
    assert_eq!(
        check(&shot),
        Some((
            Rule::NeedleDepth,
            Severity::Hard,
            Some(Bound::Maximum),
            7_000,
            6_000
        ))
    );
}

#[test]
fn what_the_gun_did_counts_and_not_what_it_was_told() {
    let mut shot = with_depth(2_000);
    shot.needle_depth.set = Some(Micrometres::new(9_000).unwrap());
    shot.volume.set = Some(Nanolitres::new(90_000).unwrap());
    let mut judge = sample_judge(1);
    assert_eq!(judge.judge(&shot, Some(SESSION)).findings, Vec::new());
    assert_eq!(
        judge.verdict(SESSION).map(|verdict| verdict.volume_nl),
        Some(10_000)
    );
}

#[test]
fn a_missing_depth_is_not_checkable_and_never_good() {
    let shot = Shot {
        needle_depth: Quantity::UNKNOWN,
        ..sample_shot(2)
    };
    let judgement = sample_judge(1).judge(&shot, Some(SESSION));
    let finding = find(&judgement, Rule::NeedleDepth).unwrap();
    assert_eq!(finding.severity, Severity::NotCheckable);
    assert_eq!(finding.reason, Some(NotCheckable::ValueMissing));
}

#[test]
fn the_tolerance_covers_what_was_measured_and_not_what_was_set() {
    assert_eq!(
        check(&with_volume(22_000)),
        None,
        "ten percent above the soft limit"
    );
    let soft = (Rule::VolumePerTrigger, Severity::Soft, Some(Bound::Maximum));
    assert_eq!(
        check(&with_volume(22_001)),
        Some((soft.0, soft.1, soft.2, 22_001, 20_000))
    );
    let set = Some(Nanolitres::new(20_001).unwrap());
    let shot = Shot {
        volume: Quantity { set, actual: None },
        ..sample_shot(2)
    };
    assert_eq!(check(&shot), Some((soft.0, soft.1, soft.2, 20_001, 20_000)));
}

#[test]
fn the_hard_limit_has_no_tolerance() {
    let mut judge = sample_judge(1);
    let finding = find(
        &judge.judge(&with_volume(50_001), Some(SESSION)),
        Rule::VolumePerTrigger,
    );
    assert_eq!(finding.map(|f| f.severity), Some(Severity::Hard));
}

#[test]
fn a_head_of_five_needles_may_deliver_five_times_the_volume_of_a_point() {
    let of_trigger = |judge: &mut Judge, shot: &Shot| {
        find(&judge.judge(shot, Some(SESSION)), Rule::VolumePerTrigger).map(|f| f.limit)
    };
    assert_eq!(
        of_trigger(&mut sample_judge(5), &with_volume(100_000)),
        None
    );
    assert_eq!(
        of_trigger(&mut sample_judge(5), &with_volume(111_000)),
        Some(100_000)
    );
    let three = Some(Sourced::sensed(NeedleCount::new(3).unwrap()));
    let shot = Shot {
        needles_working: three,
        ..with_volume(100_000)
    };
    assert_eq!(
        of_trigger(&mut sample_judge(5), &shot),
        Some(60_000),
        "two needles are blocked"
    );
}

#[test]
fn a_failed_injection_is_not_too_little_volume() {
    let shot = Shot {
        flags: ShotFlags::FAILED_INJECTION,
        ..with_volume(0)
    };
    assert_eq!(check(&shot), None);
    assert_eq!(
        check(&with_volume(0)),
        Some((
            Rule::VolumePerTrigger,
            Severity::Soft,
            Some(Bound::Minimum),
            0,
            5_000
        ))
    );
}

#[test]
fn nine_a_second_is_allowed_even_from_a_gun_that_counts_milliseconds() {
    let rate = |us: u64| {
        let judgement = Judge::new(None).judge(&with_interval(us), None);
        find(&judgement, Rule::ShotRate).map(|finding| finding.severity)
    };
    assert_eq!(rate(111_111), Some(Severity::NotCheckable));
    assert_eq!(rate(111_000), Some(Severity::NotCheckable));
    assert_eq!(rate(110_111), Some(Severity::NotCheckable));
    assert_eq!(rate(110_110), Some(Severity::Hard));
    assert_eq!(rate(0), Some(Severity::Hard));
}

#[test]
fn a_rate_above_the_protocol_is_soft_and_above_the_general_limit_hard() {
    let min = Some(Bound::Minimum);
    let rule = Rule::ShotRate;
    assert_eq!(check(&with_interval(200_000)), None);
    assert_eq!(
        check(&with_interval(150_000)),
        Some((rule, Severity::Soft, min, 150_000, 200_000))
    );
    assert_eq!(
        check(&with_interval(83_333)),
        Some((rule, Severity::Hard, min, 83_333, general::INTERVAL_MIN_US))
    );
}

#[test]
fn the_first_shot_of_an_epoch_has_no_rate_to_judge() {
    let first = Shot {
        interval: None,
        ..sample_shot(1)
    };
    assert_eq!(check(&first), None);
    let later = Shot {
        interval: None,
        ..sample_shot(2)
    };
    assert_eq!(
        check(&later).map(|found| (found.0, found.1)),
        Some((Rule::ShotRate, Severity::NotCheckable))
    );
}

#[test]
fn the_session_volume_adds_up_over_shots() {
    let mut judge = sample_judge(1);
    let mut severities = Vec::new();
    for counter in 1..=11 {
        let judgement = judge.judge(&sample_shot(counter), Some(SESSION));
        severities.push(judgement.worst());
    }
    let soft = Some(Severity::Soft);
    let expected = [
        [None; 5].as_slice(),
        [soft; 5].as_slice(),
        &[Some(Severity::Hard)],
    ]
    .concat();
    assert_eq!(
        severities, expected,
        "0.05 ml soft, 0.1 ml hard, 0.01 ml a shot"
    );
    assert_eq!(
        judge.verdict(SESSION).map(|verdict| verdict.volume_nl),
        Some(110_000)
    );
}

#[test]
fn a_volume_that_nobody_knows_makes_the_sum_not_checkable() {
    let mut judge = sample_judge(1);
    let unknown = Shot {
        volume: Quantity::UNKNOWN,
        ..sample_shot(1)
    };
    judge.judge(&unknown, Some(SESSION));
    let finding = find(
        &judge.judge(&sample_shot(2), Some(SESSION)),
        Rule::SessionVolume,
    );
    assert_eq!(
        finding.and_then(|f| f.reason),
        Some(NotCheckable::ValueMissing)
    );
    for counter in 3..=12 {
        judge.judge(&sample_shot(counter), Some(SESSION));
    }
    let finding = find(
        &judge.judge(&sample_shot(13), Some(SESSION)),
        Rule::SessionVolume,
    );
    assert_eq!(
        finding.map(|f| f.severity),
        Some(Severity::Hard),
        "a lower bound is enough"
    );
}

#[test]
fn missing_history_makes_the_sum_not_checkable() {
    let mut judge = sample_judge(1);
    judge.set_history_missing(SESSION);
    let judgement = judge.judge(&sample_shot(2), Some(SESSION));
    let reason = find(&judgement, Rule::SessionVolume).and_then(|finding| finding.reason);
    assert_eq!(reason, Some(NotCheckable::HistoryMissing));
}

#[test]
fn failed_injections_count_only_in_a_row() {
    let mut judge = sample_judge(1);
    let mut found = Vec::new();
    for (counter, fails) in [true, true, false, true, true, true]
        .into_iter()
        .enumerate()
    {
        let flags = if fails {
            ShotFlags::FAILED_INJECTION
        } else {
            ShotFlags::NONE
        };
        let counter = u32::try_from(counter).unwrap() + 1;
        let shot = Shot {
            flags,
            volume: with_volume(0).volume,
            ..sample_shot(counter)
        };
        let judgement = judge.judge(&shot, Some(SESSION));
        found.push(find(&judgement, Rule::FailedInjections).map(|f| f.value));
    }
    assert_eq!(found, [None, None, None, None, None, Some(3)]);
}

#[test]
fn a_prime_is_neither_judged_nor_counted() {
    let mut judge = sample_judge(1);
    let prime = Shot {
        purpose: Purpose::Prime,
        ..with_volume(9_000_000)
    };
    assert_eq!(judge.judge(&prime, Some(SESSION)).findings, Vec::new());
    assert_eq!(
        judge.verdict(SESSION).map(|verdict| verdict.volume_nl),
        Some(0)
    );
}

#[test]
fn without_a_session_only_the_general_limits_are_judged() {
    let mut judge = Judge::new(Some(sample_library()));
    let shot = Shot {
        segment: None,
        ..with_depth(10_800)
    };
    let judgement = judge.judge(&shot, None);
    let depth = find(&judgement, Rule::NeedleDepth).unwrap();
    assert_eq!((depth.severity, depth.limit), (Severity::Hard, 10_000));
    for rule in [Rule::VolumePerTrigger, Rule::ShotRate, Rule::SessionVolume] {
        let reason = find(&judgement, rule).and_then(|finding| finding.reason);
        assert_eq!(reason, Some(NotCheckable::NoSession), "{rule}");
    }
}

#[test]
fn a_protocol_that_is_not_in_force_is_not_checkable() {
    let mut judge = sample_judge(1);
    judge.set_library(None);
    let judgement = judge.judge(&sample_shot(2), Some(SESSION));
    assert_eq!(judgement.library, None);
    let reason = find(&judgement, Rule::NeedleDepth).and_then(|finding| finding.reason);
    assert_eq!(reason, Some(NotCheckable::ProtocolUnknown));
}

#[test]
fn a_shot_finds_its_session_by_its_segment() {
    let (mut told, mut found) = (sample_judge(1), sample_judge(1));
    assert_eq!(
        told.judge(&sample_shot(2), Some(SESSION)),
        found.judge(&sample_shot(2), None)
    );
}

#[test]
fn observing_leads_to_the_same_judgement_as_judging() {
    let (mut judged, mut rebuilt) = (sample_judge(1), sample_judge(1));
    for counter in 1..=20 {
        judged.judge(&sample_shot(counter), Some(SESSION));
        rebuilt.observe(&sample_shot(counter), Some(SESSION));
    }
    let next = judged.judge(&sample_shot(21), Some(SESSION));
    assert_eq!(next, rebuilt.judge(&sample_shot(21), Some(SESSION)));
}

#[test]
fn other_facts_give_another_digest() {
    let base = sample_judge(1)
        .judge(&sample_shot(2), Some(SESSION))
        .facts_digest;
    let others = [
        sample_judge(1).judge(&with_depth(2_001), Some(SESSION)),
        sample_judge(1).judge(&with_volume(10_001), Some(SESSION)),
        sample_judge(1).judge(&with_interval(500_001), Some(SESSION)),
        sample_judge(5).judge(&sample_shot(2), Some(SESSION)),
        Judge::new(None).judge(&sample_shot(2), None),
    ];
    for other in others {
        assert_ne!(other.facts_digest, base);
    }
}

/// Do not change this test: edge and server of different releases compare these bytes. It is of
/// engine 2; another digest for the same facts is another engine.
#[test]
fn the_digest_of_known_facts_is_pinned() {
    let digest = sample_judge(1)
        .judge(&sample_shot(2), Some(SESSION))
        .facts_digest;
    assert_eq!(
        hex::encode(digest),
        "22d1ce48ae40ddab7c5994067bdba5ac2db506bf286c29d96210169c4f6eafad"
    );
}

#[test]
fn a_session_beyond_the_limit_pushes_out_the_one_that_ended_first() {
    let mut judge = Judge::new(Some(sample_library()));
    let id = |number: usize| {
        let mut bytes = [9_u8; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
        SessionId::from_bytes(bytes)
    };
    for number in 0..Judge::SESSION_COUNT_MAX {
        judge.observe(&sample_shot(1), Some(id(number)));
    }
    judge.session_event(&SessionEvent::Ended(SessionEnded {
        session: id(5),
        at: Timestamp::from_unix_ns(1).unwrap(),
        outcome: SessionOutcome::Completed,
        last_counters: Vec::new(),
    }));
    judge.observe(&sample_shot(1), Some(id(Judge::SESSION_COUNT_MAX)));
    assert!(judge.verdict(id(5)).is_none());
    judge.observe(&sample_shot(1), Some(id(Judge::SESSION_COUNT_MAX + 1)));
    assert!(
        judge.verdict(id(0)).is_none(),
        "none has ended, so the oldest goes"
    );
    assert!(judge.verdict(id(1)).is_some());
}

#[test]
fn a_closed_session_is_forgotten_with_its_segments() {
    let mut judge = sample_judge(1);
    judge.close(SESSION);
    let judgement = judge.judge(&sample_shot(2), None);
    let reason = find(&judgement, Rule::NeedleDepth).and_then(|finding| finding.reason);
    assert_eq!(reason, Some(NotCheckable::ProtocolUnknown));
    assert!(
        judge.verdict(SESSION).is_none(),
        "a late shot does not bring it back"
    );
}

prop_compose! {
    fn any_shot()(
        counter in 1_u32..50,
        depth in prop::option::of(0_u32..=13_000),
        volume in prop::option::of(0_u64..=10_000_000),
        interval in prop::option::of(0_u64..=1_000_000),
        needles in prop::option::of(1_u8..=99),
        failed in any::<bool>(),
        purpose in 0_usize..Purpose::ALL.len(),
    ) -> Shot {
        Shot {
            needle_depth: Quantity {
                set: depth.map(|um| Micrometres::new(um).unwrap()),
                actual: None,
            },
            volume: Quantity { set: volume.map(|nl| Nanolitres::new(nl).unwrap()), actual: None },
            interval: interval.map(|us| Microseconds::new(us).unwrap()),
            needles_working: needles.map(|n| Sourced::sensed(NeedleCount::new(n).unwrap())),
            flags: if failed { ShotFlags::FAILED_INJECTION } else { ShotFlags::NONE },
            purpose: Purpose::ALL[purpose],
            ..sample_shot(counter)
        }
    }
}

proptest! {
    #[test]
    fn equal_calls_give_equal_judgements(shots in prop::collection::vec(any_shot(), 0..60)) {
        let (mut one, mut two) = (sample_judge(1), sample_judge(1));
        for shot in &shots {
            prop_assert_eq!(one.judge(shot, Some(SESSION)), two.judge(shot, Some(SESSION)));
        }
    }

    #[test]
    fn findings_are_in_the_order_of_their_codes_and_say_something(shot in any_shot()) {
        let findings = sample_judge(1).judge(&shot, Some(SESSION)).findings;
        prop_assert!(findings.is_sorted_by_key(|finding| finding.rule.code()));
        for finding in findings {
            let judged = finding.severity != Severity::NotCheckable;
            prop_assert_eq!(finding.bound.is_some(), judged);
            prop_assert_eq!(finding.reason.is_none(), judged);
            let passed = match finding.bound {
                Some(Bound::Maximum) => finding.value > finding.limit,
                Some(Bound::Minimum) => finding.value < finding.limit,
                None => true,
            };
            prop_assert!(passed, "{}", crate::describe(&finding));
        }
    }

    #[test]
    fn a_patient_shot_too_deep_or_too_fast_is_hard_whatever_the_protocol(
        shot in any_shot(),
        in_session in any::<bool>(),
        has_library in any::<bool>(),
    ) {
        let shot = Shot { purpose: Purpose::Patient, ..shot };
        let mut judge = sample_judge(1);
        if !has_library {
            judge.set_library(None);
        }
        let judgement = judge.judge(&shot, in_session.then_some(SESSION));
        let severity = |rule| find(&judgement, rule).map(|finding| finding.severity);
        if shot.needle_depth.set.is_some_and(|depth| depth.get() > 10_000) {
            prop_assert_eq!(severity(Rule::NeedleDepth), Some(Severity::Hard));
        }
        if shot.interval.is_some_and(|interval| interval.get() < 110_000) {
            prop_assert_eq!(severity(Rule::ShotRate), Some(Severity::Hard));
        }
    }
}
