//! Steps that move or regrid a subject: zoom, shift, resize, like.

use voxprep_core::geometry::Geometry;
use voxprep_core::plan::RunOptions;
use voxprep_core::subject::Subject;
use voxprep_core::volume::Volume;
use voxprep_tests::{plan, volume};

fn run(steps: &str, subject: Subject) -> Subject {
    let steps = format!("[sampling]\nfill = 0\nantialias = \"off\"\n{steps}");
    plan(&steps)
        .unwrap()
        .run(subject, &RunOptions::default())
        .unwrap()
}

/// The volume and the centre of mass of what is brighter than half, in voxels and mm.
fn blob(image: &Volume) -> (usize, [f64; 3]) {
    let [nx, ny, nz] = image.geometry().size();
    let (mut count, mut sum) = (0, [0.0; 3]);
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                if image.voxels().get(0, [x, y, z]).unwrap() > 0.5 {
                    count += 1;
                    let world = image
                        .geometry()
                        .world_from_index()
                        .apply([x, y, z].map(|i| i as f64));
                    sum = [0, 1, 2].map(|i| sum[i] + world[i]);
                }
            }
        }
    }
    (count, sum.map(|v| v / count as f64))
}

/// SPA-06, B-04: a centred ball of radius r becomes one of radius r z, and stays centred.
#[test]
fn a_ball_grows_by_the_zoom_and_stays_in_the_middle() {
    let grid = Geometry::aligned([41; 3], [1.0; 3], [-20.0; 3]).unwrap();
    let ball = |[x, y, z]: [usize; 3]| {
        let r2: f64 = [x, y, z].iter().map(|&i| (i as f64 - 20.0).powi(2)).sum();
        f64::from(u8::from(r2 <= 100.0))
    };
    for zoom in [0.7, 1.2] {
        let subject = Subject::new("a")
            .with("image", volume::<f32>(grid.clone(), ball))
            .unwrap();
        let after = run(
            &format!("[[step]]\nuse = \"augment.zoom\"\nfactor = {zoom}"),
            subject,
        );
        let (count, centre) = blob(after.volume("image").unwrap());
        let radius = (count as f64 * 0.75 / std::f64::consts::PI).cbrt();
        assert!((radius - 10.0 * zoom).abs() < 0.5, "{zoom}: {radius}");
        assert!(centre.iter().all(|v| v.abs() < 0.05), "{zoom}: {centre:?}");
    }
}

/// SPA-11, B-03: whole voxels within each axis's own limit, positive towards the larger index, and
/// the label goes along.
#[test]
fn a_shift_moves_whole_voxels_within_the_limit_of_each_axis() {
    let grid = Geometry::aligned([10, 20, 1], [1.0, 2.0, 3.0], [0.0; 3]).unwrap();
    let dot = |i: [usize; 3]| f64::from(u8::from(i == [5, 10, 0]));
    let mut seen = std::collections::BTreeSet::new();
    for case in 0..200 {
        let mut subject = Subject::new(case.to_string());
        subject
            .add("image", volume::<f32>(grid.clone(), dot))
            .unwrap();
        subject
            .add("l", volume::<u8>(grid.clone(), dot).into_labels().unwrap())
            .unwrap();
        let after = run("[[step]]\nuse = \"augment.shift\"", subject);
        let (count, at) = blob(after.volume("image").unwrap());
        assert_eq!((count, at), blob(after.volume("l").unwrap()));
        assert_eq!(count, 1, "nothing is interpolated");
        seen.insert((
            (at[0] - 5.0) as i64,
            ((at[1] - 20.0) / 2.0) as i64,
            at[2] as i64,
        ));
    }
    // 0.4 of 10 and 20 voxels, half either way: 2 and 4, both ends included; one slice stays
    let range = |axis: fn(&(i64, i64, i64)) -> i64| {
        (
            seen.iter().map(axis).min().unwrap(),
            seen.iter().map(axis).max().unwrap(),
        )
    };
    assert_eq!(
        (range(|s| s.0), range(|s| s.1), range(|s| s.2)),
        ((-2, 2), (-4, 4), (0, 0))
    );
}

/// SPA-01: the field of view stays, a marker stays in its place.
#[test]
fn a_resize_keeps_the_field_of_view_and_warns_of_other_shapes() {
    let grid = Geometry::aligned([20, 16, 8], [1.0, 1.0, 2.0], [3.0, 4.0, 5.0]).unwrap();
    let block = |[x, y, z]: [usize; 3]| {
        f64::from(u8::from(
            (8..12).contains(&x) && (4..8).contains(&y) && (2..4).contains(&z),
        ))
    };
    let subject = || {
        Subject::new("a")
            .with("image", volume::<f32>(grid.clone(), block))
            .unwrap()
    };
    let (_, before) = blob(&volume::<f32>(grid.clone(), block));
    for (step, size, warns) in [
        ("scale = 2.0", [40, 32, 16], false),
        ("scale = 0.5", [10, 8, 4], false),
        ("size = [10, 16, 8]", [10, 16, 8], true),
        (
            "size = [10, 16, 8]\nallow_anisotropic = true",
            [10, 16, 8],
            false,
        ),
    ] {
        let after = run(
            &format!("[[step]]\nuse = \"spatial.resize\"\n{step}"),
            subject(),
        );
        let image = after.volume("image").unwrap();
        assert_eq!(image.geometry().size(), size);
        let (_, centre) = blob(image);
        assert!(
            (0..3).all(|i| (centre[i] - before[i]).abs() < 0.5),
            "{step}: {centre:?}"
        );
        let warned = after
            .findings
            .iter()
            .any(|f| f.code == "spatial.anisotropic");
        assert_eq!(warned, warns, "{step}");
    }
}

/// MR-20, B-29: one grid in the world, not equal shapes.
#[test]
fn like_brings_a_volume_onto_the_grid_of_another() {
    let fine = Geometry::aligned([12, 12, 12], [1.0; 3], [0.0; 3]).unwrap();
    let coarse = Geometry::aligned([6, 6, 6], [2.0; 3], [-0.5, 0.5, 0.5]).unwrap();
    let ramp = |g: &Geometry| {
        let g = g.clone();
        move |i: [usize; 3]| g.world_from_index().apply(i.map(|v| v as f64))[0]
    };
    let mut subject = Subject::new("a");
    subject
        .add("t1", volume::<f32>(fine.clone(), ramp(&fine)))
        .unwrap();
    subject
        .add("pd", volume::<f32>(coarse.clone(), ramp(&coarse)))
        .unwrap();
    let after = run("[[step]]\nuse = \"spatial.like\"\nvolume = \"t1\"", subject);
    let pd = after.volume("pd").unwrap();
    assert_eq!(pd.geometry(), &fine);
    for x in 1..10 {
        let v = pd.voxels().get(0, [x, 6, 6]).unwrap();
        assert!((v - x as f64).abs() < 1e-5, "{x}: {v}");
    }
}
