//! `cargo x docs`: writes `docs/transforms/`, one page per registered transform with a picture of what
//! it does to a made-up scan, an index, `docs/pipeline.schema.json`, and `docs/overview.png`, by asking
//! the CLI.

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
/// What `voxprep demo` shows first.
const OVERVIEW: &str = "docs/overview.png";
/// Where the pictures are, from the folder of the pages.
const PICTURES: &str = "pictures";

/// File name to contents.
type Pages = BTreeMap<String, Vec<u8>>;

/// The scans of the pictures: the prefix of the transforms that they are for, the arguments that make
/// them, and those that show them. The first that fits counts.
const SCANS: &[(&str, &[&str], &[&str])] = &[
    (
        "mri.",
        &[
            "brain-mri",
            "--sequences",
            "t1",
            "--noise",
            "4",
            "--size",
            "88,112,96",
            "--spacing",
            "2,2,2",
        ],
        &["t1=t1.nii.gz", "--modality", "MRI"],
    ),
    (
        "xray.",
        &["chest-xray", "--size", "256,256"],
        &["image.nii.gz", "--modality", "XRAY"],
    ),
    (
        "",
        &[
            "chest-ct",
            "--noise",
            "4",
            "--size",
            "128,128,80",
            "--spacing",
            "2.8,2.8,4",
        ],
        &[
            "image.nii.gz",
            "--modality",
            "CT",
            "--label",
            "lungs=lungs.nii.gz",
        ],
    ),
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    generate(only_check_flag(arguments)?)
}

/// Writes the pages and removes stale ones; with `check`, fails with the list of what differs.
pub(crate) fn generate(check: bool) -> Result<()> {
    let wanted = wanted()?;
    let folder = process::root().join(FOLDER);
    let found = found(&folder)?;
    let differing = differing(&wanted, &found);
    let schema = process::read(voxprep().arg("schema"))?.into_bytes();
    let others = [(SCHEMA, schema), (OVERVIEW, overview()?)];
    let others: Vec<_> = others
        .into_iter()
        .filter(|(name, contents)| {
            fs::read(process::root().join(name)).ok().as_ref() != Some(contents)
        })
        .collect();
    if check {
        if differing.is_empty() && others.is_empty() {
            return Ok(());
        }
        let pages = differing.iter().map(|name| format!("  {FOLDER}/{name}"));
        let others = others.iter().map(|(name, _)| format!("  {name}"));
        let list: Vec<_> = pages.chain(others).collect();
        bail!("not up to date; run `cargo x docs`:\n{}", list.join("\n"));
    }

    let pictures = folder.join(PICTURES);
    fs::create_dir_all(&pictures).with_context(|| format!("cannot create {FOLDER}/{PICTURES}"))?;
    for (name, contents) in &others {
        let path = process::root().join(name);
        fs::write(path, contents).with_context(|| format!("cannot write {name}"))?;
        println!("wrote {name}");
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
    let mut pages = Pages::from([(INDEX.to_owned(), index(&entries).into_bytes())]);
    let scans = tempfile::tempdir().context("a folder for the scans of the pictures")?;
    for entry in &entries {
        let name = &entry.name;
        let picture = picture(name, scans.path())?;
        pages.insert(picture_of(name), picture);
        let mut page = process::read(voxprep().args(["describe", "--markdown", name]))?;
        let fields = match shown_with(name) {
            [] => "as in the example".to_owned(),
            fields => format!("with `{}`", fields.join("`, `")),
        };
        page += &format!(
            "\n## Picture\n\nA [made-up scan](../phantoms.md) before and after, {fields}:\n\n![{name} before and after]({})\n",
            picture_of(name)
        );
        pages.insert(format!("{name}.md"), page.into_bytes());
    }
    Ok(pages)
}

fn overview() -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("a folder for the demo")?;
    let demo = folder.path().join("demo");
    process::read(voxprep().arg("demo").arg(&demo))?;
    let picture = demo.join("overview.png");
    fs::read(picture).context("the overview of the demo")
}

fn picture_of(name: &str) -> String {
    format!("{PICTURES}/{name}.png")
}

/// Fields whose values in the example show nothing on these scans.
const SHOWN_WITH: &[(&str, &[&str])] = &[
    ("augment.crop", &["size=[80,128,60]"]),
    ("augment.noise", &["std=60"]),
    ("augment.rotate", &["angle_deg=15", "axis=\"y\""]),
    ("filter.gaussian", &["sigma_mm=6"]),
    ("intensity.percentile_clip", &["low=40", "high=80"]),
    ("spatial.crop", &["start=[20,0,12]", "size=[90,128,60]"]),
];

fn shown_with(name: &str) -> &'static [&'static str] {
    let found = SHOWN_WITH.iter().find(|(known, _)| *known == name);
    found.map_or(&[], |(_, fields)| fields)
}

/// What a transform, with the parameters of its example, does to its scan.
fn picture(name: &str, scans: &Path) -> Result<Vec<u8>> {
    let fitting = SCANS.iter().find(|(prefix, ..)| name.starts_with(prefix));
    let (_, made, shown) = fitting.context("there is no scan for the picture")?;
    let folder = scans.join(made[0]);
    if !folder.is_dir() {
        let mut phantom = voxprep();
        phantom
            .arg("phantom")
            .args(&made[..1])
            .arg(&folder)
            .args(&made[1..]);
        process::read(&mut phantom)?;
    }
    let file = scans.join("picture.png");
    let mut preview = voxprep();
    preview
        .args([
            "preview", name, "--axis", "coronal", "--pixels", "224", "--id", "docs", "-o",
        ])
        .arg(&file);
    for field in shown_with(name) {
        preview.arg("--set").arg(format!("{name}.{field}"));
    }
    for argument in *shown {
        // Files are named from the folder of their scan.
        let argument = match argument.split_once('=') {
            Some((volume, file)) => format!("{volume}={}", folder.join(file).display()),
            None if argument.ends_with(".nii.gz") => folder.join(argument).display().to_string(),
            None => (*argument).to_owned(),
        };
        preview.arg(argument);
    }
    process::read(&mut preview).with_context(|| format!("the picture of {name}"))?;
    fs::read(&file).with_context(|| format!("the picture of {name}"))
}

fn voxprep() -> Command {
    let mut command = process::cargo();
    command.args(["run", "-q", "-p", "voxprep", "--"]);
    command
}

/// What is in the folder now.
fn found(folder: &Path) -> Result<Pages> {
    let mut pages = Pages::new();
    for (inner, extension) in [("", ".md"), (PICTURES, ".png")] {
        let folder = folder.join(inner);
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(extension) {
                let bytes =
                    fs::read(&path).with_context(|| format!("cannot read {FOLDER}/{name}"))?;
                let name = if inner.is_empty() {
                    name.into_owned()
                } else {
                    format!("{inner}/{name}")
                };
                pages.insert(name, bytes);
            }
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
            text += &format!("\n## {prefix}\n\n| | name | what it does |\n|---|---|---|\n");
            section = Some(prefix);
        }
        let summary = summary.replace('|', "\\|").replace('\n', " ");
        let picture = picture_of(name);
        text += &format!(
            "| <img src=\"{picture}\" width=\"200\" alt=\"\"> | [`{name}`]({name}.md) | {summary} |\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(of: &[(&str, &str)]) -> Pages {
        of.iter()
            .map(|(name, text)| (name.to_string(), text.as_bytes().to_vec()))
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

| | name | what it does |
|---|---|---|
| <img src=\"pictures/augment.noise.png\" width=\"200\" alt=\"\"> | [`augment.noise`](augment.noise.md) | Adds \\|x\\|. |

## ct

| | name | what it does |
|---|---|---|
| <img src=\"pictures/ct.clip.png\" width=\"200\" alt=\"\"> | [`ct.clip`](ct.clip.md) | Clamps. |
| <img src=\"pictures/ct.window.png\" width=\"200\" alt=\"\"> | [`ct.window`](ct.window.md) | Maps a window. |
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
