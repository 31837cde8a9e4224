//! The blocks of a DCT frame: where each component's lie, in which order a scan visits them, and
//! what has been decoded of them.

use super::super::{Frame, Outcome, Refusal};
use super::bits::{Bits, Segments};
use super::header::{Process, Scan, Sof, missing};
use super::{Tables, colour, idct, planes, progressive, sequential};

/// Rows and columns of a block.
pub(super) const SIDE: usize = 8;
/// Coefficients of a block.
pub(super) const AREA: usize = 64;

/// The place in a block of each coefficient, in the order of the stream. A run of zeros may lead
/// 15 beyond the last.
pub(super) const ZIGZAG: [u8; AREA + 16] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
    63, 63, 63, 63, 63, 63,
];

/// One component while it is decoded.
pub(super) struct Plane {
    /// Columns and rows of samples that are of the image.
    pub(super) size: [usize; 2],
    /// Blocks across, those included that fill up the last unit of an interleaved scan.
    pub(super) blocks_across: usize,
    /// Blocks that a scan of this component alone visits, across and down.
    pub(super) own: [usize; 2],
    pub(super) sampling: [usize; 2],
    /// Which table the coefficients are multiplied by.
    table: usize,
    /// That table when the first scan began, in the order of a block.
    pub(super) factors: Option<[i32; AREA]>,
    /// Decoded samples, whole blocks.
    pub(super) samples: Vec<u16>,
    /// Coefficients of the progressive process, block by block; else empty.
    pub(super) coefficients: Vec<i16>,
    /// Of each coefficient, the bit position that has been reached; `None` before its first scan.
    pub(super) reached: [Option<u8>; AREA],
}

/// All components of a frame.
pub(super) struct Blocks {
    pub(super) planes: Vec<Plane>,
    /// Units of an interleaved scan, across and down.
    units: [usize; 2],
    precision: u32,
}

/// What reads the blocks of a scan.
pub(super) trait Coder {
    /// Forgets what earlier blocks have left, at the start of a restart interval.
    fn restart(&mut self);

    /// Reads one block of the scan's component `which`, at `[across, down]`.
    fn block(&mut self, bits: &mut Bits, which: usize, at: [usize; 2]) -> Outcome<()>;
}

impl Blocks {
    pub(super) fn new(sof: &Sof, frame: &Frame) -> Outcome<Self> {
        let alone = sof.components.len() == 1;
        let largest = |axis: usize| {
            let all = sof.components.iter().filter_map(|c| c.sampling.get(axis));
            all.copied().max().unwrap_or(1)
        };
        let most = [largest(0), largest(1)];
        let most = if alone { [1, 1] } else { most };
        let [across, down] = most.map(|sampling| sampling * SIDE);
        let units = [frame.columns.div_ceil(across), frame.rows.div_ceil(down)];
        let mut planes = Vec::with_capacity(sof.components.len());
        for component in &sof.components {
            let sampling = if alone { [1, 1] } else { component.sampling };
            let [h, v] = sampling;
            let size = [
                (frame.columns * h).div_ceil(most[0]),
                (frame.rows * v).div_ceil(most[1]),
            ];
            if most[0] % h != 0 || most[1] % v != 0 {
                return Err(Refusal::unsupported(
                    "JPEG whose components are sampled in a ratio that is no whole number is not decoded",
                ));
            }
            let area = units[0] * h * units[1] * v * AREA;
            let progressive = sof.process == Process::Progressive;
            planes.push(Plane {
                size,
                blocks_across: units[0] * h,
                own: size.map(|size| size.div_ceil(SIDE)),
                sampling,
                table: component.quantisation,
                factors: None,
                samples: vec![0; area],
                coefficients: vec![0; if progressive { area } else { 0 }],
                reached: [None; AREA],
            });
        }
        Ok(Self {
            planes,
            units,
            precision: sof.precision,
        })
    }

    /// Decodes a scan.
    pub(super) fn scan(
        &mut self,
        sof: &Sof,
        scan: &Scan,
        tables: &Tables,
        segments: &Segments,
    ) -> Outcome<()> {
        for component in &scan.components {
            let plane = self.planes.get_mut(component.index);
            let plane = plane.ok_or_else(|| missing("quantisation"))?;
            if plane.factors.is_none() {
                let table = tables.quantisation.get(plane.table).copied().flatten();
                let table = table.ok_or_else(|| missing("quantisation"))?;
                let mut factors = [0; AREA];
                for (&place, factor) in ZIGZAG.iter().zip(table) {
                    factors[usize::from(place)] = i32::from(factor);
                }
                plane.factors = Some(factors);
            }
        }
        let (units, restart) = (self.units, tables.restart);
        if sof.process == Process::Progressive {
            let mut coder = progressive::Scanner::new(scan, tables, &mut self.planes)?;
            return walk(coder.planes_of_scan(), units, restart, segments, &mut coder);
        }
        let mut coder = sequential::Scanner::new(scan, tables, &mut self.planes, self.precision)?;
        walk(coder.planes_of_scan(), units, restart, segments, &mut coder)
    }

    /// Whether no further scan can add anything.
    pub(super) fn complete(&self) -> bool {
        let mut reached = self.planes.iter().flat_map(|plane| plane.reached);
        reached.all(|reached| reached == Some(0))
    }

    /// Turns what was decoded into the samples of the frame; returns whether they are RGB.
    pub(super) fn finish(
        &mut self,
        sof: &Sof,
        tables: &Tables,
        ended: bool,
        frame: &Frame,
        out: &mut [u8],
    ) -> Outcome<bool> {
        // Without its end a progressive stream has been cut off between two scans, unless all is
        // there; with it, what is not there is zero.
        let begun = self.planes.iter().all(|plane| plane.reached[0].is_some());
        if !begun || !(ended || self.complete()) {
            return Err(Refusal::damaged(
                "the JPEG stream ends before the last scan",
            ));
        }
        planes::transform(self);
        let transform = colour::of(sof, tables);
        planes::write(self, transform, frame, out);
        Ok(transform != colour::Transform::Keep)
    }

    pub(super) fn precision(&self) -> u32 {
        self.precision
    }
}

impl Plane {
    /// The samples of a row, those of the image. Rows outside are the nearest one.
    pub(super) fn row(&self, y: usize) -> &[u16] {
        let [width, height] = self.size;
        let start = y.min(height.saturating_sub(1)) * self.blocks_across * SIDE;
        self.samples.get(start..start + width).unwrap_or_default()
    }

    /// Transforms a block of coefficients into samples.
    pub(super) fn store(&mut self, at: [usize; 2], block: &[i16; AREA], precision: u32) {
        let Some(factors) = &self.factors else {
            return;
        };
        let samples = idct::inverse(block, factors, precision);
        let [x, y] = at.map(|at| at * SIDE);
        let across = self.blocks_across * SIDE;
        for (row, samples) in (y..).zip(samples) {
            let start = row * across + x;
            if let Some(place) = self.samples.get_mut(start..start + SIDE) {
                place.copy_from_slice(&samples);
            }
        }
    }
}

/// Visits the blocks of a scan: the order of T.81 A.2.
fn walk(
    planes: Vec<[[usize; 2]; 2]>,
    units: [usize; 2],
    restart: usize,
    segments: &Segments,
    coder: &mut impl Coder,
) -> Outcome<()> {
    let alone = if let [[_, own]] = planes[..] {
        Some(own)
    } else {
        None
    };
    let [across, down] = alone.unwrap_or(units);
    let (mut interval, mut left) = (0, restart);
    let mut bits = segments.interval(interval)?;
    for y in 0..down {
        for x in 0..across {
            if restart > 0 && left == 0 {
                bits.check()?;
                interval += 1;
                left = restart;
                bits = segments.interval(interval)?;
                coder.restart();
            }
            left = left.saturating_sub(1);
            if alone.is_some() {
                coder.block(&mut bits, 0, [x, y])?;
                continue;
            }
            for (which, [[h, v], _]) in planes.iter().enumerate() {
                for j in 0..*v {
                    for i in 0..*h {
                        coder.block(&mut bits, which, [x * h + i, y * v + j])?;
                    }
                }
            }
        }
        bits.check()?;
    }
    Ok(())
}
