//! Small functions of points that the anatomy is written with: single precision, no library calls.

/// A point or vector in the world, LPS+ mm, as voxels see it.
pub(crate) type P = [f32; 3];

pub(crate) fn single(p: [f64; 3]) -> P {
    p.map(|v| v as f32)
}

#[inline(always)]
pub(crate) fn dot(a: P, b: P) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
pub(crate) fn length(a: P) -> f32 {
    dot(a, a).sqrt()
}

#[inline(always)]
pub(crate) fn sub(a: P, b: P) -> P {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a + t b`
#[inline(always)]
pub(crate) fn along(a: P, t: f32, b: P) -> P {
    [a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]]
}

#[inline(always)]
pub(crate) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + t * (b - a)
}

/// 0 up to `low`, 1 from `high` on, a smooth rise between; `low` may be above `high`.
#[inline(always)]
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The larger of two distances, the edge between them rounded over a width of `k` mm: what lies in
/// both solids.
#[inline(always)]
pub(crate) fn both(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0);
    a.max(b) + h * h / (4.0 * k)
}

/// The smaller of two distances, rounded likewise: what lies in one solid or the other.
#[inline(always)]
pub(crate) fn either(a: f32, b: f32, k: f32) -> f32 {
    -both(-a, -b, k)
}

/// About the distance in mm from the surface of an ellipsoid, below 0 inside; exact for a sphere.
/// `p` is relative to its centre.
#[inline(always)]
pub(crate) fn ellipsoid(p: P, radii: P) -> f32 {
    let [x, y, z] = [p[0] / radii[0], p[1] / radii[1], p[2] / radii[2]];
    let unit = (x * x + y * y + z * z).sqrt();
    let [x, y, z] = [x / radii[0], y / radii[1], z / radii[2]];
    let slope = (x * x + y * y + z * z).sqrt();
    if slope < 1e-9 {
        return -radii[0].min(radii[1]).min(radii[2]);
    }
    unit * (unit - 1.0) / slope
}

/// About the distance in mm from an ellipse with a squarer outline, below 0 inside: `square` of 0
/// is the ellipse, 1 the curve of the fourth powers.
#[inline(always)]
pub(crate) fn oval(x: f32, y: f32, a: f32, b: f32, square: f32) -> f32 {
    let (u, v) = (x / a, y / b);
    let (u2, v2) = (u * u, v * v);
    let round = (u2 + v2).sqrt();
    let level = lerp(round, (u2 * u2 + v2 * v2).sqrt().sqrt(), square);
    let (u, v) = (u / a, v / b);
    let slope = (u * u + v * v).sqrt();
    if slope < 1e-9 {
        return -a.min(b);
    }
    (level - 1.0) * round / slope
}
