//! `ct.*`: windows and clips of Hounsfield units.

use proptest::prelude::*;
use voxprep_core::volume::Unit;
use voxprep_core::voxels::ElementType;
use voxprep_core::with_type;
use voxprep_tests::{awkward, ct_subject, image, run, step, values};

use crate::{FITTING_HU, after, close, codes, error, hu};

/// The image of both ends and the middle of a window, and of what lies beyond the ends.
fn windowed(level: i32, half: i32, range: [f64; 2], element_type: ElementType) -> [f64; 5] {
    let [level, half] = [level, half].map(f64::from);
    let data = [
        level - half,
        level,
        level + half,
        level - half - 1.0,
        level + half + 1.0,
    ];
    let input = with_type!(element_type, T => hu::<T>(&data));
    let lines = format!("level = {level}\nwidth = {}\nrange = {range:?}", 2.0 * half);
    after("ct.window", &lines, input).try_into().unwrap()
}

proptest! {
    /// CT-03, INT-15: the ends of a window become exactly the ends of its range, in single
    /// precision, from integers and from floats; in between it is the line.
    #[test]
    fn a_window_meets_both_ends_exactly(
        level in -1000..2000_i32,
        half in 1..2000_i32,
        range in prop::sample::select(vec![[0.0, 1.0], [0.0, 255.0], [-1.0, 1.0]]),
        element_type in prop::sample::select(FITTING_HU.to_vec()),
    ) {
        let [a, middle, b, below, above] = windowed(level, half, range, element_type);
        prop_assert_eq!([a, b, below, above], [range[0], range[1], range[0], range[1]]);
        let [low, high] = range;
        prop_assert!((middle - (low + high) / 2.0).abs() < 1e-6 * (high - low));
    }

    /// CT-03: so they do where the range runs downwards.
    #[test]
    fn an_inverted_window_meets_both_ends_exactly(
        level in -1000..2000_i32,
        half in 1..2000_i32,
        element_type in prop::sample::select(FITTING_HU.to_vec()),
    ) {
        let [a, _, b, below, above] = windowed(level, half, [1.0, 0.0], element_type);
        prop_assert_eq!([a, b, below, above], [1.0, 0.0, 1.0, 0.0]);
    }

    /// CT-03: `mode = "dicom"` is the pseudo-code of DICOM PS3.3 C.11.2.1.2.1.
    #[test]
    fn the_dicom_mode_is_the_pseudo_code_of_the_standard(c in -500..500_i32, w in 1..900_i32) {
        let [c, w] = [c, w].map(f64::from);
        let data: Vec<f64> = (-20..=20).map(|i| (c + f64::from(i) * w / 32.0).round()).collect();
        let lines = format!("level = {c}\nwidth = {w}\nmode = \"dicom\"\nrange = [0, 255]");
        let result = after("ct.window", &lines, hu::<i16>(&data));
        for (x, out) in data.iter().zip(result) {
            let y = if *x <= c - 0.5 - (w - 1.0) / 2.0 {
                0.0
            } else if *x > c - 0.5 + (w - 1.0) / 2.0 {
                255.0
            } else {
                ((x - (c - 0.5)) / (w - 1.0) + 0.5) * 255.0
            };
            prop_assert!((out - y).abs() < 1e-4, "{} of {} {}: {}, not {}", x, c, w, out, y);
        }
    }
}

/// CT-03: the numbers of the row, at 0..255.
#[test]
fn the_three_modes_give_their_published_numbers() {
    let data = [-160.0, 40.0, 240.0];
    let window = |lines: &str| {
        after(
            "ct.window",
            &format!("level = 40\nwidth = 400\n{lines}"),
            hu::<f32>(&data),
        )
    };
    let ends = window("range = [0, 255]");
    assert_eq!((ends[0], ends[2]), (0.0, 255.0));
    close(&ends, &[0.0, 127.5, 255.0]);
    let ends = window("mode = \"exact\"");
    assert_eq!((ends[0], ends[2]), (0.0, 1.0));
    close(&ends, &[0.0, 0.5, 1.0]);
    // single precision has 1.5e-5 at 255
    let expected = [0.5, 128.0, 255.0];
    let centred = window("mode = \"center128\"");
    assert!(
        (0..3).all(|i| (centred[i] - expected[i]).abs() < 2e-5),
        "{centred:?}"
    );
    for width in ["0", "-400"] {
        let text = error(
            &step("ct.window", &format!("level = 40\nwidth = {width}")),
            hu::<f32>(&data),
        );
        assert!(
            text.contains("ct.window") && text.contains("width: must be in (0, inf)"),
            "{text}"
        );
    }
}

/// CT-04 to CT-09, B-17: each window ends where its page says; lung at -1350 and 150.
#[test]
fn every_window_has_its_published_bounds() {
    for (preset, low, high) in [
        ("lung", -1350.0, 150.0),
        ("mediastinum", -125.0, 225.0),
        ("bone", -700.0, 1300.0),
        ("brain", 0.0, 80.0),
        ("abdomen", -150.0, 250.0),
        ("lung-hr", -1400.0, 100.0),
        ("lung-conservative", -1325.0, 125.0),
    ] {
        let width = high - low;
        let data = [
            low - 1.0,
            low,
            low + 1.0,
            low + width / 2.0,
            high - 1.0,
            high,
            high + 1.0,
        ];
        let result = after(
            "ct.window",
            &format!("preset = \"{preset}\""),
            hu::<i16>(&data),
        );
        assert_eq!(
            [result[0], result[1], result[5], result[6]],
            [0.0, 0.0, 1.0, 1.0],
            "{preset}"
        );
        assert!(result[2] > 0.0 && result[4] < 1.0, "{preset}: {result:?}");
        close(
            &[result[2], result[3], result[4]],
            &[1.0 / width, 0.5, 1.0 - 1.0 / width],
        );
    }
}

/// CT-10: the fractions below, inside and above a window are counted, and make 1.
#[test]
fn the_report_of_a_window_counts_what_it_leaves_out() {
    // abdomen, -150..250: two strictly below, the two ends inside, one above
    let data = [-151.0, -1000.0, -150.0, 0.0, 250.0, 100.0, 251.0, 7.0];
    let lines = "presets = [\"abdomen\", \"lung\"]\nreport = true";
    let result = run(&step("ct.window", lines), hu::<i16>(&data)).unwrap();
    assert_eq!(codes(&result), ["ct.saturated", "ct.saturated"]);
    let share = |at: usize, key: &str| result.findings[at].values[key].as_f64().unwrap();
    let fractions = |at| ["below", "inside", "above"].map(|key| share(at, key));
    assert_eq!(fractions(0), [0.25, 0.625, 0.125]);
    assert_eq!((share(0, "low"), share(0, "high")), (-150.0, 250.0));
    assert_eq!(fractions(1), [0.0, 0.75, 0.25]);
    assert!(
        [0, 1]
            .iter()
            .all(|at| fractions(*at).iter().sum::<f64>() == 1.0)
    );
    let clip = run(
        &step("ct.clip", "preset = \"full\"\nreport = true"),
        hu::<i16>(&data),
    )
    .unwrap();
    assert_eq!(codes(&clip), ["ct.clipped"]);
    assert_eq!(clip.findings[0].values["inside"], 1.0);
}

/// CT-11: each channel is what its window alone gives, and has its name.
#[test]
fn several_windows_are_channels_equal_to_each_alone() {
    let presets = ["lung", "mediastinum", "bone"];
    let input = || ct_subject::<i16>(awkward([11, 9, 7]));
    let result = run(
        &step("ct.window", &format!("presets = {presets:?}")),
        input(),
    )
    .unwrap();
    let stack = image(&result);
    assert_eq!(
        (
            stack.voxels().channels(),
            &stack.header().channels.names[..]
        ),
        (3, &presets.map(String::from)[..])
    );
    let all = values(stack);
    for (preset, channel) in presets.iter().zip(all.chunks(11 * 9 * 7)) {
        assert_eq!(
            after("ct.window", &format!("preset = \"{preset}\""), input()),
            channel,
            "{preset}"
        );
    }
}

/// CT-12, CT-13: the ends stay; every range has its published bounds; both lung ranges exist.
#[test]
fn every_clip_has_its_published_bounds() {
    for (preset, low, high) in [
        ("soft-tissue", -200.0, 400.0),
        ("full", -1000.0, 1000.0),
        ("bone", -200.0, 3000.0),
        ("luna16", -1200.0, 600.0),
        ("lung-wide", -1500.0, 600.0),
    ] {
        let data = [
            low - 1.0,
            low,
            low + 1.0,
            high - 1.0,
            high,
            high + 1.0,
            -3000.0,
            5000.0,
        ];
        let expected = [low, low, low + 1.0, high - 1.0, high, high, low, high];
        let result = run(
            &step("ct.clip", &format!("preset = \"{preset}\"")),
            hu::<i16>(&data),
        )
        .unwrap();
        assert_eq!(values(image(&result)), expected, "{preset}");
        let header = image(&result).header();
        assert_eq!(
            (header.element_type, header.unit),
            (ElementType::I16, Unit::Hu)
        );
    }
}
