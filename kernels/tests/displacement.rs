//! Displacement fields against ITK (`bspline.json`, by `make_references.py`) and SciPy, and the
//! same bits for every number of threads and every SIMD level.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "failures and skips are the answer of the test"
)]

use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, Axis};
use ndarray_npy::read_npy;
use serde_json::Value;
use voxprep_kernels::resample::{
    BSpline, Boundary, Dense, DisplacedSampling, Displacement, Order, Outside, RowSink, Slab,
    Stage, resample_displaced, slabs,
};
use voxprep_kernels::simd::{Level, with_level};
use voxprep_kernels::{Affine, Element};

/// Stores the rows of some slices.
struct Store<'a, F> {
    first: usize,
    part: ndarray::ArrayViewMut3<'a, F>,
}

impl<F: Element> RowSink<F> for Store<'_, F> {
    fn row(&mut self, z: usize, y: usize, row: &mut [F]) {
        let mut slice = self.part.index_axis_mut(Axis(0), z - self.first);
        let mut out = slice.index_axis_mut(Axis(0), y);
        out.as_slice_mut().unwrap().copy_from_slice(row);
    }
}

fn displaced<T: Element>(
    source: &Array3<T>,
    sampling: &DisplacedSampling<'_>,
    shape: (usize, usize, usize),
) -> Array3<T::Float> {
    let size = [shape.2, shape.1, shape.0];
    let mut out = Array3::from_elem(shape, T::Float::default());
    let mut rest = out.view_mut();
    let mut parts = Vec::new();
    for z in slabs(size) {
        let (part, tail) = rest.split_at(Axis(0), z.len());
        let first = z.start;
        parts.push(Slab {
            z,
            sink: Store { first, part },
        });
        rest = tail;
    }
    resample_displaced(source.view(), size, sampling, parts).unwrap();
    out
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap().iter();
    list.map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn splines_equal_those_of_itk() {
    let cases: Value = serde_json::from_str(include_str!("bspline.json")).unwrap();
    let mut moved = 0;
    for case in cases.as_array().unwrap() {
        let triple = |name: &str| [0, 1, 2].map(|i| case[name][i].as_u64().unwrap() as usize);
        let ([mx, my, mz], size) = (triple("control"), triple("size"));
        let rows = [0, 1, 2].map(|i| numbers(&case["world_from_index"][i]).try_into().unwrap());
        let world_from_index = Affine::from_rows(rows);
        let control = Array4::from_shape_vec((3, mz, my, mx), numbers(&case["coefficients"]));
        let index_from_world = world_from_index.inverse().unwrap();
        let field = BSpline::new(control.unwrap().view(), index_from_world, size).unwrap();
        let field = Displacement::from(field);
        for point in case["points"].as_array().unwrap() {
            let [x, y, z, dx, dy, dz]: [f64; 6] = numbers(point).try_into().unwrap();
            let (got, itk) = (field.at([x, y, z]), [dx, dy, dz]);
            for i in 0..3 {
                assert!((got[i] - itk[i]).abs() < 1e-5, "{got:?} {itk:?}");
            }
            moved += usize::from(itk != [0.0; 3]);
        }
    }
    assert!(moved > 100);
}

fn references() -> Option<PathBuf> {
    let shared = std::env::var_os("VOXPREP_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("references");
    folder
        .join("in_displacement.npy")
        .exists()
        .then_some(folder)
}

#[test]
fn warps_equal_those_of_scipy() {
    let Some(folder) = references() else {
        println!("skipped: no ../shared");
        return;
    };
    let volume: Array3<f32> = read_npy(folder.join("in_vol.npy")).unwrap();
    let shifts: Array4<f32> = read_npy(folder.join("in_displacement.npy")).unwrap();
    let components = [2, 1, 0].map(|i| shifts.index_axis(Axis(0), i).to_owned());
    let field = Dense::new(components.clone(), Affine::IDENTITY, Outside::Edge).unwrap();
    let field = Displacement::from(field);
    let chain = [Stage::Displacement(&field)];
    for (name, order, boundary) in [
        ("warp_o0", Order::Nearest, Boundary::Reflect),
        ("warp_o1", Order::Linear, Boundary::Reflect),
        ("warp_o3", Order::Cubic, Boundary::Reflect),
        ("warp_rgi_linear", Order::Linear, Boundary::Constant),
    ] {
        let expected: Array3<f32> = read_npy(folder.join(format!("{name}.npy"))).unwrap();
        let sampling = DisplacedSampling {
            chain: &chain,
            order,
            boundary,
            fill: 0.0,
            boxes: &[],
        };
        let got = displaced(&volume, &sampling, expected.dim());
        let fold = |start, f: fn(f32, f32) -> f32| expected.iter().copied().fold(start, f);
        let range = fold(f32::NEG_INFINITY, f32::max) - fold(f32::INFINITY, f32::min);
        let allowed = if order == Order::Nearest {
            0.0
        } else {
            1e-6 * range
        };
        let differences = got.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0, f32::max);
        println!("{name:<16} {:.1e} of the range", largest / range);
        assert!(largest <= allowed, "{name}: {largest}, allowed {allowed}");
    }
}

/// Every result of the displacement path, as bits.
fn everything<T: Element>() -> Vec<u64> {
    let value = |k: usize| (k * 7919 % 1009) as f64 * 0.2 - 40.0;
    let source = Array3::from_shape_fn((23, 29, 31), |(z, y, x)| T::from_f64(value(z * y + 7 * x)));
    let control = Array4::from_shape_fn((3, 6, 7, 8), |(i, z, y, x)| {
        value(i + 3 * z + 11 * y + 29 * x) * 0.05
    });
    let size = [31, 29, 23];
    let spline = BSpline::new(control.view(), Affine::IDENTITY, size)
        .unwrap()
        .into();
    let components = [1, 2, 3].map(|i| {
        Array3::from_shape_fn((9, 8, 7), |(z, y, x)| {
            value(i * (z + 3 * y + x * x)) as f32 * 0.03
        })
    });
    let coarse = Affine::scaling([0.25; 3]);
    let dense = Dense::new(components, coarse, Outside::Identity)
        .unwrap()
        .into();
    let oblique = Affine::from_rows([
        [0.91, 0.13, -0.07, 2.1],
        [-0.11, 0.87, 0.19, -1.3],
        [0.05, -0.21, 0.9, 1.7],
    ]);
    let straight = Affine::scaling([0.6, 0.9, 1.1]);
    let mut bits = Vec::new();
    for first in [straight, oblique] {
        let chain = [
            Stage::Affine(first),
            Stage::Displacement(&spline),
            Stage::Displacement(&dense),
            Stage::Affine(oblique),
        ];
        for order in [Order::Nearest, Order::Linear, Order::Cubic] {
            for boundary in [Boundary::Extent, Boundary::Edge, Boundary::Reflect] {
                let sampling = DisplacedSampling {
                    chain: &chain,
                    order,
                    boundary,
                    fill: -3.0,
                    boxes: &[],
                };
                let out = displaced(&source, &sampling, (19, 17, 83));
                bits.extend(out.iter().map(|v| v.to_f64().to_bits()));
            }
        }
        for field in [&spline, &dense] {
            let field: &Displacement = field;
            bits.push(field.jacobian_min(&first, size).to_bits());
            let steep = field.scaled(9.0).unwrap();
            let scale = steep.unfolding_scale(&first, size);
            assert!(0.0 < scale && scale < 1.0);
            bits.push(scale.to_bits());
            bits.push(field.max_displacement(&first, size).to_bits());
        }
    }
    bits
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let results = [1, 2, 3, 8].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let both = || (everything::<i16>(), everything::<f64>());
        pool.build().unwrap().install(both)
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_simd_level_changes_no_bit() {
    let both = || (everything::<u8>(), everything::<f32>());
    let results = Level::ALL.map(|level| with_level(level, both));
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}
