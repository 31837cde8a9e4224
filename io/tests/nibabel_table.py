"""Writes nibabel.json: what nibabel reads from every single NIfTI-1 file of the shared data.

    python3 io/tests/nibabel_table.py ../shared/data > io/tests/nibabel.json

Channels are numbered as in voxprep: what is inside a voxel (complex, colours) fastest, then
dimensions 4 to 7. Affines are RAS+ mm. NaN voxels are counted and left out of sum, min and max.
"""

import json
import sys
import warnings
from pathlib import Path

import nibabel
import numpy

PROBES = 20


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


def row(path, root, random):
    image = nibabel.load(path)
    values = channels(image)
    known = values[~numpy.isnan(values)]
    probes = []
    for _ in range(PROBES):
        c, z, y, x = (int(random.integers(n)) for n in values.shape)
        value = values[c, z, y, x]
        probes.append([c, x, y, z, None if numpy.isnan(value) else float(value)])
    return {
        "path": str(path.relative_to(root)),
        "channels": values.shape[0],
        "size": list(values.shape[:0:-1]),
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
    for path in sorted(root.rglob("*.nii*")):
        if "malformed" in path.parts:
            continue
        if type(nibabel.load(path)) is nibabel.Nifti1Image:
            rows.append(row(path, root, random))
    print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]")


warnings.simplefilter("ignore")
main()
