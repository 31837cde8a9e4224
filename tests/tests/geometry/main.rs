//! Everything stays where it is in the world: landmarks, labels, points and boxes, on any grid.

#![allow(clippy::unwrap_used, reason = "a failure is the answer of the test")]

mod affine;
mod boxes;
mod exact;
mod mirrored;
mod moved;
mod sizes;

use proptest::prelude::*;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::kernels::affine::{dot, norm};
use voxprep_core::orientation::Orientation;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::{Point, Subject, WorldBox};
use voxprep_core::volume::{Unit, Volume};
use voxprep_tests::{image, plan, run, step, subject, values, volume};

/// Radius of the landmark, mm: two and a half of the widest voxels.
const RADIUS: f64 = 5.0;
const SIZE: [usize; 3] = [36, 35, 34];

fn away(a: [f64; 3], b: [f64; 3]) -> f64 {
    norm([0, 1, 2].map(|i| a[i] - b[i]))
}

fn float(index: [usize; 3]) -> [f64; 3] {
    index.map(|i| i as f64)
}

/// The rotation by `degrees` about a unit vector, written out (Rodrigues 1840).
fn turned(v: [f64; 3], axis: [f64; 3], degrees: f64) -> [f64; 3] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [x, y, z] = axis;
    let cross = [
        y * v[2] - z * v[1],
        z * v[0] - x * v[2],
        x * v[1] - y * v[0],
    ];
    let along = dot(axis, v) * (1.0 - cos);
    [0, 1, 2].map(|i| v[i] * cos + cross[i] * sin + axis[i] * along)
}

/// Columns as given, permuted and signed, then turned and sheared.
fn grid(
    size: [usize; 3],
    spacing: [f64; 3],
    order: [usize; 3],
    signs: u8,
    turn: [f64; 3],
    shear: f64,
) -> Geometry {
    let columns = [0, 1, 2].map(|i| {
        let mut unit = [0.0; 3];
        unit[order[i]] = if signs >> i & 1 == 1 {
            -spacing[i]
        } else {
            spacing[i]
        };
        unit[(order[i] + 1) % 3] += shear * spacing[i] * f64::from(u8::from(i == 1));
        let unit = turned(unit, [1.0, 0.0, 0.0], turn[0]);
        let unit = turned(unit, [0.0, 1.0, 0.0], turn[1]);
        turned(unit, [0.0, 0.0, 1.0], turn[2])
    });
    Geometry::new(size, Affine::from_columns(columns, [12.0, -34.0, 56.0])).unwrap()
}

const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

fn grids() -> impl Strategy<Value = Geometry> {
    let spacing = prop::array::uniform3(1.1..2.0_f64);
    let turn = prop::array::uniform3(-180.0..180.0_f64);
    (
        spacing,
        prop::sample::select(ORDERS.to_vec()),
        0..8_u8,
        turn,
        -0.3..0.3_f64,
    )
        .prop_map(|(spacing, order, signs, turn, shear)| {
            grid(SIZE, spacing, order, signs, turn, shear)
        })
}

/// A bump of `RADIUS` about a landmark, the same as labels, its point, and a box that holds it.
fn landmark(grid: &Geometry, at: [f64; 3]) -> Subject {
    let centre = grid.world_from_index().apply(at);
    let distance = |i: [usize; 3]| away(grid.world_from_index().apply(float(i)), centre) / RADIUS;
    let bump = |i| 1000.0 * (1.0 - distance(i).powi(2)).max(0.0).powi(2);
    let mut subject = subject(volume::<f32>(grid.clone(), bump).with_unit(Unit::Hu));
    let labels = volume::<u8>(grid.clone(), |i| if distance(i) < 1.0 { 3.0 } else { 0.0 });
    subject.add("label", labels.into_labels().unwrap()).unwrap();
    subject.points.push(Point {
        name: "tip".into(),
        position: centre,
    });
    let [low, high] = [-RADIUS, RADIUS].map(|r| centre.map(|v| v + r));
    subject.boxes.push(WorldBox {
        name: "box".into(),
        low,
        high,
    });
    subject
}

/// The centre of mass in continuous indices, and the world positions of all that is not 0.
fn mass(volume: &Volume) -> ([f64; 3], Vec<[f64; 3]>) {
    let [nx, ny, _] = volume.geometry().size();
    let (mut sum, mut weighted, mut places) = (0.0, [0.0; 3], Vec::new());
    for (at, v) in values(volume)
        .into_iter()
        .enumerate()
        .filter(|(_, v)| *v != 0.0)
    {
        let index = float([at % nx, at / nx % ny, at / nx / ny]);
        sum += v;
        (0..3).for_each(|i| weighted[i] += v * index[i]);
        places.push(volume.geometry().world_from_index().apply(index));
    }
    (weighted.map(|v| v / sum), places)
}

/// Runs steps over a landmark: where its point ended, and whether all of it can be seen there.
/// Image, labels and box must be there too.
fn stays_together(
    steps: &str,
    grid: &Geometry,
    at: [f64; 3],
) -> Result<([f64; 3], bool), TestCaseError> {
    let steps = format!("[sampling]\nantialias = \"off\"\nfill = 0\n{steps}");
    let result = run(&steps, landmark(grid, at)).unwrap();
    let tip = result.points[0].position;
    let (image, labels) = (image(&result), result.volume("label").unwrap());
    prop_assert_eq!(image.geometry(), labels.geometry());
    let to = image.geometry();
    let index = to.index_from_world().apply(tip);
    // what the bump reaches, in voxels of the output, with one voxel around it
    let rows = to.index_from_world().linear();
    let reach = rows.map(|row| 1.0 + (RADIUS + 1.0) * norm(row));
    let seen =
        (0..3).all(|i| index[i] > reach[i] && index[i] < to.size()[i] as f64 - 1.0 - reach[i]);
    if seen {
        // G-05: half an output voxel along each axis
        let (bright, _) = mass(image);
        // drawn on the source and again on the output: half a voxel of each
        let widest = grid.spacing().into_iter().fold(0.0, f64::max);
        let loose = to.spacing().map(|s| 0.5 * (widest / s + 1.0));
        let (labelled, places) = mass(labels);
        for i in 0..3 {
            prop_assert!(
                (bright[i] - index[i]).abs() < 0.5,
                "image {:?}, point {:?}: {}",
                bright,
                index,
                steps
            );
            prop_assert!(
                (labelled[i] - index[i]).abs() < loose[i],
                "labels {:?}, point {:?}: {}",
                labelled,
                index,
                steps
            );
        }
        let box_ = &result.boxes[0];
        // a label is that of the nearest voxel: half the diagonal of a source voxel away
        let near = norm(grid.spacing()) / 2.0 + 0.5;
        for place in places {
            prop_assert!(
                away(place, tip) < RADIUS + near,
                "{:?} {:?}: {}",
                place,
                tip,
                steps
            );
            let inside =
                (0..3).all(|i| place[i] > box_.low[i] - near && place[i] < box_.high[i] + near);
            prop_assert!(inside, "{:?} outside {:?}: {}", place, box_, steps);
        }
    }
    Ok((tip, seen))
}

/// Steps that move nothing in the world.
fn still(spacing: [f64; 3], code: &str, flip: u8, start: u32) -> [String; 4] {
    let axes: Vec<&str> = (0..3)
        .filter(|i| flip >> i & 1 == 1)
        .map(|i| ["x", "y", "z"][i])
        .collect();
    [
        step("spatial.spacing", &format!("spacing_mm = {spacing:?}")),
        step("spatial.reorient", &format!("to = \"{code}\"")),
        step("spatial.flip", &format!("axes = {axes:?}")),
        step(
            "spatial.crop",
            &format!("start = [{start}, 1, 2]\nsize = [33, 32, 31]"),
        ),
    ]
}

/// Where a point goes that is turned about the centre of a grid.
fn expected_turn(grid: &Geometry, point: [f64; 3], axis: usize, degrees: f64) -> [f64; 3] {
    let centre = grid.centre();
    let offset = turned(
        [0, 1, 2].map(|i| point[i] - centre[i]),
        grid.direction()[axis],
        degrees,
    );
    [0, 1, 2].map(|i| centre[i] + offset[i])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// G-04, G-05: on any grid, a landmark off every axis stays in its place.
    #[test]
    fn steps_that_change_the_grid_leave_a_landmark_in_its_place(
        grid in grids(),
        offset in prop::array::uniform3(-3.0..3.0_f64),
        spacing in prop::array::uniform3(0.9..2.2_f64),
        code in 0..48_usize,
        flip in 1..8_u8,
        start in 0..4_u32,
    ) {
        let at = [0, 1, 2].map(|i| (SIZE[i] as f64 - 1.0) / 2.0 + offset[i]);
        let code = Orientation::all().nth(code).unwrap().to_string();
        let point = grid.world_from_index().apply(at);
        let steps = still(spacing, &code, flip, start);
        let chains = [steps[..3].concat(), steps.iter().rev().cloned().collect()];
        for steps in steps.into_iter().chain(chains) {
            let (tip, seen) = stays_together(&steps, &grid, at)?;
            prop_assert!(away(tip, point) < 1e-9 && seen, "{:?} {}: {}", tip, seen, steps);
        }
    }

    /// SPA-07, G-05: a rotation takes a landmark where Rodrigues' formula says, in mm.
    #[test]
    fn a_rotation_takes_a_landmark_where_the_algebra_says(
        grid in grids(),
        offset in prop::array::uniform3(-3.0..3.0_f64),
        spacing in prop::array::uniform3(0.9..2.2_f64),
        angle in -179.0..179.0_f64,
        axis in 0..3_usize,
        flip in 1..8_u8,
    ) {
        let at = [0, 1, 2].map(|i| (SIZE[i] as f64 - 1.0) / 2.0 + offset[i]);
        let point = grid.world_from_index().apply(at);
        let turn = step("augment.rotate", &format!("angle_deg = {angle}\naxis = \"{}\"", ["x", "y", "z"][axis]));
        let (tip, _) = stays_together(&turn, &grid, at)?;
        prop_assert!(away(tip, expected_turn(&grid, point, axis, angle)) < 1e-9);
        // about the centre and the axis of the grid that is there when it runs
        let [respace, _, flip, _] = still(spacing, "RAS", flip, 0);
        let (tip, _) = stays_together(&(respace.clone() + &flip + &turn), &grid, at)?;
        let before = run(&(respace + &flip), landmark(&grid, at)).unwrap();
        let expected = expected_turn(image(&before).geometry(), point, axis, angle);
        prop_assert!(away(tip, expected) < 1e-9, "{:?} {:?}", tip, expected);
    }
}

/// G-04, G-05: nothing above is left out of sight on grids that are not chosen at random.
#[test]
fn a_turned_landmark_is_seen_on_every_permutation_of_the_axes() {
    for order in ORDERS {
        for signs in 0..8 {
            let grid = grid(SIZE, [1.3, 1.6, 2.0], order, signs, [0.0; 3], 0.0);
            for axis in ["x", "y", "z"] {
                let turn = step(
                    "augment.rotate",
                    &format!("angle_deg = 25\naxis = \"{axis}\""),
                );
                let (tip, seen) = stays_together(&turn, &grid, [19.0, 16.0, 18.5]).unwrap();
                assert!(seen, "{order:?} {signs} {axis}: {tip:?}");
            }
        }
    }
    let oblique = grid(
        SIZE,
        [1.3, 1.6, 2.0],
        [1, 2, 0],
        3,
        [20.0, -35.0, 50.0],
        0.2,
    );
    let turn = step("augment.rotate", "angle_deg = 25\naxis = \"y\"");
    assert!(
        stays_together(&turn, &oblique, [19.0, 16.0, 18.5])
            .unwrap()
            .1
    );
}

/// SPA-07, B-05: a ball in mm stays a ball in mm, however flat its voxels are.
#[test]
fn an_anisotropic_ball_stays_a_ball() {
    let grid = Geometry::aligned([48, 40, 20], [1.0, 1.25, 2.5], [0.0; 3]).unwrap();
    let centre = grid.centre();
    let inside = |i| away(grid.world_from_index().apply(float(i)), centre) < 15.0;
    let ball = |i| if inside(i) { 1.0 } else { 0.0 };
    let mut input = subject(volume::<f32>(grid.clone(), ball));
    input
        .add(
            "label",
            volume::<u8>(grid.clone(), ball).into_labels().unwrap(),
        )
        .unwrap();
    for (axis, angle) in [("x", 45.0), ("y", 60.0), ("z", 30.0), ("x", 90.0)] {
        let steps = step(
            "augment.rotate",
            &format!("angle_deg = {angle}\naxis = \"{axis}\""),
        );
        let result = run(&steps, input.clone()).unwrap();
        assert_eq!(image(&result).geometry(), &grid);
        for (name, volume) in result.volumes() {
            let (_, places) = mass(volume);
            let weights: Vec<f64> = values(volume).into_iter().filter(|v| *v != 0.0).collect();
            let total: f64 = weights.iter().sum();
            for i in 0..3 {
                let squares = places
                    .iter()
                    .zip(&weights)
                    .map(|(p, w)| w * (p[i] - centre[i]).powi(2));
                let moment = squares.sum::<f64>() / total;
                // that of a ball of radius r is r^2 / 5 along every axis
                assert!(
                    (moment / 45.0 - 1.0).abs() < 0.05,
                    "{name}, {angle} about {axis}: {moment} along {i}"
                );
            }
        }
    }
}

/// SPA-12: a chain of three rotations is one resample of their product, and sharper than three.
#[test]
fn three_rotations_are_one_resample_of_their_product() {
    let grid = grid(
        [40, 36, 30],
        [1.0, 1.2, 1.7],
        [1, 0, 2],
        2,
        [15.0, 0.0, -40.0],
        0.0,
    );
    let wavy = |i: [usize; 3]| {
        let [x, y, z] = float(i);
        500.0 * (0.9 * x).sin() * (0.7 * y + 1.0).cos() + 300.0 * (0.8 * z + 0.3 * x).sin()
    };
    let turn = |angle: f64| {
        step(
            "augment.rotate",
            &format!("angle_deg = {angle}\naxis = \"z\""),
        )
    };
    let chain = plan(&(turn(7.5) + &turn(-3.25) + &turn(11.0))).unwrap();
    let product = plan(&turn(15.25)).unwrap();
    assert_eq!(
        (
            chain.explain(true).resamples,
            chain.explain(false).resamples
        ),
        (1, 3)
    );
    let input = || subject(volume::<f32>(grid.clone(), wavy));
    let result = |plan: &voxprep_core::plan::Plan, fuse| {
        let options = RunOptions {
            fuse,
            ..RunOptions::default()
        };
        values(image(&plan.run(input(), &options).unwrap()))
    };
    let product = result(&product, true);
    // away from the faces, where what a turn moves out of sight does not come back
    let central: Vec<usize> = (0..product.len())
        .filter(|at| (12..28).contains(&(at % 40)) && (12..24).contains(&(at / 40 % 36)))
        .collect();
    let largest = |other: &[f64]| {
        central
            .iter()
            .map(|&at| (other[at] - product[at]).abs())
            .fold(0.0, f64::max)
    };
    let (fused, unfused) = (
        largest(&result(&chain, true)),
        largest(&result(&chain, false)),
    );
    // 1e-6 of the range of 1600
    assert!(fused < 1.6e-3, "{fused}");
    assert!(
        unfused > 100.0 * fused && unfused > 10.0,
        "{unfused} against {fused}"
    );
}
