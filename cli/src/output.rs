//! Standard output: results and nothing else.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::Value;

/// The reader of standard output has closed it: no error, but no reason to go on either.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct Closed;

/// Standard output. Everything that a command answers goes through here.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// Writes a line, or several.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<()> {
        writeln!(self.0, "{text}").map_err(refused)
    }

    /// Writes a value as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        self.line(json(value)?)
    }

    /// Hands on what is still held back.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.0.flush().map_err(refused)
    }
}

fn refused(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow!("cannot write to standard output: {error}"),
    }
}

/// A value as JSON for people and programs: a field per line, numbers that belong together in one.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    let mut text = String::new();
    push(&serde_json::to_value(value)?, 0, &mut text);
    Ok(text)
}

fn push(value: &Value, depth: usize, text: &mut String) {
    let indent = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Value::Array(items) if is_row(value) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                push(item, depth, text);
            }
            text.push(']');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { "," });
                indent(text, depth + 1);
                push(item, depth + 1, text);
            }
            indent(text, depth);
            text.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            text.push('{');
            for (position, (name, field)) in fields.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { "," });
                indent(text, depth + 1);
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push_str(": ");
                push(field, depth + 1, text);
            }
            indent(text, depth);
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Whether an array holds nothing that is made of parts.
fn is_row(value: &Value) -> bool {
    let is_scalar = |item: &Value| !item.is_array() && !item.is_object();
    value
        .as_array()
        .is_some_and(|items| items.iter().all(is_scalar))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_that_belong_together_share_a_line() {
        let value =
            json!({"a \"b\"": [[1.0, 2], [null, -0.5]], "c": {}, "d": [], "e": [{"f": "\n"}]});
        let text = super::json(&value).unwrap();
        let expected = r#"{
  "a \"b\"": [
    [1.0, 2],
    [null, -0.5]
  ],
  "c": {},
  "d": [],
  "e": [
    {
      "f": "\n"
    }
  ]
}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
