//! Layouts whose files say by their names what they are: plain folders, `LiTS`, `BraTS`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::order::number;
use super::{Case, File, Found, Part, Search};
use crate::error::{Error, Result};

/// What files of images end in. The other half of a pair is not among them.
const ENDINGS: [&str; 16] = [
    ".nii.gz",
    ".nii",
    ".mha",
    ".mhd",
    ".nrrd",
    ".nhdr",
    ".hdr.gz",
    ".hdr",
    ".npy",
    ".npz",
    ".safetensors",
    ".png",
    ".tif",
    ".tiff",
    ".jpg",
    ".dcm",
];
/// The sequences of `BraTS`, as they were called before 2023 and since.
const SEQUENCES: [(char, [&str; 4]); 2] = [
    ('_', ["t1", "t1ce", "t2", "flair"]),
    ('-', ["t1n", "t1c", "t2w", "t2f"]),
];

/// The name of an image file without its ending.
pub(super) fn stem(name: &str) -> Option<&str> {
    let lower = name.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(*ending))?;
    let stem = name.get(..name.len() - ending.len())?;
    (!stem.is_empty() && !stem.starts_with('.')).then_some(stem)
}

/// The names and paths in a folder, sorted; names that are not UTF-8 are refused.
pub(super) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |error| Error::io("list", folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::unsupported(&path, "the name is not UTF-8").remedy("rename it"));
        };
        entries.push((name.to_owned(), path));
    }
    entries.sort();
    Ok(entries)
}

/// The image files in a folder, by their stems; a problem where two have the same.
pub(super) fn images(folder: &Path, problems: &mut Vec<Error>) -> Result<Vec<(String, PathBuf)>> {
    let mut images = Unique::default();
    for (name, path) in entries(folder)? {
        if let Some(stem) = stem(&name).filter(|_| path.is_file()) {
            images.add(stem, path, problems);
        }
    }
    Ok(images.list)
}

/// The image files in a folder, and the folders in it that hold DICOM, each of which is one image.
fn images_and_series(folder: &Path, found: &mut Found) -> Result<Vec<(String, PathBuf)>> {
    let mut images = Unique::default();
    for (name, path) in entries(folder)? {
        if path.is_file() {
            if let Some(stem) = stem(&name) {
                images.add(stem, path, &mut found.problems);
            }
        } else if path.is_dir() && !name.starts_with('.') {
            match holds_dicom(&path) {
                Ok(true) => images.add(&name, path, &mut found.problems),
                Ok(false) => {}
                Err(_) => found.notes.push(format!(
                    "a folder cannot be listed, and is left out: {name}"
                )),
            }
        }
    }
    Ok(images.list)
}

/// Whether a folder itself, not one below it, holds a DICOM file.
fn holds_dicom(folder: &Path) -> std::io::Result<bool> {
    const PREAMBLE: usize = 128;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let lower = name.unwrap_or_default().to_ascii_lowercase();
        if lower.starts_with('.') || !path.is_file() {
            continue;
        }
        if lower.ends_with(".dcm") {
            return Ok(true);
        }
        if stem(&lower).is_some() {
            continue;
        }
        // Many have no ending.
        let mut start = [0; PREAMBLE + 4];
        let read = fs::File::open(&path).and_then(|mut file| file.read_exact(&mut start));
        if read.is_ok() && start.ends_with(b"DICM") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Files by the ids of their cases, each of which may be there once.
#[derive(Default)]
struct Unique {
    list: Vec<(String, PathBuf)>,
    seen: HashSet<String>,
}

impl Unique {
    fn add(&mut self, id: &str, path: PathBuf, problems: &mut Vec<Error>) {
        if self.seen.insert(id.to_owned()) {
            self.list.push((id.to_owned(), path));
        } else {
            problems.push(double(id, &path));
        }
    }
}

pub(super) fn double(id: &str, path: &Path) -> Error {
    Error::input(path, format!("case {id} is there twice")).remedy("remove one of the two")
}

fn missing(what: &str, id: &str, beside: &Path) -> Error {
    Error::input(beside, format!("case {id} has no {what}"))
        .remedy("add it, or take the case out of the folder")
}

/// A file of a case, under the name that it gets.
pub(super) fn file(part: Part, name: &str, path: PathBuf) -> File {
    File {
        part,
        name: name.to_owned(),
        path,
    }
}

/// Images in a folder; labels in another one, or beside them with a suffix, or none.
pub(super) fn plain(folder: &Path, search: &Search) -> Result<Found> {
    let mut found = Found::default();
    let mut images = images_and_series(folder, &mut found)?;
    let labels = match (&search.labels, &search.label_suffix) {
        (Some(labels), suffix) => {
            let mut labels = images_and_series(labels, &mut found)?;
            if let Some(suffix) = suffix {
                for (stem, _) in &mut labels {
                    if let Some(short) = stem.strip_suffix(suffix.as_str()) {
                        *stem = short.to_owned();
                    }
                }
            }
            Some(labels)
        }
        (None, Some(suffix)) => {
            let (labels, others): (Vec<_>, Vec<_>) = images
                .into_iter()
                .partition(|(stem, _)| stem.ends_with(suffix.as_str()));
            images = others;
            let short = |(stem, path): (String, PathBuf)| {
                let end = stem.len() - suffix.len();
                (stem.get(..end).unwrap_or_default().to_owned(), path)
            };
            Some(labels.into_iter().map(short).collect())
        }
        (None, None) => None,
    };
    pair(images, labels, &mut found);
    Ok(found)
}

/// `volume-N` with `segmentation-N`, in one folder or two, or in any folders below. `test-volume-N`,
/// which is another patient, has no label.
pub(super) fn lits(folder: &Path, search: &Search) -> Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![folder.to_owned()];
    folders.extend(search.labels.clone());
    // The archives unpack into folders of their own.
    for (_, path) in entries(folder)? {
        if path.is_dir() && !folders.contains(&path) {
            folders.push(path);
        }
    }
    let [mut volumes, mut tests, mut labels] = [(); 3].map(|()| Unique::default());
    for folder in folders {
        for (name, path) in entries(&folder)? {
            let Some(stem) = stem(&name).filter(|_| path.is_file()) else {
                continue;
            };
            for (prefix, list) in [
                ("volume-", &mut volumes),
                ("test-volume-", &mut tests),
                ("segmentation-", &mut labels),
            ] {
                let number = stem.strip_prefix(prefix).and_then(number_alone);
                if let Some(number) = number {
                    list.add(&number, path.clone(), &mut found.problems);
                }
            }
        }
    }
    // Where there are no labels at all, none is missing.
    let labels = (!labels.list.is_empty()).then_some(labels.list);
    pair(volumes.list, labels, &mut found);
    for case in &mut found.cases {
        case.patient = Some(case.id.clone());
        case.id = format!("volume-{}", case.id);
    }
    found
        .cases
        .extend(tests.list.into_iter().map(|(number, path)| Case {
            id: format!("test-volume-{number}"),
            patient: Some(format!("test-{number}")),
            files: vec![file(Part::Image, "image", path)],
            ..Case::default()
        }));
    Ok(found)
}

fn number_alone(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| number(text)).flatten()
}

/// Pairs images with labels: by their names where any two are the same, else by the only number in
/// them. Without labels every image is a case.
fn pair(images: Vec<(String, PathBuf)>, labels: Option<Vec<(String, PathBuf)>>, found: &mut Found) {
    let Some(labels) = labels else {
        found.cases = images
            .into_iter()
            .map(|(id, path)| Case {
                id,
                files: vec![file(Part::Image, "image", path)],
                ..Case::default()
            })
            .collect();
        return;
    };
    let stems: BTreeSet<&str> = labels.iter().map(|(stem, _)| stem.as_str()).collect();
    let by_name = images.iter().any(|(stem, _)| stems.contains(stem.as_str()));
    let mut keyed = |list: Vec<(String, PathBuf)>| {
        let mut keyed: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
        for (stem, path) in list {
            let key = if by_name {
                Some(stem.clone())
            } else {
                number(&stem)
            };
            let Some(key) = key else {
                let reason = format!("which number of '{stem}' is that of the case is not clear");
                found.problems.push(
                    Error::input(&path, reason)
                        .remedy("call images and labels the same, or give --label-suffix"),
                );
                continue;
            };
            match keyed.entry(key) {
                Entry::Occupied(there) => found.problems.push(double(there.key(), &path)),
                Entry::Vacant(place) => {
                    place.insert((stem, path));
                }
            }
        }
        keyed
    };
    let (images, mut labels) = (keyed(images), keyed(labels));
    for (key, (stem, path)) in images {
        let Some((_, label)) = labels.remove(&key) else {
            found.problems.push(missing("label", &stem, &path));
            continue;
        };
        found.cases.push(Case {
            id: stem,
            files: vec![
                file(Part::Image, "image", path),
                file(Part::Label, "label", label),
            ],
            ..Case::default()
        });
    }
    for (_, (stem, path)) in labels {
        found.problems.push(missing("image", &stem, &path));
    }
}

/// One folder per case, with four sequences and perhaps a label map, in either spelling.
pub(super) fn brats(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    let mut without = Vec::new();
    for (id, path) in entries(folder)? {
        if !path.is_dir() || id.starts_with('.') {
            continue;
        }
        let images = images(&path, &mut found.problems)?;
        let of = |separator: char, name: &str| {
            let wanted = format!("{id}{separator}{name}");
            let image = images.iter().find(|(stem, _)| *stem == wanted);
            image.map(|(_, path)| path.clone())
        };
        let spelling = SEQUENCES
            .iter()
            .find(|(separator, names)| names.iter().any(|name| of(*separator, name).is_some()));
        let Some((separator, names)) = spelling else {
            if !images.is_empty() {
                let reason = format!("the folder holds none of the sequences {id}_t1 or {id}-t1n");
                found.problems.push(
                    Error::input(&path, reason)
                        .remedy("name the files as BraTS does, or take the folder away"),
                );
            }
            continue;
        };
        let mut case = Case {
            id: id.clone(),
            // Since 2023 the last number is the visit.
            patient: Some(match (separator, id.rsplit_once('-')) {
                ('-', Some((patient, _))) => patient.to_owned(),
                _ => id.clone(),
            }),
            ..Case::default()
        };
        for name in names {
            match of(*separator, name) {
                Some(image) => case.files.push(file(Part::Image, name, image)),
                None => found.problems.push(missing(name, &id, &path)),
            }
        }
        for (stem, path) in &images {
            let fits = |name: &str| *stem == format!("{id}{separator}{name}");
            if !names.iter().any(|name| fits(name)) && !fits("seg") {
                let name = path.file_name().unwrap_or_default().display();
                found.notes.push(format!(
                    "a file fits no sequence and no label map, and is left out: {id}/{name}"
                ));
            }
        }
        match of(*separator, "seg") {
            Some(label) => case.files.push(file(Part::Label, "seg", label)),
            None => without.push((id, path)),
        }
        found.cases.push(case);
    }
    // A validation set has no labels at all.
    if without.len() < found.cases.len() {
        for (id, path) in without {
            found.problems.push(missing("seg", &id, &path));
        }
    }
    Ok(found)
}
