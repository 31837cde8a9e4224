//! What is not decoded, and what is said of it; and damage that does not matter.

use super::super::case::run;
use super::super::{Colours, Frame, coding, supports};
use super::table::{Row, rows, stream};

fn row(name: &str) -> (Row, Vec<u8>) {
    let row = rows()
        .into_iter()
        .find(|row| row.name == format!("streams/{name}"))
        .unwrap();
    let stream = stream(&row).unwrap();
    (row, stream)
}

fn reason(syntax: &str, frame: &Frame, stream: &[u8]) -> String {
    run(syntax, frame, stream).unwrap_err().reason
}

/// IO-05: Transfer syntaxes by their UIDs, padded as files pad them.
#[test]
fn known_syntaxes_are_supported_and_others_are_named() {
    for tail in [
        "5", "4.50", "4.51", "4.53", "4.55", "4.57", "4.70", "4.90", "4.91", "4.92", "4.93",
        "4.110", "4.111", "4.112", "4.201", "4.202", "4.203",
    ] {
        assert_eq!(
            supports(&format!("1.2.840.10008.1.2.{tail}")),
            Ok(()),
            "{tail}"
        );
    }
    assert_eq!(supports("1.2.840.10008.1.2.4.70\0"), Ok(()));
    // MPEG-2, and no transfer syntax at all.
    for syntax in ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.1", "", "9\n9"] {
        let refusal = supports(syntax).unwrap_err();
        assert!(
            refusal.legal
                && refusal
                    .reason
                    .contains(&*syntax.escape_default().to_string())
        );
    }
}

/// IO-05: Without the feature JPEG-LS is refused, and the feature named.
#[test]
fn jpeg_ls_takes_a_feature() {
    for tail in ["4.80", "4.81"] {
        let supported = supports(&format!("1.2.840.10008.1.2.{tail}"));
        if cfg!(feature = "charls") {
            assert_eq!(supported, Ok(()));
        } else {
            let refusal = supported.unwrap_err();
            assert_eq!(refusal.reason, "JPEG-LS is not decoded by this build");
            assert!(
                refusal
                    .remedy
                    .unwrap()
                    .starts_with("build with the feature `charls`")
            );
        }
    }
}

/// IO-05: A stream of another size than the header's is refused before it is decoded, in every
/// coding.
#[test]
fn a_stream_of_another_size_is_refused() {
    for row in rows()
        .iter()
        .filter(|row| row.supported() && row.name.starts_with("streams/"))
    {
        let stream = stream(row).unwrap();
        let frame = row.frame();
        for other in [
            Frame {
                rows: frame.rows + 1,
                ..frame.clone()
            },
            Frame {
                columns: frame.columns - 1,
                ..frame.clone()
            },
            Frame {
                samples: 4 - frame.samples,
                ..frame.clone()
            },
        ] {
            let said = reason(&row.syntax, &other, &stream);
            assert!(
                said.contains("stream holds 37 x 29 pixels of"),
                "{}: {said}",
                row.name
            );
        }
    }
}

/// IO-05: Samples that are wider than the header allocates are refused.
#[test]
fn a_stream_of_too_many_bits_is_refused() {
    for name in [
        "grey-12-60.jpg",
        "grey-16-lossless.j2k",
        "grey-16-lossless.jhc",
        "grey-16-lossless.jxl",
    ] {
        let (row, stream) = row(name);
        let frame = Frame {
            bits_allocated: 8,
            bits_stored: 8,
            ..row.frame()
        };
        let said = reason(&row.syntax, &frame, &stream);
        assert!(said.ends_with("the header allocates 8"), "{name}: {said}");
    }
}

/// IO-05: Samples of 8 bits in a file that allocates 16 or 32 are widened.
#[test]
fn samples_are_widened_to_what_is_allocated() {
    for name in [
        "colour-420.jpg",
        "lossless-8-rgb-1.jpg",
        "rgb-8-lossless.j2k",
        "rgb-8-lossless.jhc",
        "rgb-8-lossless.jxl",
    ] {
        let (row, stream) = row(name);
        let (narrow, _) = run(&row.syntax, &row.frame(), &stream).unwrap();
        for bits in [16, 32] {
            let frame = Frame {
                bits_allocated: bits,
                bits_stored: bits,
                ..row.frame()
            };
            let (wide, _) = run(&row.syntax, &frame, &stream).unwrap();
            let bytes = usize::from(bits / 8);
            let low: Vec<u8> = wide.iter().step_by(bytes).copied().collect();
            assert!(low == narrow, "{name}");
            let high = wide.chunks_exact(bytes).flat_map(|sample| &sample[1..]);
            assert!(high.copied().all(|byte| byte == 0), "{name}");
        }
    }
}

/// IO-05: A stream that is cut off anywhere before its last 40 bytes is refused, not filled up.
#[test]
fn a_stream_that_is_cut_off_is_refused() {
    for row in rows()
        .iter()
        .filter(|row| row.supported() && row.name.starts_with("streams/"))
    {
        // JPEG XL does not tell the middle of a group from its end before it is decoded; lossy
        // JPEG-LS and JPEG 2000 may end early in zeros.
        let whole = stream(row).unwrap();
        for part in 1..8 {
            let cut = &whole[..whole.len() * part / 8];
            assert!(
                run(&row.syntax, &row.frame(), cut).is_err(),
                "{} {part}/8",
                row.name
            );
        }
    }
}

/// IO-05: What some writers leave out or add does no harm: no end marker, an odd byte of padding,
/// fill bytes before a marker.
#[test]
fn a_missing_end_and_padding_do_no_harm() {
    for name in [
        "grey-8.jpg",
        "grey-progressive.jpg",
        "lossless-16-grey-1.jpg",
    ] {
        let (row, stream) = row(name);
        let expected = run(&row.syntax, &row.frame(), &stream).unwrap();
        let bare = stream[..stream.len() - 2].to_vec();
        let padded = [&bare[..], &[0]].concat();
        let filled = [&stream[..2], &[0xff, 0xff], &stream[2..]].concat();
        let trailed = [&stream[..], &[0, 0xff, 7]].concat();
        for other in [bare, padded, filled, trailed] {
            assert_eq!(
                run(&row.syntax, &row.frame(), &other).as_ref(),
                Ok(&expected),
                "{name}"
            );
        }
    }
}

/// IO-05: What the decoder says of colours: YCbCr by JFIF and the transforms of JPEG 2000 have
/// become RGB; where a stream says nothing, it is what the header declares.
#[test]
fn colours_are_rgb_where_the_stream_says_so() {
    for (name, expected) in [
        ("colour-420.jpg", Colours::Rgb),
        ("colour-444.jpg", Colours::Rgb),
        ("colour-rgb.jpg", Colours::Rgb),
        ("rgb-8-lossless.j2k", Colours::Rgb),
        ("rgb-8.jp2", Colours::Rgb),
        ("rgb-8-lossless.jxl", Colours::Rgb),
        ("grey-8.jpg", Colours::AsDeclared),
        ("grey-8-lossless.j2k", Colours::AsDeclared),
    ] {
        let (row, stream) = row(name);
        let (_, found) = run(&row.syntax, &row.frame(), &stream).unwrap();
        assert_eq!(found, expected, "{name}");
    }
    // Without its JFIF segment the stream does not say what its equal components are.
    let (row, stream) = row("colour-444.jpg");
    assert_eq!(&stream[2..4], [0xff, 0xe0]);
    let bare = [&stream[..2], &stream[20..]].concat();
    let (_, found) = run(&row.syntax, &row.frame(), &bare).unwrap();
    assert_eq!(found, Colours::AsDeclared);
}

/// IO-05: A frame in another coding than the transfer syntax says is named, not guessed.
#[test]
fn a_frame_in_another_coding_is_refused() {
    let streams = ["grey-8.jpg", "grey-8-lossless.j2k", "grey-8-lossless.jxl"].map(row);
    for (row, _) in &streams {
        for (other, stream) in &streams {
            if coding(&row.syntax) != coding(&other.syntax) {
                assert!(run(&row.syntax, &row.frame(), stream).is_err());
            }
        }
    }
    let (row, jpeg) = &streams[0];
    assert_eq!(
        reason("1.2.840.10008.1.2.4.90", &row.frame(), jpeg),
        "the frame is no JPEG 2000 stream"
    );
    assert_eq!(
        reason("1.2.840.10008.1.2.4.50", &row.frame(), &streams[1].1),
        "the frame is no JPEG stream"
    );
}
