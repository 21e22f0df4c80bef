use meso_units::Timestamp;

use super::*;
use crate::links::Link;

fn entries() -> Vec<LinkEntry> {
    let link = Link {
        tag: CodeTag([1; 32]),
        id: [2; 16],
        salt: [3; 32],
        made_at: Timestamp::from_unix_ns(5).unwrap(),
        made_by: DriverId::parse("room-1").unwrap(),
    };
    vec![LinkEntry {
        link,
        told_into: None,
    }]
}

fn with_place<T>(kind: &'static str, number: u16, work: impl FnOnce(&LinkPlace<'_>) -> T) -> T {
    let (clinic, driver) = (
        ClinicId::parse("riverside").unwrap(),
        DriverId::parse("room-1").unwrap(),
    );
    work(&LinkPlace {
        clinic: &clinic,
        driver: &driver,
        kind,
        number,
    })
}

#[test]
fn a_code_has_one_tag_under_a_key_and_another_one_under_another() {
    let (here, there) = (
        PatientKeys::from_key(&[1; 32]),
        PatientKeys::from_key(&[2; 32]),
    );
    let first = here.tag("P-0042").unwrap();
    assert_eq!(here.tag(" p-0042 ").unwrap(), first);
    assert_ne!(here.tag("P-0043").unwrap(), first);
    assert_ne!(there.tag("P-0042").unwrap(), first);
    assert!(here.tag(" ").is_err());
    assert!(
        here.tag(&"x".repeat(PatientCodeBody::CODE_BYTES_MAX + 1))
            .is_err()
    );
    assert_ne!(here.fingerprint(), there.fingerprint());
}

#[test]
fn links_decrypt_under_their_key_and_in_their_place_only() {
    let keys = PatientKeys::from_key(&[1; 32]);
    let sealed = with_place("shelf", 3, |place| keys.seal(place, &[9; 32], &entries()));
    let open = |keys: &PatientKeys, kind, number, sealed: &[u8]| {
        with_place(kind, number, |place| keys.open_sealed(place, sealed))
    };
    assert_eq!(open(&keys, "shelf", 3, &sealed).unwrap(), entries());
    let other = PatientKeys::from_key(&[2; 32]);
    assert!(open(&other, "shelf", 3, &sealed).is_err());
    assert!(open(&keys, "shelf", 4, &sealed).is_err());
    assert!(open(&keys, "page", 3, &sealed).is_err());
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(open(&keys, "shelf", 3, &damaged).is_err(), "byte {at}");
        assert!(
            open(&keys, "shelf", 3, &sealed[..at]).is_err(),
            "cut at {at}"
        );
    }
}

#[test]
fn what_is_encrypted_shows_nothing_of_a_link_and_has_a_nonce_of_its_own() {
    let keys = PatientKeys::from_key(&[1; 32]);
    let seal = |seed, entries: &[LinkEntry]| {
        with_place("shelf", 0, |place| keys.seal(place, &[seed; 32], entries))
    };
    let sealed = seal(9, &entries());
    for secret in [&[1_u8; 32][..], &[2; 16], &[3; 32], b"room-1"] {
        assert!(!sealed.windows(secret.len()).any(|bytes| bytes == secret));
    }
    let mut others = entries();
    others[0].link.id = [7; 16];
    let nonce = |sealed: &[u8]| sealed[..NONCE_BYTES].to_vec();
    assert_ne!(
        nonce(&seal(9, &others)),
        nonce(&sealed),
        "one seed, two texts"
    );
    assert_ne!(nonce(&seal(8, &entries())), nonce(&sealed));
}

#[test]
fn a_folder_has_one_key_from_its_first_use_on() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read_patient_key(folder.path()).unwrap().is_none());
    let first = PatientKeys::open(folder.path()).unwrap();
    let again = PatientKeys::open(folder.path()).unwrap();
    assert_eq!(again.fingerprint(), first.fingerprint());
    assert_eq!(again.tag("P-1").unwrap(), first.tag("P-1").unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(PATIENT_KEY_FILE_NAME);
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_key_that_is_none_is_not_replaced_silently() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(PATIENT_KEY_FILE_NAME);
    for content in [&b"ab"[..], b"", &[0xff; 64]] {
        fs::write(&path, content).unwrap();
        let refused = PatientKeys::open(folder.path()).unwrap_err();
        assert!(
            matches!(refused, PatientKeyError::NoKey { .. }),
            "{refused}"
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}
