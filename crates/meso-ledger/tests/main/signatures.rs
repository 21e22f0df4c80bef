//! Keys, notes and checkpoints that are as they should be, and those that are not.

use meso_ledger::{Checkpoint, LedgerError, LogKey, VerifierKey, leaf_hash, sign_note};
use proptest::prelude::*;

const ORIGIN: &str = "mesofleet.example/log";

fn sample_key(seed: u8) -> LogKey {
    LogKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn sample_note() -> String {
    Checkpoint::new(ORIGIN, 3, leaf_hash(b"three"))
        .unwrap()
        .sign(&sample_key(1))
}

#[test]
fn a_signed_checkpoint_opens_with_its_own_key_only() {
    let note = sample_note();
    let opened = Checkpoint::open(&note, &sample_key(1).verifier()).unwrap();
    assert_eq!(
        (opened.origin(), opened.size(), opened.root()),
        (ORIGIN, 3, leaf_hash(b"three"))
    );
    let stranger = sample_key(2).verifier();
    assert!(matches!(
        Checkpoint::open(&note, &stranger),
        Err(LedgerError::NotSignedBy { .. })
    ));
}

#[test]
fn a_changed_digit_of_the_size_breaks_the_signature() {
    let note = sample_note().replacen("\n3\n", "\n4\n", 1);
    assert!(matches!(
        Checkpoint::open(&note, &sample_key(1).verifier()),
        Err(LedgerError::SignatureMismatch { .. })
    ));
}

#[test]
fn signatures_of_unknown_keys_are_read_over() {
    let note = sample_note();
    let witness = format!("{note}\u{2014} witness.example AAAAAAAAAAAAAAAA\n");
    assert!(Checkpoint::open(&witness, &sample_key(1).verifier()).is_ok());
}

#[test]
fn a_checkpoint_of_another_log_under_the_same_key_is_refused() {
    let other = Checkpoint::new("other.example/log", 3, leaf_hash(b"three")).unwrap();
    let note = other.sign(&sample_key(1));
    assert!(matches!(
        Checkpoint::open(&note, &sample_key(1).verifier()),
        Err(LedgerError::NotACheckpoint { .. })
    ));
}

#[test]
fn a_key_whose_id_or_form_is_wrong_is_refused() {
    let text = sample_key(1).verifier().to_string();
    assert_eq!(VerifierKey::parse(&text).unwrap().to_string(), text);
    assert!(
        VerifierKey::parse(&format!("{text}\r\n")).is_ok(),
        "a file may end its line"
    );
    for wrong in [
        "",
        "a",
        "a+b",
        "a+b+c",
        "+00000000+AQ==",
        &text[1..],
        &text[..text.len() - 4],
    ] {
        assert!(VerifierKey::parse(wrong).is_err(), "{wrong}");
    }
    // The neutral point of the curve: anyone could sign under it.
    let weak = "weak+00000000+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert!(VerifierKey::parse(weak).is_err());
}

#[test]
fn a_name_that_a_signature_line_cannot_carry_is_refused() {
    for wrong in [
        "",
        "two words",
        "a+b",
        "line\nfeed",
        "no\u{a0}break",
        &"x".repeat(256),
    ] {
        assert!(LogKey::from_seed(wrong, &[1; 32]).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_debug_text_of_a_key_does_not_show_the_secret() {
    let key = LogKey::from_seed("k", &[0xAB; 32]).unwrap();
    let text = format!("{key:?}").to_lowercase();
    assert!(
        !text.contains("abab") && !text.contains("171, 171"),
        "{text}"
    );
}

#[test]
fn any_text_can_be_signed_but_not_one_that_reads_as_a_checkpoint() {
    let key = sample_key(1);
    let text = "title\nnot a number\n";
    assert_eq!(
        key.verifier().open(&sign_note(text, &key).unwrap()),
        Ok(text)
    );
    let checkpoint = Checkpoint::new("other.example", 3, leaf_hash(b"three")).unwrap();
    for wrong in [checkpoint.text().as_str(), "no line feed", "tab\tinside\n"] {
        assert!(sign_note(wrong, &key).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_size_is_written_in_one_way_only() {
    let text = Checkpoint::new(ORIGIN, 3, leaf_hash(b"three"))
        .unwrap()
        .text();
    assert!(Checkpoint::parse(&text).is_ok());
    for size in [
        "03",
        "+3",
        "",
        "-3",
        "3 ",
        "99999999999999999999",
        "9223372036854775808",
    ] {
        let wrong = text.replacen("\n3\n", &format!("\n{size}\n"), 1);
        assert!(Checkpoint::parse(&wrong).is_err(), "{size}");
    }
}

proptest! {
    #[test]
    fn any_changed_byte_of_a_signed_checkpoint_is_found(at in any::<usize>(), value in any::<u8>()) {
        let note = sample_note();
        let mut bytes = note.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != value);
        bytes[at] = value;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(Checkpoint::open(&changed, &sample_key(1).verifier()).is_err());
        }
    }

    #[test]
    fn any_text_is_refused_without_panic(text in "\\PC*", note in "(\\PC|\n|\u{2014} ){0,200}") {
        let _ = VerifierKey::parse(&text);
        let _ = Checkpoint::parse(&note);
        prop_assert!(Checkpoint::open(&note, &sample_key(1).verifier()).is_err());
    }
}
