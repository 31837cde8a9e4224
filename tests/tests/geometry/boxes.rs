//! Boxes of voxels: pads, crops and what gives every subject one size.

use proptest::prelude::*;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Header, Role, Unit, Volume};
use voxprep_core::voxels::ElementType;
use voxprep_tests::{awkward, image, plan, run, step, subject, values, volume};

use crate::exact::counted;
use crate::{away, float, grids, stays_together};

fn error(steps: &str, subject: Subject) -> String {
    match run(steps, subject) {
        Ok(_) => panic!("no error: {steps}"),
        Err(error) => error.to_string(),
    }
}

fn labels(grid: &Geometry, is_one: impl Fn([usize; 3]) -> bool) -> Volume {
    let one = |i| f64::from(u8::from(is_one(i)));
    volume::<u8>(grid.clone(), one).into_labels().unwrap()
}

/// One row along x, its voxels numbered from 1, and a label map of some of them.
fn numbered(n: usize, chosen: impl Fn(usize) -> bool) -> Subject {
    let grid = Geometry::aligned([n, 1, 1], [1.0; 3], [0.0; 3]).unwrap();
    let row = subject(volume::<i16>(grid.clone(), |[x, ..]| x as f64 + 1.0));
    row.with("mask", labels(&grid, |[x, ..]| chosen(x)))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// G-04, G-05: on any grid, image, labels, point and box stay in their place.
    #[test]
    fn steps_that_cut_or_add_voxels_leave_a_landmark_in_its_place(
        grid in grids(),
        offset in prop::array::uniform3(-1.5..1.5_f64),
        before in prop::array::uniform3(0..5_u32),
        after in prop::array::uniform3(0..5_u32),
        cut in prop::array::uniform3(0..3_u32),
    ) {
        let at = [0, 1, 2].map(|i| (crate::SIZE[i] as f64 - 1.0) / 2.0 + offset[i]);
        let point = grid.world_from_index().apply(at);
        let [a, b, c] = cut;
        let steps = [
            step("spatial.pad", &format!("before = {before:?}\nafter = {after:?}")),
            step("spatial.pad", "margin_mm = [4, 0, 7.5]"),
            step("spatial.crop_or_pad", "size = [40, 30, \"all\"]"),
            step("spatial.crop_or_pad", "size = [31, 30, 29]\naround = { mask = \"label\" }"),
            step("spatial.crop", &format!("margin = [{a}, [{b}, {c}], [0, {b}]]")),
            step("spatial.crop", "margin_fraction = [0.05, [0.0, 0.06], 0.03]"),
            step("spatial.crop", "foreground = { above = 0.0 }\nmargin_mm = 12"),
            step("spatial.crop", "foreground = { mask = \"label\" }\nmargin_mm = 12"),
            step("augment.crop", "size = [32, \"all\", 31]"),
            step("augment.crop", "size = [34, 33, 32]\nlabel = \"label\"\nlabels = [3]"),
        ];
        let chains = [steps[0].clone() + &steps[2] + &steps[4], steps[3].clone() + &steps[1]];
        for steps in steps.iter().chain(&chains) {
            let (tip, seen) = stays_together(steps, &grid, at)?;
            prop_assert!(away(tip, point) < 1e-9 && seen, "{:?} {}: {}", tip, seen, steps);
        }
    }
}

/// G-06, G-05: added voxels have the fill, in the unit of the image; what was there is copied.
#[test]
fn a_pad_adds_the_fill_and_copies_the_rest() {
    let grid = awkward([3, 4, 2]);
    let before = |i: [usize; 3]| [1, 0, 2].iter().zip(i).all(|(b, i)| i >= *b);
    for (fill, outside) in [("\"auto\"", -1000.0), ("-7.5", -7.5), ("\"min\"", 1.0)] {
        let mut input = counted(&grid);
        let ct = input.remove("image").unwrap().with_unit(Unit::Hu);
        let mut subject = Subject::new("a").with("image", ct).unwrap();
        subject
            .add("label", input.remove("label").unwrap())
            .unwrap();
        let steps = format!("[sampling]\nfill = {fill}\n")
            + &step("spatial.pad", "before = [1, 0, 2]\nafter = [0, 3, 1]");
        let result = run(&steps, subject.clone()).unwrap();
        for (name, new) in result.volumes() {
            let old = subject.volume(name).unwrap();
            assert_eq!(new.geometry().size(), [4, 7, 5]);
            let shift = Affine::translation([-1.0, 0.0, -2.0]);
            assert_eq!(
                new.geometry().world_from_index(),
                grid.world_from_index() * shift
            );
            assert_eq!(new.header().element_type, old.header().element_type);
            for z in 0..5 {
                for y in 0..7 {
                    for x in 0..4 {
                        let index: [usize; 3] = [x, y, z];
                        let from = [0, 1, 2].map(|i| index[i].wrapping_sub([1_usize, 0, 2][i]));
                        let was = old.voxels().get(0, from).filter(|_| before(index));
                        // stored as i16, -7.5 is rounded half to even
                        let fill: f64 = match old.role() {
                            Role::Label => 0.0,
                            Role::Intensity => outside,
                        };
                        let expected = was.unwrap_or(fill.round_ties_even());
                        assert_eq!(
                            new.voxels().get(0, index),
                            Some(expected),
                            "{name} {index:?}"
                        );
                    }
                }
            }
        }
    }
    // the edge is repeated
    let steps = "[sampling]\nfill = \"edge\"\n".to_owned()
        + &step("spatial.pad", "before = [2, 0, 0]\nafter = [1, 0, 0]");
    let result = run(&steps, numbered(3, |x| x == 0)).unwrap();
    assert_eq!(values(image(&result)), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
    let mask = result.volume("mask").unwrap();
    assert_eq!(values(mask), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

/// A pad is undone by the crop of the same margin, bit for bit, fused or not.
#[test]
fn a_crop_of_the_same_margin_undoes_a_pad() {
    let input = counted(&awkward([5, 4, 3]));
    let there = step("spatial.pad", "margin = [3, 0, 2]");
    let steps = there + &step("spatial.crop", "margin = [3, 0, 2]");
    for fuse in [true, false] {
        let options = RunOptions {
            fuse,
            ..RunOptions::default()
        };
        let result = plan(&steps).unwrap().run(input.clone(), &options).unwrap();
        for (name, volume) in input.volumes() {
            let other = result.volume(name).unwrap();
            assert!(other.geometry().is_close(volume.geometry(), 1e-9));
            assert_eq!(other.voxels().bytes(), volume.voxels().bytes());
        }
    }
}

/// SPA-04: subjects of any size get one; the numbers are those that TorchIO 1.2.1 gives.
#[test]
fn crop_or_pad_cuts_and_adds_where_torchio_does() {
    for (n, size, expected) in [
        (10, 7, vec![3, 4, 5, 6, 7, 8, 9]),
        (7, 10, vec![0, 0, 1, 2, 3, 4, 5, 6, 7, 0]),
        (9, 4, vec![4, 5, 6, 7]),
        (4, 9, vec![0, 0, 0, 1, 2, 3, 4, 0, 0]),
        (10, 6, vec![3, 4, 5, 6, 7, 8]),
        (6, 10, vec![0, 0, 1, 2, 3, 4, 5, 6, 0, 0]),
    ] {
        let steps = format!(
            "[sampling]\nfill = 0\n[[step]]\nuse = \"spatial.crop_or_pad\"\nsize = [{size}, 1, \"all\"]"
        );
        let result = run(&steps, numbered(n, |_| true)).unwrap();
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        assert_eq!(values(image(&result)), expected);
    }
    // about the middle of a mask: its first voxel, how many, the size, the first value that is left
    for (low, held, size, first) in [
        (20, 3, 8, 18.0),
        (20, 4, 8, 19.0),
        (20, 3, 7, 19.0),
        (20, 4, 7, 19.0),
        (2, 3, 8, 0.0),
    ] {
        let steps = format!(
            "[sampling]\nfill = 0\n[[step]]\nuse = \"spatial.crop_or_pad\"\nsize = [{size}, 1, 1]\n\
             around = {{ mask = \"mask\" }}"
        );
        let input = numbered(40, |x| (low..low + held).contains(&x));
        let result = values(image(&run(&steps, input).unwrap()));
        assert_eq!((result.len(), result[0]), (size, first));
        assert_eq!(result[1], first + 1.0);
    }
}

/// SPA-04: two cases of different field of view have one size after respacing and cropping.
#[test]
fn two_cases_of_different_field_of_view_get_the_same_size() {
    let steps = step("spatial.spacing", "spacing_mm = [1.5, 1.5, 3.0]")
        + &step("spatial.crop_or_pad", "size = [16, 20, 8]");
    for size in [[21, 17, 9], [9, 30, 14]] {
        let result = run(&steps, counted(&awkward(size))).unwrap();
        for (name, volume) in result.volumes() {
            assert_eq!(volume.voxels().size(), [16, 20, 8], "{name}");
            let spacing = volume.geometry().spacing();
            assert!(away(spacing, [1.5, 1.5, 3.0]) < 1e-12);
        }
    }
}

/// The size of `image` after a step, from headers alone.
fn size_after(size: [usize; 3], name: &str, lines: &str) -> [usize; 3] {
    let grid = Geometry::aligned(size, [0.5, 0.5, 3.0], [0.0; 3]).unwrap();
    let headers = [("image".to_owned(), Header::new(grid, ElementType::I16))];
    let plan = plan(&step(name, lines)).unwrap();
    let told = plan.explain_for("a", &headers, true).unwrap();
    told.stages[1].volumes[0].size
}

/// SPA-16: margins in voxels and as fractions; (448, 448) and (736, 736) lose the same share.
#[test]
fn margins_are_cut_as_published() {
    let crop = |size, lines: &str| size_after(size, "spatial.crop", lines);
    let ct = [736, 736, 31];
    // ((0, 0), (100, 100), (100, 100)) z, y, x
    assert_eq!(
        crop(ct, "margin = [[100, 100], [100, 100], [0, 0]]"),
        [536, 536, 31]
    );
    assert_eq!(crop(ct, "margin = [100, 100, 0]"), [536, 536, 31]);
    assert_eq!(
        crop(ct, "margin_fraction = [[0.1, 0.1], [0.1, 0.1], [0.0, 0.0]]"),
        [590, 590, 31]
    );
    let fraction = "margin_fraction = [0.1, 0.1, 0.0]";
    let [large, small] = [ct, [448, 448, 31]].map(|size| {
        let after = crop(size, fraction);
        (after[0] * after[1]) as f64 / (size[0] * size[1]) as f64
    });
    // 73 of 736 and 44 of 448: 0.643 and 0.646 remain
    assert!((large - small).abs() < 0.004, "{large} {small}");
    // one value is symmetric, two are not; the first voxel moves by the first
    let one_side = run(
        &step("spatial.crop", "margin_fraction = [[0.25, 0.0], 0.0, 0.0]"),
        numbered(10, |_| true),
    );
    let one_side = one_side.unwrap();
    assert_eq!(image(&one_side).geometry().origin(), [2.0, 0.0, 0.0]);
    assert_eq!(values(image(&one_side))[0], 3.0);
    let error = error(
        &step("spatial.crop", "margin = [[4, 6], 0, 0]"),
        numbered(10, |_| true),
    );
    assert!(
        error.contains("margin: 4 and 6 voxels of x are cut away, 'image' has 10"),
        "{error}"
    );
}

/// SPA-21: an axis of few slices keeps all that it has.
#[test]
fn an_axis_keeps_all_its_voxels_by_name() {
    for n in [12, 31] {
        let size = |name, lines| size_after([200, 160, n], name, lines);
        assert_eq!(
            size(
                "spatial.crop",
                "start = [10, 0, 0]\nsize = [128, \"all\", \"all\"]"
            ),
            [128, 160, n]
        );
        assert_eq!(
            size("spatial.crop_or_pad", "size = [128, 192, \"all\"]"),
            [128, 192, n]
        );
        assert_eq!(
            size("augment.crop", "size = [128, 128, \"all\"]"),
            [128, 128, n]
        );
    }
}

/// A body of skin and fat on a table, in HU, and its mask.
fn body_on_a_table(table: f64) -> Subject {
    let grid = Geometry::aligned([40, 44, 10], [2.0, 2.0, 5.0], [3.0, 4.0, 5.0]).unwrap();
    let in_body = |[x, y, _]: [usize; 3]| (8..30).contains(&x) && (6..26).contains(&y);
    let on_skin = |[x, y, _]: [usize; 3]| x == 8 || x == 29 || y == 6 || y == 25;
    let hu = |i: [usize; 3]| match i {
        _ if in_body(i) && on_skin(i) => 40.0,
        _ if in_body(i) => -100.0,
        [_, y, _] if (32..36).contains(&y) => table,
        _ => -1000.0,
    };
    let ct = volume::<i16>(grid.clone(), hu).with_unit(Unit::Hu);
    subject(ct).with("body", labels(&grid, in_body)).unwrap()
}

/// SPA-17: air and table are cut away, the skin stays, and so does the spacing.
#[test]
fn the_table_is_cut_away_and_the_skin_kept() {
    let crop = |table, lines: &str| {
        let result = run(&step("spatial.crop", lines), body_on_a_table(table)).unwrap();
        let grid = image(&result).geometry().clone();
        let hu = values(image(&result));
        assert_eq!(grid.spacing(), [2.0, 2.0, 5.0]);
        // 80 voxels around of 40 HU on each of 10 slices
        let skin = hu.iter().filter(|v| **v == 40.0).count();
        (grid.size(), grid.origin(), skin, hu.contains(&table))
    };
    let tight = ([22, 20, 10], [3.0 + 16.0, 4.0 + 12.0, 5.0], 800, false);
    // a table of carbon is as dense as fat: only a mask tells it from the body
    assert_eq!(crop(-90.0, "foreground = { mask = \"body\" }"), tight);
    assert_eq!(crop(-750.0, "foreground = { above = -500 }"), tight);
    let (size, _, skin, table) = crop(-90.0, "foreground = { above = -500 }");
    assert_eq!((size, skin, table), ([40, 30, 10], 800, true));
    // 5 mm are three voxels of 2 mm, and no more than there are along z
    assert_eq!(
        crop(-90.0, "foreground = { mask = \"body\" }\nmargin_mm = 5"),
        ([28, 26, 10], [3.0 + 10.0, 4.0 + 6.0, 5.0], 800, false)
    );
}

/// SPA-15: the box around a class, and an error where there is none.
#[test]
fn a_box_needs_something_to_hold() {
    let empty = || numbered(10, |_| false);
    for (name, lines) in [
        ("spatial.crop", "foreground = { mask = \"mask\" }"),
        ("spatial.crop", "foreground = { above = 10.0 }"),
        (
            "spatial.crop_or_pad",
            "size = [4, 1, 1]\naround = { mask = \"mask\" }",
        ),
        ("augment.crop", "size = [4, 1, 1]\nlabel = \"mask\""),
    ] {
        let error = error(&step(name, lines), empty());
        assert!(
            error.contains(name) && error.contains("no voxel") && error.contains("; "),
            "{error}"
        );
    }
    let lines = "foreground = { mask = \"image\" }";
    let error = error(&step("spatial.crop", lines), empty());
    assert!(error.contains("'image' is an image"), "{error}");
}

/// A mask on a grid of its own is found in the world.
#[test]
fn the_mask_of_a_foreground_may_be_on_another_grid() {
    let grid = Geometry::aligned([20, 20, 20], [1.0; 3], [0.0; 3]).unwrap();
    // 2 mm, y reversed, a larger field of view: index (4, 12, 3) is at (7.5, 8.5, 5.5) mm
    let axes = [[2.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, 2.0]];
    let coarse = Affine::from_parts(axes, [-0.5, 32.5, -0.5]);
    let coarse = Geometry::new([16, 24, 12], coarse).unwrap();
    let dot = labels(&coarse, |i| i == [4, 12, 3]);
    let ramp = |[x, y, z]: [usize; 3]| (x + 20 * y + 400 * z) as f64;
    let input = subject(volume::<i32>(grid.clone(), ramp))
        .with("dot", dot)
        .unwrap();
    let on = "on = [\"image\"]\n";
    let crop = step(
        "spatial.crop",
        &(on.to_owned() + "foreground = { mask = \"dot\" }"),
    );
    let result = run(&crop, input.clone()).unwrap();
    // the voxel covers 6.5..8.5, 7.5..9.5 and 4.5..6.5 mm: two voxels along each axis
    let cropped = image(&result).geometry();
    assert_eq!(
        (cropped.size(), cropped.origin()),
        ([2, 2, 2], [7.0, 8.0, 5.0])
    );
    // 8 voxels about them, three on either side
    let around = on.to_owned() + "size = [8, 8, 8]\naround = { mask = \"dot\" }";
    let result = run(&step("spatial.crop_or_pad", &around), input.clone()).unwrap();
    assert_eq!(image(&result).geometry().origin(), [4.0, 5.0, 2.0]);
    // and random crops hold it
    for epoch in 0..200 {
        let lines = "size = [3, 4, 5]\nlabel = \"dot\"";
        let plan = plan(&step("augment.crop", lines)).unwrap();
        let result = plan.sample(input.clone(), epoch).unwrap();
        assert_eq!(image(&result).voxels().size(), [3, 4, 5]);
        assert_eq!(
            values(result.volume("dot").unwrap()).iter().sum::<f64>(),
            1.0
        );
    }
}

/// SPA-14, B-06: every valid start is drawn, the last one too, each as often; a full axis starts at 0.
#[test]
fn a_random_crop_starts_anywhere_alike() {
    let lines = "size = [8, 1, 1]";
    let plan = plan(&step("augment.crop", lines)).unwrap();
    let input = numbered(10, |_| true);
    let mut counts = [0_u32; 3];
    for epoch in 0..100_000 {
        let result = plan.sample(input.clone(), epoch).unwrap();
        let first = image(&result).voxels().get(0, [0; 3]).unwrap();
        counts[first as usize - 1] += 1;
    }
    // 33 +- 1 %
    assert!(
        counts.iter().all(|n| (32_000..=34_000).contains(n)),
        "{counts:?}"
    );
    let error = error(&step("augment.crop", "size = [4, 1, 2]"), input);
    assert!(
        error.contains("size[2]: 2 voxels of z are asked for, 'image' has 1")
            && error.contains("spatial.crop_or_pad"),
        "{error}"
    );
}

/// SPA-15: whatever is drawn, the crop shows the class: a voxel in a corner, a plane, a scatter.
#[test]
fn every_crop_holds_a_voxel_of_the_class_asked_for() {
    let grid = awkward([13, 11, 9]);
    let classes: [&dyn Fn([usize; 3]) -> f64; 3] = [
        &|i| if i == [12, 0, 8] { 3.0 } else { 0.0 },
        &|i| if i[2] == 4 { 3.0 } else { 1.0 },
        &|[x, y, z]| {
            if (x * 7 + y * 5 + z * 3) % 37 == 0 {
                3.0
            } else {
                2.0
            }
        },
    ];
    for class in classes {
        let map = volume::<u8>(grid.clone(), class).into_labels().unwrap();
        let input = counted(&grid).with("lesion", map).unwrap();
        let lines = "size = [4, 3, 2]\nlabel = \"lesion\"\nlabels = [3, 9]";
        let plan = plan(&step("augment.crop", lines)).unwrap();
        let mut starts = std::collections::BTreeSet::new();
        for epoch in 0..400 {
            let result = plan.sample(input.clone(), epoch).unwrap();
            let crop = result.volume("lesion").unwrap();
            assert_eq!(crop.voxels().size(), [4, 3, 2]);
            assert!(values(crop).contains(&3.0));
            // image and labels were cut alike
            let start = grid
                .index_from_world()
                .apply(crop.geometry().origin())
                .map(|v| v.round() as usize);
            assert_eq!(
                image(&result).voxels().get(0, [0; 3]),
                image(&input).voxels().get(0, start)
            );
            assert!(result.history[0].drawn.len() == 4, "{:?}", result.history);
            starts.insert(start);
        }
        // a corner can be held in one way only, the others in many
        let rare = class([0, 0, 0]) == 0.0;
        assert!(
            starts.len() == 1 && rare || starts.len() > 100,
            "{starts:?}"
        );
    }
}

/// B-06: full axes, in any number, are no trouble for a random crop.
#[test]
fn a_random_crop_of_full_axes_keeps_them() {
    let grid = awkward([6, 5, 4]);
    for size in [
        "[6, 5, 4]",
        "[\"all\", \"all\", \"all\"]",
        "[2, 5, \"all\"]",
        "[6, 1, 4]",
    ] {
        let result = run(
            &step("augment.crop", &format!("size = {size}")),
            counted(&grid),
        )
        .unwrap();
        let new = image(&result).geometry();
        let start = grid.index_from_world().apply(new.origin());
        let end = [0, 1, 2].map(|i| start[i] + new.size()[i] as f64);
        let lies_inside = |i| start[i] > -1e-9 && end[i] <= grid.size()[i] as f64 + 1e-9;
        assert!((0..3).all(lies_inside), "{start:?} {end:?}");
        let first = image(&result).voxels().get(0, [0; 3]).unwrap();
        let from = start.map(|v| v.round() as usize);
        assert_eq!(image(&counted(&grid)).voxels().get(0, from), Some(first));
        assert!(away(new.origin(), grid.world_from_index().apply(float(from))) < 1e-9);
    }
}
