//! What differs between systems: who may read a file. Nothing else here calls Unix alone.

pub(crate) use sys::mode_for_others;

#[cfg(unix)]
mod sys {
    use std::io;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    /// The mode of a file that others than its owner may use; `None` where they may not.
    pub(crate) fn mode_for_others(file: &Path) -> io::Result<Option<u32>> {
        let mode = std::fs::metadata(file)?.permissions().mode() & 0o777;
        Ok((mode & 0o077 != 0).then_some(mode))
    }
}

#[cfg(not(unix))]
mod sys {
    use std::io;
    use std::path::Path;

    /// Files have no mode here: whoever sets up the computer sees to their rights.
    pub(crate) fn mode_for_others(_file: &Path) -> io::Result<Option<u32>> {
        Ok(None)
    }
}
