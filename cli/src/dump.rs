//! `--dump-steps`: the volumes after each stage of a run.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use voxprep_core::error::Error as CoreError;
use voxprep_core::pipeline::OutputSection;
use voxprep_core::plan::Progress;
use voxprep_core::subject::Subject;
use voxprep_io::{Error, WriteOptions};

use crate::destination::{Destination, check_new_folder};
use crate::failure::{say, usage};
use crate::inputs::Inputs;
use crate::output;

/// The list of what is in the folder.
const LIST: &str = "steps.json";

/// A folder that takes the volumes that each stage writes, as `NN-ID.NAME.nii.gz`.
pub(crate) struct Dump {
    folder: PathBuf,
    format: String,
    level: u32,
    /// How much of the subject's history was there after the last stage.
    seen: Cell<usize>,
    stages: RefCell<Vec<Value>>,
    files: RefCell<Vec<PathBuf>>,
    failure: RefCell<Option<anyhow::Error>>,
}

impl Dump {
    /// Takes a folder that is new, empty, or holds an earlier dump.
    pub(crate) fn new(
        folder: &Path,
        output: &OutputSection,
        inputs: &Inputs,
        destination: &Destination,
    ) -> Result<Self> {
        let refused = |reason: &str| usage(format_args!("{reason}: {}", folder.display()));
        if folder.exists() && !folder.is_dir() {
            return Err(refused("--dump-steps takes a folder, and this is a file"));
        }
        let same = |other: &Path| {
            let other = if other.as_os_str().is_empty() {
                Path::new(".")
            } else {
                other
            };
            match (fs::canonicalize(folder), fs::canonicalize(other)) {
                (Ok(a), Ok(b)) => a == b,
                _ => folder == other,
            }
        };
        let holds_input = inputs.paths().any(|path| path.parent().is_some_and(same));
        if same(destination.path()) || (folder.exists() && holds_input) {
            return Err(refused("--dump-steps takes a folder of its own"));
        }
        let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
        if !is_empty && !folder.join(LIST).is_file() {
            return Err(refused(
                "--dump-steps takes a new or empty folder, and this one holds other files",
            ));
        }
        check_new_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            format: output.format.clone(),
            level: output.level,
            seen: Cell::new(0),
            stages: RefCell::default(),
            files: RefCell::default(),
            failure: RefCell::default(),
        })
    }

    /// Writes the volumes that a stage wrote. What fails is kept for [`Dump::failure`].
    pub(crate) fn after(&self, progress: Progress<'_>, subject: &Subject) -> Result<(), CoreError> {
        self.stage(progress, subject).map_err(|error| {
            let ended = CoreError::input(error.to_string());
            self.failure.replace(Some(error));
            ended
        })
    }

    /// Why the run was ended, where it was ended here.
    pub(crate) fn failure(&self) -> Option<anyhow::Error> {
        self.failure.take()
    }

    fn stage(&self, progress: Progress<'_>, subject: &Subject) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .map_err(|source| Error::io("make the folder", &self.folder, source))?;
        let first = self.seen.replace(subject.history.len());
        let mut names: Vec<&str> = Vec::new();
        let records = subject.history.iter().skip(first);
        for written in records.flat_map(|record| &record.volumes) {
            if !names.contains(&written.to.as_str()) {
                names.push(&written.to);
            }
        }
        let last = progress.steps.last().copied().unwrap_or_default();
        let mut volumes = Vec::new();
        for name in names {
            let Some(volume) = subject.volume(name) else {
                continue;
            };
            // Ids have no '~', and groups no other place for their '/'.
            let step = last.replace('/', "~");
            let file = format!("{:02}-{step}.{name}.{}", progress.stage + 1, self.format);
            let path = self.folder.join(&file);
            let options = WriteOptions {
                level: self.level,
                ..WriteOptions::default()
            };
            voxprep_io::write(&path, volume, &options)?;
            self.files.borrow_mut().push(path);
            volumes.push(json!({ "name": name, "file": file }));
        }
        if let [steps @ .., _] = progress.steps
            && !steps.is_empty()
        {
            let quoted: Vec<_> = steps.iter().map(|id| format!("'{id}'")).collect();
            say(
                "note",
                format_args!(
                    "{} ran as one with '{last}': there is nothing between them; --no-fuse runs every step alone",
                    quoted.join(", ")
                ),
            );
        }
        let stage = json!({ "steps": progress.steps, "volumes": volumes });
        self.stages.borrow_mut().push(stage);
        Ok(())
    }

    /// Writes the list of what was dumped, and returns the files.
    pub(crate) fn finish(self) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(&self.folder)
            .map_err(|source| Error::io("make the folder", &self.folder, source))?;
        let mut files = self.files.into_inner();
        let list = self.folder.join(LIST);
        let old = fs::read_to_string(&list).ok();
        let old = old.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        for path in old.iter().flat_map(|old| listed(old, &self.folder)) {
            if !files.contains(&path) && path.is_file() {
                let path = path.display();
                let message =
                    format_args!("left from an earlier run, not part of this one: {path}");
                say("warning", message);
            }
        }
        let stages = json!({ "stages": self.stages.into_inner() });
        voxprep_io::write_text_aside(&list, &(output::json(&stages)? + "\n"))?;
        files.push(list);
        Ok(files)
    }
}

/// The files of volumes that a list names.
fn listed(list: &Value, folder: &Path) -> Vec<PathBuf> {
    let stages = list["stages"].as_array().into_iter().flatten();
    let volumes = stages.flat_map(|stage| stage["volumes"].as_array().into_iter().flatten());
    let files = volumes.filter_map(|volume| volume["file"].as_str());
    files.map(|file| folder.join(file)).collect()
}
