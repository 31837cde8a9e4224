//! A plan fuses as `explain` says, and the fused result is what the composed map means.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use proptest::prelude::*;
use voxprep_core::geometry::Geometry;
use voxprep_core::naive;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::{Point, Subject};
use voxprep_core::transform::{Halo, Kind};
use voxprep_core::volume::{Modality, Unit, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_tests::{awkward, ct_subject, plan, volume};

const SEVEN: &str = r#"
[[step]]
use = "spatial.spacing"
spacing_mm = [1.0, 1.0, 1.0]
[[step]]
use = "augment.rotate"
angle_deg = { uniform = [-10, 10] }
[[step]]
use = "spatial.flip"
axes = ["x"]
[[step]]
use = "ct.clip"
preset = "full"
[[step]]
use = "ct.window"
preset = "lung"
[[step]]
use = "augment.noise"
std = 0.05
[[step]]
use = "intensity.zscore"
"#;

/// SPA-12: a chain of spatial steps is one interpolation.
#[test]
fn seven_steps_are_one_resample_and_one_pass() {
    let explanation = plan(SEVEN).unwrap().explain(true);
    assert_eq!((explanation.resamples, explanation.passes), (1, 1));
    insta::assert_snapshot!(explanation.to_string());
    let json = serde_json::to_value(&explanation).unwrap();
    insta::assert_json_snapshot!(json);
}

#[test]
fn without_fusing_every_step_is_a_stage() {
    let explanation = plan(SEVEN).unwrap().explain(false);
    assert_eq!((explanation.resamples, explanation.passes), (2, 5));
}

#[test]
fn a_spatial_step_does_not_pass_a_pointwise_one() {
    let steps = "[[step]]\nuse = \"intensity.clip\"\nlow = 0\nhigh = 1\n\
                 [[step]]\nuse = \"augment.rotate\"\nangle_deg = 5\n\
                 [[step]]\nuse = \"filter.gaussian\"\nsigma_mm = 1\n\
                 [[step]]\nuse = \"subject.keep\"\nvolumes = [\"image\"]";
    insta::assert_snapshot!(plan(steps).unwrap().explain(true).to_string());
}

/// MR-14: White Stripe measures, so that what comes before has run; its line fuses with what follows.
#[test]
fn a_white_stripe_measures_once_and_fuses_with_what_follows() {
    let steps = "[[step]]\nuse = \"spatial.spacing\"\nspacing_mm = [1, 1, 1]\n\
                 [[step]]\nuse = \"mri.white_stripe\"\nsequence = \"T2\"\n\
                 [[step]]\nuse = \"intensity.clip\"\nlow = -5\nhigh = 5\n\
                 [[step]]\nuse = \"intensity.rescale\"\nfrom_low = -5\nfrom_high = 5";
    let explanation = plan(steps).unwrap().explain(true);
    assert_eq!((explanation.resamples, explanation.passes), (1, 1));
    let stages: Vec<_> = explanation.stages.iter().map(|stage| stage.kind).collect();
    assert_eq!(stages, ["read", "resample", "pass", "write"]);
    let pass = &explanation.stages[2];
    let fused = ["mri.white_stripe", "intensity.clip", "intensity.rescale"];
    assert_eq!(pass.steps, fused);
    assert!(pass.barrier.as_ref().unwrap().contains("mri.white_stripe"));
}

/// One step of a random pipeline: TOML, by how much it scales differences, whether it interpolates.
#[derive(Clone, Debug)]
struct Step {
    toml: String,
    gain: f64,
    interpolates: bool,
}

fn plain(toml: String) -> Step {
    Step {
        toml,
        gain: 1.0,
        interpolates: false,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let spatial = prop_oneof![
        prop::array::uniform3(0.6..2.5_f64)
            .prop_map(|s| format!("use = \"spatial.spacing\"\nspacing_mm = {s:?}")),
        (
            prop_oneof![3 => -40.0..40.0_f64, 1 => prop::sample::select(vec![90.0, 180.0, -90.0])],
            "[xyz]"
        )
            .prop_map(|(a, axis)| format!(
                "use = \"augment.rotate\"\nangle_deg = {a}\naxis = \"{axis}\""
            )),
        [-40.0..40.0_f64, 0.6..1.6, -3.0..3.0].map(prop::array::uniform3).prop_map(|[a, s, t]| format!(
            "use = \"spatial.affine\"\nangles_deg = {a:?}\nscale = {s:?}\ntranslation_mm = {t:?}"
        )),
        (4..8_u32, 0.5..6.0_f64).prop_map(|(points, most)| format!(
            "use = \"augment.elastic\"\ncontrol_points = {points}\nlocked_borders = 1\n\
             max_displacement_mm = {most}"
        )),
    ];
    prop_oneof![
        4 => spatial.prop_map(|toml| Step { interpolates: true, ..plain(toml) }),
        1 => "[xyz]".prop_map(|axis| plain(format!("use = \"spatial.flip\"\naxes = [\"{axis}\"]"))),
        1 => prop::sample::select(vec!["RAS", "LPS", "SAR", "PIL", "IRP"])
            .prop_map(|to| plain(format!("use = \"spatial.reorient\"\nto = \"{to}\""))),
        2 => (0..2_u32, 1..4_u32).prop_map(|(start, n)| plain(format!(
            "use = \"spatial.crop\"\nstart = [{start}, 0, 0]\nsize = [{n}, 2, 2]"
        ))),
        1 => [0..3_u32, 0..3].map(prop::array::uniform3).prop_map(|[b, a]| plain(format!(
            "use = \"spatial.pad\"\nbefore = {b:?}\nafter = {a:?}"
        ))),
        1 => (1..10_u32, 1..8_u32).prop_map(|(x, z)| plain(format!(
            "use = \"spatial.crop_or_pad\"\nsize = [{x}, \"all\", {z}]"
        ))),
        1 => "[xyz]".prop_map(|axis| plain(format!(
            "use = \"augment.flip\"\naxes = [\"{axis}\"]\neach = 0.7\nswap_labels = {{ 1 = 3 }}"
        ))),
        1 => (1..4_u32).prop_map(|x| plain(format!(
            "use = \"augment.crop\"\nsize = [{x}, \"all\", 1]"
        ))),
        2 => (-900.0..0.0_f64, 1.0..900.0_f64).prop_map(|(l, w)| plain(format!(
            "use = \"intensity.clip\"\nlow = {l}\nhigh = {}",
            l + w
        ))),
        2 => (-100.0..0.0_f64, 1.0..100.0_f64).prop_map(|(l, w)| Step {
            gain: w / 1200.0,
            ..plain(format!(
                "use = \"intensity.rescale\"\nlow = {l}\nhigh = {}\nfrom_low = -500\n\
                 from_high = 700\nclamp = false",
                l + w
            ))
        }),
        // noise brings integers near ties too
        1 => (0.0..5.0_f64).prop_map(|std| Step { interpolates: true, ..plain(format!("use = \"augment.noise\"\nstd = {std}")) }),
        1 => Just(plain("use = \"label.remap\"\nmap = { 1 = 7, 3 = 1 }".to_owned())),
        1 => (-900.0..0.0_f64).prop_map(|low| plain(format!(
            "use = \"intensity.clip\"\nlow = {low}\nhigh = 900\non = [\"image\"]\nas = \"copy\""
        ))),
    ]
}

/// One image of two channels, one label map and one point, all on one awkward grid.
fn subject<T: Voxel>(size: [usize; 3]) -> Subject {
    let labels = |[x, y, z]: [usize; 3]| ((x / 2 + y / 2 + z) % 4) as f64;
    let labels: Volume = volume::<u8>(awkward(size), labels).into_labels().unwrap();
    let one = ct_subject::<T>(awkward(size));
    let values = one
        .volume("image")
        .unwrap()
        .voxels()
        .values::<T>()
        .unwrap()
        .to_vec();
    let second = values.iter().rev().copied().collect::<Vec<T>>();
    let voxels = Voxels::new(2, size, [values, second].concat().into()).unwrap();
    let image = Volume::new(awkward(size), voxels).unwrap();
    let image = image.with_modality(Modality::Ct).with_unit(Unit::Hu);
    let mut subject = Subject::new("case 7").with("image", image).unwrap();
    subject.add("lungs", labels).unwrap();
    subject.points.push(Point {
        name: "tip".into(),
        position: [1.0, -2.0, 3.0],
    });
    subject
}

/// Every pair of values of two volumes of the same header.
fn pairs(a: &Volume, b: &Volume) -> Vec<(f64, f64)> {
    assert_eq!(a.header(), b.header());
    let [nx, ny, nz] = a.geometry().size();
    let mut pairs = Vec::new();
    for c in 0..a.voxels().channels() {
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    let [p, q] = [a, b].map(|v| v.voxels().get(c, [x, y, z]).unwrap());
                    pairs.push((p, q));
                }
            }
        }
    }
    pairs
}

fn holds<T: Voxel>(steps: &[Step], header: &str, size: [usize; 3]) -> Result<(), TestCaseError> {
    let toml: String = steps
        .iter()
        .map(|s| format!("[[step]]\n{}\n", s.toml))
        .collect();
    let plan = match plan(&format!("{header}{toml}")) {
        Ok(plan) => plan,
        // two forks of one name
        Err(error) => return Err(TestCaseError::reject(error.to_string())),
    };
    let options = RunOptions::default();
    let fused = plan.run(subject::<T>(size), &options);
    let naive = naive::run(&plan, subject::<T>(size), &options);
    let (fused, naive) = match (fused, naive) {
        (Ok(fused), Ok(naive)) => (fused, naive),
        // a crop of what is no longer there
        (Err(a), Err(b)) => {
            prop_assert_eq!(a.to_string(), b.to_string());
            return Ok(());
        }
        (a, b) => return Err(TestCaseError::fail(format!("{a:?} against {b:?}"))),
    };
    prop_assert_eq!(&fused.points, &naive.points);
    prop_assert_eq!(&fused.history, &naive.history);
    prop_assert_eq!(&fused.findings, &naive.findings);
    let interpolates = steps.iter().any(|s| s.interpolates);
    // The range of the values on the way, as it arrives at the end: at first 2000 HU; a rescale
    // subtracts its -500 whatever comes in, so that it holds at least 1200 before it scales.
    let on_the_way = steps
        .iter()
        .fold(2000.0_f64, |range, step| match step.gain {
            1.0 => range,
            gain => range.max(1200.0) * gain,
        });
    for (name, volume) in fused.volumes() {
        let pairs = pairs(volume, naive.volume(name).unwrap());
        let unequal = pairs.iter().filter(|(p, q)| p != q).count();
        let worst = pairs.iter().map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
        prop_assert!(pairs.iter().all(|(p, q)| p.is_nan() == q.is_nan()));
        let largest = pairs.iter().map(|(_, q)| q.abs()).fold(0.0, f64::max);
        if name == "lungs" {
            prop_assert_eq!(worst, 0.0);
        } else if volume.voxels().element_type().is_integer() {
            // what lies within 1e-6 of a tie may round the other way; nothing else may differ
            let ties = if interpolates {
                pairs.len() / 10 + 4
            } else {
                0
            };
            prop_assert!(
                worst <= 1.0 && unequal <= ties,
                "{} of {}",
                unequal,
                pairs.len()
            );
        } else {
            let scale = on_the_way.max(largest);
            prop_assert!(worst <= 1e-6 * scale, "{} of {}", worst, scale);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_fused_result_is_the_naive_one(
        steps in prop::collection::vec(step(), 1..6),
        size in prop::array::uniform3(1..9_usize),
        kind in 0..4_u8,
        fill in prop::sample::select(vec!["\"auto\"", "-77.5", "\"min\"", "\"edge\""]),
    ) {
        let header = format!("[sampling]\nfill = {fill}\nantialias = \"off\"\n");
        match kind {
            0 => holds::<i16>(&steps, &header, size)?,
            1 => holds::<f32>(&steps, &header, size)?,
            2 => holds::<i32>(&steps, &header, size)?,
            _ => holds::<f64>(&steps, &header, size)?,
        }
    }
}

/// ALGORITHMS 2.2: neither interpolation nor smoothing looks at what was cut away; and with one
/// interpolating step on f32, running step by step gives the same.
#[test]
fn what_was_cropped_does_not_come_back_through_interpolation_or_smoothing() {
    for (n, keep, spacing) in [(8, 4, 0.5), (32, 16, 4.0)] {
        let steps = format!(
            "[[step]]\nuse = \"spatial.crop\"\nstart = [0, 0, 0]\nsize = [{keep}, 1, 1]\n\
             [[step]]\nuse = \"spatial.spacing\"\nspacing_mm = [{spacing}, 1.0, 1.0]"
        );
        let grid = Geometry::aligned([n, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
        let at = |[x, ..]: [usize; 3]| if x < keep { 0.0 } else { 1000.0 };
        let subject = || {
            Subject::new("a")
                .with("image", volume::<f32>(grid.clone(), at))
                .unwrap()
        };
        for fuse in [true, false] {
            let options = RunOptions {
                fuse,
                ..RunOptions::default()
            };
            let result = plan(&steps).unwrap().run(subject(), &options).unwrap();
            let values = result
                .volume("image")
                .unwrap()
                .voxels()
                .values::<f32>()
                .unwrap();
            assert!(
                values.iter().all(|&v| v == 0.0),
                "fuse = {fuse}: {values:?}"
            );
        }
    }
}

/// A step sees the volumes it names as they were when it ran, whatever later steps of its stage do.
#[test]
fn later_steps_do_not_change_what_an_earlier_one_looked_at() {
    let grid = Geometry::aligned([6, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
    let values = [0.0, 1.0, 2.0, 3.0, 10.0, 20.0];
    let image = volume::<f32>(grid.clone(), |[x, ..]| values[x]);
    let mask = volume::<u8>(grid, |[x, ..]| f64::from(u8::from(x > 1)))
        .into_labels()
        .unwrap();
    let subject = Subject::new("a")
        .with("image", image)
        .unwrap()
        .with("lungs", mask)
        .unwrap();
    let zscore = "[[step]]\nuse = \"intensity.zscore\"\nover = { mask = \"lungs\" }\n\
                  outside = \"zero\"\non = [\"image\"]\n";
    for later in [
        "as = \"z\"\n[[step]]\nuse = \"intensity.clip\"\non = [\"image\"]\nlow = 0\nhigh = 3",
        "[[step]]\nuse = \"label.remap\"\nmap = { 1 = 0 }",
    ] {
        let run = |fuse| {
            let options = RunOptions {
                fuse,
                ..RunOptions::default()
            };
            plan(&format!("{zscore}{later}"))
                .unwrap()
                .run(subject.clone(), &options)
                .unwrap()
        };
        let (fused, single) = (run(true), run(false));
        assert_eq!(
            fused.names().collect::<Vec<_>>(),
            single.names().collect::<Vec<_>>()
        );
        for (name, volume) in fused.volumes() {
            let equal = volume.voxels().bytes() == single.volume(name).unwrap().voxels().bytes();
            assert!(equal, "{name} after {later}");
        }
    }
}

/// The voxels that a statistic chose are those that the step then treats as chosen.
#[test]
fn what_is_above_for_the_statistic_is_above_for_the_curve() {
    let grid = Geometry::aligned([4, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
    let values = [0.1, 0.1, 0.5, 0.9];
    let subject = Subject::new("a")
        .with("image", volume::<f32>(grid, |[x, ..]| values[x]))
        .unwrap();
    // 0.1 in single precision is above 0.1
    let steps = "[[step]]\nuse = \"intensity.zscore\"\nover = { above = 0.1 }\noutside = \"zero\"";
    let result = plan(steps)
        .unwrap()
        .run(subject, &RunOptions::default())
        .unwrap();
    let after = result
        .volume("image")
        .unwrap()
        .voxels()
        .values::<f32>()
        .unwrap()
        .to_vec();
    assert!(after.iter().all(|&v| v != 0.0), "{after:?}");
    assert!(after.iter().sum::<f32>().abs() < 1e-6);
}

/// A turn by half a circle and a cut are copies; what they cut does not come back either.
#[test]
fn what_is_cut_after_a_half_turn_stays_away() {
    let grid = Geometry::aligned([33, 33, 1], [1.0; 3], [0.0; 3]).unwrap();
    let at = |[x, ..]: [usize; 3]| if x < 16 { 0.0 } else { 1000.0 };
    for (spacing, antialias) in [(4.0, "auto"), (0.5, "off")] {
        let steps = format!(
            "[sampling]\nfill = 0\nantialias = \"{antialias}\"\n\
             [[step]]\nuse = \"augment.rotate\"\nangle_deg = 180\naxis = \"z\"\n\
             [[step]]\nuse = \"spatial.crop\"\nstart = [17, 0, 0]\nsize = [16, 33, 1]\n\
             [[step]]\nuse = \"spatial.spacing\"\nspacing_mm = [{spacing}, {spacing}, 1.0]"
        );
        let subject = Subject::new("a")
            .with("image", volume::<f32>(grid.clone(), at))
            .unwrap();
        let result = plan(&steps)
            .unwrap()
            .run(subject, &RunOptions::default())
            .unwrap();
        let values = result
            .volume("image")
            .unwrap()
            .voxels()
            .values::<f32>()
            .unwrap()
            .to_vec();
        assert!(values.iter().all(|&v| v == 0.0), "{spacing}");
    }
}

/// G-06: a renamed volume keeps its fill value; the record says what became what.
#[test]
fn a_renamed_volume_keeps_its_fill_and_its_record() {
    let steps = "[[step]]\nuse = \"ct.window\"\nlevel = -600\nwidth = 1600\n\
                 [[step]]\nuse = \"subject.rename\"\nnames = { image = \"lung\" }\n\
                 [[step]]\nuse = \"augment.rotate\"\nangle_deg = 45\naxis = \"z\"";
    let grid = Geometry::aligned([9, 9, 1], [1.0; 3], [0.0; 3]).unwrap();
    let ct = volume::<i16>(grid, |_| 40.0).with_unit(Unit::Hu);
    let subject = Subject::new("a").with("image", ct).unwrap();
    let result = plan(steps)
        .unwrap()
        .run(subject, &RunOptions::default())
        .unwrap();
    let corner = result
        .volume("lung")
        .unwrap()
        .voxels()
        .get(0, [0, 0, 0])
        .unwrap();
    assert!((corner - 0.25).abs() < 1e-6, "{corner}");
    let written = &result.history[1].volumes;
    assert_eq!(
        (written[0].from.as_str(), written[0].to.as_str()),
        ("image", "lung")
    );
    assert_eq!(written.len(), 1);
}

/// Fill values are for images; what is turned in from outside a label map is background.
#[test]
fn labels_never_take_the_edge_or_a_fill_value() {
    for fill in ["\"edge\"", "7"] {
        let steps = format!(
            "[sampling]\nfill = {fill}\n[[step]]\nuse = \"augment.rotate\"\nangle_deg = 45\naxis = \"z\""
        );
        let grid = Geometry::aligned([9, 9, 1], [1.0; 3], [0.0; 3]).unwrap();
        let labels = volume::<u8>(grid.clone(), |_| 1.0).into_labels().unwrap();
        let image = volume::<f32>(grid, |_| 5.0);
        let subject = Subject::new("a")
            .with("image", image)
            .unwrap()
            .with("l", labels)
            .unwrap();
        let result = plan(&steps)
            .unwrap()
            .run(subject, &RunOptions::default())
            .unwrap();
        assert_eq!(
            result.volume("l").unwrap().voxels().get(0, [0, 0, 0]),
            Some(0.0)
        );
        let corner = result.volume("image").unwrap().voxels().get(0, [0, 0, 0]);
        assert_eq!(corner, Some(if fill == "7" { 7.0 } else { 5.0 }));
    }
}

/// Points belong to the reference volume: they move when it does, and only then.
#[test]
fn points_stay_when_only_another_volume_moves() {
    let turn = "[[step]]\nuse = \"augment.rotate\"\nangle_deg = 90\naxis = \"z\"\n";
    for (extra, moves) in [
        ("", true),
        ("on = [\"lungs\"]", false),
        ("on = [\"image\"]\nas = \"b\"", false),
    ] {
        let before = subject::<f32>([5, 5, 3]);
        let point = before.points[0].position;
        let plan = plan(&format!("{turn}{extra}")).unwrap();
        let after = plan.run(before, &RunOptions::default()).unwrap();
        assert_eq!(after.points[0].position != point, moves, "{extra}");
    }
}

/// G-08: the same bits for any number of threads.
#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let subject = || ct_subject::<i16>(awkward([70, 61, 33]));
    let plan = plan(SEVEN).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let result = pool
            .install(|| plan.run(subject(), &RunOptions::default()))
            .unwrap();
        result.volume("image").unwrap().voxels().bytes().to_vec()
    };
    let one = run(1);
    for threads in [2, 8] {
        assert!(run(threads) == one, "{threads} threads");
    }
}

/// ALGORITHMS 2.2: what a step cut away stays away.
#[test]
fn crop_then_rotate_does_not_bring_back_what_was_cropped() {
    let steps = "[[step]]\nuse = \"spatial.crop\"\nstart = [0, 0, 0]\nsize = [9, 9, 3]\n\
                 [[step]]\nuse = \"augment.rotate\"\nangle_deg = 45\naxis = \"z\"";
    let grid = voxprep_core::geometry::Geometry::aligned([20, 20, 3], [1.0; 3], [0.0; 3]).unwrap();
    let ct = volume::<i16>(grid, |_| 40.0).with_unit(voxprep_core::volume::Unit::Hu);
    let subject = Subject::new("a").with("image", ct).unwrap();
    let result = plan(steps)
        .unwrap()
        .run(subject, &RunOptions::default())
        .unwrap();
    let image = result.volume("image").unwrap();
    assert_eq!(image.voxels().get(0, [4, 4, 1]), Some(40.0));
    // the corners turned in from outside the crop: the scan has tissue there, the crop has air
    for corner in [[0, 0, 1], [8, 0, 1], [0, 8, 1], [8, 8, 1]] {
        assert_eq!(image.voxels().get(0, corner), Some(-1000.0), "{corner:?}");
    }
}

/// G-06: the fill is stated in the input's unit and sent through the steps that ran before.
#[test]
fn rotate_after_window_fills_with_the_windowed_value_of_air() {
    let steps = "[[step]]\nuse = \"ct.window\"\nlevel = -600\nwidth = 1600\n\
                 [[step]]\nuse = \"augment.rotate\"\nangle_deg = 45\naxis = \"z\"";
    let grid = voxprep_core::geometry::Geometry::aligned([9, 9, 1], [1.0; 3], [0.0; 3]).unwrap();
    let ct = volume::<i16>(grid, |_| 40.0).with_unit(voxprep_core::volume::Unit::Hu);
    let subject = Subject::new("a").with("image", ct).unwrap();
    let result = plan(steps)
        .unwrap()
        .run(subject, &RunOptions::default())
        .unwrap();
    let corner = result
        .volume("image")
        .unwrap()
        .voxels()
        .get(0, [0, 0, 0])
        .unwrap();
    // (-1000 + 1400) / 1600
    assert!((corner - 0.25).abs() < 1e-6, "{corner}");
}

/// G-01: labels, points and boxes stay with the image, and a landmark lands where the algebra
/// says: index [3, 4, 2] carries the only bright voxel and the only label.
#[test]
fn a_landmark_off_every_axis_stays_with_its_point() {
    for step in [
        "use = \"spatial.spacing\"\nspacing_mm = [0.5, 0.5, 0.5]",
        "use = \"spatial.reorient\"\nto = \"SAR\"",
        "use = \"spatial.flip\"\naxes = [\"x\", \"z\"]",
        "use = \"spatial.crop\"\nstart = [1, 2, 1]\nsize = [5, 6, 5]",
        "use = \"augment.rotate\"\nangle_deg = 17\naxis = \"x\"",
        "use = \"augment.rotate\"\nangle_deg = -23\naxis = \"y\"",
        "use = \"augment.rotate\"\nangle_deg = 31\naxis = \"z\"",
    ] {
        let size = [9, 10, 8];
        let marker = [3, 4, 2];
        let at = |i: [usize; 3]| if i == marker { 1000.0 } else { 0.0 };
        let image = volume::<f32>(awkward(size), at).with_unit(voxprep_core::volume::Unit::Hu);
        let labels = volume::<u8>(awkward(size), |i| f64::from(u8::from(i == marker)));
        let mut subject = Subject::new("a").with("image", image).unwrap();
        subject.add("label", labels.into_labels().unwrap()).unwrap();
        let position = awkward(size)
            .world_from_index()
            .apply(marker.map(|i| i as f64));
        subject.points.push(Point {
            name: "tip".into(),
            position,
        });
        let low = position.map(|v| v - 1.0);
        let high = position.map(|v| v + 1.0);
        subject.boxes.push(voxprep_core::subject::WorldBox {
            name: "box".into(),
            low,
            high,
        });
        let steps = format!("[sampling]\nantialias = \"off\"\nfill = 0\n[[step]]\n{step}");
        let result = plan(&steps)
            .unwrap()
            .run(subject, &RunOptions::default())
            .unwrap();
        let image = result.volume("image").unwrap();
        let [nx, ny, nz] = image.geometry().size();
        let (mut sum, mut weighted, mut labelled) = (0.0, [0.0; 3], Vec::new());
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    let v = image.voxels().get(0, [x, y, z]).unwrap();
                    let w = image
                        .geometry()
                        .world_from_index()
                        .apply([x, y, z].map(|i| i as f64));
                    sum += v;
                    for i in 0..3 {
                        weighted[i] += v * w[i];
                    }
                    if result.volume("label").unwrap().voxels().get(0, [x, y, z]) == Some(1.0) {
                        labelled.push(w);
                    }
                }
            }
        }
        let tip = result.points[0].position;
        let centroid = weighted.map(|v| v / sum);
        let away =
            |p: [f64; 3]| voxprep_core::kernels::affine::norm([0, 1, 2].map(|i| p[i] - tip[i]));
        // G-05: half an output voxel; the coarsest axis of the awkward grid is 2.5 mm
        let half = image.geometry().spacing().into_iter().fold(0.0, f64::max) / 2.0;
        assert!(
            away(centroid) < half,
            "{step}: the marker is {} mm from its point",
            away(centroid)
        );
        // the labelled region is one input voxel, whose corners are 1.7 mm from its centre
        assert!(labelled.iter().all(|&w| away(w) < 2.0), "{step}");
        assert!(
            !labelled.is_empty() || step.contains("rotate"),
            "{step}: the label is lost"
        );
        let inside =
            (0..3).all(|i| result.boxes[0].low[i] <= tip[i] && tip[i] <= result.boxes[0].high[i]);
        assert!(inside, "{step}: the box left the point");
    }
}

/// A filter looks no further than its halo: a part with its halo around it gives what the whole
/// gives. Runs over the registry.
#[test]
fn a_filter_looks_no_further_than_it_says() {
    let registry = voxprep_tests::registry();
    let grid = Geometry::aligned([25, 24, 23], [1.0, 1.5, 2.0], [0.0; 3]).unwrap();
    for entry in registry.iter().filter(|e| e.kind == "filter") {
        let filter = entry.build(&entry.example_params().unwrap()).unwrap();
        let Kind::Filter(filter) = filter.kind() else {
            panic!("{} is no filter", entry.name)
        };
        let subject = || ct_subject::<f32>(grid.clone());
        let Halo::Voxels(halo) = naive::halo(filter, &subject(), "image").unwrap() else {
            continue;
        };
        let step = format!("[[step]]\nuse = \"{}\"\n{}\n", entry.name, entry.example);
        let (start, size) = ([10, 9, 11], [3, 4, 2]);
        let low = [0, 1, 2].map(|i| start[i].max(halo[i]) - halo[i]);
        let high = [0, 1, 2].map(|i| (start[i] + size[i] + halo[i]).min(grid.size()[i]));
        let around = [0, 1, 2].map(|i| high[i] - low[i]);
        let crop =
            format!("[[step]]\nuse = \"spatial.crop\"\nstart = {low:?}\nsize = {around:?}\n");
        let run = |steps: &str| {
            let result = plan(steps)
                .unwrap()
                .run(subject(), &RunOptions::default())
                .unwrap();
            result.volume("image").unwrap().clone()
        };
        let (whole, part) = (run(&step), run(&format!("{crop}{step}")));
        for z in 0..size[2] {
            for y in 0..size[1] {
                for x in 0..size[0] {
                    let at = [start[0] + x, start[1] + y, start[2] + z];
                    let there = [0, 1, 2].map(|i| at[i] - low[i]);
                    let values = (whole.voxels().get(0, at), part.voxels().get(0, there));
                    assert_eq!(values.0, values.1, "{} at {at:?}", entry.name);
                }
            }
        }
    }
}

/// Whole-voxel moves on an aligned grid, which random oblique grids never meet: with every fill,
/// fused is naive and is step by step.
#[test]
fn whole_voxel_moves_mean_the_same_fused_naive_and_step_by_step() {
    let crop = "[[step]]\nuse = \"spatial.crop\"\nstart = [2, 1, 0]\nsize = [5, 3, 2]\n";
    let turn = "[[step]]\nuse = \"augment.rotate\"\nangle_deg = 90\naxis = \"z\"\n";
    let shift = "[[step]]\nuse = \"augment.shift\"\nmax_fraction = 1.5\n";
    let finer = "[[step]]\nuse = \"spatial.spacing\"\nspacing_mm = [0.5, 0.5, 1.0]\n";
    let chains = [
        crop.to_owned() + turn,
        crop.to_owned() + shift,
        crop.to_owned() + shift + turn,
        turn.to_owned() + crop + shift + finer,
        crop.to_owned() + shift + finer,
    ];
    let grid = Geometry::aligned([9, 7, 3], [1.0; 3], [0.0; 3]).unwrap();
    for fill in ["\"edge\"", "\"auto\"", "-7"] {
        for steps in &chains {
            let header = format!("[sampling]\nfill = {fill}\nantialias = \"off\"\n");
            let plan = plan(&(header + steps)).unwrap();
            let subject = || ct_subject::<f32>(grid.clone());
            let fused = plan.run(subject(), &RunOptions::default()).unwrap();
            let single = RunOptions {
                fuse: false,
                ..RunOptions::default()
            };
            let single = plan.run(subject(), &single).unwrap();
            let naive = naive::run(&plan, subject(), &RunOptions::default()).unwrap();
            let fused = fused.volume("image").unwrap();
            for (name, other) in [("naive", &naive), ("step by step", &single)] {
                let pairs = pairs(fused, other.volume("image").unwrap());
                let worst = pairs.iter().map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
                assert!(
                    worst < 1e-3,
                    "{worst} from {name} with fill {fill}: {steps}"
                );
            }
        }
    }
}
