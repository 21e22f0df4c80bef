//! The serial number of a USB device beside that of the gun behind it.

use meso_config::UsbSerial;
use meso_units::GunSerial;

/// What the two serial numbers say of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UsbVerdict {
    /// Nothing to say.
    Fine,
    /// They differ, and people are to know.
    Differs,
    /// They must not differ.
    Refused,
}

/// Compares the serial number of the USB device, where the port has one, with the gun's.
///
/// A converter cable has a number of its own make, such as `A50285BI`, which says nothing of the
/// gun. So only a number of the same shape is compared, letter for letter and digit for digit,
/// unless the two must be the same.
pub(crate) fn compare(usb: Option<&str>, gun: &GunSerial, rule: UsbSerial) -> UsbVerdict {
    let is_same = usb.is_some_and(|usb| usb.trim() == gun.as_str());
    match rule {
        UsbSerial::Require if !is_same => UsbVerdict::Refused,
        UsbSerial::Compare if !is_same && usb.is_some_and(|usb| looks_like(usb.trim(), gun)) => {
            UsbVerdict::Differs
        }
        _ => UsbVerdict::Fine,
    }
}

/// Whether a text has letters, digits and dashes in the places where the serial number has them.
fn looks_like(text: &str, gun: &GunSerial) -> bool {
    let shape = |byte: u8| match byte {
        b'0'..=b'9' => b'0',
        b'A'..=b'Z' | b'a'..=b'z' => b'A',
        other => other,
    };
    text.bytes().map(shape).eq(gun.as_str().bytes().map(shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(usb: Option<&str>, rule: UsbSerial, expected: UsbVerdict) {
        let gun = GunSerial::parse("GUN-000123").unwrap();
        assert_eq!(compare(usb, &gun, rule), expected, "{usb:?}");
    }

    #[test]
    fn only_a_number_of_the_same_shape_is_compared() {
        check(Some("GUN-000124"), UsbSerial::Compare, UsbVerdict::Differs);
        check(Some("GUN-000123"), UsbSerial::Compare, UsbVerdict::Fine);
        check(Some("A50285BI"), UsbSerial::Compare, UsbVerdict::Fine);
        check(None, UsbSerial::Compare, UsbVerdict::Fine);
    }

    #[test]
    fn a_required_number_must_be_there_and_the_same() {
        check(Some("A50285BI"), UsbSerial::Require, UsbVerdict::Refused);
        check(None, UsbSerial::Require, UsbVerdict::Refused);
        check(Some("GUN-000123"), UsbSerial::Require, UsbVerdict::Fine);
    }
}
