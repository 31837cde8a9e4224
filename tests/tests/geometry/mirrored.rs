//! Mirrored subjects: content goes to the other side, and the affine stays.

use proptest::prelude::*;
use voxprep_core::geometry::Geometry;
use voxprep_core::subject::{Point, Subject};
use voxprep_tests::{awkward, image, plan, run, step, values, volume};

use crate::exact::{assert_same, counted, fixed_grids};
use crate::{SIZE, away, grids, stays_together};

fn always(axes: &[&str]) -> String {
    step("augment.flip", &format!("axes = {axes:?}\neach = 1.0"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// SPA-09, G-05: a landmark goes to the mirrored index, and image, labels, point and box with it.
    #[test]
    fn a_flip_takes_a_landmark_to_the_other_side(
        grid in grids(),
        offset in prop::array::uniform3(-3.0..3.0_f64),
        which in 1..8_u8,
    ) {
        let at = [0, 1, 2].map(|i| (SIZE[i] as f64 - 1.0) / 2.0 + offset[i]);
        let axes: Vec<&str> = (0..3).filter(|i| which >> i & 1 == 1).map(|i| ["x", "y", "z"][i]).collect();
        let mirrored = [0, 1, 2].map(|i| match which >> i & 1 {
            1 => SIZE[i] as f64 - 1.0 - at[i],
            _ => at[i],
        });
        let expected = grid.world_from_index().apply(mirrored);
        let (tip, seen) = stays_together(&always(&axes), &grid, at)?;
        prop_assert!(away(tip, expected) < 1e-9 && seen, "{:?} {:?}", tip, expected);
        // about the middle of the grid that is there when it runs
        let cut = step("spatial.crop", "start = [2, 0, 1]\nsize = [33, 34, 33]");
        let (tip, _) = stays_together(&(cut + &always(&["x"])), &grid, at)?;
        let expected = grid.world_from_index().apply([36.0 - at[0], at[1], at[2]]);
        prop_assert!(away(tip, expected) < 1e-9, "{:?} {:?}", tip, expected);
    }
}

/// SPA-09, B-02: voxels go to the mirrored index, the affine stays, and a flip after a flip is the
/// identity, bit for bit; axes of one voxel are kept.
#[test]
fn a_mirrored_image_is_its_index_reversed() {
    let mut grids = fixed_grids([3, 4, 5]);
    grids.extend([awkward([4, 1, 3]), awkward([1, 1, 6])]);
    for grid in grids {
        let size = grid.size();
        let input = counted(&grid);
        for axes in [&["x"][..], &["y"], &["x", "z"], &["LR"], &["AP", "SI"]] {
            let once = run(&always(axes), input.clone()).unwrap();
            let code = grid.orientation().axes();
            let mirrored = |i: usize| {
                let world = ["LR", "AP", "SI"][code[i].0];
                axes.contains(&["x", "y", "z"][i]) || axes.contains(&world)
            };
            for (name, old) in input.volumes() {
                let new = once.volume(name).unwrap();
                assert_eq!(new.geometry(), old.geometry());
                for index in [
                    [0, 0, 0],
                    [size[0] - 1, size[1] / 2, 0],
                    [0, 0, size[2] - 1],
                ] {
                    let from = [0, 1, 2].map(|i| {
                        if mirrored(i) {
                            size[i] - 1 - index[i]
                        } else {
                            index[i]
                        }
                    });
                    assert_eq!(
                        new.voxels().get(0, index),
                        old.voxels().get(0, from),
                        "{axes:?} {name}"
                    );
                }
            }
            let twice = run(&always(axes), once).unwrap();
            assert_same(&twice, &input, "apart");
            let twice = run(&always(axes).repeat(2), input.clone()).unwrap();
            assert_same(&twice, &input, "as one");
        }
    }
}

/// SPA-09: "LR" mirrors left and right in the world, wherever the index axes point.
#[test]
fn left_and_right_are_mirrored_on_every_orientation() {
    for grid in fixed_grids([3, 4, 5]) {
        let mut input = counted(&grid);
        let centre = grid.centre();
        let from = grid.world_from_index().apply([0.0, 3.0, 4.0]);
        input.points.push(Point {
            name: "tip".into(),
            position: from,
        });
        let to = run(&always(&["LR"]), input).unwrap().points[0].position;
        let (axis, _) = (0..3)
            .map(|i| (i, grid.orientation().axes()[i].0))
            .find(|(_, world)| *world == 0)
            .unwrap();
        let direction = grid.direction()[axis];
        // along the axis nearest to left and right, by twice its distance from the middle
        let moved = [0, 1, 2].map(|i| to[i] - from[i]);
        let along: f64 = (0..3).map(|i| moved[i] * direction[i]).sum();
        assert!(away(moved, direction.map(|d| d * along)) < 1e-9);
        let middle = [0, 1, 2].map(|i| (from[i] + to[i]) / 2.0);
        let index = grid.index_from_world().apply(middle);
        let of_centre = grid.index_from_world().apply(centre);
        assert!((index[axis] - of_centre[axis]).abs() < 1e-9);
        assert!(moved[0].abs() > moved[1].abs() && moved[0].abs() > moved[2].abs());
    }
}

/// SPA-09: each axis is mirrored by its own draw, half of the time unless said otherwise.
#[test]
fn each_axis_is_mirrored_with_its_own_probability() {
    let grid = Geometry::aligned([2, 2, 2], [1.0; 3], [0.0; 3]).unwrap();
    for (lines, p) in [("", 0.5_f64), ("each = 0.2", 0.2)] {
        let lines = format!("axes = [\"x\", \"y\", \"z\"]\n{lines}");
        let plan = plan(&step("augment.flip", &lines)).unwrap();
        let mut counts = [0_u32; 8];
        for epoch in 0..8000 {
            let result = plan.sample(counted(&grid), epoch).unwrap();
            // voxel 1 is at the index that says which axes were mirrored
            let all = values(image(&result));
            counts[all.iter().position(|v| *v == 1.0).unwrap()] += 1;
            assert_eq!(result.history[0].drawn.len(), 3);
        }
        for (bits, n) in counts.into_iter().enumerate() {
            let mirrored = (bits as u32).count_ones() as i32;
            let share = p.powi(mirrored) * (1.0 - p).powi(3 - mirrored);
            // five standard errors
            let error = 5.0 * (share * (1.0 - share) / 8000.0_f64).sqrt();
            assert!((f64::from(n) / 8000.0 - share).abs() < error, "{bits}: {n}");
        }
    }
}

/// Two lungs: 1 right, 2 left, as `ct.lungs` numbers them, and a heart that has no side.
fn lungs() -> Subject {
    let grid = Geometry::aligned([9, 4, 3], [1.0; 3], [0.0; 3]).unwrap();
    // LPS+: the right side has the smaller x
    let side = |[x, y, _]: [usize; 3]| match x {
        1..=3 => 1.0,
        5..=6 => 2.0,
        4 if y == 1 => 7.0,
        _ => 0.0,
    };
    let ct = volume::<i16>(grid.clone(), |i| 100.0 * side(i) + i[0] as f64);
    let labels = volume::<u8>(grid, side).into_labels().unwrap();
    Subject::new("a")
        .with("image", ct)
        .unwrap()
        .with("lungs", labels)
        .unwrap()
}

fn warns(subject: &Subject) -> bool {
    subject.findings.iter().any(|f| f.code == "flip.laterality")
}

/// SPA-10: with the table, right stays right and left stays left; without, a warning says what
/// happened; labels without a side stay what they are.
#[test]
fn left_and_right_lungs_are_exchanged_where_the_table_says_so() {
    let flip = |axes: &str, swap: &str| {
        let lines = format!("axes = [\"{axes}\"]\neach = 1.0\n{swap}");
        run(&step("augment.flip", &lines), lungs()).unwrap()
    };
    let row = |subject: &Subject| values(subject.volume("lungs").unwrap())[9..18].to_vec();
    assert_eq!(row(&lungs()), [0.0, 1.0, 1.0, 1.0, 7.0, 2.0, 2.0, 0.0, 0.0]);
    let mirrored = [0.0, 0.0, 2.0, 2.0, 7.0, 1.0, 1.0, 1.0, 0.0];
    let exchanged = [0.0, 0.0, 1.0, 1.0, 7.0, 2.0, 2.0, 2.0, 0.0];
    let without = flip("LR", "");
    assert!(row(&without) == mirrored && warns(&without));
    for swap in ["swap_labels = { 1 = 2 }", "swap_labels = { 2 = 1, 1 = 2 }"] {
        let with = flip("LR", swap);
        assert!(row(&with) == exchanged && !warns(&with), "{swap}");
        // the index axis that is left and right counts as well
        assert_eq!(row(&flip("x", swap)), exchanged);
        assert_eq!(
            values(image(&with)),
            values(image(&without)),
            "images have no labels"
        );
        // front and back, up and down do not change sides
        for axes in ["AP", "z"] {
            let other = flip(axes, swap);
            assert!(!warns(&other));
            let counts = |v: f64| {
                values(other.volume("lungs").unwrap())
                    .iter()
                    .filter(|l| **l == v)
                    .count()
            };
            assert_eq!((counts(1.0), counts(2.0), counts(7.0)), (36, 24, 3));
        }
    }
    assert!(!warns(&flip("SI", "")));
    // what is not mirrored this time is not exchanged either
    let never = "each = 0.0\nswap_labels = { 1 = 2 }";
    let lines = format!("axes = [\"LR\"]\n{never}");
    let still = run(&step("augment.flip", &lines), lungs()).unwrap();
    assert_eq!(row(&still), row(&lungs()));
}

/// SPA-10: twice is once too often, and once is right: labels and sides agree through a chain.
#[test]
fn two_flips_exchange_labels_twice() {
    let flip = step(
        "augment.flip",
        "axes = [\"LR\"]\neach = 1.0\nswap_labels = { 1 = 2 }",
    );
    let turn = step("augment.rotate", "angle_deg = 180\naxis = \"z\"");
    assert_same(&run(&flip.repeat(2), lungs()).unwrap(), &lungs(), "twice");
    // a half turn about z mirrors x and y: with flips of both, content is where it was
    let steps = turn + &flip + &step("augment.flip", "axes = [\"y\"]\neach = 1.0");
    let result = run(&steps, lungs()).unwrap();
    assert_eq!(values(image(&result)), values(image(&lungs())));
    let swapped: Vec<f64> = values(lungs().volume("lungs").unwrap())
        .into_iter()
        .map(|v| [0.0, 2.0, 1.0, 3.0, 4.0, 5.0, 6.0, 7.0][v as usize])
        .collect();
    assert_eq!(values(result.volume("lungs").unwrap()), swapped);
}

/// A volume on another grid is mirrored about the same plane of the world.
#[test]
fn a_volume_on_another_grid_is_mirrored_in_the_world() {
    let reference = Geometry::aligned([10, 10, 10], [1.0; 3], [0.0; 3]).unwrap();
    let finer = Geometry::aligned([14, 4, 4], [0.5; 3], [1.25, 2.0, 2.0]).unwrap();
    let at = |[x, ..]: [usize; 3]| if x == 3 { 5.0 } else { 0.0 };
    let input = Subject::new("a")
        .with("image", volume::<f32>(reference, |i| i[0] as f64))
        .unwrap()
        .with("fine", volume::<f32>(finer, at))
        .unwrap();
    let result = run(&always(&["x"]), input).unwrap();
    // x = 1.25 + 3 * 0.5 = 2.75 mm goes to 9 - 2.75 = 6.25 mm, index 10
    let row = &values(result.volume("fine").unwrap())[..14];
    assert_eq!(row.iter().position(|v| *v == 5.0), Some(10));
    let reversed: Vec<f64> = (0..10).rev().map(f64::from).collect();
    assert_eq!(values(image(&result))[..10], reversed);
}

/// G-04: the affine is kept on a grid that nothing symmetric can hide in.
#[test]
fn an_oblique_grid_keeps_its_affine() {
    let grid = awkward([6, 5, 4]);
    let result = run(&always(&["LR", "AP", "SI"]), counted(&grid)).unwrap();
    assert_eq!(image(&result).geometry(), &grid);
    let all = values(image(&result));
    assert_eq!((all[0], all[119]), (120.0, 1.0));
}
