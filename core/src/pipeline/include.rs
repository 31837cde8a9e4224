//! Including: pipeline files that build on others.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Pipeline, json_value, toml_value};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::registry::Registry;

/// How many files may include one another in a row.
pub const MAX_INCLUDES: usize = 8;

/// What reads pipeline files: what they may use, and the pipelines that have a name.
///
/// A file may build on another, `include = "base.toml"`: a path from the folder that the file is in,
/// or the name of a pipeline. The other is its base: its steps come first, its sections hold where
/// the file does not say otherwise, key by key. A base is a pipeline by itself, and may include
/// another.
pub struct Reader<'a> {
    /// The transforms that there are.
    pub registry: &'a Registry,
    /// The text, as TOML, of a pipeline that has a name.
    pub named: &'a dyn Fn(&str) -> Result<&'static str>,
}

/// A pipeline that was read from a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The pipeline, what it includes put in.
    pub pipeline: Pipeline,
    /// The files it was read from: its own first, then those that it includes.
    pub files: Vec<PathBuf>,
}

/// What is wrong with a pipeline file, or with one that it includes.
#[derive(Debug)]
pub struct FileError {
    /// The file, or the name of the pipeline.
    pub path: PathBuf,
    /// What is wrong.
    pub error: Error,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.path.display())
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Reader<'_> {
    /// Reads a pipeline file, TOML or JSON as its name says, and those that it includes.
    ///
    /// # Errors
    /// Where a file cannot be read or is wrong; the error names the file.
    pub fn read(&self, path: &Path) -> Result<Loaded, FileError> {
        let mut files = Vec::new();
        let fields = self.fields(path, &mut Vec::new(), &mut files)?;
        let pipeline = Pipeline::from_value(fields.into()).map_err(at(path))?;
        Ok(Loaded { pipeline, files })
    }

    /// The fields of a file on its base. `around` are the files that include this one.
    fn fields(
        &self,
        path: &Path,
        around: &mut Vec<PathBuf>,
        files: &mut Vec<PathBuf>,
    ) -> Result<Map<String, Value>, FileError> {
        let text = fs::read_to_string(path)
            .map_err(|error| Error::parameter(format!("cannot read the pipeline: {error}")))
            .map_err(at(path))?;
        files.push(path.to_owned());
        let value = if has_extension(path, "json") {
            json_value(&text)
        } else {
            toml_value(&text)
        };
        let (own, base) = value.and_then(apart).map_err(at(path))?;
        let Some(base) = base else {
            return Ok(own);
        };
        let within = |error: Error| at(path)(error.field("include"));
        // A file may have several names.
        around.push(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
        let fields = if is_file(&base) {
            let base = path.parent().unwrap_or(Path::new("")).join(base);
            let same = fs::canonicalize(&base).unwrap_or_else(|_| base.clone());
            if around.contains(&same) {
                return Err(within(Error::parameter("the pipeline includes itself")));
            }
            if around.len() > MAX_INCLUDES {
                let reason = format!("files include one another more than {MAX_INCLUDES} deep");
                return Err(within(Error::parameter(reason)));
            }
            let fields = self.fields(&base, around, files)?;
            self.check(&fields).map_err(at(&base))?;
            fields
        } else {
            let text = (self.named)(&base).map_err(within)?;
            let place = Path::new(&base);
            let fields = toml_value(text).and_then(apart).map_err(at(place))?.0;
            self.check(&fields).map_err(at(place))?;
            fields
        };
        around.pop();
        Ok(on_base(own, fields))
    }

    /// Refuses what is no pipeline by itself.
    fn check(&self, fields: &Map<String, Value>) -> Result<()> {
        let pipeline = Pipeline::from_value(fields.clone().into())?;
        Plan::new(pipeline, self.registry).map(|_| ())
    }
}

/// Puts the place behind an error.
fn at(path: &Path) -> impl Fn(Error) -> FileError + Copy + use<'_> {
    |error| FileError {
        path: path.to_owned(),
        error,
    }
}

/// Whether a pipeline is named by its file.
fn is_file(name: &str) -> bool {
    ["toml", "json"]
        .iter()
        .any(|extension| has_extension(Path::new(name), extension))
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// The fields of a file, which are right as far as they go, and what it includes.
fn apart(mut value: Value) -> Result<(Map<String, Value>, Option<String>)> {
    let include = match value.as_object_mut() {
        Some(fields) => {
            fields.shift_remove("$schema");
            fields.shift_remove("include")
        }
        None => None,
    };
    Pipeline::from_value(value.clone())?;
    let include = match include {
        None => None,
        Some(Value::String(name)) if !name.is_empty() => Some(name),
        Some(other) => {
            return Err(Error::parameter(format!("must name a file, got {other}"))
                .field("include")
                .remedy("write include = \"base.toml\", a path from the folder of this file"));
        }
    };
    match value {
        Value::Object(fields) => Ok((fields, include)),
        _ => Ok((Map::new(), include)),
    }
}

/// A file's own fields on those of its base: sections key by key, the steps of the base first.
fn on_base(own: Map<String, Value>, mut base: Map<String, Value>) -> Map<String, Value> {
    for (name, field) in own {
        match (base.get_mut(&name), field) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (Some(Value::Array(first)), Value::Array(then)) => first.extend(then),
            (_, field) => {
                base.insert(name, field);
            }
        }
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the files into a folder and reads the first.
    fn read(files: &[(&str, &str)]) -> Result<Loaded, String> {
        let folder = std::env::temp_dir().join(format!(
            "voxprep-include-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = fs::remove_dir_all(&folder);
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let named = |name: &str| match name {
            "plain" => Ok("version = 1\nseed = 5\n"),
            other => Err(Error::parameter(format!("there is no preset '{other}'"))),
        };
        let reader = Reader {
            registry: &Registry::empty(),
            named: &named,
        };
        let read = reader.read(&folder.join(files[0].0));
        fs::remove_dir_all(&folder).unwrap();
        let shown = |error: FileError| error.to_string().replace(folder.to_str().unwrap(), "");
        read.map_err(shown)
    }

    #[test]
    fn a_base_holds_where_the_file_says_nothing_else() {
        let base = "version = 1\nseed = 7\n[input]\nmodality = \"CT\"\n[sampling]\nfill = 3\n\
                    intensity = \"cubic\"\n[output]\nvolumes = [\"a\", \"b\"]\nlevel = 9";
        let own = "version = 1\ninclude = \"down/base.toml\"\n[sampling]\nfill = -5\n\
                   [output]\nvolumes = [\"c\"]";
        let loaded = read(&[("own.toml", own), ("down/base.toml", base)]).unwrap();
        let whole = "version = 1\nseed = 7\n[input]\nmodality = \"CT\"\n[sampling]\nfill = -5\n\
                     intensity = \"cubic\"\n[output]\nvolumes = [\"c\"]\nlevel = 9";
        assert_eq!(loaded.pipeline, Pipeline::from_toml(whole).unwrap());
        assert_eq!(loaded.files.len(), 2);
        let named = read(&[("own.toml", "version = 1\ninclude = \"plain\"")]).unwrap();
        assert_eq!(named.pipeline.seed, 5);
    }

    /// Paths count from the file that names them, not from the first.
    #[test]
    fn includes_nest_across_folders_and_formats() {
        let loaded = read(&[
            ("a.toml", "version = 1\ninclude = \"x/b.json\""),
            (
                "x/b.json",
                r#"{"version": 1, "include": "../c.toml", "$schema": "s"}"#,
            ),
            ("c.toml", "version = 1\nseed = 9"),
        ]);
        assert_eq!(loaded.unwrap().pipeline.seed, 9);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_that_is_wrong() {
        let own = ("own.toml", "version = 1\ninclude = \"base.toml\"");
        for (base, says) in [
            ("version = 1\n= 3", "line 2: "),
            ("seed = 3", "version: is missing"),
            ("version = 1\nsampel = 1", "did you mean 'sampling'?"),
            (
                "version = 1\n[[step]]\nuse = \"a.b\"",
                "there is no transform 'a.b'",
            ),
            (
                "version = 1\ninclude = 3",
                "include: must name a file, got 3",
            ),
            (
                "version = 1\ninclude = \"c.toml\"",
                "cannot read the pipeline",
            ),
        ] {
            let error = read(&[own, ("base.toml", base)]).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(
                error.ends_with("/base.toml") || error.ends_with("/c.toml"),
                "{error}"
            );
        }
        let error = read(&[("own.toml", "version = 1\ninclude = \"plian\"")]).unwrap_err();
        assert_eq!(error, "include: there is no preset 'plian': /own.toml");
        let unread = Pipeline::from_toml("version = 1\ninclude = \"a.toml\"").unwrap_err();
        assert!(unread.to_string().contains("only a pipeline in a file"));
    }

    #[test]
    fn a_circle_of_includes_ends() {
        let circle = read(&[
            ("a.toml", "version = 1\ninclude = \"b.toml\""),
            ("b.toml", "version = 1\ninclude = \"./x/../a.toml\""),
            ("x/c.toml", ""),
        ]);
        let error = circle.unwrap_err();
        assert_eq!(error, "include: the pipeline includes itself: /b.toml");
        let chain: Vec<(String, String)> = (0..12)
            .map(|i| {
                let text = format!("version = 1\ninclude = \"{}.toml\"", i + 1);
                (format!("{i}.toml"), text)
            })
            .collect();
        let files: Vec<_> = chain
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        let error = read(&files).unwrap_err();
        assert!(error.contains("more than 8 deep: /8.toml"), "{error}");
    }
}
