//! Surfaces are closed, oriented, exact, and the same for any number of threads.

use std::collections::HashMap;

use ndarray::{Array3, s};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use super::*;
use crate::simd::{Level, with_level};

const MASK: Isosurface = Isosurface {
    level: 0.5,
    padding: Some(0.0),
    world_from_index: Affine::IDENTITY,
};

/// Random numbers from 0 to 1 (SplitMix64).
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn noise([nx, ny, nz]: [usize; 3], seed: u64) -> Array3<f32> {
    let mut next = random(seed);
    Array3::from_shape_simple_fn((nz, ny, nx), || next() as f32)
}

/// Every side of a triangle has one partner that runs the other way; the triangles around a vertex
/// are one ring; no triangle has a corner twice.
fn assert_closed_manifold(surface: &Surface) {
    let mut next_around: HashMap<(u32, u32), u32> = HashMap::new();
    let mut degree = vec![0; surface.vertices.len()];
    for &[a, b, c] in &surface.triangles {
        for (a, b, c) in [(a, b, c), (b, c, a), (c, a, b)] {
            assert_ne!(a, b);
            // Round a, the triangle leads from b to c: no side from a to b has been seen before.
            assert_eq!(next_around.insert((a, b), c), None, "side {a} {b} twice");
            degree[a as usize] += 1;
        }
    }
    for &(a, b) in next_around.keys() {
        assert!(next_around.contains_key(&(b, a)), "side {a} {b} is open");
    }
    let mut starts: HashMap<u32, u32> = HashMap::new();
    for &(a, b) in next_around.keys() {
        starts.insert(a, b);
    }
    for (a, n) in degree.iter().enumerate() {
        let a = a as u32;
        let first = starts[&a];
        let (mut at, mut steps) = (next_around[&(a, first)], 1);
        while at != first {
            at = next_around[&(a, at)];
            steps += 1;
        }
        assert_eq!(steps, *n, "vertex {a} joins several sheets");
    }
}

fn euler(surface: &Surface) -> i64 {
    surface.vertices.len() as i64 - surface.triangles.len() as i64 / 2
}

/// Area and enclosed volume.
fn measures(surface: &Surface) -> (f64, f64) {
    let (mut area, mut volume) = (0.0, 0.0);
    for triangle in &surface.triangles {
        let [a, b, c] = triangle.map(|i| surface.vertices[i as usize].map(f64::from));
        let [u, v] = [b, c].map(|p| [0, 1, 2].map(|i| p[i] - a[i]));
        let n = cross(u, v);
        area += 0.5 * dot(n, n).sqrt();
        volume += dot(a, cross(b, c)) / 6.0;
    }
    (area, volume)
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[test]
fn a_single_voxel_is_an_octahedron_whose_corners_are_half_way_to_the_neighbours() {
    let voxel = Array3::from_elem((1, 1, 1), 1_u8);
    let surface = marching_cubes(voxel.view(), &MASK).unwrap();
    let corners = [
        [0.0, 0.0, -0.5],
        [0.0, -0.5, 0.0],
        [-0.5, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [0.0, 0.5, 0.0],
        [0.0, 0.0, 0.5],
    ];
    assert_eq!(surface.vertices, corners);
    assert_eq!(surface.triangles.len(), 8);
    assert_closed_manifold(&surface);
    let (area, volume) = measures(&surface);
    assert!((area - 3_f64.sqrt()).abs() < 1e-7 && (volume - 1.0 / 6.0).abs() < 1e-7);
}

#[test]
fn a_vertex_lies_where_the_line_between_two_values_meets_the_level() {
    let ramp = Array3::from_shape_fn((2, 2, 3), |(_, _, x)| [40_i16, 0, -10][x]);
    let isosurface = Isosurface {
        level: 30.0,
        padding: None,
        world_from_index: Affine::translation([100.0, 0.0, 0.0]),
    };
    let surface = marching_cubes(ramp.view(), &isosurface).unwrap();
    let corners = [
        [100.25, 0.0, 0.0],
        [100.25, 1.0, 0.0],
        [100.25, 0.0, 1.0],
        [100.25, 1.0, 1.0],
    ];
    assert_eq!(surface.vertices, corners);
    // seen from +x, where the values are lower, the four corners anticlockwise: 0, 1, 3, 2
    assert_eq!(surface.triangles.len(), 2);
    for [a, b, c] in &surface.triangles {
        let [a, b, c] = [a, b, c].map(|i| surface.vertices[*i as usize].map(f64::from));
        let [u, v] = [b, c].map(|p| [0, 1, 2].map(|i| p[i] - a[i]));
        assert_eq!(cross(u, v), [1.0, 0.0, 0.0]);
    }
}

#[test]
fn voxels_that_touch_at_an_edge_or_a_corner_are_apart() {
    for second in [[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]] {
        let mut mask = Array3::zeros((2, 2, 2));
        mask[[0, 0, 0]] = 1_u8;
        mask[second] = 1;
        let surface = marching_cubes(mask.view(), &MASK).unwrap();
        assert_closed_manifold(&surface);
        assert_eq!((surface.vertices.len(), euler(&surface)), (12, 4));
    }
    // at the saddle of these values, 0.9 0.9 - 0.1 0.1 above twice the level, they are joined
    let high = ndarray::arr3(&[[[0.9_f32, 0.2], [0.2, 0.9]]]);
    let surface = marching_cubes(high.view(), &MASK).unwrap();
    assert_closed_manifold(&surface);
    assert_eq!((surface.vertices.len(), euler(&surface)), (12, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_surface_of_any_mask_is_a_closed_manifold(
        size in prop::array::uniform3(1..23_usize),
        wide: bool,
        share in 0.05..0.95_f64,
        seed: u64,
    ) {
        let size = if wide { [size[0] + 115, size[1], size[2]] } else { size };
        let mask = noise(size, seed).mapv(|v| u8::from(f64::from(v) < share));
        let surface = marching_cubes(mask.view(), &MASK).unwrap();
        assert_closed_manifold(&surface);
    }

    #[test]
    fn the_surface_of_any_volume_is_a_closed_manifold(
        size in prop::array::uniform3(1..40_usize),
        sigma in prop::sample::select(vec![0.0, 0.5, 0.8, 1.5]),
        level in 0.3..0.7_f64,
        seed: u64,
        mirrored: bool,
    ) {
        let rough = noise(size, seed);
        let mut smooth = rough.clone();
        crate::gaussian(rough.view(), [sigma; 3], 4.0, smooth.view_mut()).unwrap();
        let sign = if mirrored { -1.0 } else { 1.0 };
        let isosurface = Isosurface {
            level,
            padding: Some(0.0),
            world_from_index: Affine::scaling([sign, 2.0, 1.0]),
        };
        let surface = marching_cubes(smooth.view(), &isosurface).unwrap();
        assert_closed_manifold(&surface);
        let inside = smooth.iter().filter(|v| **v > level as f32).count();
        // the inside is on the inner side
        prop_assert!(inside == 0 || measures(&surface).1 > 0.0);
        // neither the memory's order nor the type of the voxels matters
        let transposed = smooth.view().reversed_axes().as_standard_layout().into_owned();
        let strided = marching_cubes(transposed.view().reversed_axes(), &isosurface).unwrap();
        prop_assert!(strided == surface);
    }

    #[test]
    fn values_at_the_level_infinities_and_nan_keep_it_closed(seed: u64) {
        let awkward = [0.5_f32, 0.5, 1.0, 0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN];
        let mut next = random(seed);
        let volume = Array3::from_shape_simple_fn((9, 9, 9), || awkward[(next() * 9.0) as usize]);
        let surface = marching_cubes(volume.view(), &MASK).unwrap();
        assert_closed_manifold(&surface);
        prop_assert!(surface.vertices.iter().flatten().all(|v| (-1.0..=9.0).contains(v)));
    }
}

/// Radius 20 mm on voxels of 0.9 x 1.1 x 2.5 mm, turned by 30 degrees about a slanted axis.
#[test]
fn a_sphere_has_its_area_and_volume_and_the_euler_number_2() {
    let axis = [2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0];
    let world_from_index = Affine::translation([-31.0, 250.0, 12.5])
        * Affine::rotation(axis, 30.0)
        * Affine::scaling([0.9, 1.1, 2.5]);
    let centre = world_from_index.apply([29.2, 24.9, 10.6]);
    let heights = Array3::from_shape_fn((22, 51, 60), |(z, y, x)| {
        let p = world_from_index.apply([x as f64, y as f64, z as f64]);
        let d = [0, 1, 2].map(|i| p[i] - centre[i]);
        20.0 - dot(d, d).sqrt()
    });
    let isosurface = Isosurface {
        level: 0.0,
        padding: Some(-1.0),
        world_from_index,
    };
    let surface = marching_cubes(heights.view(), &isosurface).unwrap();
    assert_closed_manifold(&surface);
    assert_eq!(euler(&surface), 2);
    let (area, volume) = measures(&surface);
    let pi = std::f64::consts::PI;
    assert!((area / (1600.0 * pi) - 1.0).abs() < 0.01, "{area}");
    assert!(
        (volume / (32_000.0 / 3.0 * pi) - 1.0).abs() < 0.01,
        "{volume}"
    );
    for v in &surface.vertices {
        let d = [0, 1, 2].map(|i| f64::from(v[i]) - centre[i]);
        assert!((dot(d, d).sqrt() - 20.0).abs() < 0.1);
    }
}

#[test]
fn a_torus_has_the_euler_number_0_and_a_hollow_ball_4() {
    let torus = Array3::from_shape_fn((13, 31, 31), |(z, y, x)| {
        let [x, y, z] = [x as f64 - 15.0, y as f64 - 15.0, z as f64 - 6.0];
        let ring = (x * x + y * y).sqrt() - 10.0;
        (16.0 - ring * ring - z * z) as f32
    });
    let isosurface = Isosurface {
        level: 0.25,
        padding: Some(-9.0),
        world_from_index: Affine::IDENTITY,
    };
    let surface = marching_cubes(torus.view(), &isosurface).unwrap();
    assert_closed_manifold(&surface);
    assert_eq!(euler(&surface), 0);
    let hollow = Array3::from_shape_fn((21, 21, 21), |(z, y, x)| {
        let d = [x, y, z].map(|v| v as f64 - 10.0);
        u8::from((25.0..82.0).contains(&dot(d, d)))
    });
    let surface = marching_cubes(hollow.view(), &MASK).unwrap();
    assert_closed_manifold(&surface);
    assert_eq!(euler(&surface), 4);
}

#[test]
fn without_padding_the_surface_is_open_at_the_border_alone() {
    let ball = Array3::from_shape_fn((9, 9, 9), |(z, y, x)| {
        let d = [x as f64 - 4.0, y as f64 - 4.0, z as f64];
        (4.3 - dot(d, d).sqrt()) as f32
    });
    let mut isosurface = Isosurface {
        level: 0.0,
        padding: None,
        world_from_index: Affine::IDENTITY,
    };
    let open = marching_cubes(ball.view(), &isosurface).unwrap();
    let mut sides = HashMap::new();
    for &[a, b, c] in &open.triangles {
        for (a, b) in [(a, b), (b, c), (c, a)] {
            *sides.entry((a.min(b), a.max(b))).or_insert(0) += 1;
        }
    }
    let single: Vec<_> = sides.iter().filter(|(_, n)| **n == 1).collect();
    assert!(!single.is_empty());
    for ((a, b), _) in single {
        let ends = [a, b].map(|i| open.vertices[*i as usize]);
        let on_border = |axis: usize| ends.iter().all(|p| p[axis] == 0.0 || p[axis] == 8.0);
        assert!((0..3).any(on_border));
    }
    isosurface.padding = Some(-1.0);
    let closed = marching_cubes(ball.view(), &isosurface).unwrap();
    assert_closed_manifold(&closed);
    assert_eq!(euler(&closed), 2);
}

#[test]
fn rows_of_whole_words_have_the_surface_of_longer_ones() {
    for nx in [63, 64, 65, 126, 127, 128, 129, 192] {
        let volume = noise([nx, 4, 3], nx as u64);
        let mut longer = Array3::zeros((3, 4, nx + 5));
        longer.slice_mut(s![.., .., ..nx]).assign(&volume);
        let closed = marching_cubes(volume.view(), &MASK).unwrap();
        assert_closed_manifold(&closed);
        assert_eq!(closed, marching_cubes(longer.view(), &MASK).unwrap());
        // open: as many vertices as edges of the grid that are crossed
        let open = Isosurface {
            padding: None,
            ..MASK
        };
        let open = marching_cubes(volume.view(), &open).unwrap();
        let is_inside = |z, y, x| volume.get((z, y, x)).map(|v| *v > 0.5);
        let mut crossed = 0;
        for (z, y, x) in ndarray::indices((3, 4, nx)) {
            let ends = [(z, y, x + 1), (z, y + 1, x), (z + 1, y, x)];
            let ends = ends.map(|(z, y, x)| is_inside(z, y, x));
            let differs = |end: &&Option<bool>| end.is_some() && **end != is_inside(z, y, x);
            crossed += ends.iter().filter(differs).count();
        }
        let centres = open.vertices.len() - crossed;
        assert!(centres < crossed / 20, "{nx}: {centres} {crossed}");
        assert!(
            open.triangles
                .iter()
                .flatten()
                .all(|i| (*i as usize) < open.vertices.len())
        );
    }
}

/// Three soft balls that run into each other.
fn soft_balls() -> Array3<f32> {
    let balls = [
        [40.3, 42.1, 38.7, 270.0],
        [83.9, 61.3, 45.2, 405.0],
        [61.6, 76.4, 57.1, 180.0],
    ];
    Array3::from_shape_fn((93, 111, 129), |(z, y, x)| {
        let [x, y, z] = [x as f64, y as f64, z as f64];
        let terms = balls.map(|[cx, cy, cz, r2]| {
            1.0 / (1.0 + ((x - cx) * (x - cx) + (y - cy) * (y - cy) + (z - cz) * (z - cz)) / r2)
        });
        terms.iter().sum::<f64>() as f32
    })
}

/// scikit-image 0.26.0, `marching_cubes(v, level, spacing=(2.5, 0.8, 1.1))`: vertices, triangles,
/// area, enclosed volume, mean vertex. The vertices are the same; which diagonal a bent quadrangle
/// has is the choice of each.
#[test]
fn smooth_surfaces_are_those_of_scikit_image() {
    let expected = [
        (
            (0.55, 24_226, 48_448),
            (30_833.674_746, 391_215.946_968),
            [70.268_973_61, 47.297_424_02, 115.586_851_22],
        ),
        (
            (0.8, 13_574, 27_144),
            (17_209.292_563, 142_986.568_092),
            [70.063_800_27, 47.887_529_7, 116.911_281_33],
        ),
        (
            (1.0, 7292, 14_576),
            (9_344.549_226, 48_937.591_333),
            [71.708_825_84, 49.520_492_52, 119.604_270_48],
        ),
    ];
    let volume = soft_balls();
    let world_from_index = Affine::scaling([1.1, 0.8, 2.5]);
    for ((level, vertices, triangles), (area, enclosed), mean) in expected {
        let isosurface = Isosurface {
            level,
            padding: None,
            world_from_index,
        };
        let surface = marching_cubes(volume.view(), &isosurface).unwrap();
        assert_eq!(surface.vertices.len(), vertices);
        assert_eq!(surface.triangles.len(), triangles);
        let (own_area, own_enclosed) = measures(&surface);
        assert!((own_area / area - 1.0).abs() < 1e-4, "{own_area} {area}");
        let ratio = own_enclosed / enclosed;
        assert!((ratio - 1.0).abs() < 2e-4, "{own_enclosed} {enclosed}");
        for axis in 0..3 {
            let sum: f64 = surface.vertices.iter().map(|v| f64::from(v[axis])).sum();
            assert!((sum / vertices as f64 - mean[axis]).abs() < 1e-5);
        }
    }
}

#[test]
fn every_number_of_threads_and_every_level_gives_the_same_bytes() {
    let rough = noise([150, 40, 30], 7);
    let mut smooth = rough.clone();
    crate::gaussian(rough.view(), [0.8; 3], 4.0, smooth.view_mut()).unwrap();
    let volume = smooth.mapv(|v| (v * 2000.0) as i16);
    let isosurface = Isosurface {
        level: 1011.0,
        padding: Some(-1.0),
        world_from_index: Affine::rotation([0.6, 0.0, 0.8], 20.0),
    };
    let make = || marching_cubes(volume.slice(s![.., .., 1..]), &isosurface).unwrap();
    let on = |threads: usize, level: Level| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        with_level(level, || pool.install(make))
    };
    let once = on(1, Level::Baseline);
    assert!(once.triangles.len() > 10_000);
    for threads in [2, 3, 8] {
        assert!(on(threads, Level::Avx512) == once, "{threads} threads");
    }
    assert!(on(2, Level::Avx2) == once);
}

#[test]
fn what_makes_no_surface_is_refused() {
    let voxels = Array3::from_elem((2, 2, 2), 1_u8);
    let of = |isosurface: Isosurface| marching_cubes(voxels.view(), &isosurface).unwrap_err();
    let level = f64::NAN;
    assert!(matches!(of(Isosurface { level, ..MASK }), Error::Level(_)));
    let level = 1e300;
    assert!(matches!(of(Isosurface { level, ..MASK }), Error::Level(_)));
    let padding = Some(0.6);
    let refused = of(Isosurface { padding, ..MASK });
    assert_eq!(
        refused.to_string(),
        "the value beyond the border, 0.6, must not be above the surface level 0.5"
    );
    let world_from_index = Affine::translation([f64::INFINITY, 0.0, 0.0]);
    let refused = of(Isosurface {
        world_from_index,
        ..MASK
    });
    assert_eq!(refused, Error::NonFiniteMap);
    let none = Array3::<u8>::zeros((2, 0, 2));
    let refused = marching_cubes(none.view(), &MASK).unwrap_err();
    assert_eq!(refused, Error::SourceSize([2, 0, 2]));
}
