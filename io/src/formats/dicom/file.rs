//! A whole file as bytes, for those who change its header: what is before the data set, the data set
//! up to the pixels, and the rest; and the same put together again.

use std::io::Write as _;
use std::path::Path;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::elements::{self, Broken, Change, Coding, Element};
use super::scan::{self, Bytes, Structure};
use crate::error::{Error, Result};
use crate::source::COPY_AGAIN;

/// Behind the preamble.
const MAGIC: &[u8] = b"DICM";
/// Bytes of the preamble, which mean nothing.
const PREAMBLE: usize = 128;

/// A file, its data set inflated.
pub(super) struct Whole {
    pub(super) structure: Structure,
    bytes: Vec<u8>,
}

/// The elements of a file that is not sound.
pub(super) fn broken(path: &Path) -> Error {
    Error::input(path, "the header cannot be taken apart").remedy(COPY_AGAIN)
}

impl Whole {
    /// Reads a file.
    ///
    /// # Errors
    /// As `scan`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (mut bytes, _) = Bytes::open(path)?;
        let structure = scan::scan(&mut bytes, path)?;
        let bytes = bytes.into_rest(0, path)?;
        Ok(Self { structure, bytes })
    }

    /// Reads a file up to its pixels.
    ///
    /// # Errors
    /// As `scan`.
    pub(super) fn open_header(path: &Path) -> Result<Self> {
        let (mut bytes, _) = Bytes::open(path)?;
        let structure = scan::scan(&mut bytes, path)?;
        let bytes = bytes.read(0, structure.end, path)?.to_vec();
        Ok(Self { structure, bytes })
    }

    fn part(&self, start: u64, end: u64) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// Preamble and file meta information.
    pub(super) fn before(&self) -> &[u8] {
        self.part(0, self.structure.dataset)
    }

    /// The data set up to the pixels.
    pub(super) fn header(&self) -> &[u8] {
        self.part(self.structure.dataset, self.structure.end)
    }

    /// The pixels, and what follows them.
    pub(super) fn rest(&self) -> &[u8] {
        self.part(self.structure.end, self.bytes.len() as u64)
    }

    pub(super) fn coding(&self) -> Coding {
        Coding::of(&self.structure.syntax)
    }

    fn element(&self, tag: Tag) -> Option<Element<'_>> {
        let element = self
            .structure
            .elements
            .iter()
            .find(|element| element.tag == tag)?;
        let bytes = self.part(element.start, element.end);
        elements::next(bytes, self.coding(), 0)
            .ok()
            .map(|(element, _)| element)
    }

    /// The bytes of a value; none where there is no such element.
    pub(super) fn value(&self, tag: Tag) -> &[u8] {
        self.element(tag).map_or(&[], |element| element.value)
    }

    /// The value of an element of the data set, up to the pixels, as text.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let element = self.element(tag)?;
        Some(element.text()).filter(|text| !text.is_empty())
    }

    /// The class that the file meta information names; empty where it names none.
    pub(super) fn media_class(&self) -> String {
        let mut rest = match self.before().get(PREAMBLE..PREAMBLE + 4) {
            Some(MAGIC) => self.before().get(PREAMBLE + 4..).unwrap_or(&[]),
            _ => self.before(),
        };
        while let Ok((element, after)) = elements::next(rest, Coding::EXPLICIT, 0) {
            if element.tag == tags::MEDIA_STORAGE_SOP_CLASS_UID {
                return element.text();
            }
            rest = after;
        }
        String::new()
    }

    /// The VR of an element that is there: that of the dictionary where the file does not say.
    pub(super) fn vr(&self, tag: Tag) -> Option<VR> {
        self.element(tag).map(|element| element.vr)
    }

    /// Puts parts together as the file's transfer syntax has them; what follows preamble and meta
    /// information is deflated where it was.
    pub(super) fn write(
        &self,
        out: &mut std::fs::File,
        before: &[u8],
        data: &[&[u8]],
    ) -> std::io::Result<()> {
        out.write_all(before)?;
        if !self.structure.syntax.deflated {
            return data.iter().try_for_each(|part| out.write_all(part));
        }
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        data.iter().try_for_each(|part| deflated.write_all(part))?;
        let mut deflated = deflated.finish()?;
        // A stream of odd length is padded (PS3.5 A.5).
        if deflated.len() % 2 == 1 {
            deflated.push(0);
        }
        out.write_all(&deflated)
    }

    /// Preamble and meta information with other UIDs of class and instance, nothing else changed;
    /// a file without meta information stays without.
    pub(super) fn before_with(
        &self,
        class: Option<&[u8]>,
        instance: Option<&[u8]>,
    ) -> Result<Vec<u8>, Broken> {
        let before = self.before();
        let meta = match before.get(PREAMBLE..PREAMBLE + 4) {
            Some(MAGIC) => PREAMBLE + 4,
            _ => 0,
        };
        let (start, meta) = before.split_at_checked(meta).ok_or(Broken)?;
        let mut out = start.to_vec();
        let mut change = |element: &Element<'_>| {
            let uid = match element.tag {
                tags::MEDIA_STORAGE_SOP_CLASS_UID => class,
                tags::MEDIA_STORAGE_SOP_INSTANCE_UID => instance,
                _ => None,
            };
            uid.map_or(Change::Keep, |uid| Change::Value(uid.to_vec()))
        };
        out.extend(elements::rewrite(meta, Coding::EXPLICIT, &[], &mut change)?);
        Ok(out)
    }
}

/// The class that says who wrote a file, under the root of UUIDs.
const IMPLEMENTATION: &str = "2.25.302043790172249692526321623266752743501";

/// Preamble and meta information of a file that is written here.
pub(super) fn meta(class: &str, instance: &str, syntax: &str) -> Result<Vec<u8>, Broken> {
    let mut elements = Vec::new();
    let mut put = |tag, vr, value: &[u8]| -> Result<(), Broken> {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == VR::UI { 0 } else { b' ' });
        }
        elements.extend(elements::spell(tag, vr, &value, Coding::EXPLICIT)?);
        Ok(())
    };
    put(tags::FILE_META_INFORMATION_VERSION, VR::OB, &[0, 1])?;
    put(tags::MEDIA_STORAGE_SOP_CLASS_UID, VR::UI, class.as_bytes())?;
    put(
        tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
        VR::UI,
        instance.as_bytes(),
    )?;
    put(tags::TRANSFER_SYNTAX_UID, VR::UI, syntax.as_bytes())?;
    put(
        tags::IMPLEMENTATION_CLASS_UID,
        VR::UI,
        IMPLEMENTATION.as_bytes(),
    )?;
    put(tags::IMPLEMENTATION_VERSION_NAME, VR::SH, b"VOXPREP")?;
    let length = u32::try_from(elements.len()).map_err(|_| Broken)?;
    let mut out = vec![0; PREAMBLE];
    out.extend_from_slice(MAGIC);
    out.extend(elements::spell(
        tags::FILE_META_INFORMATION_GROUP_LENGTH,
        VR::UL,
        &length.to_le_bytes(),
        Coding::EXPLICIT,
    )?);
    out.extend(elements);
    Ok(out)
}
