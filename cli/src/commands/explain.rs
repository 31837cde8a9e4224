//! `voxprep explain`: what a pipeline would do.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use voxprep_core::plan::Plan;
use voxprep_core::registry::Registry;
use voxprep_io::ReadOptions;

use crate::inputs::{Given, Inputs};
use crate::output::Output;
use crate::pipelines::{self, Overrides};

/// Show what a pipeline would do, without doing it
///
/// A line is a stage: steps that run as one, in one resample or one pass over all voxels. With
/// inputs, whose headers alone are read, it also shows what each volume is after a stage, as far as
/// headers tell: size in voxels and spacing as x, y, z.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// The name of a preset, or a pipeline file (.toml, .json)
    pipeline: PathBuf,

    /// Images: a file, or NAME=PATH; one without a name is called 'image'
    #[arg(value_name = "INPUT", value_parser = Given::parser())]
    inputs: Vec<Given>,

    /// A label map (may be repeated)
    #[arg(long = "label", value_name = "NAME=PATH", value_parser = Given::named_parser())]
    labels: Vec<Given>,

    #[command(flatten)]
    overrides: Overrides,

    /// Answer in JSON
    #[arg(long)]
    json: bool,

    /// Do not merge neighbouring steps
    #[arg(long)]
    no_fuse: bool,

    /// Trust files that declare very many voxels for their size
    #[arg(long)]
    no_limits: bool,
}

const EXAMPLES: &str = "\
Examples:
  voxprep explain ct-lung
  voxprep explain mine.toml scan.nii.gz --label lungs=mask.nii.gz --json";

impl Explain {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let registry = Registry::built_in()?;
        let plan = pipelines::plan(&self.pipeline, &self.overrides, &registry)?;
        let inputs = Inputs::new(
            &self.inputs,
            &self.labels,
            ReadOptions {
                no_limits: self.no_limits,
            },
        )?;
        let explanation = if inputs.is_empty() {
            plan.explain(!self.no_fuse)
        } else {
            plan.explain_for(inputs.id()?, &inputs.headers()?, !self.no_fuse)?
        };
        if self.json {
            return out.json(&explanation);
        }
        for line in explanation.to_string().lines() {
            out.line(line.trim_end())?;
        }
        if !inputs.is_empty() {
            out.line("(sizes and spacings are x, y, z)")?;
        }
        for line in steps(&plan, &registry) {
            out.line(line)?;
        }
        Ok(())
    }
}

/// What each step does, in the words of its transform.
fn steps(plan: &Plan, registry: &Registry) -> Vec<String> {
    let steps = &plan.pipeline().steps;
    let width = steps
        .iter()
        .map(|step| step.id.chars().count())
        .max()
        .unwrap_or_default();
    let line = |step: &voxprep_core::pipeline::Step| {
        let summary = registry
            .get(&step.name)
            .map(|entry| entry.summary())
            .unwrap_or_default();
        let of = if step.id.starts_with(&step.name) {
            String::new()
        } else {
            format!("{}: ", step.name)
        };
        let chance = if step.p < 1.0 {
            format!("with probability {}: ", step.p)
        } else {
            String::new()
        };
        format!("{:<width$}  {chance}{of}{summary}", step.id)
    };
    let blank = (!steps.is_empty()).then(String::new);
    blank.into_iter().chain(steps.iter().map(line)).collect()
}
