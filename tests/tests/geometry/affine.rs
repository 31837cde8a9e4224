//! Affine motions: the algebra written out, slices that stay slices, and copies that stay copies.

use proptest::prelude::*;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::{cross, dot};
use voxprep_core::naive;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::{Point, Subject};
use voxprep_tests::{awkward, image, plan, run, step, subject, values, volume};

use crate::exact::{assert_same, counted};
use crate::{SIZE, away, grid, grids, landmark, stays_together, turned};

/// Where a point goes: scaled, sheared, turned about x, y, z of the world, moved; about a centre.
fn expected(
    point: [f64; 3],
    centre: [f64; 3],
    scale: [f64; 3],
    shear: [f64; 3],
    angles: [f64; 3],
    translation: [f64; 3],
) -> [f64; 3] {
    let [x, y, z] = [0, 1, 2].map(|i| scale[i] * (point[i] - centre[i]));
    let sheared = [x + shear[0] * y + shear[1] * z, y + shear[2] * z, z];
    let turned = turned(sheared, [1.0, 0.0, 0.0], angles[0]);
    let turned = crate::turned(turned, [0.0, 1.0, 0.0], angles[1]);
    let turned = crate::turned(turned, [0.0, 0.0, 1.0], angles[2]);
    [0, 1, 2].map(|i| centre[i] + translation[i] + turned[i])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// SPA-06, SPA-07, SPA-12, G-05: a landmark goes where the formula says, on any grid, and image,
    /// labels and box go along.
    #[test]
    fn an_affine_motion_takes_a_landmark_where_the_formula_says(
        grid in grids(),
        offset in prop::array::uniform3(-3.0..3.0_f64),
        angles in prop::array::uniform3(-40.0..40.0_f64),
        scale in prop::array::uniform3(0.75..1.0_f64),
        shear in prop::array::uniform3(-0.05..0.05_f64),
        translation in prop::array::uniform3(-3.0..3.0_f64),
        centre in prop::option::of(prop::array::uniform3(-20.0..20.0_f64)),
    ) {
        let at = [0, 1, 2].map(|i| (SIZE[i] as f64 - 1.0) / 2.0 + offset[i]);
        let point = grid.world_from_index().apply(at);
        let lines = format!(
            "angles_deg = {angles:?}\nscale = {scale:?}\nshear = {shear:?}\ntranslation_mm = {translation:?}"
        );
        let (tip, _) = stays_together(&step("spatial.affine", &lines), &grid, at)?;
        let to = expected(point, grid.centre(), scale, shear, angles, translation);
        prop_assert!(away(tip, to) < 1e-9, "{:?} {:?}", tip, to);
        // about the grid that is there when it runs, and about a given point
        let respaced = step("spatial.spacing", "spacing_mm = [1.7, 1.3, 2.0]");
        let before = run(&respaced, landmark(&grid, at)).unwrap();
        let after = run(&(respaced + &step("spatial.affine", &lines)), landmark(&grid, at)).unwrap();
        let to = expected(point, image(&before).geometry().centre(), scale, shear, angles, translation);
        prop_assert!(away(after.points[0].position, to) < 1e-9);
        if let Some(c) = centre {
            let lines = format!("{lines}\ncentre = {c:?}");
            let after = run(&step("spatial.affine", &lines), landmark(&grid, at)).unwrap();
            let to = expected(point, c, scale, shear, angles, translation);
            prop_assert!(away(after.points[0].position, to) < 1e-9);
        }
    }

    /// AUG-03, AUG-04, AUG-05: what was drawn, and is in the record, is what happened.
    #[test]
    fn a_drawn_affine_is_the_affine_of_its_record(grid in grids(), epoch in 0..1000_u64) {
        let at = [0, 1, 2].map(|i| (SIZE[i] as f64 - 1.0) / 2.0);
        let lines = "scale = { uniform = [0.8, 1.0] }\nangles_deg = { uniform = [-15, 15] }\n\
                     translation_mm = { normal = [0, 2] }";
        let plan = plan(&step("augment.affine", lines)).unwrap();
        let mut input = landmark(&grid, at);
        let point = grid.world_from_index().apply([3.0, 30.0, 5.0]);
        input.points[0].position = point;
        let result = plan.sample(input, epoch).unwrap();
        let drawn = &result.history[0].drawn;
        let three = |from: usize| [drawn[from], drawn[from + 1], drawn[from + 2]];
        let to = expected(point, grid.centre(), three(0), [0.0; 3], three(3), three(6));
        prop_assert!(away(result.points[0].position, to) < 1e-9);
        prop_assert_eq!(drawn.len(), 9);
        prop_assert_eq!(image(&result).geometry(), &grid);
    }
}

/// G-04: a landmark is seen, with its labels, on every permutation of the axes.
#[test]
fn a_moved_landmark_is_seen_on_every_permutation_of_the_axes() {
    let lines = "angles_deg = [10, -15, 20]\nscale = 0.9\ntranslation_mm = [2, -1, 1.5]";
    for order in crate::ORDERS {
        for signs in 0..8 {
            let grid = grid(SIZE, [1.3, 1.6, 2.0], order, signs, [0.0; 3], 0.0);
            let moved = stays_together(&step("spatial.affine", lines), &grid, [19.0, 16.0, 18.5]);
            assert!(moved.unwrap().1, "{order:?} {signs}");
        }
    }
}

/// SPA-06, B-04: about the centre, a factor above 1 magnifies, and shape and centre are kept.
#[test]
fn a_magnified_ball_stays_in_the_middle() {
    let grid = Geometry::aligned([33, 33, 33], [1.0; 3], [0.0; 3]).unwrap();
    let ball = |i: [usize; 3]| {
        let r2: f64 = i.iter().map(|&i| (i as f64 - 16.0).powi(2)).sum();
        f64::from(u8::from(r2 <= 49.0))
    };
    for (scale, spread) in [("1.5", [1.5; 3]), ("[1.5, 1.0, 0.6]", [1.5, 1.0, 0.6])] {
        let steps = "[sampling]\nfill = 0\n".to_owned()
            + &step("spatial.affine", &format!("scale = {scale}"));
        let result = run(&steps, subject(volume::<f32>(grid.clone(), ball))).unwrap();
        assert_eq!(image(&result).geometry(), &grid);
        let mut moments = [[0.0; 3]; 2];
        let mut total = 0.0;
        for (at, v) in values(image(&result)).into_iter().enumerate() {
            let index = [at % 33, at / 33 % 33, at / 33 / 33].map(|i| i as f64 - 16.0);
            total += v;
            for i in 0..3 {
                moments[0][i] += v * index[i];
                moments[1][i] += v * index[i] * index[i];
            }
        }
        for i in 0..3 {
            assert!((moments[0][i] / total).abs() < 1e-5);
            // a ball of radius r has r^2 / 5 along every axis
            let radius = (5.0 * moments[1][i] / total).sqrt();
            assert!((radius - 7.0 * spread[i]).abs() < 0.3, "{scale}: {radius}");
        }
    }
}

/// ALGORITHMS 1.10: the identity is a copy for every order of interpolation.
#[test]
fn an_affine_of_nothing_is_a_copy() {
    for order in ["nearest", "linear", "cubic"] {
        let header = format!("[sampling]\nintensity = \"{order}\"\n");
        let matrix = "matrix = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]";
        for lines in ["", matrix] {
            let steps = header.clone() + &step("spatial.affine", lines);
            let input = counted(&awkward([5, 6, 7]));
            assert_same(&run(&steps, input.clone()).unwrap(), &input, order);
        }
    }
}

/// The same map as parts and as a matrix.
#[test]
fn a_matrix_is_the_whole_map() {
    let numbers = |[x, y, z]: [usize; 3]| (x + 10 * y + 100 * z) as f64;
    let input = || subject(volume::<f32>(awkward([7, 6, 5]), numbers));
    let centre = image(&input()).geometry().centre();
    // a quarter turn about z, then 2 mm along x: columns y, -x, z
    let [cx, cy, _] = centre;
    let matrix = format!(
        "matrix = [[0, -1, 0, {}], [1, 0, 0, {}], [0, 0, 1, 0]]",
        cx + cy + 2.0,
        cy - cx
    );
    let parts = "angles_deg = [0, 0, 90]\ntranslation_mm = [2, 0, 0]";
    let [a, b] = [matrix.as_str(), parts].map(|lines| {
        let mut input = input();
        input.points.push(Point {
            name: String::new(),
            position: [1.0, 2.0, 3.0],
        });
        run(&step("spatial.affine", lines), input).unwrap()
    });
    assert!(away(a.points[0].position, b.points[0].position) < 1e-12);
    let largest = values(image(&a))
        .iter()
        .zip(values(image(&b)))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    // two numbers of f32 apart, of 456
    assert!(largest <= 1e-4, "{largest}");
}

/// ALGORITHMS 1.1: an image of one slice, oblique or not, keeps its content in the slice.
#[test]
fn an_image_of_one_slice_stays_in_its_plane() {
    let whole = "angles_deg = [25, -30, 15]\nscale = [0.8, 0.9, 3.0]\ntranslation_mm = [2, -1, 4]";
    let within = "angles_deg = [0, 0, 15]\nscale = [0.8, 0.9, 1.0]\ntranslation_mm = [2, -1, 0]";
    let flat = Geometry::aligned([24, 20, 1], [1.0, 1.3, 4.0], [5.0, 6.0, 7.0]).unwrap();
    let ramp = |[x, y, _]: [usize; 3]| 100.0 + x as f64 + 30.0 * y as f64;
    let header = "[sampling]\nfill = 0\n";
    let after = |grid: &Geometry, lines: &str| {
        let input = subject(volume::<f32>(grid.clone(), ramp));
        let result = run(&(header.to_owned() + &step("spatial.affine", lines)), input).unwrap();
        values(image(&result))
    };
    assert_eq!(after(&flat, whole), after(&flat, within));
    let tilted = grid(
        [24, 20, 1],
        [1.0, 1.3, 4.0],
        [0, 1, 2],
        0,
        [20.0, 10.0, -35.0],
        0.0,
    );
    let normal = cross(tilted.direction()[0], tilted.direction()[1]);
    let mut input = subject(volume::<f32>(tilted.clone(), ramp));
    for index in [[0.0, 0.0, 0.0], [20.0, 3.0, 0.0]] {
        let position = tilted.world_from_index().apply(index);
        let name = String::new();
        input.points.push(Point { name, position });
    }
    for name in ["spatial.affine", "augment.affine"] {
        let lines = match name {
            "spatial.affine" => whole.to_owned(),
            _ => "angles_deg = { uniform = [-30, 30] }\ntranslation_mm = { uniform = [-3, 3] }"
                .to_owned(),
        };
        let result = run(&(header.to_owned() + &step(name, &lines)), input.clone()).unwrap();
        for point in &result.points {
            let off = [0, 1, 2].map(|i| point.position[i] - tilted.origin()[i]);
            assert!(dot(off, normal).abs() < 1e-9, "{name}: {point:?}");
        }
        // most of it is still to be seen
        let seen = values(image(&result)).into_iter().filter(|v| *v > 0.0);
        assert!(seen.count() > 240, "{name}");
    }
}

/// SPA-12: three affine steps are one resample of their product, fused, and three apart.
#[test]
fn three_affine_steps_are_one_resample() {
    let steps = step("spatial.affine", "angles_deg = [0, 0, 12]\nscale = 0.9")
        + &step("augment.flip", "axes = [\"x\"]\neach = 1.0")
        + &step("spatial.affine", "translation_mm = [0.4, 0.7, 0]");
    let plan = plan(&format!("[sampling]\nantialias = \"off\"\n{steps}")).unwrap();
    assert_eq!(
        (plan.explain(true).resamples, plan.explain(false).resamples),
        (1, 3)
    );
    let smooth = |[x, y, z]: [usize; 3]| {
        100.0 * ((0.9 * x as f64).sin() + (0.8 * y as f64).cos()) + z as f64
    };
    let grid = Geometry::aligned([30, 30, 4], [1.0; 3], [0.0; 3]).unwrap();
    let result = |fuse| {
        let options = RunOptions {
            fuse,
            ..RunOptions::default()
        };
        values(image(
            &plan
                .run(subject(volume::<f32>(grid.clone(), smooth)), &options)
                .unwrap(),
        ))
    };
    let spread = |v: &[f64]| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        v.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let naive = naive::run(
        &plan,
        subject(volume::<f32>(grid.clone(), smooth)),
        &RunOptions::default(),
    );
    let product = values(image(&naive.unwrap()));
    let once = result(true);
    let apart = once.iter().zip(&product).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f64::max) < 1e-4);
    // interpolated once, it keeps more of its contrast
    assert!(spread(&result(true)) > spread(&result(false)));
}

/// B-10, SPA-08: parameters that do not hold are refused by name.
#[test]
fn parameters_out_of_bounds_are_refused() {
    let input = || {
        Subject::new("a")
            .with("image", volume::<f32>(awkward([3, 3, 3]), |_| 1.0))
            .unwrap()
    };
    for (name, lines, says) in [
        (
            "spatial.affine",
            "scale = [1, 0, 1]",
            "scale[1]: must be in (0, 100], got 0",
        ),
        (
            "spatial.affine",
            "angles_deg = [0, 400, 0]",
            "angles_deg[1]: must be in [-360, 360]",
        ),
        (
            "augment.affine",
            "angles_deg = { uniform = [-400, 10] }",
            "angles_deg: may draw -400",
        ),
        (
            "augment.affine",
            "scale = { normal = [1, 1] }",
            "scale: may draw",
        ),
        ("augment.affine", "scale = [1, 1]", "three for x, y, z"),
        (
            "augment.flip",
            "axes = [\"x\"]\neach = 1.5",
            "each: must be in [0, 1]",
        ),
        ("augment.gamma", "gamma = 0", "gamma: must be in (0, 100]"),
        (
            "spatial.pad",
            "margin = -1",
            "margin: must be in [0, 2147483648]",
        ),
        (
            "spatial.crop_or_pad",
            "size = [0, 1, 1]",
            "size[0]: must be in [1, 2147483648]",
        ),
        ("augment.crop", "size = [4, 4]", "length 3"),
    ] {
        let error = run(&step(name, lines), input()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(says), "{error}");
    }
}
