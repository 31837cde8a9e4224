//! Grids of the phantoms, what they may be, and noise on them.

use ndarray::{Array3, ArrayView3, ArrayViewMut3};
use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::error::{Error, Result};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::gaussian;
use voxprep_core::stream::{Seed, Stream, hash_name};
use voxprep_core::volume::{Header, Modality, Role, Unit, Volume};
use voxprep_core::voxels::{Voxel, Voxels};

/// The shortest and the longest axis, voxels.
const AXIS: [usize; 2] = [4, 4096];
/// The narrowest and the widest voxel, mm.
const SPACING: [f64; 2] = [0.05, 100.0];
/// The most voxels of one volume.
const VOXELS: usize = 1 << 29;

/// The axis-aligned grid whose middle is at `centre`, LPS+ mm.
pub(crate) fn centred(size: [usize; 3], spacing: [f64; 3], centre: [f64; 3]) -> Result<Geometry> {
    check(size, spacing)?;
    let origin = [0, 1, 2].map(|i| centre[i] - 0.5 * (size[i] as f64 - 1.0) * spacing[i]);
    Geometry::aligned(size, spacing, origin)
}

pub(crate) fn check(size: [usize; 3], spacing: [f64; 3]) -> Result<()> {
    if let Some(n) = size.iter().find(|n| !(AXIS[0]..=AXIS[1]).contains(*n)) {
        return Err(
            Error::parameter(format!("an axis of {n} voxels is outside {AXIS:?}"))
                .field("size")
                .remedy("give three sizes in that range, such as [128, 128, 80]"),
        );
    }
    check_in("spacing_mm", &spacing, SPACING)?;
    let voxels: usize = size.iter().product();
    if voxels > VOXELS {
        return Err(
            Error::limit(format!("{voxels} voxels are more than {VOXELS}"))
                .field("size")
                .remedy("use larger voxels, or a smaller field of view"),
        );
    }
    Ok(())
}

/// Refuses numbers outside a range, both ends included.
pub(crate) fn check_in(field: &str, values: &[f64], [low, high]: [f64; 2]) -> Result<()> {
    match values.iter().find(|v| !(low..=high).contains(*v)) {
        Some(v) => {
            Err(Error::parameter(format!("must be within {low}..{high}, got {v}")).field(field))
        }
        None => Ok(()),
    }
}

pub(crate) fn stream(seed: u64, kind: &str, what: &str) -> Stream {
    let subject = hash_name(kind);
    Stream::new(
        Seed {
            seed,
            subject,
            epoch: 0,
        },
        what,
    )
}

/// Adds Gaussian noise of standard deviation `std`, smoothed by a Gaussian of `sigma` voxels.
pub(crate) fn add_noise(
    image: &mut Buf<f32>,
    size: [usize; 3],
    std: f64,
    sigma: [f64; 3],
    stream: &Stream,
    name: &str,
) -> Result<()> {
    if std == 0.0 {
        return Ok(());
    }
    let mut white = Buf::<f32>::for_overwrite(image.len())?;
    draw(&mut white, size, stream, name)?;
    let shape = [size[2], size[1], size[0]];
    let mut smooth = Buf::<f32>::for_overwrite(image.len())?;
    {
        let source = ArrayView3::from_shape(shape, white.as_slice()).map_err(unfit)?;
        let out = ArrayViewMut3::from_shape(shape, smooth.as_mut_slice()?).map_err(unfit)?;
        gaussian(source, sigma, 3.0, out)?;
    }
    let scale = (std / spread(sigma)?) as f32;
    let area = size[0] * size[1];
    let values = image.as_mut_slice()?.par_chunks_mut(area);
    values
        .zip(smooth.as_slice().par_chunks(area))
        .for_each(|(values, noise)| {
            for (v, n) in values.iter_mut().zip(noise) {
                *v += scale * n;
            }
        });
    Ok(())
}

fn unfit(error: ndarray::ShapeError) -> Error {
    Error::input(format!("the noise does not fit the image: {error}"))
}

/// Fills a buffer with standard normal draws.
pub(crate) fn draw(
    values: &mut Buf<f32>,
    size: [usize; 3],
    stream: &Stream,
    name: &str,
) -> Result<()> {
    let field = stream.field(name, 0);
    let area = size[0] * size[1];
    values
        .as_mut_slice()?
        .par_chunks_mut(area)
        .enumerate()
        .for_each(|(z, slice)| {
            field.for_each_normal(0, z * area, slice, |_, n| n);
        });
    Ok(())
}

/// What is left of a standard deviation of 1 after smoothing: the root of the sum of the squared
/// weights.
fn spread(sigma: [f64; 3]) -> Result<f64> {
    let mut point = Array3::<f64>::zeros([17; 3]);
    point[[8, 8, 8]] = 1.0;
    let mut out = Array3::<f64>::zeros([17; 3]);
    gaussian(point.view(), sigma, 3.0, out.view_mut())?;
    Ok(out.iter().map(|w| w * w).sum::<f64>().sqrt())
}

/// Rounds to a voxel type, half to even.
pub(crate) fn stored<T: Voxel>(image: &[f32], area: usize) -> Result<Buf<T>> {
    let mut out = Buf::<T>::for_overwrite(image.len())?;
    let slices = out.as_mut_slice()?.par_chunks_mut(area);
    slices
        .zip(image.par_chunks(area))
        .for_each(|(out, values)| {
            for (o, v) in out.iter_mut().zip(values) {
                *o = T::from_f64(f64::from(*v));
            }
        });
    Ok(out)
}

/// An image volume.
pub(crate) fn image<T: Voxel>(
    geometry: &Geometry,
    values: Buf<T>,
    modality: Modality,
    unit: Unit,
) -> Result<Volume> {
    let voxels = Voxels::new(1, geometry.size(), values)?;
    let mut header = Header::new(geometry.clone(), voxels.element_type());
    header.unit = unit;
    header.modality = Some(modality);
    Volume::with_header(header, voxels)
}

/// A label map.
pub(crate) fn labels(geometry: &Geometry, values: Buf<u8>, modality: Modality) -> Result<Volume> {
    let voxels = Voxels::new(1, geometry.size(), values)?;
    let mut header = Header::new(geometry.clone(), voxels.element_type());
    header.role = Role::Label;
    header.modality = Some(modality);
    Volume::with_header(header, voxels)
}
