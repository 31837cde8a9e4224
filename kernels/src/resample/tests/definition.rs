//! Resampling by its definition, in f64 and without any cleverness: the value of a sample is a sum
//! over voxels with one weight per axis, and the spline's weights come from its impulse response.

use ndarray::Array3;

use super::super::{Boundary, Order, Sampling};

const POLE: f64 = -0.267_949_192_431_122_7;

/// The voxel that index `i` means; `n` stands for fill.
fn voxel(i: i64, n: usize, boundary: Boundary, order: Order) -> usize {
    let mirror = |i: i64| {
        if n == 1 {
            return 0;
        }
        let period = 2 * n as i64 - 2;
        let t = i.rem_euclid(period);
        t.min(period - t) as usize
    };
    let last = n as i64 - 1;
    match boundary {
        Boundary::GridConstant if !(0..=last).contains(&i) => n,
        Boundary::Mirror => mirror(i),
        Boundary::Itk | Boundary::Constant if order == Order::Cubic => mirror(i),
        Boundary::Reflect => {
            let t = i.rem_euclid(2 * n as i64);
            t.min(2 * n as i64 - 1 - t) as usize
        }
        _ => i.clamp(0, last) as usize,
    }
}

/// The weight of every voxel of an axis, and last that of the fill.
fn weights(c: f64, n: usize, boundary: Boundary, order: Order) -> Vec<f64> {
    let mut weights = vec![0.0; n + 1];
    let cell = c.floor();
    match order {
        Order::Nearest => {
            let i = (c + 0.5 + 1e-7).floor() as i64;
            weights[voxel(i, n, boundary, order)] = 1.0;
        }
        Order::Linear => {
            for i in [cell, cell + 1.0] {
                weights[voxel(i as i64, n, boundary, order)] += 1.0 - (c - i).abs();
            }
        }
        Order::Cubic => {
            for tap in -1..=2 {
                let k = cell as i64 + tap;
                let d = (c - k as f64).abs();
                let basis = if d < 1.0 {
                    (4.0 - 6.0 * d * d + 3.0 * d * d * d) / 6.0
                } else {
                    (2.0 - d).max(0.0).powi(3) / 6.0
                };
                for j in -60..=60_i64 {
                    let response = 3.0_f64.sqrt() * POLE.powi(j.abs() as i32);
                    weights[voxel(k + j, n, boundary, order)] += basis * response;
                }
            }
        }
    }
    weights
}

fn is_inside(c: f64, n: usize, boundary: Boundary) -> bool {
    let n = n as f64;
    match boundary {
        Boundary::Extent => (-0.5 - 1e-6..=n - 0.5 + 1e-6).contains(&c),
        Boundary::Itk => (-0.5..n - 0.5).contains(&c),
        Boundary::Constant => (0.0..=n - 1.0).contains(&c),
        _ => true,
    }
}

pub(super) fn resampled(
    source: &Array3<f64>,
    sampling: &Sampling<'_>,
    shape: (usize, usize, usize),
) -> Array3<f64> {
    let (nz, ny, nx) = source.dim();
    let Sampling {
        order,
        boundary,
        fill,
        ..
    } = *sampling;
    Array3::from_shape_fn(shape, |(z, y, x)| {
        let (x, y, z) = (x as f64, y as f64, z as f64);
        let at = |m: &crate::Affine| m.rows().map(|m| m[0] * x + m[1] * y + m[2] * z + m[3]);
        let c = at(&sampling.source_from_out);
        let size = [nx, ny, nz];
        let inside = |c: [f64; 3], size: [usize; 3], boundary| {
            (0..3).all(|axis| is_inside(c[axis], size[axis], boundary))
        };
        if !inside(c, size, boundary)
            || !sampling
                .boxes
                .iter()
                .all(|b| inside(at(&b.box_from_out), b.size, Boundary::Extent))
        {
            return fill;
        }
        let [wx, wy, wz] = [0, 1, 2].map(|a| weights(c[a], size[a], boundary, order));
        let mut sum = 0.0;
        for (k, wz) in wz.iter().enumerate().filter(|w| *w.1 != 0.0) {
            for (j, wy) in wy.iter().enumerate().filter(|w| *w.1 != 0.0) {
                for (i, wx) in wx.iter().enumerate().filter(|w| *w.1 != 0.0) {
                    sum += wz * wy * wx * source.get([k, j, i]).copied().unwrap_or(fill);
                }
            }
        }
        sum
    })
}
