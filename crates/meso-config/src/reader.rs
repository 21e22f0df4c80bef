//! A walk over the parsed text that notes every problem and goes on.
//!
//! Each key is asked for by name; what was never asked for is an unknown key. A key that has a
//! problem reads as `None`, and the caller builds its value only when no problem was noted.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, Problems};
use crate::{FORMAT_VERSION, TEXT_BYTES_MAX};

/// How much of a value a message repeats, in characters.
const VALUE_SHOWN_MAX: usize = 64;

type Value<'t> = Spanned<DeValue<'t>>;

/// Parses `text` and hands its root to `build`; gives the value or every problem.
pub(crate) fn read<T>(
    file_name: &str,
    text: &str,
    build: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<T, Problems> {
    if text.len() > TEXT_BYTES_MAX {
        let too_long = Problem::TooLong {
            bytes: text.len(),
            bytes_max: TEXT_BYTES_MAX,
        };
        return Err(Problems::new(file_name, vec![too_long]));
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let notes = Notes {
        text,
        list: RefCell::default(),
        broken: !errors.is_empty(),
    };
    for error in &errors {
        let line = error.span().map(|span| notes.line_of(&span));
        notes.add(Problem::NotToml {
            line,
            reason: error.message().replace('\n', ", "),
        });
    }
    let section = Section::new(&notes, String::new(), Some(root.get_ref()));
    let format = format!("{FORMAT_VERSION}, the version of this format");
    section.whole_where("version", &format, None, |version| {
        (version == FORMAT_VERSION).then_some(())
    });
    let value = build(&section);
    section.note_unknown_keys();
    let list = notes.into_list();
    match value {
        Some(value) if list.is_empty() => Ok(value),
        _ => Err(Problems::new(file_name, list)),
    }
}

/// The problems noted so far, and the text that they are about.
struct Notes<'t> {
    text: &'t str,
    list: RefCell<Vec<Problem>>,
    /// Some of the text could not be read, so a missing key may be a consequence.
    broken: bool,
}

impl Notes<'_> {
    fn add(&self, problem: Problem) {
        self.list.borrow_mut().push(problem);
    }

    fn line_of(&self, span: &Range<usize>) -> u32 {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The problems, without those that only follow from a place that is not TOML.
    fn into_list(self) -> Vec<Problem> {
        let mut list = self.list.into_inner();
        if self.broken {
            // The parser's own errors stand first: of each line the first one is kept.
            let mut bad_lines = Vec::new();
            list.retain(|problem| match (problem, problem.line()) {
                (Problem::Missing { .. }, _) => false,
                (Problem::NotToml { .. }, Some(line)) if !bad_lines.contains(&line) => {
                    bad_lines.push(line);
                    true
                }
                (_, line) => line.is_none_or(|line| !bad_lines.contains(&line)),
            });
        }
        list
    }
}

/// One table of the text, or the place where it would be.
pub(crate) struct Section<'n> {
    notes: &'n Notes<'n>,
    path: String,
    table: Option<&'n DeTable<'n>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'n> Section<'n> {
    fn new(notes: &'n Notes<'n>, path: String, table: Option<&'n DeTable<'n>>) -> Section<'n> {
        Section {
            notes,
            path,
            table,
            asked: RefCell::default(),
        }
    }

    /// Reads the sub-table `key` with `build`; an absent one reads as an empty one.
    pub(crate) fn section<T>(
        &self,
        key: &'static str,
        build: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Option<T> {
        let table = match self.get(key) {
            None => None,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => return self.wrong_type(key, value, &format!("a section [{key}]")),
            },
        };
        self.child(self.full_key(key), table, build)
    }

    /// Reads the list of tables `key`; the number of tables must be within `counts`.
    pub(crate) fn list<T>(
        &self,
        key: &'static str,
        counts: RangeInclusive<usize>,
        build: impl Fn(&Section<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let allowed = format!("{} to {} sections [[{key}]]", counts.start(), counts.end());
        let Some(value) = self.get(key) else {
            return self.missing(key, &allowed);
        };
        let DeValue::Array(array) = value.get_ref() else {
            return self.wrong_type(key, value, &allowed);
        };
        if !counts.contains(&array.len()) {
            let found = format!("{} sections", array.len());
            return self.not_allowed(key, value, found, &allowed);
        }
        let tables = array.iter().enumerate().map(|(index, item)| {
            let path = format!("{}[{index}]", self.full_key(key));
            match item.get_ref() {
                DeValue::Table(table) => self.child(path, Some(table), &build),
                _ => self.wrong_type(key, item, &allowed),
            }
        });
        // Every table is read, so that the problems of all are noted, before the first counts.
        tables.collect::<Vec<_>>().into_iter().collect()
    }

    /// Reads text that `parse` accepts; `default` stands in for an absent key, `None` demands it.
    pub(crate) fn text<T>(
        &self,
        key: &'static str,
        allowed: &str,
        default: Option<T>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.get(key) else {
            return default.or_else(|| self.missing(key, allowed));
        };
        let DeValue::String(text) = value.get_ref() else {
            return self.wrong_type(key, value, allowed);
        };
        parse(text).or_else(|| self.not_allowed(key, value, shown(value), allowed))
    }

    /// Reads a list of at most `count_max` texts that `parse` accepts; an absent key is an empty
    /// list.
    pub(crate) fn texts<T>(
        &self,
        key: &'static str,
        count_max: usize,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let allowed = format!("a list of at most {count_max}, each {allowed}");
        let Some(value) = self.get(key) else {
            return Some(Vec::new());
        };
        let DeValue::Array(array) = value.get_ref() else {
            return self.wrong_type(key, value, &allowed);
        };
        if array.len() > count_max {
            return self.not_allowed(key, value, shown(value), &allowed);
        }
        let items = array.iter().enumerate().map(|(index, item)| {
            let key = format!("{key}[{index}]");
            let DeValue::String(text) = item.get_ref() else {
                return self.wrong_type(&key, item, &allowed);
            };
            parse(text).or_else(|| self.not_allowed(&key, item, shown(item), &allowed))
        });
        // Every item is read, so that the problems of all are noted, before the first counts.
        items.collect::<Vec<_>>().into_iter().collect()
    }

    /// Reads a switch; `default` stands in for an absent key.
    pub(crate) fn switch(&self, key: &'static str, default: bool) -> Option<bool> {
        let Some(value) = self.get(key) else {
            return Some(default);
        };
        match value.get_ref() {
            DeValue::Boolean(is_on) => Some(*is_on),
            _ => self.wrong_type(key, value, "true or false"),
        }
    }

    /// Reads a whole number of `range`; `default` stands in for an absent key.
    pub(crate) fn whole(
        &self,
        key: &'static str,
        unit: &str,
        range: RangeInclusive<u16>,
        default: u16,
    ) -> Option<u16> {
        let allowed = format!(
            "a whole number{unit} from {} to {}",
            range.start(),
            range.end()
        );
        self.whole_where(key, &allowed, Some(default), |number| {
            u16::try_from(number)
                .ok()
                .filter(|number| range.contains(number))
        })
    }

    /// Reads a whole number that `check` accepts.
    fn whole_where<T>(
        &self,
        key: &'static str,
        allowed: &str,
        default: Option<T>,
        check: impl FnOnce(i64) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.get(key) else {
            return default.or_else(|| self.missing(key, allowed));
        };
        let DeValue::Integer(number) = value.get_ref() else {
            return self.wrong_type(key, value, allowed);
        };
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
        parsed
            .and_then(check)
            .or_else(|| self.not_allowed(key, value, number.to_string(), allowed))
    }

    /// Reads a whole number of `range`; `None` as default demands it.
    pub(crate) fn number<T>(
        &self,
        key: &'static str,
        range: RangeInclusive<T>,
        default: Option<T>,
    ) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.whole_where(key, &allowed, default, |number| {
            T::try_from(number)
                .ok()
                .filter(|number| range.contains(number))
        })
    }

    /// Reads one of a few numbers.
    pub(crate) fn one_of(&self, key: &'static str, numbers: &[u8], default: u8) -> Option<u8> {
        let names: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let allowed = format!("one of {}", names.join(", "));
        self.whole_where(key, &allowed, Some(default), |number| {
            numbers
                .iter()
                .copied()
                .find(|known| i64::from(*known) == number)
        })
    }

    /// Reads `true` or `false`.
    pub(crate) fn truth(&self, key: &'static str, default: bool) -> Option<bool> {
        match self.get(key).map(|value| (value, value.get_ref())) {
            None => Some(default),
            Some((_, DeValue::Boolean(truth))) => Some(*truth),
            Some((value, _)) => self.wrong_type(key, value, "true or false"),
        }
    }

    /// Reads a whole number that may be absent: `Some(None)` then.
    pub(crate) fn optional_whole(&self, key: &'static str) -> Option<Option<i64>> {
        match self.get(key) {
            None => Some(None),
            Some(_) => self
                .whole_where(key, "a whole number", None, Some)
                .map(Some),
        }
    }

    /// Reads a whole number of `range` that may be absent: `Some(None)` then.
    pub(crate) fn optional_number(
        &self,
        key: &'static str,
        range: RangeInclusive<u16>,
    ) -> Option<Option<u16>> {
        match self.get(key) {
            None => Some(None),
            Some(_) => self.number(key, range, None).map(Some),
        }
    }

    /// Reads text that may be absent: `Some(None)` then.
    pub(crate) fn optional_text<T>(
        &self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(key) {
            None => Some(None),
            Some(_) => self.text(key, allowed, None, parse).map(Some),
        }
    }

    /// Reads a sub-table that may be absent: `Some(None)` then.
    pub(crate) fn optional_section<T>(
        &self,
        key: &'static str,
        build: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(key) {
            None => Some(None),
            Some(_) => self.section(key, build).map(Some),
        }
    }

    /// Reads a list of at most `count_max` tables; an absent one is empty.
    pub(crate) fn optional_list<T>(
        &self,
        key: &'static str,
        count_max: usize,
        build: impl Fn(&Section<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.get(key) {
            None => Some(Vec::new()),
            Some(_) => self.list(key, 0..=count_max, build),
        }
    }

    /// Says that `key` may stand here, whether it is read or not.
    pub(crate) fn know(&self, key: &'static str) {
        self.get(key);
    }

    /// Notes that `key` must be there beside what is.
    pub(crate) fn note_missing(&self, key: &str, allowed: &str) {
        self.missing::<()>(key, allowed);
    }

    /// Notes that `key`, if it is there, contradicts another key.
    pub(crate) fn forbid(&self, key: &'static str, allowed: &str) {
        if let Some(value) = self.get(key) {
            self.not_allowed::<()>(key, value, shown(value), allowed);
        }
    }

    /// Notes a value that is right alone but not beside the others.
    pub(crate) fn note_not_allowed(&self, key: &'static str, found: String, allowed: &str) {
        if let Some(value) = self.get(key) {
            self.not_allowed::<()>(key, value, found, allowed);
        }
    }

    fn child<T>(
        &self,
        path: String,
        table: Option<&'n DeTable<'n>>,
        build: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Option<T> {
        let child = Section::new(self.notes, path, table);
        let value = build(&child);
        child.note_unknown_keys();
        value
    }

    fn get(&self, key: &'static str) -> Option<&'n Value<'n>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table?.get(key)
    }

    fn full_key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn note_unknown_keys(&self) {
        let asked = self.asked.borrow();
        for (key, value) in self.table.into_iter().flatten() {
            if !asked.contains(&key.get_ref().as_ref()) {
                self.notes.add(Problem::UnknownKey {
                    line: self.notes.line_of(&key.span()),
                    key: self.full_key(key.get_ref()),
                    found: shown(value),
                    allowed: asked.join(", "),
                });
            }
        }
    }

    fn missing<T>(&self, key: &str, allowed: &str) -> Option<T> {
        let key = self.full_key(key);
        self.notes.add(Problem::Missing {
            key,
            allowed: allowed.to_owned(),
        });
        None
    }

    fn wrong_type<T>(&self, key: &str, value: &Value<'_>, allowed: &str) -> Option<T> {
        if is_made_up(value) {
            return None;
        }
        self.notes.add(Problem::WrongType {
            line: self.notes.line_of(&value.span()),
            key: self.full_key(key),
            found: shown(value),
            allowed: allowed.to_owned(),
        });
        None
    }

    fn not_allowed<T>(
        &self,
        key: &str,
        value: &Value<'_>,
        found: String,
        allowed: &str,
    ) -> Option<T> {
        if is_made_up(value) {
            return None;
        }
        self.notes.add(Problem::NotAllowed {
            line: self.notes.line_of(&value.span()),
            key: self.full_key(key),
            found,
            allowed: allowed.to_owned(),
        });
        None
    }
}

/// Whether the parser put the value where it could read none; its own error tells of the place.
fn is_made_up(value: &Value<'_>) -> bool {
    value.span().is_empty()
}

/// The value as a message repeats it.
fn shown(value: &Value<'_>) -> String {
    let full = match value.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(array) => format!("a list of {}", array.len()),
        DeValue::Table(table) => format!("a section of {}", table.len()),
    };
    match full.char_indices().nth(VALUE_SHOWN_MAX) {
        Some((cut, _)) => format!("{}…", &full[..cut]),
        None => full,
    }
}
