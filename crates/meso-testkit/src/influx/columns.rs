//! The columns of tables, as 3 Core keeps them: it refuses what 1.x and 2.x take.

use std::collections::{BTreeMap, BTreeSet};

/// Columns of one table of 3 Core, with tags and time.
const COLUMN_COUNT_MAX: usize = 500;

/// The columns of every table so far.
#[derive(Debug, Default)]
pub(super) struct Columns {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Decided by the first line.
    tags: BTreeSet<String>,
    fields: BTreeSet<String>,
}

impl Columns {
    /// Takes note of a line, or says with which status and words it is refused.
    pub(super) fn take(&mut self, line: &str) -> Result<(), (u16, String)> {
        let Some((name, tags, fields)) = names(line) else {
            return Ok(());
        };
        let is_new = !self.tables.contains_key(&name);
        let table = self.tables.entry(name).or_default();
        if is_new {
            table.tags.clone_from(&tags);
        }
        if let Some(tag) = tags.iter().find(|tag| !table.tags.contains(*tag)) {
            let text = format!("Detected a new tag '{tag}' in write. The tag set is immutable");
            return Err((400, text));
        }
        let clash = fields.iter().find(|field| table.tags.contains(*field));
        if let Some(field) = clash {
            let text = format!("column {field} is a tag and cannot be a field");
            return Err((400, text));
        }
        table.fields.extend(fields);
        match table.tags.len() + table.fields.len() + 1 {
            count if count > COLUMN_COUNT_MAX => {
                let text = format!("a table may have {COLUMN_COUNT_MAX} columns, not {count}");
                Err((422, text))
            }
            _ => Ok(()),
        }
    }
}

/// The names of a line: measurement, tags, fields; `None` for what is no line.
fn names(line: &str) -> Option<(String, BTreeSet<String>, BTreeSet<String>)> {
    let parts = split(line.trim_end(), ' ');
    let [series, fields, ..] = parts.as_slice() else {
        return None;
    };
    let series = split(series, ',');
    let (name, tags) = series.split_first()?;
    let keys = |parts: &[String]| {
        let keys = parts.iter().map(|part| split(part, '=').swap_remove(0));
        keys.collect::<BTreeSet<String>>()
    };
    Some((name.clone(), keys(tags), keys(&split(fields, ','))))
}

/// Splits where no backslash stands before it and no text is open.
fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut is_escaped, mut is_text) = (false, false);
    for character in text.chars() {
        let is_end = character == at && !is_escaped && !is_text;
        is_text ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        match parts.last_mut() {
            Some(part) if !is_end => part.push(character),
            _ => parts.push(String::new()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_decided_once_and_no_column_is_tag_and_field() {
        let mut columns = Columns::default();
        let mut status = |line: &str| columns.take(line).err().map(|(status, _)| status);
        assert_eq!(status("shot,gun=a\\ b,slot=0 n=1i,t=\"x, y=z\" 1\n"), None);
        assert_eq!(status("shot,gun=c,slot=1 n=2i 2\n"), None);
        assert_eq!(status("shot,gun=c n=2i 2\n"), None, "a tag may be missing");
        assert_eq!(status("shot,gun=c,room=1 n=2i 2\n"), Some(400));
        assert_eq!(status("shot,gun=c slot=2i 2\n"), Some(400));
        assert_eq!(status("other slot=2i 2\n"), None, "another table");
    }

    #[test]
    fn a_table_has_500_columns_with_its_time() {
        let mut columns = Columns::default();
        for field in 0..498 {
            let line = format!("shot,gun=a f{field}=1i 1\n");
            assert_eq!(columns.take(&line), Ok(()));
        }
        let refused = columns.take("shot,gun=a more=1i 1\n");
        assert_eq!(refused.unwrap_err().0, 422);
    }
}
