"""Writes nibabel.json: what nibabel reads from every NIfTI file of the shared data.

    python3 io/tests/nibabel_table.py ../shared/data > io/tests/nibabel.json

Channels are numbered as in voxprep: what is inside a voxel (complex, colours) fastest, then
dimensions 4 to 7. Affines are RAS+ mm. NaN voxels are counted and left out of sum, min and max.
`type` is what voxprep makes of the stored type where nothing is scaled: DESIGN, section 3. `crc` is
the CRC-32 of all values, little-endian, in float64, or in float32 where they are scaled.
"""

import json
import sys
import warnings
import zlib
from pathlib import Path

import nibabel
import numpy

PROBES = 20
NIFTI = (nibabel.Nifti1Pair, nibabel.Nifti2Pair)  # the base classes of the single files, too
KEPT = {
    "uint8": "u8", "int8": "i16", "int16": "i16", "uint16": "u16", "int32": "i32",
    "float32": "f32", "float64": "f64", "complex64": "f32", "complex128": "f64",
}


def channels(image):
    """The values as [channel, z, y, x] in float64."""
    data = numpy.asanyarray(image.dataobj)
    if data.dtype.fields:
        parts = [data[name] for name in data.dtype.names]
    elif numpy.iscomplexobj(data):
        parts = [data.real, data.imag]
    else:
        parts = [data]
    parts = [numpy.asarray(p, dtype=numpy.float64) for p in parts]
    parts = [p.reshape(p.shape + (1,) * (3 - p.ndim)) for p in parts]
    size = parts[0].shape[:3]
    parts = [p.reshape(size + (-1,), order="F") for p in parts]
    return numpy.stack(parts, axis=3).reshape(size + (-1,), order="F").transpose(3, 2, 1, 0)


def element_type(image, values):
    stored = image.header.get_data_dtype()
    if stored.fields:
        return "u8"
    if image.dataobj.slope != 1 or image.dataobj.inter != 0:
        return None
    if stored.name in KEPT:
        return KEPT[stored.name]
    fits = values.min() >= -(2**31) and values.max() < 2**31
    return "i32" if fits else "f64"


def row(path, root, random):
    image = nibabel.load(path)
    values = channels(image)
    known = values[~numpy.isnan(values)]
    probes = []
    for _ in range(PROBES):
        c, z, y, x = (int(random.integers(n)) for n in values.shape)
        value = values[c, z, y, x]
        probes.append([c, x, y, z, None if numpy.isnan(value) else float(value)])
    type_ = element_type(image, values)
    exact = values.astype("<f4" if type_ is None else "<f8")
    return {
        "path": str(path.relative_to(root)),
        "channels": values.shape[0],
        "size": list(values.shape[:0:-1]),
        "type": type_,
        "crc": None if numpy.isnan(values).any() else zlib.crc32(numpy.ascontiguousarray(exact)),
        "affine": image.affine[:3].tolist(),
        "sum": float(known.sum()),
        "min": float(known.min()),
        "max": float(known.max()),
        "nan": int(values.size - known.size),
        "probes": probes,
    }


def main():
    root = Path(sys.argv[1])
    random = numpy.random.default_rng(7)
    rows = []
    for path in sorted([*root.rglob("*.nii*"), *root.rglob("*.hdr*")]):
        if "malformed" in path.parts:
            continue
        if isinstance(nibabel.load(path), NIFTI):
            rows.append(row(path, root, random))
    print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
