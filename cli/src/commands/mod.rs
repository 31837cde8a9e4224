//! The commands, one file each.

mod cases;
mod convert;
#[cfg(feature = "demo")]
mod demo;
mod describe;
mod explain;
mod info;
mod list;
mod phantom;
#[cfg(feature = "view")]
mod preview;
mod replay;
mod restore;
mod run;
mod schema;
#[cfg(feature = "view")]
mod show;
#[cfg(feature = "view")]
mod surface;

use anyhow::Result;
use clap::Subcommand;

use crate::output::Output;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Run(run::Run),
    Explain(explain::Explain),
    Replay(replay::Replay),
    Restore(restore::Restore),
    Convert(convert::Convert),
    Cases(cases::Cases),
    Phantom(phantom::Phantom),
    Info(info::Info),
    #[cfg(feature = "view")]
    Preview(preview::Preview),
    #[cfg(feature = "view")]
    Show(show::Show),
    #[cfg(feature = "view")]
    Surface(surface::Surface),
    List(list::List),
    Describe(describe::Describe),
    Schema(schema::Schema),
}

impl Command {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        match self {
            #[cfg(feature = "demo")]
            Self::Demo(command) => command.run(out),
            Self::Run(command) => command.run(out),
            Self::Explain(command) => command.run(out),
            Self::Replay(command) => command.run(out),
            Self::Restore(command) => command.run(out),
            Self::Convert(command) => command.run(out),
            Self::Cases(command) => command.run(out),
            Self::Phantom(command) => command.run(out),
            Self::Info(command) => command.run(out),
            #[cfg(feature = "view")]
            Self::Preview(command) => command.run(out),
            #[cfg(feature = "view")]
            Self::Show(command) => command.run(out),
            #[cfg(feature = "view")]
            Self::Surface(command) => command.run(out),
            Self::List(command) => command.run(out),
            Self::Describe(command) => command.run(out),
            Self::Schema(command) => command.run(out),
        }
    }
}
