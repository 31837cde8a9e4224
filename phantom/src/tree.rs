//! Trees of vessels and airways that fill a region.

use voxprep_core::kernels::affine::norm;
use voxprep_core::kernels::functions::pow;
use voxprep_core::stream::Stream;

use crate::maths::{P, single};
use crate::scene::Shape;

/// A piece of a tree: ends and radii, mm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) ends: [[f64; 3]; 2],
    pub(crate) radii: [f64; 2],
}

impl Piece {
    /// The piece as a solid, its radii scaled and enlarged.
    pub(crate) fn shape(&self, scale: f64, more: f64) -> Shape {
        Shape::tube(
            self.ends[0],
            self.ends[1],
            self.radii.map(|r| scale * r + more),
        )
    }
}

/// How a tree grows.
pub(crate) struct Growth {
    /// Where it begins.
    pub(crate) root: [f64; 3],
    /// How many ends it has.
    pub(crate) ends: usize,
    /// The box that its ends are drawn in.
    pub(crate) bounds: [[f64; 3]; 2],
    /// Radius of its ends, mm.
    pub(crate) tip_mm: f64,
    /// How much the way to the root counts beside the way to the next branch: 0 gives long winding
    /// branches, 1 a star.
    pub(crate) directness: f64,
}

/// Grows a tree into a region (`inside` is below 0 there): its ends are spread at random, each is
/// joined to the branch that makes the best way to the root, and radii follow Murray's law (1926):
/// the cube of a branch is the sum of the cubes of what it feeds.
pub(crate) fn grow(growth: &Growth, stream: &mut Stream, inside: impl Fn(P) -> f32) -> Vec<Piece> {
    struct Node {
        at: [f64; 3],
        parent: usize,
        way: f64,
        feeds: f64,
    }
    let [low, high] = growth.bounds;
    let mut ends = Vec::with_capacity(growth.ends);
    // a region that is no twentieth of its box gets fewer ends
    for _ in 0..20 * growth.ends {
        if ends.len() == growth.ends {
            break;
        }
        let p = [0, 1, 2].map(|i| low[i] + (high[i] - low[i]) * stream.unit());
        if inside(single(p)) < -3.0 {
            ends.push((norm(minus(p, growth.root)), p));
        }
    }
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut nodes = vec![Node {
        at: growth.root,
        parent: 0,
        way: 0.0,
        feeds: 0.0,
    }];
    for (_, p) in ends {
        let mut best = (f64::INFINITY, 0, 0.0);
        for (i, node) in nodes.iter().enumerate() {
            let step = norm(minus(p, node.at));
            let cost = step + growth.directness * node.way;
            if cost < best.0 {
                let middle = [0, 1, 2].map(|k| 0.5 * (p[k] + node.at[k]));
                // from the root, which lies outside, every way is fair
                if i == 0 || inside(single(middle)) < -1.0 {
                    best = (cost, i, step);
                }
            }
        }
        let (_, parent, step) = best;
        let way = nodes[parent].way + step;
        nodes.push(Node {
            at: p,
            parent,
            way,
            feeds: 1.0,
        });
        let mut up = parent;
        while up != 0 {
            nodes[up].feeds += 1.0;
            up = nodes[up].parent;
        }
    }
    let radius = |node: &Node| growth.tip_mm * pow(node.feeds.max(1.0), 1.0 / 3.0);
    nodes
        .iter()
        .skip(1)
        .map(|node| {
            let parent = &nodes[node.parent];
            let radius = radius(node);
            Piece {
                ends: [parent.at, node.at],
                radii: [radius, radius],
            }
        })
        .collect()
}

pub(crate) fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|i| a[i] - b[i])
}
