//! MR images of the head: T1, T2, FLAIR and PD.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use voxprep_core::buf::Buf;
use voxprep_core::error::{Error, Result};
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::Affine;
use voxprep_core::kernels::functions::exp;
use voxprep_core::kernels::trigonometry::sin_cos_degrees;
use voxprep_core::stream::Stream;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Unit};

use crate::grid::{centred, check, check_in, draw, image, labels, stored, stream};
use crate::head::{Head, TISSUES};
use crate::truth::{Target, Tissue, Truth, sheet, structures};
use crate::{Kind, Phantom};

/// A weighting of an MR image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sequence {
    /// T1-weighted: fluid dark, white matter bright.
    T1,
    /// T2-weighted: fluid bright, white matter dark.
    T2,
    /// T2-weighted with the fluid inverted away.
    Flair,
    /// Proton density.
    Pd,
}

impl Sequence {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::T1, Self::T2, Self::Flair, Self::Pd];

    /// Its name, and that of its volume.
    pub const fn name(self) -> &'static str {
        match self {
            Self::T1 => "t1",
            Self::T2 => "t2",
            Self::Flair => "flair",
            Self::Pd => "pd",
        }
    }

    /// What each tissue measures before bias and noise, in the order of the labels.
    const fn signal(self) -> [f64; 11] {
        match self {
            Self::T1 => [
                0.0, 140.0, 430.0, 640.0, 360.0, 40.0, 900.0, 380.0, 500.0, 150.0, 560.0,
            ],
            Self::T2 => [
                0.0, 950.0, 500.0, 360.0, 780.0, 30.0, 620.0, 190.0, 420.0, 980.0, 400.0,
            ],
            Self::Flair => [
                0.0, 70.0, 520.0, 400.0, 860.0, 30.0, 560.0, 230.0, 480.0, 110.0, 380.0,
            ],
            Self::Pd => [
                0.0, 720.0, 780.0, 640.0, 860.0, 60.0, 700.0, 520.0, 720.0, 740.0, 480.0,
            ],
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Sequence {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|s| s.name() == name)
            .ok_or_else(|| {
                Error::parameter(format!("there is no sequence '{name}'"))
                    .field("sequences")
                    .remedy("give t1, t2, flair or pd")
            })
    }
}

/// What MR images of the head are to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrainMri {
    /// Voxels of the T1 along x, y, z.
    pub size: [usize; 3],
    /// Distances between their centres, mm.
    pub spacing_mm: [f64; 3],
    /// Another seed is another patient: folds, lesions, bias and noise.
    pub seed: u64,
    /// The images, in this order.
    pub sequences: Vec<Sequence>,
    /// Whether all images are on the grid of the T1. Else the others have slices three times as
    /// thick, and T2, FLAIR and PD are tilted each in its way.
    pub same_grid: bool,
    /// How far the other grids are tilted, degrees within 45.
    pub oblique_deg: f64,
    /// Strength of the bias field, 0..2: it multiplies the image by exp(bias f), f in -1..1 over the
    /// head. 0.4 is what an uncorrected scan has.
    pub bias: f64,
    /// Whether the fields are among the volumes, as `bias_t1` and so on.
    pub bias_volumes: bool,
    /// Standard deviation of the noise in each of the two channels of the receiver, in units of the
    /// image, whose white matter is at 360 to 640; the magnitude is Rician.
    pub noise: f64,
    /// How many lesions of the white matter, 0..50. Fewer where there is no room.
    pub lesions: usize,
}

impl Default for BrainMri {
    fn default() -> Self {
        Self {
            size: [176, 224, 192],
            spacing_mm: [1.0, 1.0, 1.0],
            seed: 0,
            sequences: vec![Sequence::T1, Sequence::T2, Sequence::Flair],
            same_grid: false,
            oblique_deg: 8.0,
            bias: 0.3,
            bias_volumes: false,
            noise: 14.0,
            lesions: 7,
        }
    }
}

impl BrainMri {
    fn check(&self) -> Result<()> {
        check(self.size, self.spacing_mm)?;
        check_in("oblique_deg", &[self.oblique_deg], [-45.0, 45.0])?;
        check_in("bias", &[self.bias], [0.0, 2.0])?;
        check_in("noise", &[self.noise], [0.0, 1000.0])?;
        check_in("lesions", &[self.lesions as f64], [0.0, 50.0])?;
        let twice = |i: &usize| self.sequences[..*i].contains(&self.sequences[*i]);
        if self.sequences.is_empty() || (0..self.sequences.len()).any(|i| twice(&i)) {
            return Err(
                Error::parameter("give each sequence once, and at least one")
                    .field("sequences")
                    .remedy("choose from t1, t2, flair and pd"),
            );
        }
        Ok(())
    }

    /// The grid of a sequence.
    fn grid(&self, sequence: Sequence) -> Result<Geometry> {
        let centre = [0.0, 0.0, -2.0];
        if sequence == Sequence::T1 || self.same_grid {
            return centred(self.size, self.spacing_mm, centre);
        }
        let [x, y, z] = self.size;
        let [dx, dy, dz] = self.spacing_mm;
        let thick = centred([x, y, z.div_ceil(3).max(4)], [dx, dy, 3.0 * dz], centre)?;
        let turn = match sequence {
            Sequence::Flair => Affine::rotation([0.0, 1.0, 0.0], -0.5 * self.oblique_deg),
            _ => Affine::rotation([1.0, 0.0, 0.0], self.oblique_deg),
        };
        Geometry::new(thick.size(), turn.about(centre) * thick.world_from_index())
    }
}

/// Makes MR images of one head: `t1`, `t2`, `flair`, `pd` as asked, the label map `tissue` of the
/// first image, and `tissue_t2` and so on where the others have grids of their own.
///
/// # Errors
/// [`Error::Parameter`] for options out of range, [`Error::Limit`] where there is no memory.
pub fn brain_mri(options: &BrainMri) -> Result<Phantom> {
    options.check()?;
    let kind = Kind::BrainMri;
    let head = Head::new(options.seed, options.lesions);
    let mut subject = Subject::new(format!("{kind}-{}", options.seed));
    let mut maps = Vec::new();
    for sequence in &options.sequences {
        let grid = options.grid(*sequence)?;
        let mut painted = head.scene(&sequence.signal()).paint(&grid)?;
        let bias = Bias::new(
            &mut stream(options.seed, kind.name(), &format!("bias {sequence}")),
            options.bias,
        );
        if options.bias > 0.0 {
            bias.multiply(&mut painted.image, &grid)?;
        }
        let noise = stream(options.seed, kind.name(), &format!("noise {sequence}"));
        rician(&mut painted.image, grid.size(), options.noise, &noise)?;
        let area = grid.size()[0] * grid.size()[1];
        let values = stored::<i16>(painted.image.as_slice(), area)?;
        subject.add(
            sequence.name(),
            image(&grid, values, Modality::Mri, Unit::Unknown)?,
        )?;
        if options.bias_volumes {
            let mut field = Buf::filled(grid.voxels(), 1.0_f32)?;
            bias.multiply(&mut field, &grid)?;
            let field = image(&grid, field, Modality::Mri, Unit::Unknown)?;
            subject.add(format!("bias_{sequence}"), field)?;
        }
        let Some(map) = painted.maps.pop() else {
            continue;
        };
        if maps.is_empty() || !options.same_grid {
            let name = if maps.is_empty() {
                "tissue".to_owned()
            } else {
                format!("tissue_{sequence}")
            };
            subject.add(&name, labels(&grid, map, Modality::Mri)?)?;
            maps.push(name);
        }
    }
    let truth = truth(options, &head, &subject, &maps);
    Ok(Phantom { subject, truth })
}

fn truth(options: &BrainMri, head: &Head, subject: &Subject, maps: &[String]) -> Truth {
    let names: Vec<(u8, String)> = TISSUES
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, name)| (i as u8, (*name).to_owned()))
        .collect();
    let value = |tissue: usize| -> BTreeMap<String, f64> {
        let each = options.sequences.iter();
        each.map(|s| (s.name().to_owned(), s.signal()[tissue]))
            .collect()
    };
    let lesion = |(i, lesion): (usize, &crate::head::Lesion)| {
        let diameters = lesion.radii.map(|r| 2.0 * r);
        Target {
            name: format!("lesion {}", i + 1),
            kind: "white matter".to_owned(),
            map: "tissue".to_owned(),
            label: 4,
            centre_mm: lesion.centre,
            diameters_mm: diameters,
            volume_mm3: Target::ellipsoid(diameters),
            core_diameter_mm: None,
            value: value(4),
        }
    };
    let about = |name: &str| match name {
        "tissue" => "one value per tissue, on the grid of the first image".to_owned(),
        _ if name.starts_with("tissue_") => {
            format!("one value per tissue, on the grid of {}", &name[7..])
        }
        _ if name.starts_with("bias_") => format!("what {} was multiplied by", &name[5..]),
        _ => format!("{name}, magnitude"),
    };
    let tissue = |sequence: &Sequence, i: usize| Tissue {
        volume: sequence.name().to_owned(),
        name: TISSUES[i].to_owned(),
        value: sequence.signal()[i],
    };
    Truth {
        kind: Kind::BrainMri,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        settings: BTreeMap::from([
            ("bias".to_owned(), json!(options.bias)),
            ("noise".to_owned(), json!(options.noise)),
            ("lesions".to_owned(), json!(options.lesions)),
            ("same_grid".to_owned(), json!(options.same_grid)),
            ("oblique_deg".to_owned(), json!(options.oblique_deg)),
            (
                "cortex_mm".to_owned(),
                json!(f64::from(crate::head::CORTEX_MM)),
            ),
        ]),
        volumes: subject
            .volumes()
            .map(|(name, v)| sheet(name, v, &about(name)))
            .collect(),
        tissues: options
            .sequences
            .iter()
            .flat_map(|s| (0..TISSUES.len()).map(move |i| tissue(s, i)))
            .collect(),
        structures: maps
            .iter()
            .flat_map(|map| structures(subject, map, &names))
            .collect(),
        targets: head.lesions.iter().enumerate().map(lesion).collect(),
    }
}

/// A smooth field of low order: exp(strength f), f between -1 and 1; beyond the head it may be cut there.
struct Bias {
    /// Of x, y, z, their squares and products, and a cosine along each.
    weights: [f64; 12],
    phases: [f64; 3],
    middle: f64,
    scale: f64,
    strength: f64,
}

impl Bias {
    fn new(draw: &mut Stream, strength: f64) -> Self {
        let mut bias = Self {
            weights: [0; 12].map(|_| draw.uniform(-1.0, 1.0)),
            phases: [0; 3].map(|_| draw.uniform(0.0, 360.0)),
            middle: 0.0,
            scale: 1.0,
            strength,
        };
        // cosines bend the field, but not much
        for weight in &mut bias.weights[9..] {
            *weight *= 0.4;
        }
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for i in 0..13 * 13 * 13 {
            let spot = [i % 13, i / 13 % 13, i / 169].map(|k| f64::from(k) / 6.0 - 1.0);
            let value = bias.raw(spot);
            (low, high) = (low.min(value), high.max(value));
        }
        bias.middle = 0.5 * (low + high);
        bias.scale = strength * 2.0 / (high - low).max(1e-9);
        bias
    }

    /// The polynomial; the head lies within -1..1 along each axis.
    fn raw(&self, [x, y, z]: [f64; 3]) -> f64 {
        let cosine = |v: f64, phase: f64| sin_cos_degrees(150.0 * v + phase).1;
        let [px, py, pz] = self.phases;
        let (cx, cy, cz) = (cosine(x, px), cosine(y, py), cosine(z, pz));
        let terms = [
            x,
            y,
            z,
            x * x,
            y * y,
            z * z,
            x * y,
            y * z,
            z * x,
            cx,
            cy,
            cz,
        ];
        terms.iter().zip(self.weights).map(|(t, w)| t * w).sum()
    }

    /// The factor at a point of the world.
    fn at(&self, p: [f64; 3]) -> f64 {
        let spot = [p[0] / 85.0, p[1] / 105.0, p[2] / 100.0];
        // The polynomial has no bounds beyond the head.
        let exponent = self.scale * (self.raw(spot) - self.middle);
        exp(exponent.clamp(-self.strength, self.strength))
    }

    fn multiply(&self, image: &mut Buf<f32>, grid: &Geometry) -> Result<()> {
        let [width, height, _] = grid.size();
        let slices = image.as_mut_slice()?.par_chunks_mut(width * height);
        slices.enumerate().for_each(|(z, slice)| {
            for (y, row) in slice.chunks_mut(width).enumerate() {
                for (x, v) in row.iter_mut().enumerate() {
                    let p = grid
                        .world_from_index()
                        .apply([x as f64, y as f64, z as f64]);
                    *v *= self.at(p) as f32;
                }
            }
        });
        Ok(())
    }
}

/// The magnitude of a signal with Gaussian noise in both channels of the receiver.
fn rician(image: &mut Buf<f32>, size: [usize; 3], std: f64, noise: &Stream) -> Result<()> {
    if std == 0.0 {
        return Ok(());
    }
    let std = std as f32;
    let mut imaginary = Buf::<f32>::for_overwrite(image.len())?;
    draw(&mut imaginary, size, noise, "imaginary")?;
    let field = noise.field("real", 0);
    let area = size[0] * size[1];
    let slices = image
        .as_mut_slice()?
        .par_chunks_mut(area)
        .zip(imaginary.as_slice().par_chunks(area));
    slices.enumerate().for_each(|(z, (slice, imaginary))| {
        field.for_each_normal(0, z * area, slice, |v, n| v + std * n);
        for (v, n) in slice.iter_mut().zip(imaginary) {
            let i = std * n;
            *v = (*v * *v + i * i).sqrt();
        }
    });
    Ok(())
}
