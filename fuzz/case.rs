//! One hostile input, and what is done with it: for the fuzzer, and for the tests of `io` that
//! replay its corpus and make mutations of their own.
//!
//! A new format adds its [`Reader`] to [`READERS`], a target in `fuzz_targets/`, and seeds to
//! `io/tests/hostile/seeds.rs`.
#![allow(dead_code, reason = "the fuzzer and the tests use different parts")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

use voxprep_core::volume::{AxisKind, Volume};
use voxprep_io::{ReadOptions, WriteOptions};

/// A reader, by what the files are called that it is tried on.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The name of the target and of the folder in `corpus/`.
    pub(crate) name: &'static str,
    /// How its headers are written, for mutations that a reader does not see through at once.
    pub(crate) header: HeaderKind,
    /// The name of a file that is the whole volume.
    single: &'static str,
    /// The names of a header and of its voxels, where a volume may be two files.
    detached: Option<[&'static str; 2]>,
    /// The names under which a volume is written again, each with the format that is asked for, if
    /// any; none where the format is only read.
    written: &'static [(&'static str, Option<&'static str>)],
}

/// How the headers of a format are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderKind {
    /// The numbers of NIfTI and Analyze, each at its place.
    Nifti,
    /// Texts or numbers of any kind, which may have checksums.
    Checked,
    /// Elements of DICOM: tag, type, length, value.
    Elements,
    /// Lines of text, each with a name, a sign and a value.
    Text,
}

/// NIfTI-1 and NIfTI-2.
pub(crate) static NIFTI: Reader = Reader {
    name: "nifti",
    header: HeaderKind::Nifti,
    single: "a.nii",
    detached: Some(["a.hdr", "a.img"]),
    written: &[("copy.nii", None), ("copy.hdr", None)],
};

/// Analyze 7.5, which is always a pair.
pub(crate) static ANALYZE: Reader = Reader {
    name: "analyze",
    header: HeaderKind::Nifti,
    single: "a.hdr",
    detached: Some(["a.hdr", "a.img"]),
    written: &[("copy.nii", None), ("copy.hdr", Some("analyze"))],
};

/// MetaImage.
pub(crate) static METAIMAGE: Reader = Reader {
    name: "metaimage",
    header: HeaderKind::Text,
    single: "a.mha",
    detached: Some(["a.mhd", "a.raw"]),
    written: &[("copy.mha", None), ("copy.mhd", None)],
};

/// NRRD.
pub(crate) static NRRD: Reader = Reader {
    name: "nrrd",
    header: HeaderKind::Text,
    single: "a.nrrd",
    detached: Some(["a.nhdr", "a.raw"]),
    written: &[("copy.nrrd", None), ("copy.nhdr", None)],
};

/// numpy's `.npy`.
pub(crate) static NPY: Reader = Reader {
    name: "npy",
    header: HeaderKind::Checked,
    single: "a.npy",
    detached: None,
    written: &[("copy.npz", None)],
};

/// numpy's `.npz`.
pub(crate) static NPZ: Reader = Reader {
    name: "npz",
    header: HeaderKind::Checked,
    single: "a.npz",
    detached: None,
    written: &[("copy.npz", None), ("copy.safetensors", None)],
};

/// safetensors.
pub(crate) static SAFETENSORS: Reader = Reader {
    name: "safetensors",
    header: HeaderKind::Checked,
    single: "a.safetensors",
    detached: None,
    written: &[("copy.safetensors", None)],
};

/// PNG.
pub(crate) static PNG: Reader = Reader {
    name: "png",
    header: HeaderKind::Checked,
    single: "a.png",
    detached: None,
    written: &[("copy.npz", None)],
};

/// TIFF.
pub(crate) static TIFF: Reader = Reader {
    name: "tiff",
    header: HeaderKind::Checked,
    single: "a.tif",
    detached: None,
    written: &[("copy.npz", None)],
};

/// JPEG.
pub(crate) static JPEG: Reader = Reader {
    name: "jpeg",
    header: HeaderKind::Checked,
    single: "a.jpg",
    detached: None,
    written: &[("copy.npz", None)],
};

/// DICOM.
pub(crate) static DICOM: Reader = Reader {
    name: "dicom",
    header: HeaderKind::Elements,
    single: "a.dcm",
    detached: None,
    written: &[("copy.npz", None)],
};

/// All readers.
pub(crate) static READERS: [&Reader; 11] = [
    &DICOM,
    &NIFTI,
    &ANALYZE,
    &METAIMAGE,
    &NRRD,
    &NPY,
    &NPZ,
    &SAFETENSORS,
    &PNG,
    &TIFF,
    &JPEG,
];

/// One folder for all inputs of the fuzzer, in memory where the system has such a place.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder")
});

impl Reader {
    /// Runs what the fuzzer made up.
    pub(crate) fn fuzz(&'static self, bytes: &[u8]) {
        if let Some(case) = Case::parse(self, bytes) {
            case.run(FOLDER.path());
        }
    }
}

/// Which files there are, and which one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// One file.
    Single,
    /// The header of a pair, or a header that names its voxels.
    Header,
    /// The voxels of a pair.
    Voxels,
}

/// One or two files, and how they are read.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// For whom it is.
    pub(crate) reader: &'static Reader,
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
    /// The case that the fuzzer's bytes stand for: what there is, for two files the length of the
    /// first in two bytes, and the files.
    pub(crate) fn parse(reader: &'static Reader, bytes: &[u8]) -> Option<Self> {
        let (&flags, rest) = bytes.split_first()?;
        let named = match flags & 3 {
            1 if reader.detached.is_some() => Named::Header,
            2 if reader.detached.is_some() => Named::Voxels,
            _ => Named::Single,
        };
        let (first, second) = if named == Named::Single {
            (rest, &[][..])
        } else {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
        };
        Some(Self {
            reader,
            named,
            no_limits: flags & 0x80 != 0,
            first: first.to_vec(),
            second: second.to_vec(),
        })
    }

    /// Bytes that [`Case::parse`] makes this case of.
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
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Reads the files, and holds what comes of it to the promises: a volume or an error of one
    /// line; header and volume agree; what was read can be written, and read again.
    pub(crate) fn run(&self, folder: &Path) -> Outcome {
        let names = match (self.named, self.reader.detached) {
            (Named::Header | Named::Voxels, Some(names)) => names.to_vec(),
            _ => vec![self.reader.single],
        };
        let files: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        for (file, bytes) in files.iter().zip([&self.first, &self.second]) {
            fs::write(file, bytes).expect("the folder can be written to");
        }
        if let (Named::Single, Some(names)) = (self.named, self.reader.detached) {
            // Voxels of an earlier case would be taken for those of this one.
            let left = names.map(|name| folder.join(name));
            for file in left.iter().filter(|file| !files.contains(file)) {
                let _ = fs::remove_file(file);
            }
        }
        let path = match self.named {
            Named::Voxels => files.last(),
            Named::Single | Named::Header => files.first(),
        };
        let path = path.expect("there is a file");
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
            let named = files.iter().map(|path| path.display().to_string());
            assert!(
                named.into_iter().any(|path| message.ends_with(&path)),
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

        for (name, format) in self.reader.written {
            let copy = folder.join(name);
            let options = WriteOptions {
                format: *format,
                ..WriteOptions::default()
            };
            match voxprep_io::write(&copy, &volume, &options) {
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
