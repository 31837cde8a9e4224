//! CT of the abdomen.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use voxprep_core::error::Result;
use voxprep_core::kernels::Affine;
use voxprep_core::kernels::affine::norm;
use voxprep_core::stream::Stream;
use voxprep_core::subject::Subject;
use voxprep_core::volume::{Modality, Unit};

use crate::bones::{CARTILAGE, CORD, CORTEX, MARROW, Rib, SPINAL_FLUID, Spine, ribbon};
use crate::grid::{add_noise, centred, check_in, image, labels, stored, stream};
use crate::maths::{P, both, either, ellipsoid, oval, smoothstep, sub};
use crate::scene::{Layer, Scene, Shape};
use crate::texture::Texture;
use crate::tree::minus;
use crate::truth::{Target, Tissue, Truth, sheet, structures};
use crate::{Kind, Phantom};

/// What a CT of the abdomen is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbdomenCt {
    /// Voxels along x, y, z.
    pub size: [usize; 3],
    /// Distances between their centres, mm.
    pub spacing_mm: [f64; 3],
    /// Another seed is another patient: bowel, lesions, outlines and noise.
    pub seed: u64,
    /// Standard deviation of the noise, HU; 0 for none.
    pub noise_hu: f64,
    /// How many lesions of the liver, 0..12: a cyst, a metastasis, a haemangioma, and so on. Fewer
    /// where there is no room.
    pub lesions: usize,
}

impl Default for AbdomenCt {
    fn default() -> Self {
        Self {
            size: [256, 256, 120],
            spacing_mm: [1.5, 1.5, 2.5],
            seed: 0,
            noise_hu: 12.0,
            lesions: 3,
        }
    }
}

/// The values of the label map `organs`.
const ORGANS: [(&str, f64); 22] = [
    ("background", -1000.0),
    ("skin", 20.0),
    ("fat", -105.0),
    ("muscle", 58.0),
    ("bone", CORTEX),
    ("discs", CARTILAGE),
    ("spinal canal", SPINAL_FLUID),
    ("liver", 108.0),
    ("liver lesions", 0.0),
    ("gallbladder", 8.0),
    ("spleen", 122.0),
    ("right kidney", 190.0),
    ("left kidney", 190.0),
    ("stomach", 50.0),
    ("small bowel", 60.0),
    ("colon", 45.0),
    ("gas", -1000.0),
    ("aorta", 180.0),
    ("vena cava", 150.0),
    ("portal vein", 165.0),
    ("pancreas", 95.0),
    ("table", -420.0),
];

const SKIN: usize = 1;
const FAT: usize = 2;
const MUSCLE: usize = 3;
const BONE: usize = 4;
const DISC: usize = 5;
const CANAL: usize = 6;
const LIVER: usize = 7;
const LESION: usize = 8;
const GALLBLADDER: usize = 9;
const SPLEEN: usize = 10;
const RIGHT_KIDNEY: usize = 11;
const LEFT_KIDNEY: usize = 12;
const STOMACH: usize = 13;
const SMALL_BOWEL: usize = 14;
const COLON: usize = 15;
const GAS: usize = 16;
const AORTA: usize = 17;
const CAVA: usize = 18;
const PORTAL: usize = 19;
const PANCREAS: usize = 20;
const TABLE: usize = 21;

/// Kinds of lesions and their HU.
const LESIONS: [(&str, f64); 3] = [("cyst", 6.0), ("metastasis", 62.0), ("haemangioma", 168.0)];
/// The medulla of a kidney, HU.
const MEDULLA: f64 = 120.0;

struct Lesion {
    kind: &'static str,
    value: f64,
    centre: [f64; 3],
    diameters: [f64; 3],
}

/// The distance from the skin.
fn outline(p: P) -> f32 {
    let waist = smoothstep(40.0, -20.0, p[2]) - smoothstep(-60.0, -150.0, p[2]);
    let hollow = 4.0 * smoothstep(24.0, 0.0, p[0].abs()) * smoothstep(40.0, 100.0, p[1]);
    oval(p[0], p[1] - 4.0, 166.0 - 7.0 * waist, 114.0, 0.4) + hollow
}

/// The distance from the cavity of the belly, in which fat and organs lie.
fn cavity(p: P) -> f32 {
    let d = oval(p[0], p[1] + 2.0, 132.0, 84.0, 0.35);
    // the back muscles and the spine push in from behind
    let (x, y) = (p[0] / 62.0, (p[1] - 92.0) / 40.0);
    both(d, 18.0 * (1.0 - (x * x + y * y).sqrt()), 20.0)
}

fn liver(p: P, n: f32) -> f32 {
    let d = ellipsoid(sub(p, [-54.0, -4.0, 74.0]), [84.0, 82.0, 92.0]);
    let left = ellipsoid(sub(p, [6.0, -42.0, 92.0]), [70.0, 34.0, 42.0]);
    let d = either(d, left, 20.0);
    // the lower face slopes up to the left, and gives room to kidney and spine
    let below = 0.62 * (p[0] + 92.0) - 26.0 + 0.35 * p[1] - p[2] + 4.0 * n;
    let d = both(d, below * 0.78, 14.0);
    let d = both(
        d,
        44.0 - norm2(p[0] + 58.0, p[1] - 56.0).max((p[2] - 52.0) * 1.2),
        12.0,
    );
    let d = both(d, 40.0 - norm2(p[0] - 4.0, p[1] - 52.0), 12.0);
    both(d, cavity(p) + 3.5, 8.0)
}

#[inline(always)]
fn norm2(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Makes a CT of the abdomen after contrast agent: `image` (HU) and the label map `organs`.
///
/// # Errors
/// [`Error::Parameter`](crate::Error::Parameter) for options out of range,
/// [`Error::Limit`](crate::Error::Limit) where there is no memory.
pub fn abdomen_ct(options: &AbdomenCt) -> Result<Phantom> {
    let kind = Kind::AbdomenCt;
    let grid = centred(options.size, options.spacing_mm, [0.0, 10.0, 0.0])?;
    check_in("noise_hu", &[options.noise_hu], [0.0, 1000.0])?;
    check_in("lesions", &[options.lesions as f64], [0.0, 12.0])?;
    let (scene, lesions) = scene(options);
    let mut painted = scene.paint(&grid)?;
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
    let values = stored::<i16>(painted.image.as_slice(), options.size[0] * options.size[1])?;
    let mut subject = Subject::new(format!("{kind}-{}", options.seed))
        .with("image", image(&grid, values, Modality::Ct, Unit::Hu)?)?;
    for map in painted.maps {
        subject.add("organs", labels(&grid, map, Modality::Ct)?)?;
    }
    let truth = truth(options, &lesions, &subject);
    Ok(Phantom { subject, truth })
}

fn mark(organ: usize) -> Vec<Option<u8>> {
    vec![u8::try_from(organ).ok()]
}

fn layer(shapes: Vec<Shape>, organ: usize) -> Layer {
    Layer::new(shapes, ORGANS[organ].1, &mark(organ))
}

/// The box that holds every abdomen, mm.
const ALL: [[f64; 3]; 2] = [[-260.0, -260.0, -400.0], [260.0, 260.0, 400.0]];

fn scene(options: &AbdomenCt) -> (Scene, Vec<Lesion>) {
    let draw = |what: &str| stream(options.seed, Kind::AbdomenCt.name(), what);
    let wobble = Arc::new(Texture::new(&draw("textures"), "wobble", 50.0));
    let mut scene = Scene {
        background: ORGANS[0].1 as f32,
        maps: 1,
        layers: Vec::new(),
    };
    let table = Shape::field([[-215.0, -40.0, -400.0], [215.0, 170.0, 400.0]], |p| {
        let r = norm2(p[0], p[1] + 225.0);
        both((r - 355.0).abs() - 10.0, p[0].abs() - 205.0, 6.0)
    });
    scene.push(layer(vec![table], TABLE).band(2.2, FOAM, &[]));
    scene.push(layer(vec![Shape::field(ALL, outline)], SKIN).band(2.0, ORGANS[FAT].1, &mark(FAT)));
    let n = wobble.clone();
    let wall = Shape::field(ALL, move |p| {
        let fat = 13.0 + 5.0 * smoothstep(0.0, -90.0, p[1]) + 4.0 * smoothstep(20.0, -100.0, p[2]);
        outline(p) + fat + 2.0 * n.at(p)
    });
    // three flat muscles at the sides, with fat between them
    scene.push(layer(vec![wall], MUSCLE));
    let seams = Shape::field(ALL, |p| {
        let depth = -cavity(p);
        let side = (64.0 - p[0].abs()).max(p[1] - 40.0);
        ((depth + 5.5).abs() - 0.5)
            .min((depth + 10.5).abs() - 0.5)
            .max(side)
    });
    scene.push(layer(vec![seams], FAT));
    scene.push(layer(vec![Shape::field(ALL, cavity)], FAT));
    let mut back = Vec::new();
    for side in [-1.0, 1.0] {
        let psoas = [
            ([side * 26.0, 40.0, 40.0], 7.0),
            ([side * 36.0, 40.0, -10.0], 15.0),
            ([side * 46.0, 34.0, -80.0], 21.0),
            ([side * 58.0, 18.0, -170.0], 22.0),
        ];
        back.extend(Shape::chain(&psoas));
    }
    scene.push(layer(back, MUSCLE));
    organs(&mut scene, &wobble);
    let lesions = place(options.lesions, &wobble, &mut draw("lesions"));
    for lesion in &lesions {
        let shape = Shape::ellipsoid(lesion.centre, lesion.diameters.map(|d| 0.5 * d));
        scene.push(Layer::new(vec![shape], lesion.value, &mark(LESION)));
    }
    bowel(&mut scene, &wobble, &mut draw("bowel"));
    skeleton(&mut scene);
    (scene, lesions)
}

fn organs(scene: &mut Scene, wobble: &Arc<Texture>) {
    let n = wobble.clone();
    let shape = Shape::field([[-140.0, -92.0, -60.0], [90.0, 92.0, 170.0]], move |p| {
        liver(p, n.at(p))
    });
    scene.push(layer(vec![shape], LIVER));
    let veins = [
        [
            ([-10.0, -8.0, 34.0], 6.5),
            ([-28.0, -10.0, 52.0], 6.5),
            ([-44.0, -12.0, 62.0], 5.5),
        ],
        [
            ([-44.0, -12.0, 62.0], 5.0),
            ([-68.0, -16.0, 78.0], 3.6),
            ([-92.0, -22.0, 84.0], 2.4),
        ],
        [
            ([-44.0, -12.0, 62.0], 5.0),
            ([-70.0, 8.0, 62.0], 3.6),
            ([-94.0, 24.0, 56.0], 2.2),
        ],
        [
            ([-32.0, -10.0, 56.0], 4.8),
            ([-10.0, -32.0, 78.0], 3.6),
            ([14.0, -48.0, 86.0], 2.4),
        ],
        [
            ([-24.0, 22.0, 110.0], 5.5),
            ([-58.0, 10.0, 100.0], 4.0),
            ([-92.0, -6.0, 96.0], 2.4),
        ],
        [
            ([-22.0, 20.0, 112.0], 5.0),
            ([-40.0, -20.0, 104.0], 3.8),
            ([-52.0, -52.0, 90.0], 2.4),
        ],
        [
            ([-20.0, 20.0, 112.0], 4.5),
            ([-2.0, -16.0, 106.0], 3.4),
            ([14.0, -38.0, 100.0], 2.2),
        ],
    ];
    let veins = veins.iter().flat_map(|chain| Shape::chain(chain)).collect();
    scene.push(layer(veins, PORTAL));
    let splenic = [
        ([-8.0, -6.0, 34.0], 5.5),
        ([14.0, 2.0, 40.0], 4.6),
        ([46.0, 14.0, 48.0], 4.2),
        ([76.0, 28.0, 52.0], 3.8),
    ];
    scene.push(layer(Shape::chain(&splenic), PORTAL));
    let mesenteric = [
        ([-8.0, -6.0, 34.0], 6.0),
        ([-8.0, -12.0, 0.0], 5.4),
        ([-14.0, -22.0, -50.0], 3.6),
    ];
    scene.push(layer(Shape::chain(&mesenteric), PORTAL));
    let gland = [
        ([-30.0, -6.0, 16.0], 11.0),
        ([-14.0, -14.0, 26.0], 10.0),
        ([8.0, -14.0, 34.0], 8.0),
        ([36.0, -2.0, 40.0], 8.5),
        ([62.0, 12.0, 48.0], 7.5),
    ];
    scene.push(layer(Shape::chain(&gland), PANCREAS));
    scene.push(layer(
        vec![Shape::ellipsoid([-46.0, -44.0, 24.0], [14.0, 13.0, 24.0])],
        GALLBLADDER,
    ));
    let n = wobble.clone();
    let spleen = Shape::field([[50.0, -30.0, 10.0], [140.0, 90.0, 140.0]], move |p| {
        let d = ellipsoid(sub(p, [100.0, 36.0, 74.0]), [32.0, 44.0, 52.0]) + n.at(p);
        let hollow = 46.0 - norm2(p[0] - 56.0, p[1] - 8.0);
        both(both(d, hollow, 10.0), cavity(p) + 3.5, 8.0)
    });
    scene.push(layer(vec![spleen], SPLEEN));
    for (side, organ, z) in [(-1.0, RIGHT_KIDNEY, -2.0), (1.0, LEFT_KIDNEY, 14.0)] {
        kidney(scene, side, organ, z);
    }
    let stomach = |p: P| {
        let body = ellipsoid(sub(p, [62.0, -30.0, 88.0]), [36.0, 36.0, 48.0]);
        let out = ellipsoid(sub(p, [24.0, -52.0, 40.0]), [48.0, 20.0, 22.0]);
        both(either(body, out, 18.0), cavity(p) + 4.0, 8.0)
    };
    let bounds = [[-40.0, -90.0, 0.0], [120.0, 30.0, 160.0]];
    let shape = Shape::field(bounds, stomach);
    scene.push(layer(vec![shape], STOMACH).band(4.5, STOMACH_CONTENTS, &mark(STOMACH)));
    let gas = Shape::field(bounds, move |p| (stomach(p) + 4.5).max(p[1] + 44.0));
    scene.push(layer(vec![gas], GAS));
    let aorta = [
        ([-2.0, 24.0, 400.0], 11.0),
        ([4.0, 22.0, 40.0], 10.0),
        ([4.0, 22.0, -62.0], 8.5),
    ];
    let mut shapes = Shape::chain(&aorta);
    for side in [-1.0, 1.0] {
        let iliac = [
            ([4.0, 22.0, -62.0], 6.0),
            ([side * 22.0, 18.0, -110.0], 5.5),
            ([side * 44.0, 6.0, -200.0], 5.0),
        ];
        shapes.extend(Shape::chain(&iliac));
        let renal = [
            ([4.0, 22.0, 12.0], 3.2),
            ([side * 30.0, 26.0, 8.0], 2.8),
            ([side * 52.0, 34.0, 6.0], 2.4),
        ];
        shapes.extend(Shape::chain(&renal));
    }
    let trunk = [
        ([4.0, 14.0, 36.0], 4.0),
        ([4.0, -2.0, 32.0], 3.6),
        ([0.0, -12.0, -10.0], 3.2),
        ([-8.0, -20.0, -60.0], 2.4),
    ];
    shapes.extend(Shape::chain(&trunk));
    scene.push(layer(shapes, AORTA));
    let cava = [
        ([-26.0, 22.0, 400.0], 12.0),
        ([-24.0, 22.0, 40.0], 11.5),
        ([-20.0, 24.0, -66.0], 10.5),
    ];
    let mut shapes = Shape::chain(&cava);
    for side in [-1.0, 1.0] {
        let iliac = [
            ([-20.0, 24.0, -66.0], 7.5),
            ([side * 24.0, 26.0, -116.0], 7.0),
            ([side * 48.0, 14.0, -200.0], 6.5),
        ];
        shapes.extend(Shape::chain(&iliac));
    }
    let renal = [
        [([-22.0, 22.0, 4.0], 4.5), ([-54.0, 34.0, -2.0], 3.8)],
        [([-20.0, 18.0, 14.0], 4.5), ([52.0, 32.0, 14.0], 3.8)],
    ];
    shapes.extend(renal.iter().flat_map(|chain| Shape::chain(chain)));
    scene.push(layer(shapes, CAVA));
}

/// A kidney: cortex, pyramids of medulla, and fat with the vessels in its hollow.
fn kidney(scene: &mut Scene, side: f64, organ: usize, z: f64) {
    let centre = [side * 66.0, 46.0, z];
    let turn = Affine::rotation([0.0, 1.0, 0.0], side * 12.0)
        * Affine::rotation([0.0, 0.0, 1.0], side * 24.0);
    let whole = Shape::turned(centre, [28.0, 23.0, 54.0], turn);
    scene.push(layer(vec![whole], organ));
    let mut pyramids = Vec::new();
    for row in [-0.72, -0.36, 0.0, 0.36, 0.72_f64] {
        for tilt in [-0.5, 0.5] {
            let out = 15.0 * (1.0 - 0.55 * row * row);
            let off = turn.apply_vector([side * out * 0.8, tilt * out, row * 40.0]);
            let tip = turn.apply_vector([0.0, 0.0, row * 24.0]);
            let at = |v: [f64; 3]| [0, 1, 2].map(|i| centre[i] + v[i]);
            pyramids.push(Shape::tube(at(off), at(tip), [6.2, 3.2]));
        }
    }
    scene.push(Layer::new(pyramids, MEDULLA, &mark(organ)));
    let hollow = turn.apply_vector([-side * 14.0, -2.0, 0.0]);
    let at = [0, 1, 2].map(|i| centre[i] + hollow[i]);
    scene.push(layer(vec![Shape::turned(at, [15.0, 8.0, 22.0], turn)], FAT));
}

/// Small bowel in the middle, colon round it, gas where it rises.
fn bowel(scene: &mut Scene, wobble: &Arc<Texture>, draw: &mut Stream) {
    let mut loops = Vec::new();
    let mut bubbles = Vec::new();
    let n = wobble.clone();
    let free = move |p: [f64; 3]| {
        let q = p.map(|v| v as f32);
        let ground = -20.0 + 0.16 * q[0];
        cavity(q) < -17.0 && q[1] < 20.0 && q[2] < ground && liver(q, n.at(q)) > 16.0
    };
    for _ in 0..34 {
        let mut at = [
            draw.uniform(-78.0, 78.0),
            draw.uniform(-60.0, 14.0),
            draw.uniform(-190.0, -20.0),
        ];
        let mut way = [
            draw.uniform(-1.0, 1.0),
            draw.uniform(-1.0, 1.0),
            draw.uniform(-0.6, 0.6),
        ];
        let radius = draw.uniform(9.0, 12.5);
        for _ in 0..16 {
            let turn = [0, 1, 2].map(|_| draw.uniform(-0.75, 0.75));
            let next = [0, 1, 2].map(|i| way[i] + turn[i]);
            let long = norm(next).max(0.2);
            let there = [0, 1, 2].map(|i| at[i] + 12.0 * next[i] / long);
            if !free(there) || !free(at) {
                way = way.map(|v| -v);
                continue;
            }
            loops.push(Shape::tube(at, there, [radius, radius]));
            if draw.happens(0.16) {
                bubbles.push((at, there, radius));
            }
            (at, way) = (there, next.map(|v| v / long));
        }
    }
    scene.push(layer(loops, SMALL_BOWEL).band(2.6, SMALL_BOWEL_CONTENTS, &mark(SMALL_BOWEL)));
    let gas = |(a, b, radius): &([f64; 3], [f64; 3], f64), up: f64| {
        let rise = |p: &[f64; 3]| [p[0], p[1] - up, p[2]];
        Shape::tube(rise(a), rise(b), [0.42 * radius; 2])
    };
    scene.push(layer(
        bubbles.iter().map(|bubble| gas(bubble, 3.4)).collect(),
        GAS,
    ));
    let frame = [
        ([-88.0, 0.0, -130.0], 27.0),
        ([-98.0, 14.0, -96.0], 24.0),
        ([-100.0, 20.0, -62.0], 21.0),
        ([-92.0, 8.0, -38.0], 20.0),
        ([-66.0, -40.0, -26.0], 19.0),
        ([-34.0, -58.0, -30.0], 18.0),
        ([0.0, -62.0, -22.0], 18.0),
        ([38.0, -60.0, -8.0], 17.0),
        ([74.0, -44.0, 12.0], 17.0),
        ([100.0, -6.0, 30.0], 16.0),
        ([106.0, 26.0, -4.0], 15.0),
        ([104.0, 30.0, -60.0], 14.5),
        ([94.0, 20.0, -120.0], 14.0),
        ([70.0, 8.0, -200.0], 13.0),
    ];
    // pouches: the radius swells and narrows along the way
    let mut points = Vec::new();
    for w in frame.windows(2) {
        for k in 0..4_u32 {
            let t = f64::from(k) / 4.0;
            let p = [0, 1, 2].map(|i| w[0].0[i] + t * (w[1].0[i] - w[0].0[i]));
            let swell = if k % 2 == 0 { 1.06 } else { 0.82 };
            points.push((p, swell * (w[0].1 + t * (w[1].1 - w[0].1))));
        }
    }
    scene.push(layer(Shape::chain(&points), COLON).band(2.4, COLON_CONTENTS, &mark(COLON)));
    let gassy = points
        .windows(2)
        .enumerate()
        .filter(|(i, _)| (12..36).contains(i) || i % 7 == 3);
    let gas = gassy.map(|(_, w)| {
        let radius = 0.62 * w[0].1;
        let rise = |p: [f64; 3]| [p[0], p[1] - 0.22 * radius, p[2]];
        Shape::tube(rise(w[0].0), rise(w[1].0), [radius, 0.62 * w[1].1])
    });
    scene.push(layer(gas.collect(), GAS));
}

fn skeleton(scene: &mut Scene) {
    let solid = |shapes: Vec<Shape>, shell: f32| layer(shapes, BONE).band(shell, MARROW, &[]);
    let spine = Spine {
        y: Arc::new(|z| {
            54.0 - 8.0 * smoothstep(90.0, -30.0, z) + 10.0 * smoothstep(-60.0, -170.0, z)
        }),
        middle: 0.0,
        period: 35.0,
        radii: [22.0, 17.0],
        reach: 42.0,
        low: -420.0,
        high: 420.0,
    };
    scene.push(layer(vec![spine.discs()], DISC));
    let cage = |p: P| oval(p[0], p[1] + 2.0, 132.0, 84.0, 0.35);
    let mut ribs = Vec::new();
    for i in 0..6_i32 {
        let number = f64::from(i);
        for side in [-1.0, 1.0] {
            let to_deg = [62.0, 84.0, 112.0, 118.0, 124.0, 126.0][i as usize];
            let rib = Rib {
                side,
                z: 60.0 + 27.0 * number,
                drop: 90.0,
                to_deg,
            };
            let points = rib.points([16.0, rib.to_deg], &cage, &|_| -2.0, 4.5);
            ribs.extend(ribbon(&points, 4.0));
        }
    }
    scene.push(solid(ribs, 1.5));
    let mut backbone = spine.arches();
    backbone.push(spine.bodies());
    scene.push(solid(backbone, 1.6));
    scene.push(layer(vec![spine.canal(0.0)], CANAL));
    let cord = Shape::tube([0.0, 83.0, 400.0], [0.0, 74.0, 30.0], [5.0, 3.0]);
    scene.push(Layer::new(vec![cord], CORD, &[]));
    let mut wings = Vec::new();
    for side in [-1.0, 1.0] {
        let turn = Affine::rotation([0.0, 0.0, 1.0], side * 48.0)
            * Affine::rotation([0.0, 1.0, 0.0], side * 14.0);
        wings.push(Shape::turned(
            [side * 94.0, 44.0, -150.0],
            [9.0, 58.0, 62.0],
            turn,
        ));
    }
    scene.push(solid(wings, 2.2));
}

/// Draws lesions inside the liver, apart from each other.
fn place(count: usize, wobble: &Texture, draw: &mut Stream) -> Vec<Lesion> {
    let mut lesions: Vec<Lesion> = Vec::new();
    for i in 0..count {
        let (kind, value) = LESIONS[i % LESIONS.len()];
        let large = draw.uniform(12.0, 30.0);
        let diameters = [0, 1, 2].map(|_| large * draw.uniform(0.8, 1.0));
        for _ in 0..4000 {
            let centre = [
                draw.uniform(-130.0, 60.0),
                draw.uniform(-80.0, 80.0),
                draw.uniform(-20.0, 130.0),
            ];
            let p = centre.map(|v| v as f32);
            let inside = f64::from(liver(p, wobble.at(p))) < -0.5 * large - 4.0;
            let apart = lesions.iter().all(|other| {
                let reach = other.diameters.iter().fold(0.0_f64, |a, b| a.max(*b));
                norm(minus(other.centre, centre)) > 0.5 * (large + reach) + 6.0
            });
            if inside && apart {
                lesions.push(Lesion {
                    kind,
                    value,
                    centre,
                    diameters,
                });
                break;
            }
        }
    }
    lesions
}

const FOAM: f64 = -920.0;

const STOMACH_CONTENTS: f64 = 16.0;

const SMALL_BOWEL_CONTENTS: f64 = 28.0;

const COLON_CONTENTS: f64 = 22.0;

fn truth(options: &AbdomenCt, lesions: &[Lesion], subject: &Subject) -> Truth {
    let names: Vec<(u8, String)> = ORGANS
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, (name, _))| (i as u8, (*name).to_owned()))
        .collect();
    let tissue = |name: &str, value: f64| Tissue {
        volume: "image".to_owned(),
        name: name.to_owned(),
        value,
    };
    let mut tissues: Vec<Tissue> = ORGANS
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != LESION)
        .map(|(_, (name, value))| match *name {
            // These have walls of their own; what is in them is below.
            "table" | "stomach" | "small bowel" | "colon" => {
                tissue(&format!("wall of the {name}"), *value)
            }
            name => tissue(name, *value),
        })
        .collect();
    tissues.extend([
        tissue("foam of the table", FOAM),
        tissue("contents of the stomach", STOMACH_CONTENTS),
        tissue("contents of the small bowel", SMALL_BOWEL_CONTENTS),
        tissue("contents of the colon", COLON_CONTENTS),
        tissue("spongy bone", MARROW),
        tissue("medulla of the kidney", MEDULLA),
    ]);
    tissues.extend(LESIONS.iter().map(|(name, value)| tissue(name, *value)));
    let about = |name: &str| {
        if name == "image" {
            "CT numbers, portal-venous phase"
        } else {
            "one value per organ"
        }
    };
    Truth {
        kind: Kind::AbdomenCt,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        settings: BTreeMap::from([
            ("noise_hu".to_owned(), json!(options.noise_hu)),
            ("lesions".to_owned(), json!(options.lesions)),
        ]),
        volumes: subject
            .volumes()
            .map(|(name, v)| sheet(name, v, about(name)))
            .collect(),
        tissues,
        structures: structures(subject, "organs", &names),
        targets: lesions
            .iter()
            .enumerate()
            .map(|(i, lesion)| Target {
                name: format!("lesion {}", i + 1),
                kind: lesion.kind.to_owned(),
                map: "organs".to_owned(),
                label: LESION as u8,
                centre_mm: lesion.centre,
                diameters_mm: lesion.diameters,
                volume_mm3: Target::ellipsoid(lesion.diameters),
                core_diameter_mm: None,
                value: BTreeMap::from([("image".to_owned(), lesion.value)]),
            })
            .collect(),
    }
}
