//! One test for each thing that went wrong, named by it. What a wrong pipeline is told is in
//! `wrong`.

#![allow(clippy::unwrap_used, reason = "a failure is the answer of the test")]

mod wrong;

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{Role, Unit};
use voxprep_core::voxels::ElementType;
use voxprep_tests::{
    awkward, ct_subject, image, registry, row, run, step, subject, values, volume,
};

/// B-01: both ends are clipped, on a copy.
#[test]
fn the_clip_forgot_its_upper_end_and_wrote_into_the_callers_array() {
    let caller = row::<i16>(&[-5.0, 3.0, 99.0]);
    let result = run(
        &step("intensity.clip", "low = 0\nhigh = 10"),
        subject(caller.clone()),
    )
    .unwrap();
    assert_eq!(values(image(&result)), [0.0, 3.0, 10.0]);
    assert_eq!(values(&caller), [-5.0, 3.0, 99.0]);
}

/// B-02: labels flip with their image, axes of one voxel are kept, the affine follows, and a
/// probability is honoured.
#[test]
fn the_flip_left_the_label_behind_and_squeezed_away_axes() {
    let grid = Geometry::aligned([3, 1, 2], [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]).unwrap();
    let value = |[x, _, z]: [usize; 3]| (x + 3 * z) as f64;
    let labels = volume::<u8>(grid.clone(), value).into_labels().unwrap();
    let input = subject(volume::<f32>(grid, value))
        .with("label", labels)
        .unwrap();
    let result = run(&step("spatial.flip", "axes = [\"x\"]"), input.clone()).unwrap();
    for (name, volume) in result.volumes() {
        assert_eq!(values(volume), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0], "{name}");
        assert_eq!(volume.voxels().size(), [3, 1, 2], "{name}");
        assert_eq!(volume.geometry().origin(), [12.0, 20.0, 30.0], "{name}");
    }
    let never = run(&step("spatial.flip", "axes = [\"x\"]\np = 0.0"), input).unwrap();
    assert_eq!(values(image(&never))[0], 0.0);
}

/// B-05: the size stays, nothing overshoots, angles are checked at both ends, continuous and in mm.
#[test]
fn the_rotation_grew_the_image_overshot_and_checked_one_end() {
    let grid = Geometry::aligned([64, 64, 32], [1.0, 1.0, 2.0], [0.0; 3]).unwrap();
    let block = |i: [usize; 3]| f64::from(u8::from((0..3).all(|a| i[a] >= 8 && i[a] < 24)));
    let input = subject(volume::<f32>(grid.clone(), block));
    let turn = |lines: &str| step("augment.rotate", &format!("{lines}\naxis = \"z\""));
    let result = run(&turn("angle_deg = 30"), input.clone()).unwrap();
    assert_eq!(image(&result).geometry(), &grid);
    assert!(
        values(image(&result))
            .iter()
            .all(|v| (0.0..=1.0).contains(v))
    );
    let near = run(&turn("angle_deg = 30.5"), input.clone()).unwrap();
    assert_ne!(values(image(&near)), values(image(&result)));
    for angles in [
        "{ uniform = [-400, 10] }",
        "{ uniform = [-10, 400] }",
        "{ uniform = [10, -10] }",
        "360",
        "-361",
    ] {
        let text = run(&turn(&format!("angle_deg = {angles}")), input.clone())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("augment.rotate") && text.contains("angle_deg"),
            "{angles}: {text}"
        );
    }
}

/// B-06: a full axis keeps all its voxels, in any number of axes, and the last valid start is one.
#[test]
fn the_crop_of_a_full_axis_was_empty_and_the_last_start_was_refused() {
    let input = ct_subject::<i16>(Geometry::aligned([6, 5, 4], [1.0; 3], [0.0; 3]).unwrap());
    for bits in 0..8 {
        let full = [6, 5, 4];
        let size = [0, 1, 2].map(|i| if bits >> i & 1 == 1 { full[i] } else { 2 });
        let start = [0, 1, 2].map(|i| full[i] - size[i]);
        let lines = format!("start = {start:?}\nsize = {size:?}");
        let result = run(&step("spatial.crop", &lines), input.clone()).unwrap();
        assert_eq!(image(&result).voxels().size(), size);
        let first = image(&input).voxels().get(0, start);
        assert_eq!(image(&result).voxels().get(0, [0; 3]), first, "{start:?}");
        // one further and it is no longer in the image
        let beyond = format!("start = {:?}\nsize = {size:?}", start.map(|v| v + 1));
        assert!(run(&step("spatial.crop", &beyond), input.clone()).is_err());
    }
}

/// B-17: level -600 and width 1500 end at -1350 and 150.
#[test]
fn the_lung_window_was_said_to_end_at_minus_1200_and_300() {
    let input = subject(row::<i16>(&[-1350.0, -1200.0, 150.0, 300.0]).with_unit(Unit::Hu));
    let result = values(image(
        &run(&step("ct.window", "preset = \"lung\""), input).unwrap(),
    ));
    assert_eq!([result[0], result[2], result[3]], [0.0, 1.0, 1.0]);
    assert!((result[1] - 0.1).abs() < 1e-6, "{result:?}");
}

/// B-25: label maps are integers, and who may change them is in the registry.
#[test]
fn the_mask_was_kept_as_floating_point_and_changed_like_an_image() {
    let stored_as_float = row::<f64>(&[0.0, 1.0, 3.0]).into_labels().unwrap();
    assert_eq!(stored_as_float.header().element_type, ElementType::U8);
    assert!(row::<f32>(&[0.5, 1.0]).into_labels().is_err());
    for entry in registry()
        .iter()
        .filter(|entry| ["pointwise", "filter"].contains(&entry.kind))
    {
        assert!(entry.role.is_some(), "{} acts on everything", entry.name);
    }
    let input = subject(row::<f32>(&[1.0, 2.0, 3.0]))
        .with("mask", stored_as_float)
        .unwrap();
    for name in ["intensity.zscore", "augment.noise", "filter.gaussian"] {
        let own = registry().get(name).unwrap().example.clone();
        let text = run(
            &step(name, &format!("{own}\non = [\"mask\"]")),
            input.clone(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            text.contains("'mask' is a label map") && text.contains(name),
            "{text}"
        );
    }
    let text = run(
        &step("label.remap", "map = { 1 = 2 }\non = [\"image\"]"),
        input,
    )
    .unwrap_err();
    assert!(text.to_string().contains("'image' is an image"), "{text}");
}

/// B-27: no division by zero, and the background is 0 where that is asked for.
#[test]
fn normalising_a_constant_image_divided_by_zero_and_moved_the_background() {
    for step in [step("intensity.rescale", ""), step("intensity.zscore", "")] {
        for value in [0.0, 5.0, -1000.0] {
            let result = run(&step, subject(row::<f32>(&[value; 4]))).unwrap();
            assert_eq!(values(image(&result)), [0.0; 4]);
            assert_eq!(result.findings.len(), 1);
        }
    }
    let lines = "over = \"nonzero\"\noutside = \"zero\"";
    let result = run(
        &step("intensity.zscore", lines),
        subject(row::<i16>(&[0.0, 1.0, 3.0])),
    )
    .unwrap();
    assert_eq!(values(image(&result)), [0.0, -1.0, 1.0]);
    // nothing is chosen: an error that says what to do
    let text = run(
        &step("intensity.zscore", lines),
        subject(row::<i16>(&[0.0; 3])),
    )
    .unwrap_err()
    .to_string();
    assert!(
        text.contains("no voxel of 'image' is chosen") && text.contains("over"),
        "{text}"
    );
}

/// B-30: an integer image becomes floating point before it is scaled.
#[test]
fn normalised_values_were_written_into_an_integer_array() {
    for (name, lines) in [
        ("intensity.rescale", "from_low = -1000\nfrom_high = 400"),
        ("intensity.zscore", ""),
        ("ct.window", "level = -300\nwidth = 1400"),
    ] {
        let input = subject(row::<i16>(&[-1000.0, -300.0, 400.0]).with_unit(Unit::Hu));
        let result = run(&step(name, lines), input).unwrap();
        assert_eq!(
            image(&result).header().element_type,
            ElementType::F32,
            "{name}"
        );
        let middle = values(image(&result))[1];
        assert!(
            middle != 0.0 || name == "intensity.zscore",
            "{name}: {middle}"
        );
        assert!(
            values(image(&result)).iter().any(|v| v.fract() != 0.0),
            "{name}"
        );
    }
}

/// An axis of one voxel and a spacing far beyond the image are no error.
#[test]
fn an_axis_of_one_voxel_survives_every_kind_of_resampling() {
    for size in [[1, 1, 1], [7, 1, 1], [1, 6, 5]] {
        let labels = volume::<u8>(awkward(size), |_| 1.0).into_labels().unwrap();
        let input = ct_subject::<i16>(awkward(size))
            .with("lungs", labels)
            .unwrap();
        for steps in [
            step("spatial.spacing", "spacing_mm = [100, 100, 100]"),
            step("spatial.spacing", "spacing_mm = [0.6, 0.6, 0.6]"),
            step("augment.rotate", "angle_deg = 33"),
            step("filter.gaussian", "sigma_mm = 20"),
            "[sampling]\nintensity = \"cubic\"\nfill = \"edge\"\n".to_owned()
                + &step("augment.rotate", "angle_deg = 33"),
        ] {
            let result = run(&steps, input.clone()).unwrap_or_else(|e| panic!("{steps}: {e}"));
            assert!(
                result
                    .volumes()
                    .all(|(_, v)| v.geometry().size().iter().all(|n| *n >= 1))
            );
            assert!(
                values(image(&result))
                    .iter()
                    .all(|v| (-1000.0..=1000.0).contains(v)),
                "{steps}"
            );
            let labels = result.volume("lungs").unwrap();
            assert_eq!(labels.role(), Role::Label);
        }
    }
}
