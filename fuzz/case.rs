//! One hostile input, and what is done with it: for the fuzzer, and for the tests of `io` that
//! replay its corpus and make mutations of their own.

use std::fs;
use std::path::Path;

use voxprep_core::volume::{AxisKind, Volume};
use voxprep_io::{ReadOptions, WriteOptions};

/// Which files there are, and which one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// One file.
    Single,
    /// The header of a pair.
    Header,
    /// The voxels of a pair.
    Voxels,
}

/// One or two files, and how they are read.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Which files there are.
    pub(crate) named: Named,
    /// Whether the caller trusts them.
    pub(crate) no_limits: bool,
    /// The single file, or the header.
    pub(crate) first: Vec<u8>,
    /// The voxels of a pair.
    pub(crate) second: Vec<u8>,
}

impl Case {
    /// The case that the fuzzer's bytes stand for: what there is, for a pair the length of the
    /// header in two bytes, and the files.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&flags, rest) = bytes.split_first()?;
        let named = match flags & 3 {
            0 | 3 => Named::Single,
            1 => Named::Header,
            _ => Named::Voxels,
        };
        let (first, second) = if named == Named::Single {
            (rest, &[][..])
        } else {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
        };
        Some(Self {
            named,
            no_limits: flags & 0x80 != 0,
            first: first.to_vec(),
            second: second.to_vec(),
        })
    }

    /// Bytes that [`Case::parse`] makes this case of.
    #[allow(dead_code, reason = "the fuzzer only parses")]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let flags = self.named as u8 | if self.no_limits { 0x80 } else { 0 };
        let mut bytes = vec![flags];
        if self.named != Named::Single {
            bytes.extend((self.first.len() as u16).to_le_bytes());
        }
        bytes.extend(&self.first);
        bytes.extend(&self.second);
        bytes
    }

    /// Bytes of all files.
    #[allow(dead_code, reason = "the fuzzer does not count")]
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Reads the files, and holds what comes of it to the promises: a volume or an error of one
    /// line; header and volume agree; what was read can be written, and read again.
    pub(crate) fn run(&self, folder: &Path) -> Outcome {
        let [first, second] = match self.named {
            Named::Single => ["a.nii", "b.img"],
            Named::Header | Named::Voxels => ["a.hdr", "a.img"],
        }
        .map(|name| folder.join(name));
        fs::write(&first, &self.first).expect("the folder can be written to");
        let path = match self.named {
            Named::Single => &first,
            Named::Header | Named::Voxels => {
                fs::write(&second, &self.second).expect("the folder can be written to");
                if self.named == Named::Header {
                    &first
                } else {
                    &second
                }
            }
        };
        let options = ReadOptions {
            no_limits: self.no_limits,
            ..ReadOptions::default()
        };
        let header = voxprep_io::read_header(path, &options);
        let volume = voxprep_io::read(path, &options);
        let errors = [header.as_ref().err(), volume.as_ref().err()];
        for error in errors.into_iter().flatten() {
            let message = error.to_string();
            assert!(!message.contains('\n'), "{message}");
            let named = [&first, &second].map(|path| path.display().to_string());
            assert!(
                named.iter().any(|path| message.ends_with(path)),
                "{message}"
            );
        }
        let header = header.ok();
        let values = header.as_ref().map_or(0, |header| {
            header.geometry.voxels() as u64 * header.channels.len() as u64
        });
        let extensions = volume.as_ref().ok().map(|volume| {
            let list = volume.header().facts.get("nifti.extensions");
            let list = list.and_then(|list| list.as_array()).into_iter().flatten();
            list.filter_map(|e| e.get("size")?.as_u64()).sum()
        });
        let outcome = Outcome { values, extensions };
        let Ok(volume) = volume else {
            return outcome;
        };
        let header = header.expect("the header of a volume that can be read");
        assert_eq!(&header.geometry, volume.geometry());
        assert_eq!(header.channels, volume.header().channels);
        assert_eq!(header.attachments, volume.header().attachments);

        for name in ["copy.nii", "copy.hdr"] {
            let copy = folder.join(name);
            match voxprep_io::write(&copy, &volume, &WriteOptions::default()) {
                Ok(()) => compare(&copy, &volume),
                Err(error) => {
                    let message = error.to_string();
                    assert!(!message.contains('\n'), "{message}");
                }
            }
        }
        outcome
    }
}

/// What came of a case.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the fuzzer does not count")]
pub(crate) struct Outcome {
    /// How many values the header declares, if it could be read.
    pub(crate) values: u64,
    /// Bytes of header extensions, if there was a volume.
    pub(crate) extensions: Option<u64>,
}

/// Reads what was written of a volume, and holds it against the volume.
fn compare(copy: &Path, volume: &Volume) {
    let trusted = ReadOptions {
                no_limits: true,
                ..ReadOptions::default()
            };
    let again = voxprep_io::read(copy, &trusted).expect("what was written can be read");
    let [written, kept] = [&again, volume].map(Volume::header);
    assert_eq!(again.voxels().size(), volume.voxels().size());
    assert_eq!(written.element_type, kept.element_type);
    assert!(again.voxels().bytes() == volume.voxels().bytes());
    assert_eq!(written.channels.names, kept.channels.names);
    let axes = |volume: &Volume| -> Vec<(AxisKind, usize)> {
        let axes = volume.header().channels.axes.iter();
        axes.map(|axis| (axis.kind, axis.length)).collect()
    };
    assert_eq!(axes(&again), axes(volume));
    assert!(
        written.geometry.is_close(&kept.geometry, 1e-4),
        "{:?} {:?}",
        written.geometry,
        kept.geometry
    );
    assert_eq!(written.attachments, kept.attachments);
}
