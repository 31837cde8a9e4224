//! `voxprep schema`: the JSON Schema of the pipeline file.

use anyhow::Result;
use clap::Args;
use serde_json::json;
use voxprep_core::pipeline;
use voxprep_core::registry::Registry;

use crate::output::Output;

/// Print the JSON Schema of the pipeline file, or of one step
///
/// It knows every step of this build, so that editors complete and check fields as they are typed.
/// Begin a TOML file with the line
///
///     #:schema pipeline.schema.json
///
/// and a JSON file with the field "$schema": "pipeline.schema.json". Both name the file relative to
/// the pipeline.
#[derive(Args)]
#[command(after_help = EXAMPLES, verbatim_doc_comment)]
pub(crate) struct Schema {
    /// A step such as ct.window, or a group such as one_of [default: the whole file]
    name: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  voxprep schema > pipeline.schema.json
  voxprep schema ct.window";

impl Schema {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let registry = Registry::built_in()?;
        if let Some(name) = &self.name {
            return out.json(&pipeline::step_schema(&registry, name)?);
        }
        let mut schema = pipeline::schema(&registry);
        // Which formats there are, only what writes them knows.
        let formats = voxprep_io::writable_extensions();
        schema["properties"]["output"]["properties"]["format"]["enum"] = json!(formats);
        out.json(&schema)
    }
}
