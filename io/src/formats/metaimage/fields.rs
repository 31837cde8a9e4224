//! The lines of a MetaImage header: `key = value`, up to the one that says where the voxels are.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::parts::MOST_FILES;
use crate::source::Source;
use crate::text::{Lines, lengths, reals, shown};

/// The keys whose values are used; MetaIO distinguishes capital letters, and so do we.
const KEYS: [&str; 30] = [
    "ObjectType",
    "NDims",
    "DimSize",
    "ElementType",
    "ElementNumberOfChannels",
    "ElementSpacing",
    "ElementSize",
    "Offset",
    "Position",
    "Origin",
    "ElementOrigin",
    "TransformMatrix",
    "Rotation",
    "Orientation",
    "ElementDirection",
    "CenterOfRotation",
    "AnatomicalOrientation",
    "DistanceUnits",
    "BinaryData",
    "BinaryDataByteOrderMSB",
    "ElementByteOrderMSB",
    "CompressedData",
    "CompressedDataSize",
    "HeaderSize",
    "Modality",
    "ElementMin",
    "ElementMax",
    "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset",
    DATA,
];
/// The last key of a header.
const DATA: &str = "ElementDataFile";
/// Keys with which a header may begin and whose values are not used: people write names there.
const UNUSED: [&str; 7] = [
    "Comment",
    "ObjectSubType",
    "TransformType",
    "Name",
    "ID",
    "ParentID",
    "FileFormatVersion",
];

/// The values of a header by their keys, and what follows them.
#[derive(Debug)]
pub(super) struct Fields {
    values: BTreeMap<&'static str, String>,
    /// The names that follow the last key.
    pub(super) list: Vec<String>,
    /// The byte after the header.
    pub(super) end: u64,
}

/// Key and value of a line; MetaIO takes a colon for an equals sign.
fn split(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(['=', ':'])?;
    Some((key.trim(), value.trim()))
}

impl Fields {
    /// Whether contents begin as a header does: with a key of ours, and soon one that says so.
    pub(super) fn begin(start: &[u8]) -> bool {
        let mut keys = start
            .split(|&b| b == b'\n')
            .map(|line| String::from_utf8_lossy(line))
            .filter(|line| !line.trim().is_empty())
            .map(|line| split(&line).map_or_else(String::new, |(key, _)| key.to_owned()));
        let Some(first) = keys.next() else {
            return false;
        };
        let ours = KEYS.contains(&first.as_str()) || UNUSED.contains(&first.as_str());
        let sure = |key: &str| matches!(key, "ObjectType" | "NDims" | "DimSize");
        ours && (sure(&first) || keys.any(|key| sure(&key)))
    }

    /// The header of a file that [`Fields::begin`] has found to begin as one.
    pub(super) fn parse(source: &Source) -> Result<Self> {
        let mut lines = Lines::open(source)?;
        let mut fields = Self {
            values: BTreeMap::new(),
            list: Vec::new(),
            end: 0,
        };
        loop {
            let Some(line) = lines.next()? else {
                let reason = "the header ends without saying where the voxels are";
                return Err(wrong(source.path(), DATA, reason));
            };
            let Some((key, value)) = split(&line) else {
                continue;
            };
            let Some(key) = KEYS.iter().find(|known| **known == key) else {
                continue;
            };
            fields.values.insert(key, value.to_owned());
            if *key == DATA {
                break;
            }
        }
        fields.end = lines.at();
        if fields
            .text(DATA)
            .is_some_and(|value| value.starts_with("LIST"))
        {
            while let Some(line) = lines.next()? {
                let name = line.trim();
                if name.is_empty() {
                    continue;
                }
                if fields.list.len() == MOST_FILES {
                    let reason = format!("more than {MOST_FILES} files are listed");
                    return Err(wrong(source.path(), DATA, reason));
                }
                fields.list.push(name.to_owned());
            }
        }
        Ok(fields)
    }

    /// The value of a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The first of several keys that mean the same and of which one is there.
    pub(super) fn first<'k>(&self, keys: &[&'k str]) -> Option<&'k str> {
        keys.iter()
            .copied()
            .find(|key| self.values.contains_key(key))
    }

    /// Yes or no: MetaIO looks at the first letter.
    pub(super) fn truth(&self, path: &Path, key: &str, otherwise: bool) -> Result<bool> {
        match self.text(key).map(|value| (value, value.bytes().next())) {
            None => Ok(otherwise),
            Some((_, Some(b'T' | b't' | b'1'))) => Ok(true),
            Some((_, Some(b'F' | b'f' | b'0'))) => Ok(false),
            Some((value, _)) => {
                let reason = format!("{} is neither True nor False", shown(value));
                Err(wrong(path, key, reason))
            }
        }
    }

    /// So many numbers.
    pub(super) fn numbers(&self, path: &Path, key: &str, count: usize) -> Result<Option<Vec<f64>>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let numbers = reals(text).map_err(|reason| wrong(path, key, reason))?;
        if numbers.len() != count {
            let reason = format!("{} numbers, where there must be {count}", numbers.len());
            return Err(wrong(path, key, reason));
        }
        if numbers.iter().any(|number| !number.is_finite()) {
            return Err(wrong(path, key, "a number is not finite"));
        }
        Ok(Some(numbers))
    }

    /// One whole number.
    pub(super) fn whole(&self, path: &Path, key: &str) -> Result<Option<i64>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        let number = text.parse::<i64>();
        let reason = |_| wrong(path, key, format!("{} is no whole number", shown(text)));
        number.map_err(reason).map(Some)
    }

    /// The lengths of the axes, x first.
    pub(super) fn lengths(&self, path: &Path) -> Result<Vec<usize>> {
        let stated = |key: &str| {
            let reason = "it is missing from the header";
            self.text(key).ok_or_else(|| wrong(path, key, reason))
        };
        let count = stated("NDims")?;
        let count = count.parse::<usize>().ok().filter(|n| (1..=10).contains(n));
        let count = count.ok_or_else(|| {
            let reason = format!(
                "{} dimensions, where 1 to 10 are possible",
                shown(self.text("NDims").unwrap_or_default())
            );
            wrong(path, "NDims", reason)
        })?;
        let size = lengths(stated("DimSize")?).map_err(|reason| wrong(path, "DimSize", reason))?;
        if size.len() != count {
            let reason = format!("{} lengths for {count} dimensions", size.len());
            return Err(wrong(path, "DimSize", reason));
        }
        Ok(size)
    }
}

/// An error about one key of the header.
pub(super) fn wrong(path: &Path, key: &str, reason: impl Into<String>) -> Error {
    Error::input(path, reason)
        .field(format!("MetaImage header, {key}"))
        .remedy("mend the header, or export the file again")
}
