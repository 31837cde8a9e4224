//! Damaged and lying headers: an error of one line each, which says where and what to do.

use super::*;

const MHA: &str = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\n\
                   ElementSpacing = 1 1 1\nElementDataFile = LOCAL\n";
const NRRD: &str = "NRRD0005\ntype: int16\ndimension: 3\nsizes: 4 3 2\nendian: little\n\
                    encoding: raw\nspace: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n\n";

/// The message for a header in which one text was replaced by another, before 48 bytes.
fn spoilt(header: &str, from: &str, to: &str) -> String {
    assert!(header.contains(from), "{from}");
    let folder = Folder::new();
    let bytes = [header.replacen(from, to, 1).as_bytes(), &[0; 48]].concat();
    let end = if header.starts_with("NRRD") {
        "nrrd"
    } else {
        "mha"
    };
    refused(&folder.with(&format!("a.{end}"), &bytes))
}

#[test]
fn what_is_wrong_with_a_metaimage_is_said_with_its_key() {
    let folder = Folder::new();
    let sound = [MHA.as_bytes(), &[0; 48]].concat();
    assert!(read(&folder.with("a.mha", &sound)).is_ok());
    for (from, to, expected) in [
        (
            "= Image",
            "= Tube",
            "MetaImage header, ObjectType: the file holds an object of the type 'Tube'; only images are read",
        ),
        (
            "NDims = 3",
            "NDims = 0",
            "MetaImage header, NDims: '0' dimensions, where 1 to 10 are possible",
        ),
        (
            "NDims = 3\n",
            "",
            "MetaImage header, NDims: it is missing from the header",
        ),
        (
            "NDims = 3",
            "NDims = 4",
            "MetaImage header, DimSize: 3 lengths for 4 dimensions",
        ),
        (
            "4 3 2",
            "4 3 -2",
            "MetaImage header, DimSize: '-2' is no number of voxels",
        ),
        (
            "4 3 2",
            "4 3 3",
            "the header declares voxels of 72 bytes, the file holds at most 48: voxels are missing",
        ),
        (
            "4 3 2",
            "4294967296 4294967296 2",
            "the product of the dimensions is beyond counting",
        ),
        (
            "MET_SHORT",
            "MET_OTHER",
            "MetaImage header, ElementType: voxels of the type 'MET_OTHER' cannot be read",
        ),
        (
            "1 1 1",
            "1 0 1",
            "MetaImage header, ElementSpacing: a spacing of 0",
        ),
        (
            "1 1 1",
            "1 1",
            "MetaImage header, ElementSpacing: 2 numbers, where there must be 3",
        ),
        (
            "1 1 1",
            "1 nan 1",
            "MetaImage header, ElementSpacing: a number is not finite",
        ),
        (
            "ElementSpacing = 1 1 1",
            "TransformMatrix = 1 0 0 1 0 0 0 0 1",
            "the affine is singular",
        ),
        (
            "ElementSpacing",
            "ElementNumberOfChannels = 0\nX",
            "MetaImage header, ElementNumberOfChannels: 0 channels",
        ),
        (
            "ElementSpacing",
            "BinaryData = maybe\nX",
            "MetaImage header, BinaryData: 'maybe' is neither True nor False",
        ),
        (
            "ElementSpacing",
            "CompressedData = True\nX",
            "the zlib stream is damaged",
        ),
        ("ElementSpacing", "BinaryData = False\nX", "voxel 0 is '"),
        (
            "ElementSpacing",
            "HeaderSize = -2\nX",
            "MetaImage header, HeaderSize: -2 bytes, where -1 means",
        ),
        (
            "LOCAL",
            "../a.raw",
            "the voxels are in a file that is not beside the header or below it; put both",
        ),
        (
            "LOCAL",
            "/etc/passwd",
            "the voxels are in a file that is not beside",
        ),
        (
            "LOCAL",
            "b.raw",
            "the voxels are in a file that is missing; put it beside the header",
        ),
        (
            "LOCAL",
            "LIST",
            "MetaImage header, ElementDataFile: 1 files are listed, 2 are needed",
        ),
        (
            "LOCAL",
            "LIST 7D",
            "MetaImage header, ElementDataFile: files of '7D' of the image",
        ),
        (
            "LOCAL",
            "b%d.raw 5 1 1",
            "MetaImage header, ElementDataFile: the numbers of its files are no range",
        ),
        (
            "LOCAL",
            "b%s.raw 1 2 1",
            "MetaImage header, ElementDataFile: 'b%s.raw' is no pattern of names",
        ),
        (
            "ElementDataFile = LOCAL\n",
            "",
            "MetaImage header, ElementDataFile: the header ends without saying",
        ),
    ] {
        let message = spoilt(MHA, from, to);
        assert!(message.starts_with(expected), "{to}: {message}");
    }
}

#[test]
fn what_is_wrong_with_a_nrrd_file_is_said_with_its_field() {
    let folder = Folder::new();
    let sound = [NRRD.as_bytes(), &[0; 48]].concat();
    assert!(read(&folder.with("a.nrrd", &sound)).is_ok());
    for (from, to, expected) in [
        (
            "NRRD0005",
            "NRRD0009",
            "'NRRD0009' is no version of NRRD that is read",
        ),
        (
            "dimension: 3",
            "dimension: 0",
            "NRRD header, dimension: 0 axes, where 1 to 16 are possible",
        ),
        (
            "dimension: 3\n",
            "",
            "NRRD header, dimension: it is missing from the header",
        ),
        (
            "sizes: 4 3 2",
            "sizes: 4 3",
            "NRRD header, sizes: 2 lengths for 3 axes",
        ),
        (
            "sizes: 4 3 2",
            "sizes: 4 3 0",
            "NRRD header, sizes: '0' is no number of voxels",
        ),
        ("sizes: 4 3 2", "sizes: 4 3 3", "the header declares"),
        (
            "int16",
            "block",
            "NRRD header, type: voxels of the type 'block' cannot be read",
        ),
        (
            "endian: little\n",
            "",
            "NRRD header, endian: it is missing from the header: the order of the bytes is not known; add",
        ),
        (
            "little",
            "middle",
            "NRRD header, endian: 'middle' is neither little nor big",
        ),
        (
            "raw",
            "zrl",
            "NRRD header, encoding: the encoding 'zrl' is not read; write the file anew",
        ),
        (
            "raw",
            "gzip",
            "the header declares 48 bytes, the gzip stream holds 0: voxels are missing",
        ),
        ("raw", "bzip2", "the bzip2 stream"),
        (
            "raw",
            "hex",
            "the header declares voxels of 96 bytes, the file holds at most 48: voxels are missing",
        ),
        ("raw", "text", "voxel 0 is '"),
        (
            "space: LPS\n",
            "space: up\n",
            "NRRD header, space: 'up' is no space",
        ),
        (
            "space: LPS\n",
            "",
            "NRRD header, space directions: there is neither space nor space dimension beside it",
        ),
        (
            "(0,0,1)",
            "(0,1)",
            "NRRD header, space directions: a vector of 2 in 3 dimensions",
        ),
        (
            "(0,0,1)",
            "",
            "NRRD header, space directions: 2 vectors for 3 axes",
        ),
        (
            "(0,0,1)",
            "(0,0,inf)",
            "NRRD header, space directions: '0,0,inf' is not finite",
        ),
        ("(0,0,1)", "(0,2,0)", "the affine is singular"),
        (
            "(1,0,0) (0,1,0) (0,0,1)",
            "none none none",
            "NRRD header, kinds: none of the axes is one of space",
        ),
        (
            "space: LPS",
            "kinds: a b c\nspace: LPS",
            "NRRD header, kinds: 'a' is no kind of axis",
        ),
        (
            "encoding: raw",
            "encoding: raw\nline skip: 9",
            "the file has fewer than the 9 lines",
        ),
        (
            "encoding: raw",
            "encoding: raw\nbyte skip: 7",
            "the header declares",
        ),
        (
            "encoding: raw",
            "encoding: gzip\nbyte skip: -1",
            "NRRD header, byte skip: -1 bytes, where only raw voxels may have -1",
        ),
        (
            "encoding: raw",
            "encoding: raw\ndata file: b.raw",
            "the voxels are in a file that is missing",
        ),
        (
            "encoding: raw",
            "encoding: raw\ndata file: b%d.raw 1 5 1",
            "NRRD header, data file: 5 files do not make up the sizes",
        ),
        (
            "\n\n",
            "\n",
            "NRRD header, data: the header ends with the file: voxels are missing",
        ),
    ] {
        let message = spoilt(NRRD, from, to);
        assert!(message.starts_with(expected), "{to}: {message}");
    }
}

/// A line that never ends, inside what is packed, would be inflated for as long as it is.
#[test]
fn lines_to_be_skipped_have_an_end() {
    let folder = Folder::new();
    let header = NRRD.replacen("encoding: raw", "encoding: raw\nline skip: 1", 1);
    let gzip = |bytes: &[u8]| {
        let level = flate2::Compression::best();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), level);
        std::io::Write::write_all(&mut packed, bytes).unwrap();
        packed.finish().unwrap()
    };
    let mut endless = header.clone().into_bytes();
    endless.resize(endless.len() + (17 << 20), b'x');
    endless.push(b'\n');
    endless.resize(endless.len() + 48, 7);
    let path = folder.with("a.nrrd", &gzip(&endless));
    let message = refused(&path);
    let expected = "more than 16777216 bytes are to be skipped before the voxels; if the file is right, \
                    allow it with --no-limits: ";
    assert!(message.starts_with(expected), "{message}");
    let trusted = ReadOptions {
        no_limits: true,
        ..ReadOptions::default()
    };
    let volume = voxprep_io::read(&path, &trusted).unwrap();
    assert_eq!(values(&volume), [1799.0; 24]);
    let short = [header.as_bytes(), b"a line\n", &[7; 48]].concat();
    let volume = read(&folder.with("b.nrrd", &gzip(&short))).unwrap();
    assert_eq!(values(&volume), [1799.0; 24]);
}

/// A file that declares much is refused before memory is asked for, unless it is trusted.
#[test]
fn a_compressed_file_that_declares_too_much_needs_trust() {
    let folder = Folder::new();
    let header = "NRRD0005\ntype: uint8\ndimension: 3\nsizes: 4000 4000 4\nencoding: bzip2\n\n";
    let zeros = vec![0; 64_000_000];
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    std::io::Write::write_all(&mut packed, &zeros).unwrap();
    let bytes = [header.as_bytes(), &packed.finish().unwrap()].concat();
    let path = folder.with("a.nrrd", &bytes);
    let message = read(&path).unwrap_err().to_string();
    assert!(
        message.starts_with("the header declares 64000000 voxels, more than 2000 for each")
            && message.contains("allow it with --no-limits"),
        "{message}"
    );
    #[allow(clippy::needless_update, reason = "there will be more options")]
    let trusted = ReadOptions {
        no_limits: true,
        ..ReadOptions::default()
    };
    let volume = voxprep_io::read(&path, &trusted).unwrap();
    assert_eq!(volume.voxels().size(), [4000, 4000, 4]);
}

#[test]
fn a_header_without_an_end_is_refused_early() {
    let folder = Folder::new();
    let line = vec![b'x'; 100_000];
    let long = folder.with("a.nrrd", &[b"NRRD0005\n# ", &line[..]].concat());
    assert!(refused(&long).starts_with("a line of the header is longer than 65536 bytes"));
    let many = "Comment = x\n".repeat(800_000);
    let many = folder.with("a.mha", format!("NDims = 3\n{many}").as_bytes());
    assert!(refused(&many).starts_with("the header is longer than 8388608 bytes"));
}

#[test]
fn text_that_is_no_header_is_no_metaimage() {
    let folder = Folder::new();
    let message = refused(&folder.with("a.txt", b"Name: a list\nof other things\n"));
    assert!(
        message.starts_with(
            "the contents are no image that is known here; formats that can be read: "
        ),
        "{message}"
    );
}
