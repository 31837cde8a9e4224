//! Statistics against their definitions, and at the edges.

use super::*;
use ndarray::{Array3, s};
use proptest::prelude::*;

fn line<T: Element>(values: &[T]) -> Array3<T> {
    Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap()
}

#[test]
fn a_summary_by_hand() {
    for select in [Select::All, Select::Above(0.5)] {
        let s = summary(line(&[1_i16, 2, 3, 6]).view(), &select);
        assert_eq!((s.count, s.nan, s.min, s.max), (4, 0, 1.0, 6.0));
        assert_eq!((s.mean, s.variance), (3.0, 3.5));
        assert_eq!(s.std(0), Some(3.5_f64.sqrt()));
        assert!((s.std(1).unwrap() - (14.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(s.std(4), None);
    }
}

#[test]
fn nan_is_left_out_and_counted_and_infinity_is_kept() {
    let s = summary(line(&[f32::NAN, 1.0, f32::INFINITY]).view(), &Select::All);
    assert_eq!((s.count, s.nan, s.min, s.max), (2, 1, 1.0, f64::INFINITY));
    assert_eq!(s.mean, f64::INFINITY);
    let all_nan = line(&[f64::NAN; 3]);
    let s = summary(all_nan.view(), &Select::All);
    assert_eq!((s.count, s.nan), (0, 3));
    assert!(s.min.is_nan() && s.mean.is_nan() && s.variance.is_nan());
    assert_eq!(min_max(all_nan.view(), &Select::All), None);
    assert_eq!(
        percentiles(all_nan.view(), &Select::All, &[50.0]),
        Err(Error::EmptySelection)
    );
}

#[test]
fn selections_choose_what_counts() {
    let values = [0_i16, -3, 5, 7];
    let floats = values.map(f32::from);
    let mask = line(&[1_u8, 0, 255, 0]);
    let cases = [
        (Select::All, (-3.0, 7.0), 4),
        (Select::NonZero, (-3.0, 7.0), 3),
        (Select::Above(0.0), (5.0, 7.0), 2),
        (Select::Mask(mask.view()), (0.0, 5.0), 2),
    ];
    for (select, range, count) in cases {
        assert_eq!(min_max(line(&values).view(), &select), Some(range));
        assert_eq!(min_max(line(&floats).view(), &select), Some(range));
        assert_eq!(summary(line(&values).view(), &select).count, count);
        assert_eq!(summary(line(&floats).view(), &select).count, count);
    }
}

#[test]
fn a_mask_of_another_shape_selects_nothing() {
    let (voxels, mask) = (line(&[1_u8, 2]), line(&[1_u8]));
    let select = Select::Mask(mask.view());
    assert_eq!(summary(voxels.view(), &select).count, 0);
    assert_eq!(min_max(voxels.view(), &select), None);
    assert!(matches!(
        percentiles(voxels.view(), &select, &[1.0]),
        Err(Error::ShapeMismatch { .. })
    ));
}

#[test]
fn percentiles_outside_the_range_are_refused() {
    for p in [-0.1, 100.1, f64::NAN] {
        let refused = percentiles(line(&[1.0_f32]).view(), &Select::All, &[p]);
        assert!(matches!(refused, Err(Error::Percentile(_))));
    }
}

#[test]
fn percentiles_by_hand() {
    let p = [0.0, 12.5, 50.0, 90.0, 100.0];
    let expected = vec![-4.0, -3.0, 2.0, 8.4, 10.0];
    let values = [10_i16, -4, 2, 6, -2];
    let wide = values.map(i32::from);
    assert_eq!(
        percentiles(line(&values).view(), &Select::All, &p),
        Ok(expected.clone())
    );
    assert_eq!(
        percentiles(line(&wide).view(), &Select::All, &p),
        Ok(expected)
    );
}

#[test]
fn variance_survives_a_large_offset() {
    let voxels = Array3::from_shape_fn((5, 60, 70), |(z, y, x)| 1e9 + ((x + y + z) % 2) as f64);
    let s = summary(voxels.view(), &Select::All);
    assert!((s.variance - 0.25).abs() < 1e-9, "{}", s.variance);
}

#[test]
fn strides_do_not_change_a_bit() {
    let voxels = Array3::from_shape_fn((20, 40, 50), |(z, y, x)| {
        ((z * 31 + y * 17 + x * 7) % 1013) as f32 * 0.37 - 50.0
    });
    let view = voxels.slice(s![2..;2, ..;-1, 3..47]);
    let copy = view.as_standard_layout().into_owned();
    assert_eq!(
        summary(view, &Select::All),
        summary(copy.view(), &Select::All)
    );
    assert_eq!(
        percentiles(view, &Select::NonZero, &[3.0, 60.0]),
        percentiles(copy.view(), &Select::NonZero, &[3.0, 60.0])
    );
}

#[test]
fn a_histogram_answers_several_questions() {
    let histogram = Histogram::of(line(&[3_u8, 3, 9]).view(), &Select::All).unwrap();
    assert_eq!(histogram.values().collect::<Vec<_>>(), [(3, 2), (9, 1)]);
    assert_eq!((histogram.count(), histogram.min_max()), (3, Some((3, 9))));
    assert_eq!(Histogram::of(line(&[1.0_f32]).view(), &Select::All), None);
}

#[test]
fn a_selection_may_lie_between_two_values() {
    let values = [0_i16, -3, 5, 7, 9];
    let mask = line(&[1_u8, 1, 1, 0, 1]);
    let of = Select::Mask(mask.view());
    let select = Select::Between {
        low: -3.0,
        high: 9.0,
        of: &of,
    };
    for summary in [
        summary(line(&values).view(), &select),
        summary(line(&values.map(f64::from)).view(), &select),
    ] {
        // neither end, and not the 7 outside the mask
        assert_eq!((summary.count, summary.min, summary.max), (2, 0.0, 5.0));
    }
    let short = line(&[1_u8]);
    let of = Select::Mask(short.view());
    let select = Select::Between {
        low: 0.0,
        high: 9.0,
        of: &of,
    };
    assert_eq!(summary(line(&values).view(), &select).count, 0);
    assert!(percentiles(line(&values).view(), &select, &[1.0]).is_err());
}

#[test]
fn a_distribution_by_hand() {
    fn check<T: Element>(values: &[T]) {
        let voxels = line(values);
        let select = Select::Above(0.0);
        let d = Distribution::new(voxels.view(), &select).unwrap();
        assert_eq!((d.count(), d.ends()), (5, (1.0, 9.0)));
        assert_eq!(d.below(3.0), (2, Some(2.0)));
        assert_eq!(d.below(1.0), (0, None));
        assert_eq!(d.percentiles(&[0.0, 50.0, 100.0]).unwrap(), [1.0, 3.0, 9.0]);
        assert_eq!(d.up_to(50.0).unwrap(), (3.0, 4, 3.0));
        let inside = d.between(1.0, 9.0);
        assert_eq!((inside.count, inside.min, inside.max), (3, 2.0, 3.0));
        let points = d.points();
        let [first, .., last] = points.as_slice() else {
            panic!("{points:?}")
        };
        assert!((first[0] - 1.0).abs() < 1e-6 && (last[0] - 9.0).abs() < 1e-6);
        assert_eq!(points.iter().map(|p| p[1]).sum::<f64>(), 5.0);
    }
    check(&[3_u8, 1, 0, 2, 9, 3]);
    check(&[3_i32, 1, 0, 2, 9, 3, -4]);
    check(&[3.0_f32, 1.0, f32::NAN, -1.0, 2.0, 9.0, 3.0]);
    check(&[3.0_f64, 1.0, f64::NAN, 0.0, 2.0, 9.0, 3.0]);
}

#[test]
fn a_distribution_of_nothing_or_of_infinity_is_refused() {
    let all = Select::All;
    let infinite = line(&[1.0_f32, f32::INFINITY]);
    assert!(matches!(
        Distribution::new(infinite.view(), &all).err(),
        Some(Error::Range { .. })
    ));
    let missing = line(&[f32::NAN]);
    for refused in [
        Distribution::new(missing.view(), &all).err(),
        Distribution::new(line(&[0_u8; 3]).view(), &Select::NonZero).err(),
        Distribution::new(line(&[0.0_f64; 3]).view(), &Select::NonZero).err(),
    ] {
        assert_eq!(refused, Some(Error::EmptySelection));
    }
    let one = line(&[7.5_f32; 9]);
    let d = Distribution::new(one.view(), &all).unwrap();
    assert_eq!((d.points(), d.ends()), (vec![[7.5, 9.0]], (7.5, 7.5)));
    assert_eq!(d.percentiles(&[50.0]).unwrap(), [7.5]);
}

#[test]
fn a_distribution_finds_ranks_among_values_of_every_size() {
    // values over 60 powers of two, many of them in the first interval
    let values: Vec<f64> = (0..5000)
        .map(|i| f64::from(i % 97 + 1) * 2_f64.powi(i % 61 - 40))
        .collect();
    let voxels = line(&values);
    let d = Distribution::new(voxels.view(), &Select::All).unwrap();
    let p: Vec<f64> = (0..=40).map(|i| f64::from(i) * 2.5).collect();
    let expected = percentiles(voxels.view(), &Select::All, &p).unwrap();
    assert_eq!(d.percentiles(&p).unwrap(), expected);
}

/// A distribution of many voxels, which several tasks count, against sorting; for any number of
/// threads. NaN and what is not above 0 do not count; some values lie far above the others.
fn is_that_of_sorting<T: Element>(far: &[f64]) {
    // more than two tasks of 2^20 voxels
    let shape = (131, 132, 133);
    let mut voxels = Array3::from_shape_fn(shape, |(z, y, x)| {
        let i = ((z * 132 + y) * 133 + x) as u64;
        let spread = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / 16_777_216.0;
        match i % 11 {
            0 => T::from_f64(0.0),
            1 => T::from_f64(f64::NAN),
            _ => T::from_f64(5.0 + 300.0 * spread * spread),
        }
    });
    for (place, value) in far.iter().enumerate() {
        voxels[[130 - place, 7, 100]] = T::from_f64(*value);
    }
    let mut sorted: Vec<f64> = voxels.iter().map(|v| v.to_f64()).collect();
    sorted.retain(|v| *v > 0.0);
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    assert!(n > 1_800_000);
    let p = [0.0, 1.0, 33.3, 50.0, 96.0, 99.95, 99.99995, 100.0];
    let expected: Vec<f64> = p.iter().map(|p| sorted_percentile(&sorted, *p)).collect();
    let select = Select::Above(0.0);
    let results = [1, 2, 3, 7].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let d = Distribution::new(voxels.view(), &select).unwrap();
            let below = d.below(expected[3]);
            let between = d.between(expected[2], expected[4]);
            (
                d.points(),
                d.percentiles(&p).unwrap(),
                below,
                between,
                d.ends(),
            )
        })
    });
    let (points, percentiles, below, between, ends) = &results[0];
    for other in &results {
        assert!(other == &results[0]);
    }
    assert_eq!(percentiles, &expected);
    let rank = sorted.partition_point(|v| *v < expected[3]);
    assert_eq!(*below, (rank as u64, Some(sorted[rank - 1])));
    let inside = &sorted[sorted.partition_point(|v| *v <= expected[2])
        ..sorted.partition_point(|v| *v < expected[4])];
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert_eq!(between.count, inside.len() as u64);
    assert!((between.mean - mean(inside)).abs() < 1e-9);
    assert_eq!(*ends, (sorted[0], sorted[n - 1]));
    // As many values as the points stand for are as large as they say: within an interval of twice
    // what all but a thousandth reach over.
    let mut first = 0;
    for [value, count] in points {
        let part = &sorted[first..first + *count as usize];
        first += part.len();
        assert!((value - mean(part)).abs() < 1e-4, "{value}: {part:?}");
        assert!(part[part.len() - 1] - part[0] < 600.0 / 65_536.0 + 1e-4);
    }
    assert_eq!(first, n);
    assert!(points.is_sorted_by(|a, b| a[0] <= b[0]));
}

#[test]
fn a_distribution_of_many_tasks_is_that_of_sorting() {
    is_that_of_sorting::<f32>(&[]);
    is_that_of_sorting::<f64>(&[]);
}

/// One voxel of 3e6 among values up to 305 left seven intervals to them.
#[test]
fn values_far_above_the_others_do_not_take_their_intervals() {
    is_that_of_sorting::<f32>(&[3e6]);
    is_that_of_sorting::<f64>(&[1e7, 1e30, 9e4, 1e7]);
    // all others are one: nothing to tell apart
    let mut values = vec![5.0_f32; 9999];
    values.push(1e9);
    let voxels = line(&values);
    let d = Distribution::new(voxels.view(), &Select::All).unwrap();
    assert_eq!(d.percentiles(&[50.0, 100.0]).unwrap(), [5.0, 1e9]);
    let points = d.points();
    assert_eq!(
        points.iter().map(|p| p[1]).collect::<Vec<_>>(),
        [9999.0, 1.0]
    );
}

/// Percentiles by sorting.
fn sorted_percentile(values: &[f64], p: f64) -> f64 {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let at = (v.len() - 1) as f64 * (p / 100.0);
    let low = at.floor() as usize;
    let (a, b) = (v[low], v[(low + 1).min(v.len() - 1)]);
    let f = at - low as f64;
    if f < 0.5 {
        a + (b - a) * f
    } else {
        b - (b - a) * (1.0 - f)
    }
}

proptest! {
    #[test]
    fn selection_equals_sorting(
        values in proptest::collection::vec(-1e3_f64..1e3, 1..300),
        p in proptest::collection::vec(0.0_f64..=100.0, 1..20),
    ) {
        let floats: Vec<f32> = values.iter().map(|v| *v as f32).collect();
        let ints: Vec<i32> = values.iter().map(|v| (*v * 1e5) as i32).collect();
        let shorts: Vec<i16> = values.iter().map(|v| *v as i16).collect();
        let wide = |v: Vec<f64>| p.iter().map(|p| sorted_percentile(&v, *p)).collect::<Vec<_>>();
        let all = &Select::All;
        prop_assert_eq!(percentiles(line(&values).view(), all, &p).unwrap(), wide(values.clone()));
        let expected = wide(floats.iter().map(|v| f64::from(*v)).collect());
        prop_assert_eq!(percentiles(line(&floats).view(), all, &p).unwrap(), expected);
        let expected = wide(ints.iter().map(|v| f64::from(*v)).collect());
        prop_assert_eq!(percentiles(line(&ints).view(), all, &p).unwrap(), expected);
        let expected = wide(shorts.iter().map(|v| f64::from(*v)).collect());
        prop_assert_eq!(percentiles(line(&shorts).view(), all, &p).unwrap(), expected);
    }

    #[test]
    fn a_distribution_answers_as_sorting_does(
        values in proptest::collection::vec(-1e3_f64..1e3, 1..400),
        p in proptest::collection::vec(0.0_f64..=100.0, 1..9),
        limit in -1e3_f64..1e3,
    ) {
        let floats: Vec<f32> = values.iter().map(|v| (*v * 0.1).round() as f32 * 0.7).collect();
        let wide: Vec<f64> = floats.iter().map(|v| f64::from(*v)).collect();
        let voxels = line(&floats);
        let d = Distribution::new(voxels.view(), &Select::All).unwrap();
        let expected: Vec<f64> = p.iter().map(|p| sorted_percentile(&wide, *p)).collect();
        prop_assert_eq!(d.percentiles(&p).unwrap(), expected);
        let below = wide.iter().filter(|v| **v < limit);
        let largest = below.clone().copied().reduce(f64::max);
        prop_assert_eq!(d.below(limit), (below.count() as u64, largest.map(|v| v + 0.0)));
        let inside = wide.iter().filter(|v| **v > -limit.abs() && **v < limit.abs()).count();
        prop_assert_eq!(d.between(-limit.abs(), limit.abs()).count, inside as u64);
        let points = d.points();
        let sum: f64 = points.iter().map(|[value, n]| value * n).sum();
        prop_assert!((sum - wide.iter().sum::<f64>()).abs() < 1e-4 * wide.len() as f64);
    }

    #[test]
    fn moments_equal_their_definition(values in proptest::collection::vec(-1e3_f64..1e3, 1..9000)) {
        let s = summary(line(&values).view(), &Select::All);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        prop_assert!((s.mean - mean).abs() < 1e-10);
        prop_assert!((s.variance - variance).abs() <= 1e-11 * variance);
    }
}
