//! `as`, `on`, `p`, labels and noise: which volumes a step changes, and how.

use voxprep_core::geometry::Geometry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Unit, Volume};
use voxprep_core::voxels::{ElementType, Voxel};
use voxprep_tests::{awkward, ct_subject, image, row, run, step, subject, values, volume};

use crate::units::{CLIP, WINDOW};
use crate::{after, moments};

/// DESIGN 4: `as` writes a new volume and the source stays; `on` names who is acted on.
#[test]
fn a_new_volume_takes_the_result_and_the_source_stays() {
    let input = ct_subject::<i16>(awkward([5, 6, 7]));
    let before = image(&input).clone();
    let result = run(
        &(WINDOW.to_owned() + "as = \"lung_window\"\n" + CLIP + "on = [\"image\"]"),
        input,
    )
    .unwrap();
    assert_eq!(result.names().collect::<Vec<_>>(), ["image", "lung_window"]);
    let clipped: Vec<f64> = values(&before)
        .iter()
        .map(|v| v.clamp(-1000.0, 1000.0))
        .collect();
    assert_eq!(values(image(&result)), clipped);
    assert_eq!(image(&result).header(), before.header());
    let windowed = result.volume("lung_window").unwrap();
    assert_eq!(windowed.header().unit, Unit::Normalised);
    assert_eq!(windowed.geometry(), before.geometry());
    assert_eq!(
        values(windowed),
        after("ct.window", "preset = \"lung\"", subject(before))
    );
}

#[test]
fn a_step_acts_on_the_volumes_it_names_and_on_no_other() {
    let two = || {
        subject(row::<i16>(&[5.0, 50.0]))
            .with("pet", row::<i16>(&[6.0, 60.0]))
            .unwrap()
    };
    let clip = |on: &str| {
        run(
            &step("intensity.clip", &format!("low = 0\nhigh = 9\n{on}")),
            two(),
        )
        .unwrap()
    };
    let both = |s: &Subject| [values(image(s)), values(s.volume("pet").unwrap())];
    assert_eq!(both(&clip("")), [[5.0, 9.0], [6.0, 9.0]]);
    assert_eq!(both(&clip("on = [\"pet\"]")), [[5.0, 50.0], [6.0, 9.0]]);
    assert_eq!(
        both(&clip("on = [\"pet\", \"image\"]")),
        [[5.0, 9.0], [6.0, 9.0]]
    );
}

/// AUG-07: a step of probability 0 does not run: every byte stays.
#[test]
fn a_step_of_probability_0_leaves_every_byte() {
    let input = ct_subject::<f32>(awkward([8, 7, 6]));
    let grid = awkward([8, 7, 6]);
    let labels = volume::<u8>(grid, |i| (i[0] % 3) as f64)
        .into_labels()
        .unwrap();
    let input = input.with("lungs", labels).unwrap();
    let lines = |own: &str| format!("{own}\np = 0.0");
    let steps = step("augment.noise", &lines("std = 50"))
        + &step("augment.rotate", &lines("angle_deg = 30"))
        + &step("ct.window", &lines("preset = \"lung\""))
        + &step("label.remap", &lines("map = { 1 = 2 }"));
    let result = run(&steps, input.clone()).unwrap();
    for (name, volume) in input.volumes() {
        let other = result.volume(name).unwrap();
        assert_eq!(other.header(), volume.header());
        assert!(other.voxels().bytes() == volume.voxels().bytes(), "{name}");
    }
    assert!(result.history.is_empty(), "{:?}", result.history);
    let certain = run(&steps.replace("p = 0.0", "p = 1.0"), input.clone()).unwrap();
    assert!(image(&certain).voxels().bytes() != image(&input).voxels().bytes());
}

fn labels<T: Voxel>(values: &[f64]) -> Volume {
    row::<T>(values).into_labels().unwrap()
}

/// MSK-02: labels take their new numbers at once, and the type grows only where it must.
#[test]
fn remapped_labels_stay_integers_and_the_type_grows_where_it_must() {
    let remap = |lines: &str, volume: Volume| {
        let input = subject(row::<f32>(&[0.5; 5]))
            .with("lungs", volume)
            .unwrap();
        let result = run(&step("label.remap", lines), input).unwrap();
        let labels = result.volume("lungs").unwrap();
        assert_eq!(values(image(&result)), [0.5; 5]);
        (values(labels), labels.header().element_type)
    };
    let brats = [0.0, 1.0, 2.0, 4.0, 9.0];
    use ElementType::*;
    assert_eq!(
        remap("map = { 1 = 2, 2 = 1, 4 = 3 }", labels::<u8>(&brats)),
        (vec![0.0, 2.0, 1.0, 3.0, 9.0], U8)
    );
    assert_eq!(
        remap("map = { 4 = 3 }\nother = 0", labels::<i16>(&brats)),
        (vec![0.0, 0.0, 0.0, 3.0, 0.0], I16)
    );
    assert_eq!(
        remap("map = { 4 = 300 }", labels::<u8>(&brats)),
        (vec![0.0, 1.0, 2.0, 300.0, 9.0], I16)
    );
    assert_eq!(
        remap("map = { 4 = 60000 }", labels::<u8>(&brats)),
        (vec![0.0, 1.0, 2.0, 60_000.0, 9.0], U16)
    );
    assert_eq!(
        remap("map = { 4 = -1 }", labels::<u16>(&brats)),
        (vec![0.0, 1.0, 2.0, -1.0, 9.0], I32)
    );
    assert_eq!(
        remap("map = { 4 = 70000 }", labels::<f64>(&brats)),
        (vec![0.0, 1.0, 2.0, 70_000.0, 9.0], I32)
    );
}

/// Noise is measured: mean and deviation as asked, another for another volume.
#[test]
fn noise_has_the_deviation_asked_for_and_differs_between_volumes() {
    let grid = || Geometry::aligned([64, 64, 32], [1.0; 3], [0.0; 3]).unwrap();
    let flat = || volume::<f32>(grid(), |_| 100.0);
    let input = subject(flat()).with("second", flat()).unwrap();
    let result = run(&step("augment.noise", "std = 3\nmean = 2"), input).unwrap();
    let [a, b] = ["image", "second"].map(|name| values(result.volume(name).unwrap()));
    for noise in [&a, &b] {
        let (mean, std) = moments(noise.iter().copied());
        // five standard errors at 131,072 voxels
        assert!(
            (mean - 102.0).abs() < 0.042 && (std - 3.0).abs() < 0.03,
            "{mean} {std}"
        );
    }
    let product = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - 102.0) * (b - 102.0) / 9.0);
    let correlation = product.sum::<f64>() / a.len() as f64;
    assert!(correlation.abs() < 0.014, "{correlation}");
}
