"""Makes the small files of this folder with nibabel and SimpleITK, and others.json: what nibabel
reads from them.

    python3 io/tests/others/make.py

Channels are numbered as in voxprep: what is inside a voxel fastest, then dimensions 4 to 7. Affines
are RAS+ mm. `type` is what voxprep makes of the stored type: DESIGN, section 3.
"""

import json
import sys
import warnings
from pathlib import Path

import nibabel
import numpy
import SimpleITK

sys.path.append(str(Path(__file__).parent.parent))
from nibabel_table import KEPT, channels  # noqa: E402

FOLDER = Path(__file__).parent
# Oblique, anisotropic and left-handed.
TURN = numpy.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
AFFINE = numpy.eye(4)
AFFINE[:3, :3] = TURN @ numpy.diag([0.75, 1.5, -2.5])
AFFINE[:3, 3] = [10.5, -20.25, 30.125]
SIZE = (4, 3, 2)
random = numpy.random.default_rng(3)


def numbers(dtype, shape=SIZE):
    dtype = numpy.dtype(dtype)
    if dtype.fields:
        return random.integers(0, 256, shape + (len(dtype.fields),), "u1").view(dtype)[..., 0]
    if dtype.kind in "iu":
        info = numpy.iinfo(dtype)
        return random.integers(max(info.min, -(2**52)), min(info.max, 2**52), shape, dtype)
    values = random.normal(0, 100, shape)
    if dtype.kind == "c":
        values = values + 1j * random.normal(0, 100, shape)
    return values.astype(dtype)


def nifti(name, klass, dtype, shape=SIZE, big=False, scale=None, comment=None, intent=None):
    dtype = numpy.dtype(dtype)
    header = klass.header_class(endianness=">" if big else "<")
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm", "msec")
    data = numbers(dtype, shape)
    image = klass(data, AFFINE, header, dtype=dtype)
    image.set_sform(AFFINE, "mni")
    image.set_qform(AFFINE, "mni")
    if len(shape) > 3:
        image.header["pixdim"][4] = 1250
    if intent:
        image.header.set_intent(intent)
    if scale:
        image.header.set_slope_inter(*scale)
        image = klass(data, None, image.header)
    if comment:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", comment))
    nibabel.save(image, FOLDER / name)
    if scale:  # nibabel chooses its own scale when it writes; this is the one that is wanted
        path = FOLDER / name
        raw = bytearray(path.read_bytes())
        at, form = (112, "f4") if header.sizeof_hdr == 348 else (176, "f8")
        raw[at : at + 2 * int(form[1])] = numpy.array(scale, (">" if big else "<") + form).tobytes()
        path.write_bytes(raw)


def analyze(name, klass, dtype, big=False, origin=None, slope=None):
    header = klass.header_class(endianness=">" if big else "<")
    header.set_data_dtype(dtype)
    header.set_data_shape(SIZE)
    header.set_zooms((2.0, 1.5, 3.0))
    if origin:
        header["origin"][:3] = origin
    if slope:
        header["scl_slope"] = slope
    path = FOLDER / name
    path.write_bytes(header.binaryblock)
    data = numbers(dtype).astype(numpy.dtype(dtype).newbyteorder(">" if big else "<"))
    path.with_suffix(".img").write_bytes(data.tobytes(order="F"))


def itk(name, image):
    image.SetSpacing([0.75, 1.5, 2.5])
    image.SetOrigin([-10.5, 20.25, 30.125])
    image.SetDirection((numpy.diag([-1, -1, 1]) @ TURN).ravel().tolist())
    SimpleITK.WriteImage(image, str(FOLDER / name))


def make():
    one, pair = nibabel.Nifti1Image, nibabel.Nifti1Pair
    two, two_pair = nibabel.Nifti2Image, nibabel.Nifti2Pair
    nifti("one_i16.nii", one, "i2", scale=(0.5, -3.0))
    nifti("one_u8_big.nii.gz", one, "u1", big=True)
    nifti("one_i8.nii", one, "i1")
    nifti("one_u32.nii", one, "u4")
    nifti("one_i64.nii", one, "i8")
    nifti("one_u64.nii", one, "u8")
    nifti("one_complex64.nii", one, "c8", shape=SIZE + (2,))
    nifti("one_complex128_big.nii", one, "c16", big=True)
    nifti("one_rgb.nii", one, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nifti("one_rgba.nii", one, [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    nifti("one_time.nii", one, "i2", shape=SIZE + (5,), comment=b"made by nibabel")
    nifti("one_tuples.nii", one, "f4", shape=SIZE + (1, 3), intent="vector")
    nifti("one_seven_axes.nii", one, "u1", shape=(2, 3, 2, 2, 3, 2, 2))
    nifti("pair_u16.hdr", pair, "u2", comment=b"in a pair")
    nifti("pair_f32_big.hdr.gz", pair, "f4", big=True)
    nifti("two_i16.nii", two, "i2", scale=(0.25, 7.0))
    nifti("two_f64_big.nii.gz", two, "f8", big=True, shape=SIZE + (2, 2))
    nifti("two_comment.nii", two, "u1", comment=b"in NIfTI-2, and longer than sixteen bytes")
    nifti("two_pair_i32.hdr", two_pair, "i4")
    analyze("analyze_i16.hdr", nibabel.AnalyzeImage, "i2")
    analyze("analyze_f32_big.hdr", nibabel.AnalyzeImage, "f4", big=True)
    analyze("spm99_u8.hdr", nibabel.Spm99AnalyzeImage, "u1", origin=(2, 3, 1), slope=0.5)
    analyze("spm2_i16_big.hdr", nibabel.Spm2AnalyzeImage, "i2", big=True, origin=(-1, 2, 3))
    array = numbers("i2", SIZE[::-1])
    itk("itk_i16.nii.gz", SimpleITK.GetImageFromArray(array))
    itk("itk_pair_f32.hdr", SimpleITK.GetImageFromArray(numbers("f4", SIZE[::-1])))
    vectors = numbers("f4", SIZE[::-1] + (3,))
    itk("itk_vectors.nii", SimpleITK.GetImageFromArray(vectors, isVector=True))


def element_type(image, values):
    stored = image.header.get_data_dtype()
    if stored.fields:
        return "u8"
    if (image.dataobj.slope, image.dataobj.inter) != (1, 0):
        return "f32"
    if stored.name in KEPT:
        return KEPT[stored.name]
    return "i32" if values.min() >= -(2**31) and values.max() < 2**31 else "f64"


def main():
    make()
    rows = []
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in (".py", ".img") or path.name.endswith((".img.gz", ".json")):
            continue
        image = nibabel.load(path)
        values = channels(image)
        type_ = element_type(image, values)
        exact = values.astype("f4" if type_ == "f32" else "f8")
        rows.append({
            "path": path.name,
            "channels": values.shape[0],
            "size": list(values.shape[:0:-1]),
            "type": type_,
            "affine": image.affine[:3].tolist(),
            "values": exact.ravel().tolist(),
        })
    text = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER.parent / "others.json").write_text("[\n" + text + "\n]\n")


warnings.simplefilter("ignore")
main()
