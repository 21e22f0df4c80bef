//! A walk over the parsed text that notes every problem with its line and goes on.
//!
//! Each key is asked for by name; what was never asked for is an unknown key. A deserialiser would
//! stop at the first problem, and a clinician who corrects a file wants to see them all.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Problem;

/// The longest title, zone or source, in bytes; a longer one is a problem.
pub(crate) const TEXT_LENGTH_MAX: usize = 1_024;
/// The most problems that are listed; a text with more has been understood wrongly as a whole.
const PROBLEM_COUNT_MAX: usize = 100;
/// How much of a value a problem repeats, in characters.
const SHOWN_MAX: usize = 64;

pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The problems found so far.
pub(super) struct Notes<'t> {
    text: &'t str,
    list: RefCell<Vec<Problem>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(text: &'t str) -> Notes<'t> {
        Notes {
            text,
            list: RefCell::default(),
        }
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|problem| problem.line);
        list
    }

    pub(super) fn add(&self, at: Option<usize>, key: &str, found: &str, allowed: &str) {
        let mut list = self.list.borrow_mut();
        if list.len() < PROBLEM_COUNT_MAX {
            list.push(Problem {
                line: at.map(|at| self.line_of(at)),
                key: key.trim_end_matches(['.', ' ']).to_owned(),
                found: shorten(found),
                allowed: allowed.to_owned(),
            });
        }
    }

    fn line_of(&self, at: usize) -> u32 {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// One table, the path to it, and what was asked of it.
pub(super) struct Section<'n> {
    pub(super) notes: &'n Notes<'n>,
    /// With its separator, so that a key can follow.
    pub(super) path: String,
    /// Where the table stands in the text.
    pub(super) at: usize,
    table: &'n DeTable<'n>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'n> Section<'n> {
    pub(super) const fn new(
        notes: &'n Notes<'n>,
        path: String,
        at: usize,
        table: &'n DeTable<'n>,
    ) -> Section<'n> {
        Section {
            notes,
            path,
            at,
            table,
            asked: RefCell::new(Vec::new()),
        }
    }

    /// Begins a section in the value of a key; a problem where that is no table.
    pub(super) fn of(
        notes: &'n Notes<'n>,
        path: &str,
        value: &'n Value<'n>,
        separator: &str,
    ) -> Option<Section<'n>> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Table(table) => {
                let path = format!("{path}{separator}");
                Some(Section::new(notes, path, at, table))
            }
            other => {
                notes.add(Some(at), path, &shown(other), "a table");
                None
            }
        }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'n Value<'n>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.get(key)
    }

    /// Notes a problem of one key of this table.
    pub(super) fn wrong(&self, key: &str, allowed: &str) {
        let path = format!("{}{key}", self.path);
        match self.table.get(key) {
            None => self.notes.add(Some(self.at), &path, "nothing", allowed),
            Some(value) => {
                let at = Some(value.span().start);
                self.notes.add(at, &path, &shown(value.get_ref()), allowed);
            }
        }
    }

    /// Notes a problem of this table as a whole.
    pub(super) fn wrong_here(&self, found: &str, allowed: &str) {
        self.notes.add(Some(self.at), &self.path, found, allowed);
    }

    /// Names every key that nobody asked for.
    pub(super) fn note_unknown_keys(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if !asked.contains(&name) {
                let path = format!("{}{}", self.path, shorten(name));
                let at = Some(key.span().start);
                self.notes
                    .add(at, &path, "an unknown key", &asked.join(", "));
            }
        }
    }

    /// Text that may be absent.
    pub(super) fn optional_text(&self, key: &'static str) -> Option<String> {
        self.get(key)?;
        self.text(key)
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let text = self.get(key).and_then(|value| as_text(value.get_ref()));
        if text.is_none() {
            self.wrong(key, "text of 1 to 1024 bytes");
        }
        text.map(str::to_owned)
    }

    /// A word of a fixed list that may be absent.
    pub(super) fn optional_word<T: Copy>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let value = self.get(key)?;
        let found =
            as_text(value.get_ref()).and_then(|text| words.iter().find(|(word, _)| *word == text));
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(key, &all.join(", "));
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn whole(&self, key: &'static str, allowed: &str) -> Option<i64> {
        let number = self.get(key).and_then(|value| as_whole(value.get_ref()));
        if number.is_none() {
            self.wrong(key, allowed);
        }
        number
    }

    pub(super) fn truth(&self, key: &'static str) -> Option<bool> {
        match self.get(key).map(Spanned::get_ref) {
            Some(DeValue::Boolean(truth)) => Some(*truth),
            _ => {
                self.wrong(key, "true or false");
                None
            }
        }
    }

    /// A list of texts that may be absent.
    pub(super) fn optional_texts(&self, key: &'static str, count_max: usize) -> Vec<String> {
        match self.get(key) {
            None => Vec::new(),
            Some(_) => self.texts(key, count_max).unwrap_or_default(),
        }
    }

    pub(super) fn texts(&self, key: &'static str, count_max: usize) -> Option<Vec<String>> {
        let list = match self.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(list)) => Some(list),
            _ => None,
        };
        let texts: Option<Vec<String>> = list.and_then(|list| {
            let items = list.iter();
            items
                .map(|item| as_text(item.get_ref()).map(str::to_owned))
                .collect()
        });
        let texts = texts.filter(|texts| (1..=count_max).contains(&texts.len()));
        if texts.is_none() {
            self.wrong(key, &format!("a list of 1 to {count_max} texts"));
        }
        texts
    }

    /// The tables of a list that may be absent, each with its path.
    pub(super) fn sections(&self, key: &'static str, count_max: usize) -> Vec<Section<'n>> {
        let list = match self.get(key).map(Spanned::get_ref) {
            None => return Vec::new(),
            Some(DeValue::Array(list)) if list.len() <= count_max => list,
            Some(_) => {
                self.wrong(key, &format!("at most {count_max} [[{key}]] tables"));
                return Vec::new();
            }
        };
        let sections = list.iter().enumerate().filter_map(|(index, value)| {
            let path = format!("{}{key}[{index}]", self.path);
            let mut section = Section::of(self.notes, &path, value, ".")?;
            let name = ["id", "name"]
                .iter()
                .find_map(|id| section.table.get(*id))
                .and_then(|id| as_text(id.get_ref()));
            if let Some(name) = name {
                section.path = format!("{path} ({}) ", shorten(name));
            }
            Some(section)
        });
        sections.collect()
    }

    /// A table that may be absent.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'n>> {
        let value = self.get(key)?;
        Section::of(self.notes, &format!("{}{key}", self.path), value, ".")
    }

    /// Every key of this table with its value, all counted as asked for by the caller.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'n str, &'n Value<'n>)> {
        self.table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), value))
    }
}

pub(super) fn as_text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    match value {
        DeValue::String(text) => Some(text.as_ref()).filter(|text| is_good_text(text)),
        _ => None,
    }
}

pub(super) fn as_whole(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

fn is_good_text(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= TEXT_LENGTH_MAX
}

/// A value as a problem repeats it.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(array) if array.is_empty() => "[]".to_owned(),
        DeValue::Array(array) => format!("a list of {}", array.len()),
        DeValue::Table(table) => format!("a table of {}", table.len()),
    }
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}
