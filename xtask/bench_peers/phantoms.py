"""Seeded inputs for the benchmarks, written once to a folder. Arrays are [z, y, x].

    phantoms.py DIR VOXPREP [--quick]
"""
import gzip
import os
import subprocess
import sys

SPACING_MM = (0.7, 0.7, 1.5)  # of the CT; x, y, z


def sizes(quick):
    """Shapes of the CT, the MRI and the training sample."""
    if quick:
        return (60, 130, 130), (48, 64, 64), (48, 48, 48)
    return (300, 512, 512), (180, 256, 256), (128, 128, 128)


def axes(shape):
    import numpy as np
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    return z[:, None, None], y[None, :, None], x[None, None, :]


def ellipsoid(shape, centre, radii):
    return sum(((a - c) / r) ** 2 for a, c, r in zip(axes(shape), centre, radii)) < 1


def ct(shape):
    """A chest in HU, int16: fat, muscle, lungs with vessels, heart, spine, ribs; noise of 20 HU."""
    import numpy as np
    from scipy import ndimage
    rng = np.random.default_rng(1)
    z, y, x = axes(shape)
    hu = np.full(shape, -1000, np.float32)
    hu[ellipsoid(shape, (0, 0, 0), (9, 0.6, 0.85))] = -90
    hu[ellipsoid(shape, (0, 0, 0), (9, 0.55, 0.8))] = 45
    rim = (y / 0.5) ** 2 + (x / 0.74) ** 2
    hu[(np.abs(rim - 1) < 0.05) & (np.sin(14 * z + 1.3 * np.abs(np.arctan2(y, x))) > 0.4)] = 600
    coarse = rng.standard_normal([n // 2 + 1 for n in shape], dtype=np.float32)
    texture = ndimage.gaussian_filter(coarse, 2)
    texture /= texture.std()
    vessels = texture.repeat(2, 0)[:shape[0]].repeat(2, 1)[:, :shape[1]].repeat(2, 2)[:, :, :shape[2]] > 2.2
    for side in (-0.38, 0.38):
        lung = ellipsoid(shape, (0, 0, side), (0.85, 0.38, 0.28))
        hu[lung] = -860
        hu[lung & vessels] = 30
    hu[ellipsoid(shape, (0.2, -0.1, 0.08), (0.45, 0.22, 0.24))] = 50
    hu[ellipsoid(shape, (0, 0.36, 0), (9, 0.09, 0.09))] = 420
    hu += 20 * rng.standard_normal(shape, dtype=np.float32)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def mri(shape):
    """A head with folds, a bias field and Rician noise, float32, and its tissues as labels 0 to 3."""
    import numpy as np
    from scipy import ndimage
    rng = np.random.default_rng(2)
    z, y, x = axes(shape)
    radius = np.sqrt((z / 0.8) ** 2 + (y / 0.85) ** 2 + (x / 0.7) ** 2)
    folds = 0.05 * (np.sin(22 * x + 3 * y) * np.sin(19 * y - 2 * z) + np.sin(21 * z + 4 * x))
    tissue = (radius < 1).astype(np.uint8) + (radius + folds < 0.93) + (radius + folds < 0.78)
    for side in (-0.13, 0.13):
        tissue[ellipsoid(shape, (0.1, 0, side), (0.22, 0.34, 0.07))] = 1
    clean = ndimage.gaussian_filter(np.array([0, 250, 600, 900], np.float32)[tissue], 0.6)
    clean *= np.exp(0.2 * x - 0.15 * y + 0.1 * z + 0.2 * x * x - 0.2 * x * y)
    noise = rng.normal(0, 12, (2, *shape)).astype(np.float32)
    return np.hypot(clean + noise[0], noise[1]).astype(np.float32), tissue.astype(np.uint8)


def radiograph(shape):
    """A chest of 12 bits, uint16, [1, y, x]: soft tissue, lungs, heart, spine, ribs; noise of 25."""
    import numpy as np
    rng = np.random.default_rng(3)
    y, x = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None], np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
    thick = 1.6 * (1 - (x / 0.98) ** 4).clip(0) * (1 - (y / 1.3) ** 6).clip(0)
    for side in (-0.42, 0.42):
        thick = thick - np.sqrt((1 - ((x - side) / 0.33) ** 2 - ((y + 0.05) / 0.62) ** 2).clip(0))
    thick += 0.7 * np.sqrt((1 - ((x - 0.12) / 0.28) ** 2 - ((y - 0.2) / 0.35) ** 2).clip(0))
    thick += 0.35 * np.exp(-(x / 0.07) ** 2) + 0.18 * (np.sin(26 * y + 6 * np.abs(x)) > 0.55) * (np.abs(x) < 0.85)
    image = np.exp(-1.3 * thick)
    image = image / image.max() * 3600 + 25 * rng.standard_normal(shape, dtype=np.float32) + 200
    return image.clip(0, 4095).astype(np.uint16)[None]


def dicom_series(scan, folder, compressor):
    """A series of CT, a file for each slice, names not in their order, as GDCM writes and compresses it."""
    import SimpleITK as sitk
    os.makedirs(folder, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    if compressor:
        writer.SetUseCompression(True)
        writer.SetCompressor(compressor)
    for k, values in enumerate(scan):
        image = sitk.GetImageFromArray(values[None])
        image.SetSpacing(SPACING_MM)
        z = SPACING_MM[2] * k
        for tag, value in (("0008|0016", "1.2.840.10008.5.1.4.1.1.2"), ("0008|0060", "CT"), ("0020|000e", "2.25.7"),
                           ("0008|0018", f"2.25.8.{k + 1}"), ("0020|0013", str(k + 1)), ("0020|0032", f"0\\0\\{z}"),
                           ("0020|0037", "1\\0\\0\\0\\1\\0"), ("0028|1052", "0"), ("0028|1053", "1")):
            image.SetMetaData(tag, value)
        writer.SetFileName(os.path.join(folder, f"{k * 7919 % 100003:06d}.dcm"))
        writer.Execute(image)


def prepare(folder, voxprep, quick):
    """Writes the inputs."""
    import nibabel
    import numpy as np
    path = lambda name: os.path.join(folder, name)
    ct_shape, mri_shape, cube_shape = sizes(quick)
    scan = ct(ct_shape)
    np.save(path("ct.npy"), scan)
    np.save(path("ct-f32.npy"), scan.astype(np.float32))
    image = nibabel.Nifti1Image(scan.transpose(2, 1, 0), np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1]))
    for compressor in ("", "JPEG", "JPEG2000"):
        dicom_series(scan, path("dicom" + ("-" + compressor.lower() if compressor else "")), compressor)
    nibabel.save(image, path("scan.nii"))
    # other stems: asked for x.nii.gz, ITK reads an x.nii beside it
    with open(path("scan.nii"), "rb") as plain, gzip.open(path("zlib6.nii.gz"), "wb", 6) as packed:
        packed.write(plain.read())
    with open(path("nothing.toml"), "w") as file:
        file.write("version = 1\n")
    subprocess.run([voxprep, "run", path("nothing.toml"), path("scan.nii"), "-o", path("voxprep.nii.gz")],
                   check=True, stdout=subprocess.DEVNULL)
    head, tissue = mri(mri_shape)
    np.save(path("mri.npy"), head)
    middle = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(mri_shape, cube_shape))
    cube = head[middle]
    np.save(path("cube.npy"), np.ascontiguousarray((cube - cube.mean()) / cube.std()))
    np.save(path("tissue.npy"), np.ascontiguousarray(tissue[middle]))
    page = radiograph((500, 410) if quick else (2500, 2048))
    np.save(path("radiograph-u16.npy"), page)
    np.save(path("radiograph-u8.npy"), (page >> 4).astype(np.uint8))
    open(path("ready"), "w").close()


if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], "--quick" in sys.argv)
