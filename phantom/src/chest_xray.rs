//! A radiograph of the chest, projected from the anatomy of the CT.

use std::collections::BTreeMap;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use voxprep_core::buf::Buf;
use voxprep_core::error::{Error, Result};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::kernels::functions::{exp, ln};
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Unit};

use crate::grid::{check, check_in, draw, image, labels, stored, stream};
use crate::thorax::{Chest, Wishes};
use crate::truth::{Target, Tissue, Truth, sheet, structures};
use crate::{Kind, Phantom};

/// What a radiograph of the chest is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChestXray {
    /// Pixels along x and y.
    pub size: [usize; 2],
    /// The distance between their centres, mm; `None` for a field of view of 360 mm.
    pub spacing_mm: Option<f64>,
    /// Another seed is another patient.
    pub seed: u64,
    /// Bits of a pixel: 8 or 16.
    pub depth: u8,
    /// The dose, in parts of the usual one, 0.01..100: twice of it darkens the picture by ln 2 of
    /// attenuation, half of it brightens it and adds noise.
    pub exposure: f64,
    /// How strong the noise is, in parts of that of the photons; 0 for none.
    pub noise: f64,
    /// How many nodules, 0..200.
    pub nodules: usize,
    /// Whether there is a pacemaker.
    pub metal: bool,
}

impl Default for ChestXray {
    fn default() -> Self {
        Self {
            size: [1024, 1024],
            spacing_mm: None,
            seed: 0,
            depth: 16,
            exposure: 1.0,
            noise: 1.0,
            nodules: 8,
            metal: false,
        }
    }
}

/// Water at the mean energy of a chest radiograph (about 60 keV), per mm (NIST XCOM).
const WATER_PER_MM: f32 = 0.0206;
/// How much more bone takes away than its CT number says: photons here are softer than those of CT.
const BONE_EXCESS: f32 = 1.45;
/// Photons per pixel behind no patient, at an exposure of 1.
const PHOTONS: f64 = 60_000.0;
/// Attenuation that is black and that is white.
const BLACK: f64 = 0.35;
const WHITE: f64 = 4.9;
/// The step of the line integral, mm.
const STEP_MM: f64 = 2.5;
/// The finest grid that is projected, pixels; finer ones are interpolated.
const FINEST: usize = 512;
/// Lung thinner than this is not part of the lung fields, mm.
const FIELD_MM: f32 = 12.0;
/// Where the picture's middle is, LPS+ mm.
const MIDDLE: [f64; 3] = [0.0, 0.0, -12.0];

/// Makes a radiograph of the chest: `image`, bones bright, and the label map `lungs` of the lung
/// fields (1 right, 2 left). x runs to the patient's left, y to the feet; rays run from front to
/// back, in parallel.
///
/// # Errors
/// [`Error::Parameter`] for options out of range, [`Error::Limit`] where there is no memory.
pub fn chest_xray(options: &ChestXray) -> Result<Phantom> {
    let kind = Kind::ChestXray;
    let [width, height] = options.size;
    let spacing = options
        .spacing_mm
        .unwrap_or(360.0 / width.max(height).max(1) as f64);
    check([width, height, 4], [spacing; 3])?;
    check_in("exposure", &[options.exposure], [0.01, 100.0])?;
    check_in("noise", &[options.noise], [0.0, 100.0])?;
    check_in("nodules", &[options.nodules as f64], [0.0, 200.0])?;
    if ![8, 16].contains(&options.depth) {
        return Err(
            Error::parameter(format!("must be 8 or 16 bits, got {}", options.depth)).field("depth"),
        );
    }
    let chest = Chest::new(&Wishes {
        kind: Kind::ChestCt.name(),
        seed: options.seed,
        texture: 0.0,
        contrast: false,
        metal: options.metal,
        table: false,
        nodules: options.nodules,
    });
    let grid = detector([width, height], spacing)?;
    let coarse = [width, height].map(|n| n.min(FINEST));
    let shadow = project(&chest, coarse, [width, height], spacing)?;
    let (line, fields) = upsample(&shadow, coarse, [width, height])?;

    let mut noise = Buf::<f32>::for_overwrite(width * height)?;
    draw(
        &mut noise,
        [width, height, 1],
        &stream(options.seed, kind.name(), "noise"),
        "image",
    )?;
    let photons = PHOTONS * options.exposure;
    let top = if options.depth == 8 { 255.0 } else { 65_535.0 };
    let mut values = Buf::<f32>::for_overwrite(width * height)?;
    let rows = values.as_mut_slice()?.par_chunks_mut(width);
    rows.zip(line.par_chunks(width))
        .zip(noise.as_slice().par_chunks(width))
        .for_each(|((row, line), noise)| {
            for ((v, l), n) in row.iter_mut().zip(line).zip(noise) {
                let count = photons * exp(-f64::from(*l));
                // many photons: Poisson's law is Gauss's
                let count = (count + options.noise * f64::from(*n) * count.sqrt()).max(1.0);
                let attenuation = -ln(count / PHOTONS);
                *v = (top * ((attenuation - BLACK) / (WHITE - BLACK)).clamp(0.0, 1.0)) as f32;
            }
        });
    let pixels = values.as_slice();
    let picture = match options.depth {
        8 => image(
            &grid,
            stored::<u8>(pixels, width)?,
            Modality::Xray,
            Unit::Raw,
        )?,
        _ => image(
            &grid,
            stored::<u16>(pixels, width)?,
            Modality::Xray,
            Unit::Raw,
        )?,
    };
    let mut subject = Subject::new(format!("{kind}-{}", options.seed)).with("image", picture)?;
    subject.add("lungs", labels(&grid, fields, Modality::Xray)?)?;
    let truth = truth(options, &chest, &subject);
    Ok(Phantom { subject, truth })
}

/// The picture's grid: x to the patient's left, y to the feet, z through the patient.
fn detector([width, height]: [usize; 2], spacing: f64) -> Result<Geometry> {
    let half = |n: usize| 0.5 * (n as f64 - 1.0) * spacing;
    let columns = [[spacing, 0.0, 0.0], [0.0, 0.0, -spacing], [0.0, 1.0, 0.0]];
    let origin = [MIDDLE[0] - half(width), MIDDLE[1], MIDDLE[2] + half(height)];
    Geometry::new([width, height, 1], Affine::from_columns(columns, origin))
}

/// Line integrals of the attenuation, and of how much lung there is, right and left, mm.
struct Shadow {
    line: Array3<f32>,
    lungs: [Array3<f32>; 2],
}

fn project(chest: &Chest, coarse: [usize; 2], fine: [usize; 2], spacing: f64) -> Result<Shadow> {
    let [width, height] = coarse;
    let pixel = [0, 1].map(|i| spacing * fine[i] as f64 / coarse[i] as f64);
    let depth = (280.0 / STEP_MM) as usize;
    let half = |n: usize, d: f64| 0.5 * (n as f64 - 1.0) * d;
    // a slice is one row of the picture: x, and y along the rays
    let columns = [
        [pixel[0], 0.0, 0.0],
        [0.0, STEP_MM, 0.0],
        [0.0, 0.0, -pixel[1]],
    ];
    let origin = [
        MIDDLE[0] - half(width, pixel[0]),
        4.0 - half(depth, STEP_MM),
        MIDDLE[2] + half(height, pixel[1]),
    ];
    let grid = Geometry::new(
        [width, depth, height],
        Affine::from_columns(columns, origin),
    )?;
    let layout = chest.scene.on(&grid);
    let mut line = vec![0.0_f32; width * height];
    let mut right = vec![0.0_f32; width * height];
    let mut left = vec![0.0_f32; width * height];
    let step = STEP_MM as f32;
    line.par_chunks_mut(width)
        .zip(right.par_chunks_mut(width))
        .zip(left.par_chunks_mut(width))
        .enumerate()
        .for_each_init(
            || {
                (
                    vec![0.0_f32; width * depth],
                    [0; 3].map(|_| vec![0_u8; width * depth]),
                )
            },
            |(slice, maps), (z, ((line, right), left))| {
                {
                    let [a, b, c] = maps;
                    layout.slice(
                        z,
                        slice,
                        &mut [a.as_mut_slice(), b.as_mut_slice(), c.as_mut_slice()],
                    );
                }
                let lungs = maps[1].chunks(width);
                for (row, lungs) in slice.chunks(width).zip(lungs) {
                    for (x, (hu, lung)) in row.iter().zip(lungs).enumerate() {
                        let excess = (hu - 130.0).max(0.0) * (BONE_EXCESS - 1.0);
                        let density = (1.0 + 0.001 * (hu + excess)).max(0.0);
                        line[x] += WATER_PER_MM * step * density;
                        right[x] += if *lung == 1 { step } else { 0.0 };
                        left[x] += if *lung == 2 { step } else { 0.0 };
                    }
                }
            },
        );
    let array = |values: Vec<f32>| {
        Array3::from_shape_vec([1, height, width], values)
            .map_err(|error| Error::input(format!("the projection does not fit: {error}")))
    };
    Ok(Shadow {
        line: array(line)?,
        lungs: [array(right)?, array(left)?],
    })
}

/// The picture at its own size: Catmull-Rom between the projected pixels.
fn upsample(shadow: &Shadow, coarse: [usize; 2], fine: [usize; 2]) -> Result<(Vec<f32>, Buf<u8>)> {
    let [width, height] = fine;
    let across = (0..width)
        .map(|x| weights(x, fine[0], coarse[0]))
        .collect::<Vec<_>>();
    let at =
        |array: &ArrayView3<'_, f32>, y: &([usize; 4], [f32; 4]), x: &([usize; 4], [f32; 4])| {
            let mut sum = 0.0;
            for (row, wy) in y.0.iter().zip(y.1) {
                let mut line = 0.0;
                for (column, wx) in x.0.iter().zip(x.1) {
                    line += wx * array[[0, *row, *column]];
                }
                sum += wy * line;
            }
            sum
        };
    let [line, right, left] = [&shadow.line, &shadow.lungs[0], &shadow.lungs[1]].map(|a| a.view());
    let mut out = vec![0.0_f32; width * height];
    let mut fields = Buf::<u8>::for_overwrite(width * height)?;
    let rows = out
        .par_chunks_mut(width)
        .zip(fields.as_mut_slice()?.par_chunks_mut(width));
    rows.enumerate().for_each(|(y, (row, fields))| {
        let down = weights(y, fine[1], coarse[1]);
        for ((v, field), x) in row.iter_mut().zip(fields).zip(&across) {
            *v = at(&line, &down, x).max(0.0);
            let (right, left) = (at(&right, &down, x), at(&left, &down, x));
            *field = match right.max(left) > FIELD_MM {
                false => 0,
                true if right >= left => 1,
                true => 2,
            };
        }
    });
    Ok((out, fields))
}

/// The four projected pixels about a pixel of the picture, and their weights.
fn weights(i: usize, fine: usize, coarse: usize) -> ([usize; 4], [f32; 4]) {
    let spot = (i as f64 + 0.5) * coarse as f64 / fine as f64 - 0.5;
    let first = spot.floor();
    let t = (spot - first) as f32;
    let (t2, t3) = (t * t, t * t * t);
    let index = [-1.0, 0.0, 1.0, 2.0].map(|k| (first + k).clamp(0.0, coarse as f64 - 1.0) as usize);
    let w = [
        0.5 * (-t3 + 2.0 * t2 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (-3.0 * t3 + 4.0 * t2 + t),
        0.5 * (t3 - t2),
    ];
    (index, w)
}

fn truth(options: &ChestXray, chest: &Chest, subject: &Subject) -> Truth {
    let lungs = [
        (1, "right lung field".to_owned()),
        (2, "left lung field".to_owned()),
    ];
    let about = |name: &str| match name {
        "image" => "attenuation, 0 black; projected from front to back",
        _ => "1 right, 2 left: at least 12 mm of lung on the ray",
    };
    Truth {
        kind: Kind::ChestXray,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        settings: BTreeMap::from([
            ("exposure".to_owned(), json!(options.exposure)),
            ("noise".to_owned(), json!(options.noise)),
            ("depth".to_owned(), json!(options.depth)),
            ("nodules".to_owned(), json!(options.nodules)),
            ("metal".to_owned(), json!(options.metal)),
            (
                "photons_per_pixel".to_owned(),
                json!(PHOTONS * options.exposure),
            ),
            ("attenuation_black".to_owned(), json!(BLACK)),
            ("attenuation_white".to_owned(), json!(WHITE)),
        ]),
        volumes: subject
            .volumes()
            .map(|(name, v)| sheet(name, v, about(name)))
            .collect(),
        tissues: vec![Tissue {
            volume: "image".to_owned(),
            name: "water, per mm".to_owned(),
            value: f64::from(WATER_PER_MM),
        }],
        structures: structures(subject, "lungs", &lungs),
        targets: chest
            .nodules
            .iter()
            .enumerate()
            .map(|(i, nodule)| Target {
                map: String::new(),
                value: BTreeMap::new(),
                ..crate::chest_ct::target(i, nodule)
            })
            .collect(),
    }
}
