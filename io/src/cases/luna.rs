//! LUNA16: scans in `subset0` to `subset9`, lungs in `seg-lungs-LUNA16`, nodules in `annotations.csv`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use voxprep_core::subject::Point;

use super::layouts::{double, entries, file, images};
use super::{Case, Found, Part};
use crate::error::{Error, Result};
use crate::points::fields;

/// The folder of the lungs, and the table of the nodules.
const LUNGS: &str = "seg-lungs-LUNA16";
const ANNOTATIONS: &str = "annotations.csv";
/// The header of that table. Coordinates are world millimetres, LPS as in the headers of the scans.
const HEADER: [&str; 5] = ["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"];

pub(super) fn cases(folder: &Path) -> Result<Found> {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    for (subset, path) in entries(folder)? {
        if !subset.starts_with("subset") || !path.is_dir() {
            continue;
        }
        for (id, path) in images(&path, &mut found.problems)? {
            if !seen.insert(id.clone()) {
                found.problems.push(double(&id, &path));
                continue;
            }
            found.cases.push(Case {
                id,
                split: Some(subset.clone()),
                files: vec![file(Part::Image, "image", path)],
                ..Case::default()
            });
        }
    }
    let lungs = folder.join(LUNGS);
    if lungs.is_dir() {
        let mut lungs: BTreeMap<_, _> = images(&lungs, &mut found.problems)?.into_iter().collect();
        for case in &mut found.cases {
            match lungs.remove(&case.id) {
                Some(path) => case.files.push(file(Part::Label, "lungs", path)),
                None => {
                    let reason = format!("case {} has no lungs in {LUNGS}", case.id);
                    let error = Error::input(&case.files[0].path, reason);
                    found
                        .problems
                        .push(error.remedy("add it, or take the scan away"));
                }
            }
        }
        if !lungs.is_empty() {
            let note = format!(
                "{} label maps in {LUNGS} are of scans that are not here",
                lungs.len()
            );
            found.notes.push(note);
        }
    } else if !found.cases.is_empty() {
        found
            .notes
            .push(format!("there is no folder {LUNGS}: no scan has its lungs"));
    }
    let table = folder.join(ANNOTATIONS);
    if table.is_file() {
        let mut nodules = annotations(&table)?;
        for case in &found.cases {
            // A scan without a nodule has a table without a point.
            let points = nodules.remove(&case.id).unwrap_or_default();
            found.points.push((case.id.clone(), points));
        }
        let left: usize = nodules.values().map(Vec::len).sum();
        if left > 0 {
            found.notes.push(format!(
                "{left} nodules in {ANNOTATIONS} are of scans that are not here"
            ));
        }
    } else if !found.cases.is_empty() {
        found.notes.push(format!(
            "there is no table {ANNOTATIONS}: no scan has its nodules"
        ));
    }
    Ok(found)
}

/// The nodules of each scan, named by number and diameter.
fn annotations(path: &Path) -> Result<BTreeMap<String, Vec<Point>>> {
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let wrong = |line: usize, reason: String| {
        Error::input(path, reason)
            .field(format!("line {line}"))
            .remedy(format!(
                "the table must have the columns {}",
                HEADER.join(",")
            ))
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong(1, "it is not UTF-8".to_owned()))?;
    let mut nodules: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    let mut headed = false;
    for (i, line) in lines.enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let line_number = i + 1;
        let fields = fields(line).unwrap_or_default();
        if !headed {
            if fields != HEADER {
                return Err(wrong(line_number, "it has another header".to_owned()));
            }
            headed = true;
            continue;
        }
        let [id, x, y, z, diameter] = fields.as_slice() else {
            return Err(wrong(
                line_number,
                format!("{} fields where 5 belong", fields.len()),
            ));
        };
        let number = |text: &String| match text.parse::<f64>() {
            Ok(v) if v.is_finite() => Ok(v),
            _ => Err(wrong(line_number, format!("'{text}' is not a number"))),
        };
        let position = [number(x)?, number(y)?, number(z)?];
        let diameter = number(diameter)?;
        let list = nodules.entry(id.clone()).or_default();
        list.push(Point {
            name: format!("nodule-{} {diameter:.2} mm", list.len() + 1),
            position,
        });
    }
    if !headed {
        return Err(wrong(1, "it is empty".to_owned()));
    }
    Ok(nodules)
}
