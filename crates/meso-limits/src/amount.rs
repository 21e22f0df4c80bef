//! Amounts as people write them, `"0.02 ml"` or `"4.5 mg/kg"`, as whole numbers.

use meso_units::{Micrometres, Nanolitres};

/// `"4 mm"` in µm.
pub(crate) fn depth(text: &str) -> Option<i64> {
    Micrometres::parse(text)
        .ok()
        .map(|depth| depth.get().into())
}

/// `"0.02 ml"` in nl.
pub(crate) fn volume(text: &str) -> Option<i64> {
    i64::try_from(Nanolitres::parse(text).ok()?.get()).ok()
}

/// `"9 per second"` or `"60 per minute"` as an interval in µs, rounded down.
pub(crate) fn rate_as_interval(text: &str) -> Option<i64> {
    if let Some(count) = text.strip_suffix("per second") {
        return 1_000_000_i64
            .checked_div(whole(count)?)
            .filter(|us| *us > 0);
    }
    let count = whole(text.strip_suffix("per minute")?)?;
    60_000_000_i64.checked_div(count).filter(|us| *us > 0)
}

/// A whole number before one of these words.
pub(crate) fn count(text: &str, words: &[&str]) -> Option<i64> {
    words
        .iter()
        .find_map(|word| whole(text.strip_suffix(word)?))
}

/// `"20 %"` or `"12.5 %"` in thousandths.
pub(crate) fn per_mille(text: &str) -> Option<i64> {
    decimal(text.strip_suffix('%')?, 1)
}

/// `"15 min"`, `"1 h"` or `"120 h"` in seconds.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    if let Some(minutes) = text.strip_suffix("min") {
        return whole(minutes)?.checked_mul(60);
    }
    whole(text.strip_suffix('h')?)?.checked_mul(3_600)
}

/// What a drug is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DoseUnit {
    /// Milligrams; doses are kept in billionths of it, that is in pg.
    Milligram,
    /// Units of one brand; doses are kept in billionths of it, nU.
    BrandUnit,
}

/// An amount of a drug in billionths of its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dose {
    /// Milligrams or units.
    pub unit: DoseUnit,
    /// Billionths of it.
    pub nano: i64,
}

impl Dose {
    /// Reads `"300 mg"`, `"0.5 mg"` or `"50 U"`.
    pub fn parse(text: &str) -> Option<Dose> {
        let (number, unit) = split_unit(text)?;
        let nano = decimal(number, 9)?;
        Some(Dose { unit, nano })
    }

    /// Reads `"4.5 mg/kg"`: per kilogram of body weight.
    pub(crate) fn parse_per_kilogram(text: &str) -> Option<Dose> {
        Dose::parse(text.trim().strip_suffix("/kg")?)
    }
}

/// How much of a drug a volume holds, in thousandths of its unit per ml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Concentration {
    /// Milligrams or units.
    pub unit: DoseUnit,
    /// Thousandths of it per ml, so that this times nl gives billionths.
    pub milli_per_ml: i64,
}

impl Concentration {
    /// The highest concentration that is believed: a pure solid, 10 g/ml or 10 million units.
    const MILLI_MAX: i64 = 10_000_000_000;

    /// Reads what stands on a label: `"20 mg/ml"`, `"2 %"` (weight in volume: 2 % are 20 mg/ml),
    /// `"100 U/ml"`, `"8 U/0.1 ml"` or `"0.5 mg/ml"`. Anything else is not known.
    pub fn parse(text: &str) -> Option<Concentration> {
        let text = text.trim();
        let concentration = match text.strip_suffix('%') {
            Some(percent) => Concentration {
                unit: DoseUnit::Milligram,
                milli_per_ml: decimal(percent, 3)?.checked_mul(10)?,
            },
            None => {
                let (amount, per) = text.split_once('/')?;
                let (number, unit) = split_unit(amount)?;
                let per_thousandth_ml = match decimal(per.trim().strip_suffix("ml")?, 3) {
                    None if per.trim() == "ml" => 1_000,
                    None => return None,
                    Some(thousandths) => thousandths,
                };
                let milli = decimal(number, 3)?.checked_mul(1_000)?;
                Concentration {
                    unit,
                    milli_per_ml: milli.checked_div(per_thousandth_ml)?,
                }
            }
        };
        (0..=Concentration::MILLI_MAX)
            .contains(&concentration.milli_per_ml)
            .then_some(concentration)
    }
}

fn split_unit(text: &str) -> Option<(&str, DoseUnit)> {
    let text = text.trim();
    if let Some(number) = text.strip_suffix("mg") {
        return Some((number, DoseUnit::Milligram));
    }
    let number = text.strip_suffix('U')?;
    Some((number, DoseUnit::BrandUnit))
}

fn whole(text: &str) -> Option<i64> {
    text.trim().parse::<u32>().ok().map(i64::from)
}

/// `"0.5"` as a whole number of 10^-`decimals`; not negative, nothing finer.
fn decimal(text: &str, decimals: u32) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = u32::try_from(fraction.len()).ok()?;
    let finer = decimals.checked_sub(digits)?;
    let whole = whole
        .parse::<i64>()
        .ok()?
        .checked_mul(10_i64.checked_pow(decimals)?)?;
    let fraction = match fraction {
        "" => 0,
        digits => digits.parse::<i64>().ok()?,
    };
    whole.checked_add(fraction.checked_mul(10_i64.checked_pow(finer)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_how_much_a_volume_holds() {
        let read = |text| Concentration::parse(text).map(|read| (read.unit, read.milli_per_ml));
        let (mg, units) = (DoseUnit::Milligram, DoseUnit::BrandUnit);
        assert_eq!(read("20 mg/ml"), Some((mg, 20_000)));
        assert_eq!(read("2 %"), Some((mg, 20_000)));
        assert_eq!(read("0.05%"), Some((mg, 500)));
        assert_eq!(read("100 U/ml"), Some((units, 100_000)));
        assert_eq!(read("2 U/0.1 ml"), Some((units, 20_000)));
        for unknown in [
            "",
            "as labelled",
            "20 mg",
            "20/ml",
            "mg/ml",
            "-1 mg/ml",
            "1 mg/0 ml",
        ] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_concentration_times_a_volume_is_a_dose() {
        let lidocaine = Concentration::parse("2 %").unwrap();
        let one_ml_nl = 1_000_000;
        let dose = Dose::parse("20 mg").unwrap();
        assert_eq!(lidocaine.milli_per_ml * one_ml_nl, dose.nano);
    }

    #[test]
    fn a_number_without_its_unit_is_none() {
        for wrong in ["4", "4 ", "mm", "4 cm", "-4 mm"] {
            assert_eq!(depth(wrong), None, "{wrong}");
        }
        assert_eq!(rate_as_interval("9 per second"), Some(111_111));
        assert_eq!(rate_as_interval("0 per second"), None);
        assert_eq!(count("3 in a row", &["in a row"]), Some(3));
        assert_eq!(per_mille("12.5 %"), Some(125));
        assert_eq!(per_mille("12.55 %"), None);
        assert_eq!(seconds("15 min"), Some(900));
        assert_eq!(seconds("1 h"), Some(3_600));
        assert_eq!(seconds("1"), None);
    }
}
