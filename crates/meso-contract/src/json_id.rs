//! 64-bit and 256-bit identifiers as hexadecimal text.

use crate::PayloadError;

/// Writes bytes as lower-case hexadecimal; `hex::encode` takes several times as long, and every shot
/// has some.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    let mut digits = vec![0; bytes.len() * 2];
    // The length fits, and digits are text.
    let _ = hex::encode_to_slice(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

/// Writes a 64-bit identifier as 16 digits.
pub(crate) fn hex_u64(value: u64) -> String {
    hex_of(&value.to_be_bytes())
}

/// Reads 16 hexadecimal digits.
pub(crate) fn parse_u64(field: &'static str, text: &str) -> Result<u64, PayloadError> {
    let digits = text.len() == 16
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match u64::from_str_radix(text, 16) {
        Ok(value) if digits => Ok(value),
        _ => Err(PayloadError::UnknownWord {
            field,
            value: text.chars().take(64).collect(),
        }),
    }
}

/// Reads `N` bytes of hexadecimal digits.
///
/// # Errors
///
/// [`PayloadError::UnknownWord`] naming the field for another length or other letters.
pub fn parse_bytes<const N: usize>(
    field: &'static str,
    text: &str,
) -> Result<[u8; N], PayloadError> {
    let wrong = || PayloadError::UnknownWord {
        field,
        value: text.chars().take(64).collect(),
    };
    let mut bytes = [0_u8; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong())?;
    Ok(bytes)
}
