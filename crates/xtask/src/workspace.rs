//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The checkout, and the folders outside it that builds use.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the checkout from where cargo says that this crate lies.
    pub(crate) fn find() -> Result<Workspace> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .context("CARGO_MANIFEST_DIR is not set; run this as `cargo xtask`")?;
        let root = Path::new(&manifest)
            .ancestors()
            .nth(2)
            .context("CARGO_MANIFEST_DIR is not two folders deep; run this as `cargo xtask`")?;
        Ok(Workspace {
            root: root.to_owned(),
        })
    }

    /// The top folder of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the dashboards' sources.
    pub(crate) fn web(&self) -> PathBuf {
        self.root.join("dashboards/web")
    }

    /// A folder outside the checkout for tools that only the tests use.
    pub(crate) fn cache(&self) -> Result<PathBuf> {
        let base = match std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => {
                let home = std::env::var_os("HOME")
                    .or_else(|| std::env::var_os("LOCALAPPDATA"))
                    .context("neither XDG_CACHE_HOME nor HOME is set; set one of them")?;
                PathBuf::from(home).join(".cache")
            }
        };
        Ok(base.join("mesofleet"))
    }

    /// The cargo that runs this program, in the top folder.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Builds the three programs that work together.
    pub(crate) fn build_programs(&self) -> Result<()> {
        let mut build = self.cargo(&["build", "--bins"]);
        for program in ["mesofleet", "mesofleet-driver", "mesofleet-verify"] {
            build.args(["--package", program]);
        }
        process::run(&mut build)
    }

    /// A program that a debug build of this workspace made.
    pub(crate) fn binary(&self, name: &str) -> Result<PathBuf> {
        // This program was built into the same folder.
        let own = std::env::current_exe().context("this program's own path is not known")?;
        let path = own.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        if !path.is_file() {
            bail!(
                "{} was not built; run `cargo build --package {name}`",
                path.display()
            );
        }
        Ok(path)
    }
}
