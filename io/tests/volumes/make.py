"""Makes the small files of the folder `made` with SimpleITK, pynrrd and by hand, and made.json: what
SimpleITK or pynrrd reads from them, or what the file was made of where neither reads it.

    python3 io/tests/volumes/make.py

Channels are numbered as in voxprep: the fastest first. Affines are LPS+ mm. `type` is what voxprep
makes of the stored type.
"""

import bz2
import json
import zlib
from pathlib import Path

import nrrd
import numpy
import SimpleITK

FOLDER = Path(__file__).parent / "made"
# Oblique, anisotropic and left-handed.
TURN = numpy.array([[0.36, 0.48, 0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, -0.6]])
SPACING = [0.75, 1.5, 2.5]
ORIGIN = [10.5, -20.25, 30.125]
LINEAR = TURN * SPACING
SIZE = (4, 3, 2)
TYPES = {
    "u1": "u8", "i1": "i16", "i2": "i16", "u2": "u16", "i4": "i32", "u4": "f64", "i8": "f64", "u8": "f64",
    "f4": "f32", "f8": "f64",
}
rows = []
random = numpy.random.default_rng(5)


def numbers(dtype, shape):
    dtype = numpy.dtype(dtype)
    if dtype.kind in "iu":
        info = numpy.iinfo(dtype)
        return random.integers(max(info.min, -(2**52)), min(info.max, 2**52), shape, dtype)
    if dtype.kind == "c":
        return (random.normal(0, 100, shape) + 1j * random.normal(0, 100, shape)).astype(dtype)
    return random.normal(0, 100, shape).astype(dtype)


def row(name, type_, values, linear, origin):
    """`values` is [channel, z, y, x]."""
    values = numpy.asarray(values)
    affine = numpy.hstack([linear, numpy.reshape(origin, (3, 1))])
    rows.append({
        "path": name,
        "channels": values.shape[0],
        "size": list(values.shape[:0:-1]),
        "type": type_,
        "affine": affine.tolist(),
        "values": values.astype("f8").ravel().tolist(),
    })


def as_itk_reads(name):
    image = SimpleITK.ReadImage(str(FOLDER / name))
    array = SimpleITK.GetArrayFromImage(image)
    type_ = TYPES.get(numpy.dtype(array.dtype).str[1:], "f32" if array.dtype == "c8" else "f64")
    if array.dtype.kind == "c":
        array = numpy.stack([array.real, array.imag], -1)
        tuples = True
    else:
        tuples = image.GetNumberOfComponentsPerPixel() > 1
    n = image.GetDimension()
    # [t, z, y, x, c] to [t, c, z, y, x] to [t * c, z, y, x]
    if not tuples:
        array = array[..., None]
    array = array.reshape((1,) * (5 - array.ndim) + array.shape)
    array = numpy.moveaxis(array, -1, 1).reshape((-1,) + array.shape[1:4])
    linear, origin = numpy.eye(3), numpy.zeros(3)
    m = min(n, 3)
    direction = numpy.reshape(image.GetDirection(), (n, n))[:m, :m]
    linear[:m, :m] = direction * image.GetSpacing()[:m]
    origin[:m] = image.GetOrigin()[:m]
    row(name, type_, array, linear, origin)


def itk(name, array, packed=False, tuples=False):
    """An image of ITK; `array` is [z, y, x] with perhaps t before or c behind."""
    image = SimpleITK.GetImageFromArray(array, isVector=tuples)
    n = image.GetDimension()
    turn, spacing, origin = numpy.eye(n), [3.0] * n, [7.0] * n
    m = min(n, 3)
    turn[:m, :m] = TURN if m == 3 else [[0.6, 0.8], [-0.8, 0.6]]
    spacing[:m], origin[:m] = SPACING[:m], ORIGIN[:m]
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(turn.ravel().tolist())
    SimpleITK.WriteImage(image, str(FOLDER / name), packed)
    as_itk_reads(name)


def made_by_itk():
    zyx = SIZE[::-1]
    for dtype in ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]:
        itk(f"itk_{dtype}.mha", numbers(dtype, zyx), packed=dtype in ("i2", "f4"))
        itk(f"itk_{dtype}.nrrd", numbers(dtype, zyx), packed=dtype in ("u2", "f8"))
    itk("itk_pair.mhd", numbers("i2", zyx))
    itk("itk_packed_pair.mhd", numbers("i2", zyx), packed=True)
    itk("itk_detached.nhdr", numbers("i2", zyx))
    itk("itk_packed_detached.nhdr", numbers("i2", zyx), packed=True)
    for end in ["mha", "nrrd"]:
        itk(f"itk_vectors.{end}", numbers("f4", zyx + (3,)), tuples=True)
        itk(f"itk_plane.{end}", numbers("u2", zyx[1:]))
        itk(f"itk_time.{end}", numbers("i2", (5,) + zyx))
    itk("itk_complex.nrrd", numbers("c8", zyx))


def flipped(space):
    return {"right-anterior-superior": [-1, -1, 1], "left-anterior-superior": [1, -1, 1]}.get(space, [1, 1, 1])


def by_pynrrd(name, data, fields, **options):
    """`data` is in the order of the file, fastest first; vectors of no axis of space are nan."""
    nrrd.write(str(FOLDER / name), data, fields, **options)
    data, header = nrrd.read(str(FOLDER / name))
    kinds = header.get("kinds", ["domain"] * data.ndim)
    domain = [i for i in range(data.ndim) if kinds[i] in ("domain", "space")]
    others = [i for i in range(data.ndim) if i not in domain]
    values = data.transpose(domain + others)
    values = values.reshape(values.shape[:3] + (-1,), order="F").transpose(3, 2, 1, 0)
    signs = numpy.array(flipped(header.get("space")))
    if "space directions" not in header:
        # pynrrd does not say where the first sample is.
        as_itk_reads(name)
        return
    linear = numpy.array([header["space directions"][i] for i in domain], "f8").T * signs[:, None]
    origin = header["space origin"] * signs
    row(name, TYPES[data.dtype.str[1:]], values, linear, origin)


def made_by_pynrrd():
    place = {"space": "left-posterior-superior", "space directions": LINEAR.T, "space origin": ORIGIN}
    for encoding in ["raw", "gzip", "bzip2", "ascii"]:
        data = numbers("i2", SIZE)
        by_pynrrd(f"pynrrd_{encoding}.nrrd", data, {**place, "encoding": encoding})
    by_pynrrd("pynrrd_f4_ascii.nrrd", numbers("f4", SIZE), {**place, "encoding": "ascii"})
    by_pynrrd("pynrrd_big.nrrd", numbers(">f4", SIZE), {**place, "encoding": "raw", "endian": "big"})
    for space in ["right-anterior-superior", "left-anterior-superior"]:
        short = "".join(word[0] for word in space.split("-"))
        by_pynrrd(f"pynrrd_{short}.nrrd", numbers("u1", SIZE), {**place, "space": space})
    legacy = {"spacings": SPACING, "axis mins": ORIGIN}
    by_pynrrd("pynrrd_cell.nrrd", numbers("u1", SIZE), {**legacy, "centers": ["cell"] * 3})
    by_pynrrd("pynrrd_node.nrrd", numbers("u1", SIZE), {**legacy, "centers": ["node"] * 3})
    nan = [numpy.nan] * 3
    first, last = numpy.vstack([[nan], LINEAR.T]), numpy.vstack([LINEAR.T, [nan]])
    x, y, z = LINEAR.T
    between = numpy.array([x, nan, y, z])
    space = ["domain"] * 3
    for name, directions, kinds, shape in [
        ("pynrrd_vectors_first.nrrd", first, ["vector"] + space, (3,) + SIZE),
        ("pynrrd_list_last.nrrd", last, space + ["list"], SIZE + (5,)),
        ("pynrrd_list_between.nrrd", between, ["domain", "list", "domain", "domain"], (4, 5, 3, 2)),
        ("pynrrd_colours.nrrd", first, ["RGB-color"] + space, (3,) + SIZE),
        ("pynrrd_tensors.nrrd", first, ["3D-masked-symmetric-matrix"] + space, (7,) + SIZE),
    ]:
        fields = {**place, "space directions": directions, "kinds": kinds}
        by_pynrrd(name, numbers("u1" if "col" in name else "i2", shape), fields)
    both = numpy.vstack([[nan], LINEAR.T, [nan]])
    fields = {**place, "space directions": both, "kinds": ["complex"] + space + ["list"]}
    by_pynrrd("pynrrd_complex_list.nrrd", numbers("f4", (2,) + SIZE + (2,)), fields)
    segments = {
        **place, "space directions": first, "kinds": ["list"] + space, "type": "uint8",
        "Segment0_ID": "Segment_1", "Segment0_Name": "liver", "Segment0_LabelValue": "1", "Segment0_Layer": "0",
        "Segment1_ID": "Segment_2", "Segment1_Name": "left kidney", "Segment1_LabelValue": "2",
        "Segment1_Layer": "0", "Segment2_ID": "Segment_3", "Segment2_Name": "lesion",
        "Segment2_LabelValue": "1", "Segment2_Layer": "1", "Segmentation_Author": "Jane^Smith",
    }
    by_pynrrd("pynrrd_layers.seg.nrrd", random.integers(0, 3, (2,) + SIZE, "u1"), segments)
    diffusion = {
        **place, "space directions": last, "kinds": space + ["list"], "modality": "DWMRI",
        "measurement frame": [[0, 1, 0], [1, 0, 0], [0, 0, 1]], "DWMRI_b-value": "1000",
        "DWMRI_gradient_0000": "0 0 0", "DWMRI_gradient_0001": "0.6 0.8 0", "Patient": "Jane^Smith",
    }
    by_pynrrd("pynrrd_dwi.nrrd", numbers("i2", SIZE + (2,)), diffusion)
    by_pynrrd(
        "pynrrd_pair.nhdr", numbers("i2", SIZE), {**place, "data file": "pynrrd_pair.raw.gz"},
        detached_header=True,
    )


def by_hand(name, lines, voxels=b"", values=None, dtype="i2", itk=True):
    """A file of these lines; ITK reads it as it says, or not at all (then `values` is known)."""
    (FOLDER / name).write_bytes("\n".join(lines).encode() + b"\n" + voxels)
    if itk:
        as_itk_reads(name)
    else:
        row(name, TYPES[dtype], values[None], LINEAR, ORIGIN)


def made_by_hand():
    matrix = " ".join(repr(v) for v in TURN.T.ravel().tolist())
    origin, spacing = (" ".join(map(str, v)) for v in (ORIGIN, SPACING))
    start = ["ObjectType = Image", "NDims = 3", f"DimSize = {' '.join(map(str, SIZE))}"]
    place = [f"TransformMatrix = {matrix}", f"Offset = {origin}", f"ElementSpacing = {spacing}"]
    short = ["ElementType = MET_SHORT"]
    data = numbers("i2", SIZE[::-1])
    little, big = data.tobytes(), data.astype(">i2").tobytes()
    local = ["ElementDataFile = LOCAL"]
    mha = start + place + short
    by_hand("hand_big.mha", mha + ["BinaryDataByteOrderMSB = True"] + local, big)
    by_hand("hand_big_synonym.mha", mha + ["ElementByteOrderMSB = True"] + local, big)
    text = " ".join(map(str, data.ravel())).encode() + b"\n"
    by_hand("hand_text.mha", mha + ["BinaryData = False"] + local, text, data, itk=False)
    names = [f"Position = {origin}", f"Orientation = {matrix}", f"ElementSize = {spacing}"]
    by_hand("hand_synonyms.mha", start + names + short + local, little)
    packed = zlib.compress(little)
    by_hand("hand_no_size.mha", mha + ["CompressedData = True"] + local, packed, data, itk=False)
    by_hand("hand_long.mha", start + place + ["ElementType = MET_LONG"] + local, data.astype("i4").tobytes())
    scale = ["ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = -1000"]
    by_hand("hand_scale.mha", mha + scale + local, little)
    by_hand("hand_negative.mha", start + ["ElementSpacing = -0.75 1.5 2.5"] + short + local, little)
    (FOLDER / "hand_slices.raw").write_bytes(b"head" + little)
    by_hand("hand_skip.mhd", mha + ["HeaderSize = 4", "ElementDataFile = hand_slices.raw"])
    by_hand("hand_end.mhd", mha + ["HeaderSize = -1", "ElementDataFile = hand_slices.raw"])
    for i, plane in enumerate(data):
        (FOLDER / f"hand_slice_{i + 1:02}.raw").write_bytes(plane.tobytes())
    listed = ["hand_slice_01.raw", "hand_slice_02.raw"]
    by_hand("hand_list.mhd", mha + ["ElementDataFile = LIST"] + listed)
    by_hand("hand_list_2d.mhd", mha + ["ElementDataFile = LIST 2D"] + listed)
    by_hand("hand_pattern.mhd", mha + ["ElementDataFile = hand_slice_%02d.raw 1 2 1"])

    vectors = ["(" + ",".join(map(repr, v)) + ")" for v in LINEAR.T.tolist()]
    head = [
        "NRRD0004", "# by hand", "type: signed short int", "dimension: 3", "space: LPS",
        f"sizes: {' '.join(map(str, SIZE))}", f"space directions: {' '.join(vectors)}",
        f"space origin: ({','.join(map(str, ORIGIN))})", "endian: little",
    ]
    digits = little.hex().encode()
    digits = b"\n".join(digits[i : i + 20] for i in range(0, len(digits), 20))
    by_hand("hand_hex.nrrd", head + ["encoding: hex", ""], digits)
    by_hand("hand_bzip2.nrrd", head + ["encoding: bz2", ""], bz2.compress(little), data, itk=False)
    by_hand("hand_lines.nrrd", head + ["encoding: raw", "line skip: 2", "byte skip: 3", ""], b"a\nbc\nxyz" + little)
    by_hand("hand_end.nrrd", head + ["encoding: raw", "byte skip: -1", ""], b"anything" + little)
    raw = ["encoding: raw"]
    by_hand("hand_list.nhdr", head + raw + ["data file: LIST"] + listed)
    by_hand("hand_pattern.nhdr", head + raw + ["data file: hand_slice_%02d.raw 1 2 1"])
    by_hand("hand_backwards.nhdr", head + raw + ["data file: hand_slice_%02d.raw 2 1 -1 2"])
    by_hand("hand_slabs.nhdr", head + raw + ["data file: LIST 3"] + listed)


FOLDER.mkdir(exist_ok=True)
for old in FOLDER.iterdir():
    old.unlink()
made_by_itk()
made_by_pynrrd()
made_by_hand()
text = ",\n".join(json.dumps(row) for row in rows)
(FOLDER.parent / "made.json").write_text("[\n" + text + "\n]\n")
