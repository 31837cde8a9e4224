//! `voxprep cases`: the cases of a dataset as a table.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use voxprep_io::Error;
use voxprep_io::cases::{self, Case, File, Found, Layout, Part, Search, Sort, table};
use voxprep_io::points;

use crate::failure::say;
use crate::output::Output;
use crate::work::Work;

/// List the cases of a dataset as a table, and name what does not pair
///
/// Images are paired with their label maps, and all volumes of a case must be on one grid, to 0.05 mm.
/// Where anything is missing, there twice, or on another grid, each is named, nothing is written and
/// the exit code is 1. The table has the columns id, patient, split, image:NAME, label:NAME and
/// points:NAME, with paths relative to its folder (to the current one where it is printed).
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cases {
    /// The folder of the dataset
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// How the dataset is laid out
    #[arg(long, value_enum, default_value_t = Choice::Plain)]
    layout: Choice,

    /// Where the label maps are, if not beside the images: for plain and lits
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,

    /// What the names of label maps have after those of their images, as _seg: for plain
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true)]
    label_suffix: Option<String>,

    /// The order of the cases: natural (2 before 10) or lexical (10 before 2)
    #[arg(long, value_enum, default_value_t = Order::Natural)]
    sort: Order,

    /// The table to write; without it, it is printed. The points of LUNA16 go into a folder `points`
    /// beside the table, and nowhere where it is printed
    #[arg(short, long, value_name = "TABLE.csv")]
    output: Option<PathBuf>,

    #[command(flatten)]
    work: Work,
}

const EXAMPLES: &str = "\
Examples:
  voxprep cases LiTS --layout lits -o lits.csv
  voxprep cases LUNA16 --layout luna16 -o LUNA16/table.csv
  voxprep cases images --labels masks -o table.csv
  voxprep cases scans --label-suffix _seg";

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    /// A folder of images, files or folders of DICOM; labels in another folder, or beside them with a suffix
    Plain,
    /// volume-N.nii and segmentation-N.nii; test-volume-N.nii without labels
    Lits,
    /// subsetN/UID.mhd, seg-lungs-LUNA16/UID.mhd and annotations.csv
    Luna16,
    /// ID/ID_t1.nii.gz, or ID/ID-t1n.nii.gz as since 2023
    Brats,
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    Natural,
    Lexical,
}

impl Cases {
    pub(crate) fn run(&self, out: &mut Output) -> Result<()> {
        let options = self.work.start()?;
        self.check()?;
        let search = Search {
            layout: match self.layout {
                Choice::Plain => Layout::Plain,
                Choice::Lits => Layout::Lits,
                Choice::Luna16 => Layout::Luna16,
                Choice::Brats => Layout::Brats,
            },
            labels: self.labels.clone(),
            label_suffix: self.label_suffix.clone(),
            sort: match self.sort {
                Order::Natural => Sort::Natural,
                Order::Lexical => Sort::Lexical,
            },
            options,
        };
        let found = cases::find(&self.folder, &search)?;
        for note in &found.notes {
            say("note", format_args!("{note}: {}", self.folder.display()));
        }
        for problem in &found.problems {
            say("error", problem);
        }
        if !found.problems.is_empty() {
            let reason = format!(
                "what does not pair: {}; no table is made",
                found.problems.len()
            );
            return Err(Error::input(&self.folder, reason)
                .remedy("mend what is named above")
                .into());
        }
        let Some(path) = &self.output else {
            for line in table::text(Path::new("."), &found.cases)?.lines() {
                out.line(line)?;
            }
            return Ok(());
        };
        table::write(path, &with_points(path, found)?)?;
        out.line(path.display())?;
        Ok(())
    }

    /// Refuses options that the layout has no use for.
    fn check(&self) -> Result<()> {
        let unused = match self.layout {
            Choice::Plain => None,
            _ if self.label_suffix.is_some() => Some("label-suffix"),
            Choice::Lits => None,
            Choice::Luna16 | Choice::Brats => self.labels.as_ref().map(|_| "labels"),
        };
        match unused {
            Some(option) => Err(
                Error::parameter(&self.folder, "this layout has no use for it")
                    .field(format!("--{option}"))
                    .remedy("leave it out")
                    .into(),
            ),
            None => Ok(()),
        }
    }
}

/// Writes the points that a dataset has in a table of its own, a file for each case, and adds them to
/// the cases.
fn with_points(table: &Path, found: Found) -> Result<Vec<Case>> {
    let mut cases = found.cases;
    if found.points.is_empty() {
        return Ok(cases);
    }
    let folder = table.with_file_name("points");
    fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
    let places: HashMap<String, usize> = cases
        .iter()
        .enumerate()
        .map(|(place, case)| (case.id.clone(), place))
        .collect();
    for (id, list) in found.points {
        let path = folder.join(format!("{id}.csv"));
        points::write(&path, &list)?;
        if let Some(case) = places.get(&id).and_then(|place| cases.get_mut(*place)) {
            case.files.push(File {
                part: Part::Points,
                name: "nodules".to_owned(),
                path,
            });
        }
    }
    Ok(cases)
}
