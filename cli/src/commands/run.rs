//! `voxprep run`: a pipeline over one subject.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use voxprep_core::plan::{Plan, Progress, RunOptions};
use voxprep_core::registry::Registry;
use voxprep_core::subject::Subject;

use crate::destination::Destination;
use crate::dump::Dump;
use crate::failure::usage;
use crate::inputs::{Given, Inputs, read_points};
use crate::outcome::Outcome;
use crate::output::Output;
use crate::pipelines::{self, Overrides, Planned};
use crate::work::{Bar, Work, warn};

/// Run a pipeline over the files of one subject
///
/// A name of -o with a known extension (.nii.gz, .mha, .nrrd, ...) is a file: it takes the only image that the
/// pipeline leaves, and a sidecar beside it, scan.voxprep.json for scan.nii.gz. Any other name is a
/// folder, made if it is missing: every volume as NAME.nii.gz, findings in report.json, points in
/// points.csv, and the sidecar voxprep.json. The sidecar says how the files were made, and `voxprep
/// replay` makes them again from it. It is written last: where it is, the set is complete.
///
/// The same input, pipeline, seed and id give the same bytes, for any number of threads.
///
/// --dump-steps writes the volumes after each stage, as NN-ID.NAME.nii.gz with the id of the last
/// step of the stage ('~' stands between groups and steps), and steps.json, which says what ran as
/// one. Together with --no-fuse every step is a stage.
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

    #[command(flatten)]
    work: Work,

    /// Run every step alone instead of merging neighbours: slower, to compare
    #[arg(long)]
    no_fuse: bool,

    /// Write the volumes after each stage into a folder of their own
    #[arg(long, value_name = "DIR")]
    dump_steps: Option<PathBuf>,

    /// Compression of the files, instead of the pipeline's output.level: 0 stores, 1 is fast, 9 is
    /// small
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=9))]
    level: Option<u32>,

    /// Write the subject's id into the sidecar instead of a keyed hash of it
    #[arg(long)]
    keep_identifiers: bool,
}

const EXAMPLES: &str = "\
Examples:
  voxprep run ct-lung scan.nii.gz -o lung.nii.gz
  voxprep run ct-lung scan.nii.gz --label lungs=mask.nii.gz -o case7
  voxprep run mine.toml t1=a.nii.gz flair=b.nii.gz -o case7 --seed 3
  voxprep run ct-lung scan.nii.gz -o wide.nii.gz --set spatial.spacing.spacing_mm=[2,2,2]
  voxprep run ct-lung scan.nii.gz -o look --until spatial.spacing --dump-steps steps";

impl Run {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        // All that can be refused without the voxels is refused before they are read.
        let registry = Registry::built_in()?;
        let planned = pipelines::plan(&self.pipeline, &self.overrides, self.level, &registry)?;
        let plan = &planned.plan;
        let output = &plan.pipeline().output;
        let inputs = Inputs::new(&self.inputs, &self.labels, reading)?;
        let id = match &self.id {
            Some(id) => id,
            None => inputs.id()?,
        };
        let destination = Destination::new(&self.output, &output.format)?;
        self.check(&planned, &inputs, id, &destination)?;
        let dump = self.dump_steps.as_deref();
        let dump = dump.map(|folder| Dump::new(folder, output, &inputs, &destination));
        let dump = dump.transpose()?;
        let points = read_points(&self.points)?;

        let bar = Bar::new();
        let mut subject = Subject::new(id);
        let artefacts = inputs.read(&mut subject)?;
        subject.points = points;
        let progress = |progress: Progress<'_>| bar.stage(progress);
        let after = |progress: Progress<'_>, subject: &Subject| match &dump {
            Some(dump) => dump.after(progress, subject),
            None => Ok(()),
        };
        let options = RunOptions {
            fuse: !self.no_fuse,
            progress: Some(&progress),
            after: Some(&after),
            ..RunOptions::default()
        };
        let outcome = Outcome::new(plan, &options, subject, artefacts, &destination);
        let failure = dump.as_ref().and_then(Dump::failure);
        let mut outcome = outcome.map_err(|error| failure.unwrap_or(error))?;
        if self.keep_identifiers {
            outcome.sidecar.id = Some(id.to_owned());
        }
        bar.writing();
        let mut files = destination.write(&outcome, &inputs)?;
        if let Some(dump) = dump {
            files.extend(dump.finish()?);
        }
        drop(bar);

        warn(&outcome.subject.findings);
        files.iter().try_for_each(|file| out.line(file.display()))
    }

    fn check(
        &self,
        Planned { plan, files }: &Planned,
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
        check_reference(plan, inputs)?;
        let headers = inputs.headers()?;
        let explanation = plan.explain_for(id, &headers, !self.no_fuse)?;
        destination.check_plan(plan, &explanation, &headers, inputs)?;
        let points = self.points.iter().map(|given| &given.path);
        let read = points.chain(files).chain(inputs.paths());
        destination.check_reads(read.map(PathBuf::as_path))?;
        destination.check_writable()
    }
}

/// Refuses a reference that is no input.
fn check_reference(plan: &Plan, inputs: &Inputs) -> Result<()> {
    let Some(reference) = &plan.pipeline().input.reference else {
        return Ok(());
    };
    let names: Vec<&str> = inputs.names().collect();
    if names.contains(&reference.as_str()) {
        return Ok(());
    }
    Err(usage(format_args!(
        "input.reference: there is no volume '{reference}'; there are: {}",
        names.join(", ")
    )))
}
