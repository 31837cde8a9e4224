//! The tasks of the project, as `cargo x TASK`. One file per task; the rest:
//! [`changelog`] holds the rule for fragments, [`places`] says which name lives in which folder,
//! [`process`] starts other programs.
#![allow(clippy::print_stdout, reason = "a command line tool")]

mod bench_peers;
mod changelog;
mod check;
mod docs;
mod fmt;
mod golden;
mod new;
mod places;
mod process;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
The tasks of the project.

cargo x check [--fast] [--only NAME]...   everything that has to hold before a change is handed in
cargo x fmt [--check]                     format all files, also those that `cargo fmt` does not see
cargo x docs [--check]                    write docs/transforms from the registry
cargo x golden                            write tests/golden from what every step makes now
cargo x bench-peers [OPTION]...           time voxprep beside its peers (needs Python); --help lists the options
cargo x new PREFIX.NOUN --kind KIND       start a transform; KIND: pointwise, spatial, filter, joint";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((task, rest)) = arguments.split_first() else {
        bail!("no task given\n\n{USAGE}");
    };
    match task.as_str() {
        "check" => check::run(rest),
        "fmt" => fmt::run(rest),
        "docs" => docs::run(rest),
        "golden" => golden::run(rest),
        "bench-peers" => bench_peers::run(rest),
        "new" => new::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("no task is called `{other}`\n\n{USAGE}"),
    }
}

/// Whether `--check` was given, for tasks that know no other argument.
fn only_check_flag(arguments: &[String]) -> Result<bool> {
    match arguments {
        [] => Ok(false),
        [flag] if flag == "--check" => Ok(true),
        _ => bail!(
            "expected nothing or `--check`, got `{}`",
            arguments.join(" ")
        ),
    }
}
