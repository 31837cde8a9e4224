//! Surfaces of label maps and images: measures, smoothing, files.

#![allow(clippy::unwrap_used, reason = "a failure is the test's answer")]

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_kernels::Affine;
use voxprep_view::mesh::{Format, Frame, Mesh, Structure, Taubin};

const SIZE: [usize; 3] = [62, 55, 26];

/// Voxels of 0.9 x 1.0 x 2.2 mm, turned by 25 degrees about a slanted axis.
fn oblique() -> Geometry {
    let axis = [2.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0];
    let turn = Affine::rotation(axis, 25.0) * Affine::scaling([0.9, 1.0, 2.2]);
    Geometry::new(SIZE, Affine::translation([-31.0, 250.0, 812.5]) * turn).unwrap()
}

/// How far each voxel is inside a ball of 20 mm about the middle of the volume, mm.
fn heights(geometry: &Geometry) -> Vec<f32> {
    let centre = geometry.centre();
    let mut heights = Vec::new();
    for z in 0..SIZE[2] {
        for y in 0..SIZE[1] {
            for x in 0..SIZE[0] {
                let p = geometry
                    .world_from_index()
                    .apply([x, y, z].map(|i| i as f64));
                let squares = (0..3).map(|i| (p[i] - centre[i]) * (p[i] - centre[i]));
                heights.push((20.0 - squares.sum::<f64>().sqrt()) as f32);
            }
        }
    }
    heights
}

/// Label 7 is a ball of 20 mm, label 2 a cube of 4 voxels in a corner.
fn labels() -> Volume {
    let geometry = oblique();
    let mut values: Vec<i16> = heights(&geometry)
        .iter()
        .map(|h| if *h > 0.0 { 7 } else { 0 })
        .collect();
    for (z, y, x) in (0..64).map(|i| (i / 16, i / 4 % 4, i % 4)) {
        values[(z * SIZE[1] + y) * SIZE[0] + x] = 2;
    }
    let voxels = Voxels::new(1, SIZE, values.into()).unwrap();
    Volume::new(geometry, voxels)
        .unwrap()
        .into_labels()
        .unwrap()
}

fn image() -> Volume {
    let geometry = oblique();
    let voxels = Voxels::new(1, SIZE, heights(&geometry).into()).unwrap();
    Volume::new(geometry, voxels).unwrap()
}

const BALL_VOLUME: f64 = 33_510.3;
const BALL_AREA: f64 = 5026.5;

fn is_within(value: f64, expected: f64, part: f64) -> bool {
    (value / expected - 1.0).abs() < part
}

/// VIS-10: the surface of a ball of 20 mm in an image on an oblique, anisotropic grid.
#[test]
fn the_surface_of_a_ball_is_closed_and_has_its_area_and_volume() {
    let mesh = Mesh::of_level(&image(), 0, 0.0, Some(-5.0)).unwrap();
    assert!(mesh.is_closed());
    assert_eq!(mesh.euler(), 2);
    assert!(
        is_within(mesh.volume(), BALL_VOLUME, 0.01),
        "{}",
        mesh.volume()
    );
    assert!(is_within(mesh.area(), BALL_AREA, 0.01), "{}", mesh.area());
}

/// VIS-10: the same of a label map, whose stairs make the area too large until they are smoothed.
#[test]
fn smoothing_a_label_takes_the_stairs_and_keeps_the_volume() {
    let mut mesh = Mesh::of_label(&labels(), Structure::Label(7)).unwrap();
    assert!(mesh.is_closed());
    assert_eq!(mesh.euler(), 2);
    assert!(
        is_within(mesh.volume(), BALL_VOLUME, 0.01),
        "{}",
        mesh.volume()
    );
    assert!(mesh.area() > 1.05 * BALL_AREA, "{}", mesh.area());
    mesh.smooth(&Taubin::default()).unwrap();
    assert!(mesh.is_closed());
    assert_eq!(mesh.euler(), 2);
    assert!(
        is_within(mesh.volume(), BALL_VOLUME, 0.01),
        "{}",
        mesh.volume()
    );
    assert!(is_within(mesh.area(), BALL_AREA, 0.02), "{}", mesh.area());
}

/// VIS-10: vertices and normals are in the world.
#[test]
fn vertices_lie_on_the_ball_in_the_world_and_normals_point_away_from_its_centre() {
    let centre = oblique().centre();
    let mut mesh = Mesh::of_label(&labels(), Structure::Label(7)).unwrap();
    mesh.smooth(&Taubin::default()).unwrap();
    for (vertex, normal) in mesh.vertices.iter().zip(&mesh.normals) {
        let away = [0, 1, 2].map(|i| f64::from(vertex[i]) - centre[i]);
        let radius = away.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!((radius - 20.0).abs() < 1.0, "{radius}");
        let cosine: f64 = (0..3)
            .map(|i| away[i] * f64::from(normal[i]) / radius)
            .sum();
        assert!(cosine > 0.8, "{cosine}");
    }
}

/// VIS-10: a mirrored grid turns nothing inside out.
#[test]
fn a_left_handed_grid_has_outward_triangles_too() {
    let ramp: Vec<i16> = vec![0, 0, 0, 0, 9, 0, 0, 0, 0];
    let mirror = Geometry::new([3, 3, 1], Affine::scaling([-2.0, 1.0, 3.0])).unwrap();
    let voxels = Voxels::new(1, [3, 3, 1], ramp.into()).unwrap();
    let mesh = Mesh::of_level(&Volume::new(mirror, voxels).unwrap(), 0, 4.5, Some(0.0)).unwrap();
    // an octahedron of half axes 1, 0.5, 1.5 mm
    assert!(
        (mesh.volume() - 4.0 / 3.0 * 0.75).abs() < 1e-6,
        "{}",
        mesh.volume()
    );
}

/// VIS-10
#[test]
fn all_labels_make_one_surface_and_a_label_at_the_border_is_closed() {
    let cube = Mesh::of_label(&labels(), Structure::Label(2)).unwrap();
    assert_eq!((cube.is_closed(), cube.euler()), (true, 2));
    let both = Mesh::of_label(&labels(), Structure::All).unwrap();
    assert_eq!((both.is_closed(), both.euler()), (true, 4));
    let ball = Mesh::of_label(&labels(), Structure::Label(7)).unwrap();
    let apart = cube.volume() + ball.volume();
    assert!((both.volume() - apart).abs() < 1e-3 * apart);
}

#[test]
fn an_open_surface_is_not_closed() {
    let mut mesh = Mesh::of_label(&labels(), Structure::Label(2)).unwrap();
    mesh.triangles.pop();
    assert!(!mesh.is_closed());
    assert_eq!(mesh.euler(), 1);
    let open = Mesh::of_level(&image(), 0, -8.0, None).unwrap();
    assert!(!open.is_closed());
}

#[test]
fn what_makes_no_mesh_is_refused_with_a_remedy() {
    let message = |error: voxprep_view::error::Error| error.to_string();
    assert_eq!(
        message(Mesh::of_label(&labels(), Structure::Label(3)).unwrap_err()),
        "no voxel has the label 3; give a label that the map holds"
    );
    assert_eq!(
        message(Mesh::of_label(&image(), Structure::All).unwrap_err()),
        "the volume is an image, not a label map; give a label map, or a level for the surface of an image"
    );
    assert_eq!(
        message(Mesh::of_level(&image(), 1, 0.0, None).unwrap_err()),
        "channel 1 of 1 was asked for; they count from 0; give a channel that the volume has"
    );
    assert_eq!(
        message(Mesh::of_level(&image(), 0, 0.0, Some(1.0)).unwrap_err()),
        "the value beyond the border, 1, must not be above the surface level 0"
    );
    let mut mesh = Mesh::default();
    let shrinking = Taubin {
        mu: -0.4,
        ..Taubin::default()
    };
    assert_eq!(
        message(mesh.smooth(&shrinking).unwrap_err()),
        "mu: -0.4 is not between -1.1 and -lambda; give -0.53 with a lambda of 0.5"
    );
}

/// One triangle in the plane z = 3, facing up.
fn triangle() -> Mesh {
    let mut mesh = Mesh {
        vertices: vec![[1.0, 2.0, 3.0], [2.0, 2.0, 3.0], [1.0, 4.5, 3.0]],
        triangles: vec![[0, 1, 2]],
        normals: Vec::new(),
    };
    mesh.find_normals();
    mesh
}

/// VIS-10
#[test]
fn an_obj_file_is_text_that_names_its_frame() {
    let text = |frame| String::from_utf8(triangle().to_bytes(Format::Obj, frame).unwrap()).unwrap();
    assert_eq!(
        text(Frame::Lps),
        "# voxprep SPACE=LPS UNIT=mm\nv 1 2 3\nv 2 2 3\nv 1 4.5 3\nvn 0 0 1\nvn 0 0 1\nvn 0 0 1\n\
         f 1//1 2//2 3//3\n"
    );
    assert_eq!(
        text(Frame::Ras),
        "# voxprep SPACE=RAS UNIT=mm\nv -1 -2 3\nv -2 -2 3\nv -1 -4.5 3\nvn 0 0 1\nvn 0 0 1\n\
         vn 0 0 1\nf 1//1 2//2 3//3\n"
    );
}

/// VIS-10
#[test]
fn a_ply_file_holds_vertices_normals_and_triangles() {
    let bytes = triangle().to_bytes(Format::Ply, Frame::Lps).unwrap();
    let header = "ply\nformat binary_little_endian 1.0\ncomment voxprep SPACE=LPS UNIT=mm\n\
        element vertex 3\nproperty float x\nproperty float y\nproperty float z\n\
        property float nx\nproperty float ny\nproperty float nz\n\
        element face 1\nproperty list uchar int vertex_indices\nend_header\n";
    let (start, body) = bytes.split_at(header.len());
    assert_eq!(start, header.as_bytes());
    let numbers: [f32; 18] = [
        1.0, 2.0, 3.0, 0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 0.0, 0.0, 1.0, 1.0, 4.5, 3.0, 0.0, 0.0, 1.0,
    ];
    let mut expected: Vec<u8> = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
    expected.extend([3, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(body, expected);
}

/// VIS-10
#[test]
fn an_stl_file_holds_each_triangle_with_its_normal() {
    let bytes = triangle().to_bytes(Format::Stl, Frame::Ras).unwrap();
    assert_eq!(bytes.len(), 80 + 4 + 50);
    assert!(bytes.starts_with(b"voxprep SPACE=RAS UNIT=mm  "));
    assert_eq!(bytes[80..84], [1, 0, 0, 0]);
    let numbers: Vec<f32> = bytes[84..132]
        .chunks(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    assert_eq!(
        numbers,
        [
            0.0, 0.0, 1.0, -1.0, -2.0, 3.0, -2.0, -2.0, 3.0, -1.0, -4.5, 3.0
        ]
    );
    assert_eq!(bytes[132..], [0, 0]);
}

#[test]
fn a_refused_output_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in [Format::Ply, Format::Stl, Format::Obj] {
        let error = triangle().write(format, Frame::Lps, &mut Full).unwrap_err();
        assert_eq!(error.to_string(), "writing a mesh: no storage space");
    }
}
