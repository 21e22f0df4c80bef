//! Numbers as people read them, exact and without floating point.

use meso_domain::{Bound, Finding, Judgement, Severity};
use meso_units::Timestamp;

/// A moment as RFC 3339 in UTC, with as many digits of the second as it has.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    // jiff reaches to the year 9999, a timestamp of ours to 2262.
    jiff::Timestamp::from_nanosecond(at.unix_ns().into())
        .map_or_else(|_| at.to_string(), |moment| moment.to_string())
}

/// `steps` of 10^-`decimals` as decimal text without trailing zeroes: 1500 by 3 is `1.5`.
pub(crate) fn decimal(steps: u64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    let (whole, rest) = (steps / scale, steps % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let width = decimals as usize;
    format!(
        "{whole}.{}",
        format!("{rest:0width$}").trim_end_matches('0')
    )
}

/// The verdict of the edge in one word or two.
pub(crate) fn verdict(judgement: &Judgement) -> &'static str {
    judgement.worst().map_or("passed", Severity::as_str)
}

/// The findings of a verdict, one after the other.
pub(crate) fn findings(judgement: &Judgement) -> String {
    let texts: Vec<String> = judgement.findings.iter().map(finding).collect();
    texts.join("; ")
}

fn finding(finding: &Finding) -> String {
    let rule = finding.rule;
    if let Some(reason) = finding.reason {
        return format!("{rule} not checkable: {reason}");
    }
    if rule.is_check() {
        return finding.to_string();
    }
    // A table for machines stays within ASCII, and counts need no unit.
    let unit = match rule.unit() {
        "µm" => " um",
        "µs" => " us between triggers",
        "‰" => " per mille",
        "nl" => " nl",
        "pg" => " pg",
        "nU" => " billionths of a unit of the brand",
        "s" => " s",
        _ => "",
    };
    let side = match finding.bound {
        Some(Bound::Minimum) => "below the minimum of",
        _ => "above the maximum of",
    };
    format!(
        "{rule} {}{unit} {side} {}{unit} ({})",
        finding.value, finding.limit, finding.severity
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_exact_and_has_no_trailing_zeroes() {
        for (steps, decimals, text) in [
            (0, 3, "0"),
            (1_500, 3, "1.5"),
            (4_000, 3, "4"),
            (7, 3, "0.007"),
            (20_000, 6, "0.02"),
            (u64::MAX, 3, "18446744073709551.615"),
        ] {
            assert_eq!(decimal(steps, decimals), text);
        }
    }

    #[test]
    fn a_moment_keeps_its_nanoseconds() {
        let at = Timestamp::from_unix_ns(1_700_000_000_000_000_042).unwrap();
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20.000000042Z");
        let last = Timestamp::from_unix_ns(i64::MAX).unwrap();
        assert_eq!(rfc3339(last), "2262-04-11T23:47:16.854775807Z");
    }
}
