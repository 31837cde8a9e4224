//! Encoders for the tests: RLE, and lossless JPEG with every choice that its decoder has to know.

/// Packs byte planes as PS3.5 annex G says.
pub(super) fn rle(planes: &[Vec<u8>]) -> Vec<u8> {
    let mut header = vec![planes.len() as u32];
    let mut body = Vec::new();
    for plane in planes {
        header.push(64 + body.len() as u32);
        body.extend(pack(plane));
    }
    header.resize(16, 0);
    header
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .chain(body)
        .collect()
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut rest = bytes;
    while let [first, ..] = rest {
        let run = rest.iter().take(128).take_while(|b| *b == first).count();
        if run > 1 {
            packed.extend([(257 - run) as u8, *first]);
            rest = &rest[run..];
            continue;
        }
        let repeats = rest.windows(3).position(|w| w[0] == w[1] && w[1] == w[2]);
        let literal = repeats.unwrap_or(rest.len()).clamp(1, 128);
        packed.push((literal - 1) as u8);
        packed.extend(&rest[..literal]);
        rest = &rest[literal..];
    }
    // A byte that says nothing, and padding to an even length.
    packed.push(128);
    packed.resize(packed.len().next_multiple_of(2), 0);
    packed
}

/// How a lossless JPEG stream is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lossless {
    pub(super) precision: u32,
    pub(super) predictor: u8,
    /// The point transform: so many low bits are left out.
    pub(super) point: u32,
    /// Rows between restarts, or 0.
    pub(super) restart_rows: usize,
    /// Whether all components are in one scan.
    pub(super) interleaved: bool,
    /// Whether codes are 1 to 16 bits long, or all 5.
    pub(super) uneven: bool,
}

struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            self.held = self.held << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.held as u8);
                if self.held == 0xff {
                    self.bytes.push(0);
                }
                (self.held, self.count) = (0, 0);
            }
        }
    }

    fn flush(&mut self) {
        while self.count != 0 {
            self.put(1, 1);
        }
    }
}

impl Lossless {
    /// The lengths of the codes of 0 to 16: how many there are of each.
    fn counts(self) -> [u8; 16] {
        let mut counts = [0; 16];
        if self.uneven {
            counts = [1; 16];
            counts[15] = 2;
        } else {
            counts[4] = 17;
        }
        counts
    }

    fn code(self, size: u32) -> (u32, u32) {
        match (self.uneven, size) {
            (false, _) => (size, 5),
            // 0, 10, 110 and so on; the last two differ in the last bit.
            (true, 16) => (0xffff, 16),
            (true, _) => ((1 << (size + 1)) - 2, size + 1),
        }
    }

    /// A stream of samples by pixel.
    pub(super) fn encode(self, samples: &[u16], [rows, columns, count]: [usize; 3]) -> Vec<u8> {
        let segment = |marker: u8, contents: &[u8]| {
            let length = (contents.len() as u16 + 2).to_be_bytes();
            [&[0xff, marker][..], &length, contents].concat()
        };
        let [y1, y0] = (rows as u16).to_be_bytes();
        let [x1, x0] = (columns as u16).to_be_bytes();
        let mut frame = vec![self.precision as u8, y1, y0, x1, x0, count as u8];
        (0..count as u8).for_each(|c| frame.extend([c + 1, 0x11, 0]));
        let symbols: Vec<u8> = (0..=16).collect();
        let table = [&[0][..], &self.counts(), &symbols].concat();
        let interval = (self.restart_rows * columns) as u16;
        let mut stream = vec![0xff, 0xd8];
        stream.extend(segment(0xc3, &frame));
        stream.extend(segment(0xc4, &table));
        stream.extend(segment(0xdd, &interval.to_be_bytes()));
        let together = if self.interleaved { count } else { 1 };
        for first in (0..count).step_by(together) {
            let mut scan = vec![together as u8];
            (first..first + together).for_each(|c| scan.extend([c as u8 + 1, 0]));
            scan.extend([self.predictor, 0, self.point as u8]);
            stream.extend(segment(0xda, &scan));
            stream.extend(self.scan(samples, [rows, columns, count], first..first + together));
        }
        stream.extend([0xff, 0xd9]);
        stream
    }

    fn scan(
        self,
        samples: &[u16],
        [rows, columns, count]: [usize; 3],
        components: std::ops::Range<usize>,
    ) -> Vec<u8> {
        let mut bits = Bits {
            bytes: Vec::new(),
            held: 0,
            count: 0,
        };
        for y in 0..rows {
            let fresh = match self.restart_rows {
                0 => y == 0,
                n => y % n == 0,
            };
            if fresh && y > 0 {
                bits.flush();
                let turn = (y / self.restart_rows - 1) % 8;
                bits.bytes.extend([0xff, 0xd0 + turn as u8]);
            }
            for x in 0..columns {
                for c in components.clone() {
                    let at = |x: usize, y: usize| {
                        i32::from(samples[(y * columns + x) * count + c]) >> self.point
                    };
                    let predicted = match (x, fresh) {
                        (0, true) => 1 << (self.precision - self.point - 1),
                        (0, false) => at(0, y - 1),
                        (_, true) => at(x - 1, y),
                        _ => {
                            let [a, b, c] = [at(x - 1, y), at(x, y - 1), at(x - 1, y - 1)];
                            match self.predictor {
                                1 => a,
                                2 => b,
                                3 => c,
                                4 => a + b - c,
                                5 => a + ((b - c) >> 1),
                                6 => b + ((a - c) >> 1),
                                _ => (a + b) >> 1,
                            }
                        }
                    };
                    // Modulo 65,536, from -32,767 to 32,768.
                    let difference = i32::from((at(x, y) - predicted) as i16);
                    let difference = if difference == -32_768 {
                        32_768
                    } else {
                        difference
                    };
                    let size = 32 - difference.unsigned_abs().leading_zeros();
                    let (code, length) = self.code(size);
                    bits.put(code, length);
                    if size < 16 {
                        let low = difference + if difference < 0 { (1 << size) - 1 } else { 0 };
                        bits.put(low as u32, size);
                    }
                }
            }
        }
        bits.flush();
        bits.bytes
    }
}
