"""Reads files of ours with SimpleITK, pynrrd and nibabel and compares them with what is listed.

    python3 io/tests/volumes/peers.py list.json
"""

import json
import sys
from pathlib import Path

import nibabel
import nrrd
import numpy
import SimpleITK

TYPES = {"u8": "u1", "i16": "i2", "u16": "u2", "i32": "i4", "f32": "f4", "f64": "f8"}


def check(what, row, values, affine, dtype):
    """`values` is [channel, z, y, x], `affine` LPS."""
    expected = numpy.reshape(row["values"], values.shape)
    assert numpy.dtype(dtype) == numpy.dtype(TYPES[row["type"]]), (what, row["path"], dtype)
    assert (values == expected).all(), (what, row["path"], "values")
    off = numpy.abs(affine[:3] - row["affine"])
    # 32-bit numbers of Analyze, digits elsewhere.
    assert (off <= 1e-6 + 1e-15 * numpy.abs(row["affine"])).all(), (what, row["path"], off.max())


def by_itk(path, row):
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        # It knows complex numbers of 32 and 64 bits only, and one axis of channels.
        kinds = [kind for kind, _ in row["axes"]]
        known = "complex" in kinds and row["type"][0] != "f"
        assert known, (path.name, str(error)[-300:])
        return False
    array = SimpleITK.GetArrayFromImage(image)
    n = image.GetDimension()
    if array.dtype.kind == "c":
        array = numpy.stack([array.real, array.imag], -1)
    elif image.GetNumberOfComponentsPerPixel() == 1:
        array = array[..., None]
    dtype = array.dtype
    lengths = [length for _, length in row["axes"]]
    size = row["size"]
    if path.suffix in (".nrrd", ".nhdr") and [k for k, _ in row["axes"]] == ["time", "component"]:
        # ITK brings the only axis of a list to the front.
        array = numpy.moveaxis(array, -1, 0)
        values = array.reshape([-1] + size[::-1])
    else:
        # [.., t, z, y, x, c] to [.., t, c, z, y, x]
        outer = array.shape[:-4]
        array = numpy.moveaxis(array, -1, -4)
        values = array.reshape([-1] + size[::-1])
        del outer
    assert values.shape[0] == numpy.prod(lengths, initial=1), (path.name, values.shape)
    direction = numpy.reshape(image.GetDirection(), (n, n))[:3, :3]
    affine = numpy.hstack([direction * image.GetSpacing()[:3], numpy.reshape(image.GetOrigin()[:3], (3, 1))])
    check("SimpleITK", row, values, affine, dtype)
    return True


def by_pynrrd(path, row):
    data, header = nrrd.read(str(path), index_order="C")
    values = data.reshape([-1] + row["size"][::-1])
    assert header["space"].startswith("left-posterior-superior"), path.name
    vectors = header["space directions"][:3, :3]
    affine = numpy.hstack([vectors.T, numpy.reshape(header["space origin"][:3], (3, 1))])
    check("pynrrd", row, values, affine, data.dtype)


def by_nibabel(path, row):
    image = nibabel.Spm99AnalyzeImage.load(str(path))
    assert type(image).__name__ == "Spm99AnalyzeImage"
    affine = numpy.diag([-1, -1, 1, 1]) @ image.affine
    values = numpy.asarray(image.dataobj).T[None]
    check("nibabel", row, values.astype("f8"), affine, image.get_data_dtype())


rows = json.loads(Path(sys.argv[1]).read_text())
itk = refused = 0
for row in rows:
    path = Path(sys.argv[1]).parent / row["path"]
    if path.suffix == ".hdr":
        by_nibabel(path, row)
        continue
    if by_itk(path, row):
        itk += 1
    else:
        refused += 1
    if path.suffix in (".nrrd", ".nhdr"):
        by_pynrrd(path, row)
print(f"{len(rows)} files agree; SimpleITK read {itk} of them and has no pixel type for {refused}")
