//! GS1 element strings: what the code on a box says of product, lot and expiry.
//!
//! From the GS1 General Specifications: application identifiers, which of them have a predefined
//! length, FNC1 as separator (U+001D), symbology prefixes, check digits and the window of centuries.

use jiff::civil::Date;

/// The longest text of a code, in bytes; a longer one is refused. A GS1 DataMatrix holds 2335
/// characters, the ones on boxes some fifty.
pub const CODE_BYTES_MAX: usize = 512;

/// The longest lot or serial number, in characters.
const LOT_LENGTH_MAX: usize = 20;

/// What scanners send in front of a GS1 code: DataMatrix, GS1-128, DataBar, QR, dot code.
const SYMBOLOGIES: [&str; 5] = ["]d2", "]C1", "]e0", "]Q3", "]J1"];

/// FNC1 as scanners send it.
const FNC1: char = '\u{1d}';

/// What a code said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Number of the product, 14 digits with a right check digit (01).
    pub gtin: Option<String>,
    /// Lot (10).
    pub lot: Option<String>,
    /// Last day of use (17).
    pub expiry: Option<Date>,
    /// Serial number (21).
    pub serial: Option<String>,
}

/// Why a code could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Gs1Error {
    /// It is empty.
    #[error("the code is empty: scan again")]
    Empty,
    /// It is longer than any code.
    #[error("the code has {length} bytes, more than {CODE_BYTES_MAX}: scan one code at a time")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// An application identifier is none.
    #[error("at character {at} stands no known application identifier: type the lot by hand")]
    UnknownIdentifier {
        /// Where, counted from 1 without the prefix.
        at: usize,
    },
    /// A value is cut off or too long.
    #[error("the value of ({identifier}) has {length} characters, wanted are {wanted}: scan again")]
    WrongLength {
        /// The application identifier.
        identifier: String,
        /// How many there are.
        length: usize,
        /// How many are wanted.
        wanted: String,
    },
    /// A value has a character that it must not have.
    #[error("the value of ({identifier}) has a character that is not allowed there: scan again")]
    WrongCharacter {
        /// The application identifier.
        identifier: String,
    },
    /// The check digit of the product number is wrong.
    #[error("the check digit of product number {gtin} is wrong: scan again")]
    WrongCheckDigit {
        /// The number.
        gtin: String,
    },
    /// A date is none.
    #[error("{text} is no date (YYMMDD): look at the box")]
    NoDate {
        /// The six digits.
        text: String,
    },
    /// An identifier comes twice with different values.
    #[error("({identifier}) comes twice with different values: scan one code at a time")]
    Contradiction {
        /// The application identifier.
        identifier: String,
    },
}

/// Reads the text of a code. Identifiers other than 01, 10, 17 and 21 are checked for their form
/// and left out. `this_year` decides the century of a date.
///
/// # Errors
///
/// [`Gs1Error`] naming the first thing that is wrong; nothing of such a code is believed.
///
/// ```
/// let scanned = meso_room::gs1::parse("]d20109506000134352172607001\u{1d}", 2026);
/// assert!(scanned.is_err(), "what follows (17) is no identifier");
/// let scanned = meso_room::gs1::parse("]d201095060001343521726070010L-7\u{1d}21S1", 2026)?;
/// assert_eq!(scanned.lot.as_deref(), Some("L-7"));
/// assert_eq!(scanned.expiry.map(|day| day.to_string()).as_deref(), Some("2026-07-31"));
/// # Ok::<(), meso_room::gs1::Gs1Error>(())
/// ```
pub fn parse(text: &str, this_year: i16) -> Result<Scanned, Gs1Error> {
    let text = text.trim_matches(|c: char| c.is_whitespace() && c != FNC1);
    if text.len() > CODE_BYTES_MAX {
        return Err(Gs1Error::TooLong { length: text.len() });
    }
    let prefix = SYMBOLOGIES.iter().find(|it| text.starts_with(**it));
    let text = prefix.map_or(text, |prefix| &text[prefix.len()..]);
    if text.chars().all(|c| c == FNC1) {
        return Err(Gs1Error::Empty);
    }
    let elements = match text.starts_with('(') {
        true => bracketed(text)?,
        false => plain(text)?,
    };
    let mut scanned = Scanned::default();
    for (identifier, value) in elements {
        take(&mut scanned, identifier, value, this_year)?;
    }
    Ok(scanned)
}

/// Splits `01…17…10…` by predefined lengths and FNC1.
fn plain(text: &str) -> Result<Vec<(&str, &str)>, Gs1Error> {
    let mut elements = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(FNC1);
        if rest.is_empty() {
            return Ok(elements);
        }
        let at = text.len() - rest.len();
        let unknown = Gs1Error::UnknownIdentifier {
            at: text[..at].chars().count() + 1,
        };
        let length = identifier_length(rest).ok_or(unknown.clone())?;
        let (identifier, after) = rest.split_at_checked(length).ok_or(unknown.clone())?;
        if !is_digits(identifier) {
            return Err(unknown);
        }
        let end = match value_length(identifier) {
            Some(length) => after
                .char_indices()
                .nth(length)
                .map_or(after.len(), |(at, _)| at),
            None => after.find(FNC1).unwrap_or(after.len()),
        };
        elements.push((identifier, &after[..end]));
        rest = &after[end..];
    }
}

/// Splits `(01)…(17)…(10)…`, as people type it.
fn bracketed(text: &str) -> Result<Vec<(&str, &str)>, Gs1Error> {
    let mut marks = Vec::new();
    for (open, _) in text.match_indices('(') {
        let inside = text[open + 1..].split_once(')').map(|(inside, _)| inside);
        if let Some(inside) = inside.filter(|it| (2..=4).contains(&it.len()) && is_digits(it)) {
            marks.push((open, open + inside.len() + 2, inside));
        }
    }
    let unknown = Gs1Error::UnknownIdentifier { at: 1 };
    if marks.first().is_none_or(|(open, _, _)| *open != 0) {
        return Err(unknown);
    }
    let ends = marks.iter().skip(1).map(|(open, _, _)| *open);
    let ends = ends.chain([text.len()]);
    let elements = marks.iter().zip(ends);
    elements
        .map(|((open, begin, identifier), end)| {
            let is_known = identifier_length(identifier) == Some(identifier.len());
            let at = text[..*open].chars().count() + 1;
            is_known
                .then(|| (*identifier, text[*begin..end].trim_matches(FNC1).trim()))
                .ok_or(Gs1Error::UnknownIdentifier { at })
        })
        .collect()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How many digits the identifier at the beginning of a text has.
fn identifier_length(text: &str) -> Option<usize> {
    let first = text.get(..2).filter(|first| is_digits(first))?;
    match first.parse::<u8>().ok()? {
        0..=4 | 10..=22 | 30 | 37 | 90..=99 => Some(2),
        23..=25 | 40..=42 | 71 => Some(3),
        31..=36 | 39 | 43 | 70 | 72 | 80..=82 => Some(4),
        _ => None,
    }
}

/// How many characters the value of an identifier has, where that is predefined.
fn value_length(identifier: &str) -> Option<usize> {
    let first = identifier.get(..2)?.parse::<u8>().ok()?;
    match first {
        0 => Some(18),
        1..=3 => Some(14),
        4 => Some(16),
        11..=19 => Some(6),
        20 => Some(2),
        31..=36 => Some(6),
        41 => Some(13),
        _ => None,
    }
}

fn take(
    scanned: &mut Scanned,
    identifier: &str,
    value: &str,
    this_year: i16,
) -> Result<(), Gs1Error> {
    let length = value.chars().count();
    let wrong_length = |wanted: String| Gs1Error::WrongLength {
        identifier: identifier.to_owned(),
        length,
        wanted,
    };
    let wrong_character = || Gs1Error::WrongCharacter {
        identifier: identifier.to_owned(),
    };
    if let Some(wanted) = value_length(identifier) {
        if length != wanted {
            return Err(wrong_length(wanted.to_string()));
        }
        if !is_digits(value) {
            return Err(wrong_character());
        }
    } else if length == 0 {
        return Err(wrong_length("1 or more".to_owned()));
    }
    if !value.chars().all(is_allowed) {
        return Err(wrong_character());
    }
    let is_short = matches!(identifier, "10" | "21");
    if is_short && length > LOT_LENGTH_MAX {
        return Err(wrong_length(format!("1 to {LOT_LENGTH_MAX}")));
    }
    match identifier {
        "01" if !has_right_check_digit(value) => {
            return Err(Gs1Error::WrongCheckDigit {
                gtin: value.to_owned(),
            });
        }
        "01" => keep(&mut scanned.gtin, value.to_owned(), identifier)?,
        "10" => keep(&mut scanned.lot, value.to_owned(), identifier)?,
        "17" => {
            let day = date(value, this_year).ok_or_else(|| Gs1Error::NoDate {
                text: value.to_owned(),
            })?;
            keep(&mut scanned.expiry, day, identifier)?;
        }
        "21" => keep(&mut scanned.serial, value.to_owned(), identifier)?,
        _ => {}
    }
    Ok(())
}

fn keep<T: PartialEq>(place: &mut Option<T>, value: T, identifier: &str) -> Result<(), Gs1Error> {
    if place.as_ref().is_some_and(|known| *known != value) {
        return Err(Gs1Error::Contradiction {
            identifier: identifier.to_owned(),
        });
    }
    *place = Some(value);
    Ok(())
}

/// The 82 characters of the specification.
const fn is_allowed(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '0'..='9' | '!' | '"' | '%'..='/' | ':'..='?' | '_')
}

/// Whether the last digit is the one that the others give: from the right, weights 3 and 1.
fn has_right_check_digit(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| u32::from(byte - b'0') * if place % 2 == 0 { 1 } else { 3 })
        .sum();
    sum.is_multiple_of(10)
}

/// YYMMDD; day 00 is the last of the month. A year more than 50 ahead was in the century before,
/// one more than 49 behind is in the next.
fn date(digits: &str, this_year: i16) -> Option<Date> {
    let part = |from: usize| digits.get(from..from + 2)?.parse::<i8>().ok();
    let (year, month, day) = (i16::from(part(0)?), part(2)?, part(4)?);
    let century = this_year - this_year.rem_euclid(100);
    let ahead = year - this_year.rem_euclid(100);
    let year = match ahead {
        51.. => century - 100 + year,
        ..=-50 => century + 100 + year,
        _ => century + year,
    };
    match day {
        0 => Some(Date::new(year, month, 1).ok()?.last_of_month()),
        day => Date::new(year, month, day).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GTIN: &str = "09506000134352";

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn every_way_of_writing_a_code_says_the_same() {
        let expected = Scanned {
            gtin: Some(GTIN.to_owned()),
            lot: Some("AB-12/x".to_owned()),
            expiry: Some(day("2027-12-31")),
            serial: Some("S9".to_owned()),
        };
        for text in [
            "01095060001343521727123110AB-12/x\u{1d}21S9",
            "]d201095060001343521727123110AB-12/x\u{1d}21S9",
            "]C1\u{1d}21S9\u{1d}10AB-12/x\u{1d}010950600013435217271200",
            "(01)09506000134352(17)271231(10)AB-12/x(21)S9",
            "0109506000134352\u{1d}17271231\u{1d}10AB-12/x\u{1d}21S9\u{1d}",
        ] {
            assert_eq!(parse(text, 2026).as_ref(), Ok(&expected), "{text:?}");
        }
    }

    #[test]
    fn other_identifiers_are_stepped_over() {
        let text = "0095060001343520000011261130240REF-1\u{1d}31030012507003123\u{1d}10L1";
        let scanned = parse(text, 2026).map(|it| it.lot);
        assert_eq!(scanned, Ok(Some("L1".to_owned())));
    }

    #[test]
    fn a_century_is_chosen_by_the_window_of_the_specification() {
        for (year, digits, expected) in [
            (2026, "770101", "1977-01-01"),
            (2026, "760101", "2076-01-01"),
            (2098, "480101", "2148-01-01"),
            (2098, "490101", "2049-01-01"),
        ] {
            assert_eq!(
                date(digits, year),
                Some(day(expected)),
                "{digits} in {year}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_is_believed() {
        use Gs1Error as E;
        let check = |text: &str| parse(text, 2026).unwrap_err();
        assert_eq!(check(" \u{1d}"), E::Empty);
        assert!(matches!(
            check(&"1".repeat(600)),
            E::TooLong { length: 600 }
        ));
        assert!(matches!(check("8Z"), E::UnknownIdentifier { at: 1 }));
        assert!(matches!(
            check("0109506000134353"),
            E::WrongCheckDigit { .. }
        ));
        assert!(matches!(
            check("010950600013435"),
            E::WrongLength { length: 13, .. }
        ));
        assert!(matches!(check("17271331"), E::NoDate { .. }));
        assert!(matches!(check("10A\u{1d}10B"), E::Contradiction { .. }));
        assert!(matches!(check("10ä"), E::WrongCharacter { .. }));
        assert!(matches!(check("10"), E::WrongLength { .. }));
        assert!(matches!(
            check("10123456789012345678901"),
            E::WrongLength { .. }
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = parse(&text, 2026);
        }

        #[test]
        fn no_string_of_likely_characters_makes_it_panic(text in "[0-9()\u{1d}\\]dC2A]{0,60}") {
            let _ = parse(&text, 2026);
        }

        #[test]
        fn what_was_written_is_read_in_any_order(
            lot in "[A-Za-z0-9/_.+-]{1,20}",
            serial in "[A-Za-z0-9/_.+-]{1,20}",
            order in Just([0, 1, 2, 3]).prop_shuffle(),
        ) {
            let parts = [
                format!("01{GTIN}"),
                format!("10{lot}\u{1d}"),
                "17280229".to_owned(),
                format!("21{serial}\u{1d}"),
            ];
            let text: String = order.iter().map(|at| parts[*at].as_str()).collect();
            let scanned = parse(&text, 2026).unwrap();
            prop_assert_eq!(scanned.gtin.as_deref(), Some(GTIN));
            prop_assert_eq!(scanned.lot, Some(lot));
            prop_assert_eq!(scanned.serial, Some(serial));
            prop_assert_eq!(scanned.expiry, Some(day("2028-02-29")));
        }
    }
}
