//! Casting: the voxels of a volume in another element type.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::buf::Buf;
use crate::error::{Error, Result};
use crate::volume::{Role, Volume};
use crate::voxels::{ElementType, Voxel, Voxels};
use crate::with_type;

/// Voxels that one task takes.
const TASK: usize = 1 << 16;

impl Volume {
    /// The same volume with voxels of another type, integers rounded half to even and saturated;
    /// and how many values that type does not hold.
    ///
    /// Not held are values beyond its range, NaN in an integer type, and integers with more digits
    /// than a floating-point type has. Fractions that are rounded away do not count.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a label map would become floating point, [`Error::Limit`] where
    /// there is no memory.
    pub fn cast(self, to: ElementType) -> Result<(Self, u64)> {
        if self.header().element_type == to {
            return Ok((self, 0));
        }
        if self.role() == Role::Label && !to.is_integer() {
            return Err(Error::parameter(format!("a label map cannot be {to}"))
                .remedy("give an integer type"));
        }
        let (mut header, voxels) = self.into_parts();
        let (voxels, lost) = with_type!(header.element_type, T => with_type!(to, O => {
            cast::<T, O>(&voxels)
        }))?;
        header.element_type = to;
        Ok((Self::with_header(header, voxels)?, lost))
    }
}

fn cast<T: Voxel, O: Voxel>(voxels: &Voxels) -> Result<(Voxels, u64)> {
    let values = voxels.values::<T>().unwrap_or_default();
    let mut buf = Buf::<O>::for_overwrite(values.len())?;
    let lost = AtomicU64::new(0);
    let tasks = buf.as_mut_slice()?.par_chunks_mut(TASK);
    tasks
        .zip(values.par_chunks(TASK))
        .for_each(|(out, values)| {
            let mut here = 0;
            for (out, value) in out.iter_mut().zip(values) {
                let value = value.to_f64();
                *out = O::from_f64(value);
                here += u64::from(is_lost::<T, O>(value, out.to_f64()));
            }
            lost.fetch_add(here, Ordering::Relaxed);
        });
    let voxels = Voxels::new(voxels.channels(), voxels.size(), buf)?;
    Ok((voxels, lost.into_inner()))
}

/// Whether a value has become another for more reasons than rounding.
fn is_lost<T: Voxel, O: Voxel>(before: f64, after: f64) -> bool {
    match (T::IS_INTEGER, O::IS_INTEGER) {
        // not a number is lost, too
        (_, true) => before.is_nan() || (before - after).abs() > 0.5,
        (true, false) => before != after,
        (false, false) => before.is_finite() && !after.is_finite(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    fn row<T: Voxel>(values: Vec<T>) -> Volume
    where
        Buf<T>: From<Vec<T>>,
    {
        let size = [values.len(), 1, 1];
        let grid = Geometry::aligned(size, [1.0; 3], [0.0; 3]).unwrap();
        Volume::new(grid, Voxels::new(1, size, values.into()).unwrap()).unwrap()
    }

    #[test]
    fn integers_are_rounded_to_even_and_saturated_and_what_is_lost_is_counted() {
        let volume = row(vec![0.5_f32, 1.5, -3.2, 255.4, 300.0, f32::NAN]);
        let (volume, lost) = volume.cast(ElementType::U8).unwrap();
        let values: Vec<_> = volume.voxels().values::<u8>().unwrap().to_vec();
        assert_eq!((values, lost), (vec![0, 2, 0, 255, 255, 0], 3));
        assert_eq!(volume.header().element_type, ElementType::U8);
    }

    #[test]
    fn a_wider_type_holds_everything() {
        let (volume, lost) = row(vec![-7_i16, 9]).cast(ElementType::F32).unwrap();
        assert_eq!(volume.voxels().values::<f32>(), Some(&[-7.0, 9.0][..]));
        assert_eq!(lost, 0);
        // f32 has 24 binary digits
        let (_, lost) = row(vec![1 << 24, (1 << 24) + 1])
            .cast(ElementType::F32)
            .unwrap();
        assert_eq!(lost, 1);
        let (_, lost) = row(vec![1e39_f64, f64::INFINITY])
            .cast(ElementType::F32)
            .unwrap();
        assert_eq!(lost, 1);
    }

    #[test]
    fn a_label_map_stays_one_of_integers() {
        let labels = row(vec![1_u8, 2]).into_labels().unwrap();
        assert!(labels.clone().cast(ElementType::F32).is_err());
        let (labels, lost) = labels.cast(ElementType::I16).unwrap();
        assert_eq!((labels.role(), lost), (Role::Label, 0));
    }
}
