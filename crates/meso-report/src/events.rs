//! The rows of `sessions.json`, `gaps.json` and `alerts.json`: one JSON object on each line.
//!
//! Session events, stops of guns, merged ids, amendments and gaps carry their canonical bytes in hexadecimal; everything else
//! in their rows is written from those bytes, so a verifier writes it anew and compares.

mod said;

use std::collections::BTreeMap;

use meso_domain::canonical::Canonical as _;
use meso_domain::{
    Amendment, CheckItem, Custody, Delivery, Gap, InterlockEvent, PatientMerged, Record,
    SegmentOpened, SessionEnded, SessionEvent, SessionOpened,
};
use serde::Serialize;

use crate::columns::{Place, hex64};
use crate::facts::AlertFacts;
use crate::text::{decimal, rfc3339};

/// Fields by name, sorted: the order must not depend on how the JSON library was built.
type Details = BTreeMap<&'static str, String>;

/// A record of a block in `sessions.json` or `gaps.json`.
#[derive(Serialize)]
struct EventRow {
    event: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    details: Details,
    #[serde(flatten)]
    proof: Proof,
    canonical: String,
}

/// Where a row is proven.
#[derive(Serialize)]
#[serde(untagged)]
enum Proof {
    Block {
        driver: String,
        incarnation: String,
        stream: String,
        block: u64,
        index: usize,
    },
    Leaf {
        leaf: u64,
    },
    None {
        leaf: (),
    },
}

impl Proof {
    fn block(place: &Place<'_>) -> Proof {
        let at = &place.header.place;
        Proof::Block {
            driver: at.driver.to_string(),
            incarnation: hex64(at.incarnation.get()),
            stream: at.stream.to_string(),
            block: at.number.get(),
            index: place.index,
        }
    }
}

/// The line of a record that is not a shot.
pub(crate) fn record_line(record: &Record, place: &Place<'_>) -> Result<String, serde_json::Error> {
    let (event, at, session, details) = match record {
        Record::Session(event) => (
            event_name(event),
            event.at(),
            Some(event.session()),
            event_details(event),
        ),
        Record::Amendment(amendment) => (
            "amendment",
            amendment.at,
            None,
            amendment_details(amendment),
        ),
        Record::Gap(gap) => ("gap", gap.at, None, gap_details(gap)),
        Record::Custody(custody) => ("custody", custody.at, None, custody_details(custody)),
        Record::Interlock(event) => (
            "interlock",
            event.at,
            event.session,
            interlock_details(event),
        ),
        Record::Patient(merged) => ("patient merged", merged.at, None, merged_details(merged)),
        Record::Shot(shot) => ("shot", shot.at, None, Details::new()),
    };
    serde_json::to_string(&EventRow {
        event,
        at: rfc3339(at),
        session: session.map(|session| session.to_string()),
        details,
        proof: Proof::block(place),
        canonical: hex::encode(record.canonical_bytes()),
    })
}

/// The line of a gap that the ingest found; `leaf` is the commit that lists it, if one does.
pub(crate) fn gap_line(gap: &Gap, leaf: Option<u64>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&EventRow {
        event: "gap",
        at: rfc3339(gap.at),
        session: None,
        details: gap_details(gap),
        proof: leaf.map_or(Proof::None { leaf: () }, |leaf| Proof::Leaf { leaf }),
        canonical: hex::encode(gap.canonical_bytes()),
    })
}

/// The line of an alert.
pub(crate) fn alert_line(alert: &AlertFacts) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct AlertRow<'a> {
        id: &'a str,
        rule: &'static str,
        severity: &'static str,
        gun: Option<String>,
        session: Option<String>,
        state: &'a str,
        opened_at: String,
        changed_at: String,
        shot_count: u64,
        text: &'a str,
    }
    serde_json::to_string(&AlertRow {
        id: &alert.id,
        rule: alert.rule.as_str(),
        severity: alert.severity.as_str(),
        gun: alert.gun.as_ref().map(ToString::to_string),
        session: alert.session.map(|session| session.to_string()),
        state: &alert.state,
        opened_at: rfc3339(alert.opened_at),
        changed_at: rfc3339(alert.changed_at),
        shot_count: alert.shot_count,
        text: &alert.text,
    })
}

fn event_name(event: &SessionEvent) -> &'static str {
    match event {
        SessionEvent::Opened(_) => "session opened",
        SessionEvent::SegmentOpened(_) => "segment opened",
        SessionEvent::Paused { .. } => "session paused",
        SessionEvent::Resumed { .. } => "session resumed",
        SessionEvent::Ended(_) => "session ended",
        SessionEvent::Stated(statement) => said::name(&statement.said),
    }
}

fn event_details(event: &SessionEvent) -> Details {
    match event {
        SessionEvent::Opened(opened) => opened_details(opened),
        SessionEvent::SegmentOpened(segment) => segment_details(segment),
        SessionEvent::Ended(ended) => ended_details(ended),
        SessionEvent::Stated(statement) => said::details(statement),
        SessionEvent::Paused { .. } | SessionEvent::Resumed { .. } => Details::new(),
    }
}

fn opened_details(opened: &SessionOpened) -> Details {
    let checklist = &opened.checklist;
    Details::from([
        ("clinic", opened.clinic.to_string()),
        ("room", opened.room.to_string()),
        ("time_zone", opened.time_zone.clone()),
        ("utc_offset_s", opened.utc_offset_s.to_string()),
        ("patient_commitment", opened.patient.to_string()),
        (
            "screening_digest",
            opened
                .screening_digest
                .map_or_else(String::new, hex::encode),
        ),
        ("protocol", opened.protocol.to_string()),
        ("library", opened.library.to_string()),
        ("operator", opened.operator.to_string()),
        ("screening", check_item(&checklist.screening)),
        ("consent", check_item(&checklist.consent)),
        ("asepsis", check_item(&checklist.asepsis)),
        ("emergency_kit", check_item(&checklist.emergency_kit)),
        ("demo", opened.demo.to_string()),
    ])
}

fn check_item(item: &CheckItem) -> String {
    match item {
        CheckItem::Done(None) => "done".to_owned(),
        CheckItem::Done(Some(reference)) => format!("done: {reference}"),
        CheckItem::Skipped(reason) => format!("skipped: {reason}"),
    }
}

fn segment_details(segment: &SegmentOpened) -> Details {
    let component =
        |c: &meso_domain::Component| format!("{} {} (lot {})", c.name, c.concentration, c.lot);
    let components: Vec<String> = segment.syringe.components.iter().map(component).collect();
    Details::from([
        ("segment", segment.segment.to_string()),
        (
            "delivery",
            match &segment.delivery {
                Delivery::Gun(gun) => gun.to_string(),
                Delivery::ManualSyringe => "manual syringe".to_owned(),
            },
        ),
        ("zone", segment.zone.clone()),
        ("technique", segment.technique.to_string()),
        ("protocol", segment.protocol.to_string()),
        ("library", segment.library.to_string()),
        (
            "course_phase",
            segment
                .course_phase
                .map_or_else(String::new, |p| p.to_string()),
        ),
        ("components", components.join("; ")),
        ("ready_made", segment.syringe.ready_made.to_string()),
        ("prepared_by", segment.syringe.prepared_by.to_string()),
        ("loaded_ml", decimal(segment.syringe.loaded.get(), 6)),
        (
            "dead_volume_ml",
            decimal(segment.syringe.dead_volume.get(), 6),
        ),
        (
            "needle_length_mm",
            decimal(segment.needle.length.get().into(), 3),
        ),
        ("needle_gauge", segment.needle.gauge.to_string()),
        ("needle_count", segment.needle.count.to_string()),
        ("needle_lot", segment.needle.lot.clone()),
        ("operator", segment.operator.to_string()),
        ("reason", segment.reason.clone()),
    ])
}

fn ended_details(ended: &SessionEnded) -> Details {
    let positions: Vec<String> = ended
        .last_counters
        .iter()
        .map(|at| {
            let away = if at.is_away { " (away)" } else { "" };
            format!("{} {} {}{away}", at.gun, hex64(at.epoch.get()), at.counter)
        })
        .collect();
    Details::from([
        ("outcome", ended.outcome.to_string()),
        ("last_counters", positions.join("; ")),
    ])
}

fn amendment_details(amendment: &Amendment) -> Details {
    Details::from([
        ("original", amendment.original.to_string()),
        ("by", amendment.by.to_string()),
        ("reason", amendment.reason.clone()),
        ("field", amendment.field.clone()),
        ("old_value", amendment.old_value.clone()),
        ("new_value", amendment.new_value.clone()),
    ])
}

fn custody_details(custody: &Custody) -> Details {
    Details::from([
        ("gun", custody.gun.to_string()),
        ("epoch", hex64(custody.epoch.get())),
        ("first", custody.first.to_string()),
        ("newest", custody.newest.to_string()),
    ])
}

fn interlock_details(event: &InterlockEvent) -> Details {
    let by = event.by.as_ref();
    Details::from([
        ("gun", event.gun.to_string()),
        ("change", event.change.to_string()),
        ("by", by.map_or_else(String::new, ToString::to_string)),
        ("reason", event.reason.clone()),
    ])
}

fn merged_details(merged: &PatientMerged) -> Details {
    Details::from([
        ("from", merged.from.to_string()),
        ("into", merged.into.to_string()),
    ])
}

fn gap_details(gap: &Gap) -> Details {
    Details::from([
        ("gun", gap.gun.to_string()),
        ("epoch", hex64(gap.epoch.get())),
        ("first", gap.first.to_string()),
        (
            "last",
            gap.last
                .map_or_else(|| "unknown".to_owned(), |last| last.to_string()),
        ),
        (
            "shot_count",
            gap.shot_count()
                .map_or_else(|| "unknown".to_owned(), |n| n.to_string()),
        ),
        ("state", gap.state.to_string()),
        ("reason", gap.reason.to_string()),
    ])
}
