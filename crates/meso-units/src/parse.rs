//! Decimal text with a unit to a whole number of the smallest step, without floating point.

use alloc::string::ToString;

use crate::UnitError;

/// A unit that text may use, and how many smallest steps one of it is.
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    /// Power of ten: 1 unit = 10^`decimals` smallest steps.
    pub(crate) decimals: u32,
}

/// What [`parse_decimal`] needs to know of a quantity.
pub(crate) struct Grammar {
    pub(crate) quantity: &'static str,
    pub(crate) units: &'static [Unit],
    pub(crate) unit_names: &'static str,
    pub(crate) step: &'static str,
}

/// Reads `"0.02 ml"` as 20 000 smallest steps; the unit is required.
pub(crate) fn parse_decimal(text: &str, grammar: &Grammar) -> Result<i64, UnitError> {
    let wrong = || UnitError::NotAQuantity {
        quantity: grammar.quantity,
        text: text.to_string(),
        units: grammar.unit_names,
    };
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .ok_or_else(wrong)?;
    let (number, unit) = (trimmed[..split].trim(), trimmed[split..].trim());
    let unit = grammar
        .units
        .iter()
        .find(|known| known.name == unit)
        .ok_or_else(wrong)?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return Err(wrong());
    }
    let fraction = fraction.trim_end_matches('0');
    let fraction_digits = u32::try_from(fraction.len()).map_err(|_| wrong())?;
    if fraction_digits > unit.decimals {
        return Err(UnitError::TooFine {
            quantity: grammar.quantity,
            text: text.to_string(),
            step: grammar.step,
        });
    }
    let scale = |digits: &str, power: u32| -> Option<i64> {
        let value = if digits.is_empty() {
            0
        } else {
            digits.parse::<i64>().ok()?
        };
        value.checked_mul(10_i64.checked_pow(power)?)
    };
    let steps = scale(whole, unit.decimals)
        .and_then(|w| scale(fraction, unit.decimals - fraction_digits)?.checked_add(w))
        .ok_or_else(wrong)?;
    if whole.contains('-') || fraction.contains('-') {
        return Err(wrong());
    }
    Ok(if negative { -steps } else { steps })
}
