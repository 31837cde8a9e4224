//! What goes in: files with the names their volumes get.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser};
use voxprep_core::provenance::Artefact;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Header, Role, Unit};
use voxprep_core::voxels::ElementType;
use voxprep_io::{Error, ReadOptions};

use crate::failure::usage;

/// A file as the command line gives it: `PATH`, or `NAME=PATH`.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
}

impl Given {
    /// Parses `PATH` or `NAME=PATH`. A path with '=' in it is written `./a=b.nii`.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(|argument| Self::parse(argument, true))
    }

    /// Parses `NAME=PATH`.
    pub(crate) fn named_parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(|argument| Self::parse(argument, false))
    }

    fn parse(argument: OsString, may_be_unnamed: bool) -> Result<Self, &'static str> {
        let parts = argument.to_str().and_then(|text| text.split_once('='));
        match parts.filter(|(name, _)| !name.contains(['/', '\\'])) {
            Some(("", _)) => Err("the name before '=' is missing"),
            Some((_, "")) => Err("the path after '=' is missing"),
            Some((name, _)) if name.starts_with('.') => Err("a name cannot begin with '.'"),
            Some((name, path)) => Ok(Self {
                name: Some(name.to_owned()),
                path: path.into(),
            }),
            None if argument.is_empty() => Err("the path is empty"),
            None if may_be_unnamed => Ok(Self {
                name: None,
                path: argument.into(),
            }),
            None => Err("give it a name: NAME=PATH"),
        }
    }
}

/// One volume to read.
struct Source {
    name: String,
    path: PathBuf,
    role: Role,
}

/// The volumes of one subject, images first, each with its own name.
pub(crate) struct Inputs {
    sources: Vec<Source>,
    options: ReadOptions,
}

impl Inputs {
    /// Gives every volume its name.
    pub(crate) fn new(images: &[Given], labels: &[Given], options: ReadOptions) -> Result<Self> {
        let unnamed = images.iter().filter(|given| given.name.is_none()).count();
        if unnamed > 1 {
            return Err(usage(format_args!(
                "{unnamed} inputs have no name; name them, as in t1=a.nii.gz t2=b.nii.gz, or run one at a time"
            )));
        }
        let mut sources: Vec<Source> = Vec::new();
        let roles = images
            .iter()
            .map(|i| (i, Role::Intensity))
            .chain(labels.iter().map(|l| (l, Role::Label)));
        for (given, role) in roles {
            let name = given.name.clone().unwrap_or_else(|| "image".to_owned());
            if sources.iter().any(|source| source.name == name) {
                return Err(usage(format_args!(
                    "the name '{name}' is used twice; give every input its own"
                )));
            }
            sources.push(Source {
                name,
                path: given.path.clone(),
                role,
            });
        }
        Ok(Self { sources, options })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.sources.iter().map(|source| &source.path)
    }

    /// The name of the first file without folder and extension: the subject's id.
    pub(crate) fn id(&self) -> Result<&str> {
        let stem = self
            .sources
            .first()
            .map(|source| voxprep_io::file_stem(&source.path));
        stem.filter(|stem| !stem.is_empty())
            .ok_or_else(|| usage("the first input's name makes no id; give one with --id"))
    }

    /// The headers, voxels unread.
    pub(crate) fn headers(&self) -> Result<Vec<(String, Header)>> {
        let mut headers = Vec::with_capacity(self.sources.len());
        for Source { name, path, role } in &self.sources {
            let mut header = voxprep_io::read_header(path, &self.options)?;
            if *role == Role::Label {
                header.role = Role::Label;
                header.unit = Unit::Unknown;
                // Labels stored as floats are read as integers; which, only the voxels can tell.
                if !header.element_type.is_integer() {
                    header.element_type = ElementType::I32;
                }
            }
            headers.push((name.clone(), header));
        }
        Ok(headers)
    }

    /// The subject, and what its sidecar says of each input.
    pub(crate) fn read(&self, id: &str) -> Result<(Subject, Vec<Artefact>)> {
        let mut subject = Subject::new(id);
        let mut artefacts = Vec::with_capacity(self.sources.len());
        for Source { name, path, role } in &self.sources {
            let mut volume = voxprep_io::read(path, &self.options)?;
            if *role == Role::Label {
                volume = volume
                    .into_labels()
                    .map_err(|error| Error::core(path, error))?;
            }
            artefacts.push(Artefact::new(name, &volume, None));
            subject.add(name.as_str(), volume)?;
        }
        Ok((subject, artefacts))
    }
}
