//! Equalisation by hand, against a plain reading of its definition, and at the edges.

use super::*;
use ndarray::{Array3, s};
use proptest::prelude::*;

fn options(tiles: [usize; 3], clip_limit: f64) -> Clahe {
    Clahe {
        tiles: Tiles::Count(tiles),
        clip_limit,
        scale: Scale::Type,
        extent: Extent::Slices,
    }
}

fn equalised<T: Element>(source: &Array3<T>, options: &Clahe) -> Array3<T> {
    let mut out = Array3::from_elem(source.dim(), T::default());
    clahe(source.view(), options, out.view_mut()).unwrap();
    out
}

/// Values that differ from tile to tile, with noise.
fn texture<T: Element>(shape: (usize, usize, usize), largest: f64) -> Array3<T> {
    Array3::from_shape_fn(shape, |(z, y, x)| {
        let noise = (z * 7919 + y * 104_729 + x * 1_299_709) % 1009;
        let slope = (x * x + 3 * y + 5 * z) as f64 / (shape.2 * shape.2 + 3 * shape.1) as f64;
        T::from_f64((0.6 * slope + 0.4 * noise as f64 / 1009.0).min(1.0) * largest)
    })
}

/// The plain definition for one slice of bytes or shorts: every bin of every tile, every pixel for
/// itself.
fn defined(source: &Array3<u16>, bins: usize, [tx, ty]: [usize; 2], clip: f64) -> Array3<u16> {
    let (_, height, width) = source.dim();
    let pad = !width.is_multiple_of(tx) || !height.is_multiple_of(ty);
    let padded = |n: usize, t: usize| if pad { n + t - n % t } else { n };
    let (tile_w, tile_h) = (padded(width, tx) / tx, padded(height, ty) / ty);
    let back = |i: usize, n: usize| if i < n { i } else { 2 * (n - 1) - i };
    let area = tile_w * tile_h;
    let mut tables = vec![vec![0_u16; bins]; tx * ty];
    for (tile, table) in tables.iter_mut().enumerate() {
        let (x0, y0) = (tile % tx * tile_w, tile / tx * tile_h);
        let mut counts = vec![0_usize; bins];
        for y in y0..y0 + tile_h {
            for x in x0..x0 + tile_w {
                counts[usize::from(source[[0, back(y, height), back(x, width)]])] += 1;
            }
        }
        if clip > 0.0 {
            let limit = ((clip * area as f64 / bins as f64) as usize).max(1);
            let excess: usize = counts.iter().map(|n| n.saturating_sub(limit)).sum();
            counts
                .iter_mut()
                .for_each(|n| *n = limit.min(*n) + excess / bins);
            let rest = excess % bins;
            let step = bins.checked_div(rest).unwrap_or(1);
            counts
                .iter_mut()
                .step_by(step)
                .take(rest)
                .for_each(|n| *n += 1);
        }
        let mut sum = 0;
        for (entry, n) in table.iter_mut().zip(counts) {
            sum += n;
            *entry = (sum as f32 * ((bins - 1) as f32 / area as f32)).round_ties_even() as u16;
        }
    }
    let between = |i: usize, size: usize, count: usize| {
        let at = i as f32 * (1.0 / size as f32) - 0.5;
        let low = at.floor() as i64;
        let high = ((low + 1) as usize).min(count - 1);
        (low.max(0) as usize, high, at - at.floor())
    };
    Array3::from_shape_fn(source.dim(), |(_, y, x)| {
        let (left, right, a) = between(x, tile_w, tx);
        let (top, bottom, b) = between(y, tile_h, ty);
        let v = usize::from(source[[0, y, x]]);
        let at = |row: usize, column: usize| f32::from(tables[row * tx + column][v]);
        let upper = at(top, left) * (1.0 - a) + at(top, right) * a;
        let lower = at(bottom, left) * (1.0 - a) + at(bottom, right) * a;
        (upper * (1.0 - b) + lower * b).round_ties_even() as u16
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// XR-02
    #[test]
    fn bytes_and_shorts_follow_the_definition(
        size in [9_usize..60, 9_usize..60],
        tiles in [1_usize..9, 1_usize..9],
        clip in prop::sample::select(vec![0.0, 0.01, 1.0, 2.0, 3.7, 40.0]),
        seed in 0_usize..1000,
    ) {
        let shape = (1, size[1], size[0]);
        let source = Array3::from_shape_fn(shape, |(_, y, x)| {
            ((x * 37 + y * 91 + seed * (1 + x * y % 7)) % 251) as u16
        });
        let options = options([tiles[0], tiles[1], 1], clip);
        let bytes = equalised(&source.mapv(|v| v as u8), &options).mapv(u16::from);
        prop_assert_eq!(bytes, defined(&source, 256, tiles, clip));
        let shorts = source.mapv(|v| v * 200 + 3000);
        let expected = defined(&shorts, 1 << 16, tiles, clip);
        prop_assert_eq!(&equalised(&shorts, &options), &expected);
        let signed = equalised(&shorts.mapv(|v| (i32::from(v) - 32_768) as i16), &options);
        prop_assert_eq!(signed.mapv(|v| (i32::from(v) + 32_768) as u16), expected);
    }
}

/// One tile, not limited: each value becomes its share of the pixels that are not larger.
#[test]
fn one_tile_is_plain_equalisation() {
    let source =
        Array3::from_shape_vec((1, 2, 4), vec![10_u8, 10, 20, 30, 40, 40, 40, 200]).unwrap();
    let out = equalised(&source, &options([1, 1, 1], 0.0));
    // 2, 2, 3, 4, 7, 7, 7, 8 of 8, times 255, rounded half to even
    let expected = [64, 64, 96, 128, 223, 223, 223, 255];
    assert_eq!(out.into_raw_vec_and_offset().0, expected);
}

/// What is cut off goes to every bin, and the rest to the first, at equal distances.
#[test]
fn the_limit_cuts_peaks_and_spreads_what_it_cut() {
    // 512 pixels: 511 of 7, one of 9. The limit is 2 * 512 / 256 = 4; 507 are cut off: one for
    // every bin, and one for each of the first 251.
    let mut source = Array3::from_elem((1, 16, 32), 7_u8);
    source[[0, 0, 0]] = 9;
    let out = equalised(&source, &options([1, 1, 1], 2.0));
    // bins 0 to 6 hold 2 each, bin 7 holds 6: 20 of 512; bins 8 and 9 hold 2 and 3: 25
    let at = |count: f32| (count * (255.0 / 512.0)).round_ties_even() as u8;
    assert_eq!((out[[0, 1, 1]], out[[0, 0, 0]]), (at(20.0), at(25.0)));
    assert_eq!((at(20.0), at(25.0)), (10, 12));
}

/// XR-03, B-11: 4096 levels of a ramp are not cast to 256.
#[test]
fn a_ramp_of_4096_levels_keeps_most_of_them() {
    let ramp = Array3::from_shape_fn((1, 64, 4096), |(_, _, x)| x as u16);
    let distinct = |a: &Array3<u16>| {
        let mut values: Vec<u16> = a.iter().copied().collect();
        values.sort_unstable();
        values.dedup();
        values.len()
    };
    // OpenCV keeps 2670 too
    assert_eq!(distinct(&equalised(&ramp, &options([8, 8, 1], 2.0))), 2670);
    let range = Clahe {
        scale: Scale::Range {
            low: 0.0,
            high: 4095.0,
            bins: 4096,
        },
        ..options([8, 8, 1], 2.0)
    };
    let out = equalised(&ramp, &range);
    assert!(distinct(&out) > 2000);
    assert!(out.iter().all(|v| *v <= 4095));
}

/// XR-02: what jumps lies within tiles as much as between them.
#[test]
fn there_are_no_seams_between_tiles() {
    let smooth = Array3::from_shape_fn((1, 256, 256), |(_, y, x)| {
        ((x as f64 * 0.021).sin() + (y as f64 * 0.017).cos()) as f32
    });
    let options = Clahe {
        scale: Scale::Range {
            low: -2.0,
            high: 2.0,
            bins: 65_536,
        },
        ..options([8, 8, 1], 3.0)
    };
    let out = equalised(&smooth, &options);
    let step = |x: usize| {
        let columns = (0..256).map(|y| (out[[0, y, x]] - out[[0, y, x - 1]]).abs());
        columns.fold(0.0, f32::max)
    };
    let edges = (1..8).map(|tile| step(tile * 32)).fold(0.0, f32::max);
    let inside = (1..256)
        .filter(|x| x % 32 != 0)
        .map(step)
        .fold(0.0, f32::max);
    assert!(
        edges > 0.0 && edges <= inside,
        "{edges} at edges, {inside} inside"
    );
}

/// XR-06
#[test]
fn slices_are_equalised_as_if_each_were_alone() {
    let volume = texture::<u16>((5, 41, 37), 4000.0);
    let options = options([4, 4, 1], 2.0);
    let together = equalised(&volume, &options);
    for z in 0..5 {
        let slice = volume.slice(s![z..z + 1, .., ..]).to_owned();
        assert_eq!(
            equalised(&slice, &options),
            together.slice(s![z..z + 1, .., ..])
        );
    }
}

/// XR-06: three dimensions with one slice are two dimensions.
#[test]
fn a_volume_of_one_slice_is_the_slice() {
    fn check<T: Element>(scale: Scale) {
        let slice = texture::<T>((1, 61, 45), 250.0);
        let flat = Clahe {
            scale,
            ..options([5, 4, 3], 2.0)
        };
        let volume = Clahe {
            extent: Extent::Volume,
            ..flat
        };
        assert_eq!(equalised(&slice, &flat), equalised(&slice, &volume));
    }
    let range = Scale::Range {
        low: 0.0,
        high: 250.0,
        bins: 256,
    };
    check::<u8>(Scale::Type);
    check::<u16>(Scale::Type);
    check::<f32>(range);
    check::<i32>(range);
}

/// XR-06: a volume that is alike along z is, in one tile along z, its slice.
#[test]
fn a_volume_alike_along_z_is_its_slice() {
    let slice = texture::<u8>((1, 48, 40), 255.0);
    let volume = slice.broadcast((6, 48, 40)).unwrap().to_owned();
    let options = Clahe {
        tiles: Tiles::Count([4, 4, 2]),
        extent: Extent::Volume,
        ..options([4, 4, 1], 0.0)
    };
    let out = equalised(&volume, &options);
    let flat = equalised(&slice, &self::options([4, 4, 1], 0.0));
    for plane in out.outer_iter() {
        assert_eq!(plane, flat.index_axis(ndarray::Axis(0), 0));
    }
}

/// A tile in three dimensions by hand: two boxes, and voxels at, between and beyond their centres.
#[test]
fn boxes_are_interpolated_along_z() {
    // below, 0 of [0, 1] is the lowest of two values; above, 1 is the only one: 1 of 1
    let source = Array3::from_shape_fn(
        (4, 1, 2),
        |(z, _, x)| if z < 2 && x == 0 { 0.0_f32 } else { 1.0 },
    );
    let options = Clahe {
        tiles: Tiles::Count([1, 1, 2]),
        clip_limit: 0.0,
        scale: Scale::Range {
            low: 0.0,
            high: 1.0,
            bins: 2,
        },
        extent: Extent::Volume,
    };
    let mut probe = source.clone();
    // table below: 0 -> 1/2, 1 -> 1; table above: 0 -> 0, 1 -> 1
    clahe(source.view(), &options, probe.view_mut()).unwrap();
    let column: Vec<f32> = (0..4).map(|z| probe[[z, 0, 0]]).collect();
    // z = 0 lies before the first centre (z = 1 in steps of 2), z = 1 on it
    assert_eq!(column, [0.5, 0.5, 1.0, 1.0]);
    let mut other = source.clone();
    other[[2, 0, 0]] = 0.0;
    // the table above becomes 0 -> 1/4, 1 -> 1; z = 2 is half way between 1/2 and 1/4
    clahe(other.view(), &options, probe.view_mut()).unwrap();
    assert_eq!(probe[[2, 0, 0]], 0.375);
}

#[test]
fn tiles_may_be_given_by_their_size() {
    let image = texture::<u8>((1, 64, 96), 255.0);
    let by_size = Clahe {
        tiles: Tiles::Size([12, 8, 1]),
        ..options([1, 1, 1], 2.0)
    };
    assert_eq!(
        equalised(&image, &by_size),
        equalised(&image, &options([8, 8, 1], 2.0))
    );
}

#[test]
fn one_value_is_left_as_it_is_and_counted() {
    let mut volume = texture::<u16>((3, 20, 20), 4000.0);
    volume.slice_mut(s![1, .., ..]).fill(77);
    let mut out = Array3::zeros(volume.dim());
    let outcome = clahe(volume.view(), &options([8, 8, 1], 2.0), out.view_mut()).unwrap();
    assert_eq!(
        outcome,
        Outcome {
            tiles: [8, 8, 1],
            constant: 1
        }
    );
    assert!(out.slice(s![1, .., ..]).iter().all(|v| *v == 77));
    assert_ne!(out.slice(s![2, .., ..]), volume.slice(s![2, .., ..]));
}

#[test]
fn nan_stays_nan_and_changes_no_other_pixel() {
    let range = Clahe {
        scale: Scale::Range {
            low: 0.0,
            high: 100.0,
            bins: 1024,
        },
        ..options([4, 4, 1], 2.0)
    };
    // the same image, once with a border of NaN of whole tiles' width
    let inner = texture::<f32>((1, 40, 40), 100.0);
    let mut image = inner.clone();
    image.slice_mut(s![.., .., 0..10]).fill(f32::NAN);
    let out = equalised(&image, &range);
    for ((index, a), b) in out.indexed_iter().zip(&equalised(&inner, &range)) {
        assert_eq!(a.is_nan(), index.2 < 10);
        // beyond the centre of the second column of tiles the first has no say
        if index.2 >= 15 {
            assert_eq!(a, b);
        }
    }
    let all = Array3::from_elem((2, 9, 9), f64::NAN);
    let mut out = Array3::zeros(all.dim());
    let outcome = clahe(all.view(), &range, out.view_mut()).unwrap();
    assert!(outcome.constant == 2 && out.iter().all(|v: &f64| v.is_nan()));
}

/// XR-03: no bin stays empty because no integer falls into it.
#[test]
fn integers_of_a_range_follow_the_definition() {
    let image = texture::<u16>((1, 45, 61), 255.0);
    let range = |low, high| Clahe {
        scale: Scale::Range {
            low,
            high,
            bins: 4096,
        },
        ..options([3, 4, 1], 2.0)
    };
    let bytes = image.mapv(|v| v as u8);
    let whole = equalised(&bytes, &options([3, 4, 1], 2.0));
    assert_eq!(equalised(&bytes, &range(0.0, 255.0)), whole);
    assert_eq!(equalised(&bytes, &range(-1000.0, 400.0)), whole);
    // the 191 integers from 10 to 200
    let limited = image.mapv(|v| v.clamp(10, 200) - 10);
    let expected = defined(&limited, 191, [3, 4], 2.0).mapv(|v| v + 10);
    let range = range(9.5, 200.9);
    assert_eq!(equalised(&bytes, &range).mapv(u16::from), expected);
    assert_eq!(equalised(&image, &range), expected);
    let shorts = equalised(&image.mapv(|v| v as i16), &range);
    assert_eq!(shorts.mapv(|v| v as u16), expected);
    let ints = equalised(&image.mapv(i32::from), &range);
    assert_eq!(ints.mapv(|v| v as u16), expected);
    let data = Clahe {
        scale: Scale::Data { bins: 4096 },
        ..range
    };
    let ints = equalised(&limited.mapv(|v| i32::from(v) - 70_000), &data);
    assert_eq!(ints.mapv(|v| (v + 70_010) as u16), expected);
}

/// XR-06: without a range each slice spans its own.
#[test]
fn slices_have_the_range_of_their_own_values() {
    fn check<T: Element>() {
        let mut volume = texture::<T>((3, 41, 37), 4000.0);
        for (z, mut slice) in volume.outer_iter_mut().enumerate() {
            slice.mapv_inplace(|v| T::from_f64(v.to_f64() * (z + 1) as f64 - 100.0 * z as f64));
        }
        let options = Clahe {
            scale: Scale::Data { bins: 1024 },
            ..options([4, 4, 1], 2.0)
        };
        let together = equalised(&volume, &options);
        for (z, plane) in volume.outer_iter().enumerate() {
            let alone = equalised(&plane.to_owned().insert_axis(ndarray::Axis(0)), &options);
            assert_eq!(
                alone.index_axis(ndarray::Axis(0), 0),
                together.index_axis(ndarray::Axis(0), z)
            );
        }
    }
    check::<i16>();
    check::<i32>();
    check::<f32>();
    check::<f64>();
}

#[test]
fn one_value_within_the_range_is_counted_and_limited() {
    let mut volume = texture::<f32>((3, 9, 9), 100.0);
    volume
        .slice_mut(s![1, .., ..])
        .mapv_inplace(|v| -1024.0 + 0.14 * v);
    volume[[1, 0, 0]] = f32::NAN;
    let range = Clahe {
        scale: Scale::Range {
            low: -500.0,
            high: 400.0,
            bins: 4096,
        },
        ..options([2, 2, 1], 0.0)
    };
    let mut out = volume.clone();
    let outcome = clahe(volume.view(), &range, out.view_mut()).unwrap();
    assert_eq!(outcome.constant, 1);
    let slice = out.index_axis(ndarray::Axis(0), 1);
    assert!(slice[[0, 0]].is_nan() && slice.iter().skip(1).all(|v| *v == -500.0));
    let ints = volume.mapv(|v| if v.is_nan() { -1024 } else { v as i16 });
    let mut out = ints.clone();
    clahe(ints.view(), &range, out.view_mut()).unwrap();
    assert!(out.slice(s![1, .., ..]).iter().all(|v| *v == -500));
}

#[test]
fn ranges_that_the_type_cannot_compute_with_are_refused() {
    fn check<T: Element>(low: f64, high: f64, is_fine: bool) {
        let source = Array3::from_shape_fn((1, 3, 3), |(_, y, x)| {
            T::from_f64(low + (high - low) * (x + 3 * y) as f64 / 8.0)
        });
        let range = Clahe {
            scale: Scale::Range {
                low,
                high,
                bins: 4096,
            },
            ..options([2, 2, 1], 0.0)
        };
        let mut out = source.clone();
        let done = clahe(source.view(), &range, out.view_mut());
        if is_fine {
            assert!(done.unwrap().constant == 0 && out.iter().all(|v| v.to_f64().is_finite()));
        } else {
            assert_eq!(done, Err(Error::Range { low, high }));
        }
    }
    check::<u8>(0.0, 1e-40, false);
    check::<u8>(300.0, 400.0, false);
    check::<i32>(0.2, 1.8, false);
    check::<i16>(0.0, 1.0, true);
    check::<f32>(0.0, 1e-37, false);
    check::<f32>(-3e38, 3e38, false);
    check::<f32>(-1e38, 1e38, true);
    check::<f32>(16_777_216.0, 16_777_217.0, false);
    check::<f32>(16_777_216.0, 16_777_218.0, true);
    check::<f64>(-3e38, 3e38, true);
    check::<f64>(0.0, 1e-37, true);
    // values that close are not an error of whoever gave no range, but values that far apart are
    let data = Clahe {
        scale: Scale::Data { bins: 4096 },
        ..options([2, 2, 1], 0.0)
    };
    let mut source = texture::<f32>((1, 9, 9), 1e-37);
    let mut out = source.clone();
    let outcome = clahe(source.view(), &data, out.view_mut()).unwrap();
    assert!(outcome.constant == 1 && out == source);
    (source[[0, 0, 0]], source[[0, 0, 1]]) = (-3e38, 3e38);
    assert!(matches!(
        clahe(source.view(), &data, out.view_mut()),
        Err(Error::Range { .. })
    ));
    source[[0, 0, 0]] = f32::INFINITY;
    assert!(clahe(source.view(), &data, out.view_mut()).is_err());
}

#[test]
fn tables_of_more_than_a_gibibyte_are_refused() {
    fn check<T: Element>(side: usize, scale: Scale) {
        let mut source = Array3::from_elem((2, side, side), T::default());
        source.slice_mut(s![.., 0, 0]).fill(T::from_f64(65_535.0));
        let mut out = source.clone();
        let options = Clahe {
            tiles: Tiles::Size([1, 1, 1]),
            scale,
            ..options([1, 1, 1], 2.0)
        };
        let done = clahe(source.view(), &options, out.view_mut());
        let is_refused =
            matches!(done, Err(Error::Tables { tiles, .. }) if tiles == [side, side, 1]);
        assert!(is_refused, "{done:?}");
    }
    let bins = 65_536;
    let range = Scale::Range {
        low: 0.0,
        high: 65_535.0,
        bins,
    };
    // 128^2 * 65,536 * 2 = 2 GiB; 1024^2 * (512 + 1024) = 1.5 GiB
    check::<u16>(128, Scale::Type);
    check::<i16>(140, range);
    check::<f32>(70, range);
    check::<f64>(70, Scale::Data { bins });
    check::<u8>(1024, Scale::Type);
    let blocks = Blocks {
        size: Some([1, 1, 1]),
        clip_limit: 0.01,
        bins: 16_384,
        extent: Extent::Slices,
    };
    let image = texture::<u16>((1, 200, 200), 65_535.0);
    let mut out = Array3::zeros(image.dim());
    assert_eq!(
        clahe_blocks(image.view(), &blocks, out.view_mut()),
        Err(Error::Tables {
            tiles: [200, 200, 1],
            bins: 16_384
        })
    );
}

/// Expected values by scikit-image 0.26, `equalize_adapthist(image, kernel_size, 0.02)`.
#[test]
fn blocks_larger_than_the_image_hold_its_reflections() {
    let image = Array3::from_shape_fn((1, 10, 10), |(_, y, x)| ((10 * y + x) * 37 % 101) as u8);
    for (size, expected) in [
        ([30, 30, 1], [0.0, 0.368_279_07, 0.736_619_5, 0.100_484_334]),
        ([7, 25, 1], [0.0, 0.387_256_12, 0.768_770_04, 0.144_480_12]),
    ] {
        let blocks = Blocks {
            size: Some(size),
            clip_limit: 0.02,
            bins: 256,
            extent: Extent::Slices,
        };
        let mut out = Array3::zeros(image.dim());
        clahe_blocks(image.view(), &blocks, out.view_mut()).unwrap();
        let first: Vec<f32> = out.iter().take(4).copied().collect();
        assert_eq!(first, expected);
    }
    // Voxel by voxel, 2 * 10^9 reflected ones would take minutes.
    let blocks = Blocks {
        size: Some([46_000, 46_000, 1]),
        clip_limit: 0.0,
        bins: 256,
        extent: Extent::Slices,
    };
    let mut out = Array3::zeros(image.dim());
    clahe_blocks(image.view(), &blocks, out.view_mut()).unwrap();
    let largest = out.iter().copied().fold(0.0, f32::max);
    assert_eq!((out[[0, 0, 0]], largest), (0.0, 1.0));
}

/// XR-03: what 8 bits make of other depths.
#[test]
fn values_are_mapped_onto_bytes_by_a_range_or_by_their_slice() {
    let map = |values: Vec<f32>, range| {
        let source = Array3::from_shape_vec((2, 1, 3), values).unwrap();
        let mut out = Array3::from_elem(source.dim(), 9);
        let nan = to_bytes(source.view(), range, out.view_mut()).unwrap();
        (out.into_raw_vec_and_offset().0, nan)
    };
    let slices = vec![0.0, 1.0, 2.0, 7.0, f32::NAN, 7.0];
    assert_eq!(map(slices, None), (vec![0, 128, 255, 0, 0, 0], 1));
    let beyond = vec![f32::NEG_INFINITY, -1.0, 0.0, 1.0, 5.0, f32::INFINITY];
    let expected = vec![0, 0, 0, 64, 255, 255];
    assert_eq!(map(beyond, Some([0.0, 4.0])), (expected, 0));
    let bytes = Array3::from_shape_fn((1, 16, 16), |(_, y, x)| (16 * y + x) as u8);
    let mut out = Array3::zeros((16, 16, 1)).reversed_axes();
    to_bytes(bytes.view(), whole::<u8>(), out.view_mut()).unwrap();
    assert_eq!(out, bytes);
    let one = Some([1.0, 1.0]);
    assert!(to_bytes(bytes.view(), one, out.view_mut()).is_err());
}

#[test]
fn values_beyond_the_range_count_as_its_ends() {
    let image = texture::<f32>((1, 30, 30), 100.0);
    let range = Clahe {
        scale: Scale::Range {
            low: 20.0,
            high: 60.0,
            bins: 256,
        },
        ..options([3, 3, 1], 2.0)
    };
    let limited = image.mapv(|v| v.clamp(20.0, 60.0));
    let out = equalised(&image, &range);
    assert_eq!(out, equalised(&limited, &range));
    assert!(out.iter().all(|v| (20.0..=60.0).contains(v)));
    let mut infinite = limited.clone();
    infinite[[0, 3, 3]] = f32::INFINITY;
    assert!(
        equalised(&infinite, &range)
            .iter()
            .all(|v| (20.0..=60.0).contains(v))
    );
}

#[test]
fn lines_single_voxels_and_many_tiles_are_defined() {
    for (shape, used) in [
        ((1, 1, 50), [8, 1, 1]),
        ((1, 50, 1), [1, 8, 1]),
        ((1, 2, 3), [3, 2, 1]),
        ((4, 1, 1), [1, 1, 1]),
    ] {
        let source = texture::<u8>(shape, 255.0);
        let mut out = Array3::zeros(shape);
        let outcome = clahe(source.view(), &options([8, 8, 8], 2.0), out.view_mut()).unwrap();
        assert_eq!(outcome.tiles, used);
    }
    let empty = Array3::<u8>::zeros((0, 4, 4));
    let mut out = empty.clone();
    assert!(clahe(empty.view(), &options([8, 8, 8], 2.0), out.view_mut()).is_ok());
}

#[test]
fn strides_do_not_change_a_bit() {
    let source = texture::<u16>((3, 80, 90), 4000.0);
    let view = source.slice(s![..;-1, ..;2, 3..88;2]);
    let copy = view.as_standard_layout().into_owned();
    for extent in [Extent::Slices, Extent::Volume] {
        let options = Clahe {
            extent,
            ..options([4, 4, 2], 2.0)
        };
        let (depth, height, width) = copy.dim();
        let mut turned = Array3::<u16>::zeros((width, height, depth)).reversed_axes();
        clahe(view, &options, turned.view_mut()).unwrap();
        assert_eq!(turned, equalised(&copy, &options));
    }
}

#[test]
fn bad_parameters_are_refused() {
    let source = texture::<f32>((1, 9, 9), 1.0);
    let mut out = source.clone();
    let good = Clahe {
        scale: Scale::Range {
            low: 0.0,
            high: 1.0,
            bins: 256,
        },
        ..options([2, 2, 1], 2.0)
    };
    let mut refused = |options: Clahe| clahe(source.view(), &options, out.view_mut()).unwrap_err();
    let tiles = Tiles::Count([0, 2, 1]);
    assert_eq!(refused(Clahe { tiles, ..good }), Error::Tiles([0, 2, 1]));
    let tiles = Tiles::Size([3, 0, 1]);
    assert_eq!(refused(Clahe { tiles, ..good }), Error::Tiles([3, 0, 1]));
    for clip_limit in [-1.0, f64::INFINITY] {
        assert_eq!(
            refused(Clahe { clip_limit, ..good }),
            Error::ClipLimit(clip_limit)
        );
    }
    let scale = |low, high, bins| Clahe {
        scale: Scale::Range { low, high, bins },
        ..good
    };
    for bins in [0, 1, 65_537] {
        assert_eq!(refused(scale(0.0, 1.0, bins)), Error::Bins(bins));
    }
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (0.0, f64::INFINITY)] {
        assert_eq!(refused(scale(low, high, 256)), Error::Range { low, high });
    }
    assert_eq!(refused(options([2, 2, 1], 2.0)), Error::Bins(0));
    let mut small = Array3::zeros((1, 9, 8));
    assert!(matches!(
        clahe(source.view(), &good, small.view_mut()),
        Err(Error::ShapeMismatch { .. })
    ));
}

#[test]
fn blocks_of_one_value_or_of_another_type_are_defined() {
    let blocks = Blocks {
        size: None,
        clip_limit: 0.01,
        bins: 256,
        extent: Extent::Slices,
    };
    let mut out = Array3::from_elem((2, 9, 9), 9.0_f32);
    let mut image = texture::<f32>((2, 9, 9), 1.0);
    image.slice_mut(s![0, .., ..]).fill(0.25);
    image[[1, 4, 4]] = f32::NAN;
    let outcome = clahe_blocks(image.view(), &blocks, out.view_mut()).unwrap();
    assert_eq!(outcome.constant, 1);
    assert!(out.slice(s![0, .., ..]).iter().all(|v| *v == 0.0));
    let (low, high) = out
        .slice(s![1, .., ..])
        .iter()
        .fold((2.0_f32, -1.0_f32), |(a, b), v| (a.min(*v), b.max(*v)));
    assert_eq!((low, high), (0.0, 1.0));
    assert_eq!(out.iter().filter(|v| v.is_nan()).count(), 1);
    let signed = texture::<i16>((2, 9, 9), 100.0);
    assert_eq!(
        clahe_blocks(signed.view(), &blocks, out.view_mut()),
        Err(Error::Bins(0))
    );
    let bins = Blocks { bins: 1, ..blocks };
    assert_eq!(
        clahe_blocks(image.view(), &bins, out.view_mut()),
        Err(Error::Bins(1))
    );
    let size = Blocks {
        size: Some([0, 1, 1]),
        ..blocks
    };
    assert_eq!(
        clahe_blocks(image.view(), &size, out.view_mut()),
        Err(Error::Tiles([0, 1, 1]))
    );
}

/// XR-04, B-12, B-31: the first rule that holds decides, at its border too, whatever the depth.
#[test]
fn parameters_follow_from_range_and_mean() {
    let image = |least: u8, largest: u8, rest: u8| {
        let mut image = Array3::from_elem((1, 10, 1000), rest);
        (image[[0, 0, 0]], image[[0, 0, 1]]) = (least, largest);
        image
    };
    // 100..149 has the range 49; 100..150 has 50, and its mean is neither below 80 nor above 180
    for (image, limit, tiles) in [
        (image(100, 149, 120), 3.0, 16),
        (image(100, 150, 120), 2.0, 8),
        (image(0, 158, 79), 2.5, 12),
        (image(0, 160, 80), 2.0, 8),
        (image(107, 255, 181), 2.0, 8),
    ] {
        let choice = choose(image.view(), 0.0, 255.0, Rules::Basic).unwrap();
        assert_eq!(
            (choice.clip_limit, choice.tiles),
            (limit, tiles),
            "{choice:?}"
        );
        let wide = image.mapv(|v| u16::from(v) * 257);
        let wide = choose(wide.view(), 0.0, 65_535.0, Rules::Basic).unwrap();
        assert_eq!(
            (wide.clip_limit, wide.tiles, wide.rule),
            (limit, tiles, choice.rule)
        );
        let part = image.mapv(|v| f32::from(v) / 255.0);
        let part = choose(part.view(), 0.0, 1.0, Rules::Basic).unwrap();
        assert!((part.mean - choice.mean).abs() < 1e-4);
    }
    let rule = choose(image(107, 255, 181).view(), 0.0, 255.0, Rules::Basic)
        .unwrap()
        .rule;
    assert_eq!(rule, "mean above 180");
}

#[test]
fn the_extended_rules_follow_the_basic_ones() {
    let image = |values: [u8; 4]| Array3::from_shape_vec((1, 2, 2), values.to_vec()).unwrap();
    for (values, basic, extended) in [
        // (170 - 110) / (170 + 110) = 0.214
        ([110, 130, 150, 170], 8, 16),
        ([50, 60, 70, 240], 8, 10),
        ([20, 180, 190, 200], 8, 14),
        ([40, 100, 160, 220], 8, 8),
    ] {
        let tiles = |rules| {
            choose(image(values).view(), 0.0, 255.0, rules)
                .unwrap()
                .tiles
        };
        assert_eq!(
            (tiles(Rules::Basic), tiles(Rules::Extended)),
            (basic, extended),
            "{values:?}"
        );
    }
    // 1, 1, 1, 5: mean 2, variance 3, third moment 6, fourth 21
    let choice = choose(image([1, 1, 1, 5]).view(), 0.0, 255.0, Rules::Extended).unwrap();
    assert!((choice.skewness - 6.0 / 27.0_f64.sqrt()).abs() < 1e-12);
    assert!((choice.kurtosis - 21.0 / 9.0).abs() < 1e-12);
    assert_eq!(
        (choice.rule, choice.contrast),
        ("range below 50", 4.0 / 6.0)
    );
}

/// XR-04: CLAHE sees -1000 as -500, and so do the rules.
#[test]
fn the_rules_see_values_beyond_the_scale_as_its_ends() {
    let image = Array3::from_shape_vec((1, 2, 2), vec![-1000_i16, -800, -600, 400]).unwrap();
    let limited = image.mapv(|v| v.max(-500));
    for rules in [Rules::Basic, Rules::Extended] {
        let choice = choose(image.view(), -500.0, 400.0, rules).unwrap();
        assert_eq!(
            choice,
            choose(limited.view(), -500.0, 400.0, rules).unwrap()
        );
        // 0, 0, 0, 255
        let numbers = [choice.range, choice.mean, choice.contrast];
        assert_eq!(numbers, [255.0, 63.75, 1.0]);
    }
    let infinite = Array3::from_shape_vec((1, 1, 2), vec![f32::NEG_INFINITY, 0.5]).unwrap();
    let choice = choose(infinite.view(), 0.0, 1.0, Rules::Extended).unwrap();
    assert_eq!((choice.range, choice.contrast), (127.5, 1.0));
}

#[test]
fn a_choice_needs_a_scale_and_values() {
    let nan = Array3::from_elem((1, 2, 2), f32::NAN);
    assert_eq!(
        choose(nan.view(), 0.0, 1.0, Rules::Basic),
        Err(Error::EmptySelection)
    );
    let one = Array3::from_elem((1, 2, 2), 0.5_f32);
    assert!(choose(one.view(), 1.0, 1.0, Rules::Basic).is_err());
    let choice = choose(one.view(), 0.0, 1.0, Rules::Extended).unwrap();
    assert_eq!(
        (choice.range, choice.skewness, choice.kurtosis),
        (0.0, 0.0, 0.0)
    );
}

/// XR-05: nothing changed.
#[test]
fn an_image_that_stays_has_ratios_of_1() {
    let image = texture::<u8>((2, 20, 30), 255.0);
    let same = effect(image.view(), image.view(), 0.0, 255.0).unwrap();
    let ratios = [
        same.contrast,
        same.dynamic_range,
        same.information,
        same.edges,
    ];
    assert_eq!(ratios, [Some(1.0); 4]);
    assert_eq!(same.psnr, f64::INFINITY);
    assert!((same.ssim.unwrap() - 1.0).abs() < 1e-12);
}

/// XR-05, B-28: (10 - 20)^2 is 100 for bytes too, and flat images have no edges to divide by.
#[test]
fn differences_of_bytes_do_not_wrap() {
    let (ten, twenty) = (
        Array3::from_elem((1, 9, 9), 10_u8),
        Array3::from_elem((1, 9, 9), 20_u8),
    );
    for (a, b) in [(&ten, &twenty), (&twenty, &ten)] {
        let effect = effect(a.view(), b.view(), 0.0, 255.0).unwrap();
        // 10 log10(255^2 / 100)
        assert!((effect.psnr - 28.130_803_608_679_1).abs() < 1e-9);
        assert_eq!(
            (effect.contrast, effect.dynamic_range, effect.edges),
            (None, None, None)
        );
        assert_eq!(effect.edge_strength, Some([0.0, 0.0]));
        assert_eq!(effect.entropy, Some([0.0, 0.0]));
    }
}

/// XR-05: by hand on windows of 7 x 7.
#[test]
fn entropy_edges_and_contrast_by_hand() {
    // columns 0, 8, 16, ... 48: seven levels in every window, log2 7 bits; the gradient is 8
    let before = Array3::from_shape_fn((1, 7, 7), |(_, _, x)| (8 * x) as u8);
    let after = before.mapv(|v| 4 * v);
    let effect = effect(before.view(), after.view(), 0.0, 255.0).unwrap();
    let [a, b] = effect.entropy.unwrap();
    assert!((a - 7_f64.log2()).abs() < 1e-10 && (b - a).abs() < 1e-12);
    assert_eq!(effect.edge_strength, Some([8.0, 32.0]));
    let ratios = [effect.contrast, effect.dynamic_range, effect.edges];
    assert!(
        ratios.iter().all(|r| (r.unwrap() - 4.0).abs() < 1e-12),
        "{ratios:?}"
    );
    let small = Array3::from_shape_fn((1, 2, 2), |(_, y, x)| (x + y) as u8);
    let small = super::effect(small.view(), small.view(), 0.0, 255.0).unwrap();
    assert_eq!((small.ssim, small.entropy, small.edges), (None, None, None));
}

#[test]
fn an_effect_needs_finite_values_of_one_shape() {
    let image = texture::<f32>((1, 8, 8), 1.0);
    let mut nan = image.clone();
    nan[[0, 1, 1]] = f32::NAN;
    assert!(matches!(
        effect(image.view(), nan.view(), 0.0, 1.0),
        Err(Error::Range { .. })
    ));
    assert!(effect(image.view(), image.slice(s![.., 1.., ..]), 0.0, 1.0).is_err());
    let none = Array3::<f32>::zeros((0, 8, 8));
    assert_eq!(
        effect(none.view(), none.view(), 0.0, 1.0),
        Err(Error::EmptySelection)
    );
}
