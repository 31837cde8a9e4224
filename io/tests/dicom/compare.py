"""Reads every DICOM series of a folder of data with voxprep, SimpleITK (GDCM) and dcm2niix, and prints a table of
where they agree: docs/dicom.md has it.

    python compare.py VOXPREP DATA      (needs SimpleITK, nibabel, numpy, and dcm2niix on the path)
"""
import glob
import os
import subprocess
import sys
import tempfile

import nibabel as nib
import numpy as np
import SimpleITK as sitk

VOXPREP, DATA = sys.argv[1:3]
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def canonical(image):
    """Voxels (x, y, z, others) and affine, axes to RAS."""
    image = nib.as_closest_canonical(image)
    array = np.asanyarray(image.dataobj)
    if array.dtype.names:
        array = np.stack([array[n] for n in array.dtype.names][:3], -1)
    array = array.astype(np.float64)
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 5:
        array = array[:, :, :, 0] if array.shape[3] == 1 else array.reshape(array.shape[:3] + (-1,))
    if array.ndim == 2:
        array = array[:, :, None]
    return array, image.affine


def ours(path, folder, *options):
    out = os.path.join(folder, "ours.nii")
    done = subprocess.run([VOXPREP, "convert", path, out, *options], capture_output=True, text=True)
    if done.returncode:
        return next(line for line in done.stderr.splitlines() if line.startswith("error: "))[7:].split("; ")[0]
    return canonical(nib.load(out))


def gdcm(path):
    try:
        if os.path.isdir(path):
            ids = sitk.ImageSeriesReader.GetGDCMSeriesIDs(path)
            if len(ids) != 1:
                return f"{len(ids)} series, to be chosen by UID"
            names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(path, ids[0])
            image = sitk.ReadImage(names if len(names) > 1 else names[0])
        else:
            image = sitk.ReadImage(path)
    except RuntimeError as error:
        return "refused: " + str(error).strip().splitlines()[-1].split("ITK ERROR: ")[-1][-60:]
    array = sitk.GetArrayFromImage(image).astype(np.float64)
    if image.GetDimension() == 2:
        array = array[None]
    spacing, direction, origin = image.GetSpacing(), image.GetDirection(), image.GetOrigin()
    n = image.GetDimension()
    affine = np.eye(4)
    matrix = np.array(direction).reshape(n, n) * np.array(spacing)
    affine[:min(n, 3), :min(n, 3)] = matrix[:3, :3]
    affine[:min(n, 3), 3] = origin[:3]
    if image.GetNumberOfComponentsPerPixel() == 1:
        array = array.transpose(2, 1, 0) if array.ndim == 3 else array.transpose(3, 2, 1, 0)
    else:
        array = array.transpose(2, 1, 0, 3)
    return canonical(nib.Nifti1Image(array, np.diag([-1, -1, 1, 1]) @ affine))


def dcm2niix(path, folder):
    """All volumes that it makes."""
    out = os.path.join(folder, "niix")
    os.makedirs(out, exist_ok=True)
    arguments = ["dcm2niix", "-b", "n", "-z", "n", "-m", "n", "-f", "%s_%e", "-o", out]
    if not os.path.isdir(path):
        arguments += ["-s", "y"]
    subprocess.run(arguments + [path], capture_output=True)
    made = sorted(glob.glob(os.path.join(out, "*.nii")))
    return [(os.path.basename(name), canonical(nib.load(name))) for name in made] or "nothing is written"


def against(mine, theirs):
    """One cell."""
    if isinstance(theirs, str):
        return theirs
    if isinstance(mine, str):
        return f"reads {'x'.join(map(str, theirs[0].shape))}"
    (a, A), (b, B) = mine, theirs
    if a.shape != b.shape:
        return f"{'x'.join(map(str, b.shape))} voxels"
    place = np.abs(A - B).max()
    value = np.nanmax(np.abs(a - b))
    words = []
    words.append("place" if place <= 1e-3 else f"place {place:.3g} mm off")
    top = max(np.nanmax(np.abs(a)), 1)
    words.append("values" if value <= 1e-6 * top else f"values differ by {value:.4g}")
    if words == ["place", "values"]:
        return "agrees"
    return ", ".join(words)


def cases():
    d = os.path.join(DATA, "dicom")
    for name in sorted(os.listdir(d)):
        folder = os.path.join(d, name)
        if name in ("transfer_syntaxes_ct", "transfer_syntaxes_mr", "pydicom_small", "highdicom_small"):
            for file in sorted(glob.glob(folder + "/*.dcm")):
                yield f"{name}/{os.path.basename(file)}", file, []
        elif name == "bad_slice_orientation":
            for series in ("202", "501"):
                yield f"{name} {series}", folder, ["--series", series]
        elif name == "enhanced_philips_fieldmap":
            for series in ("801.1", "801.2"):
                yield f"{name} {series}", folder, ["--series", series]
        elif name == "ct_with_seg":
            yield name, folder, ["--series", "2"]
            yield name + "/liver.dcm", os.path.join(folder, "liver.dcm"), []
        else:
            yield name, folder, []
    yield "ct/lidc0314/dicom_slab", os.path.join(DATA, "ct/lidc0314/dicom_slab"), []
    for file in sorted(glob.glob(os.path.join(DATA, "ct/lungmask_slices/*.dcm")) + glob.glob(os.path.join(DATA, "xray/*.dcm"))):
        yield os.path.relpath(file, DATA), file, []


for label, path, options in cases():
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(path, folder, *options)
        shape = mine if isinstance(mine, str) else "x".join(map(str, mine[0].shape))
        one = against(mine, gdcm(path))
        made = dcm2niix(path, folder)
        if isinstance(made, str):
            two = made
        else:
            cells = [against(mine, volume) for _, volume in made]
            two = "agrees" if "agrees" in cells else "; ".join(f"{c}" for c in dict.fromkeys(cells))
        print(f"| {label.replace('CTImage.dcm_', '')} | {shape} | {one} | {two} |", flush=True)
