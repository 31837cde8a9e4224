//! What is known of a phantom: the numbers that a measurement should find.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use voxprep_core::dispatch;
use voxprep_core::kernels::Element as _;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Role, Unit, Volume};
use voxprep_core::voxels::ElementType;

use crate::Kind;

/// What is known of a phantom. Positions are LPS+ mm, sizes mm, volumes mm³.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Which phantom it is.
    pub kind: Kind,
    /// The version of voxprep that made it.
    pub version: String,
    /// The seed it was drawn from.
    pub seed: u64,
    /// What it was asked to be: noise, bias, exposure and the like, with their units in the names.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// The volumes, in the order of the subject.
    pub volumes: Vec<Sheet>,
    /// What the materials measure before noise, bias and partial volume.
    pub tissues: Vec<Tissue>,
    /// Every structure that a label map holds.
    pub structures: Vec<Structure>,
    /// The nodules and lesions that were put in, as they were drawn.
    pub targets: Vec<Target>,
}

/// A volume of the phantom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name in the subject.
    pub name: String,
    /// Measured values or labels.
    pub role: Role,
    /// What the values are measured in.
    pub unit: Unit,
    /// The type of its voxels.
    #[serde(rename = "type")]
    pub element_type: ElementType,
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Distances between their centres, mm.
    pub spacing_mm: [f64; 3],
    /// What it is.
    pub about: String,
}

/// What a material measures in an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tissue {
    /// The image.
    pub volume: String,
    /// The material.
    pub name: String,
    /// Its value before noise, bias, texture and partial volume.
    pub value: f64,
}

/// A structure of a label map, as it came out on the grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// The label map.
    pub map: String,
    /// Its value there.
    pub label: u8,
    /// What it is.
    pub name: String,
    /// How many voxels it has.
    pub voxels: u64,
    /// What they take up.
    pub volume_mm3: f64,
    /// Their centre of mass.
    pub centre_mm: [f64; 3],
    /// The edges of the smallest box of voxels that holds them, along the index axes.
    pub extent_mm: [f64; 3],
    /// The mean of their voxels in each image on the same grid, noise and all.
    pub mean: BTreeMap<String, f64>,
}

/// A nodule or lesion: an exact ellipsoid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// What it is.
    pub name: String,
    /// Its kind: `solid`, `ground-glass`, `part-solid` or `pleural` for a nodule.
    pub kind: String,
    /// The label map that holds it.
    pub map: String,
    /// Its value there.
    pub label: u8,
    /// The exact centre.
    pub centre_mm: [f64; 3],
    /// The exact diameters along x, y, z of the world.
    pub diameters_mm: [f64; 3],
    /// The exact volume.
    pub volume_mm3: f64,
    /// The diameter of the solid part of a part-solid nodule.
    pub core_diameter_mm: Option<f64>,
    /// The value of its material in each image.
    pub value: BTreeMap<String, f64>,
}

impl Target {
    /// The volume of an ellipsoid, mm³.
    pub(crate) fn ellipsoid(diameters: [f64; 3]) -> f64 {
        std::f64::consts::PI / 6.0 * diameters[0] * diameters[1] * diameters[2]
    }
}

/// Describes a volume.
pub(crate) fn sheet(name: &str, volume: &Volume, about: &str) -> Sheet {
    let header = volume.header();
    Sheet {
        name: name.to_owned(),
        role: header.role,
        unit: header.unit,
        element_type: header.element_type,
        size: header.geometry.size(),
        spacing_mm: header.geometry.spacing(),
        about: about.to_owned(),
    }
}

/// Measures every structure of a label map; what the map does not hold is left out.
pub(crate) fn structures(subject: &Subject, map: &str, names: &[(u8, String)]) -> Vec<Structure> {
    let Some(volume) = subject.volume(map) else {
        return Vec::new();
    };
    let Some(labels) = volume.voxels().values::<u8>() else {
        return Vec::new();
    };
    let geometry = volume.geometry();
    let images: Vec<(&str, &Volume)> = subject
        .volumes()
        .filter(|(_, v)| v.role() == Role::Intensity && v.geometry() == geometry)
        .collect();
    let counts = count(labels, geometry.size());
    let sums: Vec<Vec<f64>> = images.iter().map(|(_, image)| sum(labels, image)).collect();
    let spacing = geometry.spacing();
    let voxel = geometry.world_from_index().determinant().abs();
    let mut found = Vec::new();
    for (label, name) in names {
        let Some(count) = counts.get(usize::from(*label)).filter(|c| c.voxels > 0) else {
            continue;
        };
        let n = count.voxels as f64;
        let centre = geometry
            .world_from_index()
            .apply(count.sum.map(|s| s as f64 / n));
        let extent = [0, 1, 2].map(|i| (count.high[i] - count.low[i] + 1) as f64 * spacing[i]);
        let mean = images.iter().zip(&sums).filter_map(|((name, _), sums)| {
            Some(((*name).to_owned(), sums.get(usize::from(*label))? / n))
        });
        found.push(Structure {
            map: map.to_owned(),
            label: *label,
            name: name.clone(),
            voxels: count.voxels,
            volume_mm3: n * voxel,
            centre_mm: centre,
            extent_mm: extent,
            mean: mean.collect(),
        });
    }
    found
}

#[derive(Clone, Copy)]
struct Count {
    voxels: u64,
    sum: [u64; 3],
    low: [usize; 3],
    high: [usize; 3],
}

const NONE: Count = Count {
    voxels: 0,
    sum: [0; 3],
    low: [usize::MAX; 3],
    high: [0; 3],
};

fn count(labels: &[u8], [width, height, _]: [usize; 3]) -> Vec<Count> {
    let slices: Vec<Vec<Count>> = labels
        .par_chunks(width * height)
        .enumerate()
        .map(|(z, slice)| {
            let mut counts = vec![NONE; 256];
            for (y, row) in slice.chunks(width).enumerate() {
                for (x, label) in row.iter().enumerate().filter(|(_, label)| **label != 0) {
                    let count = &mut counts[usize::from(*label)];
                    count.voxels += 1;
                    for (i, v) in [x, y, z].into_iter().enumerate() {
                        count.sum[i] += v as u64;
                        count.low[i] = count.low[i].min(v);
                        count.high[i] = count.high[i].max(v);
                    }
                }
            }
            counts
        })
        .collect();
    let mut all = vec![NONE; 256];
    for slice in slices {
        for (a, b) in all.iter_mut().zip(slice) {
            a.voxels += b.voxels;
            for i in 0..3 {
                a.sum[i] += b.sum[i];
                a.low[i] = a.low[i].min(b.low[i]);
                a.high[i] = a.high[i].max(b.high[i]);
            }
        }
    }
    all
}

/// The sum of the values under each label, slice by slice in order.
fn sum(labels: &[u8], image: &Volume) -> Vec<f64> {
    let [width, height, _] = image.geometry().size();
    let area = width * height;
    let slices: Vec<Vec<f64>> = labels
        .par_chunks(area)
        .enumerate()
        .map(|(z, slice)| {
            let mut sums = vec![0.0; 256];
            dispatch!(VoxelsView, image.voxels().view(), v => {
                let values = v.as_slice().and_then(|v| v.get(z * area..)).unwrap_or_default();
                for (label, value) in slice.iter().zip(values) {
                    sums[usize::from(*label)] += value.to_f64();
                }
            });
            sums
        })
        .collect();
    let mut all = vec![0.0; 256];
    for slice in slices {
        for (a, b) in all.iter_mut().zip(slice) {
            *a += b;
        }
    }
    all
}
