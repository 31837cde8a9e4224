//! What goes in: files with the names their volumes get.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser};
use serde_json::{Map, Value};
use voxprep_core::geometry::Geometry;
use voxprep_core::provenance::Artefact;
use voxprep_core::schema;
use voxprep_core::subject::{Point, Subject};
use voxprep_core::volume::{Header, Role, Unit, Volume};
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

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("image")
    }
}

/// The points of all tables. A name may not mean two points.
pub(crate) fn read_points(tables: &[Given]) -> Result<Vec<Point>> {
    let mut points: Vec<Point> = Vec::new();
    for given in tables {
        let table = voxprep_io::points::read(&given.path)?;
        let twice = |p: &&Point| !p.name.is_empty() && points.iter().any(|old| old.name == p.name);
        if let Some(point) = table.iter().find(twice) {
            return Err(usage(format_args!(
                "the point '{}' is in two tables; rename one: {}",
                point.name,
                given.path.display()
            )));
        }
        points.extend(table);
    }
    Ok(points)
}

/// One volume to read.
struct Source {
    name: String,
    path: PathBuf,
    role: Role,
    /// How it was read in the run that is done again.
    recorded: Option<Map<String, Value>>,
}

/// The volumes of one subject, images first, each with its own name.
pub(crate) struct Inputs {
    sources: Vec<Source>,
    /// The files that are read for them: of a pair both.
    files: Vec<PathBuf>,
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
            let name = given.name();
            if sources.iter().any(|source| source.name == name) {
                return Err(usage(format_args!(
                    "the name '{name}' is used twice; give every input its own"
                )));
            }
            sources.push(Source {
                name: name.to_owned(),
                path: given.path.clone(),
                role,
                recorded: None,
            });
        }
        let files = sources
            .iter()
            .flat_map(|source| voxprep_io::files_read(&source.path))
            .collect();
        Ok(Self {
            sources,
            files,
            options,
        })
    }

    /// The same inputs as a sidecar names them: in its order, in its roles.
    pub(crate) fn recorded_as(mut self, recorded: &[Artefact]) -> Result<Self> {
        let names = || recorded.iter().map(|artefact| artefact.name.as_str());
        for source in &self.sources {
            let name = &source.name;
            let Some(artefact) = recorded.iter().find(|artefact| artefact.name == *name) else {
                let remedy = match schema::nearest(name, names()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("it had: {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(usage(format_args!(
                    "the run had no input '{name}'; {remedy}"
                )));
            };
            if source.role == Role::Label && artefact.header.role == Role::Intensity {
                return Err(usage(format_args!(
                    "'{name}' is given as a label map, and went in as an image"
                )));
            }
        }
        let mut sources = Vec::with_capacity(recorded.len());
        for Artefact { name, header, .. } in recorded {
            let given = self.sources.iter().position(|source| source.name == *name);
            let Some(given) = given else {
                return Err(usage(format_args!(
                    "the input '{name}' is missing; give {name}=PATH"
                )));
            };
            sources.push(Source {
                role: header.role,
                recorded: Some(header.facts.clone()),
                ..self.sources.swap_remove(given)
            });
        }
        self.sources = sources;
        Ok(self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The names of the volumes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name.as_str())
    }

    /// The files that are read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter()
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
        let mut headers: Vec<(String, Header)> = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let Source {
                name, path, role, ..
            } = source;
            let grid = headers.first().map(|(_, first)| &first.geometry);
            let mut header = voxprep_io::read_header(path, &self.options(source, grid))?;
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

    /// Reads the volumes into a subject; what its sidecar says of each.
    pub(crate) fn read(&self, subject: &mut Subject) -> Result<Vec<Artefact>> {
        let mut artefacts = Vec::with_capacity(self.sources.len());
        let mut grid = None;
        for source in &self.sources {
            let volume = self.volume(source, grid.as_ref())?;
            grid.get_or_insert_with(|| volume.geometry().clone());
            artefacts.push(Artefact::new(&source.name, &volume, None));
            subject.add(source.name.as_str(), volume)?;
        }
        Ok(artefacts)
    }

    /// Reads the volumes that a sidecar names into a subject, with the headers that they had: what
    /// the same voxels were called in another file does not count. Refuses volumes that are others.
    pub(crate) fn read_again(&self, recorded: &[Artefact], subject: &mut Subject) -> Result<()> {
        let mut grid = None;
        for (source, old) in self.sources.iter().zip(recorded) {
            let volume = self.volume(source, grid.as_ref())?;
            grid.get_or_insert_with(|| volume.geometry().clone());
            let new = Artefact::new(&source.name, &volume, None);
            if new.blake3 != old.blake3 {
                let error = voxprep_core::error::Error::input(format!(
                    "the input '{}' is not the one that went in: {}",
                    source.name,
                    difference(&old.header, &new.header)
                ))
                .remedy("give the same scan");
                return Err(Error::core(&source.path, error).into());
            }
            let (_, voxels) = volume.into_parts();
            let volume = Volume::with_header(old.header.clone(), voxels)
                .map_err(|error| Error::core(&source.path, error))?;
            subject.add(source.name.as_str(), volume)?;
        }
        Ok(())
    }

    /// How a file is read: a segmentation object lies on the grid of the first image, and has no
    /// part in which of several series that is.
    fn options(&self, source: &Source, first: Option<&Geometry>) -> ReadOptions {
        let mut options = self.options.clone();
        if source.role == Role::Label {
            options = ReadOptions {
                no_limits: options.no_limits,
                grid: first.cloned(),
                ..ReadOptions::default()
            };
        }
        match &source.recorded {
            Some(facts) => options.as_recorded(facts),
            None => options,
        }
    }

    fn volume(&self, source: &Source, first: Option<&Geometry>) -> Result<Volume> {
        let volume = voxprep_io::read(&source.path, &self.options(source, first))?;
        if source.role == Role::Intensity {
            return Ok(volume);
        }
        if volume.header().unit == Unit::Hu {
            let error = voxprep_core::error::Error::input(
                "a label map in Hounsfield units: this is an image",
            );
            let error = error.remedy("give it as an input, not with --label");
            return Err(Error::core(&source.path, error).into());
        }
        volume
            .into_labels()
            .map_err(|error| Error::core(&source.path, error).into())
    }
}

/// In what two volumes of different hashes differ.
fn difference(old: &Header, new: &Header) -> String {
    let [a, b] = [old, new].map(|header| header.geometry.size());
    if a != b {
        return format!("it has {b:?} voxels, that one had {a:?}");
    }
    if old.element_type != new.element_type {
        let (a, b) = (old.element_type, new.element_type);
        return format!("its voxels are {b}, that one's were {a}");
    }
    let [a, b] = [old, new].map(|header| header.channels.len());
    if a != b {
        return format!("it has {b} channels, that one had {a}");
    }
    if old.geometry.world_from_index() != new.geometry.world_from_index() {
        return "it lies elsewhere in the world".to_owned();
    }
    "its voxels have other values".to_owned()
}
