//! `cargo x check`: everything that has to hold before a change is handed in.

use crate::{changelog, docs, fmt, process};
use anyhow::{Result, bail};
use std::time::Instant;

struct Check {
    name: &'static str,
    what: &'static str,
    /// Left out by `--fast`.
    slow: bool,
    run: fn() -> Result<()>,
}

/// In this order: what is quick and often wrong comes first.
const CHECKS: &[Check] = &[
    Check {
        name: "format",
        what: "all files are formatted",
        slow: false,
        run: || fmt::format(true),
    },
    Check {
        name: "clippy",
        what: "no warnings",
        slow: false,
        run: || {
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ])
        },
    },
    Check {
        name: "tests",
        what: "all tests pass",
        slow: true,
        run: || cargo(&["test", "--workspace"]),
    },
    Check {
        name: "rustdoc",
        what: "the API documentation builds without warnings",
        slow: true,
        run: || {
            let mut command = process::cargo();
            command.args(["doc", "--workspace", "--no-deps"]);
            process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Check {
        name: "docs",
        what: "the generated pages are up to date",
        slow: true,
        run: || docs::generate(true),
    },
    Check {
        name: "changelog",
        what: "the changelog fragments follow the rule",
        slow: false,
        run: changelog::check,
    },
    Check {
        name: "selective",
        what: "each modality builds alone",
        slow: false,
        run: selective,
    },
];

/// Builds the CLI with one modality at a time, and looks at what it lists.
fn selective() -> Result<()> {
    const NEUTRAL: [&str; 5] = ["spatial", "intensity", "label", "filter", "subject"];
    for only in ["ct", "mri", "xray", "augment"] {
        let mut list = process::cargo();
        list.args(["run", "--quiet", "--package", "voxprep"])
            .args(["--no-default-features", "--features", only])
            .args(["--", "list", "--json"]);
        let listed: Vec<serde_json::Value> = serde_json::from_str(&process::read(&mut list)?)?;
        let prefixes: Vec<&str> = listed
            .iter()
            .filter_map(|entry| entry["name"].as_str()?.split('.').next())
            .collect();
        if let Some(foreign) = prefixes
            .iter()
            .find(|prefix| **prefix != only && !NEUTRAL.contains(*prefix))
        {
            bail!("a build with `{only}` alone lists {foreign}.*");
        }
        if let Some(missing) = [only, "spatial"].iter().find(|p| !prefixes.contains(*p)) {
            bail!("a build with `{only}` alone lacks {missing}.*");
        }
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<()> {
    process::run(process::cargo().args(arguments))
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let chosen = choose(arguments)?;
    let mut failed = Vec::new();
    let mut summary = String::new();
    for check in &chosen {
        // Headings go where cargo writes its progress, so that they stay in order.
        eprintln!("\n=== {}: {}", check.name, check.what);
        let start = Instant::now();
        let result = (check.run)();
        let seconds = start.elapsed().as_secs_f64();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        summary += &format!("  {:<10} {word:<7} {seconds:6.1} s\n", check.name);
        if let Err(error) = result {
            eprintln!("{error:#}");
            failed.push(check.name);
        }
    }
    eprint!("\n=== summary\n{summary}");
    if failed.is_empty() {
        return Ok(());
    }
    let again: Vec<_> = failed.iter().map(|name| format!("--only {name}")).collect();
    bail!(
        "failed: {}; again with `cargo x check {}`",
        failed.join(", "),
        again.join(" ")
    );
}

/// The checks asked for, in their usual order.
fn choose(arguments: &[String]) -> Result<Vec<&'static Check>> {
    let mut fast = false;
    let mut only = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), argument.strip_prefix("--only=")) {
            ("--fast", _) => fast = true,
            ("--only", _) => match rest.next() {
                Some(name) => only.push(name.as_str()),
                None => bail!("`--only` needs a name: {}", names()),
            },
            (_, Some(name)) => only.push(name),
            _ => bail!("expected `--fast` or `--only NAME`, got `{argument}`"),
        }
    }
    if fast && !only.is_empty() {
        bail!("`--fast` and `--only` exclude each other");
    }
    for name in &only {
        if !CHECKS.iter().any(|check| check.name == *name) {
            bail!("no check is called `{name}`; there are {}", names());
        }
    }
    let wanted = |check: &&Check| match only.as_slice() {
        [] => !(fast && check.slow),
        only => only.contains(&check.name),
    };
    Ok(CHECKS.iter().filter(wanted).collect())
}

fn names() -> String {
    let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(arguments: &[&str]) -> Result<Vec<&'static str>> {
        let arguments: Vec<String> = arguments.iter().map(|text| text.to_string()).collect();
        Ok(choose(&arguments)?.iter().map(|check| check.name).collect())
    }

    #[test]
    fn all_checks_run_unless_some_are_chosen() {
        assert_eq!(chosen(&[]).unwrap().len(), CHECKS.len());
        assert_eq!(
            chosen(&["--fast"]).unwrap(),
            ["format", "clippy", "changelog", "selective"]
        );
        assert_eq!(
            chosen(&["--only", "docs", "--only=format"]).unwrap(),
            ["format", "docs"]
        );
    }

    #[test]
    fn a_choice_that_makes_no_sense_is_refused() {
        for arguments in [
            &["--only"][..],
            &["--only", "spelling"],
            &["--fast", "--only", "docs"],
            &["fast"],
        ] {
            assert!(chosen(arguments).is_err(), "{arguments:?}");
        }
    }
}
