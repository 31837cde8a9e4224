//! `intensity.*`: ranges and standard scores.

use proptest::prelude::*;
use voxprep_core::geometry::Geometry;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Unit;
use voxprep_core::voxels::{ElementType, Voxel};
use voxprep_core::with_type;
use voxprep_tests::{awkward, image, row, run, step, subject, values, volume};

use crate::{TYPES, after, close, codes, moments};

/// A head with a background of 0: 20,000 voxels, a label map of its left half.
fn head<T: Voxel>() -> Subject {
    let grid = awkward([40, 25, 20]);
    let inside = |[x, y, z]: [usize; 3]| {
        let far =
            [(x, 20.0), (y, 12.5), (z, 10.0)].map(|(i, n)| ((i as f64 + 0.5) / n - 1.0).powi(2));
        far.iter().sum::<f64>() < 0.8
    };
    let value =
        |[x, y, z]: [usize; 3]| 1.0 + ((x * 7919 + y * 104_729 + z * 1_299_709) % 997) as f64;
    let head = volume::<T>(grid.clone(), |i| if inside(i) { value(i) } else { 0.0 });
    let left = volume::<u8>(grid, |i| f64::from(u8::from(inside(i) && i[0] < 20)));
    subject(head)
        .with("left", left.into_labels().unwrap())
        .unwrap()
}

/// INT-02: both ends belong to the range, and the type stays.
#[test]
fn a_clip_to_10_and_240_keeps_both() {
    let ramp: Vec<f64> = (0..256).map(f64::from).collect();
    let expected: Vec<f64> = ramp.iter().map(|v| v.clamp(10.0, 240.0)).collect();
    for element_type in TYPES {
        let input = with_type!(element_type, T => subject(row::<T>(&ramp)));
        let result = run(&step("intensity.clip", "low = 10\nhigh = 240"), input).unwrap();
        assert_eq!(image(&result).header().element_type, element_type);
        assert_eq!(values(image(&result)), expected);
    }
}

/// What was stored of the data, and what it becomes.
fn rescaled(data: &[f64], element_type: ElementType, low: f64, high: f64) -> (Vec<f64>, Vec<f64>) {
    let input = with_type!(element_type, T => subject(row::<T>(data)));
    let lines = format!("low = {low:?}\nhigh = {high:?}");
    (
        values(image(&input)),
        after("intensity.rescale", &lines, input),
    )
}

fn ends(data: &[f64]) -> [f64; 2] {
    data.iter()
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| {
            [a.min(*v), b.max(*v)]
        })
}

proptest! {
    /// INT-03, INT-15: whatever the data, their minimum becomes exactly low and their maximum
    /// exactly high.
    #[test]
    fn rescaling_meets_both_ends_exactly(
        data in prop::collection::vec(-30_000.0..30_000.0_f64, 2..40),
        element_type in prop::sample::select(TYPES.to_vec()),
        [low, high] in prop::sample::select(vec![[0.0, 1.0], [-1.0, 1.0], [0.0, 255.0]]),
    ) {
        let (stored, result) = rescaled(&data, element_type, low, high);
        let [least, most] = ends(&stored);
        prop_assume!(least < most);
        for (v, out) in stored.iter().zip(&result) {
            prop_assert!((low..=high).contains(out), "{} became {}", v, out);
            let end = if *v == least { Some(low) } else if *v == most { Some(high) } else { None };
            prop_assert!(end.is_none_or(|end| *out == end), "{} became {}, not {:?}", v, out, end);
        }
    }

    /// INT-15: onto any range, what the data end at comes within two roundings of its ends, and
    /// nothing beyond them.
    #[test]
    fn rescaling_stays_within_any_range(
        data in prop::collection::vec(-30_000.0..30_000.0_f64, 2..40),
        element_type in prop::sample::select(TYPES.to_vec()),
        low in -100.0..100.0_f64,
        width in 0.1..300.0_f64,
    ) {
        let (stored, result) = rescaled(&data, element_type, low, low + width);
        prop_assume!(ends(&stored)[0] < ends(&stored)[1]);
        let [low, high] = [low, low + width].map(|v| f64::from(v as f32));
        let [least, most] = ends(&result);
        let rounding = 2.4e-7 * low.abs().max(high.abs());
        prop_assert!(least >= low && most <= high, "{}..{} in {}..{}", least, most, low, high);
        prop_assert!(least - low < rounding && high - most < rounding, "{}..{}", least, most);
    }
}

/// INT-03: exact also where the width of the data is no number of single precision.
#[test]
fn the_largest_value_becomes_1_and_not_the_number_below_it() {
    let mut pairs = vec![[26_307.962_209_846_16, -29_330.280_353_150_978]];
    let mut state = 1_u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64 * 60_000.0 - 30_000.0
    };
    pairs.extend((0..2000).map(|_| [draw(), draw()]));
    let missed: Vec<_> = pairs
        .iter()
        .filter(|pair| ends(&rescaled(*pair, ElementType::F32, 0.0, 1.0).1) != [0.0, 1.0])
        .collect();
    assert!(
        missed.is_empty(),
        "{} of {}: {:?}",
        missed.len(),
        pairs.len(),
        missed[0]
    );
}

/// INT-03, B-27: an image of one value becomes `low`, and a warning says so.
#[test]
fn rescaling_an_image_of_one_value_gives_low_and_a_warning() {
    for (lines, low) in [("", 0.0), ("low = -1\nhigh = 3", -1.0)] {
        let result = run(
            &step("intensity.rescale", lines),
            subject(row::<i16>(&[7.0; 5])),
        )
        .unwrap();
        assert_eq!(values(image(&result)), [low; 5]);
        assert_eq!(codes(&result), ["intensity.constant"]);
        let finding = &result.findings[0];
        assert_eq!(finding.volume.as_deref(), Some("image"));
        assert_eq!(finding.step.as_deref(), Some("intensity.rescale"));
    }
}

/// INT-04, B-27: statistics over what is not 0, and the background stays exactly 0.
#[test]
fn a_standard_score_over_nonzero_voxels_leaves_the_background_at_zero() {
    fn check<T: Voxel>() {
        let before = values(image(&head::<T>()));
        let result = after(
            "intensity.zscore",
            "over = \"nonzero\"\noutside = \"zero\"",
            head::<T>(),
        );
        let foreground = result
            .iter()
            .zip(&before)
            .filter(|(_, b)| **b != 0.0)
            .map(|(v, _)| *v);
        let (mean, std) = moments(foreground);
        assert!(
            mean.abs() < 1e-6 && (std - 1.0).abs() < 1e-6,
            "{mean} {std}"
        );
        let mut background = result.iter().zip(&before).filter(|(_, b)| **b == 0.0);
        assert!(background.clone().count() > 1000 && background.all(|(v, _)| *v == 0.0));
    }
    check::<i16>();
    check::<f32>();
    check::<f64>();
}

/// INT-04: without `outside`, the background is shifted and scaled like the rest; a threshold and a
/// label map choose as well.
#[test]
fn a_standard_score_may_be_measured_above_a_value_or_in_a_label_map() {
    let before = values(image(&head::<i16>()));
    let left = values(head::<i16>().volume("left").unwrap());
    let (mean, std) = moments(before.iter().copied().filter(|v| *v != 0.0));
    let result = after("intensity.zscore", "over = \"nonzero\"", head::<i16>());
    let zero = before.iter().position(|v| *v == 0.0).unwrap();
    close(&[result[zero]], &[-mean / std]);
    for (over, chosen) in [
        (
            "{ above = 300.0 }",
            &(|at: usize| before[at] > 300.0) as &dyn Fn(usize) -> bool,
        ),
        ("{ mask = \"left\" }", &|at| left[at] != 0.0),
        ("\"all\"", &|_| true),
    ] {
        for (outside, stays_zero) in [("scaled", false), ("zero", true)] {
            let lines = format!("over = {over}\noutside = \"{outside}\"");
            let result = after("intensity.zscore", &lines, head::<i16>());
            let inside = (0..result.len())
                .filter(|at| chosen(*at))
                .map(|at| result[at]);
            let (mean, std) = moments(inside);
            assert!(
                mean.abs() < 1e-6 && (std - 1.0).abs() < 1e-6,
                "{over}: {mean} {std}"
            );
            let zeros = (0..result.len())
                .filter(|at| !chosen(*at))
                .filter(|at| result[*at] == 0.0);
            let others = (0..result.len()).filter(|at| !chosen(*at)).count();
            assert_eq!(
                zeros.count(),
                if stays_zero { others } else { 0 },
                "{over}, {outside}"
            );
        }
    }
}

/// INT-05, B-30: -1000..400 to 0..1, limited; integers become floating point first.
#[test]
fn given_bounds_map_onto_0_and_1_from_any_type() {
    let lines = "from_low = -1000\nfrom_high = 400";
    let data = [-1000.0, -300.0, 400.0, 3000.0, -2000.0];
    for element_type in [
        ElementType::I16,
        ElementType::I32,
        ElementType::F32,
        ElementType::F64,
    ] {
        let input = with_type!(element_type, T => subject(row::<T>(&data)));
        let result = run(&step("intensity.rescale", lines), input).unwrap();
        assert_eq!(image(&result).header().element_type, ElementType::F32);
        assert_eq!(image(&result).header().unit, Unit::Normalised);
        close(&values(image(&result)), &[0.0, 0.5, 1.0, 1.0, 0.0]);
        let ends = values(image(&result));
        assert_eq!((ends[0], ends[2]), (0.0, 1.0));
    }
    let lines = "from_low = -1000\nfrom_high = 400\nclamp = false";
    close(
        &after("intensity.rescale", lines, subject(row::<i16>(&data))),
        &[0.0, 0.5, 1.0, 20.0 / 7.0, -5.0 / 7.0],
    );
}

/// INT-10: mean 0 and standard deviation 1 over all voxels, in single precision.
#[test]
fn a_standard_score_has_mean_0_and_deviation_1() {
    let result = after("intensity.zscore", "", head::<f32>());
    let (mean, std) = moments(result.iter().copied());
    assert!(
        mean.abs() < 1e-6 && (std - 1.0).abs() < 1e-6,
        "{mean} {std}"
    );
}

/// G-10: NaN stays NaN, is left out of statistics, and is counted.
#[test]
fn nan_is_counted_and_left_out_of_statistics() {
    let data = [1.0, f64::NAN, 3.0, f64::NAN, 5.0, f64::NAN];
    for (steps, expected) in [
        (step("intensity.rescale", ""), [0.0, 0.5, 1.0]),
        (step("intensity.clip", "low = 2\nhigh = 4"), [2.0, 3.0, 4.0]),
        (
            step("intensity.zscore", ""),
            [-1.224_744_9, 0.0, 1.224_744_9],
        ),
        (
            step("intensity.clip", "low = 2\nhigh = 4") + &step("intensity.rescale", ""),
            [0.0, 0.5, 1.0],
        ),
    ] {
        let result = run(&steps, subject(row::<f32>(&data))).unwrap();
        let out = values(image(&result));
        close(&[out[0], out[2], out[4]], &expected);
        assert!([1, 3, 5].iter().all(|at| out[*at].is_nan()));
        let last = result.findings.last().unwrap();
        assert_eq!(
            (last.code.as_str(), last.values["count"].as_u64()),
            ("voxels.nan", Some(3)),
            "{steps}"
        );
    }
}

/// INT-01: 0..=100 clipped to its 5th and 95th percentile, the input untouched.
#[test]
fn a_ramp_is_clipped_to_its_percentiles() {
    let grid = Geometry::aligned([101, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
    let ramp = voxprep_tests::volume::<i16>(grid, |[x, ..]| x as f64);
    let subject = Subject::new("a").with("image", ramp.clone()).unwrap();
    let steps = "[[step]]\nuse = \"intensity.percentile_clip\"";
    let result = voxprep_tests::plan(steps)
        .unwrap()
        .run(subject, &RunOptions::default())
        .unwrap();
    let values = result
        .volume("image")
        .unwrap()
        .voxels()
        .values::<i16>()
        .unwrap();
    let expected: Vec<i16> = (0..=100).map(|v: i16| v.clamp(5, 95)).collect();
    assert_eq!(values, expected);
    assert_eq!(ramp.voxels().values::<i16>().unwrap()[0], 0);
}
