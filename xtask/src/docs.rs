//! `cargo x docs`: writes `docs/transforms/`, one page per registered transform and an index, and
//! `docs/pipeline.schema.json`, by asking the CLI.

use crate::{only_check_flag, process};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = "docs/transforms";
const INDEX: &str = "README.md";
const SCHEMA: &str = "docs/pipeline.schema.json";

/// File name to text.
type Pages = BTreeMap<String, String>;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    generate(only_check_flag(arguments)?)
}

/// Writes the pages and removes stale ones; with `check`, fails with the list of what differs.
pub(crate) fn generate(check: bool) -> Result<()> {
    let wanted = wanted()?;
    let folder = process::root().join(FOLDER);
    let found = found(&folder)?;
    let differing = differing(&wanted, &found);
    let schema = process::read(voxprep().arg("schema"))?;
    let path = process::root().join(SCHEMA);
    let schema_differs = fs::read_to_string(&path).ok().as_ref() != Some(&schema);
    if check {
        if differing.is_empty() && !schema_differs {
            return Ok(());
        }
        let pages = differing.iter().map(|name| format!("  {FOLDER}/{name}"));
        let schema = schema_differs.then(|| format!("  {SCHEMA}"));
        let list: Vec<_> = pages.chain(schema).collect();
        bail!("not up to date; run `cargo x docs`:\n{}", list.join("\n"));
    }

    fs::create_dir_all(&folder).with_context(|| format!("cannot create {FOLDER}"))?;
    if schema_differs {
        fs::write(&path, &schema).with_context(|| format!("cannot write {SCHEMA}"))?;
        println!("wrote {SCHEMA}");
    }
    for name in &differing {
        let path = folder.join(name);
        match wanted.get(name) {
            Some(text) => {
                fs::write(&path, text).with_context(|| format!("cannot write {FOLDER}/{name}"))?
            }
            None => {
                fs::remove_file(&path).with_context(|| format!("cannot remove {FOLDER}/{name}"))?
            }
        }
        println!(
            "{} {FOLDER}/{name}",
            if wanted.contains_key(name) {
                "wrote"
            } else {
                "removed"
            }
        );
    }
    Ok(())
}

/// What the registry says the pages are.
fn wanted() -> Result<Pages> {
    let list = process::read(voxprep().args(["list", "--json"]))?;
    let entries = parse_list(&list).context("`voxprep list --json`")?;
    let mut pages = Pages::from([(INDEX.to_owned(), index(&entries))]);
    for entry in &entries {
        let page = process::read(voxprep().args(["describe", "--markdown", &entry.name]))?;
        pages.insert(format!("{}.md", entry.name), page);
    }
    Ok(pages)
}

fn voxprep() -> Command {
    let mut command = process::cargo();
    command.args(["run", "-q", "-p", "voxprep", "--"]);
    command
}

/// What is in the folder now.
fn found(folder: &Path) -> Result<Pages> {
    let mut pages = Pages::new();
    if !folder.is_dir() {
        return Ok(pages);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".md") {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {FOLDER}/{name}"))?;
            pages.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(pages)
}

/// The names of pages that are missing, stale or different, sorted.
fn differing(wanted: &Pages, found: &Pages) -> Vec<String> {
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    names
        .into_iter()
        .filter(|name| wanted.get(*name) != found.get(*name))
        .cloned()
        .collect()
}

#[derive(Debug, PartialEq)]
struct Entry {
    name: String,
    summary: String,
}

fn parse_list(json: &str) -> Result<Vec<Entry>> {
    let Value::Array(items) = serde_json::from_str(json)? else {
        bail!("is not an array");
    };
    let field = |item: &Value, key: &str| {
        let text = item.get(key).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| anyhow!("has an entry without the text `{key}`: {item}"))
    };
    let mut entries = Vec::new();
    for item in &items {
        let name = field(item, "name")?;
        // A page is named after the entry; a name with a slash would leave the folder.
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
        {
            bail!("has a name that cannot be a file: `{name}`");
        }
        entries.push(Entry {
            name,
            summary: field(item, "summary")?,
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// The table of all transforms, one section for each prefix.
fn index(entries: &[Entry]) -> String {
    let mut text = "# Transforms\n\nWritten by `cargo x docs` from the registry; edit the doc comments instead.\n".to_owned();
    let mut section = None;
    for Entry { name, summary } in entries {
        let prefix = name.split('.').next().unwrap_or(name);
        if section != Some(prefix) {
            text += &format!("\n## {prefix}\n\n| name | what it does |\n|---|---|\n");
            section = Some(prefix);
        }
        let summary = summary.replace('|', "\\|").replace('\n', " ");
        text += &format!("| [`{name}`]({name}.md) | {summary} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(of: &[(&str, &str)]) -> Pages {
        of.iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect()
    }

    #[test]
    fn the_index_has_a_table_for_each_prefix() {
        let json = r#"[
            {"name": "ct.window", "summary": "Maps a window.", "kind": "pointwise"},
            {"name": "augment.noise", "summary": "Adds |x|."},
            {"name": "ct.clip", "summary": "Clamps."}
        ]"#;
        let text = index(&parse_list(json).unwrap());
        let (_, tables) = text.split_once("instead.\n").unwrap();
        let expected = "
## augment

| name | what it does |
|---|---|
| [`augment.noise`](augment.noise.md) | Adds \\|x\\|. |

## ct

| name | what it does |
|---|---|
| [`ct.clip`](ct.clip.md) | Clamps. |
| [`ct.window`](ct.window.md) | Maps a window. |
";
        assert_eq!(tables, expected);
    }

    #[test]
    fn a_list_that_is_not_one_is_refused() {
        for json in [
            "",
            "{}",
            "[1]",
            r#"[{"name": "a.b"}]"#,
            r#"[{"name": "../b", "summary": ""}]"#,
        ] {
            assert!(parse_list(json).is_err(), "{json}");
        }
    }

    #[test]
    fn missing_stale_and_changed_pages_differ() {
        let wanted = pages(&[("a.md", "same"), ("b.md", "new"), ("c.md", "missing")]);
        let found = pages(&[("a.md", "same"), ("b.md", "old"), ("d.md", "stale")]);
        assert_eq!(differing(&wanted, &found), ["b.md", "c.md", "d.md"]);
        assert!(differing(&wanted, &wanted).is_empty());
    }
}
