//! The numbers of one voxel side by side, as some formats want them: the channels are planes here.

use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::error::{Error, Result};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_core::with_type;

/// Voxels that one task handles: their numbers stay in the cache of a core.
const BLOCK: usize = 1 << 12;

/// Puts every `length` channels that follow each other side by side.
///
/// # Errors
/// [`Error::Input`] where the channels are no multiple of `length`; [`Error::Limit`] where there is
/// no memory.
pub(crate) fn interleaved(voxels: &Voxels, length: usize) -> Result<Voxels> {
    with_type!(voxels.element_type(), T => {
        let buf = planes_to_tuples::<T>(voxels, length)?;
        Voxels::new(voxels.channels(), voxels.size(), buf)
    })
}

fn planes_to_tuples<T: Voxel>(voxels: &Voxels, length: usize) -> Result<Buf<T>> {
    let contradiction = || Error::input("the axes of the channels are not those of the voxels");
    let values = voxels.values::<T>().ok_or_else(contradiction)?;
    let each = voxels.size().iter().product::<usize>();
    if length == 0 || each == 0 || !voxels.channels().is_multiple_of(length) {
        return Err(contradiction());
    }
    let mut buf = Buf::<T>::for_overwrite(values.len())?;
    buf.as_mut_slice()?
        .par_chunks_mut(each * length)
        .zip(values.par_chunks(each * length))
        .for_each(|(out, group)| {
            out.par_chunks_mut(BLOCK * length)
                .enumerate()
                .for_each(|(i, out)| {
                    let start = i * BLOCK;
                    for (part, plane) in group.chunks_exact(each).enumerate() {
                        let plane = plane.get(start..).unwrap_or_default();
                        let places = out.iter_mut().skip(part).step_by(length);
                        places.zip(plane).for_each(|(place, value)| *place = *value);
                    }
                });
        });
    Ok(buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_tuples() {
        let values: Vec<u16> = (0..12).collect();
        let voxels = Voxels::new(6, [2, 1, 1], Buf::from(values)).unwrap();
        let found = interleaved(&voxels, 3).unwrap();
        // Channels 0 to 2 hold 0 1, 2 3, 4 5; channels 3 to 5 hold 6 7, 8 9, 10 11.
        assert_eq!(
            found.values::<u16>().unwrap(),
            [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]
        );
        assert!(interleaved(&voxels, 4).is_err());
        let many = Voxels::new(
            2,
            [5000, 1, 1],
            Buf::from((0..10_000).collect::<Vec<i32>>()),
        );
        let found = interleaved(&many.unwrap(), 2).unwrap();
        let expected = (0..5000).flat_map(|i| [i, i + 5000]);
        assert!(found.values::<i32>().unwrap().iter().copied().eq(expected));
    }
}
