//! The public interface of the units: ranges, text and round trips.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use meso_units::{GunSerial, Micrometres, Microseconds, Nanolitres, SessionId, UnitError};
use proptest::prelude::*;

#[test]
fn a_depth_needs_its_unit_and_keeps_every_micrometre() {
    assert_eq!(Micrometres::parse("1.234 mm").unwrap().get(), 1_234);
    assert_eq!(Micrometres::parse("1500um").unwrap().get(), 1_500);
    for wrong in [
        "4", "", "mm", ".5 mm", "1. mm", "1.2.3 mm", "1-2 mm", "4 cm", "1e3 um",
    ] {
        assert!(
            matches!(
                Micrometres::parse(wrong),
                Err(UnitError::NotAQuantity { .. })
            ),
            "{wrong:?}"
        );
    }
    assert!(matches!(
        Micrometres::parse("0.0001 mm"),
        Err(UnitError::TooFine { .. })
    ));
    assert!(matches!(
        Micrometres::parse("13.001 mm"),
        Err(UnitError::OutOfRange { .. })
    ));
    assert!(matches!(
        Micrometres::parse("-1 mm"),
        Err(UnitError::OutOfRange { .. })
    ));
}

#[test]
fn an_error_names_the_thing_the_value_and_the_limits() {
    let text = Micrometres::new(14_000).unwrap_err().to_string();
    assert_eq!(text, "needle depth in µm 14000 is outside 0 to 13000");
}

#[test]
fn a_rate_is_the_inverse_of_the_interval_and_zero_has_none() {
    assert_eq!(Microseconds::new(0).unwrap().rate_mhz(), None);
    assert_eq!(
        Microseconds::new(1_000_000).unwrap().rate_mhz(),
        Some(1_000)
    );
}

#[test]
fn a_serial_number_is_safe_in_a_topic() {
    assert!(GunSerial::parse("GUN-0001").is_ok());
    for wrong in ["", "gun", "A/B", "A+", "#", "ABCDEFGHIJKLMNOPQ", "Ä"] {
        assert!(GunSerial::parse(wrong).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn volumes_in_microlitres_and_nanolitres_agree(ul in 0_u64..10_000_000) {
        let from_ul = Nanolitres::parse(&format!("{ul} ul")).unwrap();
        let from_nl = Nanolitres::parse(&format!("{} nl", ul * 1_000)).unwrap();
        prop_assert_eq!(from_ul, from_nl);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = Micrometres::parse(&text);
        let _ = Nanolitres::parse(&text);
    }

    #[test]
    fn serial_numbers_compare_as_their_texts_do(one in "[A-Z0-9-]{1,16}", other in "[A-Z0-9-]{1,16}") {
        let (a, b) = (GunSerial::parse(&one).unwrap(), GunSerial::parse(&other).unwrap());
        prop_assert_eq!(a.as_str(), one.as_str());
        prop_assert_eq!(a.cmp(&b), one.cmp(&other));
        prop_assert_eq!(format!("{a:?}"), format!("GunSerial({one:?})"));
    }

    #[test]
    fn an_identifier_survives_its_own_text(bytes in any::<[u8; 16]>()) {
        let id = SessionId::from_bytes(bytes);
        prop_assert_eq!(SessionId::parse(&id.to_string()).unwrap(), id);
    }
}
