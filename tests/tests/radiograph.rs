//! A real radiograph against OpenCV. Skipped where there is none.
#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::io::Read;
use std::path::Path;

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_tests::{image, run, shared, step, subject};

/// The pixels of a PNG of 8 bits, one channel, not interlaced; its width and height.
fn grey_png(path: &Path) -> ([usize; 2], Vec<u8>) {
    let file = std::fs::read(path).unwrap();
    let word = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let (width, height) = (word(16), word(20));
    // depth, colour, compression, filter, interlace
    assert_eq!(&file[24..29], [8, 0, 0, 0, 0]);
    let (mut packed, mut at) = (Vec::new(), 8);
    while at < file.len() {
        let (length, kind) = (word(at), &file[at + 4..at + 8]);
        if kind == b"IDAT" {
            packed.extend(&file[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    let mut lines = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut lines)
        .unwrap();
    let mut pixels: Vec<u8> = Vec::with_capacity(width * height);
    for (y, line) in lines.chunks(width + 1).enumerate() {
        for (x, byte) in line[1..].iter().enumerate() {
            let near = |dx: usize, dy: usize| match x >= dx && y >= dy {
                true => pixels[(y - dy) * width + x - dx],
                false => 0,
            };
            let (a, b, c) = (near(1, 0), near(0, 1), near(1, 1));
            let predicted = match line[0] {
                0 => 0,
                1 => a,
                2 => b,
                3 => ((u16::from(a) + u16::from(b)) / 2) as u8,
                _ => {
                    let [a, b, c] = [a, b, c].map(i32::from);
                    let p = a + b - c;
                    let far = [(p - a).abs(), (p - b).abs(), (p - c).abs()];
                    let nearest = if far[0] <= far[1] && far[0] <= far[2] {
                        a
                    } else if far[1] <= far[2] {
                        b
                    } else {
                        c
                    };
                    nearest as u8
                }
            };
            pixels.push(byte.wrapping_add(predicted));
        }
    }
    ([width, height], pixels)
}

/// Fowler, Noll and Vo's hash 1a of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// XR-02, XR-03: no bit differs from OpenCV 5.0.0 on a chest radiograph, at 8 bits, and at 16 with
/// four more bits made up for each pixel; where the tiles divide it, and where they do not.
#[test]
fn clahe_of_a_real_radiograph_is_that_of_opencv() {
    let Some(shared) = shared() else {
        return;
    };
    let path = shared.join("data/xray/nih_00000001_000.png");
    let ([width, height], pixels) = grey_png(&path);
    assert_eq!((width, height), (512, 512));
    let wide: Vec<u16> = pixels
        .iter()
        .enumerate()
        .map(|(i, v)| u16::from(*v) * 16 + ((7 * (i % width) + 13 * (i / width)) % 16) as u16)
        .collect();
    let grid = Geometry::aligned([width, height, 1], [0.168; 3], [0.0; 3]).unwrap();
    let bytes = Voxels::new(1, grid.size(), pixels.into()).unwrap();
    let shorts = Voxels::new(1, grid.size(), wide.into()).unwrap();
    assert_eq!(hash(bytes.bytes()), 0x31ca_d52f_9016_4515);
    assert_eq!(hash(shorts.bytes()), 0x777a_b6dc_b966_da3a);
    for (voxels, lines, expected) in [
        (
            &bytes,
            "clip_limit = 2\ntiles = [8, 8]",
            0x018e_ea00_4f9e_5da9,
        ),
        (
            &shorts,
            "clip_limit = 2\ntiles = [8, 8]",
            0x97d3_a091_50a3_2431,
        ),
        (
            &bytes,
            "clip_limit = 3\ntiles = [7, 5]",
            0xa441_1ef3_4e64_50ea,
        ),
        (
            &shorts,
            "clip_limit = 3\ntiles = [7, 5]",
            0x5387_40a8_4811_9b1c,
        ),
    ] {
        let volume = Volume::new(grid.clone(), voxels.clone()).unwrap();
        let result = run(&step("xray.clahe", lines), subject(volume)).unwrap();
        assert_eq!(hash(image(&result).voxels().bytes()), expected, "{lines}");
    }
}
