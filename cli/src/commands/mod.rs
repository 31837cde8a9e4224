//! The commands, one file each.

mod describe;
mod explain;
mod info;
mod list;
mod run;

use anyhow::Result;
use clap::Subcommand;

use crate::output::Output;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Run),
    Explain(explain::Explain),
    Info(info::Info),
    List(list::List),
    Describe(describe::Describe),
}

impl Command {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        match self {
            Self::Run(command) => command.run(out),
            Self::Explain(command) => command.run(out),
            Self::Info(command) => command.run(out),
            Self::List(command) => command.run(out),
            Self::Describe(command) => command.run(out),
        }
    }
}
