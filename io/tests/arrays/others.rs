//! Files of numpy and safetensors.

use serde::Deserialize;
use voxprep_core::finding::doubts;
use voxprep_core::volume::{AxisKind, Modality, Unit};
use voxprep_io::ReadOptions;

use crate::{folder, read, refused, values};

#[derive(Deserialize)]
struct Row {
    path: String,
    channels: usize,
    size: [usize; 3],
    r#type: String,
    affine: Option<[[f64; 4]; 3]>,
    values: Vec<f64>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("others.json")).unwrap()
}

/// IO-01, B-22: voxels exact, `[z, y, x]`, for every type, both byte orders and both orders of axes.
#[test]
fn files_of_numpy_and_safetensors_are_read_as_they_read_them() {
    let rows = rows();
    assert_eq!(rows.len(), 43);
    for row in rows {
        let volume = read(&folder().join(&row.path));
        let name = &row.path;
        let voxels = volume.voxels();
        let shape = (voxels.channels(), voxels.size());
        assert_eq!(shape, (row.channels, row.size), "{name}");
        let found = volume.header().element_type.to_string();
        assert_eq!(found, row.r#type, "{name}");
        assert_eq!(values(&volume), row.values, "{name}");
        let identity = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        let affine = row.affine.unwrap_or(identity);
        assert_eq!(
            *volume.geometry().world_from_index().rows(),
            affine,
            "{name}"
        );
        let header = voxprep_io::read_header(&folder().join(name), &ReadOptions::default());
        let header = header.unwrap();
        assert_eq!(header.geometry, *volume.geometry(), "{name}");
        assert_eq!(header.channels, volume.header().channels, "{name}");
        assert_eq!(header.facts, volume.header().facts, "{name}");
    }
}

#[test]
fn an_array_without_a_place_says_so() {
    for name in ["float32.npy", "plain.npz", "float32.safetensors"] {
        let volume = read(&folder().join(name));
        let found: Vec<_> = doubts(volume.header()).collect();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].code, "header.doubtful");
        let expected = "the file does not say where the array is: its axes are taken as [y, x], \
                        [z, y, x] or [channel, z, y, x], its spacing as 1 mm and its origin as 0";
        assert_eq!(found[0].message, expected);
    }
    for name in ["placed.npz", "parts.npz", "placed.safetensors"] {
        let volume = read(&folder().join(name));
        assert_eq!(doubts(volume.header()).count(), 0, "{name}");
    }
}

#[test]
fn complex_numbers_become_two_channels() {
    let volume = read(&folder().join("complex.npy"));
    assert_eq!(volume.header().channels.names, ["real", "imag"]);
    for name in ["complex_channels.npy", "fortran_complex.npy"] {
        let volume = read(&folder().join(name));
        let channels = &volume.header().channels;
        assert_eq!(channels.names, ["0.real", "0.imag", "1.real", "1.imag"]);
        let axes: Vec<_> = channels.axes.iter().map(|a| (a.kind, a.length)).collect();
        assert_eq!(axes, [(AxisKind::Complex, 2), (AxisKind::Component, 2)]);
    }
}

#[test]
fn the_texts_beside_a_tensor_say_what_it_is() {
    let volume = read(&folder().join("placed.safetensors"));
    assert_eq!(volume.header().unit, Unit::Hu);
    assert_eq!(volume.header().modality, Some(Modality::Ct));
}

#[test]
fn one_of_several_arrays_is_chosen_by_its_name() {
    for (file, names, second) in [
        ("two.npz", "first, second", "second"),
        ("two.safetensors", "a, b", "b"),
    ] {
        let path = folder().join(file);
        let message = refused(&path);
        assert!(message.starts_with("series: the "), "{message}");
        assert!(
            message.contains(&format!("name one: {names}: ")),
            "{message}"
        );
        let choose = |name: &str| ReadOptions {
            series: Some(name.to_owned()),
            ..ReadOptions::default()
        };
        let volume = voxprep_io::read(&path, &choose(second)).unwrap();
        assert_eq!(volume.voxels().size(), [4, 3, 2]);
        let message = voxprep_io::read(&path, &choose("third"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("'third'"), "{message}");
    }
    let [first, second] = ["first", "second"].map(|name| {
        let options = ReadOptions {
            series: Some(name.to_owned()),
            ..ReadOptions::default()
        };
        values(&voxprep_io::read(&folder().join("two.npz"), &options).unwrap())
    });
    // numpy wrote the second as the first and one, in 16 bits.
    let more = first
        .iter()
        .map(|v| if *v == 32767.0 { -32768.0 } else { v + 1.0 });
    assert_eq!(more.collect::<Vec<_>>(), second);
}

#[test]
fn python_objects_are_never_loaded() {
    let message = refused(&folder().join("objects.npz"));
    let expected = "npz member image: the elements are Python objects";
    assert!(message.starts_with(expected), "{message}");
}
