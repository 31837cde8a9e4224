//! Stored numbers to voxels: byte order, element type and scale in one parallel pass, straight
//! into the final buffer. What happens to a single number is in `convert`.

mod convert;

use std::path::Path;

use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::voxels::{ElementType, Voxels};
use voxprep_core::with_type;

use crate::error::{Error, Result};
use crate::source::{Contents, Scratch};

use convert::{Numbers, Target, convert, extent};

/// A number type as files store it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a 32-bit floating-point number.
    Bf16,
    F32,
    F64,
}

/// `value = raw * slope + intercept`, in `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
}

/// How the values of a file are stored, x fastest.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) number: Number,
    pub(crate) big_endian: bool,
    /// How many numbers of one voxel are side by side: 1, 2 (complex) or more (colours). They
    /// become the fastest channel axis.
    pub(crate) interleaved: usize,
    /// The number of channels, the interleaved ones included.
    pub(crate) channels: usize,
    /// `[x, y, z]`.
    pub(crate) size: [usize; 3],
    /// `None` where raw numbers are the values.
    pub(crate) scale: Option<Scale>,
}

/// The extent of the raw numbers that are in a file.
#[derive(Clone, Copy)]
struct Extent {
    low: f64,
    high: f64,
    /// Whether `f64` holds every one of them.
    exact: bool,
}

/// What becomes of a raw number.
#[derive(Clone, Copy)]
enum Map {
    Keep,
    Add(i64),
    Linear(Scale),
}

/// Bytes of tuples that one task reads at a time, and that it takes apart at a time.
const TASK: usize = 1 << 20;
const CACHED: usize = 32 << 10;
/// So many voxels at least: fewer would cost more for what is to be remembered of each.
const FEWEST: usize = 16;

/// The largest whole number up to which `f32` holds all.
const F32_WHOLE: f64 = 16_777_216.0;

impl Number {
    /// Bytes per number.
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// The voxel type that is kept for it, where its values allow.
    const fn kept(self) -> ElementType {
        match self {
            Self::U8 => ElementType::U8,
            Self::I8 | Self::I16 => ElementType::I16,
            Self::U16 => ElementType::U16,
            Self::I32 | Self::U32 | Self::I64 | Self::U64 => ElementType::I32,
            Self::F16 | Self::Bf16 | Self::F32 => ElementType::F32,
            Self::F64 => ElementType::F64,
        }
    }

    /// The voxel type with the same bits.
    const fn native(self) -> Option<ElementType> {
        match self {
            Self::I8 | Self::U32 | Self::I64 | Self::U64 | Self::F16 | Self::Bf16 => None,
            _ => Some(self.kept()),
        }
    }

    /// All that the type can hold, for types of at most 16 bits.
    fn extent(self) -> Option<Extent> {
        let (low, high) = match self {
            Self::U8 => (0.0, 255.0),
            Self::I8 => (-128.0, 127.0),
            Self::I16 => (-32_768.0, 32_767.0),
            Self::U16 => (0.0, 65_535.0),
            _ => return None,
        };
        Some(Extent {
            low,
            high,
            exact: true,
        })
    }

    const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }
}

impl Scale {
    /// The whole number that is all it adds, if so.
    fn added(self) -> Option<i64> {
        let whole = self.slope == 1.0 && self.intercept.trunc() == self.intercept;
        (whole && self.intercept.abs() <= 2_f64.powi(52)).then_some(self.intercept as i64)
    }

    fn of(self, raw: f64) -> f64 {
        raw * self.slope + self.intercept
    }

    /// Whether `f32` tells the scaled numbers of an extent apart as well as the file does: its
    /// grid is at most half as wide as theirs, and none of them is beyond it.
    fn suits_f32(self, extent: Extent, number: Number) -> bool {
        let most = self.of(extent.low).abs().max(self.of(extent.high).abs());
        if number.is_float() || most == 0.0 {
            most == 0.0 || (1e-30..=f64::from(f32::MAX)).contains(&most)
        } else if self.added().is_some() {
            most <= F32_WHOLE
        } else {
            most <= f64::from(f32::MAX)
                && self.slope.abs() > 1e-30
                && most / F32_WHOLE <= self.slope.abs() / 4.0
        }
    }
}

fn holds(element_type: ElementType, low: f64, high: f64) -> bool {
    let (least, most) = match element_type {
        ElementType::U8 => (0.0, 255.0),
        ElementType::I16 => (-32_768.0, 32_767.0),
        ElementType::U16 => (0.0, 65_535.0),
        ElementType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        ElementType::F32 | ElementType::F64 => return true,
    };
    low >= least && high <= most
}

impl Layout {
    /// The number of values, or `None` where it overflows.
    pub(crate) fn values(&self) -> Option<u64> {
        self.size
            .iter()
            .try_fold(self.channels as u64, |n, &s| n.checked_mul(s as u64))
    }

    /// The number of bytes, or `None` where it overflows.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.values()?.checked_mul(self.number.bytes())
    }

    /// The type that the voxels usually have; the values may call for a wider one.
    pub(crate) fn usual_type(&self) -> ElementType {
        let kept = self.number.kept();
        match self.scale {
            None => kept,
            _ if self.number == Number::F64 => kept,
            Some(scale) => match (scale.added(), self.number.extent()) {
                (Some(added), _) if !self.number.is_float() => match kept {
                    ElementType::U8 | ElementType::U16 if added < 0 => ElementType::I16,
                    _ => kept,
                },
                (_, Some(extent)) if !scale.suits_f32(extent, self.number) => ElementType::F64,
                _ => ElementType::F32,
            },
        }
    }

    /// Reads the values, which start at byte `start` of the contents.
    ///
    /// # Errors
    /// [`Error::Input`] where the file is damaged, [`Error::Unsupported`] where it holds integers
    /// that no voxel type holds.
    pub(crate) fn read(&self, contents: Contents<'_>, start: u64) -> Result<Voxels> {
        let step = self.number.bytes() * self.interleaved as u64;
        let needs_extent = match (self.scale, self.number) {
            (None, Number::U32 | Number::I64 | Number::U64) => true,
            (None, _) | (_, Number::F64) => false,
            (Some(scale), number) => number.extent().is_none() || scale.added().is_some(),
        };
        let contents = if needs_extent || self.interleaved > 1 || !contents.fits(start, step) {
            contents.for_any_range()?
        } else {
            contents
        };
        let extent = match self.number.extent() {
            _ if needs_extent => self.extent(&contents, start)?,
            Some(extent) => extent,
            None => Extent {
                low: 0.0,
                high: 0.0,
                exact: true,
            },
        };
        let (target, map) = self.plan(extent, contents.path())?;
        with_type!(target, T => self.fill::<T>(&contents, start, map))
    }

    /// The type of the voxels and what becomes of the raw numbers, in view of their extent.
    fn plan(&self, extent: Extent, path: &Path) -> Result<(ElementType, Map)> {
        let kept = self.number.kept();
        let Some(scale) = self.scale else {
            if holds(kept, extent.low, extent.high) {
                return Ok((kept, Map::Keep));
            }
            if extent.exact {
                return Ok((ElementType::F64, Map::Keep));
            }
            return Err(Error::unsupported(
                path,
                format!(
                    "the file holds integers up to {:e}, which no voxel type holds exactly",
                    extent.high
                ),
            )
            .remedy("store them as floating point, or scaled"));
        };
        let added = scale.added().filter(|_| !self.number.is_float());
        if let Some(added) = added {
            let (low, high) = (scale.of(extent.low), scale.of(extent.high));
            let narrow = self.number.bytes() <= 2;
            let fitting = [Some(kept), narrow.then_some(ElementType::I16)]
                .into_iter()
                .flatten()
                .find(|&t| holds(t, low, high));
            if let Some(target) = fitting {
                return Ok((target, Map::Add(added)));
            }
        }
        let suits = self.number != Number::F64 && scale.suits_f32(extent, self.number);
        let target = if suits {
            ElementType::F32
        } else {
            ElementType::F64
        };
        Ok((target, Map::Linear(scale)))
    }

    /// The ranges of bytes that one thread handles at a time where one number follows the other, as
    /// (numbers, first byte).
    fn tasks(&self, contents: &Contents<'_>, start: u64) -> Vec<(usize, u64)> {
        let step = self.number.bytes();
        let len = self.size.iter().product::<usize>() * self.channels;
        let mut tasks = Vec::new();
        let mut done = 0;
        while done < len {
            let at = start + done as u64 * step;
            let fits = (contents.edge(at) - at) / step;
            let count = (fits.max(1) as usize).min(len - done);
            tasks.push((count, at));
            done += count;
        }
        tasks
    }

    fn extent(&self, contents: &Contents<'_>, start: u64) -> Result<Extent> {
        // All interleaved numbers are looked at together: the type is one for all.
        let flat = Self {
            interleaved: 1,
            ..self.clone()
        };
        let nothing = || Extent {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            exact: true,
        };
        let bytes = self.number.bytes();
        flat.tasks(contents, start)
            .into_par_iter()
            .map_init(Scratch::default, |scratch, (count, at)| {
                let range = at..at + count as u64 * bytes;
                Ok(extent(
                    self.number,
                    contents.view(range, scratch)?,
                    self.big_endian,
                ))
            })
            .try_reduce(nothing, |a, b| {
                Ok(Extent {
                    low: a.low.min(b.low),
                    high: a.high.max(b.high),
                    exact: a.exact && b.exact,
                })
            })
            .map(|e| {
                if e.low <= e.high {
                    e
                } else {
                    Extent {
                        low: 0.0,
                        high: 0.0,
                        exact: true,
                    }
                }
            })
    }

    fn fill<T: Target>(&self, contents: &Contents<'_>, start: u64, map: Map) -> Result<Voxels> {
        let core = |e| Error::core(contents.path(), e);
        let len = self.size.iter().product::<usize>() * self.channels;
        let mut buf = Buf::<T>::for_overwrite(len).map_err(core)?;
        let out = buf.as_mut_slice().map_err(core)?;
        if self.interleaved > 1 {
            self.fill_planes(contents, start, map, out)?;
        } else {
            self.fill_row(contents, start, map, out)?;
        }
        contents.finish()?;
        Voxels::new(self.channels, self.size, buf).map_err(core)
    }

    /// Fills in numbers that follow each other.
    fn fill_row<T: Target>(
        &self,
        contents: &Contents<'_>,
        start: u64,
        map: Map,
        out: &mut [T],
    ) -> Result<()> {
        let step = self.number.bytes() as usize;
        let same_bits = matches!(map, Map::Keep)
            && self.number.native() == Some(T::TYPE)
            && (step == 1 || self.big_endian == cfg!(target_endian = "big"));
        let mut rest = out;
        let mut parts = Vec::new();
        for (count, at) in self.tasks(contents, start) {
            let (part, following) = rest.split_at_mut(count);
            parts.push((part, at));
            rest = following;
        }
        parts
            .into_par_iter()
            .try_for_each_init(Scratch::default, |scratch, (out, at)| {
                let range = at..at + (out.len() * step) as u64;
                if same_bits {
                    return contents.read_into(range, bytemuck::cast_slice_mut(out), scratch);
                }
                let from = Numbers {
                    bytes: contents.view(range, scratch)?,
                    step,
                    first: 0,
                    big_endian: self.big_endian,
                };
                convert(self.number, from, out, map);
                Ok(())
            })
    }

    /// Fills in numbers of which several belong to one voxel, one plane for each: every byte is read
    /// once, and taken apart while it is in the cache of a core.
    fn fill_planes<T: Target>(
        &self,
        contents: &Contents<'_>,
        start: u64,
        map: Map,
        out: &mut [T],
    ) -> Result<()> {
        let each = self.size.iter().product::<usize>().max(1);
        let number = self.number.bytes() as usize;
        let step = number * self.interleaved;
        let [task, block] = [TASK, CACHED].map(|bytes| (bytes / step).max(FEWEST));
        let mut parts = Vec::new();
        for (group, planes) in out.chunks_mut(each * self.interleaved).enumerate() {
            let mut planes: Vec<_> = planes
                .chunks_mut(each)
                .map(|p| p.chunks_mut(task))
                .collect();
            for first in (0..each).step_by(task) {
                let planes: Vec<&mut [T]> = planes.iter_mut().filter_map(Iterator::next).collect();
                parts.push((start + ((group * each + first) * step) as u64, planes));
            }
        }
        parts
            .into_par_iter()
            .try_for_each_init(Scratch::default, |scratch, (at, mut planes)| {
                let count = planes.first().map_or(0, |plane| plane.len());
                let bytes = contents.view(at..at + (count * step) as u64, scratch)?;
                for (i, bytes) in bytes.chunks(block * step).enumerate() {
                    let done = i * block;
                    for (component, plane) in planes.iter_mut().enumerate() {
                        let from = Numbers {
                            bytes,
                            step,
                            first: component * number,
                            big_endian: self.big_endian,
                        };
                        let end = plane.len().min(done + block);
                        if let Some(out) = plane.get_mut(done..end) {
                            convert(self.number, from, out, self.map_of(component, map));
                        }
                    }
                }
                Ok(())
            })
    }

    /// What becomes of one of the numbers of a voxel.
    fn map_of(&self, component: usize, map: Map) -> Map {
        match map {
            // The intercept of complex numbers is real: the imaginary part has none.
            Map::Linear(scale) if self.interleaved == 2 && component == 1 => Map::Linear(Scale {
                intercept: 0.0,
                ..scale
            }),
            map => map,
        }
    }
}
