//! One line of the table, and the table.

use std::fmt::Write as _;

use serde::Serialize;

use super::count::Count;

/// What came of all rounds of a fault. The names are those of the JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The name of the fault.
    pub fault: String,
    /// Rounds that were run.
    pub rounds: u32,
    /// Shots in the guns' own logs.
    pub fired: u64,
    /// Of these, stored with every field as it was fired.
    pub stored: u64,
    /// Of these, neither stored nor named as missing.
    pub lost: u64,
    /// Copies too many: a shot that is stored twice, sealed twice by one journal or written to two
    /// places of the database, a block that is in the ledger twice.
    pub duplicated: u64,
    /// Shots that are named as missing. Only a fault that destroys the sole copy may have any.
    pub declared: u64,
    /// Whatever else is not as it has to be: another value in a field, something stored that nobody
    /// fired, something in quarantine that does not belong there, a shot that is named as missing
    /// and was not destroyed, a round that did not end.
    pub unexplained: u64,
    /// The longest time from the end of the fault until everything that had been fired by then was
    /// stored, in seconds.
    pub recovery_s: f64,
}

impl Row {
    /// A fault without rounds.
    pub fn new(fault: &str) -> Row {
        Row {
            fault: fault.to_owned(),
            rounds: 0,
            fired: 0,
            stored: 0,
            lost: 0,
            duplicated: 0,
            declared: 0,
            unexplained: 0,
            recovery_s: 0.0,
        }
    }

    /// Adds a round.
    pub fn add(&mut self, count: &Count) {
        self.rounds += 1;
        self.fired += count.fired;
        self.stored += count.stored;
        self.lost += count.lost;
        self.duplicated += count.duplicated;
        self.declared += count.declared;
        self.unexplained += count.unexplained;
        let recovery_ms = u32::try_from(count.recovery.as_millis()).unwrap_or(u32::MAX);
        let tenths = f64::from(recovery_ms.div_ceil(100));
        self.recovery_s = self.recovery_s.max(tenths / 10.0);
    }

    /// Whether nothing was found.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.unexplained == 0
    }
}

/// The table in Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | rounds | fired | stored | lost | duplicated | declared | unexplained | recovery_s |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            row.fault,
            row.rounds,
            row.fired,
            row.stored,
            row.lost,
            row.duplicated,
            row.declared,
            row.unexplained,
            row.recovery_s
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_sums_its_rounds_and_keeps_the_longest_recovery() {
        let mut row = Row::new("cut");
        let mut count = Count {
            fired: 10,
            stored: 9,
            lost: 1,
            recovery: std::time::Duration::from_millis(1_210),
            ..Count::default()
        };
        row.add(&count);
        count.lost = 0;
        count.recovery = std::time::Duration::ZERO;
        row.add(&count);
        assert_eq!((row.rounds, row.fired, row.lost), (2, 20, 1));
        assert!(!row.is_clean());
        let text = markdown(&[row]);
        assert!(
            text.ends_with("| cut | 2 | 20 | 18 | 1 | 0 | 0 | 0 | 1.3 |\n"),
            "{text}"
        );
    }
}
