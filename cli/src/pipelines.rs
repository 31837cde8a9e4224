//! Pipelines: the presets in this binary, and files.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use voxprep_core::error::Error;
use voxprep_core::pipeline::{OutputSection, Pipeline, Reader};
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
#[derive(Default, clap::Args)]
pub(crate) struct Overrides {
    /// The kind of scan, where the files do not say: CT, MRI or XRAY (CT makes the values HU)
    #[arg(long, value_name = "CT|MRI|XRAY", value_parser = str::parse::<Modality>)]
    pub(crate) modality: Option<Modality>,

    /// Keys all random draws, instead of the pipeline's own seed
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Change a field (may be repeated): of a step, ct.window.level=-500 or
    /// one_of/augment.rotate.p=1, or of a section, sampling.fill=0; values as in TOML, texts also
    /// without quotation marks
    #[arg(long, value_name = "ID.FIELD=VALUE")]
    pub(crate) set: Vec<String>,

    /// Stop after this step or group; one inside a group is GROUP/STEP
    #[arg(long, value_name = "ID")]
    pub(crate) until: Option<String>,
}

/// A plan, and the files that say it.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) files: Vec<PathBuf>,
}

/// The plan of a pipeline: a preset's name, or a file that ends in `.toml` or `.json`.
pub(crate) fn plan(
    argument: &Path,
    overrides: &Overrides,
    level: Option<u32>,
    registry: &Registry,
) -> Result<Planned> {
    let loaded = load(argument, registry)?;
    with_overrides(loaded, argument, overrides, level, registry)
}

/// The plan of a pipeline as [`plan`] takes it, or of a single transform by its name, with the
/// parameters of its example.
#[cfg(feature = "view")]
pub(crate) fn plan_or_step(
    argument: &Path,
    overrides: &Overrides,
    registry: &Registry,
) -> Result<Planned> {
    let Ok(entry) = registry.get(&argument.to_string_lossy()) else {
        return plan(argument, overrides, None, registry);
    };
    let text = format!(
        "version = 1\n[[step]]\nuse = \"{}\"\n{}",
        entry.name, entry.example
    );
    let loaded = (Pipeline::from_toml(&text)?, Vec::new());
    with_overrides(loaded, argument, overrides, None, registry)
}

fn with_overrides(
    (mut pipeline, files): (Pipeline, Vec<PathBuf>),
    argument: &Path,
    overrides: &Overrides,
    level: Option<u32>,
    registry: &Registry,
) -> Result<Planned> {
    // Whatever is wrong with a pipeline is said with its name at the end.
    let at = |reason: &dyn Display| usage(format_args!("{reason}: {}", argument.display()));
    for assignment in &overrides.set {
        pipeline = pipeline
            .with(assignment)
            .map_err(|error| at(&format_args!("--set {assignment}: {error}")))?;
    }
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
    if let Some(level) = level {
        pipeline.output.level = level;
    }
    check_output(&pipeline.output).map_err(|error| at(&error))?;
    let mut plan = Plan::new(pipeline, registry).map_err(|error| at(&error))?;
    if let Some(id) = &overrides.until {
        plan = plan
            .stopped_after(id)
            .map_err(|error| at(&format_args!("--until: {error}")))?;
    }
    Ok(Planned { plan, files })
}

/// Refuses a format that nothing here writes.
pub(crate) fn check_output(output: &OutputSection) -> voxprep_core::error::Result<()> {
    let known = voxprep_io::writable_extensions();
    let format = output.format.as_str();
    if known.contains(&format) {
        return Ok(());
    }
    let error = Error::parameter(format!("there is no format '{format}' to write"));
    let error = match schema::nearest(format, known.iter().copied()) {
        Some(near) => error.remedy(format!("did you mean '{near}'?")),
        None => error.remedy(format!("there are: {}", known.join(", "))),
    };
    Err(error.field("output.format"))
}

/// A pipeline, and the files it was read from.
fn load(argument: &Path, registry: &Registry) -> Result<(Pipeline, Vec<PathBuf>)> {
    let ends_in = |extension: &str| {
        argument
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(extension))
    };
    if ends_in("toml") || ends_in("json") {
        let reader = Reader {
            registry,
            named: &text_of,
        };
        let loaded = reader.read(argument).map_err(usage)?;
        return Ok((loaded.pipeline, loaded.files));
    }
    let name = argument.to_string_lossy();
    let text = text_of(&name).map_err(usage)?;
    let pipeline = Pipeline::from_toml(text)
        .map_err(|error| anyhow!("the preset '{name}' is damaged: {error}"))?;
    Ok((pipeline, Vec::new()))
}

/// The text of the preset of that name.
fn text_of(name: &str) -> voxprep_core::error::Result<&'static str> {
    if let Some(preset) = preset(name) {
        return Ok(preset.text);
    }
    let error = Error::parameter(format!("there is no preset '{name}'"));
    Err(
        match schema::nearest(name, PRESETS.iter().map(|preset| preset.name)) {
            Some(near) => error.remedy(format!("did you mean '{near}'?")),
            None => error.remedy(
                "`voxprep list --presets` names them; a pipeline file ends in .toml or .json",
            ),
        },
    )
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
