//! The reading half: InfluxQL over `/query`, which 1.x, 2.x and 3 Core understand alike.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::options::InfluxOptions;
use crate::StoreError;

/// Bytes of one answer; a larger one is refused. A window of 256 blocks is about 6 MB.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Attempts of one question.
const ATTEMPTS_MAX: u32 = 3;

/// How long a question may take: it reads, so it may take longer than a write.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How much of a server's words a message repeats, in characters.
const WORDS_MAX: usize = 300;

#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    results: Vec<Statement>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Statement {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

/// Rows with the names of their columns.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<Value>>,
}

impl Series {
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.values.iter().map(|values| Record {
            columns: &self.columns,
            values,
        })
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'r> {
    columns: &'r [String],
    values: &'r [Value],
}

impl<'r> Record<'r> {
    fn value(&self, name: &str) -> Option<&'r Value> {
        let index = self.columns.iter().position(|column| column == name)?;
        self.values.get(index).filter(|value| !value.is_null())
    }

    /// A whole number, if the row has one under this name.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let number = value.as_i64();
        let number = number.ok_or_else(|| {
            StoreError::damaged("a point", format!("{name} is {value}, no whole number"))
        });
        number.map(Some)
    }

    /// A text, if the row has one under this name.
    pub(crate) fn text(&self, name: &str) -> Option<&'r str> {
        self.value(name)?.as_str()
    }
}

/// Asks questions.
#[derive(Debug)]
pub(crate) struct ReadHalf {
    agent: ureq::Agent,
    options: InfluxOptions,
}

impl ReadHalf {
    pub(crate) fn new(options: &InfluxOptions) -> ReadHalf {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .timeout_connect(Some(options.request_within))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        ReadHalf {
            agent: config.into(),
            options: options.clone(),
        }
    }

    /// The rows of one `SELECT` or `SHOW`.
    pub(crate) fn ask(&self, question: &str) -> Result<Vec<Series>, StoreError> {
        self.with_attempts(|| {
            let request = self
                .agent
                .get(format!("{}/query", self.options.url()))
                .query("db", self.options.bucket())
                .query("epoch", "ns")
                .query("q", question);
            read(self.authorised(request).call())
        })
    }

    /// Does what a statement says; for those that change something.
    pub(crate) fn tell(&self, statement: &str) -> Result<Vec<Series>, StoreError> {
        let request = self
            .agent
            .post(format!("{}/query", self.options.url()))
            .query("q", statement);
        let said = read(self.authorised(request).send_empty());
        said.map_err(|failure| self.options.error("did not obey", failure.text()))
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match self.options.token() {
            Some(token) => request.header("Authorization", format!("Token {}", token.expose())),
            None => request,
        }
    }

    fn with_attempts(
        &self,
        mut ask: impl FnMut() -> Result<Vec<Series>, Failure>,
    ) -> Result<Vec<Series>, StoreError> {
        let mut attempt = 1;
        loop {
            match ask() {
                Ok(series) => return Ok(series),
                Err(Failure::Again(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(failure) => {
                    return Err(self.options.error("gave no points", failure.text()));
                }
            }
            std::thread::sleep(self.options.back_off.saturating_mul(attempt));
        }
    }
}

/// Why there is no answer.
enum Failure {
    /// It may go better the next time.
    Again(String),
    /// It will not.
    Never(String),
}

impl Failure {
    fn text(self) -> String {
        match self {
            Failure::Again(text) | Failure::Never(text) => text,
        }
    }
}

fn read(
    answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Vec<Series>, Failure> {
    let mut response = answered.map_err(|error| Failure::Again(error.to_string()))?;
    let status = response.status();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    let bytes = body
        .read_to_vec()
        .map_err(|error| Failure::Again(error.to_string()))?;
    let said = || {
        let text = String::from_utf8_lossy(&bytes);
        let words: String = text.chars().take(WORDS_MAX).collect();
        format!("it answered {status}: {}", words.trim())
    };
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(Failure::Again(said()));
    }
    let reply: Reply = serde_json::from_slice(&bytes).map_err(|_| Failure::Never(said()))?;
    let statements = reply
        .results
        .iter()
        .filter_map(|result| result.error.as_ref());
    if let Some(error) = reply.error.as_ref().into_iter().chain(statements).next() {
        return Err(Failure::Never(error.chars().take(WORDS_MAX).collect()));
    }
    if !status.is_success() {
        return Err(Failure::Never(said()));
    }
    Ok(reply
        .results
        .into_iter()
        .flat_map(|result| result.series)
        .collect())
}

/// A text literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name in double quotes.
pub(crate) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_cannot_end_early() {
        assert_eq!(literal("it's"), r"'it\'s'");
        assert_eq!(literal(r"a\"), r"'a\\'");
        assert_eq!(name(r#"a"b"#), r#""a\"b""#);
    }

    #[test]
    fn numbers_beyond_a_float_come_through_whole() {
        let text = r#"{"results":[{"series":[{"columns":["time","a"],"values":[[1,9007199254740993]]}]}]}"#;
        let reply: Reply = serde_json::from_str(text).unwrap();
        let record = reply.results[0].series[0].records().next().unwrap();
        assert_eq!(record.integer("a").unwrap(), Some(9_007_199_254_740_993));
        assert_eq!(record.integer("b").unwrap(), None);
    }
}
