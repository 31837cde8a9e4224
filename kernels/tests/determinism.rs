//! The same bits for every number of threads and every SIMD level.

#![allow(clippy::unwrap_used, reason = "a failure is the test's answer")]

use ndarray::Array3;
use voxprep_kernels::clahe::{
    Blocks, Clahe, Extent, Rules, Scale, Tiles, choose, clahe, clahe_blocks, effect,
};
use voxprep_kernels::density::{Density, density_at, scott};
use voxprep_kernels::resample::{
    Boundary, Continuation, Order, Sampling, resample_into, spline_coefficients,
};
use voxprep_kernels::simd::{Level, with_level};
use voxprep_kernels::stats::{Distribution, Histogram, Select, min_max, percentiles, summary};
use voxprep_kernels::{Affine, Element, gaussian};

fn voxels<T: Element>() -> Array3<T> {
    Array3::from_shape_fn((37, 41, 83), |(z, y, x)| {
        let v = (z * 7919 + y * 104_729 + x * 1_299_709) % 100_003;
        T::from_f64(v as f64 * 0.002_37 - 20.0)
    })
}

/// Every result of every kernel, as bits.
fn everything<T: Element>() -> Vec<u64> {
    let source = voxels::<T>();
    let mut bits: Vec<u64> = Vec::new();
    let oblique = Affine::from_rows([
        [0.81, 0.13, -0.07, 3.1],
        [-0.11, 0.77, 0.19, -1.3],
        [0.05, -0.21, 0.9, 2.7],
    ]);
    let separable = Affine::from_rows([
        [0.0, 1.3, 0.0, -1.9],
        [0.61, 0.0, 0.0, 0.4],
        [0.0, 0.0, -0.83, 40.2],
    ]);
    let shrinking = Affine::scaling([1.7, 0.4, 2.6]);
    for source_from_out in [oblique, separable, shrinking] {
        for order in [Order::Nearest, Order::Linear, Order::Cubic] {
            for boundary in [
                Boundary::Extent,
                Boundary::Itk,
                Boundary::Edge,
                Boundary::Mirror,
                Boundary::Reflect,
                Boundary::Constant,
                Boundary::GridConstant,
            ] {
                let sampling = Sampling {
                    source_from_out,
                    order,
                    boundary,
                    fill: -3.0,
                    boxes: &[],
                };
                let mut out = Array3::from_elem((35, 29, 150), T::Float::default());
                resample_into(source.view(), &sampling, out.view_mut()).unwrap();
                bits.extend(out.iter().map(|v| v.to_f64().to_bits()));
                let mut stored = Array3::from_elem((35, 29, 150), T::default());
                resample_into(source.view(), &sampling, stored.view_mut()).unwrap();
                bits.extend(stored.iter().map(|v| v.to_f64().to_bits()));
            }
        }
    }
    for continuation in [
        Continuation::Mirror,
        Continuation::Reflect,
        Continuation::Edge,
    ] {
        let c = spline_coefficients(source.view(), continuation, [2; 3]).unwrap();
        bits.extend(c.iter().map(|v| v.to_f64().to_bits()));
    }
    let mut smooth = Array3::from_elem(source.dim(), T::default());
    gaussian(source.view(), [0.7, 3.0, 20.0], 4.0, smooth.view_mut()).unwrap();
    bits.extend(smooth.iter().map(|v| v.to_f64().to_bits()));
    bits.extend(equalised(&source));
    let mask = source.mapv(|v| u8::from(v.to_f64() > 1.0));
    for select in &[
        Select::All,
        Select::NonZero,
        Select::Above(2.5),
        Select::Mask(mask.view()),
    ] {
        let s = summary(source.view(), select);
        bits.extend([s.count, s.nan]);
        bits.extend([s.min, s.max, s.mean, s.variance].map(f64::to_bits));
        let p = percentiles(source.view(), select, &[0.0, 0.5, 33.3, 50.0, 99.5]).unwrap();
        bits.extend(p.iter().map(|v| v.to_bits()));
        let (low, high) = min_max(source.view(), select).unwrap();
        bits.extend([low.to_bits(), high.to_bits()]);
        let histogram = Histogram::of(source.view(), select);
        bits.extend(histogram.map(|h| h.count()));
        let distribution = Distribution::new(source.view(), select).unwrap();
        bits.extend(distributed(&distribution));
    }
    bits
}

/// Every answer of a distribution, and its density.
fn distributed<T: Element>(distribution: &Distribution<'_, '_, T>) -> Vec<u64> {
    let p = distribution.percentiles(&[0.3, 41.0, 96.0]).unwrap();
    let (below, largest) = distribution.below(p[1]);
    let between = distribution.between(p[0], p[2]);
    let points = distribution.points();
    let width = scott(&points).unwrap();
    let density = Density::new(&points, width, 500).unwrap();
    let mut bits = vec![distribution.count(), below, between.count];
    let numbers = [largest.unwrap(), between.mean, between.variance, width];
    bits.extend(numbers.map(f64::to_bits));
    bits.extend(points.iter().flatten().map(|v| v.to_bits()));
    bits.extend(density.values.iter().map(|v| v.to_bits()));
    bits.extend(density_at(&points, width, &p).iter().map(|v| v.to_bits()));
    bits
}

/// Everything that CLAHE gives, as bits.
fn equalised<T: Element>(source: &Array3<T>) -> Vec<u64> {
    let mut bits = Vec::new();
    let mut out = source.clone();
    let range = Scale::Range {
        low: -10.0,
        high: 200.0,
        bins: 777,
    };
    // fewer bins than integers
    let few = Scale::Range {
        low: -10.0,
        high: 200.0,
        bins: 100,
    };
    for extent in [Extent::Slices, Extent::Volume] {
        for scale in [range, few, Scale::Data { bins: 100 }, Scale::Type] {
            for tiles in [Tiles::Count([8, 5, 3]), Tiles::Size([16, 16, 9])] {
                let options = Clahe {
                    tiles,
                    clip_limit: 2.0,
                    scale,
                    extent,
                };
                let done = clahe(source.view(), &options, out.view_mut());
                assert_eq!(done.is_ok(), scale != Scale::Type || T::LEVELS > 0);
                bits.extend(out.iter().map(|v| v.to_f64().to_bits()));
            }
        }
        let blocks = Blocks {
            size: None,
            clip_limit: 0.01,
            bins: 256,
            extent,
        };
        let mut grey = Array3::zeros(source.dim());
        let done = clahe_blocks(source.view(), &blocks, grey.view_mut());
        bits.extend(grey.iter().map(|v| u64::from(v.to_bits())));
        bits.push(done.map_or(0, |outcome| outcome.constant as u64));
    }
    let choice = choose(source.view(), -20.0, 250.0, Rules::Extended).unwrap();
    bits.extend([choice.mean, choice.skewness, choice.kurtosis].map(f64::to_bits));
    let effect = effect(source.view(), out.view(), -20.0, 250.0).unwrap();
    bits.extend([effect.ssim, effect.edges, effect.information].map(|v| v.map_or(0, f64::to_bits)));
    bits
}

fn same_for_all_threads<T: Element>() {
    let results = [1, 2, 3, 8].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(everything::<T>)
    });
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

fn same_for_all_levels<T: Element>() {
    let results = Level::ALL.map(|level| with_level(level, everything::<T>));
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    same_for_all_threads::<i16>();
    same_for_all_threads::<f32>();
    same_for_all_threads::<f64>();
}

#[test]
fn the_simd_level_changes_no_bit() {
    same_for_all_levels::<u8>();
    same_for_all_levels::<i16>();
    same_for_all_levels::<u16>();
    same_for_all_levels::<i32>();
    same_for_all_levels::<f32>();
    same_for_all_levels::<f64>();
}
