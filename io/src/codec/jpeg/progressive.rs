//! Scans of the progressive process (T.81 annex G): each brings some coefficients, or one more bit
//! of them.

use super::super::{Outcome, Refusal};
use super::Tables;
use super::bits::Bits;
use super::blocks::{AREA, Coder, Plane, ZIGZAG};
use super::header::Scan;
use super::huffman::Table;

/// Reads the blocks of a scan into the coefficients.
pub(super) struct Scanner<'a> {
    components: Vec<Component<'a>>,
    /// The first and the last coefficient.
    band: [usize; 2],
    first: bool,
    low: u8,
    /// Blocks to come that hold nothing new.
    empty: u32,
}

struct Component<'a> {
    plane: &'a mut Plane,
    table: Option<&'a Table>,
    /// The DC coefficient of the block before.
    last: i32,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(scan: &Scan, tables: &'a Tables, planes: &'a mut [Plane]) -> Outcome<Self> {
        let band = [usize::from(scan.start), usize::from(scan.end)];
        let [start, end] = band;
        let first = scan.high == 0;
        let legal = if start == 0 {
            end == 0
        } else {
            start <= end && end < AREA && scan.components.len() == 1
        };
        if !legal || scan.low > 13 || !(first || scan.high == scan.low + 1) {
            return Err(Refusal::damaged(format!(
                "a scan of the progressive JPEG stream holds coefficients {start} to {end}, bits {} to {}",
                scan.high, scan.low
            )));
        }
        let mut components = Vec::with_capacity(scan.components.len());
        for (index, plane) in planes.iter_mut().enumerate() {
            let Some(component) = scan.components.iter().find(|c| c.index == index) else {
                continue;
            };
            // Every bit comes once, which also bounds the number of scans.
            let before = if first { None } else { Some(scan.high) };
            for reached in plane.reached.iter_mut().take(end + 1).skip(start) {
                if *reached != before {
                    return Err(Refusal::damaged(
                        "the scans of the progressive JPEG stream repeat or leave out bits",
                    ));
                }
                *reached = Some(scan.low);
            }
            let table = match (start, first) {
                (0, true) => Some(component.dc(&tables.dc)?),
                (0, false) => None,
                _ => Some(component.ac(&tables.ac)?),
            };
            if start == 0 && table.is_some_and(|table| table.largest() > 15) {
                return Err(Refusal::damaged(
                    "a Huffman table of the JPEG stream has DC differences of 16 bits or more",
                ));
            }
            components.push(Component {
                plane,
                table,
                last: 0,
            });
        }
        Ok(Self {
            components,
            band,
            first,
            low: scan.low,
            empty: 0,
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
        self.empty = 0;
    }

    fn block(&mut self, bits: &mut Bits, which: usize, at: [usize; 2]) -> Outcome<()> {
        let Some(component) = self.components.get_mut(which) else {
            return Ok(());
        };
        let [x, y] = at;
        let index = y * component.plane.blocks_across + x;
        let (blocks, _) = component.plane.coefficients.as_chunks_mut::<AREA>();
        let Some(block) = blocks.get_mut(index) else {
            return Ok(());
        };
        match (self.band, component.table) {
            ([0, _], Some(table)) => {
                bits.refill();
                let size = table.symbol(bits)?;
                component.last = component.last.wrapping_add(bits.signed(u32::from(size)));
                block[0] = (component.last << self.low) as i16;
                Ok(())
            }
            ([0, _], None) => {
                block[0] |= (bits.read(1) << self.low) as i16;
                Ok(())
            }
            (band, Some(table)) if self.first => {
                first(bits, table, block, band, self.low, &mut self.empty)
            }
            (band, Some(table)) => refine(bits, table, block, band, self.low, &mut self.empty),
            (_, None) => Ok(()),
        }
    }
}

/// How many blocks, this one included, a symbol says are over.
fn over(bits: &mut Bits, run: u8) -> u32 {
    (1 << run) + bits.read(u32::from(run))
}

/// The first scan of a band.
fn first(
    bits: &mut Bits,
    table: &Table,
    block: &mut [i16; AREA],
    [mut k, end]: [usize; 2],
    low: u8,
    empty: &mut u32,
) -> Outcome<()> {
    if *empty > 0 {
        *empty -= 1;
        return Ok(());
    }
    while k <= end {
        bits.need();
        let symbol = table.symbol(bits)?;
        let (run, size) = (symbol >> 4, u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                *empty = over(bits, run) - 1;
                break;
            }
            k += 16;
            continue;
        }
        k += usize::from(run);
        let value = bits.signed(size);
        if k > end {
            return Err(beyond());
        }
        block[usize::from(ZIGZAG[k])] = (value << low) as i16;
        k += 1;
    }
    Ok(())
}

#[cold]
fn beyond() -> Refusal {
    Refusal::damaged("a block of the JPEG stream has coefficients beyond its band")
}

/// One more bit of a band: of those that are there, and new ones that begin with it.
fn refine(
    bits: &mut Bits,
    table: &Table,
    block: &mut [i16; AREA],
    [mut k, end]: [usize; 2],
    low: u8,
    empty: &mut u32,
) -> Outcome<()> {
    let bit = 1_i16 << low;
    if *empty == 0 {
        while k <= end {
            bits.need();
            let symbol = table.symbol(bits)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let new = match (size, run) {
                (0, 15) => 0,
                (0, _) => {
                    *empty = over(bits, run);
                    break;
                }
                _ if bits.read(1) == 1 => bit,
                _ => -bit,
            };
            // The run counts only what is still zero.
            while k <= end {
                let value = &mut block[usize::from(ZIGZAG[k])];
                if *value != 0 {
                    correct(bits, value, bit);
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
            if new != 0 {
                if k > end {
                    return Err(beyond());
                }
                block[usize::from(ZIGZAG[k])] = new;
            }
            k += 1;
        }
    }
    if *empty > 0 {
        for place in ZIGZAG.iter().take(end + 1).skip(k) {
            let value = &mut block[usize::from(*place)];
            if *value != 0 {
                correct(bits, value, bit);
            }
        }
        *empty -= 1;
    }
    Ok(())
}

/// Reads the next bit of a coefficient's magnitude.
#[inline(always)]
fn correct(bits: &mut Bits, value: &mut i16, bit: i16) {
    if bits.read(1) == 1 && *value & bit == 0 {
        let bit = if *value < 0 { -bit } else { bit };
        *value = value.wrapping_add(bit);
    }
}
