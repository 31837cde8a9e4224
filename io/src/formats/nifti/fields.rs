//! The fields of the headers of the family, taken apart and put together, not judged.
//!
//! NIfTI-1 has the layout of Analyze 7.5 with other names and types for what few programs used;
//! NIfTI-2 holds the same facts in wider numbers. Each layout is written down once, as a walk over
//! the fields with their byte offsets, which serves both directions.

/// Bytes of a header of NIfTI-1 or Analyze 7.5.
pub(in crate::formats) const ONE: usize = 348;
/// Bytes of a header of NIfTI-2.
pub(in crate::formats) const TWO: usize = 540;
/// How a NIfTI-2 header goes on after its first eight bytes: line ends that a transfer as text
/// would change.
const UNCHANGED: [u8; 4] = *b"\r\n\x1a\n";

/// Which relative of the family a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Version {
    Analyze,
    One,
    Two,
}

/// What the first bytes of a file say that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) enum Kind {
    /// A header, and whether the voxels follow in the same file.
    Header(Version, bool),
    /// Fewer bytes than a header of the family has.
    Cut,
}

impl Kind {
    /// What the first bytes of the contents say.
    pub(in crate::formats) fn of(start: &[u8]) -> Option<Self> {
        let length = i32::from_le_bytes(*start.first_chunk()?);
        let is = |n: i32| length == n || length.swap_bytes() == n;
        let two = |magic: &[u8; 4]| {
            is(TWO as i32) && start.get(4..8) == Some(magic) && start.get(8..12) == Some(&UNCHANGED)
        };
        let enough = |bytes: usize, version, single| {
            if start.len() < bytes {
                Self::Cut
            } else {
                Self::Header(version, single)
            }
        };
        Some(match start.get(344..ONE) {
            Some(b"n+1\0") => Self::Header(Version::One, true),
            Some(b"ni1\0") => Self::Header(Version::One, false),
            _ if two(b"n+2\0") => enough(TWO, Version::Two, true),
            _ if two(b"ni2\0") => enough(TWO, Version::Two, false),
            _ if is(ONE as i32) => enough(ONE, Version::Analyze, false),
            _ => return None,
        })
    }
}

/// The fields of a header, in the names of NIfTI.
#[derive(Clone, Debug)]
pub(in crate::formats) struct Fields {
    pub(in crate::formats) version: Version,
    /// Whether the voxels follow in the same file.
    pub(in crate::formats) single: bool,
    pub(in crate::formats) big_endian: bool,
    pub(in crate::formats) dim: [i64; 8],
    pub(in crate::formats) datatype: i64,
    pub(in crate::formats) bitpix: i64,
    pub(in crate::formats) pixdim: [f64; 8],
    pub(in crate::formats) vox_offset: f64,
    pub(in crate::formats) scl_slope: f64,
    pub(in crate::formats) scl_inter: f64,
    pub(in crate::formats) cal_max: f64,
    pub(in crate::formats) cal_min: f64,
    pub(in crate::formats) slice_duration: f64,
    pub(in crate::formats) toffset: f64,
    pub(in crate::formats) dim_info: i64,
    pub(in crate::formats) slice_code: i64,
    pub(in crate::formats) xyzt_units: i64,
    pub(in crate::formats) intent_code: i64,
    pub(in crate::formats) intent_p: [f64; 3],
    pub(in crate::formats) qform_code: i64,
    pub(in crate::formats) sform_code: i64,
    pub(in crate::formats) quaternion: [f64; 3],
    pub(in crate::formats) qoffset: [f64; 3],
    pub(in crate::formats) srow: [[f64; 4]; 3],
    /// Analyze only: the extremes of the stored numbers.
    pub(in crate::formats) glmax: i64,
    pub(in crate::formats) glmin: i64,
    /// Analyze only: which plane the slices are, 0 to 5.
    pub(in crate::formats) orient: i64,
    /// Analyze only, as SPM uses it: the voxel at the origin, counted from 1.
    pub(in crate::formats) originator: [i64; 3],
    /// Analyze only: the unit of the spacing, in letters.
    pub(in crate::formats) vox_units: [u8; 4],
}

impl Fields {
    /// Fields that say nothing.
    pub(in crate::formats) const fn empty(version: Version, single: bool) -> Self {
        Self {
            version,
            single,
            big_endian: false,
            dim: [0; 8],
            datatype: 0,
            bitpix: 0,
            pixdim: [0.0; 8],
            vox_offset: 0.0,
            scl_slope: 0.0,
            scl_inter: 0.0,
            cal_max: 0.0,
            cal_min: 0.0,
            slice_duration: 0.0,
            toffset: 0.0,
            dim_info: 0,
            slice_code: 0,
            xyzt_units: 0,
            intent_code: 0,
            intent_p: [0.0; 3],
            qform_code: 0,
            sform_code: 0,
            quaternion: [0.0; 3],
            qoffset: [0.0; 3],
            srow: [[0.0; 4]; 3],
            glmax: 0,
            glmin: 0,
            orient: 0,
            originator: [0; 3],
            vox_units: [0; 4],
        }
    }

    /// The header at the start of a file's contents, which [`Kind::of`] has found to be one.
    pub(in crate::formats) fn parse(version: Version, single: bool, start: &[u8]) -> Option<Self> {
        let mut fields = Self::empty(version, single);
        let mut bytes = start.get(..fields.len())?.to_vec();
        fields.big_endian = is_big_endian(version, &bytes);
        let mut walk = Walk {
            bytes: &mut bytes,
            big_endian: fields.big_endian,
            writes: false,
        };
        fields.walk(&mut walk);
        Some(fields)
    }

    /// The header of a file, little-endian.
    pub(in crate::formats) fn bytes(mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
        put(0, &(self.len() as i32).to_le_bytes());
        match (self.version, self.single) {
            (Version::Two, single) => {
                put(4, if single { b"n+2\0" } else { b"ni2\0" });
                put(8, &UNCHANGED);
            }
            (Version::Analyze, _) => {
                // What readers of old ask for: `extents`, and `regular`.
                put(32, &16_384_i32.to_le_bytes());
                put(38, b"r");
            }
            (Version::One, single) => {
                // `regular`, which Analyze asks for.
                put(38, b"r");
                put(344, if single { b"n+1\0" } else { b"ni1\0" });
            }
        }
        let mut walk = Walk {
            bytes: &mut bytes,
            big_endian: false,
            writes: true,
        };
        self.walk(&mut walk);
        bytes
    }

    /// Bytes of the header.
    pub(in crate::formats) const fn len(&self) -> usize {
        match self.version {
            Version::Two => TWO,
            Version::One | Version::Analyze => ONE,
        }
    }

    /// The name of the header in messages.
    pub(in crate::formats) const fn name(&self) -> &'static str {
        match self.version {
            Version::Analyze => "Analyze header",
            Version::One | Version::Two => "NIfTI header",
        }
    }

    fn walk(&mut self, walk: &mut Walk<'_>) {
        match self.version {
            Version::Two => self.walk_two(walk),
            Version::One => self.walk_one(walk),
            Version::Analyze => self.walk_analyze(walk),
        }
    }

    /// What NIfTI-1 and Analyze share.
    fn walk_shared(&mut self, walk: &mut Walk<'_>) {
        walk.integers::<2>(40, &mut self.dim);
        walk.integer::<2>(70, &mut self.datatype);
        walk.integer::<2>(72, &mut self.bitpix);
        walk.singles(76, &mut self.pixdim);
        walk.single(108, &mut self.vox_offset);
        walk.single(112, &mut self.scl_slope);
        walk.single(116, &mut self.scl_inter);
        walk.single(124, &mut self.cal_max);
        walk.single(128, &mut self.cal_min);
    }

    fn walk_one(&mut self, walk: &mut Walk<'_>) {
        self.walk_shared(walk);
        walk.integer::<1>(39, &mut self.dim_info);
        walk.singles(56, &mut self.intent_p);
        walk.integer::<2>(68, &mut self.intent_code);
        walk.integer::<1>(122, &mut self.slice_code);
        walk.integer::<1>(123, &mut self.xyzt_units);
        walk.single(132, &mut self.slice_duration);
        walk.single(136, &mut self.toffset);
        walk.integer::<2>(252, &mut self.qform_code);
        walk.integer::<2>(254, &mut self.sform_code);
        walk.singles(256, &mut self.quaternion);
        walk.singles(268, &mut self.qoffset);
        for (row, at) in self.srow.iter_mut().zip([280, 296, 312]) {
            walk.singles(at, row);
        }
    }

    fn walk_two(&mut self, walk: &mut Walk<'_>) {
        walk.integer::<2>(12, &mut self.datatype);
        walk.integer::<2>(14, &mut self.bitpix);
        walk.integers::<8>(16, &mut self.dim);
        walk.doubles(80, &mut self.intent_p);
        walk.doubles(104, &mut self.pixdim);
        let mut vox_offset = self.vox_offset as i64;
        walk.integer::<8>(168, &mut vox_offset);
        self.vox_offset = vox_offset as f64;
        walk.double(176, &mut self.scl_slope);
        walk.double(184, &mut self.scl_inter);
        walk.double(192, &mut self.cal_max);
        walk.double(200, &mut self.cal_min);
        walk.double(208, &mut self.slice_duration);
        walk.double(216, &mut self.toffset);
        walk.integer::<4>(344, &mut self.qform_code);
        walk.integer::<4>(348, &mut self.sform_code);
        walk.doubles(352, &mut self.quaternion);
        walk.doubles(376, &mut self.qoffset);
        for (row, at) in self.srow.iter_mut().zip([400, 432, 464]) {
            walk.doubles(at, row);
        }
        walk.integer::<4>(496, &mut self.slice_code);
        walk.integer::<4>(500, &mut self.xyzt_units);
        walk.integer::<4>(504, &mut self.intent_code);
        walk.integer::<1>(524, &mut self.dim_info);
    }

    fn walk_analyze(&mut self, walk: &mut Walk<'_>) {
        self.walk_shared(walk);
        for (letter, at) in self.vox_units.iter_mut().zip(56..) {
            let mut code = i64::from(*letter);
            walk.integer::<1>(at, &mut code);
            *letter = code as u8;
        }
        walk.integer::<4>(140, &mut self.glmax);
        walk.integer::<4>(144, &mut self.glmin);
        walk.integer::<1>(252, &mut self.orient);
        walk.integers::<2>(253, &mut self.originator);
    }
}

/// The order of the bytes: the number of dimensions tells, or else the stated length of the header.
fn is_big_endian(version: Version, bytes: &[u8]) -> bool {
    let says = |at: usize, expected: i32| bytes.get(at..at + 4) == Some(&expected.to_be_bytes());
    let dimensions = |order: fn([u8; 2]) -> i16| match bytes.get(40..42) {
        Some(&[a, b]) => (1..=7).contains(&order([a, b])),
        _ => false,
    };
    match version {
        Version::Two => says(0, TWO as i32),
        _ if dimensions(i16::from_le_bytes) => false,
        _ if dimensions(i16::from_be_bytes) => true,
        _ => says(0, ONE as i32),
    }
}

/// Goes over the bytes of a header, reading or writing one field at a time.
struct Walk<'a> {
    bytes: &'a mut [u8],
    big_endian: bool,
    writes: bool,
}

impl Walk<'_> {
    /// Reads or writes the bytes of one number, the lowest first.
    fn number<const N: usize>(&mut self, at: usize, value: &mut [u8; N]) {
        let place = &mut self.bytes[at..at + N];
        if self.writes {
            place.copy_from_slice(value);
        } else {
            value.copy_from_slice(place);
        }
        if self.big_endian {
            value.reverse();
        }
    }

    /// An integer of `N` bytes. A single byte has no sign, as all codes of one byte are written.
    fn integer<const N: usize>(&mut self, at: usize, value: &mut i64) {
        let all = value.to_le_bytes();
        let mut low: [u8; N] = std::array::from_fn(|i| all[i]);
        self.number(at, &mut low);
        let negative = N > 1 && low[N - 1] & 0x80 != 0;
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..N].copy_from_slice(&low);
        *value = i64::from_le_bytes(all);
    }

    fn integers<const N: usize>(&mut self, at: usize, values: &mut [i64]) {
        for (i, value) in values.iter_mut().enumerate() {
            self.integer::<N>(at + N * i, value);
        }
    }

    fn single(&mut self, at: usize, value: &mut f64) {
        let mut bytes = (*value as f32).to_le_bytes();
        self.number(at, &mut bytes);
        *value = f64::from(f32::from_le_bytes(bytes));
    }

    fn singles(&mut self, at: usize, values: &mut [f64]) {
        for (i, value) in values.iter_mut().enumerate() {
            self.single(at + 4 * i, value);
        }
    }

    fn double(&mut self, at: usize, value: &mut f64) {
        let mut bytes = value.to_le_bytes();
        self.number(at, &mut bytes);
        *value = f64::from_le_bytes(bytes);
    }

    fn doubles(&mut self, at: usize, values: &mut [f64]) {
        for (i, value) in values.iter_mut().enumerate() {
            self.double(at + 8 * i, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_taken_apart_again() {
        for version in [Version::One, Version::Two] {
            for single in [true, false] {
                let mut fields = Fields::empty(version, single);
                fields.dim = [3, 4, 5, 6, 1, 1, 1, 1];
                (fields.datatype, fields.bitpix) = (4, 16);
                fields.pixdim = [-1.0, 0.5, 0.75, 2.0, 1.5, 1.0, 1.0, 1.0];
                fields.vox_offset = 560.0;
                (fields.scl_slope, fields.scl_inter) = (2.0, -7.0);
                (fields.intent_code, fields.intent_p) = (5, [1.0, 2.0, 3.0]);
                (fields.qform_code, fields.sform_code) = (1, 4);
                fields.quaternion = [0.5, -0.5, 0.25];
                fields.qoffset = [1.0, 2.0, 4.0];
                fields.srow = [[1.0, 2.0, 3.0, 4.0], [5.0; 4], [6.0; 4]];
                (fields.xyzt_units, fields.slice_code, fields.dim_info) = (10, 3, 57);
                fields.toffset = 0.125;
                let bytes = fields.clone().bytes();
                assert_eq!(Kind::of(&bytes), Some(Kind::Header(version, single)));
                let again = Fields::parse(version, single, &bytes).unwrap();
                assert_eq!(format!("{again:?}"), format!("{fields:?}"));
            }
        }
    }

    #[test]
    fn the_byte_order_is_that_of_the_dimensions_else_of_the_length() {
        let mut bytes = Fields::empty(Version::One, true).bytes();
        let order = |bytes: &[u8]| is_big_endian(Version::One, bytes);
        assert!(!order(&bytes));
        bytes[..4].copy_from_slice(&348_i32.to_be_bytes());
        assert!(order(&bytes));
        bytes[40] = 3;
        assert!(!order(&bytes));
        bytes[40..42].copy_from_slice(&[0, 3]);
        bytes[..4].copy_from_slice(&348_i32.to_le_bytes());
        assert!(order(&bytes));
    }

    #[test]
    fn a_header_that_ends_early_is_cut() {
        let two = Fields::empty(Version::Two, true).bytes();
        assert_eq!(Kind::of(&two[..400]), Some(Kind::Cut));
        let one = Fields::empty(Version::One, true).bytes();
        assert_eq!(Kind::of(&one[..344]), Some(Kind::Cut));
        assert_eq!(Kind::of(&one[..3]), None);
    }
}
