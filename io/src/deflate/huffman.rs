//! Length-limited Huffman codes.

/// The code of a symbol: its bits as deflate wants them (first bit lowest), and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) count: u32,
}

/// A nearly optimal code of at most `limit` bits for the symbols that occur.
///
/// There are always two codes at least, because some inflaters refuse a tree of one leaf.
pub(super) fn codes<const N: usize>(frequencies: &[u32; N], limit: usize) -> [Code; N] {
    let mut used: Vec<(u32, usize)> = Vec::with_capacity(N);
    used.extend(
        (0..N)
            .filter(|&s| frequencies[s] > 0)
            .map(|s| (frequencies[s], s)),
    );
    let unused = (0..N).filter(|&s| frequencies[s] == 0);
    let missing = 2_usize.saturating_sub(used.len());
    used.extend(unused.take(missing).map(|s| (1, s)));
    used.sort_unstable();

    let mut counts = leaves_by_depth(&used, limit);
    // The rarest symbols get the longest codes.
    let mut lengths = [0_usize; N];
    let mut length = limit;
    for &(_, symbol) in &used {
        while length > 1 && counts[length] == 0 {
            length -= 1;
        }
        counts[length] = counts[length].saturating_sub(1);
        lengths[symbol] = length;
    }
    canonical(&lengths)
}

/// How many leaves the Huffman tree has at each depth, after those below `limit` were moved up.
fn leaves_by_depth(sorted: &[(u32, usize)], limit: usize) -> [u32; 16] {
    let n = sorted.len();
    // Leaves come first, then inner nodes in the order in which they arise, which is by weight.
    let mut parent = vec![0_usize; 2 * n - 1];
    let mut weight: Vec<u64> = sorted.iter().map(|&(f, _)| u64::from(f)).collect();
    let (mut leaf, mut inner) = (0, n);
    for node in n..2 * n - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let takes_leaf = leaf < n && (inner >= node || weight[leaf] <= weight[inner]);
            let lightest = if takes_leaf { &mut leaf } else { &mut inner };
            parent[*lightest] = node;
            sum += weight[*lightest];
            *lightest += 1;
        }
        weight.push(sum);
    }
    let mut depth = vec![0_usize; 2 * n - 1];
    let mut counts = [0_u32; 16];
    for node in (0..2 * n - 2).rev() {
        depth[node] = depth[parent[node]] + 1;
        if node < n {
            counts[depth[node].min(limit)] += 1;
        }
    }
    // What was moved up overfills the tree; each step frees one place at the bottom, at the
    // price of one more bit for a leaf above.
    let mut filled: u32 = (1..=limit).map(|d| counts[d] << (limit - d)).sum();
    while filled > 1 << limit {
        let Some(above) = (1..limit).rev().find(|&d| counts[d] > 0) else {
            break;
        };
        counts[limit] -= 1;
        counts[above] -= 1;
        counts[above + 1] += 2;
        filled -= 1;
    }
    counts
}

/// The codes that follow from their lengths.
fn canonical<const N: usize>(lengths: &[usize; N]) -> [Code; N] {
    let mut counts = [0_u32; 16];
    for &length in lengths.iter().filter(|&&l| l > 0) {
        counts[length] += 1;
    }
    let mut next = [0_u32; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    let mut codes = [Code::default(); N];
    for (code, &length) in codes.iter_mut().zip(lengths) {
        if length > 0 {
            let bits = next[length];
            next[length] += 1;
            code.bits = bits.reverse_bits() >> (32 - length as u32);
            code.count = length as u32;
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths<const N: usize>(frequencies: [u32; N], limit: usize) -> [u32; N] {
        codes(&frequencies, limit).map(|code| code.count)
    }

    #[test]
    fn frequent_symbols_get_short_codes() {
        assert_eq!(lengths([5, 9, 12, 13, 16, 45], 15), [4, 4, 3, 3, 3, 1]);
        assert_eq!(lengths([1, 0, 1, 0], 15), [1, 0, 1, 0]);
    }

    #[test]
    fn there_are_always_two_codes() {
        assert_eq!(lengths([0, 0, 0], 15), [1, 1, 0]);
        assert_eq!(lengths([0, 0, 7], 15), [1, 0, 1]);
    }

    #[test]
    fn a_limit_leaves_a_full_tree() {
        let fibonacci = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144];
        for limit in 4..=15 {
            let lengths = lengths(fibonacci, limit);
            assert!(lengths.iter().all(|&l| l as usize <= limit));
            let filled: u32 = lengths.iter().map(|&l| 1 << (15 - l)).sum();
            assert_eq!(filled, 1 << 15, "limit {limit}");
        }
    }

    #[test]
    fn codes_are_canonical_and_bit_reversed() {
        // RFC 1951, 3.2.2: lengths 3, 3, 3, 3, 3, 2, 4, 4 make 010, 011, 100, 101, 110, 00, 1110, 1111
        let codes = canonical(&[3, 3, 3, 3, 3, 2, 4, 4]).map(|c| c.bits);
        assert_eq!(
            codes,
            [0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111]
        );
    }
}
