//! Where a field folds: the determinants of the Jacobians of `w -> w + s D(w)`.
//!
//! With the gradient G of D that of a voxel is a cubic in the scale,
//! `1 + s trace(G) + s^2 minors(G) + s^3 det(G)`, where minors are the three principal ones.

use rayon::prelude::*;

/// Voxels that are looked at side by side.
pub(super) const LANES: usize = 8;

/// A number of each of some voxels.
type Lanes = [f64; LANES];

/// The gradient at a voxel: entry `[i][j]` is the slope of component i along axis j.
pub(super) type Gradient = [[f64; 3]; 3];

/// The gradients of [`LANES`] voxels; entry `3 i + j` is the slope of component i along axis j. The
/// axes are those of the world or any others, but the same for the components.
pub(super) struct Gradients([Lanes; 9]);

impl Gradients {
    /// Those where nothing moves.
    pub(super) const NONE: Self = Self([[0.0; LANES]; 9]);

    /// Sets the gradient of a voxel.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, [a, b, c]: Gradient) {
        for (j, (a, (b, c))) in a.into_iter().zip(b.into_iter().zip(c)).enumerate() {
            self.0[j][lane] = a;
            self.0[3 + j][lane] = b;
            self.0[6 + j][lane] = c;
        }
    }
}

/// What is looked for among the voxels of a grid. The order in which they are seen has no effect
/// within a search, and none between searches that are merged.
pub(super) trait Search: Send {
    /// A search that has seen nothing.
    fn new() -> Self;
    /// Looks at some voxels.
    fn see(&mut self, gradients: &Gradients);
    /// What two searches have found together.
    fn merge(self, other: Self) -> Self;
}

/// Searches the slices of a grid, each by itself so that the number of threads does not matter.
pub(super) fn search_slices<S: Search>(
    slices: usize,
    look: impl Fn(usize, &mut S) + Sync + Send,
) -> S {
    let found = (0..slices).into_par_iter().map(|z| {
        let mut search = S::new();
        look(z, &mut search);
        search
    });
    found.reduce(S::new, S::merge)
}

/// The lower of two numbers; NaN wins, so that it is seen.
#[inline(always)]
fn lower(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

/// The gradient along the world's axes from that along the axes of a grid; `grid` is the linear
/// part of the map from the world to it.
#[inline(always)]
pub(super) fn along_world([a, b, c]: &Gradient, grid: &[[f64; 3]; 3]) -> Gradient {
    [
        row_along_world(a, grid),
        row_along_world(b, grid),
        row_along_world(c, grid),
    ]
}

#[inline(always)]
fn row_along_world(g: &[f64; 3], [a, b, c]: &[[f64; 3]; 3]) -> [f64; 3] {
    [
        (g[0] * a[0] + g[1] * b[0]) + g[2] * c[0],
        (g[0] * a[1] + g[1] * b[1]) + g[2] * c[1],
        (g[0] * a[2] + g[1] * b[2]) + g[2] * c[2],
    ]
}

/// Trace, sum of the principal minors and determinant of gradients.
#[inline(always)]
fn invariants(Gradients(g): &Gradients) -> [Lanes; 3] {
    let [mut trace, mut minors, mut determinant] = [[0.0; LANES]; 3];
    // One loop with all of it inside: that is what compilers vectorise.
    for l in 0..LANES {
        let (a, b, c) = (
            [g[0][l], g[1][l], g[2][l]],
            [g[3][l], g[4][l], g[5][l]],
            [g[6][l], g[7][l], g[8][l]],
        );
        let yz = b[1] * c[2] - b[2] * c[1];
        let (zx, xy) = (b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]);
        trace[l] = (a[0] + b[1]) + c[2];
        minors[l] = ((a[0] * b[1] - a[1] * b[0]) + (a[0] * c[2] - a[2] * c[0])) + yz;
        determinant[l] = (a[0] * yz + a[1] * zx) + a[2] * xy;
    }
    [trace, minors, determinant]
}

/// The smallest determinant at scale 1.
pub(super) struct Least {
    lanes: Lanes,
}

impl Least {
    /// What was found; infinite where nothing was seen.
    pub(super) fn value(&self) -> f64 {
        self.lanes
            .into_iter()
            .fold(f64::INFINITY, |a, b| lower(b, a))
    }
}

impl Least {
    #[inline(always)]
    fn look(&mut self, [trace, minors, determinant]: &[Lanes; 3]) {
        for l in 0..LANES {
            let value = ((1.0 + trace[l]) + minors[l]) + determinant[l];
            self.lanes[l] = lower(value, self.lanes[l]);
        }
    }
}

impl Search for Least {
    fn new() -> Self {
        Self {
            lanes: [f64::INFINITY; LANES],
        }
    }

    #[inline(always)]
    fn see(&mut self, gradients: &Gradients) {
        self.look(&invariants(gradients));
    }

    fn merge(self, other: Self) -> Self {
        let mut lanes = self.lanes;
        for (a, b) in lanes.iter_mut().zip(other.lanes) {
            *a = lower(*a, b);
        }
        Self { lanes }
    }
}

/// The least determinant that [`Displacement::unfolding_scale`](super::Displacement) leaves.
pub const LEAST_JACOBIAN: f64 = 0.01;

/// The smallest scale at which some determinant falls to [`LEAST_JACOBIAN`].
pub(super) struct Unfolding {
    at_one: Least,
    scale: f64,
}

impl Unfolding {
    /// 1 where no determinant is below the least one at scale 1; else the scale that was found.
    pub(super) fn scale(&self) -> f64 {
        if self.at_one.value() > LEAST_JACOBIAN {
            1.0
        } else {
            self.scale
        }
    }
}

impl Search for Unfolding {
    fn new() -> Self {
        Self {
            at_one: Least::new(),
            scale: 1.0,
        }
    }

    #[inline(always)]
    fn see(&mut self, gradients: &Gradients) {
        let found = invariants(gradients);
        self.at_one.look(&found);
        let [trace, minors, determinant] = found;
        let s = self.scale;
        let fall = |v: f64| if v < 0.0 { v } else { 0.0 };
        // Up to `s` a cubic is nowhere below this, which is above the least one for most voxels.
        let mut depths = [0.0; LANES];
        for l in 0..LANES {
            depths[l] = s * (fall(trace[l]) + s * (fall(minors[l]) + s * fall(determinant[l])));
        }
        let mut deepest = depths[0];
        for depth in depths {
            deepest = if depth < deepest { depth } else { deepest };
        }
        if deepest <= LEAST_JACOBIAN - 1.0 {
            for l in 0..LANES {
                self.scale = first_fall([trace[l], minors[l], determinant[l]], self.scale);
            }
        }
    }

    fn merge(self, other: Self) -> Self {
        Self {
            at_one: self.at_one.merge(other.at_one),
            scale: lower(self.scale, other.scale),
        }
    }
}

/// The first scale, from below and within 1e-9 of itself, at which a determinant falls to
/// [`LEAST_JACOBIAN`]; `high` where it stays above it up to there.
fn first_fall([a, b, c]: [f64; 3], high: f64) -> f64 {
    let excess = |s: f64| (1.0 - LEAST_JACOBIAN) + s * (a + s * (b + s * c));
    // Between 0, the extremes and `high` the cubic rises or falls throughout.
    let root = (b * b - 3.0 * a * c).sqrt();
    let q = -(b + if b < 0.0 { -root } else { root });
    let (p, q) = (q / (3.0 * c), a / q);
    let mut from = 0.0;
    for to in [p.min(q), p.max(q), high] {
        // False for NaN: no extreme.
        if !(from < to && to <= high) {
            continue;
        }
        if excess(to) > 0.0 {
            from = to;
            continue;
        }
        let (mut low, mut high) = (from, to);
        while high - low > 1e-9 * high {
            let middle = 0.5 * (low + high);
            if !(low < middle && middle < high) {
                break;
            }
            if excess(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn excess([a, b, c]: [f64; 3], s: f64) -> f64 {
        (1.0 - LEAST_JACOBIAN) + s * (a + s * (b + s * c))
    }

    #[test]
    fn a_line_a_parabola_and_a_cubic_fall_where_they_cross() {
        // 1 - 2 s = 0.01, 1 - 4 s^2 = 0.01, 1 - 8 s^3 = 0.01, and (1 - 2 s)^3 = 0.01
        let cases = [
            ([-2.0, 0.0, 0.0], 0.495),
            ([0.0, -4.0, 0.0], 0.497_493_718_6),
            ([0.0, 0.0, -8.0], 0.498_327_746_7),
            ([-6.0, 12.0, -8.0], 0.392_278_265_5),
        ];
        for (cubic, expected) in cases {
            let scale = first_fall(cubic, 1.0);
            assert!((scale - expected).abs() < 1e-8, "{cubic:?} {scale}");
            assert!(excess(cubic, scale) > 0.0);
        }
    }

    #[test]
    fn a_determinant_that_recovers_has_fallen_nevertheless() {
        // (1 - 2 s)^2: a half turn.
        let scale = first_fall([-4.0, 4.0, 0.0], 1.0);
        assert!((scale - 0.45).abs() < 1e-8);
        assert_eq!(first_fall([-4.0, 4.0, 0.0], 0.3), 0.3);
        assert_eq!(first_fall([0.5, 0.1, -0.2], 1.0), 1.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_falls_before_the_first_fall(
            cubic in proptest::array::uniform3(-9.0_f64..9.0),
            high in 0.01_f64..1.0,
        ) {
            let scale = first_fall(cubic, high);
            for k in 0..=500 {
                let s = scale * f64::from(k) / 500.0;
                prop_assert!(excess(cubic, s) > -1e-12, "{} of {}", s, scale);
            }
            if scale < high {
                prop_assert!(excess(cubic, scale * (1.0 + 1e-7)) < 1e-4);
            }
        }
    }
}
