//! What the room's page shows.

use meso_contract::room::{
    AmendStepBody, CourseStepBody, DetailsStepBody, EventStepBody, GaugeBody, MaterialStepBody,
    RoomEntryBody,
};
use meso_contract::{AdverseEventBody, CourseBody, DetailsBody, MaterialBody};

use super::*;

fn gauge(bench: &Bench, quantity: &str) -> GaugeBody {
    let live = bench.engine.live(bench.now(), false);
    let mut gauges = live.guns[0].gauges.iter();
    gauges.find(|it| it.quantity == quantity).unwrap().clone()
}

fn treating() -> Bench {
    let mut bench = Bench::new();
    bench.attach(1, 1);
    bench.hear(vec![GunEvent::Clock(mapping(0))]);
    bench.open_session();
    bench
}

#[test]
fn a_gun_waits_for_its_first_shot_with_its_limits_on_the_screen() {
    let bench = treating();
    let depth = gauge(&bench, "needle depth");
    assert_eq!((depth.standing.as_str(), depth.value), ("waiting", None));
    assert_eq!(depth.soft_max, Some(4_000));
    assert_eq!(
        depth.hard_max,
        Some(10_000),
        "the general limit holds beside the protocol"
    );
    assert_eq!(gauge(&bench, "shot rate").hard_max, Some(9_000));
}

#[test]
fn the_warning_comes_before_the_limit_and_the_verdict_alone_says_that_one_is_passed() {
    let mut bench = treating();
    for (counter, depth_um, standing) in [
        (1, 3_000, "within"),
        (2, 3_900, "near"),
        (3, 5_000, "soft"),
        (4, 12_000, "hard"),
    ] {
        bench.hear(vec![shot_at(counter, u64::from(counter) * 1_000, depth_um)]);
        let depth = gauge(&bench, "needle depth");
        assert_eq!(depth.standing, standing, "{depth:?}");
        assert_eq!(depth.value, Some(i64::from(depth_um)));
        assert_eq!(depth.finding.is_some(), matches!(standing, "soft" | "hard"));
        assert_eq!(depth.near_max, Some(3_600), "where the warning begins");
    }
    let live = bench.engine.live(bench.now(), false);
    let shot = live.guns[0].last_shot.as_ref().unwrap();
    assert_eq!((shot.counter, shot.verdict.as_str()), (4, "hard"));
    assert_eq!(live.sessions[0].patient_shot_count, 4);
}

#[test]
fn records_that_wait_for_the_server_are_counted() {
    let mut bench = treating();
    let before = bench.engine.live(bench.now(), false).waiting_record_count;
    bench.hear(vec![shot(1)]);
    let live = bench.engine.live(bench.now(), false);
    assert_eq!(live.waiting_record_count, before + 1);
    assert!(!live.room.broker_connected);
}

#[test]
fn what_was_said_is_shown_with_its_corrections_also_after_the_end() {
    let mut bench = treating();
    let session = bench.engine.live(bench.now(), false).sessions[0]
        .session
        .clone();
    let entry = |bench: &Bench| {
        let history = bench.engine.history();
        let entries = history.sessions[0].entries.iter();
        let mut segments = entries.filter(|entry| entry.what == "segment begun");
        segments.next().unwrap().clone()
    };
    let before = entry(&bench);
    let fields: Vec<&str> = before.fields.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        ["lot_1", "needle_lot", "loaded_nl", "dead_volume_nl"]
    );
    assert_eq!(before.fields[1].original, None, "nothing was corrected");
    bench.now_ms = 2_000;
    bench.step(&RoomStepBody::End {
        session: session.clone(),
        outcome: "completed".to_owned(),
    });
    bench.now_ms = 3_000;
    bench.step(&RoomStepBody::Amend(AmendStepBody {
        session,
        operator: "op-1".to_owned(),
        original: before.record.clone(),
        field: "needle_lot".to_owned(),
        new_value: "N-9".to_owned(),
        reason: "read wrong".to_owned(),
    }));
    let after = entry(&bench);
    assert_eq!(after.record, before.record, "the original stays");
    let lot = after
        .fields
        .iter()
        .find(|it| it.field == "needle_lot")
        .unwrap();
    assert_eq!(
        (lot.value.as_str(), lot.original.as_deref()),
        ("N-9", Some("N-1"))
    );
    let history = bench.engine.history();
    assert_eq!(history.sessions[0].outcome.as_deref(), Some("completed"));
    let last = history.sessions[0].entries.last().unwrap();
    assert_eq!(last.what, "correction");
    let correction = last.correction.as_ref().unwrap();
    assert_eq!(
        (correction.old_value.as_str(), correction.new_value.as_str()),
        ("N-1", "N-9")
    );
    assert_eq!(correction.reason, "read wrong");
    let segments = &history.sessions[0].segments;
    assert_eq!(
        segments[0].gun.as_deref(),
        Some("GUN-1"),
        "for shots that it may claim"
    );
}

/// Says papers, material, the course and an adverse event of the open session.
fn said_everything(bench: &mut Bench) {
    let state = bench.engine.room_state(bench.now(), false);
    let session = state.sessions[0].session.clone();
    let operator = || "op-1".to_owned();
    let material = MaterialBody {
        segment: state.sessions[0].segments[0].segment.clone(),
        consumables_are_new: Some(true),
        ..MaterialBody::default()
    };
    let steps = [
        RoomStepBody::Details(DetailsStepBody {
            session: session.clone(),
            operator: operator(),
            details: DetailsBody {
                consent: Some("C-17".to_owned()),
                ..DetailsBody::default()
            },
        }),
        RoomStepBody::Material(MaterialStepBody {
            session: session.clone(),
            operator: operator(),
            material,
        }),
        RoomStepBody::Course(CourseStepBody {
            session: session.clone(),
            operator: operator(),
            course: CourseBody {
                source: "typed".to_owned(),
                sessions_before: 2,
                volume_before_nl: 0,
                last_in_zone: Vec::new(),
                last_of_drug: Vec::new(),
            },
        }),
        RoomStepBody::AdverseEvent(EventStepBody {
            session,
            operator: operator(),
            event: AdverseEventBody {
                code: "bruise".to_owned(),
                cause: "needle".to_owned(),
                is_expected: true,
                onset_ns: START_NS.to_string(),
                action: "cooled".to_owned(),
                follow_up: String::new(),
            },
        }),
    ];
    for step in steps {
        bench.now_ms += 1_000;
        bench.step(&step);
    }
}

fn entry_of(bench: &Bench, what: &str) -> RoomEntryBody {
    let history = bench.engine.history();
    let mut entries = history.sessions[0].entries.iter();
    entries.find(|entry| entry.what == what).unwrap().clone()
}

#[test]
fn papers_material_course_and_adverse_events_are_corrected_beside_what_was_said() {
    let mut bench = treating();
    bench.now_ms = 1_000;
    said_everything(&mut bench);
    for (what, field, before, after) in [
        ("papers and other treatments", "consent", "C-17", "C-71"),
        ("papers and other treatments", "assessment", "", "E-3"),
        ("material", "consumables_are_new", "true", "false"),
        ("material", "residual_nl", "", "300000"),
        ("course so far", "sessions_before", "2", "3"),
        ("adverse event", "action", "cooled", "cooled for an hour"),
    ] {
        let original = entry_of(&bench, what);
        let offered = original.fields.iter().find(|it| it.field == field);
        assert_eq!(offered.unwrap().value, before, "{what}, {field}");
        bench.now_ms += 1_000;
        let session = bench.engine.history().sessions[0].session.clone();
        bench.step(&RoomStepBody::Amend(AmendStepBody {
            session,
            operator: "op-1".to_owned(),
            original: original.record.clone(),
            field: field.to_owned(),
            new_value: after.to_owned(),
            reason: "read wrong".to_owned(),
        }));
        let corrected = entry_of(&bench, what);
        let field = corrected
            .fields
            .iter()
            .find(|it| it.field == field)
            .unwrap();
        assert_eq!(field.value, after);
        assert_eq!(field.original.as_deref(), Some(before));
        assert_eq!(corrected.text, original.text, "what was said first stays");
    }
}

#[test]
fn the_phases_of_the_course_that_the_clinic_chose_are_told() {
    let mut bench = Bench::new();
    let files = [
        "[choices]\ncourse = \"taper-to-monthly\"\n",
        include_str!("../../../../../config/protocols/mesolift-face.toml"),
        include_str!("../../../../../config/protocols/packs.toml"),
    ];
    let text = meso_limits::assemble_release(1, true, &files);
    let library = meso_limits::Library::parse(&text).unwrap();
    bench
        .engine
        .judge
        .set_library(Some(std::sync::Arc::new(library)));
    let told = bench.engine.library_body();
    let phases = &told.protocols[0].phases;
    let goals: Vec<&str> = phases.iter().map(|phase| phase.goal.as_str()).collect();
    assert_eq!(
        goals,
        [
            "blood flow to the tissue",
            "structure of the tissue",
            "keep the effect"
        ]
    );
    let first = &phases[0];
    assert_eq!(
        (first.session_count_min, first.session_count_max),
        (Some(4), Some(6))
    );
    assert_eq!(
        (first.interval_min_days, first.interval_max_days),
        (Some(7), None)
    );
    assert_eq!(phases[2].session_count_max, None, "open ended");
}
