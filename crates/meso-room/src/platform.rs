//! What differs between systems: who may read the token. Nothing else here calls Unix alone.

pub(crate) use sys::{opened_privately, sync_folder};

#[cfg(unix)]
mod sys {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::Path;

    /// A file that is made has no rights for others.
    pub(crate) fn opened_privately(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// A file that was put there is there after a power cut, too.
    pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

#[cfg(not(unix))]
mod sys {
    use std::fs::OpenOptions;
    use std::io;
    use std::path::Path;

    /// Its rights are those of its folder.
    pub(crate) fn opened_privately(_options: &mut OpenOptions) {}

    /// Such systems have folders written by themselves.
    pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
        Ok(())
    }
}
