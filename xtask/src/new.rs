//! `cargo x new`: starts a transform from `xtask/templates/KIND.rs`. The templates are real code, compiled and tested
//! with this package, so that what is generated fits what `core` is today.

use crate::places::Name;
use crate::process;
use anyhow::{Context, Result, bail};
use std::fs;

/// Kind, and the file to start from.
const TEMPLATES: &[(&str, &str)] = &[
    ("pointwise", include_str!("../templates/pointwise.rs")),
    ("spatial", include_str!("../templates/spatial.rs")),
    ("filter", include_str!("../templates/filter.rs")),
    ("joint", include_str!("../templates/joint.rs")),
];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, kind) = match arguments[..] {
        [name, "--kind", kind] | ["--kind", kind, name] => (name, kind),
        _ => bail!(
            "expected PREFIX.NOUN --kind KIND, where KIND is one of {}",
            kinds()
        ),
    };
    let name = Name::parse(name)?;
    let Some((_, template)) = TEMPLATES.iter().find(|(known, _)| *known == kind) else {
        bail!("`{kind}` is not a kind; there are {}", kinds());
    };

    let root = process::root();
    let crate_folder = name.crate_folder();
    if !root.join(crate_folder).join("Cargo.toml").is_file() {
        bail!(
            "there is no crate `{crate_folder}/` yet; make it first, after the pattern of `transforms-ct/`"
        );
    }
    let file = name.file();
    let path = root.join(&file);
    let first_of_folder = !root.join(name.folder()).is_dir();
    fs::create_dir_all(root.join(name.folder()))?;
    // The system refuses an existing file, also one that appeared a moment ago.
    let shown = file.display();
    let mut target =
        fs::File::create_new(&path).with_context(|| format!("cannot create {shown}"))?;
    std::io::Write::write_all(&mut target, fill(kind, template, &name).as_bytes())?;
    // Names of another length may change where lines break.
    process::run(
        process::program("rustfmt")
            .args(["--edition", "2024"])
            .arg(&path),
    )?;

    println!("wrote {shown}\n");
    if first_of_folder {
        println!(
            "The folder is new: give it to `automod` in {crate_folder}/src/ and {crate_folder}/build.rs,\nas its neighbours are.\n"
        );
    }
    println!(
        "Next:
  1. Make it yours: parameters, method, doc comments, the numbers in the test.
  2. cargo test -p {package} {noun}
  3. Add `{name}` to the list of built-in names in tests/.
  4. cargo x docs
  5. One line in changelog.d/NAME.added.md, see changelog.d/README.md
  6. cargo x check",
        package = format_args!("voxprep-{crate_folder}"),
        noun = name.noun(),
    );
    Ok(())
}

fn kinds() -> String {
    let kinds: Vec<_> = TEMPLATES.iter().map(|(kind, _)| *kind).collect();
    kinds.join(", ")
}

/// The template of a kind calls its transform `KIND.noun`, and its struct `Noun`.
fn fill(kind: &str, template: &str, name: &Name) -> String {
    template
        .replace(&format!("{kind}.noun"), &name.to_string())
        .replace("Noun", &name.type_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_placeholder_is_left() {
        let name = Name::parse("ct.two_words").unwrap();
        for (kind, template) in TEMPLATES {
            let text = fill(kind, template, &name);
            assert!(text.contains("pub struct TwoWords"), "{kind}");
            assert!(text.contains("\"ct.two_words\""), "{kind}");
            assert!(!text.to_lowercase().contains("noun"), "{kind}:\n{text}");
        }
    }
}
