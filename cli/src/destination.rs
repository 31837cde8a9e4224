//! What comes out: one file, or a folder, and the sidecar that marks the set complete.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use voxprep_core::plan::{Explanation, Plan};
use voxprep_core::provenance::{Artefact, Sidecar};
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Header, Role, Volume};
use voxprep_io::{Error, WriteOptions};

use crate::failure::{say, usage};
use crate::inputs::Inputs;
use crate::output;

/// Extensions of images that people expect to be written, but that `voxprep-io` may not write:
/// a folder of such a name would be a surprise.
const IMAGE_EXTENSIONS: [&str; 20] = [
    "mha", "mhd", "nrrd", "nhdr", "hdr", "img", "dcm", "mgz", "mgh", "mnc", "npy", "npz", "png",
    "jpg", "jpeg", "tif", "tiff", "h5", "gz", "zip",
];

/// Where results go.
pub(crate) enum Destination {
    /// The only image, into this file.
    File(PathBuf),
    /// Every volume as `NAME.nii.gz`, `report.json` and `points.csv`.
    Folder(PathBuf),
}

impl Destination {
    /// A name with a known extension is a file, any other a folder, and so is one that ends in '/'.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let ends_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if ends_as_folder || path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if voxprep_io::has_known_extension(path) {
            return Ok(Self::File(path.to_owned()));
        }
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        if IMAGE_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()) {
            let known: Vec<_> = voxprep_io::writable_extensions()
                .iter()
                .map(|e| format!(".{e}"))
                .collect();
            return Err(usage(format_args!(
                "cannot write .{extension} files; end the name in {}, or in / for a folder: {}",
                known.join(" or "),
                path.display()
            )));
        }
        Ok(Self::Folder(path.to_owned()))
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
                chosen(volumes.iter().map(|volume| volume.name.as_str()), wanted)?
            }
            (None, Some(wanted)) => wanted.iter().map(String::as_str).collect(),
            (None, None) => return Ok(()),
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
    fn check(&self, volumes: &[(&str, Role)]) -> Result<()> {
        let Self::File(path) = self else {
            return volumes
                .iter()
                .try_for_each(|(name, _)| file_name(name).map(|_| ()));
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
        let folder = match self {
            Self::File(path) => path.parent(),
            // A folder is made when there is something to put into it.
            Self::Folder(path) => path
                .ancestors()
                .find(|p| p.as_os_str().is_empty() || p.symlink_metadata().is_ok()),
        };
        let folder = folder
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let refused = |source| Error::io("write into the folder", folder, source);
        if !fs::metadata(folder).map_err(refused)?.is_dir() {
            return Err(refused(io::ErrorKind::NotADirectory.into()).into());
        }
        tempfile::tempfile_in(folder)
            .map(drop)
            .map_err(|source| refused(source.kind().into()))?;
        Ok(())
    }

    /// Refuses to write what goes beside the volumes over a file that is read.
    pub(crate) fn check_reads<'a>(&self, reads: impl Iterator<Item = &'a Path>) -> Result<()> {
        let mut written = vec![self.sidecar()];
        if let Self::Folder(folder) = self {
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
    fn check_inputs(&self, inputs: &Inputs, names: &[&str]) -> Result<()> {
        for name in names {
            let path = self.path_of(name)?;
            for file in voxprep_io::files(&path) {
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

    /// Writes the volumes that `[output]` asks for and what belongs to them, the sidecar last.
    /// Returns the files.
    pub(crate) fn write(
        &self,
        subject: &Subject,
        wanted: Option<&[String]>,
        inputs: &Inputs,
        options: &WriteOptions,
        sidecar: impl FnOnce(Vec<Artefact>) -> Result<Sidecar>,
    ) -> Result<Vec<PathBuf>> {
        let names = chosen(subject.names(), wanted)?;
        let volumes: Vec<(&str, &Volume)> = names
            .iter()
            .filter_map(|name| Some((*name, subject.volume(name)?)))
            .collect();
        self.check(
            &volumes
                .iter()
                .map(|(name, volume)| (*name, volume.role()))
                .collect::<Vec<_>>(),
        )?;
        self.check_inputs(inputs, &names)?;

        if let Self::Folder(folder) = self {
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
        let mut artefacts = Vec::new();
        for (name, volume) in volumes {
            let path = self.path_of(name)?;
            voxprep_io::write(&path, volume, options)?;
            let file = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            artefacts.push(Artefact::new(name, volume, file));
            files.push(path);
        }
        match self {
            Self::Folder(folder) => {
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
        write_json(&marker, &sidecar(artefacts)?)?;
        files.push(marker);
        Ok(files)
    }

    /// Says which files of an earlier run in the same folder will not belong to the new set.
    fn warn_of_leftovers(&self, names: &[&str], points: bool) {
        let Self::Folder(folder) = self else {
            return;
        };
        let old = fs::read_to_string(self.sidecar()).ok();
        let Some(old) = old.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            return;
        };
        let outputs = old["outputs"].as_array().into_iter().flatten();
        let volumes = outputs
            .filter_map(|output| output["file"].as_str())
            .filter(|file| {
                !names
                    .iter()
                    .any(|name| file_name(name).is_ok_and(|new| new == *file))
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
            Self::Folder(folder) => folder.join("voxprep.json"),
        }
    }

    fn path_of(&self, name: &str) -> Result<PathBuf> {
        match self {
            Self::File(path) => Ok(path.clone()),
            Self::Folder(folder) => Ok(folder.join(file_name(name)?)),
        }
    }
}

/// The file of a volume; a name that leads elsewhere is refused.
fn file_name(name: &str) -> Result<String> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        return Err(usage(format_args!(
            "'{name}' cannot name a volume; use letters, digits, '-' and '_'"
        )));
    }
    Ok(format!("{name}.nii.gz"))
}

/// The volumes that `[output]` asks for: all of them unless it names some.
fn chosen<'a>(
    all: impl Iterator<Item = &'a str>,
    wanted: Option<&'a [String]>,
) -> Result<Vec<&'a str>> {
    let all: Vec<&str> = all.collect();
    let Some(wanted) = wanted else {
        return Ok(all);
    };
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
