"""Reads a series, or a segmentation object, with other programs, and compares it with the voxels and
the affine (LPS, row by row) that it was made of. Usage: peers.py image|seg PATH RAW TYPE SIZE AFFINE."""

import sys

import numpy as np

kind, path, raw, dtype, size, affine = sys.argv[1:]
x, y, z = map(int, size.split(","))
expected = np.fromfile(raw, dtype=dtype).reshape(z, y, x)
affine = np.array(list(map(float, affine.split(",")))).reshape(3, 4)


def check(name, voxels, matrix):
    """Every voxel of the file is at its place in the world, with its value."""
    index = np.indices((z, y, x))[::-1].reshape(3, -1)
    world = affine[:, :3] @ index + affine[:, 3:]
    found = np.linalg.inv(matrix[:, :3]) @ (world - matrix[:, 3:])
    near = np.rint(found).astype(int)
    assert abs(found - near).max() < 1e-3, (name, "place", abs(found - near).max())
    values = voxels[near[2], near[1], near[0]]
    assert (values == expected.reshape(-1)).all(), (name, "values")


def with_pydicom():
    import glob

    import pydicom

    files = [pydicom.dcmread(f) for f in sorted(glob.glob(path + "/*.dcm"))]
    axes = np.array(files[0].ImageOrientationPatient, float)
    normal = np.cross(axes[:3], axes[3:])
    files.sort(key=lambda f: normal @ np.array(f.ImagePositionPatient, float))
    first = np.array(files[0].ImagePositionPatient, float)
    step = normal * float(files[0].SpacingBetweenSlices)
    if len(files) > 1:
        step = (np.array(files[-1].ImagePositionPatient, float) - first) / (len(files) - 1)
    dy, dx = map(float, files[0].PixelSpacing)
    matrix = np.stack([axes[:3] * dx, axes[3:] * dy, step, first], axis=1)
    voxels = np.stack([f.pixel_array for f in files])
    if "RescaleSlope" in files[0]:
        voxels = voxels * float(files[0].RescaleSlope) + float(files[0].RescaleIntercept)
    check("pydicom", voxels, matrix)


def with_simpleitk():
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(path)
    reader.SetFileNames(names)
    image = reader.Execute()
    direction = np.array(image.GetDirection()).reshape(3, 3)
    matrix = np.column_stack([direction * np.array(image.GetSpacing()), image.GetOrigin()])
    check("SimpleITK", sitk.GetArrayFromImage(image), matrix)


def with_highdicom():
    import highdicom
    import pydicom

    seg = highdicom.seg.segread(path + "/IM0001.dcm")
    volume = seg.get_volume(combine_segments=True)
    # highdicom's arrays are [slice, row, column], and so is its matrix.
    matrix = np.array(volume.affine)[:3]
    matrix = np.stack([matrix[:, 2], matrix[:, 1], matrix[:, 0], matrix[:, 3]], axis=1)
    voxels = np.asarray(volume.array)
    whole = pydicom.dcmread(path + "/IM0001.dcm")
    assert whole.pixel_array.shape[0] == whole.NumberOfFrames
    check("highdicom", voxels, matrix)


if kind == "seg":
    with_highdicom()
else:
    with_pydicom()
    # SimpleITK has no sheared grids.
    if kind == "image":
        with_simpleitk()
