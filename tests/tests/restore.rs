//! Restoring: what was made on the grid of an output, back on the grid of the input.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use voxprep_core::geometry::Geometry;
use voxprep_core::plan::RunOptions;
use voxprep_core::provenance::{Artefact, Sidecar};
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Role, Volume};
use voxprep_io::ReadOptions;
use voxprep_tests::{awkward, plan, shared, step, values, volume};

/// Runs steps over volumes; what came out, and the sidecar as it is read back.
fn run(steps: &str, volumes: &[(&str, &Volume)]) -> (Subject, Sidecar) {
    let plan = plan(steps).unwrap_or_else(|error| panic!("{error}\n{steps}"));
    let mut subject = Subject::new("case 7");
    for (name, volume) in volumes {
        subject.add(*name, (*volume).clone()).unwrap();
    }
    let artefacts = |subject: &Subject| -> Vec<Artefact> {
        let volumes = subject.volumes();
        volumes
            .map(|(name, volume)| Artefact::new(name, volume, None))
            .collect()
    };
    let inputs = artefacts(&subject);
    let options = RunOptions::default();
    let subject = plan.run(subject, &options).unwrap();
    let sidecar = Sidecar::new(&plan, &options, &subject, inputs, artefacts(&subject)).unwrap();
    let text = serde_json::to_string(&sidecar).unwrap();
    let read = Sidecar::from_json(&text).unwrap();
    assert_eq!(read, sidecar);
    (subject, read)
}

/// An output brought back, without a finding.
fn back(subject: &Subject, sidecar: &Sidecar, name: &str, fill: f64) -> Volume {
    let made = subject.volume(name).unwrap();
    let (restored, finding) = sidecar.restore(made, name, fill).unwrap();
    assert_eq!(finding, None);
    restored
}

fn error(sidecar: &Sidecar, made: &Volume, name: &str) -> String {
    sidecar.restore(made, name, 0.0).unwrap_err().to_string()
}

/// Numbers that no neighbour repeats, in i16.
fn numbered(grid: &Geometry) -> Volume {
    volume::<i16>(grid.clone(), |[x, y, z]| (1 + x + 20 * y + 400 * z) as f64)
}

/// Left 1, right 2, around the middle of the x axis; 0 at the rim.
fn sides(grid: &Geometry) -> Volume {
    let [nx, ny, nz] = grid.size();
    let label = |[x, y, z]: [usize; 3]| {
        let inside = x > 0 && x + 1 < nx && y > 0 && y + 1 < ny && z > 0 && z + 1 < nz;
        f64::from(u8::from(inside) * (1 + u8::from(2 * x >= nx)))
    };
    volume::<u8>(grid.clone(), label).into_labels().unwrap()
}

/// The overlap of a label in two maps (Dice 1945).
fn dice(a: &Volume, b: &Volume, label: f64) -> f64 {
    let (a, b) = (values(a), values(b));
    let count = |values: &[f64]| values.iter().filter(|v| **v == label).count();
    let both = a
        .iter()
        .zip(&b)
        .filter(|(a, b)| **a == label && **b == label)
        .count();
    2.0 * both as f64 / (count(&a) + count(&b)) as f64
}

const MIRROR: &str = "axes = [\"x\", \"y\", \"z\"]\neach = 1";

/// Steps that move whole voxels are undone to the last bit; what they cut away is empty.
#[test]
fn whole_voxels_come_back_exactly() {
    let grid = awkward([9, 8, 7]);
    let (image, labels) = (numbered(&grid), sides(&grid));
    let chain = [
        step("spatial.reorient", "to = \"SLA\""),
        step("augment.flip", MIRROR),
        step("spatial.crop", "margin = [1, [0, 2], 0]"),
        step("spatial.flip", "axes = [\"y\"]"),
        step("intensity.clip", "low = 0\nhigh = 30000"),
        step("spatial.crop_or_pad", "size = [12, 4, 9]"),
    ];
    for steps in [1, 2, 3, 4, 6].map(|n| chain[..n].concat()) {
        // no voxel is 0
        let steps = format!("[sampling]\nfill = 0\n{steps}");
        let (subject, sidecar) = run(&steps, &[("image", &image), ("labels", &labels)]);
        let cut = values(subject.volume("image").unwrap());
        let restored = back(&subject, &sidecar, "image", -5.0);
        assert!(restored.geometry().is_close(&grid, 1e-9));
        let kept = restored.voxels().values::<i16>().unwrap();
        let before = image.voxels().values::<i16>().unwrap();
        for (new, old) in kept.iter().zip(before) {
            // what is not in the output any more is empty
            let expected = if cut.contains(&f64::from(*old)) {
                *old
            } else {
                -5
            };
            assert_eq!(*new, expected, "{steps}");
        }
        let restored = back(&subject, &sidecar, "labels", 0.0);
        assert_eq!(restored.role(), Role::Label);
        let kept = kept.iter().map(|v| *v != -5);
        let expected = values(&labels).into_iter().zip(kept);
        let expected: Vec<f64> = expected
            .map(|(v, kept)| if kept { v } else { 0.0 })
            .collect();
        assert_eq!(values(&restored), expected, "{steps}");
    }
}

/// SPA-10: labels of the sides that a mirrored axis exchanged are exchanged back, and only those.
#[test]
fn exchanged_labels_are_exchanged_back() {
    let grid = awkward([8, 6, 5]);
    let labels = sides(&grid);
    let swap = format!("{MIRROR}\nswap_labels = {{ 1 = 2 }}");
    // Over one axis as a whole: mirrored in all three, left is right.
    let (subject, sidecar) = run(
        &step("augment.flip", &swap),
        &[("image", &numbered(&grid)), ("labels", &labels)],
    );
    assert_eq!(values(subject.volume("labels").unwrap()), values(&labels));
    let restored = back(&subject, &sidecar, "labels", 0.0);
    assert_eq!(values(&restored), values(&labels));
    // Twice, with other pairs, the last is undone first.
    let steps = [
        step("augment.flip", &swap),
        step(
            "augment.flip",
            &format!("{MIRROR}\nswap_labels = {{ 2 = 3 }}"),
        ),
        step("spatial.crop", "margin = [2, 0, 0]"),
    ];
    let (subject, sidecar) = run(
        &steps.concat(),
        &[("image", &numbered(&grid)), ("labels", &labels)],
    );
    for fill in [0.0, 1.0, 2.0, 3.0, 9.0] {
        let restored = back(&subject, &sidecar, "labels", fill);
        let before = values(&labels).into_iter().enumerate();
        let outside = |i: usize| !(2..6).contains(&(i % 8));
        let expected: Vec<f64> = before
            .map(|(i, v)| if outside(i) { fill } else { v })
            .collect();
        assert_eq!(values(&restored), expected, "fill {fill}");
    }
    // An image knows no labels.
    let image = numbered(&grid);
    let restored = back(&subject, &sidecar, "image", 0.0);
    let same = values(&restored)
        .iter()
        .zip(values(&image))
        .all(|(new, old)| *new == old || *new == 0.0);
    assert!(same);
}

/// A model answers in a type of its own: pairs that it has no room for cannot be in its map.
#[test]
fn a_narrow_label_map_may_come_back_from_a_wide_one() {
    let grid = awkward([6, 5, 4]);
    let wide = |a: f64, b: f64| {
        let label = |[x, _, _]: [usize; 3]| if x < 3 { a } else { b };
        volume::<i16>(grid.clone(), label).into_labels().unwrap()
    };
    let swap = |pairs: &str| format!("{MIRROR}\nswap_labels = {{ {pairs} }}");
    let made = sides(&grid);
    let (_, sidecar) = run(
        &step("augment.flip", &swap("300 = 301")),
        &[("labels", &wide(300.0, 301.0))],
    );
    assert!(sidecar.restore(&made, "labels", 0.0).is_ok());
    let (_, sidecar) = run(
        &step("augment.flip", &swap("1 = 300")),
        &[("labels", &wide(1.0, 300.0))],
    );
    let message = error(&sidecar, &made, "labels");
    assert!(
        message.contains("the label 300 does not fit u8") && message.contains("wider type"),
        "{message}"
    );
}

/// A volume is followed through copies and other names to the input that it comes from.
#[test]
fn a_volume_is_followed_to_the_input_that_it_comes_from() {
    let grid = awkward([8, 7, 6]);
    let image = numbered(&grid);
    let steps = [
        step("spatial.flip", "axes = [\"x\"]\non = [\"image\"]"),
        step(
            "intensity.clip",
            "low = 0\nhigh = 30000\non = [\"image\"]\nas = \"copy\"",
        ),
        step("spatial.crop", "margin = [2, 0, 0]\non = [\"copy\"]"),
        step("subject.rename", "names = { copy = \"part\" }"),
        step("spatial.flip", "axes = [\"z\"]\non = [\"part\"]"),
        step("subject.drop", "volumes = [\"other\"]"),
    ];
    let (subject, sidecar) = run(&steps.concat(), &[("image", &image), ("other", &image)]);
    assert_eq!(subject.names().collect::<Vec<_>>(), ["image", "part"]);
    assert_eq!(
        values(&back(&subject, &sidecar, "image", 0.0)),
        values(&image)
    );
    let part = values(&back(&subject, &sidecar, "part", 0.0));
    let expected = values(&image).into_iter().enumerate();
    let expected: Vec<f64> = expected
        .map(|(i, v)| if (2..6).contains(&(i % 8)) { v } else { 0.0 })
        .collect();
    assert_eq!(part, expected);
    for gone in ["other", "copy"] {
        let message = error(&sidecar, &image, gone);
        assert!(message.contains("there are: image, part"), "{message}");
    }
}

#[test]
fn what_is_on_another_grid_or_from_nowhere_is_refused() {
    let grid = awkward([8, 7, 6]);
    let image = numbered(&grid);
    let (subject, sidecar) = run(
        &step("spatial.crop", "margin = [1, 1, 1]"),
        &[("image", &image)],
    );
    let message = error(&sidecar, &image, "image");
    assert!(
        message.contains("8 x 7 x 6 voxels") && message.contains("6 x 5 x 4 voxels"),
        "{message}"
    );
    // Within a micrometre it is the same grid: files round.
    let made = subject.volume("image").unwrap();
    let moved = |mm: f64| {
        let world = made.geometry().world_from_index();
        let shift = voxprep_core::kernels::Affine::translation([mm, 0.0, 0.0]);
        let near = Geometry::new(made.geometry().size(), shift * world).unwrap();
        made.clone().with_geometry(near).unwrap()
    };
    let (restored, _) = sidecar.restore(&moved(1e-4), "image", 0.0).unwrap();
    assert_eq!(
        values(&restored),
        values(&back(&subject, &sidecar, "image", 0.0))
    );
    assert!(error(&sidecar, &moved(0.01), "image").contains("on another grid"));

    // Made on the way, it was never on a grid of its own.
    let mut made_here = sidecar.clone();
    made_here.inputs[0].name = "t1".to_owned();
    let message = error(&made_here, made, "image");
    assert!(message.contains("was made on the way"), "{message}");
    let mut forged = sidecar;
    forged.steps.clear();
    assert!(error(&forged, made, "image").contains("the sidecar was changed"));
}

/// T1 of a head at 1 mm, and its bright voxels as left and right.
fn head() -> Option<(Volume, Volume)> {
    let path = shared()?.join("data/mri/stroke_T1_T2_FLAIR/T1.nii.gz");
    let image = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
    let bright = values(&image);
    let [nx, ny, _] = image.geometry().size();
    let label = |[x, y, z]: [usize; 3]| {
        let is_bright = bright[x + nx * (y + ny * z)] > 50.0;
        f64::from(u8::from(is_bright) * (1 + u8::from(2 * x >= nx)))
    };
    let labels = volume::<u8>(image.geometry().clone(), label);
    Some((image, labels.into_labels().unwrap()))
}

/// The label map of the head, through the steps and back; the overlap of the worse label.
fn overlap(steps: &str, image: &Volume, labels: &Volume) -> f64 {
    let (subject, sidecar) = run(steps, &[("image", image), ("labels", labels)]);
    let made = subject.volume("labels").unwrap();
    let (restored, finding) = sidecar.restore(made, "labels", 0.0).unwrap();
    // A deformation that does not end at the faces tears: what lies in the gap comes from nowhere.
    let lost = finding.map_or(0.0, |f| f.values["count"].as_f64().unwrap());
    let lost = lost / made.geometry().voxels() as f64;
    assert!(lost < 0.2, "{lost}");
    assert!(restored.geometry().is_close(labels.geometry(), 1e-9));
    dice(&restored, labels, 1.0).min(dice(&restored, labels, 2.0))
}

#[test]
fn labels_of_a_head_come_back_from_affine_chains() {
    let Some((image, labels)) = head() else {
        return;
    };
    let chain = [
        step("spatial.reorient", "to = \"PSR\""),
        step("spatial.spacing", "spacing_mm = [0.6, 0.7, 0.6]"),
        step(
            "augment.rotate",
            "angle_deg = { uniform = [-20, 20] }\naxis = \"random\"",
        ),
        step(
            "augment.flip",
            "axes = [\"LR\", \"AP\"]\nswap_labels = { 1 = 2 }",
        ),
        step("spatial.crop", "foreground = \"nonzero\"\nmargin_mm = 3"),
        step("augment.zoom", "factor = { uniform = [0.9, 1.05] }"),
        step("spatial.crop_or_pad", "size = [300, 260, 240]"),
    ];
    for (what, range) in [("grids", 0..2), ("motions", 2..4), ("all", 0..7)] {
        let dice = overlap(&chain[range].concat(), &image, &labels);
        eprintln!("{what}: Dice {dice:.4}");
        assert!(dice >= 0.98, "{what}: {dice}");
    }
}

/// Whatever the guard lets through can be undone: the deformation of the shipped preset, too.
#[test]
fn a_ball_comes_back_from_elastic_motions() {
    let grid = Geometry::aligned([48, 44, 30], [1.0, 1.0, 1.5], [3.0, -4.0, 5.0]).unwrap();
    let ball = |[x, y, z]: [usize; 3]| {
        let at = [x as f64 - 24.0, y as f64 - 22.0, 1.5 * (z as f64 - 15.0)];
        let inside = at.iter().map(|v| v * v).sum::<f64>() < 225.0;
        f64::from(u8::from(inside) * (1 + u8::from(x > 24)))
    };
    let labels = volume::<u8>(grid.clone(), ball).into_labels().unwrap();
    let image = numbered(&grid);
    let rotated = step("augment.rotate", "angle_deg = 9\naxis = \"y\"");
    for form in ["max_displacement_mm = 7.5", "alpha = 1000\nsigma = 8"] {
        let elastic = step("augment.elastic", form);
        for steps in [elastic.clone(), [rotated.clone(), elastic].concat()] {
            let dice = overlap(&steps, &image, &labels);
            assert!(dice >= 0.93, "{steps}: {dice}");
        }
    }
}

#[test]
fn labels_of_a_head_come_back_from_elastic_motions() {
    let Some((image, labels)) = head() else {
        return;
    };
    let elastic = step("augment.elastic", "max_displacement_mm = 7.5");
    let rotated = step("augment.rotate", "angle_deg = 12\naxis = \"y\"");
    for (what, steps) in [
        ("elastic", elastic.clone()),
        (
            "between affine ones",
            [rotated.clone(), elastic, rotated].concat(),
        ),
    ] {
        let dice = overlap(&steps, &image, &labels);
        eprintln!("{what}: Dice {dice:.4}");
        assert!(dice >= 0.95, "{what}: {dice}");
    }
}

/// An image comes back as far as two interpolations leave it: on a smooth one, close by.
#[test]
fn an_image_comes_back_by_interpolation() {
    let grid = Geometry::aligned([40, 36, 32], [1.0, 1.1, 1.2], [-20.0, 3.0, 7.0]).unwrap();
    let smooth = |[x, y, z]: [usize; 3]| 5.0 * x as f64 - 3.0 * y as f64 + 2.0 * z as f64;
    let image = volume::<f32>(grid, smooth);
    let steps = [
        step("augment.rotate", "angle_deg = 9\naxis = \"z\""),
        step("augment.shift", "max_fraction = 0.04"),
    ];
    let (subject, sidecar) = run(&steps.concat(), &[("image", &image)]);
    let restored = back(&subject, &sidecar, "image", -1e6);
    let mut inside = 0;
    for z in 6..26 {
        for y in 9..27 {
            for x in 9..31 {
                let [old, new] = [&image, &restored].map(|v| v.voxels().get(0, [x, y, z]).unwrap());
                assert!((old - new).abs() < 1e-3, "[{x}, {y}, {z}]: {old}, {new}");
                inside += 1;
            }
        }
    }
    assert_eq!(inside, 20 * 18 * 22);
}
