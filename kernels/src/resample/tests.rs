//! Resampling against its definition, and its laws.

use super::*;
use ndarray::{Array3, ShapeBuilder, s};
use proptest::prelude::*;

mod definition;

const BOUNDARIES: [Boundary; 7] = [
    Boundary::Extent,
    Boundary::Itk,
    Boundary::Edge,
    Boundary::Mirror,
    Boundary::Reflect,
    Boundary::Constant,
    Boundary::GridConstant,
];
const ORDERS: [Order; 3] = [Order::Nearest, Order::Linear, Order::Cubic];

fn sampling(source_from_out: Affine, order: Order, boundary: Boundary) -> Sampling<'static> {
    Sampling {
        source_from_out,
        order,
        boundary,
        fill: -7.0,
        boxes: &[],
    }
}

fn resampled<T: Element>(
    source: &Array3<T>,
    sampling: &Sampling<'_>,
    shape: (usize, usize, usize),
) -> Array3<T::Float> {
    let mut out = Array3::from_elem(shape, T::Float::ONE);
    resample_into(source.view(), sampling, out.view_mut()).unwrap();
    out
}

fn line(values: &[f32]) -> Array3<f32> {
    Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap()
}

#[test]
fn half_way_is_the_mean_and_the_rim_repeats_the_end() {
    let map = Affine::from_rows([
        [0.5, 0.0, 0.0, -1.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ]);
    let out = |order, boundary| {
        resampled(
            &line(&[2.0, 4.0, 8.0]),
            &sampling(map, order, boundary),
            (1, 1, 9),
        )
        .into_raw_vec_and_offset()
        .0
    };
    assert_eq!(
        out(Order::Linear, Boundary::Extent),
        [-7.0, 2.0, 2.0, 3.0, 4.0, 6.0, 8.0, 8.0, -7.0]
    );
    assert_eq!(
        out(Order::Linear, Boundary::Constant),
        [-7.0, -7.0, 2.0, 3.0, 4.0, 6.0, 8.0, -7.0, -7.0]
    );
    assert_eq!(
        out(Order::Linear, Boundary::GridConstant),
        [-7.0, -2.5, 2.0, 3.0, 4.0, 6.0, 8.0, 0.5, -7.0]
    );
    assert_eq!(
        out(Order::Linear, Boundary::Mirror),
        [4.0, 3.0, 2.0, 3.0, 4.0, 6.0, 8.0, 6.0, 4.0]
    );
    assert_eq!(
        out(Order::Nearest, Boundary::Extent),
        [-7.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0, 8.0, -7.0]
    );
    assert_eq!(out(Order::Linear, Boundary::Itk)[7], -7.0);
}

#[test]
fn a_landmark_off_every_axis_lands_where_the_algebra_says() {
    let mut source = Array3::<i16>::zeros((7, 8, 9));
    source[[5, 2, 6]] = 100;
    // Output (x, y, z) = (1, 4, 3) reads source (6, 2, 5).
    let map = Affine::from_rows([
        [0.0, 1.0, 1.0, -1.0],
        [2.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 0.0, 0.0],
    ]);
    for order in [Order::Nearest, Order::Linear] {
        let out = resampled(&source, &sampling(map, order, Boundary::Extent), (5, 6, 4));
        assert_eq!(out[[3, 4, 1]], 100.0);
    }
}

#[test]
fn a_nan_spreads_over_its_cells_only() {
    let map = Affine::translation([0.25, 0.0, 0.0]);
    let out = resampled(
        &line(&[1.0, f32::NAN, 3.0, 4.0]),
        &sampling(map, Order::Linear, Boundary::Extent),
        (1, 1, 4),
    );
    let nan: Vec<bool> = out.iter().map(|v| v.is_nan()).collect();
    assert_eq!(nan, [true, true, false, false]);
}

#[test]
fn a_sample_that_leaves_a_box_takes_the_fill() {
    let boxes = [ValidityBox {
        box_from_out: Affine::translation([-1.0, 0.0, 0.0]),
        size: [2, 1, 1],
    }];
    for (order, shift) in [
        (Order::Nearest, 0.0),
        (Order::Linear, 0.0),
        (Order::Linear, 0.5),
    ] {
        let map = Affine::translation([shift, 0.0, 0.0]);
        let sampling = Sampling {
            boxes: &boxes,
            ..sampling(map, order, Boundary::Extent)
        };
        let out = resampled(&line(&[1.0, 2.0, 3.0, 4.0]), &sampling, (1, 1, 4));
        let expected = [-7.0, 2.0 + shift as f32, 3.0 + shift as f32, -7.0];
        assert_eq!(out.into_raw_vec_and_offset().0, expected);
    }
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    let source = Array3::<u8>::zeros((2, 2, 2));
    let good = sampling(Affine::IDENTITY, Order::Linear, Boundary::Extent);
    let refuse = |source: &Array3<u8>, sampling: &Sampling<'_>, shape| {
        let mut out = Array3::<f32>::zeros(shape);
        resample_into(source.view(), sampling, out.view_mut()).unwrap_err()
    };
    assert_eq!(
        refuse(&source, &good, (2, 0, 2)),
        Error::OutputSize([2, 0, 2])
    );
    let empty = Array3::<u8>::zeros((2, 2, 0));
    assert_eq!(
        refuse(&empty, &good, (2, 2, 2)),
        Error::SourceSize([0, 2, 2])
    );
    let nan = sampling(
        Affine::scaling([f64::NAN, 1.0, 1.0]),
        Order::Cubic,
        Boundary::Edge,
    );
    assert_eq!(refuse(&source, &nan, (2, 2, 2)), Error::NonFiniteMap);
    let boxes = [ValidityBox {
        box_from_out: Affine::translation([f64::INFINITY, 0.0, 0.0]),
        size: [1; 3],
    }];
    let infinite = Sampling {
        boxes: &boxes,
        ..good
    };
    assert_eq!(refuse(&source, &infinite, (2, 2, 2)), Error::NonFiniteMap);

    struct Nowhere;
    impl RowSink<f32> for Nowhere {
        fn row(&mut self, _: usize, _: usize, _: &mut [f32]) {}
    }
    let slabs = vec![Slab {
        z: 1..3,
        sink: Nowhere,
    }];
    assert_eq!(
        resample(source.view(), [2; 3], &good, slabs),
        Err(Error::SlabRange {
            start: 1,
            end: 3,
            slices: 2
        })
    );
}

#[test]
fn absurd_maps_read_no_voxel_out_of_bounds() {
    let source = Array3::from_shape_fn((3, 2, 5), |(z, y, x)| (z + y + x) as f32);
    for entry in [f64::MAX, -f64::MAX, 1e300, 1e18, 1e-300] {
        let maps = [
            Affine::scaling([entry, 1.0, 1.0]),
            Affine::translation([entry, 0.5, 0.1]),
            Affine::from_rows([
                [entry, -entry, 1.0, entry],
                [0.3, 1.0, 0.0, 0.0],
                [0.0, 0.1, entry, 0.0],
            ]),
            Affine::from_rows([[0.0; 4]; 3]),
        ];
        for map in maps {
            for boundary in BOUNDARIES {
                for order in ORDERS {
                    resampled(&source, &sampling(map, order, boundary), (3, 4, 70));
                }
            }
        }
    }
}

#[test]
fn an_output_outside_the_source_is_all_fill() {
    let source = Array3::<i16>::ones((3, 4, 5));
    let map = Affine::from_rows([
        [1.0, 0.1, 0.0, 100.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.3, 0.0],
    ]);
    for order in ORDERS {
        for map in [map, Affine::translation([0.3, -90.0, 0.0])] {
            let out = resampled(&source, &sampling(map, order, Boundary::Extent), (9, 5, 6));
            assert!(out.iter().all(|v| *v == -7.0));
        }
    }
}

#[test]
fn slabs_partition_the_slices() {
    for depth in [1, 7, 8, 9, 100, 450, 5000] {
        let slabs = slabs([3, 3, depth]);
        assert_eq!(slabs[0].start, 0);
        assert_eq!(slabs[slabs.len() - 1].end, depth);
        assert!(slabs.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}

/// A map that mixes axes.
fn any_affine() -> impl Strategy<Value = Affine> {
    (
        proptest::array::uniform9(-1.3_f64..1.3),
        proptest::array::uniform3(-4.0_f64..14.0),
    )
        .prop_map(|(m, t)| {
            Affine::from_parts(
                [[m[0], m[1], m[2]], [m[3], m[4], m[5]], [m[6], m[7], m[8]]],
                t,
            )
        })
}

/// A map that scales, permutes and shifts.
fn any_separable() -> impl Strategy<Value = Affine> {
    (
        proptest::array::uniform3(-2.2_f64..2.2),
        proptest::array::uniform3(-4.0_f64..14.0),
        0_usize..6,
    )
        .prop_map(|(scale, t, order)| {
            let axes = [
                [0, 1, 2],
                [0, 2, 1],
                [1, 0, 2],
                [1, 2, 0],
                [2, 0, 1],
                [2, 1, 0],
            ][order];
            let mut linear = [[0.0; 3]; 3];
            for a in 0..3 {
                linear[a][axes[a]] = scale[a];
            }
            Affine::from_parts(linear, t)
        })
}

fn any_map() -> impl Strategy<Value = Affine> {
    prop_oneof![any_affine(), any_separable()]
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Nearest),
        Just(Order::Linear),
        Just(Order::Cubic)
    ]
}

fn any_boundary() -> impl Strategy<Value = Boundary> {
    (0..BOUNDARIES.len()).prop_map(|i| BOUNDARIES[i])
}

fn any_size() -> impl Strategy<Value = (usize, usize, usize)> {
    (1_usize..18, 1_usize..18, 1_usize..18)
}

/// Voxels of every type from one generator.
fn voxels<T: Element>(shape: (usize, usize, usize), seed: u64) -> Array3<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Array3::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        T::from_f64((state >> 11) as f64 / (1_u64 << 53) as f64 * 250.0)
    })
}

fn compare<T: Element>(
    shape: (usize, usize, usize),
    out: (usize, usize, usize),
    seed: u64,
    sampling: &Sampling<'_>,
) -> Result<(), TestCaseError> {
    let source = voxels::<T>(shape, seed);
    // Every second seed looks at the source through odd strides.
    let got = if seed.is_multiple_of(2) {
        resampled(&source, sampling, out)
    } else {
        let (nz, ny, nx) = shape;
        let mut wide = Array3::from_elem((nz + 1, 2 * ny, nx + 3).f(), T::default());
        wide.slice_mut(s![1..;-1, ..;2, 2..nx + 2]).assign(&source);
        let view = wide.slice(s![1..;-1, ..;2, 2..nx + 2]);
        let mut result = Array3::from_elem(out, T::Float::ONE);
        resample_into(view, sampling, result.view_mut()).unwrap();
        result
    };
    let expected = definition::resampled(&source.mapv(T::to_f64), sampling, out);
    let tolerance = match (sampling.order, size_of::<T::Float>()) {
        (Order::Nearest, _) => 0.0,
        (_, 4) => 250.0 * 1e-6,
        // The edge continuation is cut off where it has come to rest.
        _ => 250.0 * 1e-12,
    };
    for ((index, got), expected) in got.indexed_iter().zip(&expected) {
        let difference = (got.to_f64() - expected).abs();
        prop_assert!(
            difference <= tolerance,
            "{:?}: {:?}, by definition {}",
            index,
            got,
            expected
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_sample_is_that_of_the_definition(
        shape in any_size(),
        out in (1_usize..8, 1_usize..8, 1_usize..90),
        map in any_map(),
        boxes in proptest::collection::vec((any_map(), 1_usize..12), 0..2),
        order in any_order(),
        boundary in any_boundary(),
        kind in 0_usize..6,
        seed: u64,
    ) {
        let boxes: Vec<_> = boxes
            .into_iter()
            .map(|(box_from_out, n)| ValidityBox { box_from_out, size: [n, 9, 9] })
            .collect();
        let sampling = Sampling { boxes: &boxes, ..sampling(map, order, boundary) };
        match kind {
            0 => compare::<u8>(shape, out, seed, &sampling)?,
            1 => compare::<i16>(shape, out, seed, &sampling)?,
            2 => compare::<u16>(shape, out, seed, &sampling)?,
            3 => compare::<i32>(shape, out, seed, &sampling)?,
            4 => compare::<f32>(shape, out, seed, &sampling)?,
            _ => compare::<f64>(shape, out, seed, &sampling)?,
        }
    }

    #[test]
    fn the_identity_is_exact(
        shape in any_size(),
        order in any_order(),
        boundary in any_boundary(),
        noise in -1e-12_f64..1e-12,
        seed: u64,
    ) {
        let source = voxels::<f32>(shape, seed);
        let map = Affine::translation([noise, 0.0, -noise]);
        prop_assert_eq!(&resampled(&source, &sampling(map, order, boundary), shape), &source);
    }

    #[test]
    fn a_translation_by_voxels_is_a_copy(
        shape in any_size(),
        shift in proptest::array::uniform3(-5_i64..6),
        flip in any::<bool>(),
        order in any_order(),
        seed: u64,
    ) {
        let source = voxels::<f32>(shape, seed);
        let sign = if flip { -1.0 } else { 1.0 };
        let map = Affine::translation(shift.map(|v| v as f64)) * Affine::scaling([1.0, sign, 1.0]);
        let out = (6, 7, 8);
        let mut expected = Array3::zeros(out);
        let exact = index_exact(&map, [8, 7, 6]).unwrap();
        copy_index_exact(source.view(), &exact, &[], -7.0, expected.view_mut());
        prop_assert_eq!(resampled(&source, &sampling(map, order, Boundary::Extent), out), expected);
    }

    #[test]
    fn a_constant_stays_constant(
        shape in any_size(),
        map in any_map(),
        order in any_order(),
        boundary in any_boundary(),
        v in -1000.0_f32..1000.0,
    ) {
        let source = Array3::from_elem(shape, v);
        let sampling = Sampling { fill: f64::from(v), ..sampling(map, order, boundary) };
        for out in &resampled(&source, &sampling, (5, 6, 70)) {
            let tolerance = if order == Order::Cubic { 1e-6 * v.abs() } else { 0.0 };
            prop_assert!((out - v).abs() <= tolerance, "{} {}", out, v);
        }
    }

    #[test]
    fn linear_reproduces_ramps(map in any_map(), slope in proptest::array::uniform3(-3.0_f64..3.0)) {
        let ramp = |x: f64, y: f64, z: f64| slope[0] * x + slope[1] * y + slope[2] * z;
        let source =
            Array3::from_shape_fn((9, 10, 11), |(z, y, x)| ramp(x as f64, y as f64, z as f64));
        for order in [Order::Linear, Order::Cubic] {
            let out = resampled(&source, &sampling(map, order, Boundary::Constant), (6, 7, 40));
            for ((z, y, x), v) in out.indexed_iter() {
                let [x, y, z] = map.apply([x as f64, y as f64, z as f64]);
                let margin = if order == Order::Cubic { 4.0 } else { 0.0 };
                let interior = [(x, 10.0), (y, 9.0), (z, 8.0)]
                    .iter()
                    .all(|(c, last)| margin <= *c && *c <= last - margin);
                let tolerance = if order == Order::Cubic { 0.2 } else { 1e-10 };
                if interior {
                    prop_assert!((v - ramp(x, y, z)).abs() < tolerance);
                }
            }
        }
    }

    #[test]
    fn integers_are_rounded_into_the_output(seed: u64) {
        let source = voxels::<i16>((4, 5, 6), seed);
        let map = Affine::scaling([0.37, 0.61, 0.83]);
        let sampling = sampling(map, Order::Cubic, Boundary::Edge);
        let floats = resampled(&source, &sampling, (4, 6, 12));
        let mut bytes = Array3::<u8>::zeros((12, 6, 4)).reversed_axes();
        resample_into(source.view(), &sampling, bytes.view_mut()).unwrap();
        prop_assert_eq!(bytes, floats.mapv(u8::from_float));
    }
}
