//! How versions of InfluxDB differ in what they refuse.

/// The version that the proxy behaves as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// 1.8: stores the good lines of a body with a bad one and answers 400.
    #[default]
    V1,
    /// 2.x: stores nothing of a body with a line that it cannot read and answers 400; stores the
    /// good part of one with a conflict of types and answers 422; has no `CREATE DATABASE`.
    V2,
    /// 3 Core: as 1.8, but with JSON; refuses bodies above 10 MiB, a column that is tag and field, a
    /// tag that a table did not begin with, tables of more than 500 columns, questions without a
    /// time window of at most 72 h, and `CREATE DATABASE`.
    V3,
}

/// What is wrong with a line, for this dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It cannot be read.
    Unreadable,
    /// A field has another type than before.
    OtherType,
}

/// Bodies that 3 Core takes, in bytes.
pub(super) const V3_BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The time of a question that 3 Core answers.
const V3_WINDOW_NS_MAX: i64 = 72 * 3_600 * 1_000_000_000;

impl Dialect {
    /// Whether a body with such lines is stored without them, and the answer.
    pub(super) fn partial(self, wrong: Wrong, line: &str) -> (bool, u16, String) {
        let line: String = line.chars().take(80).collect();
        match (self, wrong) {
            (Dialect::V1, Wrong::Unreadable) => {
                let text = format!(r#"{{"error":"partial write: unable to parse '{line}'"}}"#);
                (true, 400, text.replace('\\', ""))
            }
            (Dialect::V1, Wrong::OtherType) => {
                let text = r#"{"error":"partial write: field type conflict dropped=1"}"#;
                (true, 400, text.to_owned())
            }
            (Dialect::V2, Wrong::Unreadable) => {
                let text = r#"{"code":"invalid","message":"unable to parse"}"#;
                (false, 400, text.to_owned())
            }
            (Dialect::V2, Wrong::OtherType) => {
                let text = r#"{"code":"unprocessable entity","message":"field type conflict"}"#;
                (true, 422, text.to_owned())
            }
            (Dialect::V3, _) => {
                let text = r#"{"error":"partial write of line protocol occurred","data":[]}"#;
                (true, 400, text.to_owned())
            }
        }
    }

    /// Why a question is refused, if it is.
    pub(super) fn refuses(self, question: &str) -> Option<&'static str> {
        let words = question.trim_start().to_ascii_uppercase();
        if self == Dialect::V1 {
            return None;
        }
        if words.starts_with("CREATE") {
            return Some("not implemented");
        }
        if self == Dialect::V3 && words.starts_with("SELECT") && !is_narrow(question) {
            return Some("query would exceed file limit of 432 parquet files");
        }
        None
    }
}

/// Whether a question says a window of at most 72 h.
fn is_narrow(question: &str) -> bool {
    let bound = |mark: &str| {
        let (_, rest) = question.split_once(mark)?;
        let number = rest.trim_start().split(' ').next()?;
        number.parse::<i64>().ok()
    };
    if bound("time = ").is_some() {
        return true;
    }
    match (bound("time >= "), bound("time <= ")) {
        (Some(from), Some(to)) => to.saturating_sub(from) <= V3_WINDOW_NS_MAX,
        _ => false,
    }
}
