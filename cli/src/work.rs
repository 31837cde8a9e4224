//! What commands that work on voxels have in common: threads, progress, and warnings.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use voxprep_core::finding::{Finding, Severity};
use voxprep_core::plan::Progress;
use voxprep_io::ReadOptions;

use crate::failure::say;

/// How work is done.
#[derive(clap::Args)]
pub(crate) struct Work {
    /// How many threads work [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Trust files that declare very many voxels for their size
    #[arg(long)]
    no_limits: bool,
}

impl Work {
    /// Starts the threads; says how files are read.
    pub(crate) fn start(&self) -> Result<ReadOptions> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
            pool.build_global().context("cannot start the threads")?;
        }
        Ok(ReadOptions {
            no_limits: self.no_limits,
            ..ReadOptions::default()
        })
    }
}

/// Says what deserves a look.
pub(crate) fn warn<'a>(findings: impl IntoIterator<Item = &'a Finding>) {
    let warnings = findings.into_iter();
    for finding in warnings.filter(|finding| finding.severity == Severity::Warning) {
        let place = finding
            .volume
            .as_ref()
            .map(|volume| format!("'{volume}': "))
            .unwrap_or_default();
        let step = finding
            .step
            .as_ref()
            .map(|step| format!(", step '{step}'"))
            .unwrap_or_default();
        say(
            "warning",
            format_args!("{place}{} ({}{step})", finding.message, finding.code),
        );
    }
}

/// How far a run is, on a terminal; nothing in a pipe. It wipes itself off when it goes.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        let bar = bar.with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:24}] {elapsed} {wide_msg}")
        {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar.set_message("reading");
        Self(bar)
    }

    pub(crate) fn stage(&self, progress: Progress<'_>) {
        // Reading and writing are a part of the way, too.
        self.0.set_length(progress.stages as u64 + 2);
        self.0.set_position(progress.stage as u64 + 1);
        self.0.set_message(progress.steps.join(" + "));
    }

    pub(crate) fn writing(&self) {
        self.0
            .set_position(self.0.length().unwrap_or(1).saturating_sub(1));
        self.0.set_message("writing");
    }
}
