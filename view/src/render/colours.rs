//! The colours of labels.

/// Twelve colours that are told apart also by most who see fewer: after Paul Tol's `muted` and
/// `light` sets.
const COLOURS: [[u8; 3]; 12] = [
    [204, 102, 119],
    [51, 136, 180],
    [221, 204, 119],
    [17, 140, 70],
    [136, 204, 238],
    [170, 68, 153],
    [68, 170, 153],
    [153, 153, 51],
    [136, 34, 85],
    [238, 136, 102],
    [119, 170, 221],
    [170, 170, 0],
];

/// The colour of a label: always the same for the same value, of twelve in turn from 1 on.
pub fn label_colour(label: i32) -> [u8; 3] {
    COLOURS[(i64::from(label) - 1).rem_euclid(COLOURS.len() as i64) as usize]
}
