//! `voxprep list`: the transforms and presets there are.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use voxprep_core::pipeline::FORMS;
use voxprep_core::registry::{Entry, Registry};

use crate::output::Output;
use crate::pipelines;

/// List the steps a pipeline can use, and the presets
#[derive(Args)]
#[command(after_help = "Examples:\n  voxprep list\n  voxprep list --presets --json")]
pub(crate) struct List {
    /// List the presets only
    #[arg(long)]
    presets: bool,

    /// Answer in JSON: the transforms, or with --presets the presets
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let registry = Registry::built_in()?;
        let presets: Vec<_> = pipelines::presets(&registry)
            .map(|p| (p.name, p.summary()))
            .collect();
        match (self.json, self.presets) {
            (true, true) => {
                let one =
                    |(name, summary): &(&str, &str)| json!({ "name": name, "summary": summary });
                out.json(&presets.iter().map(one).collect::<Vec<_>>())
            }
            (true, false) => out.json(&registry.iter().map(entry).collect::<Vec<_>>()),
            (false, presets_only) => {
                if !presets_only {
                    list(&registry, out)?;
                    groups(out)?;
                }
                if !presets.is_empty() {
                    out.line("presets")?;
                }
                let width = presets
                    .iter()
                    .map(|(name, _)| name.len())
                    .max()
                    .unwrap_or_default();
                presets.iter().try_for_each(|(name, summary)| {
                    out.line(format_args!("  {name:<width$}  {summary}"))
                })
            }
        }
    }
}

/// The transforms, under a heading for each prefix, and an empty line after each group.
fn list(registry: &Registry, out: &mut Output) -> Result<()> {
    let width = registry
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or_default();
    let mut group = None;
    for entry in registry.iter() {
        let prefix = entry.name.split('.').next();
        if group != prefix {
            if group.is_some() {
                out.line("")?;
            }
            out.line(prefix.unwrap_or_default())?;
            group = prefix;
        }
        // "pointwise", the longest kind, has nine letters.
        out.line(format_args!(
            "  {:<width$}  {:<9}  {}",
            entry.name,
            entry.kind,
            entry.summary()
        ))?;
    }
    if group.is_some() {
        out.line("")
    } else {
        Ok(())
    }
}

/// What holds steps.
fn groups(out: &mut Output) -> Result<()> {
    out.line("groups of steps")?;
    let width = FORMS.iter().map(|form| form.name.len()).max();
    let width = width.unwrap_or_default();
    FORMS
        .iter()
        .try_for_each(|form| out.line(format_args!("  {:<width$}  {}", form.name, form.summary)))?;
    out.line("")
}

fn entry(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "kind": entry.kind,
        "role": entry.role,
        "summary": entry.summary(),
        "source": entry.source,
    })
}
