//! Resampling through displacements against its definition, and its laws.

use ndarray::{Array3, Array4, Axis};
use proptest::prelude::*;

use super::super::{BSpline, Dense, Outside, Store, resample_into, slabs};
use super::*;

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

fn sampling<'a>(chain: &'a [Stage<'a>], order: Order, boundary: Boundary) -> DisplacedSampling<'a> {
    DisplacedSampling {
        chain,
        order,
        boundary,
        fill: -7.0,
        boxes: &[],
    }
}

fn displaced<T: Element>(
    source: &Array3<T>,
    sampling: &DisplacedSampling<'_>,
    shape: (usize, usize, usize),
) -> Array3<T::Float> {
    let mut out = Array3::from_elem(shape, T::Float::ONE);
    let size = [shape.2, shape.1, shape.0];
    let mut rest = out.view_mut();
    let mut parts = Vec::new();
    for z in slabs(size) {
        let (part, tail) = rest.split_at(Axis(0), z.len());
        let sink = Store {
            first: z.start,
            part,
        };
        parts.push(Slab { z, sink });
        rest = tail;
    }
    resample_displaced(source.view(), size, sampling, parts).unwrap();
    out
}

/// Numbers in -1..1 without end.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() + 1.0) * 0.5 * n as f64) as usize
    }

    /// A map that leaves points about where they are; every second one keeps axes apart.
    fn affine(&mut self) -> Affine {
        let mix = if self.below(2) == 0 { 0.0 } else { 0.3 };
        let mut linear = [[0.0; 3]; 3];
        for (i, row) in linear.iter_mut().enumerate() {
            for (j, v) in row.iter_mut().enumerate() {
                *v = if i == j {
                    1.0 + 0.4 * self.next()
                } else {
                    mix * self.next()
                };
            }
        }
        let offset = [0.0; 3].map(|_: f64| 1.5 * self.next());
        let mut map = Affine::from_parts(linear, offset);
        if self.below(4) == 0 {
            // the axes in another order
            let [x, y, z] = *map.rows();
            map = Affine::from_rows([y, z, x]);
        }
        map
    }

    fn field(&mut self, size: [usize; 3]) -> Displacement {
        let index_from_world = self.affine();
        if self.below(2) == 0 {
            let outside = if self.below(2) == 0 {
                Outside::Identity
            } else {
                Outside::Edge
            };
            let [nx, ny, nz] = [1, 2, 3].map(|n| n + self.below(9));
            let components = [0; 3]
                .map(|_| Array3::from_shape_simple_fn((nz, ny, nx), || (1.7 * self.next()) as f32));
            return Dense::new(components, index_from_world, outside)
                .unwrap()
                .into();
        }
        let [mx, my, mz] = [0; 3].map(|_| 4 + self.below(4));
        let control = Array4::from_shape_simple_fn((3, mz, my, mx), || 2.0 * self.next());
        BSpline::new(control.view(), index_from_world, size)
            .unwrap()
            .into()
    }
}

/// The cubic B-spline.
fn b3(t: f64) -> f64 {
    let t = t.abs();
    if t < 1.0 {
        2.0 / 3.0 - t * t + t * t * t / 2.0
    } else {
        (2.0 - t).max(0.0).powi(3) / 6.0
    }
}

/// The displacement of a point by its definition: a sum over all points of the field.
fn definition(field: &Displacement, point: [f64; 3]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    let c = field.index_from_world().apply(point);
    match field {
        Displacement::BSpline(spline) => {
            let control = spline.control();
            let (_, mz, my, mx) = control.dim();
            let u: [f64; 3] = std::array::from_fn(|a| {
                let intervals = ([mx, my, mz][a] - 3) as f64;
                let u = (c[a] + 0.625) * intervals / (spline.size()[a] as f64 + 0.25);
                if (0.0..=intervals).contains(&u) {
                    u
                } else {
                    f64::INFINITY
                }
            });
            if u.iter().all(|u| u.is_finite()) {
                for ((i, z, y, x), v) in control.indexed_iter() {
                    let basis = [x, y, z]
                        .into_iter()
                        .zip(u)
                        .map(|(k, u)| b3(u + 1.0 - k as f64));
                    sum[i] += v * basis.product::<f64>();
                }
            }
        }
        Displacement::Dense(dense) => {
            let (nz, ny, nx) = dense.components()[0].dim();
            let n = [nx, ny, nz];
            let inside = (0..3).all(|a| (-0.5..=n[a] as f64 - 0.5).contains(&c[a]));
            if inside || dense.outside() == Outside::Edge {
                for (sum, component) in sum.iter_mut().zip(dense.components()) {
                    for ((z, y, x), v) in component.indexed_iter() {
                        let hat = |a: usize, k: usize| {
                            let c = c[a].clamp(0.0, n[a] as f64 - 1.0);
                            (1.0 - (c - k as f64).abs()).max(0.0)
                        };
                        *sum += f64::from(*v) * hat(0, x) * hat(1, y) * hat(2, z);
                    }
                }
            }
        }
    }
    sum
}

/// What a voxel becomes by the definition; the last sample is that of the affine path.
fn expected<T: Element>(
    source: &Array3<T>,
    sampling: &DisplacedSampling<'_>,
    voxel: [f64; 3],
) -> f64 {
    let mut point = voxel;
    for position in 0..=sampling.chain.len() {
        for b in sampling.boxes.iter().filter(|b| b.after == position) {
            let c = b.box_from_point.apply(point);
            if !(0..3).all(|a| (-0.5 - 1e-6..=b.size[a] as f64 - 0.5 + 1e-6).contains(&c[a])) {
                return sampling.fill;
            }
        }
        match sampling.chain.get(position) {
            Some(Stage::Affine(map)) => point = map.apply(point),
            Some(Stage::Displacement(field)) => {
                let d = definition(field, point);
                point = [0, 1, 2].map(|a| point[a] + d[a]);
            }
            None => {}
        }
    }
    let one = Sampling {
        source_from_out: Affine::translation(point),
        order: sampling.order,
        boundary: sampling.boundary,
        fill: sampling.fill,
        boxes: &[],
    };
    let mut out = Array3::from_elem((1, 1, 1), T::Float::ONE);
    resample_into(source.view(), &one, out.view_mut()).unwrap();
    out[[0, 0, 0]].to_f64()
}

fn compare<T: Element>(seed: u64, order: Order, boundary: Boundary) -> Result<(), TestCaseError> {
    let mut numbers = Numbers(seed);
    let size = [0; 3].map(|_| 1 + numbers.below(11));
    let [nx, ny, nz] = size;
    let source =
        Array3::from_shape_simple_fn((nz, ny, nx), || T::from_f64(120.0 + 119.0 * numbers.next()));
    let fields: Vec<_> = (0..3).map(|_| numbers.field(size)).collect();
    let mut chain = Vec::new();
    for field in fields.iter().take(1 + numbers.below(3)) {
        for _ in 0..numbers.below(3) {
            chain.push(Stage::Affine(numbers.affine()));
        }
        chain.push(Stage::Displacement(field));
    }
    if numbers.below(3) > 0 {
        chain.push(Stage::Affine(numbers.affine()));
    }
    let boxes: Vec<_> = (0..numbers.below(3))
        .map(|_| ChainBox {
            after: numbers.below(chain.len() + 1),
            box_from_point: numbers.affine(),
            size: [9, 4 + numbers.below(5), 9],
        })
        .collect();
    let sampling = DisplacedSampling {
        boxes: &boxes,
        ..sampling(&chain, order, boundary)
    };
    let shape = (
        1 + numbers.below(4),
        1 + numbers.below(4),
        1 + numbers.below(12),
    );
    let got = displaced(&source, &sampling, shape);
    let tolerance = match (order, size_of::<T::Float>()) {
        (Order::Nearest, _) => 0.0,
        (_, 4) => 250.0 * 2e-6,
        _ => 250.0 * 1e-11,
    };
    for ((z, y, x), v) in got.indexed_iter() {
        let expected = expected(&source, &sampling, [x as f64, y as f64, z as f64]);
        prop_assert!(
            (v.to_f64() - expected).abs() <= tolerance,
            "{:?}: {:?}, by definition {}",
            (z, y, x),
            v,
            expected
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_sample_is_that_of_the_definition(
        seed: u64,
        order in 0_usize..3,
        boundary in 0_usize..7,
        kind in 0_usize..4,
    ) {
        let (order, boundary) = (ORDERS[order], BOUNDARIES[boundary]);
        match kind {
            0 => compare::<u8>(seed, order, boundary)?,
            1 => compare::<i16>(seed, order, boundary)?,
            2 => compare::<f32>(seed, order, boundary)?,
            _ => compare::<f64>(seed, order, boundary)?,
        }
    }

    #[test]
    fn next_to_no_displacement_is_the_affine_path(seed: u64, boundary in 0_usize..7) {
        let mut numbers = Numbers(seed);
        let source = Array3::from_shape_simple_fn((9, 8, 10), || numbers.next() as f32);
        let (first, second) = (numbers.affine(), numbers.affine());
        for size in [0.0, 1e-13] {
            let control = Array4::from_elem((3, 5, 4, 6), size);
            let spline = BSpline::new(control.view(), first, [10, 8, 9]).unwrap().into();
            let components = [0; 3].map(|_| Array3::from_elem((3, 4, 5), size as f32));
            let dense = Dense::new(components, second, Outside::Edge).unwrap().into();
            let chain = [
                Stage::Affine(first),
                Stage::Displacement(&spline),
                Stage::Displacement(&dense),
                Stage::Affine(second),
            ];
            for order in ORDERS {
                let boundary = BOUNDARIES[boundary];
                let plain = Sampling {
                    source_from_out: second * first,
                    order,
                    boundary,
                    fill: -7.0,
                    boxes: &[],
                };
                let mut expected = Array3::<f32>::zeros((7, 6, 70));
                resample_into(source.view(), &plain, expected.view_mut()).unwrap();
                let got = displaced(&source, &sampling(&chain, order, boundary), (7, 6, 70));
                // of values between -7 and 1
                let tolerance = if size == 0.0 || order == Order::Nearest {
                    0.0
                } else {
                    8e-6
                };
                for (got, expected) in got.iter().zip(&expected) {
                    prop_assert!((got - expected).abs() <= tolerance, "{} {}", got, expected);
                }
            }
        }
    }
}

#[test]
fn a_field_of_one_voxel_shifts_the_image_against_its_displacement() {
    let source = Array3::from_shape_vec((1, 1, 4), vec![1.0_f32, 2.0, 4.0, 8.0]).unwrap();
    let components = [1.0, 0.0, 0.0].map(|v| Array3::from_elem((1, 1, 1), v));
    let out = |outside, boundary| {
        let field = Dense::new(components.clone(), Affine::IDENTITY, outside).unwrap();
        let field = Displacement::from(field);
        let chain = [Stage::Displacement(&field)];
        displaced(
            &source,
            &sampling(&chain, Order::Linear, boundary),
            (1, 1, 4),
        )
        .into_raw_vec_and_offset()
        .0
    };
    assert_eq!(out(Outside::Edge, Boundary::Extent), [2.0, 4.0, 8.0, -7.0]);
    assert_eq!(out(Outside::Edge, Boundary::Edge), [2.0, 4.0, 8.0, 8.0]);
    // Only voxel 0 lies on the field.
    assert_eq!(
        out(Outside::Identity, Boundary::Extent),
        [2.0, 2.0, 4.0, 8.0]
    );
}

#[test]
fn a_box_is_tested_where_it_stands_in_the_chain() {
    let source = Array3::from_shape_fn((1, 1, 6), |(_, _, x)| x as f32);
    let components = [2.0, 0.0, 0.0].map(|v| Array3::from_elem((1, 1, 1), v));
    let field = Dense::new(components, Affine::IDENTITY, Outside::Edge).unwrap();
    let field = Displacement::from(field);
    let chain = [Stage::Displacement(&field)];
    let out = |after| {
        let boxes = [ChainBox {
            after,
            box_from_point: Affine::IDENTITY,
            size: [4, 1, 1],
        }];
        let sampling = DisplacedSampling {
            boxes: &boxes,
            ..sampling(&chain, Order::Nearest, Boundary::Edge)
        };
        displaced(&source, &sampling, (1, 1, 5))
            .into_raw_vec_and_offset()
            .0
    };
    assert_eq!(out(0), [2.0, 3.0, 4.0, 5.0, -7.0]);
    assert_eq!(out(1), [2.0, 3.0, -7.0, -7.0, -7.0]);
    assert_eq!(out(99), out(1));
}

#[test]
fn absurd_maps_read_no_voxel_out_of_bounds() {
    let source = Array3::from_shape_fn((3, 2, 5), |(z, y, x)| (z + y + x) as f32);
    for entry in [1e38, -1e38, 1e300, 1e-300, 1e18] {
        let control = Array4::from_elem((3, 4, 4, 5), entry);
        let spline = BSpline::new(control.view(), Affine::IDENTITY, [5, 2, 3])
            .unwrap()
            .into();
        let components =
            [0; 3].map(|_| Array3::from_elem((2, 2, 2), (entry as f32).clamp(-1e38, 1e38)));
        let dense = Dense::new(components, Affine::IDENTITY, Outside::Edge)
            .unwrap()
            .into();
        let map = Affine::scaling([entry, 1.0, -entry]);
        let chains = [
            vec![Stage::Displacement(&spline), Stage::Displacement(&dense)],
            vec![Stage::Affine(map), Stage::Displacement(&spline)],
            vec![
                Stage::Displacement(&dense),
                Stage::Affine(map),
                Stage::Affine(map),
            ],
        ];
        for chain in &chains {
            for boundary in BOUNDARIES {
                for order in ORDERS {
                    displaced(&source, &sampling(chain, order, boundary), (3, 4, 70));
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_sampled_is_refused() {
    struct Nowhere;
    impl RowSink<f32> for Nowhere {
        fn row(&mut self, _: usize, _: usize, _: &mut [f32]) {}
    }
    let source = Array3::<u8>::zeros((2, 2, 2));
    let slab = |z| vec![Slab { z, sink: Nowhere }];
    let chain = [Stage::Affine(Affine::scaling([f64::NAN, 1.0, 1.0]))];
    let bad = sampling(&chain, Order::Linear, Boundary::Extent);
    let refuse = |sampling: &DisplacedSampling<'_>, size, z| {
        resample_displaced(source.view(), size, sampling, slab(z)).unwrap_err()
    };
    assert_eq!(refuse(&bad, [2; 3], 0..1), Error::NonFiniteMap);
    let good = sampling(&[], Order::Linear, Boundary::Extent);
    assert_eq!(refuse(&good, [2, 0, 2], 0..1), Error::OutputSize([2, 0, 2]));
    let slab = Error::SlabRange {
        start: 1,
        end: 3,
        slices: 2,
    };
    assert_eq!(refuse(&good, [2; 3], 1..3), slab);
}
