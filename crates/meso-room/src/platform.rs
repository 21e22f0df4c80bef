//! What differs between systems: who may read the token. Nothing else here calls Unix alone.

pub(crate) use sys::opened_privately;

#[cfg(unix)]
mod sys {
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt as _;

    /// A file that is made has no rights for others.
    pub(crate) fn opened_privately(options: &mut OpenOptions) {
        options.mode(0o600);
    }
}

#[cfg(not(unix))]
mod sys {
    use std::fs::OpenOptions;

    /// Its rights are those of its folder.
    pub(crate) fn opened_privately(_options: &mut OpenOptions) {}
}
