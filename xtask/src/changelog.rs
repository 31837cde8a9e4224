//! The rule for `changelog.d/NAME.{added,changed,fixed,removed}.md`, in words in `changelog.d/README.md`.

use anyhow::{Context, Result, bail};
use std::fs;

const KINDS: &[&str] = &["added", "changed", "fixed", "removed"];

/// Fails with every fragment that breaks the rule.
pub(crate) fn check() -> Result<()> {
    let folder = crate::process::root().join("changelog.d");
    let mut wrong = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(entry.path())
            .with_context(|| format!("cannot read changelog.d/{name}"))?;
        if let Err(reason) = check_name(&name).and_then(|()| check_text(&text)) {
            wrong.push(format!("changelog.d/{name}: {reason}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort();
    bail!("{}\nThe rule is in changelog.d/README.md", wrong.join("\n"));
}

fn check_name(name: &str) -> Result<()> {
    let parts: Vec<&str> = name.split('.').collect();
    let [stem, kind, "md"] = parts[..] else {
        bail!("has to be called NAME.KIND.md");
    };
    if !KINDS.contains(&kind) {
        bail!("`{kind}` is none of {}", KINDS.join(", "));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if stem.is_empty() || !stem.chars().all(plain) {
        bail!("`{stem}` may hold lower-case letters, digits and hyphens only");
    }
    Ok(())
}

fn check_text(text: &str) -> Result<()> {
    let Some(line) = text.lines().next().filter(|line| !line.trim().is_empty()) else {
        bail!("is empty");
    };
    if text != line && text != format!("{line}\n") {
        bail!("has to be one line, with one newline at its end");
    }
    // A sentence may begin with a name in backticks, which are often lower-case.
    if !line.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit() || c == '`') {
        bail!("has to begin with a sentence: a capital letter, or a name in backticks");
    }
    if !line.ends_with('.') {
        bail!("has to end with a full stop");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_named_after_its_change_and_its_kind() {
        for name in [
            "001-one-pipeline.added.md",
            "flip.fixed.md",
            "n4.changed.md",
            "old-flag.removed.md",
        ] {
            check_name(name).unwrap();
        }
        for name in [
            "flip.md",
            "flip.new.md",
            "Flip.added.md",
            "a_b.added.md",
            ".added.md",
            "a.added.txt",
            "a.b.added.md",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_fragment_is_one_line_that_begins_with_a_sentence() {
        for text in [
            "Added.\n",
            "`ct.window` takes a preset. It may be drawn.",
            "16-bit PNG is read.\n",
        ] {
            check_text(text).unwrap();
        }
        for text in [
            "",
            "\n",
            " \n",
            "two\n",
            "Two.\nLines.\n",
            "Blank line after.\n\n",
            "- A list.\n",
            "# A heading\n",
            "No full stop\n",
        ] {
            assert!(check_text(text).is_err(), "{text:?}");
        }
    }
}
