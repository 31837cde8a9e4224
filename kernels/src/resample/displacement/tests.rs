//! Displacement fields against their definition, and their inverses.

use ndarray::{Array3, Array4};
use proptest::prelude::*;

use super::*;

/// A grid of 2 mm voxels, turned a quarter about z and shifted.
fn world_from_index() -> Affine {
    Affine::from_rows([
        [0.0, -2.0, 0.0, 30.0],
        [2.0, 0.0, 0.0, -5.0],
        [0.0, 0.0, 2.0, 1.0],
    ])
}

const SIZE: [usize; 3] = [12, 10, 8];

fn field_of(values: &[f64], limit: f64) -> BSpline {
    let mut values = values.iter().cycle().map(|v| v * limit);
    let control = Array4::from_shape_simple_fn((3, 6, 5, 7), || values.next().unwrap());
    BSpline::new(control.view(), world_from_index().inverse().unwrap(), SIZE).unwrap()
}

/// The voxels of the field's grid, displaced by `D(w) = linear w` about the origin, as dense field.
fn linear_field(linear: [[f64; 3]; 3], outside: Outside) -> Dense {
    let map = Affine::from_parts(linear, [0.0; 3]);
    let [nx, ny, nz] = SIZE;
    let components = [0, 1, 2].map(|i| {
        Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
            let w = world_from_index().apply([x as f64, y as f64, z as f64]);
            map.apply(w)[i] as f32
        })
    });
    Dense::new(components, world_from_index().inverse().unwrap(), outside).unwrap()
}

#[test]
fn equal_control_points_move_everything_in_the_domain_alike() {
    let mut control = Array4::zeros((3, 4, 5, 6));
    control.index_axis_mut(ndarray::Axis(0), 1).fill(3.0);
    let index_from_world = world_from_index().inverse().unwrap();
    let field = BSpline::new(control.view(), index_from_world, SIZE).unwrap();
    assert_eq!(field.control(), control);
    let field = Displacement::from(field);
    let at = |index| field.at(world_from_index().apply(index));
    for index in [[0.0; 3], [11.0, 9.0, 7.0], [-0.624, 9.624, 3.0]] {
        let d = at(index);
        assert!(d[0] == 0.0 && (d[1] - 3.0).abs() < 1e-12 && d[2] == 0.0);
    }
    for index in [[-0.626, 0.0, 0.0], [0.0, 9.626, 0.0], [f64::NAN; 3]] {
        assert_eq!(at(index), [0.0; 3]);
    }
    assert_eq!(field.bounds(), [[0.0; 2], [0.0, 3.0], [0.0; 2]]);
}

#[test]
fn a_dense_field_is_linear_between_voxels_and_ends_as_asked() {
    let component = Array3::from_shape_vec((1, 1, 3), vec![1.0_f32, 3.0, 7.0]).unwrap();
    let zero = Array3::zeros((1, 1, 3));
    let at = |outside, x| {
        let components = [component.clone(), zero.clone(), zero.clone()];
        let field = Dense::new(components, Affine::IDENTITY, outside).unwrap();
        Displacement::from(field).at([x, 0.0, 0.0])[0]
    };
    for outside in [Outside::Identity, Outside::Edge] {
        assert_eq!(
            [0.25, 1.5, 2.5, -0.5].map(|x| at(outside, x)),
            [1.5, 5.0, 7.0, 1.0]
        );
    }
    assert_eq!([-0.6, 9.0].map(|x| at(Outside::Edge, x)), [1.0, 7.0]);
    assert_eq!([-0.6, 9.0].map(|x| at(Outside::Identity, x)), [0.0, 0.0]);
}

#[test]
fn the_jacobian_of_a_linear_field_is_its_determinant_everywhere() {
    let linear = [[0.1, 0.05, 0.0], [-0.2, -0.1, 0.02], [0.0, 0.03, 0.2]];
    let whole = [0, 1, 2].map(|i| [0, 1, 2].map(|j| linear[i][j] + f64::from(u8::from(i == j))));
    let expected = Affine::from_parts(whole, [0.0; 3]).determinant();
    let field = Displacement::from(linear_field(linear, Outside::Edge));
    let least = field.jacobian_min(&world_from_index(), SIZE);
    assert!((least - expected).abs() < 1e-5, "{least} {expected}");
    // A fold: the x axis runs backwards.
    let folded = linear_field([[-1.5, 0.0, 0.0], [0.0; 3], [0.0; 3]], Outside::Edge);
    let least = Displacement::from(folded).jacobian_min(&world_from_index(), SIZE);
    assert!((least + 0.5).abs() < 1e-5);
}

#[test]
fn a_spline_of_linear_control_points_has_the_jacobian_of_the_line() {
    // Splines reproduce lines: control point k of a line stands for mesh coordinate k - 1.
    let control = Array4::from_shape_fn((3, 6, 5, 7), |(i, z, y, x)| match i {
        0 => 0.5 * y as f64,
        1 => -0.3 * x as f64 + 0.2 * z as f64,
        _ => 0.4 * z as f64,
    });
    let index_from_world = world_from_index().inverse().unwrap();
    let field = BSpline::new(control.view(), index_from_world, SIZE).unwrap();
    let scale = [4.0 / 12.25, 2.0 / 10.25, 3.0 / 8.25];
    // World x falls along mesh y and world y rises along mesh x, 2 mm per voxel.
    let (to_y, to_x, to_z) = (scale[1] / 2.0, scale[0] / 2.0, scale[2] / 2.0);
    let jacobian = Affine::from_parts(
        [
            [1.0 - 0.5 * to_y, 0.0, 0.0],
            [0.0, 1.0 - 0.3 * to_x, 0.2 * to_z],
            [0.0, 0.0, 1.0 + 0.4 * to_z],
        ],
        [0.0; 3],
    );
    let field = Displacement::from(field);
    let least = field.jacobian_min(&world_from_index(), SIZE);
    assert!((least - jacobian.determinant()).abs() < 1e-12);
    // Voxels outside the domain stay.
    let beside = world_from_index() * Affine::translation([100.0, 0.0, 0.0]);
    assert_eq!(field.jacobian_min(&beside, SIZE), 1.0);
    assert_eq!(field.jacobian_min(&beside, [3, 0, 3]), f64::INFINITY);
}

#[test]
fn a_field_that_expands_everywhere_has_no_voxel_that_stays() {
    // D = 0.2 (w - o): every determinant is 1.2^3 = 1.728. Rows of 9 and 11 end within a block.
    let spline = |mesh_from_world: &Affine| {
        let world_from_mesh = mesh_from_world.inverse().unwrap();
        let control = Array4::from_shape_fn((3, 6, 5, 7), |(i, z, y, x)| {
            0.2 * world_from_mesh.apply([x as f64 - 1.0, y as f64 - 1.0, z as f64 - 1.0])[i]
        });
        let index_from_world = world_from_index().inverse().unwrap();
        Displacement::from(BSpline::new(control.view(), index_from_world, SIZE).unwrap())
    };
    let scale = [4.0 / 12.25, 2.0 / 10.25, 3.0 / 8.25];
    let field = spline(
        &(Affine::scaling(scale)
            * Affine::translation([0.625; 3])
            * world_from_index().inverse().unwrap()),
    );
    let oblique = Affine::from_parts(
        [[0.4, -0.2, 0.0], [0.2, 0.4, 0.0], [0.1, 0.0, 0.4]],
        [3.0, 2.0, 1.0],
    );
    for map in [Affine::IDENTITY, oblique] {
        for width in [9, 11] {
            let least = field.jacobian_min(&(world_from_index() * map), [width, 3, 3]);
            assert!((least - 1.728).abs() < 1e-9, "{width}: {least}");
        }
    }
    let dense = Displacement::from(linear_field(
        [[0.2, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, 0.2]],
        Outside::Edge,
    ));
    let least = dense.jacobian_min(&world_from_index(), SIZE);
    assert!((least - 1.728).abs() < 1e-5, "{least}");
}

#[test]
fn what_is_no_field_is_refused() {
    let flat = Affine::scaling([1.0, 0.0, 1.0]);
    let spline = |shape, map| BSpline::new(Array4::zeros(shape).view(), map, SIZE).unwrap_err();
    let size = [4, 3, 4];
    assert_eq!(
        spline((3, 4, 3, 4), Affine::IDENTITY),
        FieldError::Size { size, least: 4 }
    );
    assert_eq!(
        spline((2, 4, 4, 4), Affine::IDENTITY),
        FieldError::Components
    );
    assert_eq!(spline((3, 4, 4, 4), flat), FieldError::NotFinite);
    let nan = Array4::from_elem((3, 4, 4, 4), f64::NAN);
    let refused = BSpline::new(nan.view(), Affine::IDENTITY, SIZE);
    assert_eq!(refused, Err(FieldError::NotFinite));
    let dense = |shapes: [(usize, usize, usize); 3], map| {
        Dense::new(shapes.map(Array3::zeros), map, Outside::Edge).unwrap_err()
    };
    let size = [2, 0, 2];
    assert_eq!(
        dense([(2, 0, 2); 3], Affine::IDENTITY),
        FieldError::Size { size, least: 1 }
    );
    assert_eq!(
        dense([(2, 2, 2), (2, 2, 2), (2, 2, 1)], Affine::IDENTITY),
        FieldError::Components
    );
    assert_eq!(dense([(2, 2, 2); 3], flat), FieldError::NotFinite);
}

#[test]
fn a_fold_has_no_inverse() {
    // It moves 20 to -30 and whatever lies outside not at all: neither goes to 20.
    let folded = [[-2.5, 0.0, 0.0], [0.0; 3], [0.0; 3]];
    let field = Displacement::from(linear_field(folded, Outside::Identity));
    assert_eq!(field.invert([20.0, 4.0, 5.0]), None);
}

/// The smallest determinant by differences of single points, inside the domain.
fn by_differences(field: &Displacement, world_from_index: &Affine, size: [usize; 3]) -> f64 {
    let step = 1e-4;
    let mut least = f64::INFINITY;
    for z in 0..size[2] {
        for y in 0..size[1] {
            for x in 0..size[0] {
                let w = world_from_index.apply([x as f64, y as f64, z as f64]);
                let columns = [0, 1, 2].map(|a| {
                    let at = |d: f64| {
                        let mut w = w;
                        w[a] += d;
                        let moved = field.at(w);
                        [0, 1, 2].map(|i| w[i] + moved[i])
                    };
                    let (low, high) = (at(-step), at(step));
                    [0, 1, 2].map(|i| (high[i] - low[i]) / (2.0 * step))
                });
                least = least.min(Affine::from_columns(columns, [0.0; 3]).determinant());
            }
        }
    }
    least
}

/// The field at the voxels of its own grid.
fn as_dense(field: &Displacement) -> Dense {
    let [nx, ny, nz] = SIZE;
    let components = [0, 1, 2].map(|i| {
        Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
            field.at(world_from_index().apply([x as f64, y as f64, z as f64]))[i] as f32
        })
    });
    Dense::new(components, *field.index_from_world(), Outside::Edge).unwrap()
}

#[test]
fn a_fold_is_scaled_to_where_it_begins() {
    // det = 1 - 1.5 s, which is 0.01 at 0.66; a half turn about z has (1 - 2 s)^2 and is no fold.
    let scale = |linear| {
        let field = Displacement::from(linear_field(linear, Outside::Edge));
        field.unfolding_scale(&world_from_index(), SIZE)
    };
    let folded = scale([[-1.5, 0.0, 0.0], [0.0; 3], [0.0; 3]]);
    assert!((folded - 0.66).abs() < 1e-6, "{folded}");
    assert_eq!(scale([[-2.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0; 3]]), 1.0);
    // With a fold beside it, the turn counts too: (1 - 2 s)^2 (1 - 2 s) is 0.01 at 0.392278.
    let both = scale([[-2.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, -2.0]]);
    assert!((both - 0.392_278).abs() < 1e-6, "{both}");
}

#[test]
fn a_scaled_field_moves_that_much_less() {
    let values: Vec<f64> = (0..50).map(|k| f64::from(k % 7) - 3.0).collect();
    let spline = Displacement::from(field_of(&values, 1.0));
    let point = world_from_index().apply([4.3, 5.1, 2.2]);
    for field in [as_dense(&spline).into(), spline] {
        let (whole, half) = (field.at(point), field.scaled(-0.5).unwrap().at(point));
        for i in 0..3 {
            assert!((half[i] + 0.5 * whole[i]).abs() < 1e-6);
        }
        assert_eq!(field.scaled(1.0).unwrap(), field);
        assert_eq!(field.scaled(f64::NAN), Err(FieldError::NotFinite));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_inverse_undoes_the_field(
        values in proptest::collection::vec(-1.0_f64..1.0, 40..80),
        index in proptest::array::uniform3(1.0_f64..6.0),
    ) {
        let field = Displacement::from(field_of(&values, 1.0));
        let point = world_from_index().apply(index);
        let pushed = field.invert(point).unwrap();
        let d = field.at(pushed);
        let back = [0, 1, 2].map(|i| pushed[i] + d[i]);
        // 1e-3 voxel of 2 mm
        for i in 0..3 {
            prop_assert!((back[i] - point[i]).abs() <= 2e-3);
        }
    }

    /// SPA-19: a field that folds is scaled until it does not; one that does not is left alone.
    #[test]
    fn a_scaled_field_folds_nowhere(
        values in proptest::collection::vec(-1.0_f64..1.0, 40..80),
        limit in 0.1_f64..60.0,
        dense in any::<bool>(),
        turn in any::<bool>(),
    ) {
        let mut field = Displacement::from(field_of(&values, limit));
        if dense {
            field = as_dense(&field).into();
        }
        let turned = Affine::from_parts(
            [[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.1, 0.0, 0.9]],
            [2.0, -1.0, 0.5],
        );
        let grid = if turn { world_from_index() * turned } else { world_from_index() };
        let before = field.jacobian_min(&grid, SIZE);
        let scale = field.unfolding_scale(&grid, SIZE);
        if before > LEAST_JACOBIAN {
            prop_assert_eq!(scale, 1.0);
        } else {
            prop_assert!(0.0 < scale && scale < 1.0, "{} {}", before, scale);
            let after = field.scaled(scale).unwrap().jacobian_min(&grid, SIZE);
            // Stored as f32, a dense field is scaled to within 6e-8 of itself.
            let rounding = if dense { 1e-4 } else { 1e-9 };
            prop_assert!(after > LEAST_JACOBIAN - rounding, "{}", after);
            prop_assert!(after < LEAST_JACOBIAN + rounding + 1e-6, "{}", after);
            // All the way down.
            for part in [0.9, 0.5, 0.1] {
                let less = field.scaled(part * scale).unwrap();
                prop_assert!(less.jacobian_min(&grid, SIZE) > LEAST_JACOBIAN - rounding);
            }
        }
    }

    #[test]
    fn control_points_that_rule_out_folds_are_right(
        values in proptest::collection::vec(-1.0_f64..1.0, 40..80),
        limit in 0.1_f64..4.0,
    ) {
        let field = field_of(&values, limit);
        let steepest = field.in_mesh().steepest();
        let field = Displacement::from(field);
        let least = field.jacobian_min(&world_from_index(), SIZE);
        prop_assert!(least >= (1.0 - steepest).max(0.0).powi(3) - 1e-12, "{} {}", least, steepest);
        if steepest < 0.78 {
            prop_assert_eq!(field.unfolding_scale(&world_from_index(), SIZE), 1.0);
        }
    }

    #[test]
    fn the_largest_displacement_is_that_of_some_voxel(
        values in proptest::collection::vec(-1.0_f64..1.0, 40..80),
        dense in any::<bool>(),
        turn in any::<bool>(),
    ) {
        let mut field = Displacement::from(field_of(&values, 5.0));
        if dense {
            field = as_dense(&field).into();
        }
        let turned = Affine::from_parts([[0.9, 0.1, 0.0], [0.0, 1.1, 0.0], [0.1, 0.0, 0.9]], [1.0; 3]);
        let grid = if turn { world_from_index() * turned } else { world_from_index() };
        let size = [11, 4, 5];
        let mut largest = 0.0_f64;
        for (z, y, x) in (0..5).flat_map(|z| (0..4).flat_map(move |y| (0..11).map(move |x| (z, y, x)))) {
            let d = field.at(grid.apply([f64::from(x), f64::from(y), f64::from(z)]));
            largest = largest.max((d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt());
        }
        let found = field.max_displacement(&grid, size);
        prop_assert!((found - largest).abs() < 1e-10, "{} {}", found, largest);
        prop_assert_eq!(field.max_displacement(&grid, [3, 0, 3]), 0.0);
    }

    #[test]
    fn exact_slopes_are_the_limit_of_differences(
        values in proptest::collection::vec(-1.0_f64..1.0, 40..80),
        turn in -1.0_f64..1.0,
    ) {
        let field = Displacement::from(field_of(&values, 4.0));
        let size = [9, 4, 3];
        let inner = world_from_index() * Affine::translation([1.2, 1.3, 2.1]);
        // Rows along the mesh's axes x, y and z, and along none.
        let (sin, cos) = turn.sin_cos();
        let oblique = Affine::from_rows([
            [0.4 * cos, -0.4 * sin, 0.0, 3.0],
            [0.4 * sin, 0.4 * cos, 0.0, 3.0],
            [0.1, 0.0, 0.5, 2.0],
        ]);
        let turned = |rows| Affine::from_rows(rows);
        for map in [
            Affine::IDENTITY,
            Affine::scaling([-0.5, 1.0, 1.0]).about([4.0, 0.0, 0.0]),
            turned([[0.0, 1.0, 0.0, 0.0], [0.7, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]),
            turned([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [-0.5, 0.0, 0.0, 4.5]]),
            oblique,
        ] {
            let grid = inner * map;
            let exact = field.jacobian_min(&grid, size);
            let near = by_differences(&field, &grid, size);
            prop_assert!((exact - near).abs() < 1e-6, "{} {}", exact, near);
        }
    }
}

/// What the guard lets through has an inverse that is found, however steep.
#[test]
fn a_field_that_barely_does_not_fold_is_inverted_everywhere() {
    let random = |k: usize| ((k * 7919 + 13) % 1009) as f64 / 504.0 - 1.0;
    let mut k = 0;
    let control = Array4::from_shape_simple_fn((3, 9, 9, 9), || {
        k += 1;
        8.0 * random(k * k)
    });
    let grid = world_from_index().inverse().unwrap();
    let size = [24, 22, 20];
    let wild = BSpline::new(control.view(), grid, size).unwrap();
    let scale = Displacement::from(wild.clone()).unfolding_scale(&world_from_index(), size);
    assert!(scale < 1.0);
    let field = Displacement::from(wild.scaled(scale).unwrap());
    let mut missed = 0;
    // away from the faces, where the field ends
    for z in 4..size[2] - 4 {
        for y in 4..size[1] - 4 {
            for x in 4..size[0] - 4 {
                let p = world_from_index().apply([x, y, z].map(|i| i as f64));
                let d = field.at(p);
                let found = field.invert([0, 1, 2].map(|i| p[i] + d[i]));
                let near = |q: [f64; 3]| (0..3).all(|i| (q[i] - p[i]).abs() < 0.2);
                missed += usize::from(!found.is_some_and(near));
            }
        }
    }
    assert_eq!(missed, 0);
}
