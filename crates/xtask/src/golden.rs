//! Golden files: what the code gives today becomes what the tests expect.

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Tests that compare with a golden file write it instead when this is set to `1`.
const UPDATE_GOLDEN: &str = "UPDATE_GOLDEN";

/// Runs the tests with every comparison turned into a write.
pub(crate) fn update(workspace: &Workspace) -> Result<()> {
    println!("cargo xtask golden: installs nothing; runs the tests once and writes golden files.");
    let mut test = workspace.cargo(&["test", "--workspace", "--tests", "--no-fail-fast"]);
    process::run(test.env(UPDATE_GOLDEN, "1").env("INSTA_UPDATE", "always"))?;
    println!("golden files are written; read every change with `git diff` before you keep it");
    Ok(())
}
