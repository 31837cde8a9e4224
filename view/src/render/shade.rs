//! Light and colour.
//!
//! Light is linear between 0 and 1; a colour of 8 bits is its square root (a gamma of 2, which
//! needs no power function).

use rayon::prelude::*;

/// From the surface to the lights, in the axes of the camera: right, up, towards the viewer.
const KEY: [f32; 3] = [-0.41, 0.52, 0.749_266];
const FILL: [f32; 3] = [0.7, -0.1, std::f32::consts::FRAC_1_SQRT_2];
/// Half-way between the key light and the viewer.
const SHINE: [f32; 3] = [-0.219_2, 0.278, 0.935_3];

/// The light of an 8-bit value.
pub(super) fn light(value: u8) -> f32 {
    let v = f32::from(value) / 255.0;
    v * v
}

/// The light that a surface sends to the viewer. `near` goes from 1 at the nearest to 0 at the
/// farthest point of the scene; the normal faces the viewer.
#[inline(always)]
pub(super) fn shade(colour: [f32; 3], normal: [f32; 3], near: f32) -> [f32; 3] {
    let towards = |l: [f32; 3]| normal[0] * l[0] + normal[1] * l[1] + normal[2] * l[2];
    let soft = 0.5 * towards(KEY) + 0.5;
    let key = 0.8 * soft * soft;
    let fill = 0.18 * towards(FILL).max(0.0);
    let depth_cue = 0.55 + 0.45 * near;
    let diffuse = (0.08 + key + fill) * depth_cue;
    let mut shine = towards(SHINE).max(0.0);
    // the 32nd power
    for _ in 0..5 {
        shine *= shine;
    }
    colour.map(|c| c * diffuse + 0.12 * shine * depth_cue)
}

/// How much of what is behind a surface it covers, seen under the angle whose cosine is `facing`.
#[inline(always)]
pub(super) fn cover(alpha: f32, facing: f32) -> f32 {
    let rim = 1.0 - facing;
    (alpha * (1.0 + 2.5 * rim * rim)).min(1.0)
}

/// Darkens hollows, and stores light as 8-bit colours.
pub(super) fn finish(linear: &[f32], hollow: &[f32], rgb: &mut [u8]) {
    let pixels = rgb.par_chunks_mut(3).zip(linear.par_chunks(3)).zip(hollow);
    pixels.for_each(|((rgb, light), hollow)| {
        let kept = 1.0 - 0.6 * hollow;
        for (out, v) in rgb.iter_mut().zip(light) {
            // `as` saturates
            *out = (255.0 * (v * kept).sqrt() + 0.5) as u8;
        }
    });
}
