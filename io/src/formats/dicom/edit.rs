//! Attributes of a header set and deleted, every other byte of the file kept (IO-10).

use std::path::{Path, PathBuf};

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_encoding::text::SpecificCharacterSet;
use rayon::prelude::*;

use super::elements::{self, Change, Coding};
use super::file::{Whole, broken};
use super::folder;
use super::identifiers::usual_vr;
use super::spelling::spell_value;
use crate::aside::{FolderAside, write_aside};
use crate::error::{Error, Result};

/// Attributes to set and to delete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderEdits {
    set: Vec<(Tag, String)>,
    delete: Vec<Tag>,
}

/// What came of an edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edited {
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// How many files of a folder are not DICOM, and were left out.
    pub others: usize,
    /// Attributes that were to be deleted and were in none of the files.
    pub absent: Vec<String>,
}

/// `(gggg,eeee)`, and the name if it has one.
fn name(tag: Tag) -> String {
    let number = format!("({:04X},{:04X})", tag.group(), tag.element());
    match StandardDataDictionary.by_tag(tag) {
        Some(entry) if tag.group().is_multiple_of(2) => format!("{number} {}", entry.alias()),
        _ => number,
    }
}

/// The attribute that is named by its number, in one of the usual ways, or its keyword.
fn attribute(text: &str) -> Result<Tag> {
    let text = text.trim();
    let plain = text.replace('|', ",");
    StandardDataDictionary.parse_tag(&plain).ok_or_else(|| {
        Error::parameter(Path::new(""), format!("there is no attribute '{text}'"))
            .remedy("give a keyword of the standard, as PatientID, or a number, as (0010,0020)")
    })
}

impl HeaderEdits {
    /// What is to be set, as `TAG=VALUE`, and deleted, as `TAG`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no such attribute, it is not one that can be changed, or
    /// its VR has no such value.
    pub fn new(set: &[String], delete: &[String]) -> Result<Self> {
        let refused = |tag: Tag, reason: String, remedy: &str| {
            Err(Error::parameter(Path::new(""), reason)
                .field(name(tag))
                .remedy(remedy))
        };
        let mut edits = Self::default();
        for text in set {
            let Some((tag, value)) = text.split_once('=') else {
                let reason = format!("'{text}' sets nothing");
                return Err(Error::parameter(Path::new(""), reason).remedy("give TAG=VALUE"));
            };
            let tag = attribute(tag)?;
            check(tag)?;
            if tag.group() % 2 == 1 {
                let reason = "a private attribute has no known VR".to_owned();
                return refused(tag, reason, "private attributes can be deleted only");
            }
            // Whatever the file's letters and byte order are, most mistakes show here.
            let utf8 = SpecificCharacterSet::ISO_IR_192;
            let vr = set_vr(tag, value, None);
            if let Err(reason) = spell_value(vr, value, Some(&utf8), Coding::EXPLICIT) {
                return refused(
                    tag,
                    reason,
                    &format!("give a value of VR {}", vr.to_string()),
                );
            }
            if [tags::SOP_INSTANCE_UID, tags::SOP_CLASS_UID].contains(&tag) && value.is_empty() {
                return refused(tag, "the value cannot be empty".to_owned(), "give a UID");
            }
            edits.set.retain(|(known, _)| *known != tag);
            edits.set.push((tag, value.to_owned()));
        }
        for text in delete {
            let tag = attribute(text)?;
            check(tag)?;
            if [tags::SOP_INSTANCE_UID, tags::SOP_CLASS_UID].contains(&tag) {
                let reason = "every object has this attribute".to_owned();
                return refused(tag, reason, "set it, or leave it");
            }
            if edits.set.iter().any(|(set, _)| *set == tag) {
                let reason = "the attribute is to be set and to be deleted".to_owned();
                return refused(tag, reason, "ask for one of them");
            }
            edits.delete.push(tag);
        }
        Ok(edits)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.delete.is_empty()
    }
}

/// Refuses attributes on which the meaning of other bytes hangs.
fn check(tag: Tag) -> Result<()> {
    let reason = match tag {
        Tag(0x0000..=0x0007, _) => "what says how the file is built follows from the data set",
        Tag(0x7FE0, _) => "pixels are not changed",
        Tag(_, 0x0000) => "the length of a group follows from its attributes",
        Tag(0xFFFA.., _) => "what follows the pixels is not changed",
        tags::SPECIFIC_CHARACTER_SET => "all other texts of the file would be misread",
        _ => return Ok(()),
    };
    Err(Error::parameter(Path::new(""), reason)
        .field(name(tag))
        .remedy("leave this attribute as it is"))
}

/// The VR with which an attribute is set: that of the file, if it says, else the dictionary's.
fn set_vr(tag: Tag, value: &str, stated: Option<VR>) -> VR {
    let usual = usual_vr(tag);
    match stated.filter(|vr| *vr != VR::UN) {
        Some(stated) => stated,
        // The dictionary's choice is between US and SS.
        None if usual == VR::US && value.contains('-') => VR::SS,
        None => usual,
    }
}

/// Sets and deletes attributes of a file, or of all DICOM files of a folder, whose names stay. The
/// file or folder is there whole afterwards, or as it was before.
///
/// # Errors
/// [`Error::Parameter`] where input and output are the same or a value does not suit a file's
/// characters, [`Error::Input`] where a file is damaged, [`Error::Io`] where the system refuses.
pub fn edit(input: &Path, output: &Path, edits: &HeaderEdits) -> Result<Edited> {
    check_other(input, output)?;
    let mut found = vec![false; edits.delete.len()];
    let mut note = |seen: Vec<bool>| found.iter_mut().zip(seen).for_each(|(f, s)| *f |= s);
    let mut edited = Edited::default();
    if input.is_dir() {
        if edits
            .set
            .iter()
            .any(|(tag, _)| *tag == tags::SOP_INSTANCE_UID)
        {
            return Err(
                Error::parameter(input, "no two files may have one instance UID")
                    .field(name(tags::SOP_INSTANCE_UID))
                    .remedy("set it for one file at a time"),
            );
        }
        let aside = FolderAside::new(output)?;
        let files = folder::files(input)?;
        let done: Vec<Option<(PathBuf, Vec<bool>)>> = files
            .par_iter()
            .map(|file| {
                if !folder::is_dicom(file)? {
                    return Ok(None);
                }
                let inside = file.strip_prefix(input).unwrap_or(file);
                let target = aside.folder().join(inside);
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent)
                        .map_err(|e| Error::io("make the folder", output, e))?;
                }
                let seen = one(file, &target, edits)?;
                Ok(Some((output.join(inside), seen)))
            })
            .collect::<Result<_>>()?;
        for one in done {
            match one {
                Some((file, seen)) => {
                    edited.files.push(file);
                    note(seen);
                }
                None => edited.others += 1,
            }
        }
        if edited.files.is_empty() {
            let reason = format!("none of the {} files is DICOM", edited.others);
            return Err(Error::input(input, reason).remedy("give a DICOM file or folder"));
        }
        aside.finish()?;
    } else {
        if !folder::is_dicom(input)? {
            return Err(Error::unsupported(
                input,
                "the file is not DICOM, and has no such attributes",
            )
            .remedy("give a DICOM file or folder"));
        }
        note(one(input, output, edits)?);
        edited.files.push(output.to_owned());
    }
    let absent = edits
        .delete
        .iter()
        .zip(&found)
        .filter(|(_, found)| !**found);
    edited.absent = absent.map(|(tag, _)| name(*tag)).collect();
    Ok(edited)
}

/// Refuses to write over the file that is read, or into the folder.
pub(super) fn check_other(input: &Path, output: &Path) -> Result<()> {
    // What is not there yet is where the nearest folder above it is.
    let absolute = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    let known = absolute
        .ancestors()
        .find_map(|p| std::fs::canonicalize(p).ok());
    let same = std::fs::canonicalize(input).is_ok_and(|input| match known {
        Some(known) if input.is_dir() => known.starts_with(&input),
        Some(_) => std::fs::canonicalize(output).is_ok_and(|output| input == output),
        None => false,
    });
    if same {
        let reason = if input.is_dir() {
            "the result would be in the folder that is read"
        } else {
            "the result would replace the input"
        };
        return Err(Error::parameter(output, reason).remedy("write it elsewhere"));
    }
    Ok(())
}

/// Edits one file; of each attribute to delete, whether it was there.
fn one(input: &Path, output: &Path, edits: &HeaderEdits) -> Result<Vec<bool>> {
    let whole = Whole::open(input)?;
    let coding = whole.coding();
    let charset = charset(whole.text(tags::SPECIFIC_CHARACTER_SET).as_deref());
    let mut new = Vec::with_capacity(edits.set.len());
    let mut uids = [None, None];
    for (tag, value) in &edits.set {
        let vr = set_vr(*tag, value, stated_vr(&whole, *tag));
        let refused = |reason: String| {
            Error::parameter(input, reason)
                .field(name(*tag))
                .remedy("give another value")
        };
        let bytes = spell_value(vr, value, charset.as_ref(), coding).map_err(refused)?;
        let element = elements::spell(*tag, vr, &bytes, coding)
            .map_err(|_| refused("the value is too long".to_owned()))?;
        match *tag {
            tags::SOP_CLASS_UID => uids[0] = Some(bytes),
            tags::SOP_INSTANCE_UID => uids[1] = Some(bytes),
            _ => {}
        }
        new.push((*tag, element));
    }
    let mut found = vec![false; edits.delete.len()];
    let mut change = |element: &elements::Element<'_>| match edits
        .delete
        .iter()
        .position(|tag| *tag == element.tag)
    {
        Some(at) => {
            found
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|found| *found = true);
            Change::Remove
        }
        None => Change::Keep,
    };
    let header = elements::rewrite(whole.header(), coding, &new, &mut change);
    let header = header.map_err(|_| broken(input))?;
    let [class, instance] = &uids;
    let before = whole
        .before_with(class.as_deref(), instance.as_deref())
        .map_err(|_| broken(input))?;
    write_aside(output, |file| {
        whole.write(file, &before, &[&header, whole.rest()])
    })?;
    Ok(found)
}

/// The VR that a file gives an attribute that it has.
fn stated_vr(whole: &Whole, tag: Tag) -> Option<VR> {
    whole.vr(tag).filter(|_| whole.coding().explicit)
}

/// The letters of a file beyond ASCII; of several sets, or of none, no more.
pub(super) fn charset(code: Option<&str>) -> Option<SpecificCharacterSet> {
    let code = code.filter(|code| !code.contains('\\') && !code.contains("2022"))?;
    SpecificCharacterSet::from_code(code).filter(|set| *set != SpecificCharacterSet::ISO_IR_6)
}
