//! What the phantoms promise: the same bytes everywhere, and a truth that is true.

#![allow(clippy::unwrap_used)] // a test may panic, and so may what it builds upon

use rayon::ThreadPoolBuilder;
use voxprep_core::kernels::simd::{Level, with_level};
use voxprep_core::volume::{Modality, Role, Unit, Volume};
use voxprep_core::voxels::ElementType;
use voxprep_phantom::{
    AbdomenCt, BrainMri, ChestCt, ChestXray, Error, Kind, NODULE_KINDS, Phantom, Sequence,
    Structure, abdomen_ct, brain_mri, chest_ct, chest_xray,
};

/// FNV-1a, 64 bits, of all volumes.
fn hash(phantom: &Phantom) -> u64 {
    phantom
        .subject
        .volumes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, (name, volume)| {
            let bytes = name.as_bytes().iter().chain(volume.voxels().bytes());
            bytes.fold(hash, |h, b| {
                (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
            })
        })
}

fn small(kind: Kind) -> Phantom {
    match kind {
        Kind::ChestCt => chest_ct(&ChestCt {
            size: [40, 36, 24],
            spacing_mm: [9.0, 10.0, 13.0],
            seed: 5,
            metal: true,
            padding_hu: Some(-2000),
            ..ChestCt::default()
        }),
        Kind::AbdomenCt => abdomen_ct(&AbdomenCt {
            size: [40, 36, 24],
            spacing_mm: [9.5, 10.0, 12.0],
            seed: 5,
            ..AbdomenCt::default()
        }),
        Kind::BrainMri => brain_mri(&BrainMri {
            size: [36, 40, 30],
            spacing_mm: [5.0, 5.5, 6.5],
            seed: 5,
            sequences: Sequence::ALL.to_vec(),
            bias_volumes: true,
            ..BrainMri::default()
        }),
        Kind::ChestXray => chest_xray(&ChestXray {
            size: [64, 56],
            seed: 5,
            ..ChestXray::default()
        }),
    }
    .unwrap()
}

/// QC-18: the same bytes on every machine, for any number of threads and any instruction set.
#[test]
fn the_bytes_are_those_of_every_other_machine() {
    let expected = [
        (Kind::ChestCt, 0x18b3_53f7_de70_4341),
        (Kind::AbdomenCt, 0x4908_23f2_87bb_88c8),
        (Kind::BrainMri, 0xd7b8_2cac_07ad_cef8),
        (Kind::ChestXray, 0xeab7_a23e_eee7_e074),
    ];
    let found = expected.map(|(kind, _)| {
        let first = hash(&small(kind));
        for threads in [1, 3] {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            for level in [Level::Baseline, Level::Avx2] {
                let again = with_level(level, || pool.install(|| hash(&small(kind))));
                assert_eq!(again, first, "{kind}, {threads} threads, {level:?}");
            }
        }
        (kind, first)
    });
    assert_eq!(found, expected, "{found:#x?}");
}

/// QC-18: another seed is another patient.
#[test]
fn another_seed_gives_other_bytes() {
    let of = |seed| {
        let options = ChestXray {
            size: [48, 48],
            seed,
            ..ChestXray::default()
        };
        hash(&chest_xray(&options).unwrap())
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

fn fine_chest(noise_hu: f64) -> Phantom {
    let options = ChestCt {
        size: [176, 160, 150],
        spacing_mm: [2.0, 2.0, 2.0],
        seed: 3,
        noise_hu,
        texture: 0.0,
        ..ChestCt::default()
    };
    chest_ct(&options).unwrap()
}

fn structure<'a>(phantom: &'a Phantom, map: &str, label: u8) -> &'a Structure {
    let mut all = phantom.truth.structures.iter();
    all.find(|s| s.map == map && s.label == label).unwrap()
}

fn values(volume: &Volume) -> Vec<f64> {
    let [x, y, z] = volume.geometry().size();
    let mut out = Vec::new();
    for k in 0..z {
        for j in 0..y {
            out.extend((0..x).map(|i| volume.voxels().get(0, [i, j, k]).unwrap()));
        }
    }
    out
}

/// QC-18: the volume that a label map holds is the one that was drawn: within 2 % where a nodule
/// has many voxels, and within the error of its surface where it has few.
#[test]
fn nodules_have_the_volume_and_the_place_that_the_truth_says() {
    let phantom = fine_chest(0.0);
    assert_eq!(phantom.truth.targets.len(), 8);
    let (mut exact, mut counted) = (0.0, 0.0);
    for target in &phantom.truth.targets {
        let found = structure(&phantom, "nodules", target.label);
        let d = target.diameters_mm[0];
        assert!((4.0..=20.0).contains(&d));
        let sphere = std::f64::consts::PI / 6.0 * d * d * d;
        assert!((target.volume_mm3 / sphere - 1.0).abs() < 1e-12);
        // counting centres: the error falls with the number of voxels of the surface
        let tolerance = 0.02_f64.max(1.5 / (found.voxels as f64).sqrt().max(1.0));
        let off = found.volume_mm3 / target.volume_mm3 - 1.0;
        assert!(
            off.abs() < tolerance,
            "{}: {off} with {} voxels",
            target.name,
            found.voxels
        );
        for i in 0..3 {
            assert!(
                (found.centre_mm[i] - target.centre_mm[i]).abs() < 0.6,
                "{}",
                target.name
            );
        }
        exact += target.volume_mm3;
        counted += found.volume_mm3;
    }
    assert!(
        (counted / exact - 1.0).abs() < 0.02,
        "{counted} mm3 for {exact}"
    );
}

/// QC-18: every kind of nodule is there; pleural ones touch the wall, all others lie in a lung.
#[test]
fn nodules_of_every_kind_lie_in_or_at_the_lungs() {
    let phantom = fine_chest(0.0);
    for kind in NODULE_KINDS {
        assert!(
            phantom.truth.targets.iter().any(|t| t.kind == kind),
            "{kind}"
        );
    }
    let lungs = values(phantom.subject.volume("lungs").unwrap());
    let nodules = values(phantom.subject.volume("nodules").unwrap());
    for target in &phantom.truth.targets {
        let own = nodules
            .iter()
            .zip(&lungs)
            .filter(|(n, _)| **n == f64::from(target.label));
        let inside = own.clone().filter(|(_, lung)| **lung > 0.0).count() as f64;
        let share = inside / own.count() as f64;
        if target.kind == "pleural" {
            assert!((0.5..0.99).contains(&share), "{}: {share}", target.name);
        } else {
            assert!(share == 1.0, "{} ({}): {share}", target.name, target.kind);
        }
    }
}

/// QC-18: without noise and texture, tissues measure what the truth says.
#[test]
fn ct_numbers_are_those_of_the_tissues() {
    let phantom = fine_chest(0.0);
    let image = values(phantom.subject.volume("image").unwrap());
    let anatomy = values(phantom.subject.volume("anatomy").unwrap());
    let mode = |label: f64| {
        let mut counts = std::collections::BTreeMap::new();
        for (v, _) in image.iter().zip(&anatomy).filter(|(_, l)| **l == label) {
            *counts.entry(*v as i32).or_insert(0_u32) += 1;
        }
        counts.into_iter().max_by_key(|(_, n)| *n).unwrap().0
    };
    // fat, muscle, airway lumen, heart muscle, blood, liver, spleen, air
    for (label, hu) in [
        (2.0, -105),
        (3.0, 55),
        (6.0, -1000),
        (9.0, 110),
        (10.0, 230),
        (15.0, 95),
        (16.0, 115),
        (0.0, -1000),
    ] {
        assert_eq!(mode(label), hu, "label {label}");
    }
    // Walls and contents of hollow organs are told apart.
    let said = |name: &str| {
        let found = phantom.truth.tissues.iter().find(|t| t.name == name);
        found.unwrap_or_else(|| panic!("{name}")).value as i32
    };
    for (label, name) in [
        (2.0, "fat"),
        (3.0, "muscle"),
        (10.0, "blood"),
        (15.0, "liver"),
        (16.0, "spleen"),
    ] {
        assert_eq!(mode(label), said(name), "{name}");
    }
    for (organ, wall, contents) in [
        ("stomach", "wall of the stomach", "contents of the stomach"),
        ("table", "shell of the table", "foam of the table"),
    ] {
        let found = phantom.truth.structures.iter();
        let mut found = found.filter(|s| s.map == "anatomy" && s.name == organ);
        let label = f64::from(found.next().unwrap_or_else(|| panic!("{organ}")).label);
        assert!(
            [said(wall), said(contents)].contains(&mode(label)),
            "{organ}: {}",
            mode(label)
        );
    }
    let right = structure(&phantom, "anatomy", 4).mean["image"];
    assert!((-870.0..-800.0).contains(&right), "{right}");
    let tissue = phantom
        .truth
        .tissues
        .iter()
        .find(|t| t.name == "muscle")
        .unwrap();
    assert_eq!((tissue.volume.as_str(), tissue.value), ("image", 55.0));
    for target in phantom
        .truth
        .targets
        .iter()
        .filter(|t| t.kind == "solid" && t.diameters_mm[0] > 9.0)
    {
        let volume = phantom.subject.volume("image").unwrap();
        let index = volume.geometry().index_from_world().apply(target.centre_mm);
        let centre = volume.voxels().get(0, index.map(|v| v.round() as usize));
        assert_eq!(centre, Some(35.0), "{}", target.name);
    }
}

/// QC-18: the noise has the standard deviation that was asked for.
#[test]
fn noise_has_the_spread_that_was_asked_for() {
    let [clean, noisy] =
        [0.0, 20.0].map(|noise| values(fine_chest(noise).subject.volume("image").unwrap()));
    let differences: Vec<f64> = clean.iter().zip(&noisy).map(|(a, b)| b - a).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let std = (differences
        .iter()
        .map(|d| (d - mean) * (d - mean))
        .sum::<f64>()
        / n)
        .sqrt();
    assert!(
        mean.abs() < 0.05 && (std - 20.0).abs() < 0.3,
        "{mean}, {std}"
    );
}

/// QC-18: metal is beyond 3000 HU, and padding fills all outside the circle and nothing else.
#[test]
fn metal_and_padding_are_where_they_were_asked_for() {
    let options = ChestCt {
        size: [120, 120, 60],
        spacing_mm: [3.0, 3.0, 5.0],
        metal: true,
        padding_hu: Some(-3024),
        ..ChestCt::default()
    };
    let phantom = chest_ct(&options).unwrap();
    let image = phantom.subject.volume("image").unwrap();
    let anatomy = values(phantom.subject.volume("anatomy").unwrap());
    let hu = values(image);
    let metal = hu
        .iter()
        .zip(&anatomy)
        .filter(|(_, l)| **l == 20.0)
        .map(|(v, _)| *v);
    assert!(metal.clone().count() > 20 && metal.fold(0.0, f64::max) > 3000.0);
    for (x, padded) in [(0, true), (8, true), (25, false), (60, false)] {
        // half way along the diagonal the circle of radius 60 begins at x = 17.6
        let value = image.voxels().get(0, [x, x, 30]).unwrap();
        assert_eq!(value == -3024.0, padded, "{x}: {value}");
    }
}

fn head(options: BrainMri) -> Phantom {
    let options = BrainMri {
        size: [88, 108, 92],
        spacing_mm: [2.0, 2.0, 2.0],
        seed: 2,
        ..options
    };
    brain_mri(&options).unwrap()
}

/// QC-18: without bias and noise every tissue is constant away from its edges.
#[test]
fn a_head_without_bias_and_noise_is_piecewise_constant() {
    let phantom = head(BrainMri {
        bias: 0.0,
        noise: 0.0,
        ..BrainMri::default()
    });
    let image = phantom.subject.volume("t1").unwrap();
    let tissue = phantom.subject.volume("tissue").unwrap();
    let [x, y, z] = image.geometry().size();
    let (mut inner, mut exact) = (0_u32, 0_u32);
    for k in 2..z - 2 {
        for j in 2..y - 2 {
            for i in 2..x - 2 {
                let label = tissue.voxels().get(0, [i, j, k]).unwrap();
                let around = (-2..=2_i64).flat_map(|a| {
                    (-2..=2_i64).flat_map(move |b| (-2..=2_i64).map(move |c| [a, b, c]))
                });
                let alike = around.clone().all(|[a, b, c]| {
                    let at = [i as i64 + a, j as i64 + b, k as i64 + c].map(|v| v as usize);
                    tissue.voxels().get(0, at) == Some(label)
                });
                // the tissues that are thick enough
                if alike && label == 9.0 {
                    let value = image.voxels().get(0, [i, j, k]);
                    assert_eq!(value, Some(150.0), "{i}, {j}, {k}");
                }
                if alike && label == 3.0 {
                    inner += 1;
                    exact += u32::from(image.voxels().get(0, [i, j, k]) == Some(640.0));
                }
            }
        }
    }
    // a sulcus thinner than a voxel may pass between centres
    assert!(
        inner > 300 && exact * 100 >= inner * 97,
        "{exact} of {inner}"
    );
}

/// QC-18: the magnitude of noise alone has the mean of Rayleigh, sigma sqrt(pi / 2).
#[test]
fn the_background_has_the_mean_of_rician_noise() {
    let phantom = head(BrainMri {
        bias: 0.0,
        noise: 40.0,
        ..BrainMri::default()
    });
    let image = values(phantom.subject.volume("t1").unwrap());
    let clean = head(BrainMri {
        bias: 0.0,
        noise: 0.0,
        ..BrainMri::default()
    });
    let air = values(clean.subject.volume("t1").unwrap());
    let background: Vec<f64> = image
        .iter()
        .zip(&air)
        .filter(|(_, a)| **a == 0.0)
        .map(|(v, _)| *v)
        .collect();
    let mean = background.iter().sum::<f64>() / background.len() as f64;
    assert!(background.len() > 100_000);
    assert!((mean / (40.0 * 1.253_314) - 1.0).abs() < 0.005, "{mean}");
}

/// QC-18: the field is what the image was multiplied by, and as strong as was asked for.
#[test]
fn the_bias_field_is_the_ratio_of_the_images() {
    let flat = head(BrainMri {
        bias: 0.0,
        noise: 0.0,
        ..BrainMri::default()
    });
    let bent = head(BrainMri {
        bias: 0.5,
        noise: 0.0,
        bias_volumes: true,
        ..BrainMri::default()
    });
    let [a, b] = [&flat, &bent].map(|p| values(p.subject.volume("t1").unwrap()));
    let field = bent.subject.volume("bias_t1").unwrap();
    assert_eq!(
        (field.voxels().element_type(), field.role()),
        (ElementType::F32, Role::Intensity)
    );
    let field = values(field);
    for ((a, b), f) in a.iter().zip(&b).zip(&field) {
        // both images are rounded
        assert!(
            (a * f - b).abs() <= 0.5 + 0.5 * f + 1e-4 * b,
            "{a} * {f} = {b}"
        );
    }
    let (low, high) = field
        .iter()
        .fold((f64::MAX, 0.0_f64), |(l, h), f| (l.min(*f), h.max(*f)));
    // exp(-0.5) to exp(0.5) over the box of the head, which is about the size of this grid
    assert!(
        (0.5..0.75).contains(&low) && (1.35..2.0).contains(&high),
        "{low}..{high}"
    );
}

/// QC-18: sequences on different grids show the same head in the same place of the world.
#[test]
fn different_grids_overlay_in_the_world() {
    let phantom = head(BrainMri {
        bias: 0.0,
        noise: 0.0,
        ..BrainMri::default()
    });
    let first = phantom.subject.volume("tissue").unwrap();
    for name in ["tissue_t2", "tissue_flair"] {
        let other = phantom.subject.volume(name).unwrap();
        assert_ne!(other.geometry(), first.geometry());
        let first_from_other =
            first.geometry().index_from_world() * other.geometry().world_from_index();
        let [x, y, z] = other.geometry().size();
        let (mut alike, mut all) = (0_u32, 0_u32);
        for k in 0..z {
            for j in 0..y {
                for i in 0..x {
                    let label = other.voxels().get(0, [i, j, k]).unwrap();
                    let index = first_from_other.apply([i as f64, j as f64, k as f64]);
                    if label == 0.0 || !first.geometry().contains_index(index) {
                        continue;
                    }
                    let at = index.map(|v| v.round().max(0.0) as usize);
                    all += 1;
                    alike += u32::from(first.voxels().get(0, at) == Some(label));
                }
            }
        }
        // the rest is within a millimetre of an edge between tissues
        let share = f64::from(alike) / f64::from(all);
        assert!(all > 20_000 && share > 0.7, "{name}: {share} of {all}");
    }
}

/// QC-18: contrast of the sequences: fluid is dark in T1 and FLAIR, bright in T2; lesions are
/// bright in T2 and FLAIR.
#[test]
fn each_sequence_has_its_contrast() {
    let options = BrainMri {
        sequences: Sequence::ALL.to_vec(),
        same_grid: true,
        bias: 0.0,
        ..BrainMri::default()
    };
    let phantom = head(options);
    assert_eq!(
        phantom.subject.names().collect::<Vec<_>>(),
        ["t1", "tissue", "t2", "flair", "pd"]
    );
    let mean = |tissue: u8, image: &str| structure(&phantom, "tissue", tissue).mean[image];
    let (csf, grey, white, lesion) = (1, 2, 3, 4);
    assert!(mean(csf, "t1") < mean(grey, "t1") && mean(grey, "t1") < mean(white, "t1"));
    assert!(mean(csf, "t2") > mean(grey, "t2") && mean(grey, "t2") > mean(white, "t2"));
    assert!(mean(csf, "flair") < mean(white, "flair"));
    for image in ["t2", "flair"] {
        assert!(mean(lesion, image) > 1.2 * mean(white, image), "{image}");
    }
}

/// QC-18: lungs are dark between bright bones and mediastinum; half the dose is brighter and noisier.
#[test]
fn a_radiograph_is_darker_in_the_lungs() {
    let of = |exposure: f64, noise: f64, depth: u8| {
        let options = ChestXray {
            size: [160, 160],
            exposure,
            noise,
            depth,
            ..ChestXray::default()
        };
        chest_xray(&options).unwrap()
    };
    let phantom = of(1.0, 1.0, 16);
    let image = phantom.subject.volume("image").unwrap();
    let header = image.header();
    assert_eq!(
        (header.element_type, header.unit, header.modality),
        (ElementType::U16, Unit::Raw, Some(Modality::Xray))
    );
    assert_eq!(image.geometry().orientation().to_string(), "LIP");
    let lung = structure(&phantom, "lungs", 1).mean["image"];
    let mediastinum: f64 = (60..110)
        .map(|y| image.voxels().get(0, [80, y, 0]).unwrap())
        .sum::<f64>()
        / 50.0;
    assert!(lung < 0.62 * mediastinum, "{lung}, {mediastinum}");
    // the right lung is on the left of the picture
    let [right, left] = [1, 2].map(|label| structure(&phantom, "lungs", label).centre_mm[0]);
    assert!(right < -40.0 && left > 40.0);
    let lungs = values(phantom.subject.volume("lungs").unwrap());
    let noise = |exposure: f64| {
        let [a, b] = [0.0, 1.0]
            .map(|noise| values(of(exposure, noise, 16).subject.volume("image").unwrap()));
        // where nothing is clipped
        let clipped = |v: f64, w: f64| v.max(w) >= 65_535.0;
        let pixels = a.iter().zip(&b).zip(&lungs);
        let pixels = pixels.filter(|((a, b), lung)| **lung > 0.0 && !clipped(**a, **b));
        let squares = pixels.clone().map(|((a, b), _)| (a - b) * (a - b));
        (squares.sum::<f64>() / pixels.count() as f64).sqrt()
    };
    // a quarter of the photons: twice the noise
    let ratio = noise(0.5) / noise(2.0);
    assert!((1.7..2.3).contains(&ratio), "{ratio}");
    let [low, high] = [0.5, 2.0].map(|e| structure(&of(e, 0.0, 16), "lungs", 1).mean["image"]);
    assert!(low > lung && lung > high, "{low}, {lung}, {high}");
    let eight = of(1.0, 1.0, 8);
    assert_eq!(
        eight.subject.volume("image").unwrap().header().element_type,
        ElementType::U8
    );
    let mean = structure(&eight, "lungs", 1).mean["image"];
    assert!((mean * 257.0 / lung - 1.0).abs() < 0.01);
}

/// QC-18: organs and lesions of the abdomen are there and measure what the truth says.
#[test]
fn the_abdomen_has_its_organs_and_lesions() {
    let options = AbdomenCt {
        size: [150, 140, 120],
        spacing_mm: [2.5; 3],
        noise_hu: 0.0,
        ..AbdomenCt::default()
    };
    let phantom = abdomen_ct(&options).unwrap();
    // all but the table's parts: liver and spleen in the size of an adult's
    let litres = |label: u8| structure(&phantom, "organs", label).volume_mm3 / 1e6;
    assert!((0.9..2.2).contains(&litres(7)), "liver {}", litres(7));
    assert!((0.08..0.4).contains(&litres(10)), "spleen {}", litres(10));
    for label in 1..=21 {
        assert!(structure(&phantom, "organs", label).voxels > 30, "{label}");
    }
    let image = phantom.subject.volume("image").unwrap();
    assert_eq!(phantom.truth.targets.len(), 3);
    let mut exact = 0.0;
    for target in &phantom.truth.targets {
        let index = image
            .geometry()
            .index_from_world()
            .apply(target.centre_mm)
            .map(|v| v.round() as usize);
        assert_eq!(
            image.voxels().get(0, index),
            target.value.get("image").copied(),
            "{}",
            target.kind
        );
        exact += target.volume_mm3;
    }
    let counted = structure(&phantom, "organs", 8).volume_mm3;
    assert!(
        (counted / exact - 1.0).abs() < 0.02,
        "{counted} mm3 for {exact}"
    );
}

#[test]
fn what_cannot_be_made_is_refused_with_the_field_and_the_range() {
    let chest = |options: ChestCt| chest_ct(&options).unwrap_err();
    let usual = ChestCt::default;
    for (error, parts) in [
        (
            chest(ChestCt {
                size: [0, 10, 10],
                ..usual()
            }),
            ["size", "0 voxels"],
        ),
        (
            chest(ChestCt {
                size: [10, 10, 5000],
                ..usual()
            }),
            ["size", "[4, 4096]"],
        ),
        (
            chest(ChestCt {
                spacing_mm: [1.0, f64::NAN, 1.0],
                ..usual()
            }),
            ["spacing_mm", "NaN"],
        ),
        (
            chest(ChestCt {
                noise_hu: -1.0,
                ..usual()
            }),
            ["noise_hu", "-1"],
        ),
        (
            chest(ChestCt {
                nodules: 201,
                ..usual()
            }),
            ["nodules", "200"],
        ),
        (
            brain_mri(&BrainMri {
                sequences: vec![],
                ..BrainMri::default()
            })
            .unwrap_err(),
            ["sequences", "t1"],
        ),
        (
            brain_mri(&BrainMri {
                bias: 3.0,
                ..BrainMri::default()
            })
            .unwrap_err(),
            ["bias", "0..2"],
        ),
        (
            chest_xray(&ChestXray {
                depth: 12,
                ..ChestXray::default()
            })
            .unwrap_err(),
            ["depth", "12"],
        ),
        (
            chest_xray(&ChestXray {
                exposure: 0.0,
                ..ChestXray::default()
            })
            .unwrap_err(),
            ["exposure", "0.01..100"],
        ),
    ] {
        assert!(matches!(error, Error::Parameter(_)), "{error:?}");
        let message = error.to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    let huge = chest(ChestCt {
        size: [4096, 4096, 4096],
        ..usual()
    });
    assert!(matches!(huge, Error::Limit(_)));
    assert_eq!("brain-mri".parse::<Kind>().unwrap(), Kind::BrainMri);
    let error = "brain".parse::<Kind>().unwrap_err().to_string();
    assert!(
        error.contains("chest-ct, abdomen-ct, brain-mri, chest-xray"),
        "{error}"
    );
}

/// QC-18: the truth file can be read back.
#[test]
fn the_truth_goes_through_json() {
    let phantom = small(Kind::ChestCt);
    let text = serde_json::to_string(&phantom.truth).unwrap();
    let back: voxprep_phantom::Truth = serde_json::from_str(&text).unwrap();
    assert_eq!(back, phantom.truth);
    assert!(text.contains("\"kind\":\"chest-ct\""));
}
