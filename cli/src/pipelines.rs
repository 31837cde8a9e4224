//! Pipelines: the presets in this binary, and files.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use voxprep_core::pipeline::Pipeline;
use voxprep_core::plan::Plan;
use voxprep_core::registry::Registry;
use voxprep_core::schema;
use voxprep_core::volume::Modality;

use crate::failure::usage;

/// A pipeline file that is part of the binary.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

/// All presets, sorted by name.
const PRESETS: &[Preset] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

impl Preset {
    /// What it does: the first line of its file, a comment.
    pub(crate) fn summary(&self) -> &'static str {
        self.text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches(['#', ' '])
    }

    /// The preset, checked and planned.
    pub(crate) fn plan(&self, registry: &Registry) -> voxprep_core::error::Result<Plan> {
        Plan::new(Pipeline::from_toml(self.text)?, registry)
    }
}

/// The presets that the transforms of this build can run.
pub(crate) fn presets(registry: &Registry) -> impl Iterator<Item = &'static Preset> {
    PRESETS
        .iter()
        .filter(|preset| preset.plan(registry).is_ok())
}

/// The preset of that name.
pub(crate) fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// What the command line adds to a pipeline.
#[derive(clap::Args)]
pub(crate) struct Overrides {
    /// The kind of scan, where the files do not say: CT, MRI or XRAY (CT makes the values HU)
    #[arg(long, value_name = "CT|MRI|XRAY", value_parser = str::parse::<Modality>)]
    pub(crate) modality: Option<Modality>,

    /// Keys all random draws, instead of the pipeline's own seed
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// The plan of a pipeline: a preset's name, or a file that ends in `.toml` or `.json`.
pub(crate) fn plan(argument: &Path, overrides: &Overrides, registry: &Registry) -> Result<Plan> {
    let mut pipeline = load(argument)?;
    // Whatever is wrong with a pipeline is said with its name at the end.
    let at =
        |reason: &dyn std::fmt::Display| usage(format_args!("{reason}: {}", argument.display()));
    match (overrides.modality, pipeline.input.modality) {
        (Some(given), Some(stated)) if given != stated => {
            return Err(at(&format_args!(
                "--modality says {given}, the pipeline's [input] modality says {stated}; change one of them"
            )));
        }
        (Some(given), _) => pipeline.input.modality = Some(given),
        (None, _) => {}
    }
    if let Some(seed) = overrides.seed {
        pipeline.seed = seed;
    }
    Plan::new(pipeline, registry).map_err(|error| at(&error))
}

fn load(argument: &Path) -> Result<Pipeline> {
    let has = |extension: &str| {
        argument
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(extension))
    };
    let parse = match (has("toml"), has("json")) {
        (true, _) => Pipeline::from_toml,
        (_, true) => Pipeline::from_json,
        _ => return named(argument.as_os_str()),
    };
    let at =
        |reason: &dyn std::fmt::Display| usage(format_args!("{reason}: {}", argument.display()));
    let text = fs::read_to_string(argument)
        .map_err(|error| at(&format_args!("cannot read the pipeline: {error}")))?;
    parse(&text).map_err(|error| at(&error))
}

fn named(name: &OsStr) -> Result<Pipeline> {
    let name = name.to_string_lossy();
    if let Some(preset) = preset(&name) {
        return Pipeline::from_toml(preset.text)
            .map_err(|error| anyhow!("the preset '{name}' is damaged: {error}"));
    }
    let remedy = match schema::nearest(&name, PRESETS.iter().map(|preset| preset.name)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => {
            "`voxprep list --presets` names them; a pipeline file ends in .toml or .json".to_owned()
        }
    };
    Err(usage(format_args!("there is no preset '{name}'; {remedy}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(feature = "ct", feature = "mri", feature = "xray", feature = "augment"))]
    fn every_preset_is_a_pipeline_with_a_summary() {
        let registry = Registry::built_in().unwrap();
        assert!(!PRESETS.is_empty());
        for preset in PRESETS {
            if let Err(error) = preset.plan(&registry) {
                panic!("{}: {error}", preset.name);
            }
            assert!(
                preset.text.starts_with("# ") && preset.summary().ends_with('.'),
                "{}",
                preset.name
            );
        }
    }
}
