//! The line protocol: what is written, byte by byte.
//!
//! Escapes are those that 1.x, 2.x and 3 Core read alike. What no escape can carry (a line break
//! or a backslash at the end of a tag, an empty tag, a line without a field) is refused here,
//! because a server would take part of it for the next line.

/// Why something is no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LineError {
    /// A name or tag that no escape can carry.
    #[error("{text:?} cannot be a name or tag of the line protocol")]
    NotExpressible {
        /// The text.
        text: String,
    },
    /// A text field that no escape can carry.
    #[error("{text:?} cannot be a text field of the line protocol")]
    NotAText {
        /// The text.
        text: String,
    },
}

/// Lines in one text, and where each ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl Lines {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Begins a line.
    pub(crate) fn begin(&mut self, measurement: &'static str) -> Line<'_> {
        let start = self.text.len();
        self.text.push_str(measurement);
        Line {
            lines: self,
            start,
            problem: None,
            field_count: 0,
        }
    }

    /// The bytes of neighbouring lines, each with its line break.
    pub(crate) fn bytes(&self, range: std::ops::Range<usize>) -> &[u8] {
        let end = |count: usize| match count.checked_sub(1) {
            Some(index) => self.ends.get(index).copied().unwrap_or(self.text.len()),
            None => 0,
        };
        self.text
            .as_bytes()
            .get(end(range.start)..end(range.end))
            .unwrap_or_default()
    }

    /// Neighbouring lines in parts of at most so many lines and bytes; a line alone may be longer.
    pub(crate) fn parts(&self, lines_max: usize, bytes_max: usize) -> Vec<std::ops::Range<usize>> {
        let mut parts = Vec::new();
        let (mut first, mut begun) = (0, 0);
        for (index, end) in self.ends.iter().enumerate() {
            let is_full = index - first >= lines_max || end - begun > bytes_max;
            if is_full && index > first {
                parts.push(first..index);
                first = index;
                begun = self.ends.get(index.wrapping_sub(1)).copied().unwrap_or(0);
            }
        }
        if first < self.ends.len() {
            parts.push(first..self.ends.len());
        }
        parts
    }
}

/// A line in the making: tags first, then fields, then the time.
#[derive(Debug)]
pub(crate) struct Line<'l> {
    lines: &'l mut Lines,
    start: usize,
    problem: Option<LineError>,
    field_count: usize,
}

impl Line<'_> {
    /// Adds a tag; tags come in the order of their names, which is what servers like best.
    pub(crate) fn tag(mut self, name: &'static str, value: &str) -> Self {
        if !fits_a_tag(value) && self.problem.is_none() {
            self.problem = Some(LineError::NotExpressible {
                text: value.chars().take(64).collect(),
            });
        }
        let text = &mut self.lines.text;
        text.push(',');
        text.push_str(name);
        text.push('=');
        push_escaped(text, value, |byte| matches!(byte, b',' | b'=' | b' '));
        self
    }

    fn field(&mut self, name: &'static str) {
        let text = &mut self.lines.text;
        text.push(if self.field_count == 0 { ' ' } else { ',' });
        text.push_str(name);
        text.push('=');
        self.field_count += 1;
    }

    /// Adds a whole number.
    pub(crate) fn integer(mut self, name: &'static str, value: i64) -> Self {
        self.field(name);
        push_integer(&mut self.lines.text, value);
        self.lines.text.push('i');
        self
    }

    /// Adds a whole number where there is one.
    pub(crate) fn integer_if(self, name: &'static str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.integer(name, value),
            None => self,
        }
    }

    /// Adds a text where there is one.
    pub(crate) fn text_if(mut self, name: &'static str, value: Option<&str>) -> Self {
        let Some(value) = value else { return self };
        if value.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) && self.problem.is_none() {
            // Allowed by the protocol, but not alike in every server.
            self.problem = Some(LineError::NotAText {
                text: value.chars().take(64).collect(),
            });
        }
        self.field(name);
        let text = &mut self.lines.text;
        text.push('"');
        push_escaped(text, value, |byte| matches!(byte, b'"' | b'\\'));
        text.push('"');
        self
    }

    /// Ends the line with its time in ns since 1970; a line that cannot be written leaves nothing.
    pub(crate) fn at(self, ns: i64) -> Result<(), LineError> {
        let problem = match (self.problem, self.field_count) {
            (None, 0) => Some(LineError::NotExpressible {
                text: "a line without a field".to_owned(),
            }),
            (problem, _) => problem,
        };
        if let Some(problem) = problem {
            self.lines.text.truncate(self.start);
            return Err(problem);
        }
        let text = &mut self.lines.text;
        text.push(' ');
        push_integer(text, ns);
        text.push('\n');
        self.lines.ends.push(self.lines.text.len());
        Ok(())
    }
}

/// Whether a tag can have this value. A backslash before a character that has an escape would become
/// that escape.
fn fits_a_tag(value: &str) -> bool {
    let bytes = value.as_bytes();
    let is_bad = |pair: &[u8]| pair[0] == b'\\' && matches!(pair[1], b',' | b'=' | b' ');
    let has_break = bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    !matches!(bytes.last(), None | Some(b'\\')) && !has_break && !bytes.windows(2).any(is_bad)
}

/// Adds a text with a backslash before each byte that needs one; each such byte is a character.
fn push_escaped(text: &mut String, value: &str, needs_one: impl Fn(u8) -> bool) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(&needs_one) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        text.push('\\');
        text.push_str(&after[..1]);
        rest = &after[1..];
    }
    text.push_str(rest);
}

fn push_integer(text: &mut String, value: i64) {
    text.push_str(itoa::Buffer::new().format(value));
}

#[cfg(test)]
mod tests;
