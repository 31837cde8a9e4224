"""Makes the small files of the folder `others` with numpy and safetensors, and others.json: what
numpy reads from them.

    python3 io/tests/arrays/make.py

`type` is what voxprep makes of the stored type: DESIGN, section 3. Values are [channel, z, y, x].
"""

import json
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).parent / "others"
KEPT = {
    "bool": "u8", "uint8": "u8", "int8": "i16", "int16": "i16", "uint16": "u16", "int32": "i32",
    "uint32": "i32", "int64": "i32", "uint64": "i32", "float16": "f32", "float32": "f32",
    "float64": "f64", "complex64": "f32", "complex128": "f64", "bfloat16": "f32",
}
random = numpy.random.default_rng(5)
rows = []


def numbers(dtype, shape):
    dtype = numpy.dtype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        info = numpy.iinfo(dtype)
        return random.integers(max(info.min, -(2**31)), min(info.max, 2**31 - 1), shape).astype(dtype)
    values = random.normal(0, 100, shape)
    if dtype.kind == "c":
        values = values + 1j * random.normal(0, 100, shape)
    return values.astype(dtype)


def channels(array):
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if array.dtype.kind != "c":
        return array
    parts = numpy.stack([array.real, array.imag], axis=1)
    return parts.reshape((-1,) + parts.shape[2:])


def row(name, array, type_=None, affine=None):
    values = channels(array)
    rows.append({
        "path": name,
        "channels": values.shape[0],
        "size": list(values.shape[:0:-1]),
        "type": type_ or KEPT[array.dtype.name],
        "affine": affine,
        "values": values.astype("f8").ravel().tolist(),
    })


def npy(name, dtype, shape=(2, 3, 4), order="C", version=None, type_=None, array=None):
    array = numbers(dtype, shape) if array is None else array
    array = numpy.asarray(array, order=order)
    with open(FOLDER / name, "wb") as file:
        numpy.lib.format.write_array(file, array, version=version)
    row(name, array, type_)


def main():
    FOLDER.mkdir(exist_ok=True)
    for dtype in ("bool", "u1", "i1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"):
        npy(f"{numpy.dtype(dtype).name}.npy", dtype)
    for dtype in (">i2", ">u4", ">f2", ">f4", ">f8", ">c8"):
        npy(f"{numpy.dtype(dtype).name}_big.npy", dtype)
    npy("plane.npy", "<i2", (5, 3))
    npy("channels.npy", "<u2", (3, 2, 3, 4))
    npy("one_channel.npy", "<u2", (1, 2, 3, 4))
    npy("complex.npy", "<c16", (2, 3, 4))
    npy("complex_channels.npy", "<c8", (2, 2, 3, 4))
    npy("fortran.npy", "<f4", (2, 3, 4), "F")
    npy("fortran_big.npy", ">i2", (17, 3, 5), "F")
    npy("fortran_channels.npy", "<i2", (3, 19, 3, 4), "F")
    npy("fortran_complex.npy", "<c8", (2, 2, 3, 4), "F")
    npy("fortran_plane.npy", "<u1", (5, 3), "F")
    npy("version_2.npy", "<i2", version=(2, 0))
    npy("version_3.npy", "<i2", version=(3, 0))
    large = numpy.array([[[0, 2**40, 2**52]]], "u8")
    npy("uint64_large.npy", "u8", array=large, type_="f64")
    npy("int64_large.npy", "i8", array=-large.astype("i8"), type_="f64")

    image = numbers("<i2", (2, 3, 4))
    affine = numpy.array([[0.5, 0.1, 0, -10], [0, -0.75, 0.2, 20], [0, 0, 2.5, 30.125], [0, 0, 0, 1]])
    numpy.savez(FOLDER / "plain.npz", image=image)
    row("plain.npz", image)
    numpy.savez_compressed(FOLDER / "only.npz", scan=image)
    row("only.npz", image)
    numpy.savez_compressed(
        FOLDER / "placed.npz", image=image, affine=numpy.asfortranarray(affine), frame="LPS", label=image
    )
    row("placed.npz", image, affine=affine[:3].tolist())
    numpy.savez(
        FOLDER / "parts.npz",
        image=image.astype(">f4"),
        spacing=numpy.array([1, 2, 3]),
        origin=numpy.array([4.0, 5, 6], "f4"),
        direction=numpy.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
        frame=numpy.array("LPS"),
    )
    row("parts.npz", image.astype("f4"), affine=[[0, -2, 0, 4], [1, 0, 0, 5], [0, 0, 3, 6]])
    numpy.savez(FOLDER / "two.npz", first=image, second=image + 1)
    numpy.savez(FOLDER / "objects.npz", image=numpy.array([None, "x"], object))

    tensors = {
        "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16,
        "int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool,
    }
    for name, dtype in tensors.items():
        tensor = torch.from_numpy(random.integers(0, 100, (2, 2, 3, 4)) / 8).to(dtype)
        path = f"{name}.safetensors"
        save_file({"weights": tensor.contiguous()}, FOLDER / path)
        row(path, tensor.to(torch.float64).numpy(), KEPT[name])
    texts = {"affine": json.dumps(affine.ravel().tolist()), "frame": "LPS", "unit": "hu", "modality": "CT"}
    tensor = torch.from_numpy(image[None])
    save_file({"image": tensor, "other": tensor + 1}, FOLDER / "placed.safetensors", texts)
    row("placed.safetensors", image, affine=affine[:3].tolist())
    save_file({"a": tensor, "b": tensor + 1}, FOLDER / "two.safetensors")
    text = ",\n".join(json.dumps(row) for row in rows)
    (FOLDER.parent / "others.json").write_text("[\n" + text + "\n]\n")


main()
