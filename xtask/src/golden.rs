//! `cargo x golden`: writes `tests/golden/`, what every step makes of a made-up scan. The test that
//! compares writes, so that there is one way to make them.

use crate::process;
use anyhow::{Result, bail};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("expected nothing, got `{}`", arguments.join(" "));
    }
    let mut test = process::cargo();
    test.args(["test", "-q", "-p", "voxprep-tests", "--test", "golden"])
        .env("VOXPREP_GOLDEN", "write");
    process::run(&mut test)?;
    println!("wrote tests/golden; `git diff tests/golden` shows what changed");
    Ok(())
}
