//! One file, as far as putting slices together needs it: the shape of its frames, and for each
//! frame where it is, how its numbers become values, and what tells it from others at its place.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use dicom_core::Tag;
use dicom_core::value::PrimitiveValue;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use voxprep_core::kernels::affine::{cross, dot, norm};

use super::attributes::Attributes;
use super::scan::{self, Bytes, Numbers, PixelElement, Structure, Syntax};
use super::{csa, lut};
use crate::error::{Error, Result};
use crate::source::COPY_AGAIN;

/// Frames of one file, at most: real objects stay below a hundred thousand.
const FRAMES: i64 = 1 << 20;
/// Rows and columns are 16-bit numbers.
const SIDE: i64 = 65_535;

/// What the numbers of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photometric {
    /// Grey, dark to bright.
    Grey,
    /// MONOCHROME1: bright to dark.
    Inverted,
    Palette,
    Rgb,
    /// YBR_FULL; `halved` where two neighbours share their colour (YBR_FULL_422).
    Ybr {
        halved: bool,
    },
    /// A colour model that only a decoder turns into RGB (YBR_RCT, YBR_ICT).
    Coded,
}

/// How the frames of a file are stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) samples: usize,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) high_bit: u16,
    pub(super) signed: bool,
    pub(super) planar: bool,
    pub(super) photometric: Photometric,
    pub(super) frames: usize,
}

/// `value = stored * slope + intercept`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rescale {
    pub(super) slope: f64,
    pub(super) intercept: f64,
}

/// Which of the tiles of a mosaic a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// The first row and column.
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Where the distance between pixels was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpacingFrom {
    /// In the patient.
    Patient,
    /// At the detector: larger than in the patient, by the magnification.
    Detector,
    Nowhere,
}

/// What tells frames at one place from each other, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Trait {
    Echo,
    Time,
    Trigger,
    Acquisition,
    Component,
    Diffusion,
    Kernel,
    Stack,
    Inversion,
    /// The order of the instances, where nothing else tells.
    Order,
}

impl Trait {
    pub(super) const ALL: [Self; 9] = [
        Self::Echo,
        Self::Time,
        Self::Trigger,
        Self::Acquisition,
        Self::Component,
        Self::Diffusion,
        Self::Kernel,
        Self::Stack,
        Self::Inversion,
    ];

    /// Whether frames that differ in it are points of one series of measurements, channels of one
    /// volume that is; others are volumes of their own.
    pub(super) fn is_channel(self) -> bool {
        matches!(
            self,
            Self::Time | Self::Trigger | Self::Acquisition | Self::Diffusion | Self::Order
        )
    }
}

/// The value of a trait: numbers, or a word.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Mark {
    Numbers(Vec<f64>),
    Word(String),
}

/// One frame.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Which of the file's frames holds its pixels.
    pub(super) index: usize,
    pub(super) tile: Option<Tile>,
    /// The centre of the first pixel, LPS mm.
    pub(super) position: Option<[f64; 3]>,
    /// Unit vectors along a row (x) and along a column (y).
    pub(super) axes: Option<[[f64; 3]; 2]>,
    /// Between columns (x) and between rows (y), mm.
    pub(super) spacing: [f64; 2],
    pub(super) spacing_from: SpacingFrom,
    pub(super) thickness: Option<f64>,
    pub(super) between: Option<f64>,
    pub(super) rescale: Option<Rescale>,
    pub(super) rescale_type: Option<String>,
    /// Philips' own scale, in which values of several scans can be compared.
    pub(super) precise: Option<Rescale>,
    pub(super) marks: Vec<(Trait, Mark)>,
    /// Of a segmentation: the segment.
    pub(super) segment: Option<i64>,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) path: PathBuf,
    pub(super) syntax: Syntax,
    pub(super) pixels: PixelElement,
    pub(super) shape: Shape,
    pub(super) modality: String,
    pub(super) class: String,
    pub(super) uid: String,
    pub(super) series: String,
    pub(super) series_number: Option<i64>,
    pub(super) description: String,
    pub(super) frame_of_reference: String,
    pub(super) number: Option<i64>,
    pub(super) image_type: Vec<String>,
    /// The stored values, from and to, that mean "no measurement".
    pub(super) padding: Option<[i64; 2]>,
    /// The modality look-up table.
    pub(super) lut: Option<lut::Lut>,
    /// Seconds between points of time.
    pub(super) repetition: Option<f64>,
    pub(super) assumed: Option<String>,
    /// Columns and rows of a frame: of a mosaic, of its tiles.
    pub(super) size: [usize; 2],
    /// Bytes of the file.
    pub(super) len: u64,
    pub(super) frames: Vec<Frame>,
}

/// What the header of a file says, and how the file is built.
pub(super) struct Opened {
    /// Bytes of the file.
    pub(super) len: u64,
    pub(super) structure: Structure,
    pub(super) object: InMemDicomObject,
}

/// Opens a file and reads its header, up to the pixel data.
///
/// # Errors
/// [`Error::Io`] where the system refuses, [`Error::Input`] where the header is damaged.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let (mut bytes, len) = Bytes::open(path)?;
    let structure = scan::scan(&mut bytes, path)?;
    let header = bytes.read(structure.dataset, structure.end, path)?;
    let sound = |element: &&scan::Element| !element.mixed;
    let header: Cow<'_, [u8]> = if structure.elements.iter().all(|e| !e.mixed) {
        Cow::Borrowed(header)
    } else {
        let parts = structure.elements.iter().filter(sound).map(|element| {
            let [start, end] =
                [element.start, element.end].map(|at| (at - structure.dataset) as usize);
            header.get(start..end).unwrap_or(&[])
        });
        Cow::Owned(parts.collect::<Vec<_>>().concat())
    };
    let syntax = &structure.syntax;
    // What the pixels are coded as is of no concern here, and a deflated header was inflated.
    let syntax = match (syntax.explicit, syntax.big_endian) {
        (true, true) => EXPLICIT_VR_BIG_ENDIAN.erased(),
        (true, false) => EXPLICIT_VR_LITTLE_ENDIAN.erased(),
        (false, _) => IMPLICIT_VR_LITTLE_ENDIAN.erased(),
    };
    let wrong = || Error::input(path, "the header cannot be taken apart").remedy(COPY_AGAIN);
    let parsed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        InMemDicomObject::read_dataset_with_ts(header.as_ref(), &syntax)
    }));
    let object = parsed.map_err(|_| wrong())?.map_err(|error| {
        tracing::debug!("{error:?}: {}", path.display());
        wrong()
    })?;
    Ok(Opened {
        len,
        structure,
        object,
    })
}

/// A value from the functional groups of one frame, else from those of all, else from the header.
struct Groups<'a> {
    header: &'a InMemDicomObject,
    shared: Option<&'a InMemDicomObject>,
    own: Option<&'a InMemDicomObject>,
}

impl<'a> Groups<'a> {
    /// The item of a macro that has this attribute: of the frame, else of all, else the header, where
    /// objects without functional groups have it.
    fn with(&self, group: Tag, tag: Tag) -> Option<&'a InMemDicomObject> {
        let grouped = self.own.is_some() || self.shared.is_some();
        let inside = [self.own, self.shared]
            .into_iter()
            .flatten()
            .filter_map(|groups| groups.item_of(group))
            .find(|item| item.get(tag).is_some());
        inside.or_else(|| (!grouped || self.header.get(tag).is_some()).then_some(self.header))
    }
}

impl Instance {
    /// Reads what a header says of an image; `None` of an object without pixels.
    ///
    /// # Errors
    /// [`Error::Input`] and [`Error::Unsupported`] where the header contradicts itself.
    pub(super) fn of(path: &Path, opened: &Opened) -> Result<Option<Self>> {
        let object = &opened.object;
        let Some(pixels) = opened.structure.pixels else {
            // An image without its pixels was cut off: a slice that must not be missed.
            if object.get(tags::ROWS).is_some() && object.get(tags::COLUMNS).is_some() {
                return Err(Error::input(path, "the image has no pixels")
                    .field("(7FE0,0010) PixelData")
                    .remedy(COPY_AGAIN));
            }
            return Ok(None);
        };
        let shape = Shape::of(path, object)?;
        let modality = object.text(tags::MODALITY).unwrap_or_default();
        let class = object.text(tags::SOP_CLASS_UID).unwrap_or_default();
        let mut instance = Self {
            path: path.to_owned(),
            syntax: opened.structure.syntax.clone(),
            pixels,
            padding: padding(object, shape.signed),
            lut: object
                .item_of(tags::MODALITY_LUT_SEQUENCE)
                .map(|item| lut::Lut::of(path, item, shape.signed))
                .transpose()?,
            shape,
            modality,
            class,
            uid: object.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
            series: object.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
            series_number: object.integer(tags::SERIES_NUMBER),
            description: object.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
            frame_of_reference: object
                .text(tags::FRAME_OF_REFERENCE_UID)
                .unwrap_or_default(),
            number: object.integer(tags::INSTANCE_NUMBER),
            image_type: object.texts(tags::IMAGE_TYPE),
            repetition: seconds(object),
            assumed: opened.structure.assumed.clone(),
            size: [0, 0],
            len: opened.len,
            frames: Vec::new(),
        };
        let bits = match pixels.numbers {
            Numbers::Integer => None,
            Numbers::Float => Some(32),
            Numbers::Double => Some(64),
        };
        if bits.is_some_and(|bits| bits != instance.shape.bits_allocated) {
            return Err(
                Error::input(path, "floating-point pixels of another length")
                    .field("(0028,0100) BitsAllocated")
                    .remedy(COPY_AGAIN),
            );
        }
        instance.check_size()?;
        instance.size = [instance.shape.columns, instance.shape.rows];
        instance.frames = match mosaic(object) {
            Some(mosaic) => {
                if mosaic.normal.is_none() {
                    let doubt = "the header does not say which way the slices of the mosaic are stacked; along the normal is assumed";
                    instance.assumed.get_or_insert_with(|| doubt.to_owned());
                }
                let side = mosaic.side();
                instance.size = instance.size.map(|length| length / side);
                mosaic.frames(&instance, object)?
            }
            None => instance.frames_of(object)?,
        };
        Ok(Some(instance))
    }

    /// Refuses a file whose header declares more pixels than the file can hold, before anything is
    /// allocated for them.
    fn check_size(&self) -> Result<()> {
        let frames = self.shape.frames as u64;
        let declared = self
            .shape
            .frame_bits()
            .checked_mul(frames)
            .map(|bits| bits.div_ceil(8));
        let most = match self.pixels.length {
            Some(length) if self.syntax.deflated => Some(length),
            Some(length) => Some(length.min(self.len.saturating_sub(self.pixels.start))),
            // A frame has at least one fragment, and that a head of eight bytes.
            None if frames > self.len / 8 => Some(0),
            None => None,
        };
        let Some(most) = most else {
            return Ok(());
        };
        match declared {
            Some(declared) if declared <= most => Ok(()),
            _ => {
                let declared = declared.map_or_else(|| "more".to_owned(), |n| n.to_string());
                let reason = format!(
                    "the header declares {declared} bytes of pixels, the file holds {most}"
                );
                Err(Error::input(&self.path, reason).remedy(COPY_AGAIN))
            }
        }
    }

    fn frames_of(&self, object: &InMemDicomObject) -> Result<Vec<Frame>> {
        let count = self.shape.frames;
        let own = object.items_of(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        // More of them than frames are left over from a file of which frames were taken.
        if !own.is_empty() && own.len() < count {
            let reason = format!(
                "{count} frames, but functional groups for {} only",
                own.len()
            );
            return Err(Error::input(&self.path, reason)
                .field("(0028,0008) NumberOfFrames")
                .remedy(COPY_AGAIN));
        }
        let shared = object.item_of(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        // Objects older than the functional groups: doses, nuclear medicine.
        let offsets = object.numbers(tags::GRID_FRAME_OFFSET_VECTOR);
        let offsets = offsets.filter(|offsets| offsets.len() == count && own.is_empty());
        let slices = object.number(tags::SPACING_BETWEEN_SLICES);
        // Of nuclear medicine, only frames that are nothing but slices are stacked.
        let pointer = object.get(tags::FRAME_INCREMENT_POINTER);
        let pointer = pointer
            .and_then(|e| e.value().primitive())
            .map(|value| match value {
                PrimitiveValue::Tags(tags) => tags.to_vec(),
                _ => Vec::new(),
            });
        let nuclear = pointer.as_deref() == Some(&[tags::SLICE_VECTOR]);
        let mut frames = Vec::with_capacity(count);
        for index in 0..count {
            let groups = Groups {
                header: object,
                shared,
                own: own.get(index),
            };
            let mut frame = self.frame(index, &groups);
            if let Some(detector) = object.item_of(tags::DETECTOR_INFORMATION_SEQUENCE) {
                let place = detector.vector(tags::IMAGE_POSITION_PATIENT);
                frame.position = frame.position.or(place);
                let cosines = detector.vector::<6>(tags::IMAGE_ORIENTATION_PATIENT);
                frame.axes = frame.axes.or(cosines.and_then(axes));
            }
            let offset = match (&offsets, slices) {
                (Some(offsets), _) => offsets.get(index).map(|offset| {
                    // Offsets are relative to the first frame, or, in old files, positions.
                    offset - offsets.first().copied().unwrap_or(0.0)
                }),
                (None, Some(step)) if own.is_empty() && count > 1 && nuclear => {
                    Some(step * index as f64)
                }
                _ => None,
            };
            if let (Some(offset), Some(position), Some([x, y])) =
                (offset, &mut frame.position, frame.axes)
            {
                let normal = cross(x, y);
                for (p, n) in position.iter_mut().zip(normal) {
                    *p += n * offset;
                }
            } else if count > 1 && own.is_empty() {
                // A cine loop, or a scan of pages: no place in the patient but that of the first.
                frame.position = None;
                frame
                    .marks
                    .push((Trait::Time, Mark::Numbers(vec![index as f64])));
            }
            frames.push(frame);
        }
        Ok(frames)
    }

    fn frame(&self, index: usize, groups: &Groups<'_>) -> Frame {
        let position = groups
            .with(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT)
            .and_then(|item| item.vector(tags::IMAGE_POSITION_PATIENT));
        let axes = groups
            .with(
                tags::PLANE_ORIENTATION_SEQUENCE,
                tags::IMAGE_ORIENTATION_PATIENT,
            )
            .and_then(|item| item.vector::<6>(tags::IMAGE_ORIENTATION_PATIENT))
            .and_then(axes);
        let measures = |tag| {
            groups
                .with(tags::PIXEL_MEASURES_SEQUENCE, tag)
                .filter(|item| item.get(tag).is_some())
        };
        let (spacing, spacing_from) = spacing(groups.header, measures(tags::PIXEL_SPACING));
        let values = |tag| groups.with(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tag);
        let transformation =
            values(tags::RESCALE_SLOPE).or_else(|| values(tags::RESCALE_INTERCEPT));
        let rescale = transformation.and_then(|item| {
            let slope = item.number(tags::RESCALE_SLOPE);
            let intercept = item.number(tags::RESCALE_INTERCEPT);
            // A slope of zero would make everything one value: writers mean "none".
            let slope = slope.filter(|slope| *slope != 0.0);
            (slope.is_some() || intercept.is_some()).then(|| Rescale {
                slope: slope.unwrap_or(1.0),
                intercept: intercept.unwrap_or(0.0),
            })
        });
        let dose = groups.header.number(tags::DOSE_GRID_SCALING);
        let rescale = rescale.or_else(|| {
            dose.filter(|slope| *slope != 0.0).map(|slope| Rescale {
                slope,
                intercept: 0.0,
            })
        });
        Frame {
            index,
            tile: None,
            position,
            axes,
            spacing,
            spacing_from,
            thickness: measures(tags::SLICE_THICKNESS)
                .and_then(|item| item.number(tags::SLICE_THICKNESS))
                .filter(|t| *t > 0.0),
            between: measures(tags::SPACING_BETWEEN_SLICES)
                .and_then(|item| item.number(tags::SPACING_BETWEEN_SLICES))
                .map(f64::abs)
                .filter(|t| *t > 0.0),
            rescale,
            precise: precise(groups, rescale),
            rescale_type: transformation.and_then(|item| item.text(tags::RESCALE_TYPE)),
            marks: marks(self, groups),
            segment: groups
                .with(
                    tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                    tags::REFERENCED_SEGMENT_NUMBER,
                )
                .and_then(|item| item.integer(tags::REFERENCED_SEGMENT_NUMBER)),
        }
    }

    /// Whether this is a segmentation object.
    pub(super) fn is_segmentation(&self) -> bool {
        self.modality == "SEG" || self.class == "1.2.840.10008.5.1.4.1.1.66.4"
    }

    /// Whether this is a planning image: it shows where the others are.
    pub(super) fn is_localizer(&self) -> bool {
        let kind = self.image_type.get(2).map(String::as_str);
        matches!(kind, Some("LOCALIZER" | "SCOUT" | "SURVEY"))
    }
}

impl Shape {
    fn of(path: &Path, object: &InMemDicomObject) -> Result<Self> {
        let wrong = |tag: Tag, name: &str, reason: String| {
            Error::input(path, reason)
                .field(format!(
                    "({:04X},{:04X}) {name}",
                    tag.group(),
                    tag.element()
                ))
                .remedy(COPY_AGAIN)
        };
        let whole =
            |tag: Tag, name: &str, range: std::ops::RangeInclusive<i64>, default: Option<i64>| {
                let stated = object.integer(tag);
                let value = match (
                    stated,
                    object
                        .get(tag)
                        .is_some_and(|e| e.value().multiplicity() > 0),
                ) {
                    (Some(value), _) => value,
                    (None, true) => {
                        return Err(wrong(tag, name, "the value is no whole number".into()));
                    }
                    (None, false) => {
                        default.ok_or_else(|| wrong(tag, name, "the value is missing".into()))?
                    }
                };
                if range.contains(&value) {
                    Ok(value)
                } else {
                    Err(wrong(tag, name, format!("{value} is out of range")))
                }
            };
        let rows = whole(tags::ROWS, "Rows", 1..=SIDE, None)?;
        let columns = whole(tags::COLUMNS, "Columns", 1..=SIDE, None)?;
        let samples = whole(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", 1..=4, Some(1))?;
        let allocated = whole(tags::BITS_ALLOCATED, "BitsAllocated", 1..=64, None)?;
        if ![1, 8, 16, 32, 64].contains(&allocated) {
            let reason = format!("pixels of {allocated} bits are not read");
            return Err(Error::unsupported(path, reason)
                .field("(0028,0100) BitsAllocated")
                .remedy("convert them to 16 bits with the program that wrote them"));
        }
        let stored = whole(
            tags::BITS_STORED,
            "BitsStored",
            1..=allocated,
            Some(allocated),
        )?;
        let high = whole(
            tags::HIGH_BIT,
            "HighBit",
            stored - 1..=allocated - 1,
            Some(stored - 1),
        )?;
        let signed = whole(
            tags::PIXEL_REPRESENTATION,
            "PixelRepresentation",
            0..=1,
            Some(0),
        )? == 1;
        let planar = whole(
            tags::PLANAR_CONFIGURATION,
            "PlanarConfiguration",
            0..=1,
            Some(0),
        )? == 1;
        let frames = whole(
            tags::NUMBER_OF_FRAMES,
            "NumberOfFrames",
            0..=FRAMES,
            Some(1),
        )?
        .max(1);
        let photometric = match object.text(tags::PHOTOMETRIC_INTERPRETATION).as_deref() {
            Some("MONOCHROME2") => Photometric::Grey,
            Some("MONOCHROME1") => Photometric::Inverted,
            Some("PALETTE COLOR") => Photometric::Palette,
            Some("RGB") => Photometric::Rgb,
            Some("YBR_FULL") => Photometric::Ybr { halved: false },
            Some("YBR_FULL_422") => Photometric::Ybr { halved: true },
            Some("YBR_RCT" | "YBR_ICT") => Photometric::Coded,
            None if samples == 1 => Photometric::Grey,
            None => Photometric::Rgb,
            Some(other) => {
                let other: String = other
                    .chars()
                    .filter(|c| c.is_ascii_graphic())
                    .take(24)
                    .collect();
                let reason = format!("the colour model {other} is not read");
                return Err(Error::unsupported(path, reason)
                    .field("(0028,0004) PhotometricInterpretation")
                    .remedy("convert it to RGB or MONOCHROME2 with the program that wrote it"));
            }
        };
        let colours = !matches!(
            photometric,
            Photometric::Grey | Photometric::Inverted | Photometric::Palette
        );
        if samples != if colours { 3 } else { 1 } {
            return Err(wrong(
                tags::SAMPLES_PER_PIXEL,
                "SamplesPerPixel",
                format!("{samples} samples contradict the colour model"),
            ));
        }
        if (colours || photometric == Photometric::Palette) && allocated > 16 {
            return Err(Error::unsupported(
                path,
                format!("colours of {allocated} bits are not read"),
            )
            .field("(0028,0100) BitsAllocated")
            .remedy("convert them to 8 bits with the program that wrote them"));
        }
        Ok(Self {
            rows: rows as usize,
            columns: columns as usize,
            samples: samples as usize,
            bits_allocated: allocated as u16,
            bits_stored: stored as u16,
            high_bit: high as u16,
            signed,
            planar,
            photometric,
            frames: frames as usize,
        })
    }

    /// The least and the greatest stored value.
    pub(super) fn range(&self) -> [f64; 2] {
        let bits = i32::from(self.bits_stored);
        if self.signed {
            [-(2_f64.powi(bits - 1)), 2_f64.powi(bits - 1) - 1.0]
        } else {
            [0.0, 2_f64.powi(bits) - 1.0]
        }
    }

    /// Channels that the pixels have once they are grey or RGB.
    pub(super) fn channels(&self) -> usize {
        match self.photometric {
            Photometric::Grey | Photometric::Inverted => 1,
            _ => 3,
        }
    }
}

/// A number of an element whose VR may be US or SS, by the sign of the pixels.
pub(super) fn signed(value: i64, signed: bool) -> i64 {
    if signed && (32_768..65_536).contains(&value) {
        value - 65_536
    } else {
        value
    }
}

fn padding(object: &InMemDicomObject, is_signed: bool) -> Option<[i64; 2]> {
    let value = signed(object.integer(tags::PIXEL_PADDING_VALUE)?, is_signed);
    let limit = object.integer(tags::PIXEL_PADDING_RANGE_LIMIT);
    let limit = limit.map_or(value, |limit| signed(limit, is_signed));
    Some([value.min(limit), value.max(limit)])
}

/// Orthonormal axes of an image, from six direction cosines.
fn axes(cosines: [f64; 6]) -> Option<[[f64; 3]; 2]> {
    let [a, b, c, d, e, f] = cosines;
    let (x, y) = ([a, b, c], [d, e, f]);
    let (nx, ny) = (norm(x), norm(y));
    let fine = (0.5..2.0).contains(&nx) && (0.5..2.0).contains(&ny);
    let (x, y) = (x.map(|v| v / nx), y.map(|v| v / ny));
    (fine && dot(x, y).abs() < 1e-3).then_some([x, y])
}

/// The distance of pixels, x then y, and where it was found.
fn spacing(
    header: &InMemDicomObject,
    measured: Option<&InMemDicomObject>,
) -> ([f64; 2], SpacingFrom) {
    // DICOM gives the distance of rows first: that is y.
    let pair = |object: &InMemDicomObject, tag| -> Option<[f64; 2]> {
        let [y, x] = object.vector(tag)?;
        (x != 0.0 && y != 0.0).then_some([x.abs(), y.abs()])
    };
    if let Some(spacing) = measured.and_then(|item| pair(item, tags::PIXEL_SPACING)) {
        return (spacing, SpacingFrom::Patient);
    }
    for tag in [
        tags::IMAGER_PIXEL_SPACING,
        tags::NOMINAL_SCANNED_PIXEL_SPACING,
    ] {
        if let Some(spacing) = pair(header, tag) {
            return (spacing, SpacingFrom::Detector);
        }
    }
    ([1.0, 1.0], SpacingFrom::Nowhere)
}

/// Philips' "floating point" values: `(stored * RS + RI) / (RS * SS)`, where the scale slope SS is
/// private (Chenevert et al., "Errors in quantitative image analysis due to platform-dependent image
/// scaling", Transl Oncol 2014).
fn precise(groups: &Groups<'_>, rescale: Option<Rescale>) -> Option<Rescale> {
    const SCALE_SLOPE: Tag = Tag(0x2005, 0x100E);
    let maker = groups.header.text(tags::MANUFACTURER).unwrap_or_default();
    if !maker.to_ascii_uppercase().contains("PHILIPS") {
        return None;
    }
    let own = groups.own.and_then(|own| own.item_of(Tag(0x2005, 0x140F)));
    let scale = own
        .and_then(|item| item.number(SCALE_SLOPE))
        .or_else(|| groups.header.number(SCALE_SLOPE))
        .filter(|scale| *scale > 0.0)?;
    let Rescale { slope, intercept } = rescale.unwrap_or(Rescale {
        slope: 1.0,
        intercept: 0.0,
    });
    Some(Rescale {
        slope: 1.0 / scale,
        intercept: intercept / (slope * scale),
    })
}

/// Seconds from one volume to the next: the temporal resolution, else the repetition time of an
/// echo-planar scan, wherever that is stated.
fn seconds(object: &InMemDicomObject) -> Option<f64> {
    let stated = object.number(tags::TEMPORAL_RESOLUTION);
    if let Some(ms) = stated.filter(|ms| *ms > 0.0) {
        return Some(ms / 1000.0);
    }
    // Of other sequences the repetition time is that of a line, not of a volume.
    let planar = object
        .texts(tags::SCANNING_SEQUENCE)
        .iter()
        .any(|word| word == "EP")
        || object.text(tags::ECHO_PLANAR_PULSE_SEQUENCE).as_deref() == Some("YES");
    if !planar {
        return None;
    }
    let timing = tags::MR_TIMING_AND_RELATED_PARAMETERS_SEQUENCE;
    let groups = [
        object.item_of(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE),
        object.item_of(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE),
    ];
    let inside = groups
        .into_iter()
        .flatten()
        .find_map(|groups| groups.item_of(timing)?.number(tags::REPETITION_TIME));
    let time = inside.or_else(|| object.number(tags::REPETITION_TIME));
    time.filter(|ms| *ms > 0.0).map(|ms| ms / 1000.0)
}

fn marks(instance: &Instance, groups: &Groups<'_>) -> Vec<(Trait, Mark)> {
    let header = groups.header;
    let number = |group, tag| {
        groups
            .with(group, tag)
            .and_then(|item| item.number(tag))
            .map(|n| Mark::Numbers(vec![n]))
    };
    let content = tags::FRAME_CONTENT_SEQUENCE;
    let time = number(content, tags::TEMPORAL_POSITION_INDEX)
        .or_else(|| number(content, tags::TEMPORAL_POSITION_IDENTIFIER));
    let echo = number(tags::MR_ECHO_SEQUENCE, tags::EFFECTIVE_ECHO_TIME)
        .or_else(|| number(tags::MR_ECHO_SEQUENCE, tags::ECHO_TIME));
    let trigger = number(
        tags::CARDIAC_SYNCHRONIZATION_SEQUENCE,
        tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME,
    )
    .or_else(|| {
        header
            .number(tags::TRIGGER_TIME)
            .map(|n| Mark::Numbers(vec![n]))
    });
    let acquisition = number(content, tags::FRAME_ACQUISITION_NUMBER).or_else(|| {
        let number = header.number(tags::ACQUISITION_NUMBER)?;
        Some(Mark::Numbers(vec![number]))
    });
    let kinds = [
        tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
        tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
    ];
    let component = kinds.into_iter().find_map(|group| {
        let item = groups.with(group, tags::FRAME_TYPE)?;
        let words = item.texts(tags::FRAME_TYPE);
        (!words.is_empty()).then_some(words)
    });
    let component = component.unwrap_or_else(|| instance.image_type.clone());
    let component = component.get(2..).unwrap_or(&[]).join("\\");
    let component = (!component.is_empty()).then_some(Mark::Word(component));
    let kernel = [
        groups.with(tags::CT_RECONSTRUCTION_SEQUENCE, tags::CONVOLUTION_KERNEL),
        Some(header),
    ]
    .into_iter()
    .flatten()
    .map(|item| item.texts(tags::CONVOLUTION_KERNEL).join("\\"))
    .find(|words| !words.is_empty())
    .map(Mark::Word);
    let stack = groups
        .with(content, tags::STACK_ID)
        .and_then(|item| item.text(tags::STACK_ID))
        .map(Mark::Word);
    let inversion = number(tags::MR_MODIFIER_SEQUENCE, tags::INVERSION_TIMES).or_else(|| {
        header
            .number(tags::INVERSION_TIME)
            .map(|n| Mark::Numbers(vec![n]))
    });
    let found = [
        (Trait::Echo, echo),
        (Trait::Time, time),
        (Trait::Trigger, trigger),
        (Trait::Acquisition, acquisition),
        (Trait::Component, component),
        (Trait::Diffusion, diffusion(groups)),
        (Trait::Kernel, kernel),
        (Trait::Stack, stack),
        (Trait::Inversion, inversion),
    ];
    let found = found.into_iter();
    found.filter_map(|(t, mark)| Some((t, mark?))).collect()
}

/// b-value and direction of diffusion weighting: by the standard, else as Siemens, Philips or GE
/// put it into private elements.
fn diffusion(groups: &Groups<'_>) -> Option<Mark> {
    let header = groups.header;
    let standard = groups.with(tags::MR_DIFFUSION_SEQUENCE, tags::DIFFUSION_B_VALUE);
    let standard = standard.and_then(|item| {
        let b = item.number(tags::DIFFUSION_B_VALUE)?;
        let directions = item.item_of(tags::DIFFUSION_GRADIENT_DIRECTION_SEQUENCE);
        let direction = directions.unwrap_or(item);
        let direction: Option<[f64; 3]> = direction.vector(tags::DIFFUSION_GRADIENT_ORIENTATION);
        Some((b, direction))
    });
    let maker = header
        .text(tags::MANUFACTURER)
        .unwrap_or_default()
        .to_ascii_uppercase();
    let private = || match () {
        () if maker.contains("SIEMENS") => Some((
            header.number(Tag(0x0019, 0x100C))?,
            header.vector(Tag(0x0019, 0x100E)),
        )),
        () if maker.contains("PHILIPS") => {
            let parts = [0x10B0, 0x10B1, 0x10B2].map(|e| header.number(Tag(0x2005, e)));
            let direction = match parts {
                [Some(x), Some(y), Some(z)] => Some([x, y, z]),
                _ => None,
            };
            Some((header.number(Tag(0x2001, 0x1003))?, direction))
        }
        () if maker.starts_with("GE") => {
            let parts = [0x10BB, 0x10BC, 0x10BD].map(|e| header.number(Tag(0x0019, e)));
            let direction = match parts {
                [Some(x), Some(y), Some(z)] => Some([x, y, z]),
                _ => None,
            };
            // A large constant marks b-values that were changed by the pulse sequence.
            Some((header.number(Tag(0x0043, 0x1039))? % 1e9, direction))
        }
        () => None,
    };
    let (b, direction) = standard.or_else(private)?;
    let mut mark = vec![b];
    mark.extend(direction.into_iter().flatten());
    Some(Mark::Numbers(mark))
}

/// A mosaic: all slices of a volume as tiles of one image.
struct Mosaic {
    count: usize,
    normal: Option<[f64; 3]>,
}

/// What Siemens' header says of a mosaic, if the image is one.
fn mosaic(object: &InMemDicomObject) -> Option<Mosaic> {
    let is_mosaic = object
        .texts(tags::IMAGE_TYPE)
        .iter()
        .any(|word| word == "MOSAIC");
    let csa = object
        .get(Tag(0x0029, 0x1010))
        .and_then(|e| e.to_bytes().ok());
    let csa = csa.as_deref().unwrap_or(&[]);
    let count = csa::numbers(csa, "NumberOfImagesInMosaic")
        .and_then(|n| n.first().copied())
        .or_else(|| is_mosaic.then(|| object.number(Tag(0x0019, 0x100A)))?)?;
    let normal = csa::numbers(csa, "SliceNormalVector").and_then(|n| n.get(..3)?.try_into().ok());
    let fine = is_mosaic && count >= 1.0 && count == count.trunc() && count <= 65_536.0;
    fine.then_some(Mosaic {
        count: count as usize,
        normal,
    })
}

impl Mosaic {
    /// Tiles side by side.
    fn side(&self) -> usize {
        (1..).find(|side| side * side >= self.count).unwrap_or(1)
    }

    /// The tiles, each with its place: what the header says is the place of the whole image, as if
    /// it were one slice with the middle of its tiles.
    fn frames(&self, instance: &Instance, object: &InMemDicomObject) -> Result<Vec<Frame>> {
        let shape = &instance.shape;
        let side = self.side();
        let [columns, rows] = instance.size;
        if shape.frames != 1 || rows * side != shape.rows || columns * side != shape.columns {
            let reason = format!(
                "{} tiles do not divide a mosaic of {} x {}",
                self.count, shape.columns, shape.rows
            );
            return Err(Error::input(&instance.path, reason).remedy(COPY_AGAIN));
        }
        let groups = Groups {
            header: object,
            shared: None,
            own: None,
        };
        let whole = instance.frame(0, &groups);
        let step = whole.between.or(whole.thickness).unwrap_or(1.0);
        let mut frames = Vec::with_capacity(self.count);
        for tile in 0..self.count {
            let mut frame = whole.clone();
            frame.tile = Some(Tile {
                row: tile / side * rows,
                column: tile % side * columns,
            });
            if let (Some(position), Some([x, y])) = (&mut frame.position, whole.axes) {
                let normal = cross(x, y);
                // Slices may be stacked against the normal of the image.
                let way = self.normal.map_or(1.0, |n| dot(n, normal).signum());
                let right = whole.spacing[0] * (shape.columns - columns) as f64 / 2.0;
                let down = whole.spacing[1] * (shape.rows - rows) as f64 / 2.0;
                for (axis, p) in position.iter_mut().enumerate() {
                    *p += x[axis] * right + y[axis] * down;
                    *p += normal[axis] * way * step * tile as f64;
                }
            }
            frames.push(frame);
        }
        Ok(frames)
    }
}
