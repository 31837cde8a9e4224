//! Sizes and spacings of what crops and respacing give.

use voxprep_core::geometry::Geometry;
use voxprep_core::orientation::Orientation;
use voxprep_tests::{awkward, image, plan, run, step, subject, volume};

use crate::exact::counted;
use crate::{away, float, grid};

/// SPA-13, B-06: any axes may keep all their voxels; content and affine fit.
#[test]
fn a_crop_has_the_size_asked_for_whatever_axes_are_full() {
    let grid = Geometry::aligned([64; 3], [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]).unwrap();
    let value = |[x, y, z]: [usize; 3]| (x + 64 * y + 4096 * z) as f64;
    for (start, size) in [
        ([10, 20, 0], [32, 32, 64]),
        ([32, 0, 0], [32, 64, 64]),
        ([0, 0, 0], [64, 64, 64]),
        ([0, 63, 7], [64, 1, 57]),
        ([63, 63, 63], [1, 1, 1]),
    ] {
        let input = subject(volume::<i32>(grid.clone(), value));
        let lines = format!("start = {start:?}\nsize = {size:?}");
        let result = run(&step("spatial.crop", &lines), input).unwrap();
        let result = image(&result);
        assert_eq!(result.voxels().size(), size);
        assert_eq!(result.geometry().size(), size);
        assert_eq!(result.geometry().spacing(), [1.0, 2.0, 3.0]);
        assert_eq!(
            result.geometry().origin(),
            grid.world_from_index().apply(float(start))
        );
        for offset in [[0; 3], size.map(|n| n - 1), [size[0] / 2, size[1] - 1, 0]] {
            let from = [0, 1, 2].map(|i| start[i] + offset[i]);
            assert_eq!(result.voxels().get(0, offset), Some(value(from)));
        }
    }
    for (start, size) in [
        ([33, 0, 0], [32, 64, 64]),
        ([0, 0, 64], [1, 1, 1]),
        ([0, 0, 0], [64, 65, 64]),
    ] {
        let lines = format!("start = {start:?}\nsize = {size:?}");
        let input = subject(volume::<i32>(grid.clone(), value));
        let error = run(&step("spatial.crop", &lines), input)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("spatial.crop") && error.contains("has 64"),
            "{error}"
        );
    }
}

/// RES-01, LN-05, B-18: sizes are `round_half_even(n s / s')`, spacings exactly those asked for.
#[test]
fn respacing_gives_the_published_sizes() {
    for (size, spacing, to, expected) in [
        // (10, 20, 30) z, y, x at (2, 1, 1) mm to 1 mm = (20, 20, 30)
        ([30, 20, 10], [1.0, 1.0, 2.0], [1.0; 3], [30, 20, 20]),
        ([512, 512, 60], [0.7, 0.7, 5.0], [1.0; 3], [358, 358, 300]),
        ([5, 7, 1], [1.0; 3], [2.0; 3], [2, 4, 1]),
        ([3, 3, 3], [1.0; 3], [10.0, 6.0, 0.5], [1, 1, 6]),
    ] {
        let grid = Geometry::aligned(size, spacing, [0.0; 3]).unwrap();
        let header =
            voxprep_core::volume::Header::new(grid, voxprep_core::voxels::ElementType::I16);
        let steps = step("spatial.spacing", &format!("spacing_mm = {to:?}"));
        let headers = [("image".to_owned(), header)];
        let told = plan(&steps)
            .unwrap()
            .explain_for("a", &headers, true)
            .unwrap();
        let state = &told.stages[1].volumes[0];
        assert_eq!(state.size, expected);
        assert!(
            (0..3).all(|i| (state.spacing_mm[i] - to[i]).abs() < 1e-12),
            "{:?}",
            state.spacing_mm
        );
    }
}

/// SPA-04: cases of different field of view, position and orientation come out alike.
#[test]
fn two_cases_of_different_field_of_view_get_the_same_spacing() {
    let steps = step("spatial.reorient", "to = \"RAS\"")
        + &step("spatial.spacing", "spacing_mm = [1.5, 1.5, 3.0]");
    let grids = [
        awkward([21, 17, 9]),
        grid(
            [30, 12, 14],
            [0.9, 2.0, 1.1],
            [2, 0, 1],
            3,
            [5.0, 0.0, 9.0],
            0.0,
        ),
    ];
    for grid in grids {
        let result = run(&steps, counted(&grid)).unwrap();
        // RES-01: the low corner of the reoriented grid stays, and so does the field of view
        let [old, new] = [
            &grid.reoriented(Orientation::RAS),
            image(&result).geometry(),
        ];
        let corner = |grid: &Geometry| grid.world_from_index().apply([-0.5; 3]);
        assert!(away(corner(old), corner(new)) < 1e-9);
        for i in 0..3 {
            let [a, b] = [old, new].map(|g| g.size()[i] as f64 * g.spacing()[i]);
            assert!(
                (a - b).abs() <= new.spacing()[i] / 2.0 + 1e-9,
                "{a} mm became {b} mm"
            );
        }
        for (name, volume) in result.volumes() {
            let spacing = volume.geometry().spacing();
            assert!(
                away(spacing, [1.5, 1.5, 3.0]) < 1e-12,
                "{name}: {spacing:?}"
            );
            assert_eq!(volume.geometry().orientation(), Orientation::RAS);
        }
    }
}
