//! How the surface runs through a cell: triangles for every state of its corners and faces.
//!
//! Nothing here is copied from a table. For each state the crossings of the cell's edges are
//! joined face by face into closed loops, and each loop is triangulated. What a face shows
//! depends on that face alone, so neighbours agree about it and the surface has no gap.
//!
//! Corner `dx + 2 dy + 4 dz`. Edges 0..4 run along x, from corner `(dy, dz)` = bits 0 and 1 of
//! the number; 4..8 along y from `(dx, dz)`; 8..12 along z from `(dx, dy)`. Face `2 axis + side`.

use std::sync::LazyLock;

/// The number that stands for the point in the middle of a loop, in the place of an edge.
pub(super) const CENTRE: u8 = 12;

/// The four corners of each face, anticlockwise as seen from outside the cell.
const FACES: [[u8; 4]; 6] = [
    [4, 6, 2, 0],
    [1, 3, 7, 5],
    [1, 5, 4, 0],
    [2, 6, 7, 3],
    [2, 3, 1, 0],
    [4, 5, 7, 6],
];

/// The triangles of one state of a cell.
#[derive(Clone, Copy)]
struct Entry {
    start: u16,
    count: u8,
    /// Whether one of the vertices is [`CENTRE`].
    centre: bool,
}

/// The triangles of every state of a cell.
pub(super) struct Cases {
    /// For each state of the corners: bit `f` where face `f` is ambiguous, that is, where its
    /// inside corners are across from each other.
    ambiguous: [u8; 256],
    /// The entry of each state of the corners that joins no ambiguous face.
    first: [u16; 256],
    entries: Vec<Entry>,
    triangles: Vec<[u8; 3]>,
}

/// The cases, derived at the first use.
pub(super) static CASES: LazyLock<Cases> = LazyLock::new(Cases::derive);

impl Cases {
    fn derive() -> Self {
        let mut cases = Self {
            ambiguous: [0; 256],
            first: [0; 256],
            entries: Vec::new(),
            triangles: Vec::new(),
        };
        for case in 0..=u8::MAX {
            let faces = ambiguous_faces(case);
            cases.ambiguous[usize::from(case)] = faces;
            cases.first[usize::from(case)] = cases.entries.len() as u16;
            for joins in 0..1_u8 << faces.count_ones() {
                cases.push(case, deposit(joins, faces));
            }
        }
        cases
    }

    fn push(&mut self, case: u8, joined: u8) {
        let start = self.triangles.len();
        let mut centre = false;
        for line in loops(case, joined) {
            if let Some(triangles) = triangulate(&line) {
                self.triangles.extend(triangles);
            } else {
                centre = true;
                let next = line.iter().cycle().skip(1);
                let around = line.iter().zip(next);
                self.triangles.extend(around.map(|(a, b)| [*a, *b, CENTRE]));
            }
        }
        self.entries.push(Entry {
            start: start as u16,
            count: (self.triangles.len() - start) as u8,
            centre,
        });
    }

    /// The triangles of a cell, vertices named by edge, anticlockwise as seen from outside the
    /// surface; and whether they use [`CENTRE`].
    ///
    /// `joined` tells, for the corners of an ambiguous face, whether its inside is in one piece.
    #[inline(always)]
    pub(super) fn of(&self, case: u8, joined: impl Fn([u8; 4]) -> bool) -> (&[[u8; 3]], bool) {
        let mut faces = self.ambiguous[usize::from(case)];
        let mut entry = usize::from(self.first[usize::from(case)]);
        let mut bit = 1;
        while faces != 0 {
            if joined(FACES[faces.trailing_zeros() as usize]) {
                entry += bit;
            }
            bit <<= 1;
            faces &= faces - 1;
        }
        let entry = self.entries[entry];
        let start = usize::from(entry.start);
        let triangles = &self.triangles[start..start + usize::from(entry.count)];
        (triangles, entry.centre)
    }
}

/// The bits of `packed`, one after the other, at the places where `mask` is 1.
fn deposit(packed: u8, mask: u8) -> u8 {
    let places = (0..8).filter(|place| mask >> place & 1 == 1);
    let bits = places
        .enumerate()
        .map(|(i, place)| (packed >> i & 1) << place);
    bits.sum()
}

/// Which faces have their inside corners across from each other.
fn ambiguous_faces(case: u8) -> u8 {
    let faces = FACES.iter().enumerate();
    let bits = faces.map(|(f, corners)| {
        let [a, b, c, d] = corners.map(|corner| case >> corner & 1);
        u8::from(a == c && b == d && a != b) << f
    });
    bits.sum()
}

/// The edge between two corners.
fn edge(a: u8, b: u8) -> u8 {
    let low = a.min(b);
    let [x, y, z] = [low & 1, low >> 1 & 1, low >> 2];
    match a ^ b {
        1 => y + 2 * z,
        2 => 4 + x + 2 * z,
        _ => 8 + x + 2 * y,
    }
}

/// The corner `[x, y, z]` at which an edge begins, and the axis along which it runs.
#[inline(always)]
pub(super) fn beginning(edge: u8) -> ([usize; 3], usize) {
    let (axis, low, high) = (edge / 4, usize::from(edge & 1), usize::from(edge >> 1 & 1));
    match axis {
        0 => ([0, low, high], 0),
        1 => ([low, 0, high], 1),
        _ => ([low, high, 0], 2),
    }
}

/// The closed lines in which the surface meets the faces of the cell, as the edges they cross.
///
/// On each face, seen from outside, a line begins where one going round anticlockwise enters the
/// inside and ends where he leaves it. The neighbouring face goes along their common edge the
/// other way round, so there the next line begins where this one ends.
fn loops(case: u8, joined: u8) -> Vec<Vec<u8>> {
    let mut next = [None; 12];
    for (f, corners) in FACES.iter().enumerate() {
        let inside = |i: usize| case >> corners[i % 4] & 1 == 1;
        let crossing = |i: usize| edge(corners[i % 4], corners[(i + 1) % 4]);
        let leaves = |i: usize| inside(i) && !inside(i + 1);
        for enters in (0..4).filter(|&i| !inside(i) && inside(i + 1)) {
            // Round the inside corners just entered; or, where the face is joined, round the
            // outside corner just left.
            let end = if joined >> f & 1 == 1 {
                enters + 3
            } else {
                (enters + 1..).find(|&i| leaves(i)).unwrap_or(enters)
            };
            next[usize::from(crossing(enters))] = Some(crossing(end));
        }
    }
    let mut found = Vec::new();
    for start in 0..12 {
        let mut line = Vec::new();
        let mut at = start;
        while let Some(to) = next[usize::from(at)].take() {
            line.push(at);
            at = to;
        }
        if !line.is_empty() {
            found.push(line);
        }
    }
    found
}

/// The triangles of a loop: those with the shortest diagonals of which none lies in a face.
/// `None` where every choice has one that does.
///
/// A diagonal in a face could be one of the neighbour's too, and then four triangles would meet.
fn triangulate(line: &[u8]) -> Option<Vec<[u8; 3]>> {
    let n = line.len();
    // best[i][k]: the cost of the part from i to k, and the third corner of its triangle i, k.
    let mut best = vec![vec![Some((0, 0)); n]; n];
    for span in 2..n {
        for i in 0..n - span {
            let k = i + span;
            let choices = (i + 1..k).filter_map(|j| {
                let parts = best[i][j]?.0 + best[j][k]?.0;
                let sides = cost(line, i, j)? + cost(line, j, k)?;
                Some((parts + sides, j))
            });
            best[i][k] = choices.min();
        }
    }
    let mut triangles = Vec::with_capacity(n - 2);
    let mut open = vec![(0, n - 1)];
    while let Some((i, k)) = open.pop() {
        if k - i >= 2 {
            let (_, j) = best[i][k]?;
            triangles.push([line[i], line[j], line[k]]);
            open.extend([(i, j), (j, k)]);
        }
    }
    Some(triangles)
}

/// The squared length of a diagonal in half voxels, nothing for a side of the loop; `None` where
/// the diagonal lies in a face.
fn cost(line: &[u8], i: usize, j: usize) -> Option<usize> {
    if j - i == 1 {
        return Some(0);
    }
    let [a, b] = [line[i], line[j]].map(middle);
    let in_a_face = (0..3).any(|axis| a[axis] == b[axis] && a[axis] != 1);
    let squares = (0..3).map(|axis| a[axis].abs_diff(b[axis]).pow(2));
    (!in_a_face).then(|| squares.sum())
}

/// The middle of an edge, in half voxels.
fn middle(edge: u8) -> [usize; 3] {
    let (corner, axis) = beginning(edge);
    let mut middle = corner.map(|c| 2 * c);
    middle[axis] = 1;
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_inside_corner_is_cut_off_by_one_triangle_that_faces_away_from_it() {
        let (triangles, centre) = CASES.of(1, |_| false);
        assert_eq!((triangles, centre), (&[[0, 4, 8]][..], false));
        let [a, b, c] = triangles[0].map(|e| middle(e).map(|v| v as i64));
        let [u, v] = [b, c].map(|p| [p[0] - a[0], p[1] - a[1], p[2] - a[2]]);
        let normal = [
            u[1] * v[2] - u[2] * v[1],
            u[2] * v[0] - u[0] * v[2],
            u[0] * v[1] - u[1] * v[0],
        ];
        assert_eq!(normal, [1, 1, 1]);
    }

    #[test]
    fn faces_are_listed_anticlockwise_from_outside() {
        for (f, corners) in FACES.iter().enumerate() {
            let point = |c: u8| [0, 1, 2].map(|axis| i32::from(c >> axis & 1));
            let [a, b, c] = [corners[0], corners[1], corners[2]].map(point);
            let [u, v] = [(b, a), (c, b)].map(|(p, q)| [p[0] - q[0], p[1] - q[1], p[2] - q[2]]);
            let axis = f / 2;
            let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
            let outwards = if f % 2 == 1 { 1 } else { -1 };
            assert_eq!(u[i] * v[j] - u[j] * v[i], outwards, "face {f}");
            let side = (f % 2) as i32;
            assert!(corners.iter().all(|&c| point(c)[axis] == side), "face {f}");
        }
    }

    /// 256 states of the corners make 656 with those of the ambiguous faces.
    #[test]
    fn every_state_uses_each_crossed_edge_and_closes_on_the_faces() {
        assert_eq!(CASES.entries.len(), 656);
        for case in 0..=u8::MAX {
            let faces = ambiguous_faces(case);
            for packed in 0..1_u8 << faces.count_ones() {
                let joined = deposit(packed, faces);
                let at = usize::from(CASES.first[usize::from(case)] + u16::from(packed));
                let entry = CASES.entries[at];
                let start = usize::from(entry.start);
                let triangles = &CASES.triangles[start..start + usize::from(entry.count)];
                assert!(triangles.len() <= 12);
                let mut sides = std::collections::BTreeMap::new();
                for [a, b, c] in triangles {
                    for (from, to) in [(*a, *b), (*b, *c), (*c, *a)] {
                        *sides.entry((from, to)).or_insert(0) += 1;
                    }
                }
                // Sides without a partner are the lines on the faces, once each.
                assert!(sides.values().all(|n| *n == 1), "case {case} {joined:06b}");
                let border = sides.keys().filter(|(a, b)| !sides.contains_key(&(*b, *a)));
                let mut border: Vec<_> = border.copied().collect();
                let mut lines: Vec<_> = loops(case, joined)
                    .iter()
                    .flat_map(|l| (0..l.len()).map(|i| (l[i], l[(i + 1) % l.len()])))
                    .collect();
                border.sort_unstable();
                lines.sort_unstable();
                assert_eq!(border, lines, "case {case} {joined:06b}");
                let inside = |c: u8| case >> c & 1 == 1;
                let pairs = (0..8_u8).flat_map(|a| [1, 2, 4].map(|bit| (a, a | bit)));
                let crossed = pairs.filter(|&(a, b)| a != b && inside(a) != inside(b));
                assert_eq!(lines.len(), crossed.count());
            }
        }
    }
}
