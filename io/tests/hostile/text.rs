//! Hostile headers of text from sound ones: lines that say something else, twice, or not at all.

use crate::mutation::Random;

/// Numbers at the edges of something, and what is none.
const NUMBERS: [&str; 26] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "4",
    "7",
    "16",
    "24",
    "127",
    "255",
    "65536",
    "100000",
    "2147483647",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999",
    "1e300",
    "1e-300",
    "-0",
    "0.5",
    "nan",
    "inf",
    "x",
    "",
];
/// Words that mean something, in either format.
const WORDS: [&str; 52] = [
    "True",
    "False",
    "LOCAL",
    "LIST",
    "LIST 2D",
    "LIST 1",
    "a.raw",
    "a.raw 1 2 1",
    "a%d.raw 1 2 1",
    "a%03d.raw 0 99999 1",
    "../a.raw",
    "/etc/passwd",
    ".",
    "MET_UCHAR",
    "MET_CHAR",
    "MET_SHORT",
    "MET_LONG_LONG",
    "MET_ULONG_LONG",
    "MET_DOUBLE",
    "MET_FLOAT_ARRAY",
    "MET_OTHER",
    "uint8",
    "int8",
    "short",
    "unsigned long long",
    "float",
    "double",
    "block",
    "raw",
    "gzip",
    "bzip2",
    "ascii",
    "hex",
    "zrl",
    "little",
    "big",
    "RAS",
    "LPST",
    "left-posterior-superior",
    "scanner-xyz",
    "none",
    "(1,0,0)",
    "(0,0,0,1)",
    "(nan,nan,nan)",
    "domain",
    "list",
    "time",
    "vector",
    "complex",
    "RGB-color",
    "cell",
    "\"cm\" \"cm\" \"um\"",
];
/// Names of fields, in either format.
const NAMES: [&str; 32] = [
    "NDims",
    "DimSize",
    "ElementType",
    "ElementNumberOfChannels",
    "ElementSpacing",
    "Offset",
    "TransformMatrix",
    "BinaryData",
    "BinaryDataByteOrderMSB",
    "CompressedData",
    "CompressedDataSize",
    "HeaderSize",
    "ElementDataFile",
    "dimension",
    "sizes",
    "type",
    "encoding",
    "endian",
    "space",
    "space dimension",
    "space directions",
    "space origin",
    "space units",
    "measurement frame",
    "kinds",
    "spacings",
    "axis mins",
    "axis maxs",
    "centers",
    "line skip",
    "byte skip",
    "data file",
];

/// Changes one thing in a header.
pub(crate) fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let lines: Vec<(usize, usize)> = lines(bytes);
    if lines.is_empty() {
        return;
    }
    let (start, end) = lines[random.below(lines.len())];
    let line = String::from_utf8_lossy(&bytes[start..end]).into_owned();
    let new = match random.below(12) {
        // Another number in the place of one.
        0..=4 => {
            let words: Vec<&str> = line.split(' ').collect();
            let at = random.below(words.len());
            let number = random.of(&NUMBERS);
            let words = words.iter().enumerate();
            let words: Vec<&str> = words
                .map(|(i, w)| if i == at { number } else { w })
                .collect();
            words.join(" ")
        }
        // Another value.
        5 | 6 => match line.find([':', '=']) {
            Some(sign) => {
                let value = if random.one_in(2) {
                    random.of(&WORDS)
                } else {
                    random.of(&NUMBERS)
                };
                format!("{} {value}", &line[..=sign])
            }
            None => random.of(&WORDS).to_owned(),
        },
        // A line that was not there.
        7 | 8 => {
            let value = if random.one_in(2) {
                random.of(&WORDS)
            } else {
                random.of(&NUMBERS)
            };
            let sign = if bytes.starts_with(b"NRRD") {
                ":"
            } else {
                " ="
            };
            format!("{line}\n{}{sign} {value}", random.of(&NAMES))
        }
        // A line twice, or no longer there.
        9 => format!("{line}\n{line}"),
        10 => String::new(),
        // More of the same.
        _ => {
            let tail = line.split(' ').next_back().unwrap_or_default().to_owned();
            format!(
                "{line}{}",
                format!(" {tail}").repeat(random.of(&[1, 2, 5, 300]))
            )
        }
    };
    bytes.splice(start..end, new.into_bytes());
}

/// Where the lines of the header are.
fn lines(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut lines = Vec::new();
    let mut start = 0;
    while let Some(length) = bytes[start..].iter().take(4096).position(|&b| b == b'\n') {
        let line = &bytes[start..start + length];
        // What is no text is no header.
        if line.is_empty() || !line.is_ascii() || lines.len() > 60 {
            break;
        }
        lines.push((start, start + length));
        start += length + 1;
        if line.starts_with(b"ElementDataFile = LOCAL") {
            break;
        }
    }
    lines
}
