//! The lines of a NRRD header: `field: value`, and `key:=value` of whoever wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::parts::MOST_FILES;
use crate::source::Source;
use crate::text::{Lines, lengths, reals, shown};

/// How every file begins; a digit for the version follows.
pub(super) const MAGIC: &[u8] = b"NRRD000";
/// The field that says where the voxels are.
pub(super) const DATA: &str = "data file";
/// More keys than this are not kept.
const MOST_KEYS: usize = 1 << 16;

/// The fields whose values are used; capital letters do not count.
const FIELDS: [&str; 25] = [
    "dimension",
    "type",
    "encoding",
    "endian",
    "sizes",
    "spacings",
    "thicknesses",
    "axis mins",
    "axis maxs",
    "centers",
    "units",
    "kinds",
    "space",
    "space dimension",
    "space units",
    "space origin",
    "space directions",
    "measurement frame",
    "line skip",
    "byte skip",
    "old min",
    "old max",
    "block size",
    "labels",
    DATA,
];
/// Other names of some of them.
const SYNONYMS: [(&str, &str); 8] = [
    ("datafile", DATA),
    ("lineskip", "line skip"),
    ("byteskip", "byte skip"),
    ("blocksize", "block size"),
    ("axismins", "axis mins"),
    ("axismaxs", "axis maxs"),
    ("centerings", "centers"),
    ("oldmin", "old min"),
];

/// The values of a header, and what follows it.
#[derive(Debug)]
pub(super) struct Fields {
    values: BTreeMap<&'static str, String>,
    /// The keys of whoever wrote the file, of those that [`Fields::wanted`] names.
    pub(super) keys: BTreeMap<String, String>,
    /// The names that follow `data file: LIST`.
    pub(super) list: Vec<String>,
    /// The byte after the header.
    pub(super) end: u64,
}

impl Fields {
    /// The header of a file that begins as one.
    pub(super) fn parse(source: &Source) -> Result<Self> {
        let path = source.path();
        let mut lines = Lines::open(source)?;
        let magic = lines.next()?.unwrap_or_default();
        let version = magic.trim_end().as_bytes().strip_prefix(MAGIC);
        if !matches!(version, Some([b'1'..=b'6'])) {
            let reason = format!("{} is no version of NRRD that is read", shown(&magic));
            return Err(Error::unsupported(path, reason)
                .remedy("write the file anew with a program that knows it"));
        }
        let mut fields = Self {
            values: BTreeMap::new(),
            keys: BTreeMap::new(),
            list: Vec::new(),
            end: 0,
        };
        while let Some(line) = lines.next()? {
            let listed = fields.text(DATA).is_some_and(is_list);
            let line = line.trim();
            if listed && !line.is_empty() {
                if fields.list.len() == MOST_FILES {
                    let reason = format!("more than {MOST_FILES} files are listed");
                    return Err(wrong(path, DATA, reason));
                }
                fields.list.push(line.to_owned());
            } else if line.is_empty() && !listed {
                fields.end = lines.at();
                return Ok(fields);
            } else if !line.starts_with('#') {
                fields.take(line);
            }
        }
        if fields.text(DATA).is_none() {
            let reason = "the header ends with the file: voxels are missing";
            return Err(wrong(path, "data", reason));
        }
        fields.end = lines.at();
        Ok(fields)
    }

    /// Keeps what a line says, if it is used.
    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else {
            return;
        };
        if let Some(value) = value.strip_prefix('=') {
            if Self::wanted(name) && self.keys.len() < MOST_KEYS {
                self.keys.insert(name.to_owned(), value.trim().to_owned());
            }
            return;
        }
        let name = name.trim().to_ascii_lowercase();
        let synonym = SYNONYMS.iter().find(|(other, _)| *other == name);
        let name = synonym.map_or(name.as_str(), |(_, field)| field);
        if let Some(field) = FIELDS.iter().find(|field| **field == name) {
            self.values.insert(field, value.trim().to_owned());
        }
    }

    /// Whether a key of the writer's is used. All others stay out: people write names there.
    fn wanted(key: &str) -> bool {
        let segment = || {
            let rest = key.strip_prefix("Segment")?;
            let (number, what) = rest.split_once('_')?;
            let known = matches!(what, "LabelValue" | "Layer" | "Name");
            (known && number.parse::<u16>().is_ok()).then_some(())
        };
        matches!(key, "modality" | "DWMRI_b-value")
            || key.starts_with("DWMRI_gradient_")
            || segment().is_some()
    }

    /// The value of a field.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.values.get(field).map(String::as_str)
    }

    /// The value of a field that every header has.
    pub(super) fn needed(&self, path: &Path, field: &str) -> Result<&str> {
        let value = self.text(field);
        value.ok_or_else(|| wrong(path, field, "it is missing from the header"))
    }

    /// A whole number.
    pub(super) fn whole(&self, path: &Path, field: &str) -> Result<Option<i64>> {
        let Some(text) = self.text(field) else {
            return Ok(None);
        };
        let number = text.parse::<i64>();
        let reason = |_| wrong(path, field, format!("{} is no whole number", shown(text)));
        number.map_err(reason).map(Some)
    }

    /// The lengths of the axes, fastest first.
    pub(super) fn lengths(&self, path: &Path) -> Result<Vec<usize>> {
        self.needed(path, "dimension")?;
        let count = self.whole(path, "dimension")?.unwrap_or(0);
        if !(1..=16).contains(&count) {
            let reason = format!("{count} axes, where 1 to 16 are possible");
            return Err(wrong(path, "dimension", reason));
        }
        let sizes = lengths(self.needed(path, "sizes")?);
        let sizes = sizes.map_err(|reason| wrong(path, "sizes", reason))?;
        if sizes.len() != count as usize {
            let reason = format!("{} lengths for {count} axes", sizes.len());
            return Err(wrong(path, "sizes", reason));
        }
        Ok(sizes)
    }

    /// A number for every axis; those that say nothing are not finite.
    pub(super) fn numbers(&self, path: &Path, field: &str, count: usize) -> Result<Vec<f64>> {
        let Some(text) = self.text(field) else {
            return Ok(vec![f64::NAN; count]);
        };
        let numbers = reals(text).map_err(|reason| wrong(path, field, reason))?;
        if numbers.len() != count {
            let reason = format!("{} numbers for {count} axes", numbers.len());
            return Err(wrong(path, field, reason));
        }
        Ok(numbers)
    }

    /// A word for every axis, lower-case; what says nothing is empty.
    pub(super) fn words(&self, path: &Path, field: &str, count: usize) -> Result<Vec<String>> {
        let Some(text) = self.text(field) else {
            return Ok(vec![String::new(); count]);
        };
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| match word {
                "???" | "none" => String::new(),
                word => word.to_ascii_lowercase(),
            })
            .collect();
        if words.len() != count {
            let reason = format!("{} words for {count} axes", words.len());
            return Err(wrong(path, field, reason));
        }
        Ok(words)
    }

    /// The texts between quotation marks.
    pub(super) fn quoted(&self, field: &str) -> Vec<String> {
        let text = self.text(field).unwrap_or_default();
        text.split('"')
            .skip(1)
            .step_by(2)
            .map(|unit| unit.trim().to_ascii_lowercase())
            .collect()
    }

    /// Vectors in parentheses; `none`, and what is no number in all parts, is no vector.
    pub(super) fn vectors(
        &self,
        path: &Path,
        field: &str,
        length: usize,
    ) -> Result<Option<Vec<Option<Vec<f64>>>>> {
        let Some(text) = self.text(field) else {
            return Ok(None);
        };
        let wrong = |reason: String| wrong(path, field, reason);
        let mut vectors = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("none") {
                vectors.push(None);
                rest = after.trim_start();
                continue;
            }
            let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            let Some((inside, after)) = inside else {
                return Err(wrong(format!("{} is no vector", shown(rest))));
            };
            let vector = reals(inside).map_err(wrong)?;
            if vector.len() != length {
                let reason = format!("a vector of {} in {length} dimensions", vector.len());
                return Err(wrong(reason));
            }
            let none = vector.iter().all(|v| v.is_nan());
            if !none && vector.iter().any(|v| !v.is_finite()) {
                return Err(wrong(format!("{} is not finite", shown(inside))));
            }
            vectors.push((!none).then_some(vector));
            rest = after.trim_start();
        }
        Ok(Some(vectors))
    }
}

/// Whether the value of `data file` announces a list.
pub(super) fn is_list(value: &str) -> bool {
    value.split_whitespace().next() == Some("LIST")
}

/// An error about one field of the header.
pub(super) fn wrong(path: &Path, field: &str, reason: impl Into<String>) -> Error {
    Error::input(path, reason)
        .field(format!("NRRD header, {field}"))
        .remedy("mend the header, or export the file again")
}
