//! `voxprep run`: a pipeline over one subject.

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use voxprep_core::finding::{Finding, Severity};
use voxprep_core::plan::{Plan, Progress, RunOptions};
use voxprep_core::provenance::Sidecar;
use voxprep_core::registry::Registry;
use voxprep_core::subject::Point;
use voxprep_io::{ReadOptions, WriteOptions};

use crate::destination::Destination;
use crate::failure::{say, usage};
use crate::inputs::{Given, Inputs};
use crate::output::Output;
use crate::pipelines::{self, Overrides};

/// Run a pipeline over the files of one subject
///
/// A name of -o with a known extension (.nii.gz, .nii) is a file: it takes the only image that the
/// pipeline leaves, and a sidecar beside it, scan.voxprep.json for scan.nii.gz. Any other name is a
/// folder, made if it is missing: every volume as NAME.nii.gz, findings in report.json, points in
/// points.csv, and the sidecar voxprep.json. The sidecar says how the files were made. It is written
/// last: where it is, the set is complete.
///
/// The same input, pipeline, seed and id give the same bytes, for any number of threads.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// The name of a preset, or a pipeline file (.toml, .json)
    pipeline: PathBuf,

    /// Images: a file, or NAME=PATH; one without a name is called 'image'
    #[arg(value_name = "INPUT", value_parser = Given::parser(), required_unless_present = "labels")]
    inputs: Vec<Given>,

    /// The file to write, or a folder
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// A label map, which moves with the images and keeps its labels (may be repeated)
    #[arg(long = "label", value_name = "NAME=PATH", value_parser = Given::named_parser())]
    labels: Vec<Given>,

    /// Points that move with the images: a table name,x,y,z in LPS mm (may be repeated)
    #[arg(long, value_name = "NAME=CSV", value_parser = Given::named_parser())]
    points: Vec<Given>,

    #[command(flatten)]
    overrides: Overrides,

    /// The subject's id, which keys its random draws [default: the first input's file name without
    /// folder and extension]
    #[arg(long)]
    id: Option<String>,

    /// How many threads work [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Run every step alone instead of merging neighbours: slower, to compare
    #[arg(long)]
    no_fuse: bool,

    /// Trust files that declare very many voxels for their size
    #[arg(long)]
    no_limits: bool,

    /// Compression of .nii.gz: 0 stores, 1 is fast, 9 is small
    #[arg(long, value_name = "N", default_value_t = WriteOptions::default().level,
          value_parser = clap::value_parser!(u32).range(0..=9))]
    level: u32,

    /// Write the subject's id into the sidecar instead of a keyed hash of it
    #[arg(long)]
    keep_identifiers: bool,
}

const EXAMPLES: &str = "\
Examples:
  voxprep run ct-lung scan.nii.gz -o lung.nii.gz
  voxprep run ct-lung scan.nii.gz --label lungs=mask.nii.gz -o case7
  voxprep run mine.toml t1=a.nii.gz flair=b.nii.gz -o case7 --seed 3";

impl Run {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
            pool.build_global().context("cannot start the threads")?;
        }
        // All that can be refused without the voxels is refused before they are read.
        let plan = pipelines::plan(&self.pipeline, &self.overrides, &Registry::built_in()?)?;
        let inputs = Inputs::new(
            &self.inputs,
            &self.labels,
            ReadOptions {
                no_limits: self.no_limits,
            },
        )?;
        let id = match &self.id {
            Some(id) => id,
            None => inputs.id()?,
        };
        let destination = Destination::new(&self.output)?;
        self.check(&plan, &inputs, id, &destination)?;
        let points = self.read_points()?;

        let bar = Bar::new();
        bar.reading();
        let (mut subject, artefacts) = inputs.read(id)?;
        subject.points = points;
        let progress = |progress: Progress<'_>| bar.stage(progress);
        let options = RunOptions {
            fuse: !self.no_fuse,
            progress: Some(&progress),
            ..RunOptions::default()
        };
        let subject = plan.run(subject, &options)?;
        bar.writing();
        let sidecar = |outputs| {
            let mut sidecar = Sidecar::new(&plan, &options, &subject, artefacts, outputs)?;
            if self.keep_identifiers {
                sidecar.id = Some(id.to_owned());
            }
            Ok(sidecar)
        };
        let wanted = plan.pipeline().output.volumes.as_deref();
        let level = WriteOptions { level: self.level };
        let files = destination.write(&subject, wanted, &inputs, &level, sidecar)?;
        drop(bar);

        for finding in subject
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Warning)
        {
            warn(finding);
        }
        files.iter().try_for_each(|file| out.line(file.display()))
    }

    fn check(
        &self,
        plan: &Plan,
        inputs: &Inputs,
        id: &str,
        destination: &Destination,
    ) -> Result<()> {
        if !self.points.is_empty() && matches!(destination, Destination::File(_)) {
            return Err(usage(format_args!(
                "points take a folder, which a file is not; give -o a folder: {}",
                self.output.display()
            )));
        }
        let headers = inputs.headers()?;
        if let Some(reference) = &plan.pipeline().input.reference {
            let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
            if !names.contains(&reference.as_str()) {
                return Err(usage(format_args!(
                    "input.reference: there is no volume '{reference}'; there are: {}",
                    names.join(", ")
                )));
            }
        }
        let explanation = plan.explain_for(id, &headers, !self.no_fuse)?;
        destination.check_plan(plan, &explanation, &headers, inputs)?;
        let points = self.points.iter().map(|given| given.path.as_path());
        let pipeline = std::iter::once(self.pipeline.as_path());
        destination.check_reads(
            points
                .chain(pipeline)
                .chain(inputs.paths().map(PathBuf::as_path)),
        )?;
        destination.check_writable()
    }

    /// The points of all tables. A name may not mean two points.
    fn read_points(&self) -> Result<Vec<Point>> {
        let mut points: Vec<Point> = Vec::new();
        for given in &self.points {
            let table = voxprep_io::points::read(&given.path)?;
            let twice =
                |p: &&Point| !p.name.is_empty() && points.iter().any(|old| old.name == p.name);
            if let Some(point) = table.iter().find(twice) {
                return Err(usage(format_args!(
                    "the point '{}' is in two tables; rename one: {}",
                    point.name,
                    given.path.display()
                )));
            }
            points.extend(table);
        }
        Ok(points)
    }
}

fn warn(finding: &Finding) {
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

/// How far a run is, on a terminal; nothing in a pipe. It wipes itself off when it goes.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
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
        Self(bar)
    }

    fn reading(&self) {
        self.0.set_message("reading");
    }

    fn stage(&self, progress: Progress<'_>) {
        // Reading and writing are a part of the way, too.
        self.0.set_length(progress.stages as u64 + 2);
        self.0.set_position(progress.stage as u64 + 1);
        self.0.set_message(progress.steps.join(" + "));
    }

    fn writing(&self) {
        self.0
            .set_position(self.0.length().unwrap_or(1).saturating_sub(1));
        self.0.set_message("writing");
    }
}
