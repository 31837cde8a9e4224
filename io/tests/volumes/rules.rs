//! What the rarer fields of MetaImage and NRRD mean, and what is said of them.

use super::*;

/// A MetaImage of 4 x 3 x 2 bytes with these lines in its header.
fn mha(lines: &str) -> voxprep_io::Result<Volume> {
    let start = "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_UCHAR\n";
    let folder = Folder::new();
    let text = format!("{start}{lines}ElementDataFile = LOCAL\n");
    let bytes: Vec<u8> = text.into_bytes().into_iter().chain(0..24).collect();
    read(&folder.with("a.mha", &bytes))
}

/// A NRRD file of 4 x 3 x 2 bytes with these lines in its header.
fn nrrd(lines: &str) -> voxprep_io::Result<Volume> {
    shaped("4 3 2", lines)
}

fn shaped(sizes: &str, lines: &str) -> voxprep_io::Result<Volume> {
    let count = sizes.split(' ').count();
    let start = format!(
        "NRRD0005\ntype: uint8\ndimension: {count}\nsizes: {sizes}\nencoding: raw\n{lines}\n"
    );
    let folder = Folder::new();
    let bytes: Vec<u8> = start.into_bytes().into_iter().chain(0..24).collect();
    read(&folder.with("a.nrrd", &bytes))
}

fn columns(volume: &Volume) -> [[f64; 3]; 4] {
    let map = volume.geometry().world_from_index();
    [map.column(0), map.column(1), map.column(2), map.offset()]
}

fn warning(volume: &Volume) -> String {
    let facts = volume.header().facts.iter();
    let said = facts.filter(|(key, _)| key.ends_with("_warning"));
    said.filter_map(|(_, text)| text.as_str())
        .collect::<Vec<_>>()
        .join("|")
}

/// The transpose trap: a row of the text is the direction of an index axis.
#[test]
fn a_row_of_the_matrix_is_the_direction_of_an_axis() {
    let volume =
        mha("TransformMatrix = 0 1 0 0 0 1 1 0 0\nElementSpacing = 2 3 5\nOffset = 7 8 9\n");
    let expected = [[0., 2., 0.], [0., 0., 3.], [5., 0., 0.], [7., 8., 9.]];
    let volume = volume.unwrap();
    assert_eq!(columns(&volume), expected);
    assert_eq!(warning(&volume), "");
    // Sheared, as it stands.
    let volume = mha("Rotation = 1 0 0 0.5 1 0 0 0 1\nElementSpacing = 2 3 5\n").unwrap();
    assert_eq!(columns(&volume)[1], [1.5, 3.0, 0.0]);
}

#[test]
fn what_a_metaimage_says_that_is_not_obeyed_is_said_aloud() {
    let spaced = "ElementSpacing = 1 2 3\n";
    for (lines, expected) in [
        (
            "ElementToIntensityFunctionSlope = 2\n",
            "are not applied, as in ITK",
        ),
        (
            "ElementToIntensityFunctionOffset = -1024\n",
            "are not applied, as in ITK",
        ),
        ("DistanceUnits = cm\n", "DistanceUnits is not mm"),
        (
            "DistanceUnits = mm\nElementToIntensityFunctionSlope = 1\n",
            "",
        ),
    ] {
        let volume = mha(&format!("{lines}{spaced}")).unwrap();
        let said = warning(&volume);
        assert!(
            said.contains(expected) && said.is_empty() == expected.is_empty(),
            "{said}"
        );
        assert_eq!(values(&volume)[23], 23.0);
    }
    let negative = mha("ElementSpacing = -1 2 3\n").unwrap();
    assert_eq!(columns(&negative)[0], [-1.0, 0.0, 0.0]);
    assert!(warning(&negative).contains("runs the other way, as in ITK"));
    assert!(warning(&mha("").unwrap()).contains("1 mm long is an assumption"));
}

#[test]
fn signs_of_the_space_go_with_directions_and_origin() {
    let place = "space directions: (1,2,3) (0,4,0) (0,0,5)\nspace origin: (6,7,8)\n";
    for (space, [x, y]) in [
        ("RAS", [-1., -1.]),
        ("left-anterior-superior", [1., -1.]),
        ("LPS", [1., 1.]),
    ] {
        let volume = nrrd(&format!("space: {space}\n{place}")).unwrap();
        let expected = [
            [x, 2. * y, 3.],
            [0., 4. * y, 0.],
            [0., 0., 5.],
            [6. * x, 7. * y, 8.],
        ];
        assert_eq!(
            columns(&volume),
            expected.map(|c| c.map(|v| v + 0.0)),
            "{space}"
        );
        assert_eq!(warning(&volume), "");
    }
    for space in ["space: scanner-xyz\n", "space dimension: 3\n"] {
        let volume = nrrd(&format!("{space}{place}")).unwrap();
        assert_eq!(columns(&volume)[3], [6., 7., 8.]);
        assert!(warning(&volume).contains("does not say where left is"));
    }
}

#[test]
fn the_first_sample_is_where_the_centering_says() {
    let ends = "axis mins: 0 0 0\naxis maxs: 8 6 4\n";
    for (lines, spacing, origin) in [
        ("spacings: 2 3 4\n", [2., 3., 4.], [0., 0., 0.]),
        (
            "spacings: 2 3 4\naxis mins: 10 20 30\n",
            [2., 3., 4.],
            [11., 21.5, 32.],
        ),
        (
            "spacings: 2 3 4\naxis mins: 10 20 30\ncenters: node node node\n",
            [2., 3., 4.],
            [10., 20., 30.],
        ),
        (ends, [2., 2., 2.], [1., 1., 1.]),
        (
            &format!("{ends}centerings: node cell ???\n"),
            [8. / 3., 2., 2.],
            [0., 1., 1.],
        ),
    ] {
        let volume = nrrd(lines).unwrap();
        assert_eq!(volume.geometry().spacing(), spacing, "{lines}");
        assert_eq!(columns(&volume)[3], origin, "{lines}");
    }
}

#[test]
fn other_units_become_millimetres() {
    let place = "space: LPS\nspace directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (4,5,6)\n";
    let volume = nrrd(&format!("{place}space units: \"cm\" \"cm\" \"um\"\n")).unwrap();
    let expected = [
        [10., 0., 0.],
        [0., 20., 0.],
        [0., 0., 0.003],
        [40., 50., 0.006],
    ];
    assert_eq!(columns(&volume), expected);
    assert!(warning(&volume).contains("lengths became mm"));
}

/// A plane in space, a line in space, a plane of nothing.
#[test]
fn axes_that_are_not_there_are_one_millimetre_long() {
    let plane = shaped(
        "4 6",
        "space: LPS\nspace directions: (0,1,0) (0,0,2)\nspace origin: (7,8,9)\n",
    );
    let plane = plane.unwrap();
    assert_eq!(plane.voxels().size(), [4, 6, 1]);
    assert_eq!(
        columns(&plane),
        [[0., 1., 0.], [0., 0., 2.], [1., 0., 0.], [7., 8., 9.]]
    );
    let flat = shaped("4 6", "space dimension: 2\nspace directions: (0,1) (2,0)\n").unwrap();
    assert_eq!(columns(&flat)[2], [0., 0., 1.]);
    let line = shaped("24", "space: LPS\nspace directions: (0,3,4)\n").unwrap();
    let spacing = line.geometry().spacing();
    assert_eq!(
        (line.voxels().size(), spacing),
        ([24, 1, 1], [5.0, 1.0, 1.0])
    );
}

#[test]
fn kinds_say_which_axes_are_channels() {
    use AxisKind::{Colour, Complex, Component, Time};
    for (sizes, kinds, size, axes_expected) in [
        (
            "3 4 2 1",
            "RGB-color domain domain domain",
            [4, 2, 1],
            (Colour, 3, None),
        ),
        (
            "2 4 3 1",
            "complex space space space",
            [4, 3, 1],
            (Complex, 2, None),
        ),
        (
            "4 3 2",
            "domain domain list",
            [4, 3, 1],
            (Component, 2, None),
        ),
        (
            "4 3 2",
            "domain list domain",
            [4, 2, 1],
            (Component, 3, None),
        ),
        ("4 3 2", "domain domain time", [4, 3, 1], (Time, 2, None)),
        (
            "6 4 1 1",
            "3D-symmetric-matrix ??? ??? ???",
            [4, 1, 1],
            (Component, 6, None),
        ),
    ] {
        let volume = shaped(sizes, &format!("kinds: {kinds}\n")).unwrap();
        assert_eq!(volume.voxels().size(), size, "{kinds}");
        assert_eq!(axes(&volume), [axes_expected], "{kinds}");
    }
    // x y c: the first row of channel 1 of a list in the middle starts at 4.
    let between = shaped("4 3 2", "kinds: domain list domain\n").unwrap();
    assert_eq!(between.voxels().get(1, [0, 1, 0]), Some(16.0));
    let four = shaped("2 3 2 2", "spacings: 1 1 1 1\n").unwrap();
    assert_eq!(axes(&four), [(Component, 2, None)]);
    assert!(warning(&four).contains("the three fastest are taken"));
}

#[test]
fn time_has_its_step_in_seconds() {
    let space = "space: LPST\nspace directions: (1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,1500)\n";
    for (lines, step) in [
        (
            format!("{space}space units: \"mm\" \"mm\" \"mm\" \"ms\"\n"),
            Some(1.5),
        ),
        (space.to_owned(), Some(1500.0)),
        (
            "kinds: domain domain domain time\nspacings: 1 1 1 2\n".to_owned(),
            Some(2.0),
        ),
        ("kinds: domain domain domain time\n".to_owned(), None),
    ] {
        let volume = shaped("2 3 2 2", &lines).unwrap();
        assert_eq!(axes(&volume), [(AxisKind::Time, 2, step)], "{lines}");
    }
}

/// What Slicer and others keep beside the voxels, and none of the names.
#[test]
fn facts_are_numbers_codes_and_names_of_segments() {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/volumes/made");
    let segments = read(&made.join("pynrrd_layers.seg.nrrd")).unwrap();
    let expected = serde_json::json!([
        { "label": 1, "layer": 0, "name": "liver" },
        { "label": 2, "layer": 0, "name": "left kidney" },
        { "label": 1, "layer": 1, "name": "lesion" },
    ]);
    assert_eq!(fact(&segments, "nrrd.segments"), Some(&expected));
    let diffusion = read(&made.join("pynrrd_dwi.nrrd")).unwrap();
    assert_eq!(fact(&diffusion, "nrrd.dwmri_b_value").unwrap(), 1000.0);
    assert_eq!(fact(&diffusion, "nrrd.modality").unwrap(), "DWMRI");
    let gradients = serde_json::json!([[0.0, 0.0, 0.0], [0.6, 0.8, 0.0]]);
    assert_eq!(fact(&diffusion, "nrrd.dwmri_gradients"), Some(&gradients));
    for volume in [segments, diffusion] {
        let header = serde_json::to_string(volume.header()).unwrap();
        assert!(!header.contains("Jane"), "{header}");
    }
    let named = mha("Comment = Jane^Smith\nName = Jane\nModality = MET_MOD_CT\n").unwrap();
    assert_eq!(fact(&named, "metaimage.modality").unwrap(), "MET_MOD_CT");
    let header = serde_json::to_string(named.header()).unwrap();
    assert!(!header.contains("Jane"), "{header}");
}

#[test]
fn a_header_beside_its_voxels_is_written_last_and_names_them() {
    let folder = Folder::new();
    let volume = mha("ElementSpacing = 1 2 3\n").unwrap();
    for (name, packed, expected) in [
        ("a.mhd", 0, "ElementDataFile = a.raw\n"),
        ("a.MHD", 1, "ElementDataFile = a.zraw\n"),
        ("b.nhdr", 0, "data file: b.nrrd.raw\n"),
        ("b.nhdr", 9, "data file: b.raw.gz\n"),
    ] {
        let path = folder.path(name);
        voxprep_io::write(&path, &volume, &level(packed)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(expected), "{text}");
        let files = voxprep_io::files(&path, &level(packed));
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|file| file.is_file()), "{files:?}");
        assert_eq!(voxprep_io::files_read(&path).len(), 2);
    }
    let path = folder.path("LIST 1.mhd");
    let message = write(&path, &volume).unwrap_err().to_string();
    assert!(
        message.contains("cannot be stated in a MetaImage header; give another name"),
        "{message}"
    );
}

/// Neither header takes the voxels of the other for its own.
#[test]
fn a_mhd_and_a_nhdr_of_one_name_can_be_in_one_folder() {
    let folder = Folder::new();
    for packed in [0, 1] {
        let wide = mha("ElementSpacing = 1 2 3\n").unwrap();
        let narrow = shaped("2 3 4", "").unwrap();
        let [a, b] = ["a.mhd", "a.nhdr"].map(|name| folder.path(name));
        voxprep_io::write(&a, &wide, &level(packed)).unwrap();
        voxprep_io::write(&b, &narrow, &level(packed)).unwrap();
        assert_same(&read(&a).unwrap(), &wide, "a.mhd");
        assert_same(&read(&b).unwrap(), &narrow, "a.nhdr");
        let names = |path: &Path| voxprep_io::files(path, &level(packed));
        assert_ne!(names(&a)[0], names(&b)[0]);
    }
}

/// Sorted by their numbers, not as texts; with one that is none, all are left out.
#[test]
fn gradients_belong_to_the_image_of_their_number() {
    let line = |number: usize| format!("DWMRI_gradient_{number}:={number} 0 0\n");
    let lines: String = (0..12).map(line).collect();
    let expected: Vec<[f64; 3]> = (0..12).map(|i| [f64::from(i), 0.0, 0.0]).collect();
    let volume = nrrd(&lines).unwrap();
    let found = fact(&volume, "nrrd.dwmri_gradients");
    assert_eq!(found, Some(&serde_json::json!(expected)));
    assert!(!warning(&volume).contains("gradients"));
    for (from, to) in [
        ("=1 0 0", "=1 0"),
        ("=1 0 0", "=1 0 x"),
        ("=1 0 0", "=nan 0 0"),
        ("gradient_1:", "gradient_one:"),
        ("gradient_1:", "gradient_12:"),
    ] {
        let volume = nrrd(&lines.replacen(from, to, 1)).unwrap();
        assert_eq!(fact(&volume, "nrrd.dwmri_gradients"), None, "{to}");
        let expected = "the gradients of diffusion are not numbered from 0 with three numbers each";
        assert!(warning(&volume).contains(expected), "{}", warning(&volume));
    }
}

/// The same bytes for any number of threads, without a time or a name.
#[test]
fn the_bytes_are_the_same_for_any_number_of_threads() {
    let volume = mha("ElementSpacing = 1 2 3\n").unwrap();
    let folder = Folder::new();
    for end in ["mha", "nrrd"] {
        let made = [1, 3].map(|threads| {
            let path = folder.path(&format!("{threads}.{end}"));
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| write(&path, &volume)).unwrap();
            fs::read(path).unwrap()
        });
        assert_eq!(made[0], made[1]);
    }
}
