//! Decimal text to whole numbers of the smallest unit, without floating point.

/// A quantity that a gun may tell of in a unit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// A needle depth; smallest unit 1 µm.
    Depth,
    /// A volume; smallest unit 1 nl.
    Volume,
    /// A shot rate; smallest unit one shot a minute.
    Rate,
    /// A pressure; smallest unit 1 Pa.
    Pressure,
    /// A duration; smallest unit 1 µs.
    Duration,
    /// A number of things, without a unit.
    Count,
}

impl Quantity {
    /// The units that a profile may name, and how many smallest units each has.
    const fn units(self) -> &'static [(&'static str, i64)] {
        match self {
            Quantity::Depth => &[("um", 1), ("mm", 1_000)],
            Quantity::Volume => &[("nl", 1), ("ul", 1_000), ("ml", 1_000_000)],
            Quantity::Rate => &[("spm", 1), ("Hz", 60)],
            Quantity::Pressure => &[("Pa", 1), ("hPa", 100), ("mbar", 100), ("kPa", 1_000)],
            Quantity::Duration => &[("us", 1), ("ms", 1_000), ("s", 1_000_000)],
            Quantity::Count => &[],
        }
    }

    /// The smallest units in one `unit`; `None` where the quantity has no such unit.
    pub(super) fn per_unit(self, unit: &str) -> Option<i64> {
        let known = self.units().iter().find(|(name, _)| *name == unit);
        known.map(|(_, per_unit)| *per_unit)
    }

    /// The units for a message.
    pub(super) fn unit_names(self) -> String {
        let names: Vec<&str> = self.units().iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// Reads a step such as `0.01 mm`: how many smallest units it has, 1 or more.
    pub(super) fn step(self, text: &str) -> Option<i64> {
        let (number, unit) = text.split_once(' ')?;
        let step = exact_steps(number, '.', self.per_unit(unit)?)?;
        (step > 0).then_some(step)
    }
}

/// Reads decimal text as a whole number of smallest units, of which `per_unit` make one unit;
/// `None` where the text is no such number or lies between two steps.
///
/// ```
/// use meso_config::guns::exact_steps;
///
/// assert_eq!(exact_steps("1,25", ',', 1_000), Some(1_250)); // mm as µm
/// assert_eq!(exact_steps("7.5", '.', 60), Some(450)); // Hz as shots a minute
/// assert_eq!(exact_steps("-0.5", '.', 100), Some(-50));
/// assert_eq!(exact_steps("1.2345", '.', 1_000), None); // finer than 1 µm
/// ```
pub fn exact_steps(text: &str, decimal_mark: char, per_unit: i64) -> Option<i64> {
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match digits.split_once(decimal_mark) {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (digits, ""),
    };
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let fraction_steps = if fraction.is_empty() {
        0
    } else {
        let power = u32::try_from(fraction.len()).ok()?;
        let scale = 10_i64.checked_pow(power)?;
        let scaled = fraction.parse::<i64>().ok()?.checked_mul(per_unit)?;
        (scaled % scale == 0).then_some(scaled / scale)?
    };
    let whole_steps = whole.parse::<i64>().ok()?.checked_mul(per_unit)?;
    let steps = whole_steps.checked_add(fraction_steps)?;
    Some(if is_negative { -steps } else { steps })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_that_is_no_number_has_no_steps() {
        for text in [
            "", "-", ".", "1.", ".5", "1,5", "1.2.3", "1e3", "0x10", "--1", "1 2", "NaN",
        ] {
            assert_eq!(exact_steps(text, '.', 1_000), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_too_large_has_no_steps() {
        assert_eq!(exact_steps("9223372036854775807", '.', 10), None);
        assert_eq!(exact_steps(&"9".repeat(40), '.', 1), None);
        assert_eq!(exact_steps(&format!("0.{}1", "0".repeat(40)), '.', 1), None);
    }

    #[test]
    fn a_step_needs_a_unit_of_its_quantity() {
        assert_eq!(Quantity::Depth.step("0.01 mm"), Some(10));
        assert_eq!(Quantity::Rate.step("1 Hz"), Some(60));
        for text in ["1", "1mm", "1 nl", "0 mm", "-1 mm", "0.0001 mm"] {
            assert_eq!(Quantity::Depth.step(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_with_three_decimals_is_read_exactly(steps in -9_000_000_i64..=9_000_000) {
            let sign = if steps < 0 { "-" } else { "" };
            let (whole, part) = (steps.abs() / 1_000, steps.abs() % 1_000);
            let text = format!("{sign}{whole},{part:03}");
            prop_assert_eq!(exact_steps(&text, ',', 1_000), Some(steps));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", per_unit in 1_i64..=1_000_000) {
            let _ = exact_steps(&text, '.', per_unit);
        }
    }
}
