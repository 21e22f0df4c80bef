//! Published files that the code writes.

/// Compares a file of the repository with what the code gives; `cargo xtask golden` writes it.
#[track_caller]
pub(crate) fn assert_current(file: &str, text: &str) {
    let path = meso_tests::root().join(file);
    if std::env::var("UPDATE_GOLDEN").as_deref() == Ok("1") {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{file} is not what the code gives: run `cargo xtask golden` and read the change"
    );
}
