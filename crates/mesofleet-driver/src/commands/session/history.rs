//! What was said of sessions, as text.

use std::process::ExitCode;

use jiff::Timestamp;
use meso_contract::room::{RoomEntryBody, RoomHistoryBody, RoomHistorySessionBody};

use super::{Asker, StateArguments};
use crate::commands::{Failure, print};

/// Shows what was said, with the records' hashes for corrections.
pub(super) fn history(arguments: &StateArguments) -> Result<ExitCode, Failure> {
    let asker = Asker::of(&arguments.folder)?;
    let history: RoomHistoryBody = asker.get("/api/v1/history")?;
    print(arguments.json, &history, || text(&history))
}

fn text(history: &RoomHistoryBody) -> String {
    if history.sessions.is_empty() {
        return "no session since the journal's oldest".to_owned();
    }
    let lines = history.sessions.iter().flat_map(session_lines);
    lines.collect::<Vec<_>>().join("\n")
}

fn session_lines(session: &RoomHistorySessionBody) -> Vec<String> {
    let outcome = session.outcome.as_deref().unwrap_or("open");
    let head = format!(
        "session {}: {}, by {}, {outcome}",
        session.session, session.title, session.operator
    );
    let entries = session.entries.iter().map(entry_line);
    std::iter::once(head).chain(entries).collect()
}

fn entry_line(entry: &RoomEntryBody) -> String {
    let at = Timestamp::from_millisecond(entry.at_ms);
    let at = at.map_or_else(|_| entry.at_ms.to_string(), |at| at.to_string());
    let by = entry.by.as_ref();
    let by = by.map_or_else(String::new, |by| format!(", {by}"));
    let text = match entry.text.is_empty() {
        true => String::new(),
        false => format!(": {}", entry.text),
    };
    let fields = entry.fields.iter();
    let fields = fields.map(|field| {
        let was = field.original.as_ref();
        let was = was.map_or_else(String::new, |was| format!(" (first said: {was})"));
        format!(" {}={}{was}", field.field, field.value)
    });
    let fields: String = fields.collect();
    format!("  {at} {}{by}{text}{fields} [{}]", entry.what, entry.record)
}
