//! Which name lives in which folder. The only place in the project that lists the folders of `automod`.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// Prefix of a transform's name, and the folder of its files.
const TRANSFORMS: &[(&str, &str)] = &[
    ("augment", "augment/src/transforms"),
    ("ct", "transforms-ct/src/transforms"),
    ("filter", "transforms/src/transforms/filter"),
    ("intensity", "transforms/src/transforms/intensity"),
    ("label", "transforms/src/transforms/label"),
    ("mri", "transforms-mri/src/transforms"),
    ("spatial", "transforms/src/transforms/spatial"),
    ("subject", "transforms/src/transforms/subject"),
    ("xray", "transforms-xray/src/transforms"),
];

/// Folders of files that are not transforms.
const OTHERS: &[&str] = &["io/src/formats"];

/// Every folder whose modules are found by `automod`, and which `cargo fmt` therefore does not see.
pub(crate) fn automod_folders() -> impl Iterator<Item = &'static str> {
    let transforms = TRANSFORMS.iter().map(|(_, folder)| *folder);
    transforms.chain(OTHERS.iter().copied())
}

/// The name of a transform, `prefix.noun`, taken apart and checked.
#[derive(Debug, PartialEq)]
pub(crate) struct Name {
    prefix: &'static str,
    noun: String,
    folder: &'static str,
}

impl Name {
    /// Reads `prefix.noun`; an error says which part is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let Some((prefix, noun)) = text.split_once('.') else {
            bail!("`{text}` is not a name; write PREFIX.NOUN, as in `ct.window`");
        };
        let Some(&(prefix, folder)) = TRANSFORMS.iter().find(|(known, _)| *known == prefix) else {
            let known: Vec<_> = TRANSFORMS.iter().map(|(known, _)| *known).collect();
            bail!(
                "no crate holds `{prefix}.*`; the prefixes are {}",
                known.join(", ")
            );
        };
        if !is_snake_case(noun) {
            bail!("`{noun}` has to be lower-case words joined by `_`, starting with a letter");
        }
        if KEYWORDS.contains(&noun) {
            bail!("`{noun}` is a word of the Rust language and cannot name a module");
        }
        let noun = noun.to_owned();
        Ok(Self {
            prefix,
            noun,
            folder,
        })
    }

    /// `crop_or_pad` of `spatial.crop_or_pad`.
    pub(crate) fn noun(&self) -> &str {
        &self.noun
    }

    /// The struct, `CropOrPad`.
    pub(crate) fn type_name(&self) -> String {
        let words = self.noun.split('_');
        words
            .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
            .collect()
    }

    /// The folder with the files of this prefix, from the root of the workspace.
    pub(crate) fn folder(&self) -> &'static Path {
        Path::new(self.folder)
    }

    /// The one file of this transform, from the root of the workspace.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join(&self.noun).with_extension("rs")
    }

    /// The folder of the crate, from the root of the workspace.
    pub(crate) fn crate_folder(&self) -> &'static str {
        self.folder
            .split_once('/')
            .map_or(self.folder, |(first, _)| first)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.prefix, self.noun)
    }
}

fn is_snake_case(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('_').all(word)
}

/// What cannot be the name of a module, with `mod` and `lib` for the sake of the file's name.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "lib", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_name_gives_its_file_and_its_struct() {
        for (name, file, type_name) in [
            (
                "ct.window",
                "transforms-ct/src/transforms/window.rs",
                "Window",
            ),
            (
                "spatial.crop_or_pad",
                "transforms/src/transforms/spatial/crop_or_pad.rs",
                "CropOrPad",
            ),
            (
                "augment.rotate",
                "augment/src/transforms/rotate.rs",
                "Rotate",
            ),
            ("mri.n4", "transforms-mri/src/transforms/n4.rs", "N4"),
        ] {
            let parsed = Name::parse(name).unwrap();
            assert_eq!(parsed.file(), Path::new(file));
            assert_eq!(parsed.type_name(), type_name);
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn the_crate_is_the_first_folder_of_the_path() {
        assert_eq!(
            Name::parse("label.largest").unwrap().crate_folder(),
            "transforms"
        );
        assert_eq!(
            Name::parse("ct.lungs").unwrap().crate_folder(),
            "transforms-ct"
        );
    }

    #[test]
    fn a_name_that_cannot_be_a_module_is_refused() {
        for name in [
            "window",
            "ct.",
            "ct.Window",
            "ct.a-b",
            "ct.a__b",
            "ct._a",
            "ct.a.b",
            "ct.4n",
            "ct.match",
            "pet.suv",
            ".a",
        ] {
            assert!(Name::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_folder_given_to_automod_is_listed() {
        let listed: Vec<_> = automod_folders().collect();
        let root = crate::process::root();
        let mut sources = Vec::new();
        rust_files(&root, &mut sources);
        for source in sources {
            let text = fs::read_to_string(&source).unwrap();
            for call in text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                let Some((_, call)) = call.split_once("automod::dir!") else {
                    continue;
                };
                let given = call.split('"').nth(1).expect("a literal path");
                let package = source
                    .ancestors()
                    .find(|folder| folder.join("Cargo.toml").is_file())
                    .unwrap();
                let folder = package.join(given);
                let folder = folder
                    .strip_prefix(&root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                assert!(
                    listed.contains(&folder.as_str()),
                    "{folder}, used by {}",
                    source.display()
                );
            }
        }
    }

    /// All Rust files below a folder, except built ones and those of this package, which quotes the macro.
    fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "xtask" {
                rust_files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
}
