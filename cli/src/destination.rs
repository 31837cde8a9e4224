//! What comes out: one file, or a folder, and the sidecar that marks the set complete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use voxprep_core::plan::{Explanation, Plan};
use voxprep_core::provenance::Files;
use voxprep_core::volume::{Header, Role};
use voxprep_io::{Error, WriteOptions, writable_extension};

use crate::failure::{say, usage};
use crate::inputs::Inputs;
use crate::outcome::Outcome;
use crate::output;

/// Extensions of images that people expect to be written, but that `voxprep-io` may not write:
/// a folder of such a name would be a surprise.
const IMAGE_EXTENSIONS: [&str; 20] = [
    "mha", "mhd", "nrrd", "nhdr", "raw", "zraw", "dcm", "mgz", "mgh", "mnc", "npy", "npz", "png",
    "jpg", "jpeg", "tif", "tiff", "h5", "gz", "zip",
];

/// Where results go.
pub(crate) enum Destination {
    /// The only image, into this file.
    File(PathBuf),
    /// Every volume as a file of this format, `report.json` and `points.csv`.
    Folder(PathBuf, String),
}

impl Destination {
    /// A name with a known extension is a file, any other a folder, and so is one that ends in '/'.
    pub(crate) fn new(path: &Path, format: &str) -> Result<Self> {
        let folder = || Ok(Self::Folder(path.to_owned(), format.to_owned()));
        let ends_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if ends_as_folder || path.is_dir() {
            return folder();
        }
        if writable_extension(path).is_some() {
            return Ok(Self::File(path.to_owned()));
        }
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if IMAGE_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()) {
            return Err(usage(format_args!(
                "cannot write .{extension} files; end the name in one of {}, or in / for a folder: {}",
                writable(),
                path.display()
            )));
        }
        folder()
    }

    /// What the sidecar says of how the files are written.
    pub(crate) fn files(&self) -> Files {
        match self {
            Self::File(path) => Files {
                folder: false,
                format: writable_extension(path).unwrap_or_default().to_owned(),
            },
            Self::Folder(_, format) => Files {
                folder: true,
                format: format.clone(),
            },
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder(path, _) => path,
        }
    }

    /// Refuses what the plan already shows cannot be written here.
    pub(crate) fn check_plan(
        &self,
        plan: &Plan,
        explanation: &Explanation,
        headers: &[(String, Header)],
        inputs: &Inputs,
    ) -> Result<()> {
        let wanted = plan.pipeline().output.volumes.as_deref();
        // The last stage only writes; where a stage says nothing of its volumes, headers do not tell.
        let last = explanation
            .stages
            .iter()
            .rev()
            .nth(1)
            .map(|stage| &stage.volumes);
        let names = match (last.filter(|volumes| !volumes.is_empty()), wanted) {
            (Some(volumes), _) => {
                let names = volumes.iter().map(|volume| volume.name.as_str());
                chosen(names, wanted, plan.until())?
            }
            (None, Some(wanted)) if plan.until().is_none() => {
                wanted.iter().map(String::as_str).collect()
            }
            (None, _) => return Ok(()),
        };
        // What a step adds is an image, unless the run shows otherwise.
        let role = |name: &str| {
            headers
                .iter()
                .find(|(n, _)| n == name)
                .map_or(Role::Intensity, |(_, h)| h.role)
        };
        self.check(
            &names
                .iter()
                .map(|name| (*name, role(name)))
                .collect::<Vec<_>>(),
        )?;
        self.check_inputs(inputs, &names)
    }

    /// A file takes one image and nothing else.
    pub(crate) fn check(&self, volumes: &[(&str, Role)]) -> Result<()> {
        let path = match self {
            Self::File(path) => path,
            Self::Folder(_, format) => {
                let mut names = volumes.iter().map(|(name, _)| name);
                return names.try_for_each(|name| file_name(name, format).map(|_| ()));
            }
        };
        let images: Vec<&str> = volumes
            .iter()
            .filter(|(_, role)| *role == Role::Intensity)
            .map(|(name, _)| *name)
            .collect();
        let others = |image: &str| quoted(volumes.iter().filter(|(name, _)| *name != image));
        let reason = match (images.as_slice(), volumes) {
            ([_], [_]) => return Ok(()),
            ([], []) => "no volume is left to write".to_owned(),
            ([], _) => format!(
                "no image is left to write, only {}; give -o a folder",
                quoted(volumes.iter())
            ),
            ([image], _) => format!(
                "a file takes one image, and besides '{image}' there is {}; {}",
                others(image),
                keep(image)
            ),
            ([first, ..], _) => {
                format!(
                    "a file takes one image, and there are {}; {}",
                    quoted(volumes.iter()),
                    keep(first)
                )
            }
        };
        Err(usage(format_args!("{reason}: {}", path.display())))
    }

    /// Refuses a place that cannot be written to, before any work is done.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self {
            Self::File(path) => check_folder(path.parent().unwrap_or(Path::new(""))),
            Self::Folder(path, _) => check_new_folder(path),
        }
    }

    /// Refuses to write what goes beside the volumes over a file that is read.
    pub(crate) fn check_reads<'a>(&self, reads: impl Iterator<Item = &'a Path>) -> Result<()> {
        let mut written = vec![self.sidecar()];
        if let Self::Folder(folder, _) = self {
            written.extend(["points.csv", "report.json"].map(|name| folder.join(name)));
        }
        let written: Vec<PathBuf> = written
            .iter()
            .filter_map(|path| fs::canonicalize(path).ok())
            .collect();
        for read in reads {
            if fs::canonicalize(read).is_ok_and(|path| written.contains(&path)) {
                return Err(usage(format_args!(
                    "the result would replace an input; write it elsewhere: {}",
                    read.display()
                )));
            }
        }
        Ok(())
    }

    /// Refuses to write over an input.
    pub(crate) fn check_inputs(&self, inputs: &Inputs, names: &[&str]) -> Result<()> {
        for name in names {
            let path = self.path_of(name)?;
            for file in possible_files(&path) {
                let Ok(target) = fs::canonicalize(&file) else {
                    continue;
                };
                if inputs
                    .paths()
                    .any(|path| fs::canonicalize(path).is_ok_and(|path| path == target))
                {
                    return Err(usage(format_args!(
                        "the result would replace an input; write it elsewhere: {}",
                        file.display()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Writes the volumes that came out and what belongs to them, the sidecar last. Returns the
    /// files.
    pub(crate) fn write(&self, outcome: &Outcome, inputs: &Inputs) -> Result<Vec<PathBuf>> {
        let Outcome {
            subject,
            volumes,
            sidecar,
            level,
        } = outcome;
        let names: Vec<&str> = volumes.iter().map(|(name, _)| name.as_str()).collect();
        self.check_inputs(inputs, &names)?;

        if let Self::Folder(folder, _) = self {
            fs::create_dir_all(folder)
                .map_err(|source| Error::io("make the folder", folder, source))?;
        }
        self.warn_of_leftovers(&names, !subject.points.is_empty());
        // An old sidecar would mark a half-written set as complete.
        let marker = self.sidecar();
        match fs::remove_file(&marker) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("replace", &marker, error).into());
            }
            _ => {}
        }
        let mut files = Vec::new();
        for (name, volume) in volumes {
            let path = self.path_of(name)?;
            let options = WriteOptions {
                level: *level,
                ..WriteOptions::default()
            };
            voxprep_io::write(&path, volume, &options)?;
            files.extend(voxprep_io::files(&path, &options));
        }
        match self {
            Self::Folder(folder, _) => {
                if !subject.points.is_empty() {
                    let path = folder.join("points.csv");
                    voxprep_io::points::write(&path, &subject.points)?;
                    files.push(path);
                }
                let path = folder.join("report.json");
                write_json(&path, &json!({ "findings": subject.findings }))?;
                files.push(path);
            }
            Self::File(_) if !subject.points.is_empty() => {
                say(
                    "warning",
                    "the points are not written, which takes a folder as -o",
                );
            }
            Self::File(_) => {}
        }
        write_json(&marker, sidecar)?;
        files.push(marker);
        Ok(files)
    }

    /// Says which files of an earlier run in the same folder will not belong to the new set.
    fn warn_of_leftovers(&self, names: &[&str], points: bool) {
        let old = fs::read_to_string(self.sidecar()).ok();
        let Some(old) = old.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return;
        };
        let outputs = old["outputs"].as_array().into_iter().flatten();
        let (folder, format) = match self {
            Self::Folder(folder, format) => (folder, format),
            Self::File(path) => {
                let others = outputs.filter_map(|output| output["file"].as_str());
                let others = others.map(|file| path.with_file_name(file));
                for other in others.filter(|other| other != path && other.is_file()) {
                    let (sidecar, other) = (self.sidecar(), other.display().to_string());
                    let sidecar = sidecar.display();
                    say(
                        "warning",
                        format_args!("the record of {other} is replaced by this one's: {sidecar}"),
                    );
                }
                return;
            }
        };
        let volumes = outputs
            .filter_map(|output| output["file"].as_str())
            .filter(|file| {
                !names
                    .iter()
                    .any(|name| file_name(name, format).is_ok_and(|new| new == *file))
            });
        let left = volumes.chain(Some("points.csv").filter(|_| !points));
        for path in left
            .map(|file| folder.join(file))
            .filter(|path| path.is_file())
        {
            let path = path.display();
            let message = format_args!("left from an earlier run, not part of this one: {path}");
            say("warning", message);
        }
    }

    fn sidecar(&self) -> PathBuf {
        match self {
            Self::File(path) => {
                path.with_file_name(format!("{}.voxprep.json", voxprep_io::file_stem(path)))
            }
            Self::Folder(folder, _) => folder.join("voxprep.json"),
        }
    }

    /// The file of a volume.
    pub(crate) fn path_of(&self, name: &str) -> Result<PathBuf> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Folder(folder, format) => Ok(folder.join(file_name(name, format)?)),
        }
    }
}

/// The extensions of files that can be written, as messages name them.
pub(crate) fn writable() -> String {
    let known = voxprep_io::writable_extensions();
    let known: Vec<_> = known.iter().map(|e| format!(".{e}")).collect();
    known.join(", ")
}

/// Refuses a file whose folder cannot be written to.
#[cfg(feature = "view")]
pub(crate) fn check_writable_file(path: &Path) -> Result<()> {
    check_folder(path.parent().unwrap_or(Path::new("")))
}

/// Refuses a folder that cannot be written to, or made.
pub(crate) fn check_new_folder(path: &Path) -> Result<()> {
    // It is made when there is something to put into it.
    let is_there = |p: &&Path| p.as_os_str().is_empty() || p.symlink_metadata().is_ok();
    check_folder(path.ancestors().find(is_there).unwrap_or(Path::new("")))
}

fn check_folder(folder: &Path) -> Result<()> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let refused = |source| Error::io("write into the folder", folder, source);
    if !fs::metadata(folder).map_err(refused)?.is_dir() {
        return Err(refused(io::ErrorKind::NotADirectory.into()).into());
    }
    tempfile::tempfile_in(folder)
        .map(drop)
        .map_err(|source| refused(source.kind().into()))?;
    Ok(())
}

/// Refuses what is not the name of one image file, or that of the file that is read.
pub(crate) fn check_image_file(path: &Path, read: &Path) -> Result<()> {
    if voxprep_io::writable_extension(path).is_none() || path.is_dir() {
        return Err(usage(format_args!(
            "the result is one file, and its name says which format; end it in one of {}: {}",
            writable(),
            path.display()
        )));
    }
    check_replaces(path, read)
}

/// Refuses to write over a file that is read, or over the other half of a pair.
pub(crate) fn check_replaces(path: &Path, read: &Path) -> Result<()> {
    let read = voxprep_io::files_read(read);
    let read: Vec<PathBuf> = read
        .iter()
        .filter_map(|f| fs::canonicalize(f).ok())
        .collect();
    for file in possible_files(path) {
        if fs::canonicalize(&file).is_ok_and(|file| read.contains(&file)) {
            return Err(usage(format_args!(
                "the result would replace an input; write it elsewhere: {}",
                file.display()
            )));
        }
    }
    Ok(())
}

/// The files that may be written under a name, with and without compression.
fn possible_files(path: &Path) -> Vec<PathBuf> {
    let of = |level| {
        let options = WriteOptions {
            level,
            ..WriteOptions::default()
        };
        voxprep_io::files(path, &options)
    };
    let mut files = of(0);
    for file in of(WriteOptions::default().level) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// The file of a volume; a name that leads elsewhere is refused.
fn file_name(name: &str, format: &str) -> Result<String> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return Err(usage(format_args!(
            "'{name}' cannot name a volume; use letters, digits, '-' and '_'"
        )));
    }
    Ok(format!("{name}.{format}"))
}

/// The volumes that `[output]` asks for: all of them unless it names some. Where the run stopped
/// early, those of them that there are by then.
pub(crate) fn chosen<'a>(
    all: impl Iterator<Item = &'a str>,
    wanted: Option<&'a [String]>,
    until: Option<&str>,
) -> Result<Vec<&'a str>> {
    let all: Vec<&str> = all.collect();
    let Some(wanted) = wanted else {
        return Ok(all);
    };
    if let Some(until) = until {
        let there = wanted.iter().map(String::as_str);
        let there: Vec<&str> = there.filter(|name| all.contains(name)).collect();
        return match there.is_empty() {
            false => Ok(there),
            true => Err(usage(format_args!(
                "output.volumes: after '{until}' none of these volumes is there; there are: {}; \
                 choose with --set output.volumes=[\"{}\"]",
                all.join(", "),
                all.first().unwrap_or(&"image"),
            ))),
        };
    }
    let mut names: Vec<&str> = Vec::new();
    for name in wanted {
        if !all.contains(&name.as_str()) {
            return Err(usage(format_args!(
                "output.volumes: there is no volume '{name}'; there are: {}",
                all.join(", ")
            )));
        }
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// How to end up with one image.
fn keep(image: &str) -> String {
    format!("say [output] volumes = [\"{image}\"] in the pipeline, or give -o a folder")
}

fn quoted<'a>(volumes: impl Iterator<Item = &'a (&'a str, Role)>) -> String {
    let one = |(name, role): &(&str, Role)| match role {
        Role::Intensity => format!("'{name}'"),
        Role::Label => format!("the label map '{name}'"),
    };
    volumes.map(one).collect::<Vec<_>>().join(", ")
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    Ok(voxprep_io::write_text_aside(
        path,
        &(output::json(value)? + "\n"),
    )?)
}
