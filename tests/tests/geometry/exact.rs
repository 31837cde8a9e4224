//! What moves no voxel off the grid is undone bit for bit: reorienting, flips, quarter turns.

use voxprep_core::geometry::Geometry;
use voxprep_core::orientation::Orientation;
use voxprep_core::subject::Subject;
use voxprep_tests::{awkward, image, run, step, subject, values, volume};

use crate::{ORDERS, away, float, grid};

/// Awkward, and every permutation and reflection of an anisotropic grid.
pub(crate) fn fixed_grids(size: [usize; 3]) -> Vec<Geometry> {
    let signed = ORDERS
        .into_iter()
        .flat_map(|order| (0..8).map(move |signs| (order, signs)));
    let mut grids: Vec<_> = signed
        .map(|(order, signs)| grid(size, [0.7, 1.3, 2.9], order, signs, [0.0; 3], 0.0))
        .collect();
    grids.push(awkward(size));
    grids.push(grid(
        size,
        [0.7, 1.3, 2.9],
        [2, 0, 1],
        5,
        [10.0, 20.0, 30.0],
        -0.2,
    ));
    grids
}

pub(crate) fn counted(grid: &Geometry) -> Subject {
    let [nx, ny, _] = grid.size();
    let count = |[x, y, z]: [usize; 3]| (1 + x + nx * (y + ny * z)) as f64;
    let mut subject = subject(volume::<i16>(grid.clone(), count));
    let labels = volume::<u8>(grid.clone(), |i| count(i) % 7.0);
    subject.add("label", labels.into_labels().unwrap()).unwrap();
    subject
}

pub(crate) fn assert_same(a: &Subject, b: &Subject, place: &str) {
    for (name, volume) in b.volumes() {
        let other = a.volume(name).unwrap();
        assert!(
            other.geometry().is_close(volume.geometry(), 1e-9),
            "{place}: {name} is on another grid"
        );
        assert!(
            other.voxels().bytes() == volume.voxels().bytes(),
            "{place}: {name} has other voxels"
        );
    }
}

/// IO-16: through all 48 codes each voxel keeps its value and place, and the way back is exact.
#[test]
fn reorienting_to_each_of_the_48_codes_and_back_is_the_identity() {
    for grid in fixed_grids([3, 4, 5]) {
        let input = counted(&grid);
        let home = grid.orientation();
        for code in Orientation::all() {
            let there = run(
                &step("spatial.reorient", &format!("to = \"{code}\"")),
                input.clone(),
            )
            .unwrap();
            let new = image(&there).geometry();
            assert_eq!(new.orientation(), code);
            let [nx, ny, _] = new.size();
            for (at, v) in values(image(&there)).into_iter().enumerate() {
                let world =
                    new.world_from_index()
                        .apply(float([at % nx, at / nx % ny, at / nx / ny]));
                let index = grid.index_from_world().apply(world);
                let from = index.map(|v| v.round() as usize);
                assert!(away(index, float(from)) < 1e-9, "{code}: {index:?}");
                assert_eq!(
                    image(&input).voxels().get(0, from),
                    Some(v),
                    "{code}: {index:?}"
                );
            }
            let home = step("spatial.reorient", &format!("to = \"{home}\""));
            assert_same(
                &run(&home, there).unwrap(),
                &input,
                &format!("{code} and back"),
            );
            let both = step("spatial.reorient", &format!("to = \"{code}\"")) + &home;
            assert_same(
                &run(&both, input.clone()).unwrap(),
                &input,
                &format!("{code} and back as one"),
            );
        }
    }
}

/// SPA-09: flip after flip is the identity; a flip alone changes the order and not the place.
#[test]
fn a_flip_twice_is_the_identity() {
    for grid in fixed_grids([3, 4, 5]) {
        let input = counted(&grid);
        for axes in [
            &["x"][..],
            &["y"],
            &["z"],
            &["x", "y"],
            &["x", "z"],
            &["y", "z"],
            &["x", "y", "z"],
        ] {
            let flip = step("spatial.flip", &format!("axes = {axes:?}"));
            let once = run(&flip, input.clone()).unwrap();
            let mirror = |i: [usize; 3]| {
                [0, 1, 2].map(|a| {
                    if axes.contains(&["x", "y", "z"][a]) {
                        grid.size()[a] - 1 - i[a]
                    } else {
                        i[a]
                    }
                })
            };
            for index in [[0, 0, 0], [2, 1, 3], [1, 3, 4]] {
                let moved = mirror(index);
                assert_eq!(
                    image(&once).voxels().get(0, moved),
                    image(&input).voxels().get(0, index)
                );
                let world = image(&once)
                    .geometry()
                    .world_from_index()
                    .apply(float(moved));
                assert!(away(world, grid.world_from_index().apply(float(index))) < 1e-9);
            }
            assert_same(&run(&flip, once).unwrap(), &input, "apart");
            assert_same(
                &run(&(flip.clone() + &flip), input.clone()).unwrap(),
                &input,
                "as one",
            );
        }
    }
}

/// SPA-07: on an isotropic cube four quarter turns are the identity, bit for bit.
#[test]
fn four_quarter_turns_are_the_identity() {
    for (order, signs, turn) in [
        ([0, 1, 2], 0, [0.0; 3]),
        ([2, 0, 1], 1, [0.0; 3]),
        ([1, 0, 2], 6, [30.0, -20.0, 75.0]),
    ] {
        for size in [[8; 3], [9; 3]] {
            let input = counted(&grid(size, [1.5; 3], order, signs, turn, 0.0));
            for axis in ["x", "y", "z"] {
                let quarter = step(
                    "augment.rotate",
                    &format!("angle_deg = 90\naxis = \"{axis}\""),
                );
                let back = step(
                    "augment.rotate",
                    &format!("angle_deg = -90\naxis = \"{axis}\""),
                );
                let once = run(&quarter, input.clone()).unwrap();
                assert!(image(&once).voxels().bytes() != image(&input).voxels().bytes());
                assert_same(
                    &run(&quarter.repeat(4), input.clone()).unwrap(),
                    &input,
                    "four as one",
                );
                assert_same(&run(&back, once.clone()).unwrap(), &input, "there and back");
                let four = (0..3).fold(once, |s, _| run(&quarter, s).unwrap());
                assert_same(&four, &input, "four apart");
            }
        }
    }
}
