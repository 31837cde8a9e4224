//! `cargo x bench-peers`: voxprep beside its peers, by `xtask/bench_peers/run.py`.

use crate::process;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;

/// Builds the command line tool and the program that is timed in memory, and hands all arguments on
/// to the script. The Python is `VOXPREP_PYTHON`, else `python3`; `docs/benchmarks.md` says what it
/// must have.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut build = process::cargo();
    build.args([
        "build",
        "--release",
        "--message-format=json-render-diagnostics",
    ]);
    build.args(["-p", "voxprep", "--bin", "voxprep"]);
    build.args(["-p", "voxprep-tests", "--bench", "in_process"]);
    let messages = process::read(&mut build)?;
    let python = std::env::var("VOXPREP_PYTHON").unwrap_or_else(|_| "python3".into());
    process::run(
        process::program(&python)
            .arg("xtask/bench_peers/run.py")
            .arg("--voxprep")
            .arg(executable(&messages, "voxprep")?)
            .arg("--in-process")
            .arg(executable(&messages, "in_process")?)
            .args(arguments),
    )
}

/// The program that a target became, in what cargo said line by line.
fn executable(messages: &str, target: &str) -> Result<PathBuf> {
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).with_context(|| format!("cargo said `{line}`"))?;
        if message["reason"] == "compiler-artifact"
            && message["target"]["name"] == target
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo built no program called `{target}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_where_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"voxprep"},"executable":null}
{"reason":"build-script-executed"}
{"reason":"compiler-artifact","target":{"name":"voxprep"},"executable":"/t/release/voxprep"}"#;
        let path = executable(messages, "voxprep").unwrap();
        assert_eq!(path, PathBuf::from("/t/release/voxprep"));
        assert!(executable(messages, "in_process").is_err());
        assert!(executable("error: no such package", "voxprep").is_err());
    }
}
