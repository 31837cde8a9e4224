//! Elastic deformation: image, labels and points bend together, and nothing folds.
#![allow(clippy::unwrap_used, reason = "a failure is the answer of the test")]

use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::norm;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::{Point, Subject};
use voxprep_core::volume::{MOVED, Volume};
use voxprep_core::world_map::MapPart;
use voxprep_tests::{awkward, image, plan, run, step, subject, values, volume};

const WILD: &str = "alpha = 1000\nsigma = 8";
const FORMS: [&str; 2] = ["max_displacement_mm = 7.5", WILD];

/// A ball of 1 in 0 with a smooth edge, as an image, and as a label map where it is above one half.
fn ball(grid: &Geometry, centre: [f64; 3], radius: f64) -> Subject {
    let soft = |index: [usize; 3]| {
        let at = grid.world_from_index().apply(index.map(|i| i as f64));
        let distance = norm([0, 1, 2].map(|i| at[i] - centre[i]));
        ((radius - distance) / 4.0 + 0.5).clamp(0.0, 1.0)
    };
    let label = volume::<u8>(grid.clone(), |i| f64::from(u8::from(soft(i) > 0.5)));
    let mut subject = subject(volume::<f32>(grid.clone(), soft));
    subject.add("ball", label.into_labels().unwrap()).unwrap();
    subject
}

fn dice(a: &[bool], b: &[bool]) -> f64 {
    let count = |v: &[bool]| v.iter().filter(|v| **v).count() as f64;
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as f64;
    2.0 * both / (count(a) + count(b))
}

/// AUG-06, B-08: the image warped and then cut at one half is the warped label map.
#[test]
fn image_and_label_bend_together() {
    let grid = Geometry::aligned([64, 60, 40], [1.0, 1.0, 1.5], [5.0, -6.0, 7.0]).unwrap();
    let before = ball(&grid, grid.centre(), 18.0);
    for form in FORMS {
        let after = run(&step("augment.elastic", form), before.clone()).unwrap();
        let soft: Vec<bool> = values(image(&after)).iter().map(|v| *v > 0.5).collect();
        let hard: Vec<bool> = values(after.volume("ball").unwrap())
            .iter()
            .map(|v| *v == 1.0)
            .collect();
        let still: Vec<bool> = values(before.volume("ball").unwrap())
            .iter()
            .map(|v| *v == 1.0)
            .collect();
        let (together, moved) = (dice(&soft, &hard), dice(&still, &hard));
        assert!(together >= 0.97, "{form}: {together}");
        assert!(moved < 0.95, "{form}: {moved}: nothing moved");
    }
}

/// SPA-19, B-09: whatever is drawn, the smallest determinant of the Jacobian is above 0; without
/// the guard the same draw folds.
#[test]
fn nothing_folds_unless_it_is_asked_for() {
    let grid = awkward([40, 36, 30]);
    let least = |form: &str| {
        let after = run(
            &step("augment.elastic", form),
            subject(volume::<f32>(grid.clone(), |_| 0.0)),
        );
        let after = after.unwrap();
        let [MapPart::Displacement(field)] = after.history[0].map.parts() else {
            panic!("one field: {:?}", after.history)
        };
        field.jacobian_min(&grid.world_from_index(), grid.size())
    };
    assert!(least(&format!("{WILD}\nno_folding = false")) < 0.0);
    assert!(least(WILD) > 0.0);
    assert!(least("max_displacement_mm = 60") > 0.0);
}

/// A point goes where the image of the ball around it goes.
#[test]
fn a_point_moves_with_what_it_marks() {
    let grid = Geometry::aligned([64, 60, 40], [1.0, 1.0, 1.5], [5.0, -6.0, 7.0]).unwrap();
    let centre = grid.world_from_index().apply([38.0, 24.0, 22.0]);
    for form in FORMS {
        let mut before = ball(&grid, centre, 3.0);
        before.points.push(Point {
            name: "centre".into(),
            position: centre,
        });
        let after = run(&step("augment.elastic", form), before).unwrap();
        let (mut sum, mut weight) = ([0.0; 3], 0.0);
        let [nx, ny, _] = grid.size();
        for (at, v) in values(image(&after)).into_iter().enumerate() {
            let index = [at % nx, at / nx % ny, at / nx / ny].map(|i| i as f64);
            let world = grid.world_from_index().apply(index);
            sum = [0, 1, 2].map(|i| sum[i] + v * world[i]);
            weight += v;
        }
        let mass = sum.map(|s| s / weight);
        let point = after.points[0].position;
        let moved = norm([0, 1, 2].map(|i| point[i] - centre[i]));
        let apart = norm([0, 1, 2].map(|i| point[i] - mass[i]));
        assert!(moved > 0.5, "{form}: {moved}");
        assert!(apart < 0.5, "{form}: {apart} of {moved}");
    }
}

/// SPA-18, SPA-20: the type of the voxels stays, labels are those that were there, and a finding
/// tells how far things moved.
#[test]
fn types_and_labels_stay_and_a_finding_tells_how_far_voxels_move() {
    let grid = awkward([20, 18, 16]);
    let labels = volume::<u8>(grid.clone(), |[x, y, z]| {
        ((x / 3 + y / 3 + z) % 4 * 50) as f64
    });
    let one = |name: &str, volume: Volume| Subject::new("a").with(name, volume).unwrap();
    let mut before = one("image", volume::<i16>(grid, |[x, y, z]| (x * y + z) as f64));
    before.add("parts", labels.into_labels().unwrap()).unwrap();
    let after = run(&step("augment.elastic", ""), before.clone()).unwrap();
    for (name, volume) in after.volumes() {
        let mut expected = before.volume(name).unwrap().header().clone();
        expected.facts.insert(MOVED.to_owned(), true.into());
        assert_eq!(*volume.header(), expected);
    }
    let parts = values(after.volume("parts").unwrap());
    assert!(parts.iter().all(|v| [0.0, 50.0, 100.0, 150.0].contains(v)));
    let finding = |code: &str, subject: &Subject| {
        let found = subject.findings.iter().find(|f| f.code == code);
        found.map(|f| f.values["max_mm"].as_f64().unwrap())
    };
    let moved = finding("elastic.effect", &after).unwrap();
    assert!(moved > 1.0 && moved < 3.0_f64.sqrt() * 7.5, "{moved}");
    let teaching = step(
        "augment.elastic",
        "alpha = 4\nsigma = 35\nnoise = \"uniform\"",
    );
    let after = run(&teaching, before).unwrap();
    let moved = finding("elastic.invisible", &after).unwrap();
    assert!(moved < 0.02, "{moved}");
}

/// SPA-12: a flip, a rotation and a deformation are one interpolation, in the record one by one.
#[test]
fn a_deformation_joins_the_moves_around_it() {
    let steps = [
        step("augment.rotate", "angle_deg = 8"),
        step("augment.elastic", "max_displacement_mm = 4"),
        step("spatial.flip", "axes = [\"x\"]"),
        step("spatial.crop", "start = [2, 2, 2]\nsize = [20, 20, 20]"),
    ];
    let plan = plan(&steps.concat()).unwrap();
    let explanation = plan.explain(true);
    assert_eq!((explanation.resamples, explanation.passes), (1, 0));
    let grid = Geometry::aligned([32; 3], [1.0; 3], [0.0; 3]).unwrap();
    let after = plan
        .run(ball(&grid, grid.centre(), 9.0), &RunOptions::default())
        .unwrap();
    assert_eq!(image(&after).voxels().size(), [20; 3]);
    let maps: Vec<usize> = after.history.iter().map(|r| r.map.parts().len()).collect();
    assert_eq!(maps, [1, 1, 0, 0]);
}
