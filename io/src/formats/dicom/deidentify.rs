//! Identifying attributes removed or replaced at every depth, the pixels kept: the Basic Application
//! Level Confidentiality Profile of PS3.15, without its options.

use std::path::{Path, PathBuf};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use rayon::prelude::*;

use super::edit::check_other;
use super::elements::{self, Broken, Change, Coding, Element};
use super::file::{self, Whole, broken};
use super::identifiers::{Action, Family, action, is_standard_uid};
use super::mentions::Mentions;
use super::{folder, uid};
use crate::aside::{FolderAside, write_aside};
use crate::error::{Error, Result};

/// From which old UIDs become new ones, and patients pseudonyms. Who has it can tell which new UID
/// an old one has become; without it nobody can.
#[derive(Clone)]
pub struct UidKey([u8; 32]);

impl UidKey {
    /// One that nobody knows: new UIDs agree within one run.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the system has no random numbers.
    pub fn random() -> Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| {
            Error::unsupported(
                Path::new(""),
                "the system gives no random numbers for new UIDs",
            )
            .remedy("give a key of your own")
        })?;
        Ok(Self(key))
    }

    /// One made of a secret: new UIDs agree wherever it is used.
    pub fn from_secret(secret: &[u8]) -> Self {
        Self(blake3::derive_key(
            "voxprep 2026-11 DICOM UIDs of the deidentified",
            secret,
        ))
    }
}

/// How to deidentify.
#[derive(Clone)]
pub struct DeidentifyOptions {
    /// From which new UIDs are made.
    pub key: UidKey,
    /// Whether images are taken in whose pixels have text burned in.
    pub keep_burned_in: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deidentified {
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// DICOM files that were left out, and why.
    pub left_out: Vec<(PathBuf, &'static str)>,
    /// How many files of a folder are not DICOM, and were left out.
    pub others: usize,
    /// Images that do not say that no text is burned into their pixels.
    pub burned_in_unstated: usize,
    /// Images that say that text is burned in, or that have overlays among their pixels' bits.
    pub burned_in: usize,
    /// Images of Siemens that hold many slices side by side: the private attributes that said how
    /// many are gone.
    pub mosaics: usize,
}

/// What a file says of itself before it is changed.
#[derive(Debug)]
struct Sheet {
    path: PathBuf,
    series: String,
    /// In which order files are numbered.
    order: (i64, String, i64, String),
    left_out: Option<&'static str>,
    is_image: bool,
    burned_in: Option<bool>,
    is_mosaic: bool,
}

/// Media directories repeat the names of patients.
const DIRECTORY: &str = "1.2.840.10008.1.3.10";
/// Documents within an object: PDF, CDA, and models.
const DOCUMENTS: &str = "1.2.840.10008.5.1.4.1.1.104.";
/// Structured reports, which are nothing without what is said in them.
const REPORTS: &str = "1.2.840.10008.5.1.4.1.1.88.";

/// Removes or replaces what identifies somebody in a file, or in all DICOM files of a folder. Files
/// of a folder become `SE0001/IM0001.dcm` and so on. File or folder is there whole afterwards, or as
/// it was before.
///
/// # Errors
/// [`Error::Parameter`] where input and output are the same, [`Error::Unsupported`] where text is
/// burned into pixels, [`Error::Input`] where a file is damaged, [`Error::Io`] where the system
/// refuses.
pub fn deidentify(
    input: &Path,
    output: &Path,
    options: &DeidentifyOptions,
) -> Result<Deidentified> {
    let is_folder = input.is_dir();
    let mut done = Deidentified::default();
    check_other(input, output)?;
    let files = if is_folder {
        folder::files(input)?
    } else {
        vec![input.to_owned()]
    };
    let sheets = sheets(&files)?;
    done.others = sheets.iter().filter(|sheet| sheet.is_none()).count();
    let mut sheets: Vec<Sheet> = sheets.into_iter().flatten().collect();
    sheets.sort_by(|a, b| a.order.cmp(&b.order));
    let left_out = sheets
        .iter()
        .filter_map(|s| Some((s.path.clone(), s.left_out?)));
    done.left_out.extend(left_out);
    sheets.retain(|sheet| sheet.left_out.is_none());
    if sheets.is_empty() {
        let reason = match done.left_out.first() {
            Some((_, reason)) => (*reason).to_owned(),
            None => "no DICOM file is there to deidentify".to_owned(),
        };
        return Err(
            Error::unsupported(input, reason).remedy("give a DICOM image, or a folder of them")
        );
    }
    (done.burned_in, done.burned_in_unstated) = burned_in(&sheets, options.keep_burned_in)?;
    done.mosaics = sheets.iter().filter(|s| s.is_image && s.is_mosaic).count();
    if !is_folder {
        if let Some(sheet) = sheets.first() {
            one(&sheet.path, output, options)?;
        }
        done.files.push(output.to_owned());
        return Ok(done);
    }
    let aside = FolderAside::new(output)?;
    let names = names(&sheets);
    sheets
        .par_iter()
        .zip(&names)
        .try_for_each(|(sheet, (series, name))| {
            let folder = aside.folder().join(series);
            std::fs::create_dir_all(&folder)
                .map_err(|e| Error::io("make the folder", output, e))?;
            one(&sheet.path, &folder.join(name), options)
        })?;
    aside.finish()?;
    done.files = names
        .iter()
        .map(|(series, name)| output.join(series).join(name))
        .collect();
    Ok(done)
}

/// Whether text is burned into the pixels of a DICOM file, or of a folder's: how many images say so,
/// and how many do not say. Of what is no DICOM, none.
///
/// # Errors
/// As [`deidentify`], where text is burned in and the images are not to be kept.
pub fn check_burned_in(input: &Path, keep: bool) -> Result<[usize; 2]> {
    let files = if input.is_dir() {
        folder::files(input)?
    } else {
        vec![input.to_owned()]
    };
    let sheets: Vec<Sheet> = sheets(&files)?.into_iter().flatten().collect();
    burned_in(&sheets, keep).map(|(stated, unstated)| [stated, unstated])
}

/// What DICOM files say of themselves; none of others.
fn sheets(files: &[PathBuf]) -> Result<Vec<Option<Sheet>>> {
    let sheet = |file: &PathBuf| folder::is_dicom(file)?.then(|| Sheet::of(file)).transpose();
    files.par_iter().map(sheet).collect()
}

/// How many images have text burned in, and how many do not say.
fn burned_in(sheets: &[Sheet], keep: bool) -> Result<(usize, usize)> {
    let images = |stated| {
        let images = sheets.iter().filter(|sheet| sheet.is_image);
        images.filter(move |sheet| sheet.burned_in == stated)
    };
    if let (Some(sheet), false) = (images(Some(true)).next(), keep) {
        let reason = "text is burned into the pixels, or lies among their bits as an overlay";
        return Err(Error::unsupported(&sheet.path, reason)
            .field("(0028,0301) BurnedInAnnotation")
            .remedy("take the file out, or look at it and keep its pixels with --keep-burned-in"));
    }
    Ok((images(Some(true)).count(), images(None).count()))
}

/// Names that say nothing: of each file, the folder of its series and its own.
fn names(sheets: &[Sheet]) -> Vec<(String, String)> {
    let (mut series, mut image) = (0, 0);
    let mut last: Option<(i64, &str)> = None;
    let names = sheets.iter().map(|sheet| {
        let this = Some((sheet.order.0, sheet.series.as_str()));
        if last != this {
            (series, image) = (series + 1, 0);
            last = this;
        }
        image += 1;
        (format!("SE{series:04}"), format!("IM{image:04}.dcm"))
    });
    names.collect()
}

impl Sheet {
    fn of(path: &Path) -> Result<Self> {
        let whole = Whole::open_header(path)?;
        let text = |tag| whole.text(tag).unwrap_or_default();
        let class = text(tags::SOP_CLASS_UID);
        let class = if class.is_empty() {
            whole.media_class()
        } else {
            class
        };
        let number = |tag| text(tag).trim().parse().unwrap_or(0);
        let series = text(tags::SERIES_INSTANCE_UID);
        let left_out = match class.as_str() {
            DIRECTORY => Some("a media directory holds the names of patients"),
            class if class.starts_with(DOCUMENTS) => {
                Some("a document within the file may say anything")
            }
            class if class.starts_with(REPORTS) => Some("a report may say anything"),
            _ => None,
        };
        let stated = match text(tags::BURNED_IN_ANNOTATION)
            .to_ascii_uppercase()
            .as_str()
        {
            "YES" => Some(true),
            "NO" => Some(false),
            _ => None,
        };
        let order = (
            number(tags::SERIES_NUMBER),
            series.clone(),
            number(tags::INSTANCE_NUMBER),
        );
        Ok(Self {
            order: (order.0, order.1, order.2, text(tags::SOP_INSTANCE_UID)),
            series,
            left_out,
            is_image: whole.structure.pixels.is_some(),
            burned_in: if overlays_in_pixels(&whole) {
                Some(true)
            } else {
                stated
            },
            is_mosaic: text(tags::IMAGE_TYPE).contains("MOSAIC"),
            path: path.to_owned(),
        })
    }
}

/// Whether an overlay lies in bits of the pixels, which are kept: it has a place there and no data of
/// its own.
fn overlays_in_pixels(whole: &Whole) -> bool {
    (0x6000..=0x601E_u16).step_by(2).any(|group| {
        let has = |element| whole.vr(Tag(group, element)).is_some();
        has(0x0102) && has(0x0010) && !has(0x3000)
    })
}

/// What is known while a file is changed.
struct Changes<'a> {
    key: &'a UidKey,
    /// What the patient is called from now on.
    pseudonym: String,
    /// What else gives the patient away.
    mentions: Mentions,
}

impl Changes<'_> {
    fn change(&self, element: &Element<'_>) -> Change {
        let (tag, vr) = (element.tag, element.vr);
        let is_patient = matches!(tag, tags::PATIENT_ID | tags::PATIENT_NAME);
        if is_patient && Family::of(vr) == Family::Text {
            return Change::Value(padded(vr, self.pseudonym.clone().into_bytes()));
        }
        match action(tag, vr) {
            None if vr == VR::SQ => within(element),
            None => match self.mentions.without(element, &dummy(vr, 0)) {
                Some(value) => Change::Value(padded(vr, value)),
                None => Change::Keep,
            },
            Some(Action::Remove) => Change::Remove,
            Some(Action::Empty) => Change::Value(Vec::new()),
            // What may be said in its items is what the profile is about.
            Some(Action::Replace) if vr == VR::SQ => Change::Value(Vec::new()),
            Some(Action::Replace) => Change::Value(dummy(vr, element.value.len())),
            Some(Action::Uid) => Change::Value(self.uids(element)),
        }
    }

    fn uids(&self, element: &Element<'_>) -> Vec<u8> {
        let new = element.value.split(|byte| *byte == b'\\');
        let new: Vec<String> = new.map(|uid| self.uid(element.tag, uid)).collect();
        padded(VR::UI, new.join("\\").into_bytes())
    }

    /// The new UID that stands for an old one.
    fn uid(&self, tag: Tag, old: &[u8]) -> String {
        let old = trimmed(old);
        match std::str::from_utf8(old) {
            Ok(old) if old.is_empty() || is_standard_uid(tag, old) => old.to_owned(),
            _ => uid::from_hash(&blake3::keyed_hash(&self.key.0, old)),
        }
    }
}

/// A value without its padding.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | 0] | [b' ' | 0, rest @ ..] = value {
        value = rest;
    }
    value
}

/// The elements of a sequence are looked at one by one; what is no sequence goes.
fn within(element: &Element<'_>) -> Change {
    if element.is_sound() {
        Change::Within
    } else {
        Change::Remove
    }
}

/// What the patient is called: of the same identifier the same word, by which nobody finds the
/// identifier without the key. Without an identifier it is none.
fn pseudonym(key: &UidKey, whole: &Whole) -> String {
    let value = |tag| trimmed(whole.value(tag));
    let mut said = [value(tags::PATIENT_ID), value(tags::ISSUER_OF_PATIENT_ID)];
    if said[0].is_empty() {
        said = [&[], value(tags::PATIENT_NAME)];
    }
    if said.iter().all(|said| said.is_empty()) {
        return String::new();
    }
    let mut said = said.join(&0);
    // Bytes beyond ASCII are letters only together with their character set.
    if !said.is_ascii() {
        said.push(0);
        said.extend_from_slice(value(tags::SPECIFIC_CHARACTER_SET));
    }
    let hash = blake3::keyed_hash(&key.0, &said);
    let hex = hash.to_hex().to_ascii_uppercase();
    format!("P{}", hex.get(..12).unwrap_or("0"))
}

fn padded(vr: VR, mut value: Vec<u8>) -> Vec<u8> {
    if value.len() % 2 == 1 {
        value.push(if vr == VR::UI { 0 } else { b' ' });
    }
    value
}

/// A value that says nothing, for attributes that some kind of object cannot do without.
fn dummy(vr: VR, length: usize) -> Vec<u8> {
    let text = match vr {
        VR::DA => "19000101",
        VR::TM => "000000",
        VR::DT => "19000101000000",
        VR::AS => "000Y",
        VR::DS | VR::IS => "0",
        VR::UR => "urn:removed",
        VR::AE | VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => "REMOVED",
        // Numbers keep how many they are.
        VR::FD | VR::FL | VR::SL | VR::SS | VR::SV | VR::UL | VR::US | VR::UV | VR::AT => {
            return vec![0; length];
        }
        _ => "",
    };
    padded(vr, text.as_bytes().to_vec())
}

/// What says that identity was removed, and how (PS3.3 C.7.1.1, C.12.1.1).
fn marks(coding: Coding) -> Result<Vec<(Tag, Vec<u8>)>, Broken> {
    let put = |tag, vr, text: &str| -> Result<(Tag, Vec<u8>), Broken> {
        let value = padded(vr, text.as_bytes().to_vec());
        Ok((tag, elements::spell(tag, vr, &value, coding)?))
    };
    let method = "voxprep: PS3.15 2024 Basic Profile, no options";
    let code = [
        put(tags::CODE_VALUE, VR::SH, "113100")?,
        put(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM")?,
        put(
            tags::CODE_MEANING,
            VR::LO,
            "Basic Application Confidentiality Profile",
        )?,
    ];
    let code: Vec<u8> = code.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let item = elements::item(&code, coding)?;
    let codes = tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE;
    Ok(vec![
        put(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES")?,
        put(tags::DEIDENTIFICATION_METHOD, VR::LO, method)?,
        (codes, elements::spell(codes, VR::SQ, &item, coding)?),
        put(
            tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
            VR::CS,
            "REMOVED",
        )?,
    ])
}

fn one(input: &Path, output: &Path, options: &DeidentifyOptions) -> Result<()> {
    let whole = Whole::open(input)?;
    let coding = whole.coding();
    let changes = Changes {
        key: &options.key,
        pseudonym: pseudonym(&options.key, &whole),
        mentions: Mentions::of(&whole).map_err(|_| {
            Error::input(input, "the patient's name has more than 64 parts")
                .field("(0010,0010) PatientName")
                .remedy("it is no name; set another one with --set-tag")
        })?,
    };
    let mut change = |element: &Element<'_>| changes.change(element);
    let class = whole
        .text(tags::SOP_CLASS_UID)
        .unwrap_or_else(|| whole.media_class());
    let instance = changes.uid(tags::SOP_INSTANCE_UID, whole.value(tags::SOP_INSTANCE_UID));
    let mut parts = || -> Result<_, Broken> {
        let before = file::meta(&class, &instance, &whole.structure.syntax.uid)?;
        let header = elements::rewrite(whole.header(), coding, &marks(coding)?, &mut change)?;
        let rest = whole.rest();
        let (pixels, after) = match whole.structure.pixels {
            Some(_) => {
                let (_, after) = elements::next(rest, coding, 0)?;
                let (pixels, after) = rest.split_at(rest.len() - after.len());
                (pixels, elements::rewrite(after, coding, &[], &mut change)?)
            }
            None => (&[][..], Vec::new()),
        };
        Ok((before, header, pixels, after))
    };
    let (before, header, pixels, after) = parts().map_err(|_| broken(input))?;
    write_aside(output, |file| {
        whole.write(file, &before, &[&header, pixels, &after])
    })
}
