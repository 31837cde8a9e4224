"""Writes simpleitk.json: every MetaImage and NRRD file of ../shared/data as SimpleITK reads it, and
that pynrrd reads the same voxels of the NRRD files.

    python3 io/tests/simpleitk_table.py path/to/shared/data
"""

import json
import sys
import zlib
from pathlib import Path

import nrrd
import numpy
import SimpleITK

KEPT = {"uint8": "u8", "int8": "i16", "int16": "i16", "uint16": "u16", "int32": "i32", "float32": "f32"}


def main():
    data = Path(sys.argv[1])
    ends = [".mha", ".mhd", ".nrrd", ".nhdr"]
    rows = []
    for path in sorted(p for p in data.rglob("*") if p.suffix in ends and "malformed" not in p.parts):
        image = SimpleITK.ReadImage(str(path))
        assert image.GetNumberOfComponentsPerPixel() == 1
        array = SimpleITK.GetArrayFromImage(image)
        if path.suffix in (".nrrd", ".nhdr"):
            theirs = nrrd.read(str(path))[0].transpose()
            assert (theirs == array).all(), path
        n = image.GetDimension()
        linear, origin = numpy.eye(3), numpy.zeros(3)
        linear[:n, :n] = numpy.reshape(image.GetDirection(), (n, n)) * image.GetSpacing()
        origin[:n] = image.GetOrigin()
        values = array.reshape((1,) * (3 - n) + array.shape)
        rows.append({
            "path": str(path.relative_to(data)),
            "size": list(values.shape[::-1]),
            "type": KEPT[str(array.dtype)],
            "affine": numpy.hstack([linear, origin[:, None]]).tolist(),
            "crc": zlib.crc32(values.astype("<f8").tobytes()),
        })
    text = ",\n".join(json.dumps(row) for row in rows)
    Path(__file__).with_name("simpleitk.json").write_text("[\n" + text + "\n]\n")


main()
