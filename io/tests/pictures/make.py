"""Makes the small files of the folder `others` with Pillow, OpenCV, tifffile and SimpleITK, and
others.json: what these read from them.

    python3 io/tests/pictures/make.py

Values are [channel, z, y, x]; spacing is null where the file says nothing.
"""

import json
from pathlib import Path

import cv2
import numpy
import SimpleITK
import tifffile
from PIL import Image, PngImagePlugin

FOLDER = Path(__file__).parent / "others"
TYPES = {"uint8": "u8", "int8": "i16", "uint16": "u16", "int16": "i16", "uint32": "i32", "int32": "i32",
         "float16": "f32", "float32": "f32", "float64": "f64"}
random = numpy.random.default_rng(11)
rows = []


def numbers(dtype, shape):
    dtype = numpy.dtype(dtype)
    if dtype.kind in "iu":
        info = numpy.iinfo(dtype)
        return random.integers(max(info.min, -(2**31)), min(info.max, 2**31 - 1), shape).astype(dtype)
    return random.normal(0, 100, shape).astype(dtype)


def row(name, array, spacing=None, exact=True, colours=False):
    """`array` is [y, x], [z, y, x], or with colours last."""
    values = numpy.moveaxis(array, -1, 0) if colours else array[None]
    if values.ndim == 3:
        values = values[:, None]
    rows.append({
        "path": name, "channels": values.shape[0], "size": list(values.shape[:0:-1]),
        "type": TYPES[array.dtype.name], "spacing": spacing, "exact": exact,
        "values": values.astype("f8").ravel().tolist(),
    })


def pillow(name, array, mode=None, expected=None, spacing=None, colours=False, **options):
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    image.save(FOLDER / name, **options)
    row(name, array if expected is None else expected, spacing, colours=colours)


def opencv(name, array, colours=False, **row_options):
    stored = array
    if colours:
        stored = cv2.cvtColor(array, cv2.COLOR_RGB2BGR if array.shape[-1] == 3 else cv2.COLOR_RGBA2BGRA)
    cv2.imwrite(str(FOLDER / name), stored)
    read = cv2.imread(str(FOLDER / name), cv2.IMREAD_UNCHANGED)
    assert (read == stored).all() or not row_options.get("exact", True)
    if colours:
        read = cv2.cvtColor(read, cv2.COLOR_BGR2RGB if array.shape[-1] == 3 else cv2.COLOR_BGRA2RGBA)
    row(name, read, colours=colours, **row_options)


def tiff(name, array, spacing=None, colours=False, expected=None, **options):
    tifffile.imwrite(FOLDER / name, array, **options)
    row(name, array if expected is None else expected, spacing, colours=colours)


def png():
    grey = numbers("u1", (5, 7))
    pillow("grey8.png", grey, dpi=(254, 127), spacing=[0.1, 0.2, 1])
    opencv("grey16.png", numbers("u2", (5, 7)))
    opencv("rgb8.png", numbers("u1", (5, 7, 3)), colours=True)
    opencv("rgba8.png", numbers("u1", (5, 7, 4)), colours=True)
    opencv("rgb16.png", numbers("u2", (5, 7, 3)), colours=True)
    pillow("grey_alpha.png", numbers("u1", (5, 7, 2)), colours=True)
    bits = random.integers(0, 2, (5, 11)).astype("u1")
    pillow("grey1.png", bits * 255, "1", expected=bits)
    for depth in (1, 2, 4, 8):
        numbers_ = random.integers(0, 2**depth, (5, 11)).astype("u1")
        palette = numbers("u1", (2**depth, 3))
        image = Image.fromarray(numbers_, "P")
        image.putpalette(palette.ravel().tolist())
        image.save(FOLDER / f"palette{depth}.png", bits=depth)
        row(f"palette{depth}.png", palette[numbers_], colours=True)
    image.save(FOLDER / "palette_alpha.png", transparency=bytes(range(256)))
    alpha = numbers_[..., None]
    row("palette_alpha.png", numpy.concatenate([palette[numbers_], alpha], -1), colours=True)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Jane Doe, born 1970")
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow("turned.png", grey, pnginfo=info, exif=exif)
    image = SimpleITK.GetImageFromArray(numbers("u2", (4, 6)))
    SimpleITK.WriteImage(image, str(FOLDER / "itk.png"))  # which writes no spacing
    row("itk.png", SimpleITK.GetArrayFromImage(image))


def tif():
    for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"):
        tiff(f"{numpy.dtype(dtype).name}.tif", numbers(dtype, (5, 7)), metadata=None)
    big = numbers("u2", (5, 7))
    tiff("big_endian.tif", big, byteorder=">", metadata=None, resolution=(100, 50),
         resolutionunit="CENTIMETER", spacing=[0.1, 0.2, 1])
    tiff("bigtiff.tif", big, bigtiff=True, metadata=None)
    tiff("pages.tif", numbers("i2", (4, 5, 7)), photometric="minisblack", metadata=None)
    tiff("tiled.tif", numbers("u2", (40, 50)), tile=(16, 16), compression="zlib", metadata=None)
    tiff("lzw.tif", numbers("u2", (9, 17)), compression="lzw", predictor=2, metadata=None)
    tiff("deflate_float.tif", numbers("f4", (9, 17)), compression="zlib", predictor=3, metadata=None)
    tiff("packbits.tif", numbers("u1", (9, 17)), compression="packbits", metadata=None)
    tiff("rgb.tif", numbers("u1", (5, 7, 3)), photometric="rgb", colours=True, metadata=None)
    colours = numbers("u1", (5, 7, 3))
    tiff("planes.tif", numpy.moveaxis(colours, -1, 0), photometric="rgb", planarconfig="separate",
         expected=colours, colours=True, metadata=None)
    white = numbers("u1", (5, 7))
    tiff("white_is_zero.tif", white, photometric="miniswhite", expected=255 - white, metadata=None)
    tifffile.imwrite(FOLDER / "palette.tif", white, photometric="palette", colormap=numbers("u2", (3, 256)))
    stack = numbers("u2", (3, 5, 7))
    tiff("imagej.tif", stack, imagej=True, resolution=(4, 2),
         metadata={"spacing": 2.5, "unit": "mm", "axes": "ZYX"}, spacing=[0.25, 0.5, 2.5])
    tiff("ome.ome.tif", stack, metadata={
        "axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 500,
        "PhysicalSizeZ": 2.5, "PhysicalSizeZUnit": "mm"}, spacing=[0.25, 0.5, 2.5])
    image = SimpleITK.GetImageFromArray(numbers("f4", (3, 4, 6)))
    image.SetSpacing([0.5, 0.25, 3])
    SimpleITK.WriteImage(image, str(FOLDER / "itk.tif"))
    row("itk.tif", SimpleITK.GetArrayFromImage(image), [0.5, 0.25, 1])
    bits = random.integers(0, 2, (5, 11)).astype("u1")
    pillow("bits.tif", bits * 255, "1", expected=bits, compression="raw")
    with tifffile.TiffWriter(FOLDER / "unequal.tif") as file:
        file.write(big, metadata=None)
        file.write(big[:4], metadata=None)
    tifffile.imwrite(FOLDER / "channels.tif", numbers("u2", (2, 5, 7)), imagej=True, metadata={"axes": "CYX"})


def jpeg():
    y, x = numpy.mgrid[:24, :32]
    smooth = (4 * x + 3 * y).astype("u1")
    opencv("grey.jpg", smooth, exact=False)
    opencv("rgb.jpg", numpy.stack([smooth, 255 - smooth, smooth // 2], -1), colours=True, exact=False)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(smooth).save(FOLDER / "turned.jpg", exif=exif, dpi=(72, 72), progressive=True)
    row("turned.jpg", numpy.array(Image.open(FOLDER / "turned.jpg")), exact=False)


FOLDER.mkdir(exist_ok=True)
png()
tif()
jpeg()
text = ",\n".join(json.dumps(row) for row in rows)
(FOLDER.parent / "others.json").write_text("[\n" + text + "\n]\n")
print(len(rows))
