//! Findings: what a step noticed, as typed rows of the report.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::volume::Header;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The result is defined, but someone should look.
    Warning,
}

/// Something a step noticed: one row of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable name, `topic.what`, e.g. `voxels.nan`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for a person.
    pub message: String,
    /// The volume concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// The id of the step that noticed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Numbers that belong to it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub values: Value,
}

/// What a reader doubted of a file's header: facts whose names end in `_warning`, as warnings.
pub fn doubts(header: &Header) -> impl Iterator<Item = Finding> {
    header.facts.iter().filter_map(|(key, warning)| {
        let code = match key.rsplit_once('.')? {
            (_, "affine_warning") => "geometry.doubtful",
            (_, "header_warning") => "header.doubtful",
            _ => return None,
        };
        Some(Finding::warning(code, warning.as_str()?))
    })
}

impl Finding {
    /// A warning.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    /// A note.
    pub fn note(code: &str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, message.into())
    }

    fn new(code: &str, severity: Severity, message: String) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            message,
            volume: None,
            step: None,
            values: Value::Null,
        }
    }

    /// The same finding about a volume.
    #[must_use]
    pub fn about(mut self, volume: &str) -> Self {
        self.volume = Some(volume.to_owned());
        self
    }

    /// The same finding with its numbers.
    #[must_use]
    pub fn with_values(mut self, values: Value) -> Self {
        self.values = values;
        self
    }
}
