//! Scans of the sequential process: a block's coefficients are all there at once.

use super::super::{Outcome, Refusal};
use super::Tables;
use super::bits::Bits;
use super::blocks::{AREA, Coder, Plane, ZIGZAG};
use super::header::Scan;
use super::huffman::Table;

/// Reads the blocks of a scan and transforms them at once.
pub(super) struct Scanner<'a> {
    components: Vec<Component<'a>>,
    precision: u32,
}

struct Component<'a> {
    plane: &'a mut Plane,
    dc: &'a Table,
    ac: &'a Table,
    /// The DC coefficient of the block before.
    last: i32,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(
        scan: &Scan,
        tables: &'a Tables,
        planes: &'a mut [Plane],
        precision: u32,
    ) -> Outcome<Self> {
        // Which coefficients and bits a scan states is not looked at: it has all of them, and some
        // encoders write zeros there.
        let mut components = Vec::with_capacity(scan.components.len());
        for (index, plane) in planes.iter_mut().enumerate() {
            let Some(component) = scan.components.iter().find(|c| c.index == index) else {
                continue;
            };
            if plane.reached[0].is_some() {
                return Err(Refusal::damaged(
                    "the sequential JPEG stream has two scans of one component",
                ));
            }
            plane.reached = [Some(0); AREA];
            let dc = component.dc(&tables.dc)?;
            if dc.largest() > 15 {
                return Err(Refusal::damaged(
                    "a Huffman table of the JPEG stream has DC differences of 16 bits or more",
                ));
            }
            components.push(Component {
                plane,
                dc,
                ac: component.ac(&tables.ac)?,
                last: 0,
            });
        }
        Ok(Self {
            components,
            precision,
        })
    }

    /// Sampling factors and own blocks of the scan's components.
    pub(super) fn planes_of_scan(&self) -> Vec<[[usize; 2]; 2]> {
        let planes = self.components.iter().map(|c| &c.plane);
        planes.map(|plane| [plane.sampling, plane.own]).collect()
    }
}

impl Coder for Scanner<'_> {
    fn restart(&mut self) {
        self.components.iter_mut().for_each(|c| c.last = 0);
    }

    fn block(&mut self, bits: &mut Bits, which: usize, at: [usize; 2]) -> Outcome<()> {
        let Some(component) = self.components.get_mut(which) else {
            return Ok(());
        };
        let mut block = [0_i16; AREA];
        bits.refill();
        let size = component.dc.symbol(bits)?;
        component.last = component.last.wrapping_add(bits.signed(u32::from(size)));
        block[0] = component.last as i16;
        let mut k = 1;
        while k < AREA {
            bits.need();
            let symbol = component.ac.symbol(bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            let value = bits.signed(size);
            if k >= AREA {
                return Err(Refusal::damaged(
                    "a block of the JPEG stream has more than 64 coefficients",
                ));
            }
            block[usize::from(ZIGZAG[k])] = value as i16;
            k += 1;
        }
        component.plane.store(at, &block, self.precision);
        Ok(())
    }
}
