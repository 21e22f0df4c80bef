//! One step after the other, each with its heading and time, and what came of all at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How many tests the runners counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Adds what a line of a test runner says, if it is a closing line of cargo test, Vitest or
    /// Node's test runner, or the plain `N passed, N failed`.
    pub(crate) fn add_line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.add_words(rest.split(['.', ';']).map(str::trim), "ignored");
        } else if let Some(rest) = line.strip_prefix("Tests  ") {
            self.add_words(rest.split('|').map(str::trim), "skipped");
        } else if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            match rest
                .split_once(' ')
                .map(|(word, number)| (word, number.parse::<u64>()))
            {
                Some(("pass", Ok(number))) => self.passed += number,
                Some(("fail", Ok(number))) => self.failed += number,
                Some(("skipped", Ok(number))) => self.skipped += number,
                _ => {}
            }
        } else if line.ends_with(" failed") && line.contains(" passed, ") {
            self.add_words(line.split(", "), "skipped");
        }
    }

    fn add_words<'a>(&mut self, parts: impl Iterator<Item = &'a str>, skipped: &str) {
        for part in parts {
            let mut words = part.split_whitespace();
            let Some(Ok(number)) = words.next().map(str::parse::<u64>) else {
                continue;
            };
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some(word) if word == skipped => self.skipped += number,
                _ => {}
            }
        }
    }
}

/// What a step that did not fail has to say.
pub(crate) enum Outcome {
    /// All of it was done.
    Done,
    /// Done, but the reader must know this.
    Note(String),
}

/// The steps so far.
pub(crate) struct Steps {
    started: Instant,
    counts: Counts,
    finished: Vec<(String, Duration, String)>,
    failed: Option<String>,
}

impl Steps {
    pub(crate) fn start() -> Steps {
        Steps {
            started: Instant::now(),
            counts: Counts::default(),
            finished: Vec::new(),
            failed: None,
        }
    }

    /// Does a step, unless an earlier one failed.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce(&mut Counts) -> Result<Outcome>) {
        if self.failed.is_some() {
            return;
        }
        println!("\n== {name}");
        let before = self.counts;
        let started = Instant::now();
        let outcome = work(&mut self.counts);
        let time = started.elapsed();
        let word = match outcome {
            Ok(Outcome::Done) => "ok".to_owned(),
            Ok(Outcome::Note(note)) => {
                println!("note: {note}");
                format!("ok, but: {note}")
            }
            Err(error) => {
                println!("error: {error:#}");
                if self.counts.failed == before.failed {
                    self.counts.failed += 1;
                }
                self.failed = Some(name.to_owned());
                "FAILED".to_owned()
            }
        };
        println!("== {name}: {:.1} s", time.as_secs_f64());
        self.finished.push((name.to_owned(), time, word));
    }

    /// Prints the summary; its last line counts the tests of all runners, a failed step without a
    /// failed test as one.
    pub(crate) fn finish(self) -> ExitCode {
        let Counts {
            passed,
            failed,
            skipped,
        } = self.counts;
        let width = self
            .finished
            .iter()
            .map(|(name, ..)| name.len())
            .max()
            .unwrap_or(0);
        println!("\n== summary");
        for (name, time, word) in &self.finished {
            println!("{name:width$}  {:>7.1} s  {word}", time.as_secs_f64());
        }
        println!(
            "{:width$}  {:>7.1} s",
            "all",
            self.started.elapsed().as_secs_f64()
        );
        if let Some(name) = &self.failed {
            println!("stopped: the step `{name}` failed");
        }
        match skipped {
            0 => println!("{passed} passed, {failed} failed"),
            _ => println!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
        if self.failed.is_none() && failed == 0 && passed > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(lines: &[&str]) -> Counts {
        let mut counts = Counts::default();
        lines.iter().for_each(|line| counts.add_line(line));
        counts
    }

    #[test]
    fn closing_lines_of_cargo_test_are_summed() {
        let counts = counts_of(&[
            "running 3 tests",
            "test result: ok. 18 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished",
            "test result: FAILED. 4 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out",
        ]);
        assert_eq!(
            counts,
            Counts {
                passed: 22,
                failed: 3,
                skipped: 1
            }
        );
    }

    #[test]
    fn closing_lines_of_other_runners_are_summed() {
        let counts = counts_of(&[
            " Test Files  2 passed (2)",
            "      Tests  1 failed | 12 passed | 2 skipped (15)",
            "ℹ pass 5",
            "# fail 1",
            "# skipped 0",
        ]);
        assert_eq!(
            counts,
            Counts {
                passed: 17,
                failed: 2,
                skipped: 2
            }
        );
    }

    #[test]
    fn a_failed_step_stops_the_others_and_counts_as_failed() {
        let mut steps = Steps::start();
        steps.step("first", |_| anyhow::bail!("it broke"));
        steps.step("second", |counts| {
            counts.passed += 1;
            Ok(Outcome::Done)
        });
        assert_eq!(
            steps.counts,
            Counts {
                passed: 0,
                failed: 1,
                skipped: 0
            }
        );
        assert_eq!(steps.failed.as_deref(), Some("first"));
    }
}
