//! `voxprep explain`: what a pipeline would do.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use voxprep_core::pipeline::{FORMS, Step};
use voxprep_core::plan::Plan;
use voxprep_core::registry::Registry;

use crate::inputs::{Given, Inputs};
use crate::output::Output;
use crate::pipelines::{self, Overrides, Planned};
use crate::work::Reading;

/// Show what a pipeline would do, without doing it
///
/// A line is a stage: steps that run as one, in one resample or one pass over all voxels. With
/// inputs, whose headers alone are read, it also shows what each volume is after a stage, as far as
/// headers tell: size in voxels and spacing as x, y, z.
///
/// Where steps are left to chance, the stages are those of the draw in which most happens, and the
/// groups are shown with what they choose from: | stands between steps of which some are drawn, xN
/// is a weight, p a probability. With inputs, the stages are those of that subject's draw, and the
/// steps that it leaves out are named.
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

    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  voxprep explain ct-lung
  voxprep explain mine.toml scan.nii.gz --label lungs=mask.nii.gz --json
  voxprep explain ct-lung scan.nii.gz --set spatial.spacing.spacing_mm=[2,2,2] --until ct.clip";

impl Explain {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let registry = Registry::built_in()?;
        let Planned { plan, .. } =
            pipelines::plan(&self.pipeline, &self.overrides, None, &registry)?;
        let inputs = Inputs::new(&self.inputs, &self.labels, self.reading.options())?;
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

/// What each step does, in the words of its transform; the steps of a group below it.
fn steps(plan: &Plan, registry: &Registry) -> Vec<String> {
    let mut lines = Vec::new();
    describe(&plan.pipeline().steps, "", registry, &mut lines);
    let width = lines
        .iter()
        .map(|(id, _)| id.chars().count())
        .max()
        .unwrap_or_default();
    let blank = (!lines.is_empty()).then(String::new);
    let line = |(id, text): &(String, String)| format!("{id:<width$}  {text}");
    blank.into_iter().chain(lines.iter().map(line)).collect()
}

fn describe(steps: &[Step], around: &str, registry: &Registry, lines: &mut Vec<(String, String)>) {
    for step in steps {
        let summary = match registry.get(&step.name) {
            Ok(entry) => entry.summary(),
            Err(_) => FORMS
                .iter()
                .find(|form| form.name == step.name)
                .map_or_else(String::new, |form| form.summary.to_owned()),
        };
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
        let id = format!("{around}{}", step.id);
        lines.push((id.clone(), format!("{chance}{of}{summary}")));
        if let Some(group) = &step.group {
            describe(&group.steps, &format!("{id}/"), registry, lines);
        }
    }
}
