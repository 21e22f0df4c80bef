//! What was said of sessions that something may still be said of, for the room's page.

use meso_contract::room::{
    RoomCorrectionBody, RoomEntryBody, RoomFieldBody, RoomHistoryBody, RoomHistorySessionBody,
};
use meso_domain::canonical::Canonical as _;
use meso_domain::{
    CourseSource, MaterialFacts, Said, SegmentOpened, SessionEvent, Statement, with_corrections,
};
use meso_sessions::RecentSession;
use meso_units::OperatorId;

use super::{Engine, segment_body};

impl Engine {
    /// The sessions that something may still be said of, with what was said.
    pub(crate) fn history(&self) -> RoomHistoryBody {
        let sessions = self.sessions.recent();
        let sessions = sessions.take(RoomHistoryBody::SESSION_COUNT_MAX);
        RoomHistoryBody {
            sessions: sessions.map(|it| self.history_of(it)).collect(),
        }
    }

    fn history_of(&self, recent: RecentSession<'_>) -> RoomHistorySessionBody {
        let opened = recent.opened;
        let library = self.judge.library();
        let protocol = library.and_then(|library| library.protocol(&opened.protocol));
        let segments = recent.segments.iter().cloned();
        let statements = recent.statements.iter().cloned();
        let mut events: Vec<SessionEvent> = vec![SessionEvent::Opened(opened.clone())];
        events.extend(segments.map(SessionEvent::SegmentOpened));
        events.extend(statements.map(|one| SessionEvent::Stated(Box::new(one))));
        events.extend(recent.ended.cloned().map(SessionEvent::Ended));
        events.sort_by_key(SessionEvent::at);
        let surplus = events.len();
        let surplus = surplus.saturating_sub(RoomHistorySessionBody::ENTRY_COUNT_MAX);
        let entries = events.iter().skip(surplus).map(|it| entry(it, &events));
        RoomHistorySessionBody {
            session: opened.session.to_string(),
            title: protocol.map_or_else(|| opened.protocol.to_string(), |it| it.title.clone()),
            operator: opened.operator.to_string(),
            opened_at_ms: opened.at.unix_ms(),
            outcome: recent.ended.map(|ended| ended.outcome.to_string()),
            segments: recent.segments.iter().map(segment_body).collect(),
            entries: entries.collect(),
        }
    }
}

fn entry(event: &SessionEvent, of_session: &[SessionEvent]) -> RoomEntryBody {
    let record = event.record_hash();
    let (what, text) = words(event);
    RoomEntryBody {
        record: record.to_string(),
        at_ms: event.at().unix_ms(),
        by: by(event).map(ToString::to_string),
        what: what.to_owned(),
        text,
        fields: fields_of(event, &with_corrections(event, record, of_session.iter())),
        correction: correction(event),
    }
}

fn correction(event: &SessionEvent) -> Option<RoomCorrectionBody> {
    let SessionEvent::Stated(statement) = event else {
        return None;
    };
    let Said::Amended(amendment) = &statement.said else {
        return None;
    };
    Some(RoomCorrectionBody {
        field: amendment.field.clone(),
        old_value: amendment.old_value.clone(),
        new_value: amendment.new_value.clone(),
        reason: amendment.reason.clone(),
    })
}

/// The fields with the values that hold now, and beside them what was said first.
fn fields_of(original: &SessionEvent, corrected: &SessionEvent) -> Vec<RoomFieldBody> {
    let (first, now) = (fields(original), fields(corrected));
    let both = first
        .into_iter()
        .zip(now)
        .map(|(first, now)| RoomFieldBody {
            original: (first.value != now.value).then_some(first.value),
            ..now
        });
    both.collect()
}

const fn by(event: &SessionEvent) -> Option<&OperatorId> {
    match event {
        SessionEvent::Opened(opened) => Some(&opened.operator),
        SessionEvent::SegmentOpened(segment) => Some(&segment.operator),
        SessionEvent::Stated(statement) => statement.by.as_ref(),
        SessionEvent::Paused { .. } | SessionEvent::Resumed { .. } | SessionEvent::Ended(_) => None,
    }
}

/// The fields that can be corrected, by the names that [`meso_domain::correct`] takes.
fn fields(event: &SessionEvent) -> Vec<RoomFieldBody> {
    match event {
        SessionEvent::SegmentOpened(segment) => of_segment(segment),
        SessionEvent::Stated(statement) => match &statement.said {
            Said::Manual(entry) => vec![
                field("points", entry.points),
                field("volume_nl", entry.volume.get()),
            ],
            Said::Material(material) => of_material(material),
            Said::Details(details) => vec![
                field("consent", shown(details.consent.as_ref())),
                field("guardian_consent", shown(details.guardian_consent.as_ref())),
                field("assessment", shown(details.assessment.as_ref())),
            ],
            // What the room counted by itself is said anew by a person, who is believed from then on:
            // it would replace a mere correction with the next news of the patient.
            Said::Course(course) if course.source == CourseSource::Typed => vec![
                field("sessions_before", course.sessions_before),
                field("volume_before_nl", course.volume_before.get()),
            ],
            Said::AdverseEvent(event) => vec![
                field("action", &event.action),
                field("follow_up", &event.follow_up),
            ],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn of_segment(segment: &SegmentOpened) -> Vec<RoomFieldBody> {
    let syringe = &segment.syringe;
    let lots = syringe.components.iter().enumerate();
    let lots = lots.map(|(at, component)| field(&format!("lot_{}", at + 1), &component.lot));
    lots.chain([
        field("needle_lot", &segment.needle.lot),
        field("loaded_nl", syringe.loaded.get()),
        field("dead_volume_nl", syringe.dead_volume.get()),
    ])
    .collect()
}

fn of_material(material: &MaterialFacts) -> Vec<RoomFieldBody> {
    let residual_nl = material.residual.map(|residual| residual.get());
    vec![
        field("residual_nl", shown(residual_nl)),
        field("needle_shots_before", shown(material.needle_shots_before)),
        field("needle_angle_degrees", shown(material.needle_angle_degrees)),
        field("consumables_are_new", shown(material.consumables_are_new)),
    ]
}

fn field(name: &str, value: impl ToString) -> RoomFieldBody {
    RoomFieldBody {
        field: name.to_owned(),
        value: value.to_string(),
        original: None,
    }
}

/// Empty for what is not known.
fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn words(event: &SessionEvent) -> (&'static str, String) {
    match event {
        SessionEvent::Opened(opened) => ("session begun", opened.protocol.to_string()),
        SessionEvent::SegmentOpened(segment) => {
            let place = format!("{}, {}", segment.zone, segment.technique);
            ("segment begun", place)
        }
        SessionEvent::Paused { .. } => ("paused", String::new()),
        SessionEvent::Resumed { .. } => ("went on", String::new()),
        SessionEvent::Ended(ended) => ("session ended", ended.outcome.to_string()),
        SessionEvent::Stated(statement) => said(statement),
    }
}

/// Age and weight are not repeated: whoever corrects them says them anew.
fn said(statement: &Statement) -> (&'static str, String) {
    match &statement.said {
        Said::Screening(screening) => {
            let decision = screening.decision.as_ref();
            let decided = decision.map(|it| format!("{}, decided by {}", it.outcome, it.by));
            ("questionnaire", decided.unwrap_or_default())
        }
        Said::Patient(_) => ("age and weight", String::new()),
        Said::Course(course) => {
            let before = format!("{} sessions before", course.sessions_before);
            ("course so far", before)
        }
        Said::Details(_) => ("papers and other treatments", String::new()),
        Said::Material(_) => ("material", String::new()),
        Said::Manual(entry) => ("points by hand", format!("entry {}", entry.number)),
        Said::PauseReason(reason) => ("reason of the pause", reason.clone()),
        Said::Override(limit) => {
            let text = format!("{}: {}, {}", limit.finding.rule, limit.code, limit.text);
            ("went on beyond a soft limit", text)
        }
        Said::SamePatientAsked(cause) => ("asked: same patient?", cause.to_string()),
        Said::SamePatientAnswered(is_same) => {
            let answer = if *is_same { "yes" } else { "no" };
            ("answered: same patient?", answer.to_owned())
        }
        Said::AdverseEvent(event) => {
            let text = format!(
                "{}, put down to the {}: {}",
                event.code, event.cause, event.action
            );
            ("adverse event", text)
        }
        Said::Addendum(text) => ("addendum", text.clone()),
        Said::Amended(amendment) => {
            let (before, after) = (&amendment.old_value, &amendment.new_value);
            let text = format!(
                "{}: {before} is now {after}, {}",
                amendment.field, amendment.reason
            );
            ("correction", text)
        }
        Said::Claim(claim) => {
            let text = format!(
                "{}, shots {} to {}: {}",
                claim.gun, claim.first, claim.last, claim.reason
            );
            ("claim of shots", text)
        }
    }
}
