//! Renderings: what is where, what covers what, and the same bytes everywhere.

#![allow(clippy::unwrap_used, reason = "a failure is the test's answer")]

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_view::colour::label_colour;
use voxprep_view::mesh::Mesh;
use voxprep_view::picture::Picture;
use voxprep_view::render::{Camera, Options, Part, render};

/// A ball about a point of the world, mm.
fn ball(centre: [f64; 3], radius: f64) -> Mesh {
    let n = 24;
    let spacing = 2.4 * radius / n as f64;
    let geometry =
        Geometry::aligned([n; 3], [spacing; 3], centre.map(|c| c - 1.2 * radius)).unwrap();
    let mut heights = Vec::new();
    for i in 0..n * n * n {
        let index = [i % n, i / n % n, i / n / n].map(|v| v as f64);
        let p = geometry.world_from_index().apply(index);
        let squares = (0..3).map(|i| (p[i] - centre[i]) * (p[i] - centre[i]));
        heights.push((radius - squares.sum::<f64>().sqrt()) as f32);
    }
    let voxels = Voxels::new(1, [n; 3], heights.into()).unwrap();
    Mesh::of_level(&Volume::new(geometry, voxels).unwrap(), 0, 0.0, Some(-1.0)).unwrap()
}

fn pixel(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
    picture.get(x, y).unwrap()
}

const RED: [u8; 3] = [220, 40, 40];
const BLUE: [u8; 3] = [40, 40, 220];

fn options(camera: Camera) -> Options {
    Options {
        width: 120,
        height: 100,
        camera,
        background: [9, 20, 31],
    }
}

/// VIS-10: a red ball at the patient's left, a blue one at the right and lower.
#[test]
fn the_camera_says_what_is_left_and_right() {
    let (left, right) = (ball([30.0, 0.0, 10.0], 8.0), ball([-30.0, 0.0, -10.0], 8.0));
    let parts = [
        Part {
            mesh: &left,
            colour: RED,
            alpha: 1.0,
        },
        Part {
            mesh: &right,
            colour: BLUE,
            alpha: 1.0,
        },
    ];
    let reddish = |p: [u8; 3]| p[0] > 2 * p[2];
    let bluish = |p: [u8; 3]| p[2] > 2 * p[0];
    // 56 mm of centres and balls over 120 pixels less the margin: 1.45 pixels per mm
    let picture = render(&parts, &options(Camera::ANTERIOR)).unwrap();
    assert!(reddish(pixel(&picture, 103, 35)) && bluish(pixel(&picture, 16, 64)));
    assert_eq!(pixel(&picture, 60, 50), [9, 20, 31]);
    assert_eq!(pixel(&picture, 0, 0), [9, 20, 31]);
    let picture = render(&parts, &options(Camera::POSTERIOR)).unwrap();
    assert!(reddish(pixel(&picture, 16, 35)) && bluish(pixel(&picture, 103, 64)));
    // from the patient's left the red ball hides the blue one only where they overlap
    let picture = render(&parts, &options(Camera::LEFT)).unwrap();
    assert!(reddish(pixel(&picture, 60, 20)) && bluish(pixel(&picture, 60, 80)));
}

/// VIS-10: `alpha=(0.15, 0.15)` and others.
#[test]
fn a_veil_shows_what_is_inside_and_an_opaque_shell_hides_it() {
    let (shell, core) = (ball([0.0; 3], 30.0), ball([0.0; 3], 10.0));
    let with = |alpha: f32| {
        let parts = [
            Part {
                mesh: &core,
                colour: RED,
                alpha: 1.0,
            },
            Part {
                mesh: &shell,
                colour: BLUE,
                alpha,
            },
        ];
        pixel(&render(&parts, &options(Camera::ANTERIOR)).unwrap(), 60, 50)
    };
    let [bare, veiled, hidden] = [0.0, 0.15, 1.0].map(with);
    assert!(bare[0] > 150 && bare[2] < 100, "{bare:?}");
    assert!(
        veiled[0] < bare[0] && veiled[0] > 150 && veiled[2] > bare[2],
        "{veiled:?}"
    );
    assert!(hidden[2] > 150 && hidden[0] < 100, "{hidden:?}");
    // the order of the parts is not the order of the layers
    let parts = [
        Part {
            mesh: &shell,
            colour: BLUE,
            alpha: 0.15,
        },
        Part {
            mesh: &core,
            colour: RED,
            alpha: 1.0,
        },
    ];
    let other = pixel(&render(&parts, &options(Camera::ANTERIOR)).unwrap(), 60, 50);
    assert_eq!(other, veiled);
}

/// Two flat triangles side by side, seen face on: every sample belongs to exactly one.
#[test]
fn transparent_triangles_show_no_seam() {
    let mut square = Mesh {
        vertices: vec![
            [0.0; 3],
            [10.3, 0.0, 0.0],
            [10.3, 0.0, 7.7],
            [0.0, 0.0, 7.7],
        ],
        triangles: vec![[0, 1, 2], [0, 2, 3]],
        normals: Vec::new(),
    };
    square.find_normals();
    let parts = [Part {
        mesh: &square,
        colour: [255; 3],
        alpha: 0.5,
    }];
    let options = Options {
        background: [0; 3],
        ..options(Camera::ANTERIOR)
    };
    let picture = render(&parts, &options).unwrap();
    let inner = (15..85).flat_map(|y| (15..105).map(move |x| (x, y)));
    let mut colours: Vec<_> = inner.map(|(x, y)| pixel(&picture, x, y)).collect();
    colours.dedup();
    assert_eq!(colours.len(), 1, "{colours:?}");
    assert!(colours[0][0] > 60);
}

#[test]
fn light_comes_from_the_upper_left() {
    let mesh = ball([5.0, 6.0, 7.0], 20.0);
    let parts = [Part {
        mesh: &mesh,
        colour: [200; 3],
        alpha: 1.0,
    }];
    let picture = render(&parts, &options(Camera::oblique(33.0, 12.0))).unwrap();
    let [lit, shaded] = [(45, 35), (75, 65)].map(|(x, y)| pixel(&picture, x, y)[0]);
    assert!(u32::from(lit) > u32::from(shaded) + 30, "{lit} {shaded}");
}

/// VIS-10
#[test]
fn every_number_of_threads_gives_the_same_bytes() {
    let (shell, core) = (ball([0.0; 3], 30.0), ball([4.0, 5.0, 6.0], 10.0));
    let parts = [
        Part {
            mesh: &core,
            colour: label_colour(1),
            alpha: 0.6,
        },
        Part {
            mesh: &shell,
            colour: label_colour(2),
            alpha: 0.15,
        },
    ];
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| render(&parts, &options(Camera::oblique(30.0, 20.0))).unwrap())
    };
    let once = on(1);
    assert!([2, 3, 8].iter().all(|&threads| on(threads) == once));
    let sum: u64 = once
        .pixels()
        .as_flattened()
        .iter()
        .zip(1..)
        .map(|(v, i)| u64::from(*v) * i)
        .sum();
    assert_eq!(sum, 28_267_395_189);
}

#[test]
fn an_empty_scene_is_all_background() {
    let picture = render(&[], &options(Camera::ANTERIOR)).unwrap();
    assert_eq!((picture.width(), picture.height()), (120, 100));
    assert!(picture.pixels().iter().all(|p| *p == [9, 20, 31]));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let mesh = ball([0.0; 3], 5.0);
    let part = Part {
        mesh: &mesh,
        colour: RED,
        alpha: 1.0,
    };
    let message =
        |parts: &[Part<'_>], options: Options| render(parts, &options).unwrap_err().to_string();
    let good = options(Camera::ANTERIOR);
    assert_eq!(
        message(&[part], Options { width: 0, ..good }),
        "width: 0 pixels are out of range; give 1 to 8192"
    );
    assert_eq!(
        message(
            &[Part {
                alpha: f32::NAN,
                ..part
            }],
            good
        ),
        "alpha: NaN is not between 0 and 1; give 1 for an opaque surface, 0.15 for a veil"
    );
    let mut lost = mesh.clone();
    lost.vertices[3][1] = f32::NAN;
    assert!(
        message(
            &[Part {
                mesh: &lost,
                ..part
            }],
            good
        )
        .contains("is not finite")
    );
    let mut bare = mesh.clone();
    bare.normals.clear();
    assert!(
        message(
            &[Part {
                mesh: &bare,
                ..part
            }],
            good
        )
        .contains("without a normal")
    );
}
