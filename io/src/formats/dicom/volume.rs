//! Reads the voxels of a stack, frame by frame in parallel, straight into the volume.

use std::path::Path;

use dicom_object::InMemDicomObject;
use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::volume::{Header, Modality, Unit, Volume};
use voxprep_core::voxels::{ElementType, Voxels};
use voxprep_core::with_type;

use super::instance::{Frame, Instance, Photometric};
use super::pixels::{Pixels, Scratch, is_float};
use super::scan::Numbers;
use super::series::Stack;
use super::stack::Slice;
use super::values::{Conversion, Map, Overflow, Target, types};
use super::voi::Voi;
use crate::error::{Error, Result};
use crate::limits::{check_channels, check_voxels};
use crate::source::COPY_AGAIN;
use crate::{Padding, ReadOptions};

/// What air is, in Hounsfield units.
const AIR: f64 = -1000.0;

/// What kind of scan a modality's code stands for.
pub(super) fn modality(instance: &Instance) -> Option<Modality> {
    match instance.modality.as_str() {
        "CT" => Some(Modality::Ct),
        "MR" => Some(Modality::Mri),
        "CR" | "DX" | "DR" | "MG" | "RG" | "XA" | "RF" | "IO" | "PX" => Some(Modality::Xray),
        // A header may leave it out; the class of the object says it as well.
        "" => match instance.class.as_str() {
            "1.2.840.10008.5.1.4.1.1.2" | "1.2.840.10008.5.1.4.1.1.2.1" => Some(Modality::Ct),
            "1.2.840.10008.5.1.4.1.1.4" | "1.2.840.10008.5.1.4.1.1.4.1" => Some(Modality::Mri),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the header makes the values of a frame Hounsfield units.
fn is_hu(instance: &Instance, frame: &Frame) -> bool {
    if modality(instance) != Some(Modality::Ct) || instance.is_localizer() {
        return false;
    }
    match &instance.lut {
        Some(lut) => lut.kind.as_deref() == Some("HU"),
        // Without a type, a rescale of a CT is to Hounsfield units (PS3.3 C.8.2.1.1.6).
        None => frame.rescale.is_some() && frame.rescale_type.as_deref().is_none_or(|t| t == "HU"),
    }
}

/// A stack, and all that is needed to read it.
pub(super) struct Reader<'a> {
    instances: &'a [Instance],
    stack: &'a Stack,
    path: &'a Path,
    options: &'a ReadOptions,
    types: Vec<ElementType>,
    unit: Unit,
}

impl<'a> Reader<'a> {
    /// Looks at the headers of all frames.
    ///
    /// # Errors
    /// Where frames contradict each other, or an option asks for what they do not have.
    pub(super) fn new(
        instances: &'a [Instance],
        stack: &'a Stack,
        path: &'a Path,
        options: &'a ReadOptions,
    ) -> Result<Self> {
        let frames: Vec<(&Instance, &Frame)> = stack
            .frames
            .iter()
            .flatten()
            .filter_map(|(i, f)| {
                let instance = instances.get(*i)?;
                Some((instance, instance.frames.get(*f)?))
            })
            .collect();
        let Some((first, _)) = frames.first() else {
            return Err(Error::input(path, "the series has no frames"));
        };
        // Compressed pixels: what the file holds cannot be told from its length.
        let mut seen = None;
        for (instance, _) in &frames {
            if seen != Some(&instance.path) {
                let pixels = instance.shape.pixels() * instance.shape.frames;
                let values = (pixels * instance.shape.samples) as u64;
                check_voxels(&instance.path, values, instance.len, true, options)?;
                seen = Some(&instance.path);
            }
        }
        check_channels(
            path,
            stack.frames.len().saturating_mul(first.shape.channels()),
        )?;
        let all_hu = frames.iter().all(|(i, f)| is_hu(i, f));
        let has_rescale = frames
            .iter()
            .any(|(i, f)| f.rescale.is_some() || i.lut.is_some());
        let unit = match (all_hu, modality(first)) {
            (true, _) => Unit::Hu,
            // Numbers of a CT that nothing turns into Hounsfield units are those of the detector.
            (false, Some(Modality::Ct)) if !has_rescale => Unit::Raw,
            _ => Unit::Unknown,
        };
        if options.padding == Padding::Air && !all_hu {
            let reason = "padding becomes air only where values are Hounsfield units";
            return Err(Error::parameter(path, reason)
                .field("padding")
                .remedy("keep it, or make it NaN"));
        }
        let mut maps: Vec<Map> = Vec::new();
        let mut range = [f64::INFINITY, f64::NEG_INFINITY];
        for (instance, frame) in &frames {
            let map = map(instance, frame, options);
            let known = |other: &Map| match (other, &map) {
                (Map::Keep, Map::Keep) | (Map::Table(_), Map::Table(_)) => true,
                (Map::Add(a), Map::Add(b)) => a == b,
                (Map::Linear(a), Map::Linear(b)) => a == b,
                _ => false,
            };
            if !maps.iter().any(known) {
                maps.push(map);
            }
            let [low, high] = instance.shape.range();
            range = [range[0].min(low), range[1].max(high)];
        }
        // A whole number is a line, too, where another frame has a fraction.
        if maps.iter().any(|map| matches!(map, Map::Linear(_))) {
            maps = maps.iter().map(line).collect();
        }
        // Of frames stored in several ways the widest decides.
        let widest = frames
            .iter()
            .map(|(instance, _)| &instance.shape)
            .max_by_key(|shape| (shape.bits_allocated, shape.signed));
        let mut types = match (first.pixels.numbers, first.shape.photometric) {
            (Numbers::Float, _) => vec![ElementType::F32],
            (Numbers::Double, _) => vec![ElementType::F64],
            (_, Photometric::Palette) => vec![palette_type(first)?],
            (_, Photometric::Grey | Photometric::Inverted) => {
                widest.map_or_else(Vec::new, |shape| types(shape, &maps, range))
            }
            _ if first.shape.bits_allocated > 8 => vec![ElementType::U16],
            _ => vec![ElementType::U8],
        };
        if options.philips_precise && frames.iter().any(|(_, frame)| frame.precise.is_none()) {
            let reason = "not every frame says in which scale its values can be compared";
            return Err(Error::parameter(path, reason)
                .field("philips_precise")
                .remedy("leave it out"));
        }
        let mut unit = unit;
        if options.voi && options.padding != Padding::Keep {
            let reason = "what is shown is 0 to 1, and has no padding";
            return Err(Error::parameter(path, reason)
                .field("padding")
                .remedy("leave it out"));
        }
        if options.voi {
            let plain = |(i, _): &(&Instance, &Frame)| {
                i.shape.channels() == 1 && i.shape.bits_stored <= 16 && !is_float(i)
            };
            if !frames.iter().all(plain) {
                let reason = "what is shown is only known of grey images of at most 16 bits";
                return Err(Error::parameter(path, reason)
                    .field("voi")
                    .remedy("leave it out"));
            }
            types = vec![ElementType::F32];
            unit = Unit::Normalised;
        }
        let nan =
            options.padding == Padding::Nan && frames.iter().any(|(i, _)| i.padding.is_some());
        let blank = match &stack.placed {
            Some(Ok(placed)) => placed.slices.contains(&Slice::Blank),
            _ => false,
        };
        if nan || blank {
            let wide = matches!(types.first(), Some(ElementType::I32 | ElementType::F64));
            types = vec![if wide {
                ElementType::F64
            } else {
                ElementType::F32
            }];
        }
        Ok(Self {
            instances,
            stack,
            path,
            options,
            types,
            unit,
        })
    }

    /// The header, whose type is the usual one.
    pub(super) fn header(&self) -> Result<Header> {
        let geometry = self.stack.geometry(self.instances, self.path)?;
        let usual = self.types.first().copied().unwrap_or(ElementType::F64);
        let mut header = Header::new(geometry, usual);
        header.channels = self.stack.header_channels(self.instances);
        header.unit = self.unit;
        header.modality = self
            .stack
            .first(self.instances)
            .and_then(|(i, _)| modality(i));
        Ok(header)
    }

    /// Reads the voxels, in the first type that holds them all.
    pub(super) fn read(&self, mut header: Header) -> Result<Volume> {
        let mut last = None;
        for element_type in &self.types {
            let outcome = with_type!(*element_type, T => self.fill::<T>(&header))?;
            if let Some(voxels) = outcome {
                header.element_type = *element_type;
                return Volume::with_header(header, voxels).map_err(|e| Error::core(self.path, e));
            }
            last = Some(*element_type);
        }
        let held = last.map_or_else(String::new, |t| format!(" {t}"));
        Err(Error::unsupported(
            self.path,
            format!("the pixels hold numbers that not even{held} holds exactly"),
        )
        .remedy("store them in at most 32 bits"))
    }

    /// Fills voxels of one type; `None` where a value does not fit it.
    fn fill<T: Target>(&self, header: &Header) -> Result<Option<Voxels>> {
        let core = |e| Error::core(self.path, e);
        let [columns, rows, _] = header.geometry.size();
        let plane = columns * rows;
        let colours = self
            .stack
            .first(self.instances)
            .map_or(1, |(instance, _)| instance.shape.channels());
        let measured = self.stack.frames.first().map_or(0, Vec::len);
        let channels = self.stack.frames.len() * colours;
        let mut buf = Buf::<T>::for_overwrite(channels * measured * plane).map_err(core)?;
        let voxels = buf.as_mut_slice().map_err(core)?;
        // Every frame gets the slices that it fills; frames of one file are read together.
        let mut jobs: Vec<Job<'_, T>> = Vec::new();
        let mut parts: Vec<Option<&mut [T]>> = voxels.chunks_exact_mut(plane).map(Some).collect();
        for (channel, frames) in self.stack.frames.iter().enumerate() {
            for (slice, (instance, frame)) in frames.iter().enumerate() {
                let outs = (0..colours)
                    .filter_map(|colour| {
                        let channel = channel * colours + colour;
                        parts.get_mut(channel * measured + slice)?.take()
                    })
                    .collect();
                jobs.push(Job {
                    instance: *instance,
                    frame: *frame,
                    outs,
                });
            }
        }
        jobs.sort_by_key(|job| (job.instance, job.frame));
        let mut files: Vec<Vec<Job<'_, T>>> = Vec::new();
        for job in jobs {
            match files.last_mut() {
                Some(file)
                    if file
                        .last()
                        .is_some_and(|last| last.instance == job.instance) =>
                {
                    file.push(job);
                }
                _ => files.push(vec![job]),
            }
        }
        let fits = files
            .into_par_iter()
            .map(|jobs| self.file(jobs, columns))
            .try_reduce(|| true, |a, b| Ok(a && b))?;
        if !fits {
            return Ok(None);
        }
        let Some(Ok(placed)) = &self.stack.placed else {
            return self.voxels(channels, [columns, rows, measured], buf);
        };
        if placed
            .slices
            .iter()
            .all(|s| matches!(s, Slice::Measured(_)))
            && placed.slices.len() == measured
        {
            return self.voxels(channels, [columns, rows, measured], buf);
        }
        let size = [columns, rows, placed.slices.len()];
        let mut even = Buf::<T>::for_overwrite(channels * plane * size[2]).map_err(core)?;
        let from = buf.as_slice();
        even.as_mut_slice()
            .map_err(core)?
            .par_chunks_exact_mut(plane)
            .enumerate()
            .for_each(|(at, out)| {
                let (channel, slice) = (at / size[2], at % size[2]);
                let source = |slice: usize| {
                    let start = (channel * measured + slice) * plane;
                    from.get(start..start + plane).unwrap_or(&[])
                };
                match placed.slices.get(slice) {
                    Some(Slice::Measured(slice)) => out.copy_from_slice(source(*slice)),
                    Some(Slice::Between(before, share)) => {
                        let pairs = source(*before).iter().zip(source(before + 1));
                        for (out, (low, high)) in out.iter_mut().zip(pairs) {
                            let (low, high): (f64, f64) = ((*low).to_f64(), (*high).to_f64());
                            let mean = low + (high - low) * share;
                            *out = if T::TYPE.is_integer() {
                                T::from_real(mean.round_ties_even())
                            } else {
                                T::from_real(mean)
                            };
                        }
                    }
                    Some(Slice::Blank) | None => out.fill(T::from_real(f64::NAN)),
                }
            });
        self.voxels(channels, size, even)
    }

    fn voxels<T: Target>(
        &self,
        channels: usize,
        size: [usize; 3],
        buf: Buf<T>,
    ) -> Result<Option<Voxels>> {
        Voxels::new(channels, size, buf)
            .map(Some)
            .map_err(|e| Error::core(self.path, e))
    }

    /// Reads what is wanted of one file; whether all values fit.
    fn file<T: Target>(&self, jobs: Vec<Job<'_, T>>, columns: usize) -> Result<bool> {
        let Some(instance) = jobs
            .first()
            .and_then(|job| self.instances.get(job.instance))
        else {
            return Ok(true);
        };
        // A decoder that fails on damaged data says so; one that panics must not end a batch.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let pixels = Pixels::open(instance, self.options)?;
            let opened = match self.options.voi {
                true => Some(super::instance::open(&instance.path)?),
                false => None,
            };
            let header = opened.as_ref().map(|opened| &opened.object);
            // Frames that are tiles of one image share its decoding.
            let mut groups: Vec<Vec<Job<'_, T>>> = Vec::new();
            for job in jobs {
                let index = |job: &Job<'_, T>| instance.frames.get(job.frame).map(|f| f.index);
                match groups.last_mut() {
                    Some(group) if group.last().map(index) == Some(index(&job)) => group.push(job),
                    _ => groups.push(vec![job]),
                }
            }
            groups
                .into_par_iter()
                .map_init(Scratch::default, |scratch, jobs| {
                    self.frame(instance, &pixels, header, jobs, columns, scratch)
                })
                .try_reduce(|| true, |a, b| Ok(a && b))
        }));
        outcome.unwrap_or_else(|_| {
            Err(Error::input(&instance.path, "the pixels cannot be decoded").remedy(COPY_AGAIN))
        })
    }

    fn frame<T: Target>(
        &self,
        instance: &Instance,
        pixels: &Pixels<'_>,
        header: Option<&InMemDicomObject>,
        jobs: Vec<Job<'_, T>>,
        columns: usize,
        scratch: &mut Scratch,
    ) -> Result<bool> {
        let Some(index) = jobs.first().and_then(|job| instance.frames.get(job.frame)) else {
            return Ok(true);
        };
        let stored = pixels.frame(index.index, scratch)?;
        let mut fits = true;
        for job in jobs {
            let Some(frame) = instance.frames.get(job.frame) else {
                continue;
            };
            let mut conversion = Conversion::new(&instance.shape, stored.whole, stored.bits);
            conversion.invert = is_inverted(instance) && !self.options.voi;
            conversion.map = map(instance, frame, self.options);
            if !T::TYPE.is_integer() {
                conversion.map = line(&conversion.map);
            }
            if let Some(header) = header {
                conversion.map = shown(instance, frame, header, &conversion.map)?;
            }
            conversion.padding = match (self.options.padding, instance.padding) {
                (Padding::Air, Some(range)) => Some((range, AIR)),
                (Padding::Nan, Some(range)) => Some((range, f64::NAN)),
                _ => None,
            };
            for ((first, step), out) in stored.channels.iter().zip(job.outs) {
                if is_float(instance) {
                    conversion.fill_float(&stored, *first, out);
                    continue;
                }
                let done = match frame.tile {
                    None => conversion.fill(&stored, *first, *step, out),
                    Some(tile) => {
                        out.chunks_exact_mut(columns)
                            .enumerate()
                            .try_for_each(|(row, out)| {
                                let pixel = (tile.row + row) * instance.shape.columns + tile.column;
                                conversion.fill(&stored, first + pixel * step, *step, out)
                            })
                    }
                };
                if let Err(Overflow) = done {
                    fits = false;
                }
            }
        }
        Ok(fits)
    }
}

/// One frame, and the slices that its channels fill.
struct Job<'v, T> {
    instance: usize,
    frame: usize,
    outs: Vec<&'v mut [T]>,
}

/// Whether bright and dark change places: of radiographs whose least number is white. Of a CT the
/// values have a meaning of their own, and only the display is inverted.
pub(super) fn is_inverted(instance: &Instance) -> bool {
    let quantitative = matches!(modality(instance), Some(Modality::Ct | Modality::Mri));
    instance.shape.photometric == Photometric::Inverted && !quantitative
}

fn map(instance: &Instance, frame: &Frame, options: &ReadOptions) -> Map {
    if instance.shape.channels() == 3 {
        return Map::Keep;
    }
    let precise = frame.precise.filter(|_| options.philips_precise);
    match (&instance.lut, precise.or(frame.rescale)) {
        (Some(lut), _) => Map::Table(lut.clone()),
        (None, None) => Map::Keep,
        (None, Some(rescale)) => {
            let whole = rescale.slope == 1.0
                && rescale.intercept == rescale.intercept.trunc()
                && rescale.intercept.abs() < 2_f64.powi(30);
            match (whole, rescale.intercept) {
                (true, 0.0) => Map::Keep,
                (true, added) => Map::Add(added as i64),
                _ => Map::Linear(rescale),
            }
        }
    }
}

/// What is shown of a frame whose stored numbers become values by `map`.
fn shown(instance: &Instance, frame: &Frame, header: &InMemDicomObject, map: &Map) -> Result<Map> {
    // A table's entries are never negative; what a rescale gives may be.
    let is_signed = match map {
        Map::Linear(line) => {
            let lows = instance
                .shape
                .range()
                .map(|v| v * line.slope + line.intercept);
            lows[0].min(lows[1]) < 0.0
        }
        _ => false,
    };
    let voi = Voi::of(&instance.path, header, frame.index, is_signed)?;
    let (first, table) = voi.table(instance, |stored| match map {
        Map::Linear(line) => stored as f64 * line.slope + line.intercept,
        Map::Table(lut) => f64::from(lut.get(stored)),
        _ => stored as f64,
    });
    Ok(Map::Shown(first, table))
}

/// The same map as a line.
fn line(map: &Map) -> Map {
    use super::instance::Rescale;
    match map {
        Map::Keep => Map::Linear(Rescale {
            slope: 1.0,
            intercept: 0.0,
        }),
        Map::Add(added) => Map::Linear(Rescale {
            slope: 1.0,
            intercept: *added as f64,
        }),
        other => other.clone(),
    }
}

fn palette_type(instance: &Instance) -> Result<ElementType> {
    let opened = super::instance::open(&instance.path)?;
    let tables = super::lut::Lut::palette(&instance.path, &opened.object, instance.shape.signed)?;
    Ok(match super::pixels::painted_bits(&tables) {
        8 => ElementType::U8,
        _ => ElementType::U16,
    })
}
