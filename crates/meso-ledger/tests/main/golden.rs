//! Pinned bytes. If one of these fails, the format changed: do not change this test, undo the
//! change, because logs that were signed with the old format must verify for ever.

use meso_ledger::{Checkpoint, Frontier, Hash, LogKey, VerifierKey, empty_root, leaf_hash};

/// The leaves and roots of the reference tests of Certificate Transparency.
const REFERENCE: [(&str, &str); 8] = [
    (
        "",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    ),
    (
        "00",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    ),
    (
        "10",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ),
    (
        "2021",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (
        "3031",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    ),
    (
        "40414243",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    ),
    (
        "5051525354555657",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    ),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

#[test]
fn the_reference_roots_of_certificate_transparency_do_not_change() {
    let mut frontier = Frontier::EMPTY;
    assert_eq!(
        empty_root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (leaf, root) in REFERENCE {
        frontier.append(&hex::decode(leaf).unwrap()).unwrap();
        assert_eq!(frontier.root().to_string(), root);
    }
}

#[test]
fn a_note_signed_by_the_go_implementation_opens() {
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let note = format!(
        "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFY\
         C2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    );
    let key = VerifierKey::parse(key).unwrap();
    assert_eq!(key.open(&note), Ok(text));
}

#[test]
fn the_bytes_of_a_signed_checkpoint_do_not_change() {
    let key = LogKey::from_seed("mesofleet.example/log", &[1; 32]).unwrap();
    let checkpoint = Checkpoint::new("mesofleet.example/log", 1, leaf_hash(b"entry")).unwrap();
    assert_eq!(
        key.verifier().to_string(),
        "mesofleet.example/log+10f322ab+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
    );
    assert_eq!(
        key.verifier().fingerprint(),
        "10f3 22ab b614 066c 9844 3413 cd91 dec3"
    );
    assert_eq!(
        checkpoint.sign(&key),
        "mesofleet.example/log\n1\n2cLWa1IsJSJyj1Of+fZ7hdQN7/8JX8ilKMmU9PNbs94=\n\n— mesofleet.example/log EPMiqwy9bc+DPYFbZDmoBwlAGgxb48SLFESp7uLZ8IWnFWhIp4Mp2aCX4gqW9qhZCrH8NGHPENxKQMAbu9yEga/eeA8=\n"
    );
    let root = Hash::parse(REFERENCE[0].1).unwrap();
    assert_eq!(
        root.to_base64(),
        "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
    );
}
