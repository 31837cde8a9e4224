//! `voxprep describe`: all there is to know about a transform, from the registry.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use voxprep_core::pipeline::{FORMS, Form};
use voxprep_core::registry::{Entry, Registry};
use voxprep_core::schema::{self, Field};
use voxprep_core::volume::Role;

use crate::failure::usage;
use crate::output::Output;
use crate::pipelines::{self, Preset};

/// Describe a step or group: what it does, its parameters, an example; or show a preset
#[derive(Args)]
#[command(
    after_help = "Examples:\n  voxprep describe ct.window\n  voxprep describe ct-lung > mine.toml"
)]
pub(crate) struct Describe {
    /// A step such as ct.window, a group such as one_of, or a preset such as ct-lung
    name: String,

    /// Answer in JSON, with the JSON Schema of the parameters
    #[arg(long)]
    json: bool,

    /// Answer as a page of the reference
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl Describe {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let registry = Registry::built_in()?;
        if let Some(preset) = pipelines::preset(&self.name) {
            return self.preset(preset, &registry, out);
        }
        if let Some(form) = FORMS.iter().find(|form| form.name == self.name) {
            return self.group(form, out);
        }
        let Ok(entry) = registry.get(&self.name) else {
            return Err(unknown(&self.name, &registry));
        };
        match (self.json, self.markdown) {
            (true, _) => out.json(&as_json(entry)),
            (_, true) => out.line(page(entry).trim_end()),
            _ => out.line(text(entry).trim_end()),
        }
    }

    fn group(&self, form: &Form, out: &mut Output) -> Result<()> {
        let Form {
            name,
            summary,
            keys,
            example,
        } = form;
        match (self.json, self.markdown) {
            (true, _) => {
                let key = |[name, takes, description]: &[&str; 3]| json!({ "name": name, "takes": takes, "description": description });
                out.json(&json!({
                    "name": name,
                    "kind": "group",
                    "summary": summary,
                    "keys": keys.iter().map(key).collect::<Vec<_>>(),
                    "example": example,
                }))
            }
            (_, true) => {
                let row = |[name, takes, meaning]: &[&str; 3]| {
                    format!("| `{name}` | {takes} | {meaning} |\n")
                };
                let rows: String = keys.iter().map(row).collect();
                out.line(format_args!(
                    "# {name}\n\n{summary}\n\n## Keys\n\n| name | takes | meaning |\n|---|---|---|\n\
                     {rows}\n## Example\n\n```toml\n{example}\n```"
                ))
            }
            _ => {
                let width = keys.iter().map(|[name, ..]| name.len()).max();
                let width = width.unwrap_or_default();
                let row = |[name, takes, meaning]: &[&str; 3]| {
                    format!("  {name:<width$}  {takes}\n  {:<width$}    {meaning}\n", "")
                };
                let rows: String = keys.iter().map(row).collect();
                let example: Vec<_> = example.lines().map(|line| format!("  {line}")).collect();
                out.line(format_args!(
                    "{name}   a group of steps\n{summary}\n\nKeys\n{rows}\nExample\n{}",
                    example.join("\n")
                ))
            }
        }
    }

    fn preset(&self, preset: &Preset, registry: &Registry, out: &mut Output) -> Result<()> {
        let text = preset.text.trim_end();
        match (self.json, self.markdown) {
            (true, _) => out.json(&json!({
                "name": preset.name,
                "summary": preset.summary(),
                "pipeline": preset.plan(registry)?.pipeline(),
            })),
            (_, true) => out.line(format_args!(
                "# {}\n\n{}\n\n```toml\n{text}\n```",
                preset.name,
                preset.summary()
            )),
            _ => out.line(text),
        }
    }
}

fn unknown(name: &str, registry: &Registry) -> anyhow::Error {
    let presets = pipelines::presets(registry).map(|preset| preset.name);
    let known = registry
        .iter()
        .map(|entry| entry.name.as_str())
        .chain(FORMS.iter().map(|form| form.name))
        .chain(presets);
    let remedy = match schema::nearest(name, known) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "`voxprep list` names them all".to_owned(),
    };
    usage(format_args!(
        "there is no step or preset '{name}'; {remedy}"
    ))
}

/// The doc comment of a transform, taken apart at its headings.
struct Doc<'a> {
    summary: String,
    body: String,
    /// Headings and what is below them.
    sections: Vec<(&'a str, String)>,
}

impl<'a> Doc<'a> {
    fn new(description: &'a str) -> Self {
        let mut intro = String::new();
        let mut sections: Vec<(&str, String)> = Vec::new();
        let mut in_code = false;
        for line in description.lines() {
            in_code ^= line.trim_start().starts_with("```");
            if let Some(title) = line.strip_prefix("# ").filter(|_| !in_code) {
                sections.push((title.trim(), String::new()));
                continue;
            }
            let text = sections.last_mut().map_or(&mut intro, |(_, text)| text);
            text.push_str(line);
            text.push('\n');
        }
        let (summary, body) = intro.split_once("\n\n").unwrap_or((&intro, ""));
        for (_, text) in &mut sections {
            *text = text.trim().to_owned();
        }
        Self {
            summary: summary.split_whitespace().collect::<Vec<_>>().join(" "),
            body: body.trim().to_owned(),
            sections,
        }
    }

    /// The sections, those on literature last.
    fn sections(&self, literature: bool) -> impl Iterator<Item = &(&'a str, String)> {
        self.sections
            .iter()
            .filter(move |(title, _)| title.starts_with("Reference") == literature)
    }
}

fn acts_on(entry: &Entry) -> &'static str {
    match (entry.role, entry.kind) {
        (Some(Role::Intensity), _) => "acts on images",
        (Some(Role::Label), _) => "acts on label maps",
        (None, "joint") => "acts on the subject as a whole",
        (None, _) => "acts on all volumes",
    }
}

/// What a parameter takes: `number, fixed or drawn`.
fn takes(field: &Field, choices: &[Choice]) -> String {
    if !choices.is_empty() {
        return if field.takes.starts_with('[') {
            "[one of, ...]".to_owned()
        } else {
            "one of".to_owned()
        };
    }
    if field.random {
        format!("{}, fixed or drawn", field.takes)
    } else {
        field.takes.clone()
    }
}

/// A value that a parameter may have, as the file gives it, and what that means.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    value: String,
    meaning: String,
}

/// The named forms of a parameter, where it has several and they are documented.
fn choices(entry: &Entry, field: &Field) -> Vec<Choice> {
    let property = entry
        .schema
        .get("properties")
        .and_then(|properties| properties.get(&field.name));
    let mut choices = Vec::new();
    if let Some(property) = property.filter(|_| !field.random) {
        collect(property, &mut choices);
    }
    choices.retain(|choice| !choice.meaning.is_empty());
    choices
}

fn collect(schema: &Value, choices: &mut Vec<Choice>) {
    for key in ["oneOf", "anyOf"] {
        for form in schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            collect(form, choices);
        }
    }
    if let Some(items) = schema.get("items") {
        collect(items, choices);
    }
    let key = schema
        .get("properties")
        .and_then(Value::as_object)
        .and_then(|fields| fields.keys().next());
    let value = match (schema.get("const"), key) {
        (Some(constant), _) => constant.to_string(),
        (None, Some(key)) => format!("{{ {key} = ... }}"),
        (None, None) => return,
    };
    let meaning = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    choices.push(Choice {
        value,
        meaning: meaning.split_whitespace().collect::<Vec<_>>().join(" "),
    });
}

fn default(field: &Field) -> String {
    match &field.default {
        _ if field.required => "required".to_owned(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

const DRAWN: &str =
    "drawn: { uniform = [low, high] }, { normal = [mean, std] } or { choice = [a, b, ...] }";

/// The example as a step of a pipeline.
fn step(entry: &Entry) -> String {
    let mut step = format!("[[step]]\nuse = \"{}\"", entry.name);
    for line in entry.example.trim().lines() {
        step.push('\n');
        step.push_str(line.trim());
    }
    step
}

// Writing to a String does not fail, so the results of `write!` are dropped.

fn text(entry: &Entry) -> String {
    let doc = Doc::new(entry.description());
    let fields = entry.fields();
    let mut text = format!(
        "{}   {}, {}\n{}\n",
        entry.name,
        entry.kind,
        acts_on(entry),
        doc.summary
    );
    if !doc.body.is_empty() {
        let _ = write!(text, "\n{}\n", doc.body);
    }
    if !fields.is_empty() {
        text.push_str("\nParameters\n");
    }
    let width = fields
        .iter()
        .map(|field| field.name.len())
        .max()
        .unwrap_or_default();
    let mut before = (Vec::new(), "");
    for field in &fields {
        let default = default(field);
        let choices = choices(entry, field);
        let facts = [
            takes(field, &choices),
            field.unit.clone().unwrap_or_default(),
            field
                .bounds
                .as_ref()
                .map(|bounds| format!("in {bounds}"))
                .unwrap_or_default(),
            if field.required || default.is_empty() {
                default
            } else {
                format!("default {default}")
            },
        ];
        let facts: Vec<_> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
        let _ = writeln!(text, "  {:<width$}  {}", field.name, facts.join("; "));
        for line in field.description.lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "  {:<width$}    {line}", "");
        }
        if !choices.is_empty() && choices == before.0 {
            let _ = writeln!(text, "  {:<width$}      as for {}", "", before.1);
            continue;
        }
        let column = choices
            .iter()
            .map(|choice| choice.value.len())
            .max()
            .unwrap_or_default();
        for Choice { value, meaning } in &choices {
            let _ = writeln!(text, "  {:<width$}      {value:<column$}  {meaning}", "");
        }
        before = (choices, &field.name);
    }
    if fields.iter().any(|field| field.random) {
        let _ = writeln!(text, "  ({DRAWN})");
    }
    let section = |text: &mut String, title: &str, body: &str| {
        let _ = write!(text, "\n{title}\n");
        for line in body.lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
    };
    for (title, body) in doc.sections(false) {
        section(&mut text, title, body);
    }
    section(&mut text, "Example", &step(entry));
    for (title, body) in doc.sections(true) {
        section(&mut text, title, body);
    }
    text
}

fn page(entry: &Entry) -> String {
    let doc = Doc::new(entry.description());
    let fields = entry.fields();
    let mut page = format!("# {}\n\n{}\n", entry.name, doc.summary);
    if !doc.body.is_empty() {
        let _ = write!(page, "\n{}\n", doc.body);
    }
    let _ = write!(
        page,
        "\nKind: {}; {}. From `{}`.\n\n## Parameters\n\n",
        entry.kind,
        acts_on(entry),
        entry.source
    );
    if fields.is_empty() {
        page.push_str("None.\n");
    } else {
        page.push_str(
            "| name | takes | unit | bounds | default | meaning |\n|---|---|---|---|---|---|\n",
        );
    }
    let cell = |text: &str| {
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('|', "\\|")
    };
    let code = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("`{}`", cell(text))
        }
    };
    let mut values = String::new();
    let mut before = (Vec::new(), "");
    for field in &fields {
        let default = default(field);
        let choices = choices(entry, field);
        let takes = match takes(field, &choices) {
            takes if choices.is_empty() => takes,
            takes if choices == before.0 => format!("{takes}, as for `{}`", before.1),
            takes => {
                let _ = write!(values, "\n| `{}` | meaning |\n|---|---|\n", field.name);
                for Choice { value, meaning } in &choices {
                    let _ = writeln!(values, "| {} | {} |", code(value), cell(meaning));
                }
                before = (choices, &field.name);
                format!("{takes}, see below")
            }
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            field.name,
            cell(&takes),
            cell(field.unit.as_deref().unwrap_or_default()),
            code(field.bounds.as_deref().unwrap_or_default()),
            if field.required {
                default
            } else {
                code(&default)
            },
            cell(&field.description),
        );
    }
    if fields.iter().any(|field| field.random) {
        let _ = write!(page, "\nA number may be fixed, or {DRAWN}.\n");
    }
    page.push_str(&values);
    for (title, body) in doc.sections(false) {
        let _ = write!(page, "\n## {title}\n\n{body}\n");
    }
    let _ = write!(page, "\n## Example\n\n```toml\n{}\n```\n", step(entry));
    for (title, body) in doc.sections(true) {
        let _ = write!(page, "\n## {title}\n\n{body}\n");
    }
    page
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "kind": entry.kind,
        "role": entry.role,
        "source": entry.source,
        "summary": entry.summary(),
        "description": entry.description(),
        "parameters": entry.fields(),
        "example": step(entry),
        "schema": entry.schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doc_comment_is_taken_apart_at_its_headings() {
        let doc = Doc::new(
            "Blurs\nall.\n\nMore.\n\n# Notes\n\nSlow.\n```\n# code\n```\n# Reference\nSmith 1999\n",
        );
        assert_eq!(
            (doc.summary.as_str(), doc.body.as_str()),
            ("Blurs all.", "More.")
        );
        assert_eq!(
            doc.sections,
            [
                ("Notes", "Slow.\n```\n# code\n```".to_owned()),
                ("Reference", "Smith 1999".to_owned())
            ]
        );
    }
}
