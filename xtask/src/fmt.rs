//! `cargo x fmt`: `cargo fmt`, and rustfmt on the files that only `automod` names.

use crate::{only_check_flag, places, process};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    format(only_check_flag(arguments)?)
}

/// Formats all files, or, with `check`, fails if one is not formatted.
pub(crate) fn format(check: bool) -> Result<()> {
    let mut seen = process::cargo();
    seen.args(["fmt", "--all"]);
    let mut unseen =
        process::program(&std::env::var("RUSTFMT").unwrap_or_else(|_| "rustfmt".into()));
    unseen.args(["--edition", "2024"]);
    if check {
        seen.arg("--check");
        unseen.arg("--check");
    }

    // Both run, so that one call shows everything there is to format.
    let mut results = vec![process::run(&mut seen)];
    let files = files_of_automod()?;
    if !files.is_empty() {
        results.push(process::run(unseen.args(files)));
    }
    if results.iter().all(Result::is_ok) {
        return Ok(());
    }
    if check {
        bail!("not formatted; run `cargo x fmt`");
    }
    results.into_iter().collect()
}

/// The Rust files in the folders of `automod`, sorted; a folder that is not there yet has none.
fn files_of_automod() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in places::automod_folders() {
        let folder = process::root().join(folder);
        if !folder.is_dir() {
            continue;
        }
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
