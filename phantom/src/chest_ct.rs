//! CT of the chest.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use voxprep_core::error::{Error, Result};
use voxprep_core::geometry::Geometry;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Unit};

use crate::grid::{add_noise, centred, check_in, image, labels, stored, stream};
use crate::texture::Texture;
use crate::thorax::{ANATOMY, Chest, GROUND_GLASS, METAL_HU, Nodule, SOLID, Wishes};
use crate::truth::{Target, Tissue, Truth, sheet, structures};
use crate::{Kind, Phantom};

/// The kinds of nodules, in the order in which they are made.
pub const NODULE_KINDS: [&str; 4] = ["solid", "ground-glass", "part-solid", "pleural"];

/// The most nodules: their labels are 1 to 200.
const MAX_NODULES: usize = 200;

/// What a CT of the chest is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChestCt {
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Distances between their centres, mm.
    pub spacing_mm: [f64; 3],
    /// Another seed is another patient: vessels, nodules, textures and noise.
    pub seed: u64,
    /// Standard deviation of the noise, HU; 0 for none.
    pub noise_hu: f64,
    /// How strong the texture of lung and muscle is: 0 for none, 1 for that of a patient.
    pub texture: f64,
    /// Whether there is contrast agent in the blood.
    pub contrast: bool,
    /// How many nodules, 0..200, the kinds of [`NODULE_KINDS`] in turn. Fewer where there is no room.
    pub nodules: usize,
    /// Whether there is a pacemaker, with streaks.
    pub metal: bool,
    /// What lies outside the circle of reconstruction, HU, often -2000 or -3024; `None` for no circle.
    pub padding_hu: Option<i16>,
}

impl Default for ChestCt {
    fn default() -> Self {
        Self {
            size: [256, 256, 160],
            spacing_mm: [1.4, 1.4, 2.0],
            seed: 0,
            noise_hu: 14.0,
            texture: 1.0,
            contrast: true,
            nodules: 8,
            metal: false,
            padding_hu: None,
        }
    }
}

/// Makes a CT of the chest: `image` (HU), and the label maps `anatomy`, `lungs` (1 right, 2 left, with
/// the vessels, small airways and nodules in them) and `nodules` (each its own value).
///
/// # Errors
/// [`Error::Parameter`] for options out of range, [`Error::Limit`] where there is no memory.
pub fn chest_ct(options: &ChestCt) -> Result<Phantom> {
    let kind = Kind::ChestCt;
    let grid = centred(options.size, options.spacing_mm, [0.0, 10.0, -12.0])?;
    check_in("noise_hu", &[options.noise_hu], [0.0, 1000.0])?;
    check_in("texture", &[options.texture], [0.0, 4.0])?;
    if options.nodules > MAX_NODULES {
        return Err(Error::parameter(format!(
            "{} nodules are more than {MAX_NODULES}",
            options.nodules
        ))
        .field("nodules"));
    }
    let chest = Chest::new(&Wishes {
        kind: kind.name(),
        seed: options.seed,
        texture: options.texture,
        contrast: options.contrast,
        metal: options.metal,
        table: true,
        nodules: options.nodules,
    });
    let mut painted = chest.scene.paint(&grid)?;
    if let Some(metal) = chest.metal {
        let texture = Texture::new(
            &stream(options.seed, kind.name(), "streaks"),
            "streaks",
            1.0,
        );
        streaks(painted.image.as_mut_slice()?, &grid, metal, &texture);
    }
    // the kernel of the scanner: neighbours in a slice share noise, slices hardly do
    let noise = stream(options.seed, kind.name(), "noise");
    let sigma = [0.55, 0.55, 0.2];
    add_noise(
        &mut painted.image,
        options.size,
        options.noise_hu,
        sigma,
        &noise,
        "image",
    )?;
    let area = options.size[0] * options.size[1];
    if let Some(padding) = options.padding_hu {
        pad(painted.image.as_mut_slice()?, &grid, f32::from(padding));
    }
    let values = stored::<i16>(painted.image.as_slice(), area)?;
    let mut subject = Subject::new(format!("{kind}-{}", options.seed))
        .with("image", image(&grid, values, Modality::Ct, Unit::Hu)?)?;
    for (name, map) in ["anatomy", "lungs", "nodules"]
        .into_iter()
        .zip(painted.maps)
    {
        subject.add(name, labels(&grid, map, Modality::Ct)?)?;
    }
    let truth = truth(options, &chest, &subject);
    Ok(Phantom { subject, truth })
}

fn truth(options: &ChestCt, chest: &Chest, subject: &Subject) -> Truth {
    let targets: Vec<Target> = chest
        .nodules
        .iter()
        .enumerate()
        .map(|(i, nodule)| target(i, nodule))
        .collect();
    let anatomy: Vec<(u8, String)> = ANATOMY
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, name)| (i as u8, (*name).to_owned()))
        .collect();
    let lungs = [(1, "right lung".to_owned()), (2, "left lung".to_owned())];
    let nodules: Vec<(u8, String)> = targets.iter().map(|t| (t.label, t.name.clone())).collect();
    let mut found = structures(subject, "anatomy", &anatomy);
    found.extend(structures(subject, "lungs", &lungs));
    found.extend(structures(subject, "nodules", &nodules));
    let about = |name: &str| match name {
        "image" => "CT numbers",
        "anatomy" => "one value per material and organ",
        "lungs" => "1 right lung, 2 left lung, with the vessels, airways and nodules in them",
        _ => "one value per nodule",
    };
    Truth {
        kind: Kind::ChestCt,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        settings: BTreeMap::from([
            ("noise_hu".to_owned(), json!(options.noise_hu)),
            ("texture".to_owned(), json!(options.texture)),
            ("contrast".to_owned(), json!(options.contrast)),
            ("nodules".to_owned(), json!(options.nodules)),
            ("metal".to_owned(), json!(options.metal)),
            ("padding_hu".to_owned(), json!(options.padding_hu)),
            (
                "lung_gradient_hu_per_mm".to_owned(),
                json!(crate::thorax::GRAVITY),
            ),
        ]),
        volumes: subject
            .volumes()
            .map(|(name, v)| sheet(name, v, about(name)))
            .collect(),
        tissues: chest
            .materials
            .iter()
            .map(|(name, value)| Tissue {
                volume: "image".to_owned(),
                name: (*name).to_owned(),
                value: *value,
            })
            .collect(),
        structures: found,
        targets,
    }
}

pub(crate) fn target(i: usize, nodule: &Nodule) -> Target {
    let value = if nodule.kind == "solid" || nodule.kind == "pleural" {
        SOLID
    } else {
        GROUND_GLASS
    };
    Target {
        name: format!("nodule {}", i + 1),
        kind: nodule.kind.to_owned(),
        map: "nodules".to_owned(),
        label: u8::try_from(i + 1).unwrap_or(u8::MAX),
        centre_mm: nodule.centre,
        diameters_mm: [nodule.diameter; 3],
        volume_mm3: Target::ellipsoid([nodule.diameter; 3]),
        core_diameter_mm: nodule.core,
        value: BTreeMap::from([("image".to_owned(), value)]),
    }
}

/// Streaks out of the metal, in its slices: a pattern of the direction, fading with the distance.
fn streaks(image: &mut [f32], grid: &Geometry, metal: [f64; 3], texture: &Texture) {
    let [width, height, _] = grid.size();
    image
        .par_chunks_mut(width * height)
        .enumerate()
        .for_each(|(z, slice)| {
            for (y, row) in slice.chunks_mut(width).enumerate() {
                let start = grid.world_from_index().apply([0.0, y as f64, z as f64]);
                let off = ((start[2] - metal[2]).abs() as f32 - 19.0).max(0.0);
                if off > 6.0 {
                    continue;
                }
                let strength = 420.0 * (1.0 - off / 6.0);
                let (dx, dy) = (grid.spacing()[0] as f32, (start[1] - metal[1]) as f32);
                let left = (start[0] - metal[0]) as f32;
                for (x, v) in row.iter_mut().enumerate() {
                    let dx = left + dx * x as f32;
                    let r = (dx * dx + dy * dy).sqrt();
                    if r < 10.0 || *v >= METAL_HU as f32 {
                        continue;
                    }
                    let pattern = texture.at([4.0 * dx / r, 4.0 * dy / r, 0.07 * start[2] as f32]);
                    *v = (*v + strength * pattern * 22.0 / (r + 12.0)).max(-1024.0);
                }
            }
        });
}

/// Overwrites what lies outside the circle that fits into a slice.
fn pad(image: &mut [f32], grid: &Geometry, value: f32) {
    let [width, height, _] = grid.size();
    let spacing = grid.spacing();
    let radius = 0.5 * (width as f64 * spacing[0]).min(height as f64 * spacing[1]);
    image.par_chunks_mut(width * height).for_each(|slice| {
        for (y, row) in slice.chunks_mut(width).enumerate() {
            let dy = (y as f64 - 0.5 * (height as f64 - 1.0)) * spacing[1];
            for (x, v) in row.iter_mut().enumerate() {
                let dx = (x as f64 - 0.5 * (width as f64 - 1.0)) * spacing[0];
                if dx * dx + dy * dy > radius * radius {
                    *v = value;
                }
            }
        }
    });
}
