//! Channels that lie between the axes of space, brought to the front.

use rayon::prelude::*;
use voxprep_core::buf::Buf;
use voxprep_core::error::{Error, Result};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_core::with_type;

/// The axes of the volume, x first and then the channels, each with its length and how many values
/// of the file lie between neighbours.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) size: [usize; 3],
    pub(super) channels: usize,
    pub(super) axes: Vec<(usize, usize)>,
}

/// The values of a file, in the order of the volume.
pub(super) fn permuted(voxels: &Voxels, order: &Order) -> Result<Voxels> {
    with_type!(voxels.element_type(), T => {
        let buf = gathered::<T>(voxels, order)?;
        Voxels::new(order.channels, order.size, buf)
    })
}

fn gathered<T: Voxel>(voxels: &Voxels, order: &Order) -> Result<Buf<T>> {
    let contradiction = || Error::input("the axes of the file are not those of its values");
    let values = voxels.values::<T>().ok_or_else(contradiction)?;
    let product: usize = order.axes.iter().map(|axis| axis.0).product();
    let Some((&(length, step), outer)) = order.axes.split_first() else {
        return Err(contradiction());
    };
    if product != values.len() || length == 0 {
        return Err(contradiction());
    }
    let mut buf = Buf::<T>::for_overwrite(values.len())?;
    // One row at a time: what is read of it lies at even distances.
    let rows = buf.as_mut_slice()?.par_chunks_mut(length).enumerate();
    rows.with_min_len(64).try_for_each(|(i, row)| {
        let (mut rest, mut first) = (i, 0);
        for &(length, step) in outer {
            first += rest % length * step;
            rest /= length;
        }
        let from = values.get(first..).ok_or_else(contradiction)?;
        let mut from = from.iter().step_by(step.max(1));
        for place in row {
            *place = *from.next().ok_or_else(contradiction)?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_between_the_axes_of_space_come_first() {
        // In the file x (2), channel (3), y (2).
        let voxels = Voxels::new(1, [12, 1, 1], Buf::from((0..12).collect::<Vec<u16>>())).unwrap();
        let order = |axes: &[(usize, usize)]| Order {
            size: [2, 2, 1],
            channels: 3,
            axes: axes.to_vec(),
        };
        let found = permuted(&voxels, &order(&[(2, 1), (2, 6), (3, 2)])).unwrap();
        assert_eq!(
            found.values::<u16>().unwrap(),
            [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]
        );
        assert!(permuted(&voxels, &order(&[(2, 1), (2, 6), (3, 4)])).is_err());
        assert!(permuted(&voxels, &order(&[(2, 1), (2, 6)])).is_err());
    }
}
