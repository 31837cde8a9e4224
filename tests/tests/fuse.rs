//! A plan fuses as `explain` says, and the fused result is what the composed map means.

use proptest::prelude::*;
use voxprep_core::naive;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::{Point, Subject};
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxel;
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

/// One step of a random pipeline, as TOML.
fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::array::uniform3(0.6..2.5_f64)
            .prop_map(|s| format!("use = \"spatial.spacing\"\nspacing_mm = {s:?}")),
        (-40.0..40.0_f64, "[xyz]")
            .prop_map(|(a, axis)| format!("use = \"augment.rotate\"\nangle_deg = {a}\naxis = \"{axis}\"")),
        "[xyz]".prop_map(|axis| format!("use = \"spatial.flip\"\naxes = [\"{axis}\"]")),
        prop::sample::select(vec!["RAS", "LPS", "SAR", "PIL", "IRP"])
            .prop_map(|to| format!("use = \"spatial.reorient\"\nto = \"{to}\"")),
        Just("use = \"spatial.crop\"\nstart = [1, 0, 0]\nsize = [2, 2, 2]".to_owned()),
        (-900.0..0.0_f64, 1.0..900.0_f64)
            .prop_map(|(l, w)| format!("use = \"intensity.clip\"\nlow = {l}\nhigh = {}", l + w)),
        (-100.0..0.0_f64, 1.0..100.0_f64).prop_map(|(l, w)| format!(
            "use = \"intensity.rescale\"\nlow = {l}\nhigh = {}\nfrom_low = -500\nfrom_high = 700\nclamp = false",
            l + w
        )),
        (0.0..5.0_f64).prop_map(|std| format!("use = \"augment.noise\"\nstd = {std}")),
        Just("use = \"label.remap\"\nmap = { 1 = 7, 3 = 1 }".to_owned()),
    ]
}

fn subject<T: Voxel>(size: [usize; 3]) -> Subject {
    let labels = |[x, y, z]: [usize; 3]| ((x / 2 + y / 2 + z) % 4) as f64;
    let labels: Volume = volume::<u8>(awkward(size), labels).into_labels().unwrap();
    ct_subject::<T>(awkward(size))
        .with("lungs", labels)
        .unwrap()
}

/// The largest difference between two volumes of the same header, over the range of the second.
fn difference(a: &Volume, b: &Volume) -> (f64, f64) {
    assert_eq!(a.header(), b.header());
    let [nx, ny, nz] = a.geometry().size();
    let (mut worst, mut low, mut high) = (0.0_f64, f64::INFINITY, f64::NEG_INFINITY);
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let [p, q] = [a, b].map(|v| v.voxels().get(0, [x, y, z]).unwrap());
                worst = worst.max((p - q).abs());
                (low, high) = (low.min(q), high.max(q));
            }
        }
    }
    (worst, high - low)
}

fn holds<T: Voxel>(steps: &str, size: [usize; 3]) -> Result<(), TestCaseError> {
    let plan = plan(steps).unwrap();
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
    for (name, volume) in fused.volumes() {
        let (worst, range) = difference(volume, naive.volume(name).unwrap());
        if name == "lungs" {
            prop_assert_eq!(worst, 0.0);
        } else {
            // Integers may round the other way at a tie; single precision has 6e-8 of the range
            // of the values on the way, here at most some thousands.
            let step = if T::IS_INTEGER && volume.voxels().element_type().is_integer() {
                1.0
            } else {
                0.0
            };
            prop_assert!(
                worst <= step + 1e-6 * range.max(2000.0),
                "{} of {}",
                worst,
                range
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_fused_result_is_the_naive_one(
        steps in prop::collection::vec(step(), 1..6),
        size in prop::array::uniform3(1..9_usize),
        kind in 0..4_u8,
        fill in prop::sample::select(vec!["\"auto\"", "-77.5", "\"min\""]),
    ) {
        let steps = steps.iter().map(|s| format!("[[step]]\n{s}\n")).collect::<String>();
        let steps = format!("[sampling]\nfill = {fill}\nantialias = \"off\"\n{steps}");
        match kind {
            0 => holds::<i16>(&steps, size)?,
            1 => holds::<f32>(&steps, size)?,
            2 => holds::<i32>(&steps, size)?,
            _ => holds::<f64>(&steps, size)?,
        }
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
