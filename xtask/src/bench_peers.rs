//! `cargo x bench-peers`: the release build beside its peers, by `xtask/bench_peers/run.py`.

use crate::process;
use anyhow::Result;

/// Builds voxprep and hands all arguments on to the script. The Python is `VOXPREP_PYTHON`, else
/// `python3`; it must have numpy, nibabel, scipy and SimpleITK.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    process::run(process::cargo().args(["build", "--release", "-p", "voxprep"]))?;
    let python = std::env::var("VOXPREP_PYTHON").unwrap_or_else(|_| "python3".into());
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    process::run(
        process::program(&python)
            .arg("xtask/bench_peers/run.py")
            .arg("--voxprep")
            .arg(format!("{target}/release/voxprep"))
            .args(arguments),
    )
}
