//! safetensors: a JSON header with types, shapes and texts, and tensors after it. An image is the
//! tensor `image`, `[channel, z, y, x]`, with its place among the texts.
//!
//! The crate `safetensors` wants the whole file in memory, or mapped, before it reads a header; so
//! the header is read here, and the crate is a second opinion in the tests.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use voxprep_core::volume::{Header, Volume};
use voxprep_core::voxels::ElementType;

use crate::array::{Array, Image};
use crate::described::Described;
use crate::error::{Error, Result};
use crate::format::{Format, register_format};
use crate::source::{COPY_AGAIN, Source};
use crate::stored::Number;
use crate::{ReadOptions, WriteOptions, write_aside};

/// The bytes of the number before the header.
const PREFIX: u64 = 8;
/// The longest header that is read: that of an image has some hundred bytes.
const MOST: u64 = 1 << 20;
/// The tensor that is the image.
const IMAGE: &str = "image";
/// The entry of the header that holds texts.
const METADATA: &str = "__metadata__";

struct Safetensors;

/// What a header says of a tensor.
#[derive(serde::Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// A header: its tensors, and the texts beside them.
#[derive(Default)]
struct Table {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Tensor>,
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Table;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Table, M::Error> {
                let mut table = Table::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == METADATA {
                        table.metadata = map.next_value()?;
                    } else {
                        table.tensors.insert(key, map.next_value()?);
                    }
                }
                Ok(table)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Safetensors {
    /// The header of the image, and where its elements start.
    fn image(source: &Source, options: &ReadOptions) -> Result<(Header, Image, u64)> {
        let path = source.path();
        let (table, data) = table(source)?;
        let (name, tensor) = chosen(&table, options, path)?;
        let wrong = |reason: String| {
            Error::input(path, reason)
                .field("safetensors header")
                .remedy(COPY_AGAIN)
        };
        let number = number(&tensor.dtype).ok_or_else(|| {
            Error::unsupported(
                path,
                format!("elements of type {} are not read", clean(&tensor.dtype)),
            )
            .field("dtype")
            .remedy("save it as F32 or I16")
        })?;
        let array = Array {
            number,
            complex: false,
            big_endian: false,
            first_fastest: false,
            shape: tensor.shape.clone(),
        };
        let image = array.image(source, options)?;
        let [from, to] = tensor.data_offsets;
        if to.checked_sub(from) != Some(image.bytes()) {
            return Err(wrong(format!(
                "its shape and type make {} bytes, its offsets are {from} and {to}",
                image.bytes()
            )));
        }
        source.check_holds(data.saturating_add(to))?;
        // Texts beside several tensors are those of `image`.
        let alone = name == IMAGE || table.tensors.len() == 1;
        let texts = if alone {
            table.metadata
        } else {
            BTreeMap::new()
        };
        let header = described(&texts, path)?.header("safetensors", &image, path)?;
        Ok((header, image, data + from))
    }
}

impl Format for Safetensors {
    fn key(&self) -> &'static str {
        "safetensors"
    }

    fn name(&self) -> &'static str {
        "safetensors (.safetensors)"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["safetensors"]
    }

    fn recognises(&self, start: &[u8]) -> bool {
        start
            .split_first_chunk::<8>()
            .is_some_and(|(length, json)| {
                // The least header is that of a single tensor; no program writes more than 100 MB.
                (2..=100_000_000).contains(&u64::from_le_bytes(*length)) && json.starts_with(b"{\"")
            })
    }

    fn read_header(&self, source: &Source, options: &ReadOptions) -> Result<Header> {
        Ok(Self::image(source, options)?.0)
    }

    fn read(&self, source: &Source, options: &ReadOptions) -> Result<Volume> {
        let (header, image, start) = Self::image(source, options)?;
        image.read(
            source.contents(start, start + image.bytes())?,
            start,
            header,
        )
    }

    fn write(&self, path: &Path, volume: &Volume, _options: &WriteOptions) -> Result<()> {
        let header = written(volume);
        write_aside(path, |out| {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(header.as_bytes())?;
            out.write_all(volume.voxels().bytes())
        })
    }
}

/// The header, and the first byte of the tensors.
fn table(source: &Source) -> Result<(Table, u64)> {
    let path = source.path();
    let wrong = |reason: String| {
        Error::input(path, reason)
            .field("safetensors header")
            .remedy(COPY_AGAIN)
    };
    let length = source.start().first_chunk::<8>();
    let length = length.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if length > MOST {
        let reason = format!("the header has {length} bytes, at most {MOST} are read");
        return Err(Error::limit(path, reason)
            .field("safetensors header")
            .remedy("save the image in a file of its own"));
    }
    let data = PREFIX + length;
    source.check_holds(data)?;
    let mut text = Vec::new();
    source
        .bytes_from(PREFIX)?
        .take(length)
        .read_to_end(&mut text)
        .map_err(|e| source.unread(&e))?;
    let table: Table = serde_json::from_slice(&text).map_err(|error| {
        wrong(format!(
            "it is not the JSON of tensors (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    Ok((table, data))
}

/// The tensor that is read.
fn chosen<'a>(
    table: &'a Table,
    options: &ReadOptions,
    path: &Path,
) -> Result<(&'a str, &'a Tensor)> {
    let tensors = &table.tensors;
    let names = || {
        let names: Vec<_> = tensors.keys().take(12).map(|name| clean(name)).collect();
        names.join(", ")
    };
    let found = match &options.series {
        Some(name) => tensors.get_key_value(name),
        None if tensors.len() == 1 => tensors.first_key_value(),
        None => tensors.get_key_value(IMAGE),
    };
    found
        .map(|(name, tensor)| (name.as_str(), tensor))
        .ok_or_else(|| {
            if tensors.is_empty() {
                return Error::input(path, "the file holds no tensor").remedy(COPY_AGAIN);
            }
            let reason = match &options.series {
                Some(name) => format!("there is no tensor '{}'", clean(name)),
                None => format!(
                    "the file holds {} tensors, none called image",
                    tensors.len()
                ),
            };
            Error::parameter(path, reason)
                .field("series")
                .remedy(format!("name one: {}", names()))
        })
}

/// A name of the file as it may stand in a message of one line.
pub(super) fn clean(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(64).collect()
}

fn number(dtype: &str) -> Option<Number> {
    Some(match dtype {
        "BOOL" | "U8" => Number::U8,
        "I8" => Number::I8,
        "I16" => Number::I16,
        "U16" => Number::U16,
        "I32" => Number::I32,
        "U32" => Number::U32,
        "I64" => Number::I64,
        "U64" => Number::U64,
        "F16" => Number::F16,
        "BF16" => Number::Bf16,
        "F32" => Number::F32,
        "F64" => Number::F64,
        _ => return None,
    })
}

const fn dtype(element_type: ElementType) -> &'static str {
    match element_type {
        ElementType::U8 => "U8",
        ElementType::I16 => "I16",
        ElementType::U16 => "U16",
        ElementType::I32 => "I32",
        ElementType::F32 => "F32",
        ElementType::F64 => "F64",
    }
}

/// What the texts of a header say; numbers are JSON in them.
fn described(texts: &BTreeMap<String, String>, path: &Path) -> Result<Described> {
    fn list<const N: usize>(
        texts: &BTreeMap<String, String>,
        key: &str,
        path: &Path,
    ) -> Result<Option<[f64; N]>> {
        let Some(text) = texts.get(key) else {
            return Ok(None);
        };
        let numbers: Option<Vec<f64>> = serde_json::from_str(text).ok();
        let numbers = numbers.and_then(|numbers| <[f64; N]>::try_from(numbers).ok());
        numbers.map(Some).ok_or_else(|| {
            Error::input(path, format!("it is not a list of {N} numbers"))
                .field(format!("{METADATA}, {key}"))
                .remedy("write it as JSON, row by row")
        })
    }
    let text = |key: &str| texts.get(key).cloned();
    let channels = match texts.get("channels").map(|text| serde_json::from_str(text)) {
        Some(Ok(names)) => Some(names),
        Some(Err(_)) => {
            return Err(Error::input(path, "it is not a list of names")
                .field(format!("{METADATA}, channels"))
                .remedy("write it as JSON"));
        }
        None => None,
    };
    Ok(Described {
        affine: list(texts, "affine", path)?,
        spacing: list(texts, "spacing", path)?,
        origin: list(texts, "origin", path)?,
        direction: list(texts, "direction", path)?,
        frame: text("frame"),
        channels,
        axes: text("axes"),
        unit: text("unit"),
        modality: text("modality"),
        role: text("role"),
        warnings: Vec::new(),
    })
}

/// The header of a volume, padded so that the tensor starts at a multiple of 8 bytes.
fn written(volume: &Volume) -> String {
    let voxels = volume.voxels();
    let said = Described::of(volume);
    let numbers = |list: Option<&[f64]>| list.map(|list| json!(list).to_string());
    let mut texts = Map::new();
    for (key, text) in [
        ("affine", numbers(said.affine.as_ref().map(|a| &a[..]))),
        ("spacing", numbers(said.spacing.as_ref().map(|a| &a[..]))),
        ("origin", numbers(said.origin.as_ref().map(|a| &a[..]))),
        (
            "direction",
            numbers(said.direction.as_ref().map(|a| &a[..])),
        ),
        ("frame", said.frame),
        (
            "channels",
            said.channels.map(|names| json!(names).to_string()),
        ),
        ("axes", said.axes),
        ("unit", said.unit),
        ("modality", said.modality),
        ("role", said.role),
    ] {
        if let Some(text) = text {
            texts.insert(key.to_owned(), Value::from(text));
        }
    }
    let [x, y, z] = voxels.size();
    let tensor = json!({
        "dtype": dtype(voxels.element_type()),
        "shape": [voxels.channels(), z, y, x],
        "data_offsets": [0, voxels.bytes().len()],
    });
    let mut header = json!({ METADATA: texts, IMAGE: tensor }).to_string();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    header
}

register_format!(Safetensors);
