//! What is said when something goes wrong, one line on stderr, and the exit code.

use std::fmt::Display;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::{self, ExitCode};
use std::sync::Once;

use anyhow::Context as _;
use clap::Subcommand as _;
use clap::error::ErrorKind;

use crate::commands::Command;
use crate::output::Closed;

/// A subject failed: its data are bad, or a file could not be read or written.
const SUBJECT: u8 = 1;
/// The command line or the pipeline is wrong.
const USAGE: u8 = 2;
/// As shells report a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// The command line or the pipeline is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// An error of the command line.
pub(crate) fn usage(message: impl Display) -> anyhow::Error {
    Usage(message.to_string()).into()
}

/// Runs the program and turns however it ends into an exit code; never a backtrace.
pub(crate) fn guard(program: impl FnOnce() -> anyhow::Result<()>) -> ExitCode {
    panic::set_hook(Box::new(say_that_it_is_a_bug));
    match panic::catch_unwind(AssertUnwindSafe(program)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => report(&error),
        Err(_) => ExitCode::from(SUBJECT),
    }
}

/// Makes Ctrl-C end the program with exit code 130.
pub(crate) fn exit_when_interrupted() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        voxprep_io::remove_unfinished();
        process::exit(INTERRUPTED)
    })
    .context("cannot watch for Ctrl-C")
}

/// One line on stderr. Where stderr is closed, nobody is left to tell.
pub(crate) fn say(kind: &str, message: impl Display) {
    let message = message.to_string();
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "{kind}: {line}");
}

fn report(error: &anyhow::Error) -> ExitCode {
    // A reader who has seen enough, such as `head`, is no error.
    if error.is::<Closed>() {
        return ExitCode::SUCCESS;
    }
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        return report_arguments(error);
    }
    say("error", chain(error));
    ExitCode::from(exit_code(error))
}

/// The message and its causes, but not those that it states itself.
fn chain(error: &anyhow::Error) -> String {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    message
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let is_usage = error.chain().any(|cause| {
        cause.is::<Usage>()
            || matches!(
                cause.downcast_ref(),
                Some(voxprep_core::error::Error::Parameter(_))
            )
            || matches!(cause.downcast_ref(), Some(voxprep_io::Error::Parameter(_)))
    });
    if is_usage { USAGE } else { SUBJECT }
}

fn report_arguments(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(USAGE)
        }
        _ => {
            let given = std::env::args().nth(1).unwrap_or_default();
            let command = Command::has_subcommand(&given).then_some(given.as_str());
            say("error", one_line(&error.render().to_string(), command));
            ExitCode::from(USAGE)
        }
    }
}

/// What clap says in paragraphs, as one sentence with the command whose help helps.
fn one_line(paragraphs: &str, command: Option<&str>) -> String {
    let message = paragraphs.strip_prefix("error: ").unwrap_or(paragraphs);
    // clap's own pointers to the help come after these; a better one is below.
    let message = message.split("\nUsage: ").next().unwrap_or_default();
    let message = message
        .split("\nFor more information")
        .next()
        .unwrap_or_default();
    let mut line = String::new();
    for part in message
        .lines()
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part.strip_prefix("tip: ") {
            Some(tip) => line += &format!("; {tip}"),
            None => line += &format!(" {part}"),
        }
    }
    let of = command.map_or_else(String::new, |command| format!("{command} "));
    format!("{}; see `voxprep {of}--help`", line.trim_start())
}

fn say_that_it_is_a_bug(info: &PanicHookInfo<'_>) {
    // Several threads may panic for one reason.
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let message = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        say(
            "error",
            format_args!(
                "this is a bug in voxprep {}: {message} ({place}); please report it at {}/issues",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_REPOSITORY"),
            ),
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_becomes_one_line() {
        let said = "error: unexpected argument '--sed' found\n\n  tip: a similar argument exists: '--seed'\n\n\
                    Usage: voxprep run --output <OUT> <PIPELINE>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            one_line(said, Some("run")),
            "unexpected argument '--sed' found; a similar argument exists: '--seed'; see `voxprep run --help`"
        );
    }

    #[test]
    fn a_cause_is_not_said_twice() {
        let refused = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = voxprep_io::Error::io("open", std::path::Path::new("a.nii"), refused);
        assert_eq!(chain(&error.into()).matches("not found").count(), 1);
        assert_eq!(chain(&usage("why").context("what")), "what: why");
    }

    #[test]
    fn the_exit_code_says_whose_fault_it_was() {
        let data = voxprep_core::error::Error::input("no voxels");
        let pipeline = voxprep_core::error::Error::parameter("no such step");
        assert_eq!(exit_code(&data.into()), SUBJECT);
        assert_eq!(
            exit_code(&anyhow::Error::from(pipeline).context("run")),
            USAGE
        );
        assert_eq!(exit_code(&usage("two images")), USAGE);
    }
}
