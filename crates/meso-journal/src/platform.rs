//! What differs between systems: who may read the journal. Nothing else here calls Unix alone.
//!
//! On Windows a folder passes its rights on to what is made in it; the folder of a service account
//! is closed to others by itself.

pub(crate) use sys::{close_folder_to_others, close_to_others, opened_privately};

#[cfg(unix)]
mod sys {
    use std::fs::{DirBuilder, File, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};

    /// A folder that is made has no rights for others.
    pub(crate) fn close_folder_to_others(builder: &mut DirBuilder) {
        builder.mode(0o700);
    }

    /// A file that is made has no rights for others.
    pub(crate) fn opened_privately(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// Takes a file that is there away from others.
    pub(crate) fn close_to_others(file: &File) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o600))
    }
}

#[cfg(not(unix))]
mod sys {
    use std::fs::{DirBuilder, File, OpenOptions};
    use std::io;

    /// Its rights are those of the folder around it.
    pub(crate) fn close_folder_to_others(_builder: &mut DirBuilder) {}

    /// Its rights are those of its folder.
    pub(crate) fn opened_privately(_options: &mut OpenOptions) {}

    /// Its rights are those of its folder.
    pub(crate) fn close_to_others(_file: &File) -> io::Result<()> {
        Ok(())
    }
}
