//! What pictures show: the predicted pixel, the right letter, the same bytes.

#![allow(clippy::unwrap_used)] // a test may panic, and so may what it builds upon

use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::orientation::Orientation;
use voxprep_core::provenance::hash_volume;
use voxprep_core::volume::{AxisKind, Channels, Header, Modality, Volume};
use voxprep_core::voxels::{ElementType, Voxel, Voxels};
use voxprep_view::colour::{ColourMap, NAN, Rgb, label_colour};
use voxprep_view::error::Error;
use voxprep_view::image::Image;
use voxprep_view::look::{
    Convention, Interpolation, Look, Origin, Overlay, OverlayMode, Scale, Window,
};
use voxprep_view::mosaic::{Grid, mosaic, mosaic_values};
use voxprep_view::pane::{Letters, Pane, Plane, Slice};
use voxprep_view::picture::Picture;
use voxprep_view::slices::{Shown, mid_rows, mid_slices, slices_in_row};

fn volume<T: Voxel>(geometry: Geometry, values: Vec<T>) -> Volume {
    let size = geometry.size();
    Volume::new(geometry, Voxels::new(1, size, values.into()).unwrap()).unwrap()
}

fn grid(size: [usize; 3], spacing: [f64; 3]) -> Geometry {
    Geometry::aligned(size, spacing, [0.0; 3]).unwrap()
}

/// A volume of 0 with one voxel of 100.
fn marked(geometry: Geometry, [x, y, z]: [usize; 3]) -> Volume {
    let [nx, ny, _] = geometry.size();
    let mut values = vec![0_i16; geometry.voxels()];
    values[x + nx * (y + ny * z)] = 100;
    volume(geometry, values)
}

/// A pixel per mm, 0 black and 100 white, voxels as they are.
fn plain() -> Look {
    Look {
        window: Window::Range {
            low: 0.0,
            high: 100.0,
        },
        scale: Scale::MmPerPixel(1.0),
        interpolation: Interpolation::Nearest,
        ..Look::default()
    }
}

fn pixels(picture: &Picture, pane: &Pane) -> Picture {
    picture.part(pane.x, pane.y, pane.width, pane.height)
}

/// Columns and rows of the white pixels of a pane, counted from its corner.
fn white(picture: &Picture, pane: &Pane) -> Vec<(usize, usize)> {
    let part = pixels(picture, pane);
    let all = (0..pane.height).flat_map(|y| (0..pane.width).map(move |x| (x, y)));
    all.filter(|(x, y)| part.get(*x, *y) == Some([255; 3]))
        .collect()
}

fn letters(pane: &Pane) -> String {
    let Letters {
        left,
        top,
        right,
        bottom,
    } = pane.letters.unwrap();
    [left, top, right, bottom].iter().collect()
}

/// VIS-01: shape (5, 6, 7) uses index (2, 2, 3), and a marker there is in all three panes at the
/// predicted pixel.
#[test]
fn the_three_slices_in_the_middle_show_the_voxel_in_the_middle() {
    // LPS+, a voxel is a pixel: x runs to the left of the patient, which is right in the picture.
    let scan = marked(grid([5, 6, 7], [1.0; 3]), [2, 2, 3]);
    let shown = mid_slices(&Image::new(&scan), &plain()).unwrap();
    let slices: Vec<_> = shown.panes.iter().map(|p| (p.slice, p.axis)).collect();
    let slice = |plane, index| Slice { plane, index };
    let expected = [
        (slice(Plane::Sagittal, 2), 0),
        (slice(Plane::Coronal, 2), 1),
        (slice(Plane::Axial, 3), 2),
    ];
    assert_eq!(slices, expected);
    assert!(shown.panes.windows(2).all(|pair| pair[0].x < pair[1].x));
    let sizes: Vec<_> = shown.panes.iter().map(|p| (p.width, p.height)).collect();
    assert_eq!(sizes, [(6, 7), (5, 7), (5, 6)]);
    // Across y = 2, down from z = 6; across x = 2; down from y = 0, which is anterior.
    let places: Vec<_> = shown
        .panes
        .iter()
        .map(|pane| white(&shown.picture, pane))
        .collect();
    assert_eq!(places, [vec![(2, 3)], vec![(2, 3)], vec![(2, 2)]]);
    let letters: Vec<_> = shown.panes.iter().map(letters).collect();
    assert_eq!(letters, ["ASPI", "RSLI", "RALP"]);
}

#[test]
fn mm_are_as_long_across_as_down() {
    // 4 x 6 mm across, 9 mm down, 1.5 mm per pixel: 2.67, 4 and 6 pixels
    let scan = marked(grid([8, 3, 3], [0.5, 2.0, 3.0]), [4, 1, 1]);
    let look = Look {
        scale: Scale::MmPerPixel(1.5),
        ..plain()
    };
    let shown = mid_slices(&Image::new(&scan), &look).unwrap();
    let sizes: Vec<_> = shown.panes.iter().map(|p| (p.width, p.height)).collect();
    assert_eq!(sizes, [(4, 6), (3, 6), (3, 4)]);
    // 0.25 mm per pixel: the voxel of 2 x 3 mm has 8 x 12 pixels, behind 8 and below 12.
    let look = Look {
        scale: Scale::MmPerPixel(0.25),
        ..plain()
    };
    let slice = Slice {
        plane: Plane::Sagittal,
        index: 4,
    };
    let shown = slices_in_row(&Image::new(&scan), &[slice], &look).unwrap();
    let places = white(&shown.picture, &shown.panes[0]);
    assert_eq!(places.len(), 96);
    assert_eq!((places[0], places[95]), ((8, 12), (15, 23)));
}

/// The voxels of an LPS volume stored in another order.
fn stored_as(code: Orientation, scan: &Volume) -> Volume {
    let to = scan.geometry().reoriented(code);
    let old_from_new = scan.geometry().index_from_world() * to.world_from_index();
    let [nx, ny, nz] = to.size();
    let mut values = Vec::new();
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let old = old_from_new.apply([x, y, z].map(|i| i as f64));
                let old = old.map(|v| v.round() as usize);
                values.push(scan.voxels().get(0, old).unwrap() as i16);
            }
        }
    }
    volume(to, values)
}

/// IO-16: the picture does not depend on the order of storage, for all 48.
#[test]
fn the_same_head_in_48_orders_of_storage_is_the_same_picture() {
    // Odd sizes: the middle is the middle from both ends. Tilted, so that nothing is exact.
    let tilt = [[0.9, -0.1, 0.05], [0.12, 1.4, -0.2], [0.0, 0.25, 2.1]];
    let place = Affine::from_parts(tilt, [-20.0, 10.0, 5.0]);
    let geometry = Geometry::new([7, 9, 5], place).unwrap();
    assert_eq!(geometry.orientation(), Orientation::LPS);
    let values = (0..315_i32).map(|i| (i * 7919 % 101) as i16).collect();
    let scan = volume(geometry, values);
    let look = Look {
        scale: Scale::MmPerPixel(0.3),
        ..Look::default()
    };
    let shown = |volume: &Volume| {
        let shown = mid_slices(&Image::new(volume), &look).unwrap();
        let panes = shown.panes.iter().map(|p| pixels(&shown.picture, p));
        let letters: Vec<_> = shown.panes.iter().map(letters).collect();
        (panes.collect::<Vec<_>>(), letters)
    };
    let expected = shown(&scan);
    assert_eq!(expected.1, ["ASPI", "RSLI", "RALP"]);
    let mut codes = 0;
    for code in Orientation::all() {
        let stored = stored_as(code, &scan);
        assert_eq!(stored.geometry().orientation(), code);
        assert!(shown(&stored) == expected, "{code}");
        codes += 1;
    }
    assert_eq!(codes, 48);
}

/// IO-16: a voxel further along an index axis is drawn towards the letter that the affine says.
#[test]
fn letters_agree_with_the_affine_for_all_48_codes() {
    let mut checked = 0;
    for code in Orientation::all() {
        // Sizes by index axis; the world axis i has the spacing of column i of LPS.
        let geometry = grid([9, 9, 9], [1.0; 3]).reoriented(code);
        for convention in [Convention::Radiological, Convention::Neurological] {
            for origin in [Origin::Upper, Origin::Lower] {
                let look = Look {
                    convention,
                    origin,
                    ..plain()
                };
                let place = |index: [usize; 3], plane: Plane| {
                    let scan = marked(geometry.clone(), index);
                    let normal = (0..3).find(|axis| {
                        let (world, _) = code.axes()[*axis];
                        world
                            == match plane {
                                Plane::Sagittal => 0,
                                Plane::Coronal => 1,
                                _ => 2,
                            }
                    });
                    let slice = Slice {
                        plane,
                        index: index[normal.unwrap()],
                    };
                    let shown = slices_in_row(&Image::new(&scan), &[slice], &look).unwrap();
                    let pane = shown.panes[0].clone();
                    (white(&shown.picture, &pane)[0], pane)
                };
                for plane in Plane::ANATOMICAL {
                    let ((x0, y0), pane) = place([3, 4, 5], plane);
                    let Letters {
                        left,
                        right,
                        top,
                        bottom,
                    } = pane.letters.unwrap();
                    for axis in 0..3 {
                        let mut index = [3, 4, 5];
                        index[axis] += 1;
                        let ((x, y), _) = place(index, plane);
                        // nibabel's axcodes: letter i is where index i increases to
                        let towards = code.to_string().chars().nth(axis).unwrap();
                        let drawn = match (x as i64 - x0 as i64, y as i64 - y0 as i64) {
                            (1, 0) => right,
                            (-1, 0) => left,
                            (0, -1) => top,
                            (0, 1) => bottom,
                            (0, 0) if axis == pane.axis => continue,
                            other => panic!("{code} {plane}: {other:?}"),
                        };
                        assert_eq!(drawn, towards, "{code} {plane} {convention} {origin}");
                        checked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(checked, 48 * 2 * 2 * 3 * 2);
}

fn scan() -> Volume {
    let values = (0..210_i32).map(|i| (i * 37 % 101) as i16).collect();
    volume(grid([5, 6, 7], [1.0; 3]), values)
}

/// VIS-04: origin lower is the row-reverse of upper, neurological the column-reverse of
/// radiological; the caption says which.
#[test]
fn both_conventions_mirror_the_panes_and_say_so() {
    let scan = scan();
    let shown = |convention, origin| {
        let look = Look {
            convention,
            origin,
            ..plain()
        };
        mid_slices(&Image::new(&scan), &look).unwrap()
    };
    let usual = shown(Convention::Radiological, Origin::Upper);
    let lower = shown(Convention::Radiological, Origin::Lower);
    let mirrored = shown(Convention::Neurological, Origin::Upper);
    for (i, pane) in usual.panes.iter().enumerate() {
        let expected = pixels(&usual.picture, pane);
        let rows = pixels(&lower.picture, &lower.panes[i]);
        let columns = pixels(&mirrored.picture, &mirrored.panes[i]);
        assert_eq!(rows, expected.with_rows_reversed());
        assert_eq!(columns, expected.with_columns_reversed());
        assert_ne!(rows, expected);
        assert_ne!(columns, expected);
    }
    assert_eq!(letters(&lower.panes[2]), "RPLA");
    assert_eq!(letters(&mirrored.panes[2]), "LARP");
    assert!(usual.caption.contains("radiological, origin upper"));
    assert!(lower.caption.contains("origin lower"));
    assert!(mirrored.caption.contains("neurological"));
}

/// VIS-05: alpha 0 is the plain image, to the byte; a label has its colour wherever it is.
#[test]
fn labels_are_laid_over_the_image_in_their_own_colours() {
    let scan = scan();
    // Labels 2 and 20 side by side in the slice z = 3, where y is 1 to 4.
    let mut values = vec![0_u8; 210];
    for y in 1..5 {
        for x in 0..5 {
            values[x + 5 * (y + 6 * 3)] = if x < 3 { 2 } else { 20 };
        }
    }
    let labels = volume(grid([5, 6, 7], [1.0; 3]), values)
        .into_labels()
        .unwrap();
    let slice = Slice {
        plane: Plane::Axial,
        index: 3,
    };
    let shown = |alpha, mode, with: bool| {
        let mut image = Image::new(&scan);
        if with {
            image = image.with_labels(&labels).unwrap();
        }
        let look = Look {
            overlay: Overlay { alpha, mode },
            ..plain()
        };
        slices_in_row(&image, &[slice], &look).unwrap()
    };
    let png = |shown: &Shown| shown.picture.png().unwrap();
    let bare = shown(1.0, OverlayMode::Fill, false);
    for mode in [OverlayMode::Fill, OverlayMode::Contour] {
        assert_eq!(png(&shown(0.0, mode, true)), png(&bare));
    }
    let of = |shown: &Shown| pixels(&shown.picture, &shown.panes[0]);
    let (plain, full) = (of(&bare), of(&shown(1.0, OverlayMode::Fill, true)));
    let row =
        |picture: &Picture, y| -> Vec<Rgb> { (0..5).map(|x| picture.get(x, y).unwrap()).collect() };
    let (two, twenty) = (label_colour(2), label_colour(20));
    assert_eq!(row(&full, 0), row(&plain, 0));
    assert_eq!(row(&full, 1), [two, two, two, twenty, twenty]);
    let outline = of(&shown(1.0, OverlayMode::Contour, true));
    assert_eq!(row(&outline, 1), [two, two, two, twenty, twenty]);
    let inside = row(&plain, 2);
    // The edge of the picture is no edge of a label.
    let expected = [inside[0], inside[1], two, twenty, inside[4]];
    assert_eq!(row(&outline, 2), expected);
    let half = of(&shown(0.5, OverlayMode::Fill, true));
    let grey = u32::from(plain.get(0, 2).unwrap()[0]);
    let mixed = two.map(|c| (grey + u32::from(c)).div_ceil(2) as u8);
    assert_eq!(half.get(0, 2), Some(mixed));
    let other = volume(grid([5, 6, 8], [1.0; 3]), vec![1_u8; 240]);
    let other = other.into_labels().unwrap();
    let error = Image::new(&scan).with_labels(&other);
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("grid") && message.contains("spatial.like"),
        "{message}"
    );
    assert!(Image::new(&scan).with_labels(&scan).is_err());
    let wrong = Look {
        overlay: Overlay {
            alpha: 1.5,
            mode: OverlayMode::Fill,
        },
        ..Look::default()
    };
    assert!(mid_slices(&Image::new(&scan), &wrong).is_err());
}

#[test]
fn a_label_map_alone_is_drawn_in_the_colours_of_its_labels() {
    let labels = marked(grid([5, 6, 7], [1.0; 3]), [2, 2, 3])
        .into_labels()
        .unwrap();
    let shown = mid_slices(&Image::new(&labels), &Look::default()).unwrap();
    assert_eq!(shown.limits, [None]);
    for pane in &shown.panes {
        let pixels = pixels(&shown.picture, pane);
        let mut colours = pixels.pixels().to_vec();
        colours.sort_unstable();
        colours.dedup();
        let mut expected = vec![[0; 3], label_colour(100)];
        expected.sort_unstable();
        assert_eq!(colours, expected);
    }
}

/// VIS-06: the window changes the picture, never the data.
#[test]
fn the_window_is_display_only() {
    let scan = scan();
    let before = hash_volume(&scan);
    let shown = |window, colour_map| {
        let look = Look {
            window,
            colour_map,
            ..plain()
        };
        let shown = mid_slices(&Image::new(&scan), &look).unwrap();
        pixels(&shown.picture, &shown.panes[2])
    };
    let wide = Window::Level {
        level: 50.0,
        width: 100.0,
    };
    // Voxel [0, 0, 3] is 90 * 37 % 101 = 98, [1, 0, 3] 34.
    let grey = shown(wide, ColourMap::Grey);
    assert_eq!(
        [grey.get(0, 0), grey.get(1, 0)],
        [Some([250; 3]), Some([87; 3])]
    );
    let narrow = shown(
        Window::Range {
            low: 33.0,
            high: 37.0,
        },
        ColourMap::Viridis,
    );
    // A quarter of the way: entry 64 of the table; above the window the last one.
    assert_eq!(
        [narrow.get(0, 0), narrow.get(1, 0)],
        [Some([253, 231, 36]), Some([58, 82, 139])]
    );
    assert_eq!(hash_volume(&scan), before);
}

#[test]
fn nan_has_its_own_colour_and_a_constant_volume_is_black() {
    let mut values = vec![5.0_f32; 27];
    values[13] = f32::NAN;
    values[12] = f32::INFINITY;
    let wild = volume(grid([3, 3, 3], [1.0; 3]), values);
    let axial = Slice {
        plane: Plane::Axial,
        index: 1,
    };
    let look = Look {
        scale: Scale::MmPerPixel(1.0),
        ..Look::default()
    };
    let shown = slices_in_row(&Image::new(&wild), &[axial], &look).unwrap();
    let pane = pixels(&shown.picture, &shown.panes[0]);
    let row: Vec<_> = (0..3).map(|x| pane.get(x, 1).unwrap()).collect();
    assert_eq!(row, [[255; 3], NAN, [0; 3]]);
}

/// VIS-07: 31 slices, ten in a row, make four rows; axis 1 of (31, 736, 736) has 736 tiles.
#[test]
fn a_mosaic_has_all_slices_row_by_row() {
    let size = [4, 5, 31];
    let values: Vec<u8> = (0..31).flat_map(|z| vec![z; 20]).collect();
    let scan = volume(grid(size, [1.0; 3]), values);
    let look = Look {
        captions: false,
        letters: false,
        ..plain()
    };
    let grid_of = Grid::new(Plane::Axial).with_per_row(10);
    let shown = mosaic(&[Image::new(&scan)], grid_of, &look).unwrap();
    assert_eq!((shown.rows, shown.per_row, shown.tiles.len()), (4, 10, 31));
    // 16 + ten tiles of 4 + nine gaps of 2 + 16; four of 5 and three gaps
    assert_eq!((shown.picture.width(), shown.picture.height()), (90, 58));
    let last = &shown.tiles[30].pane;
    assert_eq!((last.slice.index, last.x, last.y), (30, 16, 16 + 3 * 7));
    // 30 of 100 is 76.5 of 255
    assert_eq!(shown.picture.get(last.x, last.y), Some([77; 3]));
    assert_eq!(shown.picture.get(last.x + 6, last.y), Some([0; 3]));
    let values = mosaic_values(&[Image::new(&scan)], grid_of).unwrap();
    assert_eq!(values.dim(), (20, 40));
    assert_eq!(values[[5, 4]], 11.0);
    assert!(values[[15, 4]].is_nan());
    // Coronal and sagittal slices keep their mm: 31 slices of 1 mm are 31 pixels high.
    let tall = mosaic(&[Image::new(&scan)], Grid::new(Plane::Coronal), &look).unwrap();
    assert_eq!(tall.tiles.len(), 5);
    assert_eq!(
        (tall.tiles[0].pane.width, tall.tiles[0].pane.height),
        (4, 31)
    );
    let size = [736, 736, 31];
    let scan = volume(grid(size, [1.0; 3]), vec![0_u8; 736 * 736 * 31]);
    let all = Grid::new(Plane::Coronal).with_per_row(10);
    let shown = mosaic(&[Image::new(&scan)], all, &Look::default()).unwrap();
    assert_eq!((shown.tiles.len(), shown.rows), (736, 74));
}

/// VIS-08: two volumes in one mosaic.
#[test]
fn a_mosaic_of_two_volumes_begins_the_second_after_the_first() {
    let two = [1_u8, 2].map(|v| {
        let values = (0..31).flat_map(|z| vec![v * 100 + z; 4]).collect();
        volume(grid([2, 2, 31], [1.0; 3]), values)
    });
    let images = two.each_ref().map(Image::new);
    let grid_of = Grid::new(Plane::Axial).with_per_row(31);
    let values = mosaic_values(&images, grid_of).unwrap();
    assert_eq!(values.dim(), (4, 62));
    assert_eq!([values[[0, 0]], values[[2, 0]]], [100.0, 200.0]);
    let shown = mosaic(&images, grid_of, &plain()).unwrap();
    assert_eq!((shown.rows, shown.tiles.len()), (2, 62));
    let tile = &shown.tiles[31];
    assert_eq!((tile.image, tile.pane.slice.index), (1, 0));
}

#[test]
fn a_mosaic_beyond_the_limit_is_refused_before_it_is_drawn() {
    let scan = scan();
    let look = Look {
        scale: Scale::MmPerPixel(0.001),
        ..plain()
    };
    let grid = Grid::new(Plane::Axial);
    let error = mosaic(&[Image::new(&scan)], grid, &look).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(matches!(
        mid_slices(&Image::new(&scan), &look).unwrap_err(),
        Error::TooLarge { .. }
    ));
    assert!(mosaic(&[Image::new(&scan)], grid.with_per_row(0), &plain()).is_err());
    assert!(mosaic(&[], grid, &plain()).is_err());
}

#[test]
fn mosaics_run_from_feet_to_head_whatever_the_order_of_storage() {
    let values: Vec<u8> = (0..3).flat_map(|z| vec![z * 40; 4]).collect();
    let up = volume(grid([2, 2, 3], [1.0; 3]), values);
    let down = stored_as("LPI".parse().unwrap(), &up);
    let of = |volume: &Volume| {
        let values = mosaic_values(
            &[Image::new(volume)],
            Grid::new(Plane::Axial).with_per_row(9),
        );
        values.unwrap().row(0).to_vec()
    };
    assert_eq!(of(&up), [0.0, 0.0, 40.0, 40.0, 80.0, 80.0]);
    assert_eq!(of(&up), of(&down));
    assert_eq!(Plane::Axial.order(down.geometry()), [2, 1, 0]);
}

fn channels(axis: AxisKind, size: [usize; 3], values: Vec<u8>) -> Volume {
    let names = ["red", "green", "blue"].map(str::to_owned).to_vec();
    let mut header = Header::new(grid(size, [1.0; 3]), ElementType::U8);
    header.channels = Channels::named(axis, names);
    Volume::with_header(header, Voxels::new(3, size, values.into()).unwrap()).unwrap()
}

#[test]
fn colours_are_shown_as_colours_and_a_channel_as_grey() {
    let picture = channels(AxisKind::Colour, [2, 1, 1], vec![255, 10, 0, 20, 0, 30]);
    let look = Look {
        scale: Scale::MmPerPixel(1.0),
        ..Look::default()
    };
    let row = |image: &Image<'_>, look: &Look| {
        let shown = mid_slices(image, look).unwrap();
        let pane = pixels(&shown.picture, &shown.panes[0]);
        (pane.pixels().to_vec(), shown.caption)
    };
    let (colours, caption) = row(&Image::new(&picture), &look);
    assert_eq!(colours, [[255, 0, 0], [10, 20, 30]]);
    assert!(!caption.contains("channel"));
    let green = Image::new(&picture).with_channel(1).unwrap();
    let (greys, caption) = row(&green, &plain());
    assert_eq!(greys, [[0; 3], [51; 3]]);
    assert!(caption.contains("channel 1 (green)"), "{caption}");
    let windows = channels(AxisKind::Window, [2, 1, 1], vec![255, 10, 0, 20, 0, 30]);
    let (greys, caption) = row(&Image::new(&windows), &plain());
    assert_eq!(greys, [[255; 3], [26; 3]]);
    assert!(caption.contains("channel 0 (red)"), "{caption}");
    assert!(Image::new(&picture).with_channel(3).is_err());
}

#[test]
fn a_radiograph_is_one_pane_as_stored() {
    let scan = volume(grid([6, 4, 1], [0.5, 1.0, 1.0]), (0..24_u8).collect());
    let shown = mid_slices(&Image::new(&scan), &Look::default()).unwrap();
    assert_eq!(shown.panes.len(), 1);
    let radiograph = scan.with_modality(Modality::Xray);
    let look = Look {
        scale: Scale::MmPerPixel(0.5),
        window: Window::Range {
            low: 0.0,
            high: 255.0,
        },
        interpolation: Interpolation::Nearest,
        ..Look::default()
    };
    let shown = mid_slices(&Image::new(&radiograph), &look).unwrap();
    let pane = &shown.panes[0];
    // 3 x 4 mm; no letters, for the detector has no anatomical axes
    assert_eq!((pane.width, pane.height, pane.letters), (6, 8, None));
    let part = pixels(&shown.picture, pane);
    assert_eq!(part.get(0, 0), Some([0; 3]));
    assert_eq!(part.get(5, 0), Some([5; 3]));
    assert_eq!(part.get(0, 7), Some([18; 3]));
}

#[test]
fn rows_of_several_volumes_have_one_scale() {
    let fine = scan();
    let coarse = volume(grid([5, 6, 7], [2.0; 3]), vec![1_u8; 210]);
    let images = [
        Image::new(&fine).with_title("fine"),
        Image::new(&coarse).with_title("coarse"),
    ];
    let shown = mid_rows(&images, &Look::default()).unwrap();
    assert_eq!(shown.panes.len(), 6);
    let mm: Vec<f64> = shown.panes.iter().map(|pane| pane.mm_per_pixel).collect();
    assert!(mm.iter().all(|v| *v == mm[0]), "{mm:?}");
    assert_eq!(shown.panes[3].width, 2 * shown.panes[0].width);
    assert!(shown.panes[3].y > shown.panes[0].y + shown.panes[0].height);
    assert!(shown.caption.contains("fine: sagittal") && shown.caption.contains("; coarse: "));
}

/// The same bytes for any number of threads, and on every machine: the hash is of the file.
#[test]
fn the_bytes_of_a_picture_never_change() {
    let scan = scan();
    let image = Image::new(&scan).with_title("The same bytes: 100 %");
    let png = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let shown = mid_slices(&image, &Look::default()).unwrap();
            let all = mosaic(
                std::slice::from_ref(&image),
                Grid::new(Plane::Axial),
                &Look::default(),
            );
            [shown.picture, all.unwrap().picture].map(|picture| picture.png().unwrap())
        })
    };
    let files = png(1);
    assert_eq!(files, png(2));
    assert_eq!(files, png(3));
    let hash = |bytes: &[u8]| {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv)
    };
    assert_eq!(
        files.map(|file| hash(&file)),
        [16_182_850_586_945_959_312, 5_522_588_818_941_890_922]
    );
}
