//! `voxprep`: turns raw medical images into what a model trains on.
//!
//! One file per command in `commands/`. What they share: `pipelines` finds pipelines and presets,
//! `inputs` opens files, `work` starts threads and shows progress, `outcome` is what comes of a run,
//! `destination` decides where it goes, `pictures` is what commands that draw share, `dump` takes what is on the way, `output` is standard output
//! and `failure` what is said, and returned, when something goes wrong. Nothing here computes.

mod builtins;
mod commands;
mod destination;
mod dump;
mod failure;
mod inputs;
mod outcome;
mod output;
#[cfg(feature = "view")]
mod pictures;
mod pipelines;
mod work;

use std::process::ExitCode;

use clap::{ArgAction, Parser};
use tracing_subscriber::EnvFilter;

use commands::Command;
use output::Output;

/// Turns raw medical images (CT, MRI, X-ray) into what a model trains on.
#[derive(Parser)]
#[command(
    version,
    after_help = EXAMPLES,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Say on stderr what is done; -vv says more, and RUST_LOG chooses
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

const EXAMPLES: &str = "\
Examples:
  voxprep demo                                    made-up scans, presets run on them, a page to look at
  voxprep info scan.nii.gz                        what is in a file
  voxprep show scan.nii.gz -o scan.png            a picture of it
  voxprep list                                    the steps and presets there are
  voxprep describe ct.window                      a step: parameters, units, an example
  voxprep explain ct-lung scan.nii.gz             what a pipeline would do, without doing it
  voxprep run ct-lung scan.nii.gz -o lung.nii.gz  do it
  voxprep replay lung.voxprep.json scan.nii.gz -o again.nii.gz
                                                  do the same again: the same bytes
  voxprep restore predicted.nii.gz --from lung.voxprep.json -o in-scan.nii.gz
                                                  a prediction, back on the grid of the scan
  voxprep phantom chest-ct DIR                    a made-up scan whose contents are known

Sizes, spacings and indices are [x, y, z]; world coordinates are LPS+ millimetres.

Exit codes:
  0    done
  1    a subject failed: its data are bad, or a file could not be read or written
  2    the command line or the pipeline is wrong
  130  interrupted";

fn main() -> ExitCode {
    voxprep_io::survive_file_size_limit();
    failure::guard(|| {
        let cli = Cli::try_parse()?;
        log_to_stderr(cli.verbose);
        failure::exit_when_interrupted()?;
        let mut out = Output::new();
        cli.command.run(&mut out)?;
        out.finish()
    })
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "warn,voxprep=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
}
