//! All attributes of all slices, as a table (IO-03).

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_object::mem::InMemElement;
use rayon::prelude::*;

use super::choose::{Choice, Content};
use super::identifiers;
use super::instance;
use crate::error::{Error, Result};
use crate::{ReadOptions, TagRow, TagTable};

/// Longer values are cut: a table is for looking at.
const LONGEST: usize = 1024;
/// What is shown instead of a value that identifies someone.
pub(crate) const WITHHELD: &str = "(withheld)";

/// The attributes of the slices of the volume that the options name, in their order in space.
///
/// # Errors
/// As for reading the header of the volume; its slices need not be on a grid.
pub(crate) fn table(
    path: &Path,
    options: &ReadOptions,
    keep_identifiers: bool,
) -> Result<TagTable> {
    let content = Content::of(path, options)?;
    let instances = &content.found.instances;
    let mut files: Vec<usize> = match content.choose(path, options)?.0 {
        Choice::Stack(stack) => stack.frames.iter().flatten().map(|place| place.0).collect(),
        Choice::Segments(segments) => vec![segments.instance],
    };
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(*file));
    let columns: Vec<BTreeMap<Tag, String>> = files
        .par_iter()
        .filter_map(|at| instances.get(*at))
        .map(|instance| {
            let opened = instance::open(&instance.path)?;
            let cell = |element: &InMemElement| (element.header().tag, text(element));
            Ok(opened.object.iter().map(cell).collect())
        })
        .collect::<Result<_>>()?;
    if columns.is_empty() {
        return Err(Error::input(path, "there is no image"));
    }
    let mut tags: Vec<Tag> = columns.iter().flat_map(|c| c.keys().copied()).collect();
    tags.sort_unstable();
    tags.dedup();
    let rows = tags.into_iter().map(|tag| {
        let mut values: Vec<Option<String>> =
            columns.iter().map(|c| c.get(&tag).cloned()).collect();
        let entry = StandardDataDictionary.by_tag(tag);
        let varies = values.windows(2).any(|pair| pair[0] != pair[1]);
        if !keep_identifiers {
            let vr = identifiers::usual_vr(tag);
            for value in values.iter_mut().flatten() {
                if !value.is_empty() && identifiers::identifies(tag, vr, value) {
                    WITHHELD.clone_into(value);
                }
            }
        }
        TagRow {
            tag: format!("{:04x}|{:04x}", tag.group(), tag.element()),
            name: entry.map_or_else(String::new, |entry| entry.alias().to_owned()),
            varies,
            values,
        }
    });
    Ok(TagTable {
        slices: columns.len(),
        rows: rows.collect(),
    })
}

/// A value in one line; what is long or binary by its size.
fn text(element: &InMemElement) -> String {
    match element.value() {
        Value::Sequence(items) => match items.items().len() {
            1 => "(1 item)".to_owned(),
            n => format!("({n} items)"),
        },
        Value::PixelSequence(_) => "(fragments)".to_owned(),
        Value::Primitive(PrimitiveValue::Empty) => String::new(),
        Value::Primitive(PrimitiveValue::U8(bytes)) if !is_text(bytes, element.vr()) => {
            format!("({} bytes)", bytes.len())
        }
        Value::Primitive(value) => {
            let text = match value {
                PrimitiveValue::U8(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                PrimitiveValue::Strs(texts) => texts.join("\\"),
                PrimitiveValue::Tags(tags) => tags
                    .iter()
                    .map(|tag| format!("({:04X},{:04X})", tag.group(), tag.element()))
                    .collect::<Vec<_>>()
                    .join("\\"),
                value if value.multiplicity() > 64 => {
                    return format!("({} values)", value.multiplicity());
                }
                value => value.to_multi_str().join("\\"),
            };
            let text = text.trim_matches([' ', '\0']);
            let mut line: String = text
                .chars()
                .take(LONGEST)
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            if line.len() < text.len() {
                line.push_str("...");
            }
            line
        }
    }
}

/// Whether bytes of unknown meaning are text.
fn is_text(bytes: &[u8], vr: VR) -> bool {
    let text = bytes
        .iter()
        .all(|b| b.is_ascii_graphic() || matches!(b, b' ' | 0));
    vr == VR::UN && text && bytes.len() <= LONGEST
}
