//! Files with one record on each line, held against the hashes of the log.
//!
//! The log says which records must be there. A line whose record has one of those hashes must also
//! be written exactly as we would write it. Any other line is given to the record that it claims
//! to be, or to the one whose turn it is, and named as altered; what is then left over on either
//! side was added or deleted.

use std::borrow::Cow;
use std::collections::HashMap;

use meso_domain::{Record, ShotIdentity, Stream};

use super::evidence::{Evidence, Slot};
use super::finding::{FINDINGS_PER_KIND_MAX, Finding, FindingKind, Findings};
use super::format::{Format, field, first_difference};
use crate::bundle::{SHOT_COUNT_MAX, name};
use crate::columns::{RowError, csv_header, hex64};

/// The most lines of a file that are looked at: every shot of the largest report, and as many
/// again that were added. Further lines are counted as one finding.
const LINE_COUNT_MAX: usize = 2 * SHOT_COUNT_MAX;

/// One file of rows.
pub(super) struct RowFile<'a> {
    pub(super) name: &'static str,
    format: Format,
    content: &'a [u8],
    /// Lines that hold rows, with their numbers from 1.
    rows: Vec<(u64, &'a [u8])>,
    more_lines: bool,
}

/// Which line holds which record.
pub(super) struct Matched {
    /// By slot: the line, if one was given to it, and whether it was good.
    lines: Vec<Option<(u64, bool)>>,
    /// Lines that were given to a slot and are not what the log says.
    bad: Vec<(usize, u64)>,
    /// Lines that belong to no slot; the caller decides.
    pub(super) strangers: Vec<u64>,
    /// The records of the good lines that a later check needs.
    pub(super) records: Vec<Record>,
}

impl Matched {
    /// How many records stand in the file as the log has them.
    pub(super) fn good_count(&self) -> u64 {
        self.lines
            .iter()
            .filter(|line| matches!(line, Some((_, true))))
            .count() as u64
    }
}

impl<'a> RowFile<'a> {
    pub(super) fn new(name: &'static str, format: Format, content: &'a [u8]) -> RowFile<'a> {
        let is_json = format != Format::CsvShots;
        let mut lines = content
            .split(|byte| *byte == b'\n')
            .enumerate()
            .skip(1)
            .filter(|(_, line)| !(line.is_empty() || is_json && *line == b"]"))
            .map(|(at, line)| {
                let row = if is_json {
                    line.strip_suffix(b",").unwrap_or(line)
                } else {
                    line
                };
                (at as u64 + 1, row)
            });
        let rows = lines.by_ref().take(LINE_COUNT_MAX).collect();
        let more_lines = lines.next().is_some();
        RowFile {
            name,
            format,
            content,
            rows,
            more_lines,
        }
    }

    /// Who a line says it is, if it is a shot and says so.
    pub(super) fn identity_of(&self, number: u64) -> Option<ShotIdentity> {
        match self.format.read(&self.line(number)) {
            Ok(Record::Shot(shot)) => Some(shot.identity),
            _ => None,
        }
    }

    /// The text of a line by its number.
    pub(super) fn line(&self, number: u64) -> Cow<'a, str> {
        let at = self.rows.binary_search_by_key(&number, |(at, _)| *at);
        at.map_or(Cow::Borrowed(""), |at| {
            String::from_utf8_lossy(self.rows[at].1)
        })
    }

    fn check_frame(&self, findings: &mut Findings) {
        let first = match self.format {
            Format::CsvShots => csv_header(),
            Format::JsonShots | Format::Events => "[".to_owned(),
        };
        let last: &[u8] = if self.format == Format::CsvShots {
            b"\n"
        } else {
            b"\n]\n"
        };
        let begins = self.content.strip_prefix(first.as_bytes());
        if !begins.is_some_and(|rest| rest.starts_with(b"\n") && rest.ends_with(last)) {
            let detail = "its first or last line is not as it should be".to_owned();
            findings.push(
                Finding::new(FindingKind::Unreadable, detail)
                    .in_file(self.name)
                    .at_line(1),
            );
        }
        if self.more_lines {
            let detail = format!("it has more than {LINE_COUNT_MAX} lines; the rest is not read");
            findings.push(Finding::new(FindingKind::Added, detail).in_file(self.name));
        }
    }

    /// Holds every line against the slots. Strangers are not yet findings.
    pub(super) fn check(
        &self,
        slots: &[Slot],
        evidence: &Evidence,
        keep_records: bool,
        findings: &mut Findings,
    ) -> Matched {
        self.check_frame(findings);
        let by_hash: HashMap<_, usize> = slots
            .iter()
            .enumerate()
            .map(|(at, slot)| (slot.hash, at))
            .collect();
        let mut matched = Matched {
            lines: vec![None; slots.len()],
            bad: Vec::new(),
            strangers: Vec::new(),
            records: Vec::new(),
        };
        let mut pending = Vec::new();
        let mut turn = 0;
        for (rank, &(number, bytes)) in self.rows.iter().enumerate() {
            let text = String::from_utf8_lossy(bytes);
            let record = self.format.read(&text);
            let known = record
                .as_ref()
                .ok()
                .and_then(|record| by_hash.get(&record.hash()));
            let free = known.filter(|at| matched.lines[**at].is_none());
            let (Ok(record), Some(&at)) = (&record, free) else {
                pending.push(Pending {
                    number,
                    rank,
                    error: record.err(),
                });
                continue;
            };
            if at < turn {
                let detail = "it stands after a row that comes later".to_owned();
                findings.push(self.finding(FindingKind::Reordered, &slots[at], number, detail));
            }
            turn = turn.max(at + 1);
            let good = self.format.write(record, &slots[at], evidence).as_deref() == Some(&*text);
            self.check_claim(record, &slots[at], findings);
            matched.lines[at] = Some((number, good));
            if !good {
                matched.bad.push((at, number));
            }
            if keep_records {
                matched.records.push(record.clone());
            }
        }
        self.place_pending(pending, slots, evidence, &mut matched, findings);
        matched
    }

    /// `proofs.json` says the counter of each shot, and completeness rests on it.
    fn check_claim(&self, record: &Record, slot: &Slot, findings: &mut Findings) {
        if let Record::Shot(shot) = record
            && slot.shot.as_ref() != Some(&shot.identity)
        {
            let detail = format!("the counter given for it is not that of {}", shot.identity);
            let finding = Finding::new(FindingKind::Altered, detail).in_file(name::PROOFS);
            findings.push(finding.of_shot(slot.shot.clone()));
        }
    }

    /// Gives every line that is no record of the log to the slot that it stands for.
    fn place_pending(
        &self,
        pending: Vec<Pending>,
        slots: &[Slot],
        evidence: &Evidence,
        matched: &mut Matched,
        findings: &mut Findings,
    ) {
        if pending.is_empty() {
            return;
        }
        let claims = Claims::new(slots, evidence);
        for row in pending {
            let fields = self.format.fields(&self.line(row.number));
            let turn = Some(row.rank).filter(|_| self.rows.len() == slots.len());
            let at = [claims.by_place(&fields), claims.by_identity(&fields), turn]
                .into_iter()
                .flatten()
                .find(|at| matched.lines[*at].is_none());
            let Some(at) = at else {
                matched.strangers.push(row.number);
                continue;
            };
            matched.lines[at] = Some((row.number, false));
            match row.error {
                None => matched.bad.push((at, row.number)),
                Some(error) => findings.push(
                    self.finding(
                        FindingKind::Unreadable,
                        &slots[at],
                        row.number,
                        error.detail,
                    )
                    .of_field(error.field.map(str::to_owned)),
                ),
            }
        }
    }

    /// Names every line that is not what the log says; `other` is the same records in another
    /// file, which tells the field.
    pub(super) fn report(
        &self,
        matched: &Matched,
        slots: &[Slot],
        evidence: &Evidence,
        other: Option<(&RowFile<'_>, &Matched)>,
        findings: &mut Findings,
    ) {
        for &(at, number) in matched.bad.iter().take(FINDINGS_PER_KIND_MAX) {
            let (field, detail) = self.difference(at, number, slots, evidence, other);
            findings.push(
                self.finding(FindingKind::Altered, &slots[at], number, detail)
                    .of_field(field),
            );
        }
        for &(at, number) in matched.bad.iter().skip(FINDINGS_PER_KIND_MAX) {
            findings.push(self.finding(FindingKind::Altered, &slots[at], number, String::new()));
        }
        for (slot, _) in slots
            .iter()
            .zip(&matched.lines)
            .filter(|(_, line)| line.is_none())
        {
            let place = evidence.place(slot);
            let detail = format!(
                "record {} of {} is not in the file",
                slot.index(),
                place.header.place
            );
            let finding = Finding::new(FindingKind::Deleted, detail).in_file(self.name);
            findings.push(finding.of_shot(slot.shot.clone()));
        }
    }

    fn difference(
        &self,
        at: usize,
        number: u64,
        slots: &[Slot],
        evidence: &Evidence,
        other: Option<(&RowFile<'_>, &Matched)>,
    ) -> (Option<String>, String) {
        let line = self.line(number);
        let mine = self.format.fields(&line);
        // Where the sealed fields are right, our own writing of them is the truth.
        if let Ok(record) = self.format.read(&line)
            && record.hash() == slots[at].hash
            && let Some(right) = self.format.write(&record, &slots[at], evidence)
        {
            return match first_difference(&mine, &self.format.fields(&right)) {
                Some((field, is, should)) => (
                    Some(field),
                    format!("it says {is:?}, the log gives {should:?}"),
                ),
                None => (
                    None,
                    "the line is not written as the format says".to_owned(),
                ),
            };
        }
        if let Some((file, theirs)) = other
            && let Some((line, true)) = theirs.lines[at]
            && let Some((field, is, should)) =
                first_difference(&mine, &file.format.fields(&file.line(line)))
        {
            let name = file.name;
            let detail = format!("it says {is:?}, {name} line {line} says {should:?} as logged");
            return (Some(field), detail);
        }
        let place = evidence.place(&slots[at]);
        let (index, place) = (place.index, &place.header.place);
        (
            None,
            format!("it is not record {index} of {place} as the log has it"),
        )
    }

    fn finding(&self, kind: FindingKind, slot: &Slot, line: u64, detail: String) -> Finding {
        Finding::new(kind, detail)
            .in_file(self.name)
            .at_line(line)
            .of_shot(slot.shot.clone())
    }
}

struct Pending {
    number: u64,
    /// How many rows stand before it.
    rank: usize,
    error: Option<RowError>,
}

/// Slots by what a row says of itself.
struct Claims {
    places: HashMap<[String; 5], usize>,
    identities: HashMap<[String; 3], usize>,
}

impl Claims {
    fn new(slots: &[Slot], evidence: &Evidence) -> Claims {
        let mut claims = Claims {
            places: HashMap::new(),
            identities: HashMap::new(),
        };
        for (at, slot) in slots.iter().enumerate() {
            let place = evidence.place(slot);
            let block = &place.header.place;
            let stream = match &block.stream {
                Stream::Gun(gun) => gun.to_string(),
                Stream::Room => block.stream.to_string(),
            };
            let key = [
                block.driver.to_string(),
                hex64(block.incarnation.get()),
                stream,
                block.number.to_string(),
                place.index.to_string(),
            ];
            claims.places.insert(key, at);
            if let Some(shot) = &slot.shot {
                let key = [
                    shot.gun.to_string(),
                    hex64(shot.epoch.get()),
                    shot.counter.to_string(),
                ];
                claims.identities.insert(key, at);
            }
        }
        claims
    }

    fn by_place(&self, fields: &[(String, String)]) -> Option<usize> {
        let stream = field(fields, "stream").or_else(|| field(fields, "gun"))?;
        let key = [
            field(fields, "driver")?.to_owned(),
            field(fields, "incarnation")?.to_owned(),
            stream.to_owned(),
            field(fields, "block")?.to_owned(),
            field(fields, "index")?.to_owned(),
        ];
        self.places.get(&key).copied()
    }

    fn by_identity(&self, fields: &[(String, String)]) -> Option<usize> {
        let part = |name| field(fields, name).map(str::to_owned);
        self.identities
            .get(&[part("gun")?, part("epoch")?, part("counter")?])
            .copied()
    }
}
