"""Makes streams/ with the encoders of imagecodecs and Pillow, and codecs.json: what independent
decoders make of them and of the frames of the shared data.

    python3 io/tests/codec/make.py ../shared/data

`crc` is the CRC-32 of the decoded frame: little-endian samples, colour by pixel, as wide as `bits`.
Frames of data are decoded by GDCM (its libjpeg for 8 and 12 bits, OpenJPEG, CharLS); streams by
libjpeg-turbo, OpenJPEG, CharLS and libjxl. `probes` are samples at
equal distances. `within` is how far a sample may be from the decoder's: 0
where the format, or libjpeg's integers, leave no choice.
"""

import io
import json
import sys
import warnings
import zlib
from pathlib import Path

import gdcm
import imagecodecs
import numpy
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames

PROBES = 40
FOLDER = Path(__file__).parent
FOLDERS = ["transfer_syntaxes_ct", "transfer_syntaxes_mr", "pydicom_small", "geom_rgb_j2k"]
UID = "1.2.840.10008.1.2."
rows = []


def row(name, syntax, image, signed=False, stored=None, **more):
    """A row of the table; `image` is what the other decoder has made."""
    image = numpy.ascontiguousarray(image)
    samples = 1 if image.ndim == 2 else image.shape[2]
    bits = 8 * image.dtype.itemsize
    return {
        "name": name, "syntax": syntax, "rows": image.shape[0], "columns": image.shape[1],
        "samples": samples, "bits": bits, "stored": stored or bits, "signed": signed,
        "crc": zlib.crc32(image.astype(image.dtype.newbyteorder("<")).tobytes()),
        "sum": int(image.astype(numpy.int64).sum()),
        "probes": [int(v) for v in image.reshape(-1)[:: image.size // PROBES + 1]], **more,
    }


def stream(name, syntax, data, image, **more):
    (FOLDER / "streams" / name).write_bytes(bytes(data))
    rows.append(row(f"streams/{name}", UID + syntax, image, **more))


def picture(bits, colours, size=(29, 37)):
    """Waves, an edge and noise, different in each colour."""
    random = numpy.random.default_rng(7)
    y, x = numpy.mgrid[: size[0], : size[1]]
    planes = []
    for c in range(colours):
        waves = 0.5 + 0.3 * numpy.sin(x / (5.0 + c)) * numpy.cos(y / (7.0 - c)) + 0.15 * (x > y + 4 * c)
        planes.append(waves + random.normal(0, 0.01, size))
    planes = numpy.stack(planes, -1).clip(0, 1) * (2**bits - 1)
    planes = planes.astype("u1" if bits <= 8 else "<u2")
    return planes[..., 0] if colours == 1 else planes


def jpegs():
    decode = imagecodecs.jpeg8_decode
    grey, colour = picture(8, 1), picture(8, 3)
    data = imagecodecs.jpeg8_encode(grey, 85)
    stream("grey-8.jpg", "4.50", data, decode(data))
    for subsampling in ["444", "422", "420", "411", "440"]:
        data = imagecodecs.jpeg8_encode(colour, 85, subsampling=subsampling)
        # libjpeg-turbo interpolates 440 as well, libjpeg repeats.
        stream(f"colour-{subsampling}.jpg", "4.50", data, decode(data), within=40 if subsampling == "440" else 0)
    data = imagecodecs.jpeg8_encode(colour, 85, colorspace="RGB", outcolorspace="RGB")
    stream("colour-rgb.jpg", "4.50", data, decode(data))
    for name, options in {
        "progressive": {"progressive": True},
        "restarts": {"restart_marker_rows": 1},
        "progressive-restarts": {"progressive": True, "restart_marker_blocks": 2},
    }.items():
        for kind, image in {"grey": grey, "colour": colour}.items():
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=80, subsampling=2, **options)
            data = file.getvalue()
            stream(f"{kind}-{name}.jpg", "4.50", data, decode(data))
    for quality in [60, 98]:
        data = imagecodecs.jpeg8_encode(picture(12, 1), quality, bitspersample=12)
        stream(f"grey-12-{quality}.jpg", "4.51", data, decode(data), stored=12)
    for bits in [2, 5, 8, 12, 16]:
        for colours in [1, 3] if bits in (8, 16) else [1]:
            image = picture(bits, colours)
            for predictor in range(1, 8) if bits * colours in (8, 16) else [1, 4]:
                data = imagecodecs.jpeg8_encode(image, lossless=True, predictor=predictor, bitspersample=bits)
                name = f"lossless-{bits}-{'grey' if colours == 1 else 'rgb'}-{predictor}.jpg"
                stream(name, "4.57", data, image, stored=bits)
    # An encoder that names its components and states no restart.
    image = picture(14, 1)
    stream("lossless-14-lj92.jpg", "4.70", imagecodecs.ljpeg_encode(image, bitspersample=14), image, stored=14)


def others():
    for bits, colours in [(8, 1), (12, 1), (16, 1), (8, 3), (16, 3)]:
        image = picture(bits, colours)
        kind = f"{'grey' if colours == 1 else 'rgb'}-{bits}"
        for name, options in {"lossless": {"reversible": True}, "lossy": {"level": 40}}.items():
            data = imagecodecs.jpeg2k_encode(image, codecformat="j2k", bitspersample=bits, **options)
            stream(f"{kind}-{name}.j2k", "4.91", data, imagecodecs.jpeg2k_decode(data), stored=bits, within=1 if name == "lossy" else 0)
        if bits == 8 or (bits, colours) == (16, 1):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG2000", no_jp2=True, tile_size=(16, 16), progression="RPCL", num_resolutions=3)
            data = file.getvalue()
            stream(f"{kind}-tiles.j2k", "4.90", data, imagecodecs.jpeg2k_decode(data))
        if bits in (8, 16):
            for name, options in {"lossless": {"reversible": True}, "tiles": {"reversible": True, "tile": (16, 16)}, "lossy": {"level": 0.002, "reversible": False}}.items():
                data = imagecodecs.htj2k_encode(image, **options)
                stream(f"{kind}-{name}.jhc", "4.203", data, imagecodecs.htj2k_decode(data), stored=bits, within=1 if name == "lossy" else 0)
        data = imagecodecs.jpegxl_encode(image, lossless=True, bitspersample=bits)
        stream(f"{kind}-lossless.jxl", "4.110", data, image, stored=bits)
        data = imagecodecs.jpegxl_encode(image, distance=1.0, bitspersample=bits)
        stream(f"{kind}-lossy.jxl", "4.112", data, imagecodecs.jpegxl_decode(data), stored=bits, within=2 if bits < 16 else 300)
        if bits != 12:
            for near in [0, 2]:
                data = imagecodecs.jpegls_encode(image, near)
                stream(f"{kind}-{near}.jls", "4.81", data, imagecodecs.jpegls_decode(data), stored=bits)
    image = picture(16, 1).astype("<i4") - 32768
    data = imagecodecs.jpeg2k_encode(image.astype("<i2"), codecformat="j2k", reversible=True)
    stream("signed-16.j2k", "4.90", data, image.astype("<i2"), signed=True)
    data = imagecodecs.htj2k_encode(image.astype("<i2"), reversible=True)
    stream("signed-16.jhc", "4.201", data, image.astype("<i2"), signed=True)
    data = imagecodecs.jpeg2k_encode(picture(8, 3), codecformat="jp2", reversible=True)
    stream("rgb-8.jp2", "4.90", data, picture(8, 3))
    data = imagecodecs.jpegxl_encode_jpeg((FOLDER / "streams/colour-444.jpg").read_bytes())
    stream("recompressed.jxl", "4.111", data, imagecodecs.jpegxl_decode(data), within=2)


def frames(data):
    for path in sorted(p for f in FOLDERS + ["../malformed", "../xray"] for p in (data / "dicom" / f).resolve().glob("*.dcm")):
        try:
            file = pydicom.dcmread(path)
            syntax = file.file_meta.TransferSyntaxUID
            if not syntax.is_compressed or syntax.endswith(".99"):
                continue
        except Exception:
            continue
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read(), path
        image = reader.GetImage()
        if "mismatch" in path.name:
            # GDCM's own buffer is not yet sign-extended.
            yield row(str(path.relative_to(data)), str(syntax), file.pixel_array, True, int(file.BitsStored))
            continue
        kind = ("i" if file.PixelRepresentation else "u") + str(file.BitsAllocated // 8)
        found = numpy.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), "<" + kind)
        shape = (file.Rows, file.Columns) + ((3,) if file.SamplesPerPixel == 3 else ())
        # The irreversible transform of JPEG 2000 is in floats, whose last bit is anyone's.
        within = 1 if "JPEG2000.dcm" in path.name else 0
        yield row(
            str(path.relative_to(data)), str(syntax), found.reshape(shape), bool(file.PixelRepresentation), int(file.BitsStored),
            within=within, slope=float(file.get("RescaleSlope", 1)), intercept=float(file.get("RescaleIntercept", 0)),
        )


def corpus():
    """What the fuzzer of the codecs starts from: syntax, kind of samples, rows, columns, stream."""
    syntaxes = ["5", "4.50", "4.80", "4.90", "4.110"]
    folder = FOLDER.parents[2] / "fuzz/corpus/codec"
    folder.mkdir(parents=True, exist_ok=True)
    small = picture(8, 1, (7, 9)), picture(8, 3, (7, 9)), picture(16, 1, (7, 9))
    progressive = io.BytesIO()
    Image.fromarray(small[1]).save(progressive, "JPEG", quality=50, subsampling=2, progressive=True, restart_marker_rows=1)
    tiles = io.BytesIO()
    Image.fromarray(small[0]).save(tiles, "JPEG2000", no_jp2=True, tile_size=(4, 4))
    rle = numpy.array([1, 64] + 14 * [0], "<u4").tobytes() + bytes([256 - 62, 5])
    seeds = [
        ("5", 0, rle),
        ("4.50", 0, imagecodecs.jpeg8_encode(small[0], 50)),
        ("4.50", 4, imagecodecs.jpeg8_encode(small[1], 50, subsampling="420")),
        ("4.50", 4, progressive.getvalue()),
        ("4.50", 0x41, imagecodecs.jpeg8_encode(picture(12, 1, (7, 9)), 50, bitspersample=12)),
        ("4.50", 1, imagecodecs.jpeg8_encode(small[2], lossless=True, predictor=7, bitspersample=16)),
        ("4.80", 1, imagecodecs.jpegls_encode(small[2], 0)),
        ("4.80", 4, imagecodecs.jpegls_encode(small[1], 2)),
        ("4.90", 1, imagecodecs.jpeg2k_encode(small[2], codecformat="j2k", reversible=True)),
        ("4.90", 4, imagecodecs.jpeg2k_encode(small[1], codecformat="j2k", level=30)),
        ("4.90", 0, tiles.getvalue()),
        ("4.90", 1, imagecodecs.htj2k_encode(small[2], reversible=True)),
        ("4.90", 4, imagecodecs.htj2k_encode(small[1], level=0.002, reversible=False)),
        ("4.110", 1, imagecodecs.jpegxl_encode(small[2], lossless=True)),
        ("4.110", 4, imagecodecs.jpegxl_encode(small[1], distance=2.0)),
    ]
    for number, (syntax, kind, data) in enumerate(seeds):
        seed = bytes([syntaxes.index(syntax), kind, 6, 8]) + bytes(data)
        (folder / f"seed-{number:02}").write_bytes(seed)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    jpegs()
    others()
    corpus()
    rows += list(frames(Path(sys.argv[1]).resolve()))
    (FOLDER / "codecs.json").write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
