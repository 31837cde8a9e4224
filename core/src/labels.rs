//! Label maps as integers, whatever type the file stored them in.

use crate::buf::Buf;
use crate::error::{Error, Result};
use crate::voxels::{ElementType, Voxel, Voxels};

/// Integer voxels as they are; floating-point ones as the narrowest integer type that holds all.
pub(crate) fn to_integers(voxels: Voxels) -> Result<Voxels> {
    match voxels.element_type() {
        ElementType::F32 => narrow::<f32>(&voxels),
        ElementType::F64 => narrow::<f64>(&voxels),
        _ => Ok(voxels),
    }
}

fn narrow<T: Voxel>(voxels: &Voxels) -> Result<Voxels> {
    let values = voxels.values::<T>().unwrap_or_default();
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for value in values {
        let v = value.to_f64();
        if v != v.round() || v.abs() > f64::from(i32::MAX) {
            return Err(
                Error::input(format!("the label map holds {v}, which is no label"))
                    .remedy("give it as an image, or store integers"),
            );
        }
        (low, high) = (low.min(v), high.max(v));
    }
    let fits = |min: f64, max: f64| low >= min && high <= max;
    if fits(0.0, 255.0) {
        cast::<T, u8>(voxels, values)
    } else if fits(-32768.0, 32767.0) {
        cast::<T, i16>(voxels, values)
    } else if fits(0.0, 65535.0) {
        cast::<T, u16>(voxels, values)
    } else {
        cast::<T, i32>(voxels, values)
    }
}

fn cast<T: Voxel, O: Voxel>(voxels: &Voxels, values: &[T]) -> Result<Voxels> {
    let mut buf = Buf::<O>::for_overwrite(values.len())?;
    for (out, value) in buf.as_mut_slice()?.iter_mut().zip(values) {
        *out = O::from_f64(value.to_f64());
    }
    Voxels::new(voxels.channels(), voxels.size(), buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: Vec<f64>) -> Result<Voxels> {
        let size = [values.len(), 1, 1];
        to_integers(Voxels::new(1, size, Buf::from(values))?)
    }

    /// B-25: a mask is never kept as floating point.
    #[test]
    fn labels_stored_as_floats_become_the_narrowest_integers() {
        let types = [vec![0.0, 3.0], vec![-1.0], vec![40_000.0], vec![70_000.0]]
            .map(|v| labels(v).unwrap().element_type());
        use ElementType::*;
        assert_eq!(types, [U8, I16, U16, I32]);
    }

    #[test]
    fn half_a_label_is_refused() {
        for value in [0.5, f64::NAN, 1e12] {
            assert!(labels(vec![1.0, value]).is_err());
        }
    }
}
