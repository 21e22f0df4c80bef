//! What was said of sessions that something may still be said of, for the room's page.

use meso_contract::room::{RoomEntryBody, RoomFieldBody, RoomHistoryBody, RoomHistorySessionBody};
use meso_domain::canonical::Canonical as _;
use meso_domain::{Said, SessionEvent, Statement, with_corrections};
use meso_sessions::RecentSession;
use meso_units::OperatorId;

use super::Engine;

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
        fields: fields(&with_corrections(event, record, of_session.iter())),
    }
}

const fn by(event: &SessionEvent) -> Option<&OperatorId> {
    match event {
        SessionEvent::Opened(opened) => Some(&opened.operator),
        SessionEvent::SegmentOpened(segment) => Some(&segment.operator),
        SessionEvent::Stated(statement) => statement.by.as_ref(),
        SessionEvent::Paused { .. } | SessionEvent::Resumed { .. } | SessionEvent::Ended(_) => None,
    }
}

/// Fields that the page offers to correct, by the names that [`meso_domain::correct`] takes; that one
/// takes more, of papers, material, the course and adverse events.
fn fields(event: &SessionEvent) -> Vec<RoomFieldBody> {
    let field = |field: &str, value: String| RoomFieldBody {
        field: field.to_owned(),
        value,
    };
    match event {
        SessionEvent::SegmentOpened(segment) => {
            let syringe = &segment.syringe;
            vec![
                field("needle_lot", segment.needle.lot.clone()),
                field("loaded_nl", syringe.loaded.get().to_string()),
                field("dead_volume_nl", syringe.dead_volume.get().to_string()),
            ]
        }
        SessionEvent::Stated(statement) => match &statement.said {
            Said::Manual(entry) => vec![
                field("points", entry.points.to_string()),
                field("volume_nl", entry.volume.get().to_string()),
            ],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
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
