//! DICOM files made byte by byte, with whatever trap a test wants.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A value of an element.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Short(Vec<u16>),
    Bytes(Vec<u8>),
    Items(Vec<Vec<Element>>),
}

/// An element: tag, VR, value.
pub(crate) type Element = ((u16, u16), &'static str, Value);

pub(crate) fn text(tag: (u16, u16), vr: &'static str, value: impl ToString) -> Element {
    (tag, vr, Value::Text(value.to_string()))
}

pub(crate) fn short(tag: (u16, u16), value: u16) -> Element {
    (tag, "US", Value::Short(vec![value]))
}

pub(crate) fn items(tag: (u16, u16), items: Vec<Vec<Element>>) -> Element {
    (tag, "SQ", Value::Items(items))
}

/// Numbers of a decimal string.
pub(crate) fn decimals(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join("\\")
}

/// A file to be: the elements of its data set.
#[derive(Clone, Debug)]
pub(crate) struct File(pub(crate) Vec<Element>);

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Rows and columns of a made slice.
pub(crate) const ROWS: u16 = 3;
pub(crate) const COLUMNS: u16 = 4;

impl File {
    /// An axial slice of CT, 3 rows of 4 columns, 16 bits unsigned, slope 1 and intercept -1024, whose
    /// pixels are `1000 + 100 * number + index`; z mm above the origin.
    pub(crate) fn ct(number: u16, z: f64) -> Self {
        let pixels: Vec<u16> = (0..ROWS * COLUMNS)
            .map(|i| 1000 + 100 * number + i)
            .collect();
        let mut file = Self(vec![
            text((0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.2"),
            text((0x0008, 0x0018), "UI", format!("1.2.3.4.{number}")),
            text((0x0008, 0x0060), "CS", "CT"),
            text((0x0018, 0x0050), "DS", "5"),
            text((0x0020, 0x000E), "UI", "1.2.3"),
            text((0x0020, 0x0011), "IS", "7"),
            text((0x0020, 0x0013), "IS", number),
            text((0x0020, 0x0032), "DS", decimals(&[-10.0, -20.0, z])),
            text((0x0020, 0x0037), "DS", "1\\0\\0\\0\\1\\0"),
            text((0x0020, 0x0052), "UI", "1.2.3.5"),
            short((0x0028, 0x0002), 1),
            text((0x0028, 0x0004), "CS", "MONOCHROME2"),
            short((0x0028, 0x0010), ROWS),
            short((0x0028, 0x0011), COLUMNS),
            text((0x0028, 0x0030), "DS", "2\\0.5"),
            short((0x0028, 0x0100), 16),
            short((0x0028, 0x0101), 16),
            short((0x0028, 0x0102), 15),
            short((0x0028, 0x0103), 0),
            text((0x0028, 0x1052), "DS", "-1024"),
            text((0x0028, 0x1053), "DS", "1"),
        ]);
        file.pixels(&pixels);
        file
    }

    /// Puts an element in, in the place of one with the same tag.
    pub(crate) fn put(&mut self, element: Element) -> &mut Self {
        self.0.retain(|(tag, ..)| *tag != element.0);
        self.0.push(element);
        self.0.sort_by_key(|(tag, ..)| *tag);
        self
    }

    /// The same file with an element put in.
    pub(crate) fn with(mut self, element: Element) -> Self {
        self.put(element);
        self
    }

    pub(crate) fn without(mut self, tag: (u16, u16)) -> Self {
        self.0.retain(|(t, ..)| *t != tag);
        self
    }

    /// Puts 16-bit pixels in.
    pub(crate) fn pixels(&mut self, pixels: &[u16]) -> &mut Self {
        self.put(((0x7FE0, 0x0010), "OW", Value::Short(pixels.to_vec())))
    }

    pub(crate) fn with_bytes(mut self, pixels: Vec<u8>) -> Self {
        self.put(((0x7FE0, 0x0010), "OB", Value::Bytes(pixels)));
        self
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self, syntax: &str) -> Vec<u8> {
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        encode(&text((0x0002, 0x0010), "UI", syntax), true, &mut file);
        for element in &self.0 {
            encode(element, syntax != IMPLICIT, &mut file);
        }
        file
    }
}

fn encode((tag, vr, value): &Element, explicit: bool, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    match value {
        Value::Text(text) => bytes.extend(text.as_bytes()),
        Value::Short(numbers) => numbers.iter().for_each(|n| bytes.extend(n.to_le_bytes())),
        Value::Bytes(raw) => bytes.clone_from(raw),
        Value::Items(items) => {
            for item in items {
                let mut inside = Vec::new();
                item.iter()
                    .for_each(|element| encode(element, explicit, &mut inside));
                bytes.extend([0xFE, 0xFF, 0x00, 0xE0]);
                bytes.extend((inside.len() as u32).to_le_bytes());
                bytes.extend(inside);
            }
        }
    }
    if bytes.len() % 2 == 1 {
        bytes.push(if *vr == "UI" { 0 } else { b' ' });
    }
    out.extend(tag.0.to_le_bytes());
    out.extend(tag.1.to_le_bytes());
    let length = bytes.len() as u32;
    match (explicit, *vr) {
        (false, _) => out.extend(length.to_le_bytes()),
        (true, "OB" | "OW" | "SQ" | "UN" | "UT") => {
            out.extend(vr.as_bytes());
            out.extend([0, 0]);
            out.extend(length.to_le_bytes());
        }
        (true, _) => {
            out.extend(vr.as_bytes());
            out.extend((length as u16).to_le_bytes());
        }
    }
    out.extend(bytes);
}

/// A folder with files named in the order in which they were put in.
pub(crate) struct Folder {
    folder: TempDir,
    count: usize,
}

impl Folder {
    pub(crate) fn of(files: impl IntoIterator<Item = File>) -> Self {
        let mut folder = Self {
            folder: tempfile::tempdir().unwrap(),
            count: 0,
        };
        for file in files {
            folder.put(&file);
        }
        folder
    }

    pub(crate) fn put(&mut self, file: &File) -> PathBuf {
        self.put_bytes(&file.bytes(EXPLICIT))
    }

    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(format!("{:03}", self.count));
        self.count += 1;
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}
