//! `voxprep replay`: the same bytes again, from a sidecar.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::Value;
use voxprep_core::error::Error as CoreError;
use voxprep_core::plan::{Progress, RunOptions};
use voxprep_core::provenance::{Artefact, Points, Sidecar, VOXPREP, pseudonym};
use voxprep_core::registry::Registry;
use voxprep_core::subject::{Point, Subject};
use voxprep_core::volume::Role;
use voxprep_io::Error;

use crate::destination::Destination;
use crate::failure::{say, usage};
use crate::inputs::{Given, Inputs, read_points};
use crate::outcome::Outcome;
use crate::output::Output;
use crate::pipelines;
use crate::work::{Bar, Work, warn};

/// Make the files of a run again, from its sidecar and its inputs: the same bytes
///
/// The sidecar holds the pipeline with all that was included, set and drawn. Replay checks that
/// the pipeline is the one that ran and that the inputs are those that went in, by hashes of their
/// content: another file or format with the same voxels at the same places does. It runs the
/// pipeline, compares the hashes of what comes out with those recorded, and only then writes: what
/// differs is named, and nothing is written.
///
/// A file takes a file of the same extension, a folder a folder. The sidecar that is written is the
/// old one, but for the file's name where that is another. With another version of voxprep than the
/// one that made the files, replay goes on with a warning, and ends where the results differ.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Replay {
    /// The sidecar that the run wrote: NAME.voxprep.json, or the folder with voxprep.json in it
    sidecar: PathBuf,

    /// The inputs of the run: a file, or NAME=PATH; one without a name is called 'image'
    #[arg(value_name = "INPUT", value_parser = Given::parser(), required_unless_present = "labels")]
    inputs: Vec<Given>,

    /// The file to write, or a folder
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// A label map of the run (may be repeated); the sidecar knows which inputs are label maps, so
    /// that they may also be given as inputs
    #[arg(long = "label", value_name = "NAME=PATH", value_parser = Given::named_parser())]
    labels: Vec<Given>,

    /// The points of the run (may be repeated, in the same order)
    #[arg(long, value_name = "NAME=CSV", value_parser = Given::named_parser())]
    points: Vec<Given>,

    #[command(flatten)]
    work: Work,
}

const EXAMPLES: &str = "\
Examples:
  voxprep replay lung.voxprep.json scan.nii.gz -o again.nii.gz
  voxprep replay case7/voxprep.json scan.nii.gz lungs=mask.nii.gz -o again
  voxprep replay case7/voxprep.json t1=a.nii.gz --points tips=tips.csv -o again";

impl Replay {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let reading = self.work.start()?;
        let recorded = read_sidecar(&self.sidecar)?;
        let at = |error: &dyn std::fmt::Display| {
            usage(format_args!(
                "{error}{}: {}",
                of_version(&recorded),
                self.sidecar.display()
            ))
        };
        let plan = recorded.plan(&Registry::built_in()?).map_err(|e| at(&e))?;
        let output = &plan.pipeline().output;
        pipelines::check_output(output).map_err(|e| at(&e))?;
        let inputs = Inputs::new(&self.inputs, &self.labels, reading)?;
        let inputs = inputs.recorded_as(&recorded.inputs)?;
        let destination = Destination::new(&self.output, &output.format)?;
        self.check(&recorded, &inputs, &destination)?;
        let points = read_points(&self.points)?;
        self.check_points(&recorded, &points)?;
        if recorded.voxprep != VOXPREP {
            say(
                "warning",
                format_args!(
                    "made by voxprep {}, and this is {VOXPREP}: files are written only if the results are the same",
                    recorded.voxprep
                ),
            );
        }

        let bar = Bar::new();
        let mut subject = Subject::from_key(recorded.subject.as_str());
        inputs.read_again(&recorded.inputs, &mut subject)?;
        subject.points = points;
        let progress = |progress: Progress<'_>| bar.stage(progress);
        let options = RunOptions {
            epoch: recorded.epoch,
            fuse: recorded.fuse,
            progress: Some(&progress),
            ..RunOptions::default()
        };
        let artefacts = recorded.inputs.clone();
        let mut outcome = Outcome::new(&plan, &options, subject, artefacts, &destination)?;
        outcome.sidecar.id.clone_from(&recorded.id);
        self.compare(&recorded, &outcome.sidecar)?;
        bar.writing();
        let files = destination.write(&outcome, &inputs)?;
        drop(bar);

        warn(&outcome.subject.findings);
        files.iter().try_for_each(|file| out.line(file.display()))
    }

    /// Refuses what the sidecar alone shows cannot be replayed here.
    fn check(&self, recorded: &Sidecar, inputs: &Inputs, destination: &Destination) -> Result<()> {
        let refused = |reason: &str| usage(format_args!("{reason}: {}", self.output.display()));
        if let Some(files) = &recorded.files {
            let here = destination.files();
            match (files.folder, here.folder) {
                (true, false) => return Err(refused("the run wrote a folder; give -o a folder")),
                (false, true) => {
                    let reason =
                        format!("the run wrote one file; end the name in .{}", files.format);
                    return Err(refused(&reason));
                }
                _ if files.format != here.format => {
                    let reason = format!(
                        "the run wrote .{}, and .{} has other bytes; end the name in .{}",
                        files.format, here.format, files.format
                    );
                    return Err(refused(&reason));
                }
                _ => {}
            }
        }
        let volumes = recorded.outputs.iter();
        let volumes: Vec<(&str, Role)> = volumes
            .map(|output| (output.name.as_str(), output.header.role))
            .collect();
        destination.check(&volumes)?;
        let names: Vec<&str> = volumes.iter().map(|(name, _)| *name).collect();
        destination.check_inputs(inputs, &names)?;
        let points = self.points.iter().map(|given| &given.path);
        let read = std::iter::once(&self.sidecar).chain(points);
        destination.check_reads(read.chain(inputs.paths()).map(PathBuf::as_path))?;
        destination.check_writable()
    }

    fn check_points(&self, recorded: &Sidecar, points: &[Point]) -> Result<()> {
        let given = Points::new(points, &[]);
        let table = self.points.first().map(|given| given.path.as_path());
        match (&recorded.points, given, table) {
            (None, None, _) => Ok(()),
            (Some(_), None, _) => Err(usage(
                "the run had points; give them again with --points NAME=CSV",
            )),
            (None, Some(_), _) => Err(usage("the run had no points; leave --points out")),
            (Some(old), Some(new), _) if old.input == new.input => Ok(()),
            (Some(_), Some(_), table) => {
                let error = CoreError::input("the points are not those that went in")
                    .remedy("give the same tables, in the same order");
                Err(Error::core(table.unwrap_or(Path::new("")), error).into())
            }
        }
    }

    /// Refuses results and records that are not those of the first run.
    fn compare(&self, recorded: &Sidecar, made: &Sidecar) -> Result<()> {
        let version = of_version(recorded);
        let is_same = recorded.voxprep == VOXPREP;
        let refused = |reason: String, remedy: &str| {
            if !is_same {
                let theirs = &recorded.voxprep;
                return usage(format_args!(
                    "{reason}{version}; install voxprep {theirs}: {}",
                    self.sidecar.display()
                ));
            }
            Error::core(&self.sidecar, CoreError::input(reason).remedy(remedy)).into()
        };
        let hashes = |sidecar: &Sidecar| -> Vec<(String, String)> {
            let one = |a: &Artefact| (a.name.clone(), a.blake3.clone());
            sidecar.outputs.iter().map(one).collect()
        };
        let (old, new) = (hashes(recorded), hashes(made));
        let differing = old.iter().find(|output| !new.contains(output));
        if let Some((name, _)) = differing.or(new.iter().find(|output| !old.contains(output))) {
            return Err(refused(
                format!("the output '{name}' is not the one that was recorded"),
                "the sidecar was changed, or the machine errs",
            ));
        }
        if recorded.points.as_ref().map(|p| &p.output) != made.points.as_ref().map(|p| &p.output) {
            return Err(refused(
                "the points are not those that were recorded".to_owned(),
                "the sidecar was changed, or the machine errs",
            ));
        }
        let changed = "the sidecar was changed; take the one that the run wrote";
        if recorded
            .id
            .as_deref()
            .is_some_and(|id| pseudonym(id) != recorded.subject)
        {
            return Err(refused("`subject` is not that of `id`".to_owned(), changed));
        }
        if !is_same {
            // What is said of the same results may have changed.
            return Ok(());
        }
        let plain = |sidecar: &Sidecar| -> Result<Value> {
            let mut sidecar = sidecar.clone();
            for output in &mut sidecar.outputs {
                output.file = None;
            }
            Ok(serde_json::to_value(sidecar)?)
        };
        let (old, new) = (plain(recorded)?, plain(made)?);
        let keys = old.as_object().into_iter().chain(new.as_object());
        match keys
            .flat_map(|fields| fields.keys())
            .find(|key| old[*key] != new[*key])
        {
            Some(key) => Err(refused(
                format!("`{key}` is not what the run records"),
                changed,
            )),
            None => Ok(()),
        }
    }
}

/// Reads a sidecar: the file, or the one in the folder that a run wrote.
pub(super) fn read_sidecar(path: &Path) -> Result<Sidecar> {
    let inside = path.join("voxprep.json");
    let path = if path.is_dir() { &inside } else { path };
    let text = fs::read_to_string(path).map_err(|source| Error::io("read", path, source))?;
    Sidecar::from_json(&text).map_err(|error| match error {
        CoreError::Unsupported(_) => usage(format_args!("{error}: {}", path.display())),
        error => Error::core(path, error).into(),
    })
}

/// What to add to an error where the sidecar is of another version.
fn of_version(recorded: &Sidecar) -> String {
    if recorded.voxprep == VOXPREP {
        return String::new();
    }
    format!(" (made by voxprep {}, this is {VOXPREP})", recorded.voxprep)
}
