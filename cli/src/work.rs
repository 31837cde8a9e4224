//! What commands that work on voxels have in common: threads, progress, and warnings.

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use voxprep_core::finding::{Finding, Severity};
use voxprep_core::plan::Progress;
use voxprep_io::{ReadOptions, SlicePolicy};

use crate::failure::say;

/// How files are read.
#[derive(clap::Args)]
pub(crate) struct Reading {
    /// Which of several images in a file or folder: of DICOM the number, UID or description of a
    /// series, or SERIES.PART, as `voxprep info` lists them
    #[arg(long, value_name = "SERIES")]
    series: Option<String>,

    /// What becomes of DICOM slices that are not equally far apart, or missing: refuse them, resample
    /// them linearly at their true places, blank the missing ones (NaN), or split the series
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Slices::Refuse, hide_default_value = true, hide_possible_values = true)]
    slices: Slices,

    /// What becomes of pixels that a DICOM header calls padding: keep, air (-1000 HU) or nan
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Padding::Keep, hide_default_value = true, hide_possible_values = true)]
    padding: Padding,

    /// Take the values of Philips' MR in the scale in which scans can be compared
    #[arg(long)]
    philips_precise: bool,

    /// Take what a DICOM header says that a display shows, its window or VOI look-up table, as 0 to
    /// 1: for radiographs
    #[arg(long)]
    voi: bool,

    /// Trust files that declare very many voxels for their size
    #[arg(long)]
    no_limits: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Slices {
    Refuse,
    Resample,
    Blank,
    Split,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Padding {
    Keep,
    Air,
    Nan,
}

impl Reading {
    /// The same for the reader.
    pub(crate) fn options(&self) -> ReadOptions {
        ReadOptions {
            no_limits: self.no_limits,
            series: self.series.clone(),
            slices: match self.slices {
                Slices::Refuse => SlicePolicy::Refuse,
                Slices::Resample => SlicePolicy::Resample,
                Slices::Blank => SlicePolicy::Blank,
                Slices::Split => SlicePolicy::Split,
            },
            padding: match self.padding {
                Padding::Keep => voxprep_io::Padding::Keep,
                Padding::Air => voxprep_io::Padding::Air,
                Padding::Nan => voxprep_io::Padding::Nan,
            },
            philips_precise: self.philips_precise,
            voi: self.voi,
            grid: None,
        }
    }
}

/// How many threads work.
#[derive(clap::Args)]
pub(crate) struct Threads {
    /// How many threads work [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Threads {
    /// Starts them.
    pub(crate) fn start(&self) -> Result<()> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
            pool.build_global().context("cannot start the threads")?;
        }
        Ok(())
    }
}

/// How work on files is done.
#[derive(clap::Args)]
pub(crate) struct Work {
    #[command(flatten)]
    threads: Threads,

    #[command(flatten)]
    reading: Reading,
}

impl Work {
    /// Starts the threads; says how files are read.
    pub(crate) fn start(&self) -> Result<ReadOptions> {
        self.threads.start()?;
        Ok(self.reading.options())
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
