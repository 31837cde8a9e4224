//! `augment.gamma`: powers between minimum and maximum, and powers of the values.

use voxprep_core::geometry::Geometry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Unit, Volume};
use voxprep_core::voxels::{ElementType, Voxels};
use voxprep_core::with_type;
use voxprep_kernels::simd::{Level, with_level};
use voxprep_tests::{awkward, image, row, run, step, subject, values, volume};

use crate::{after, close, codes, error, moments};

const DATA: [f64; 8] = [-3.0, 0.5, 1.25, 7.0, 2.0, -1.5, 4.75, 6.0];

/// NumPy's numbers for nnU-Net's formula, in f64; batchgeneratorsv2 0.3.6 and MONAI 1.6.1 give the same
/// to 7e-7 in single precision.
#[test]
fn a_power_between_minimum_and_maximum_is_that_of_nnu_net() {
    for (lines, expected) in [
        (
            "gamma = 0.7",
            [
                -3.0, 1.7956517, 2.4937925, 7.0, 3.1557221, -0.3498901, 5.3658715, 6.289017,
            ],
        ),
        (
            "gamma = 0.7\nretain_stats = true",
            [
                -3.9768357, 1.0305954, 1.7595666, 6.4647715, 2.4507275, -1.2096951, 4.7584788,
                5.722391,
            ],
        ),
        (
            "gamma = 0.7\ninvert = true",
            [
                -3.0, -0.3967229, 0.211599, 7.0, 0.8442779, -1.9246922, 3.4801208, 5.0047377,
            ],
        ),
        (
            "gamma = 0.7\ninvert = true\nretain_stats = true",
            [
                -2.392618, 0.278782, 0.9030225, 7.8690633, 1.5522575, -1.2891714, 4.2570754,
                5.8215887,
            ],
        ),
        (
            "gamma = 1.5",
            [
                -3.0, -0.9293721, -0.229339, 7.0, 0.5355339, -2.4190525, 3.8226415, 5.5381497,
            ],
        ),
        (
            "gamma = 1.5\nretain_stats = true",
            [
                -1.9719318, 0.005592, 0.6741486, 7.5784261, 1.4046296, -1.4171062, 4.543935,
                6.1823067,
            ],
        ),
        (
            "gamma = 1.5\ninvert = true",
            [
                -3.0, 1.7595325, 2.6398466, 7.0, 3.4644661, -0.8366128, 5.9327313, 6.6837722,
            ],
        ),
        (
            "gamma = 1.5\ninvert = true\nretain_stats = true",
            [
                -3.7558832, 0.9440429, 1.8133323, 6.118881, 2.6276246, -1.6195893, 5.0649783,
                5.8066135,
            ],
        ),
    ] {
        close(
            &after("augment.gamma", lines, subject(row::<f32>(&DATA))),
            &expected,
        );
        close(
            &after("augment.gamma", lines, subject(row::<f64>(&DATA))),
            &expected,
        );
    }
}

/// NumPy's numbers for TorchIO's formula, in f64; TorchIO 1.2.1 gives the same to 8e-7.
#[test]
fn a_power_of_the_values_is_that_of_torchio() {
    for (lines, expected) in [
        (
            "log_gamma = -0.3",
            [
                -2.2566288, 0.5983999, 1.1797574, 4.2273093, 1.6711233, -1.3503664, 3.1718085,
                3.771105,
            ],
        ),
        (
            "log_gamma = 0.3",
            [
                -4.4060186, 0.3923304, 1.3514962, 13.8281166, 2.5488718, -1.7286152, 8.1929599,
                11.2303766,
            ],
        ),
    ] {
        let lines = format!("{lines}\nrescale = false");
        close(
            &after("augment.gamma", &lines, subject(row::<f32>(&DATA))),
            &expected,
        );
    }
}

/// Against the library's power, over every type, on voxels enough for a table and on few.
#[test]
fn tables_and_levels_of_simd_change_no_bit() {
    let types = [
        ElementType::U8,
        ElementType::I16,
        ElementType::U16,
        ElementType::F32,
        ElementType::F64,
    ];
    for lines in [
        "gamma = 1.3",
        "gamma = 0.6\ninvert = true\nretain_stats = true",
        "gamma = 0.8\nrescale = false",
    ] {
        for element_type in types {
            let value = |[x, y, z]: [usize; 3]| ((x * 7 + y * 31 + z * 101) % 251) as f64;
            let run = |size: [usize; 3]| {
                let input =
                    with_type!(element_type, T => subject(volume::<T>(awkward(size), value)));
                image(&run(&step("augment.gamma", lines), input).unwrap()).clone()
            };
            let on = |level| with_level(level, || run([70, 61, 33]).voxels().bytes().to_vec());
            let baseline = on(Level::Baseline);
            assert!(
                on(Level::Avx2) == baseline && on(Level::Avx512) == baseline,
                "{lines} of {element_type}"
            );
        }
        if lines.contains("retain_stats") {
            continue;
        }
        // the first rows of a volume of 140,000 voxels, which are looked up, and alone, computed
        let value = |[x, y, z]: [usize; 3]| ((x * 7 + y * 31 + z * 101) % 30_000) as f64 - 9000.0;
        let whole = volume::<i16>(awkward([70, 61, 33]), value);
        let few = volume::<i16>(awkward([70, 30, 1]), |[x, y, z]| match (x, y) {
            // the same minimum and maximum
            (0, 29) => values(&whole).into_iter().fold(f64::INFINITY, f64::min),
            (1, 29) => values(&whole).into_iter().fold(f64::NEG_INFINITY, f64::max),
            _ => value([x, y, z]),
        });
        let [many, few] = [whole, few].map(|v| after("augment.gamma", lines, subject(v)));
        assert_eq!(many[..70 * 29], few[..70 * 29], "{lines}");
    }
}

/// Integers are rounded half to even and keep their type; both ends stay what they are.
#[test]
fn integers_keep_their_type_and_their_ends() {
    let data = [0.0, 25.0, 100.0, 64.0];
    let input = subject(row::<u8>(&data));
    let result = run(&step("augment.gamma", "gamma = 0.5"), input).unwrap();
    assert_eq!(values(image(&result)), [0.0, 50.0, 100.0, 80.0]);
    assert_eq!(image(&result).header().element_type, ElementType::U8);
    let inverted = after(
        "augment.gamma",
        "gamma = 0.5\ninvert = true",
        subject(row::<f32>(&data)),
    );
    close(
        &inverted,
        &[0.0, 100.0 - 10.0 * 75.0_f64.sqrt(), 100.0, 40.0],
    );
    for exponent in [0.3, 0.7, 1.7, 3.0] {
        for data in [[-1000.0, 3071.0, 20.0], [0.1, 0.7, 0.3], [-7.25, 1e6, 4.0]] {
            let result = after(
                "augment.gamma",
                &format!("gamma = {exponent}"),
                subject(row::<f32>(&data)),
            );
            let ends = data.map(|v| f64::from(v as f32));
            let range = ends[1] - ends[0];
            assert!(
                (result[0] - ends[0]).abs() < 1e-6 * range
                    && (result[1] - ends[1]).abs() < 1e-6 * range
            );
        }
    }
}

/// Mean and standard deviation come back, per channel or over the volume.
#[test]
fn statistics_are_retained() {
    let grid = Geometry::aligned([50, 40, 30], [1.0; 3], [0.0; 3]).unwrap();
    let size = grid.size();
    let data: Vec<f32> = (0..120_000_u32)
        .map(|i| {
            let v = (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0;
            if i < 60_000 {
                100.0 * v * v
            } else {
                7.0 - 3.0 * v
            }
        })
        .collect();
    let two = || {
        let voxels = Voxels::new(2, size, data.clone().into()).unwrap();
        subject(Volume::new(grid.clone(), voxels).unwrap())
    };
    let lines = |per: &str| format!("gamma = 1.4\nretain_stats = true\nper = \"{per}\"");
    let each = after("augment.gamma", &lines("channel"), two());
    let before = values(image(&two()));
    for part in [0..60_000, 60_000..120_000] {
        let [a, b] = [&before, &each].map(|all| moments(all[part.clone()].iter().copied()));
        assert!(
            (a.0 - b.0).abs() < 1e-4 && (a.1 - b.1).abs() < 1e-4,
            "{a:?} {b:?}"
        );
    }
    let whole = after("augment.gamma", &lines("volume"), two());
    let [a, b] = [&before, &whole].map(|all| moments(all.iter().copied()));
    assert!(
        (a.0 - b.0).abs() < 1e-4 && (a.1 - b.1).abs() < 1e-4,
        "{a:?} {b:?}"
    );
    let differs = |other: &[f64]| before.iter().zip(other).any(|(a, b)| (a - b).abs() > 1.0);
    assert!(differs(&each) && differs(&whole));
}

/// G-10: one value stays, with a warning; NaN stays NaN and is counted; infinity is refused.
#[test]
fn odd_data_have_a_defined_result() {
    let gamma = step("augment.gamma", "gamma = 2\nretain_stats = true");
    let result = run(&gamma, subject(row::<f32>(&[7.0; 4]))).unwrap();
    assert_eq!(
        (values(image(&result)), codes(&result)),
        (vec![7.0; 4], vec!["intensity.constant"])
    );
    let result = run(&gamma, subject(row::<f32>(&[0.0, f64::NAN, 1.0]))).unwrap();
    assert!(values(image(&result))[1].is_nan() && codes(&result).contains(&"voxels.nan"));
    let message = error(&gamma, subject(row::<f32>(&[0.0, f64::INFINITY])));
    assert!(message.contains("infinite"), "{message}");
}

/// WF-08: what was raised to a power is no longer in Hounsfield units.
#[test]
fn a_power_ends_hounsfield_units() {
    let ct = || subject(row::<i16>(&[-1000.0, 0.0, 400.0]).with_unit(Unit::Hu));
    let steps = step("augment.gamma", "gamma = 0.8") + &step("ct.window", "preset = \"lung\"");
    assert!(error(&steps, ct()).contains("already normalised"));
    let result = run(&step("augment.gamma", "gamma = 0.8"), ct()).unwrap();
    assert_eq!(image(&result).header().unit, Unit::Normalised);
}

/// G-06: the fill value of a later step goes through the power, also below the minimum.
#[test]
fn the_fill_value_goes_through_the_power() {
    let ct = || -> Subject { subject(row::<f32>(&[-900.0, 0.0, 100.0]).with_unit(Unit::Hu)) };
    let pad = step("spatial.pad", "before = [1, 0, 0]");
    // (-1000 + 900) / 1000 = -0.1, whose square with its sign is -0.01
    let result = run(&(step("augment.gamma", "gamma = 2") + &pad), ct()).unwrap();
    close(&values(image(&result)), &[-910.0, -900.0, -90.0, 100.0]);
}
