#!/usr/bin/env python3
"""Times `voxprep run` beside scripts that do the same with its peers: file in, file out.

    run.py --voxprep PATH [--work DIR] [--runs N] [--threads N]

The same scan, the same steps, the same number of threads; runs alternate, medians are compared, and
each result is checked against SciPy's in double precision before any time is printed. Whole
processes are timed: start, imports, reading, computing, writing. Needs numpy, nibabel, scipy and
SimpleITK.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))

PIPELINE = """version = 1
[[step]]
use = "ct.clip"
low = -1000
high = 1000
[[step]]
use = "spatial.spacing"
spacing_mm = [1.0, 1.0, 1.0]
[[step]]
use = "ct.window"
preset = "lung"
"""


def phantom(path):
    """A 512 x 512 x 300 scan of 0.7 x 0.7 x 1.5 mm with noise, as int16, not compressed."""
    import nibabel
    import numpy
    rng = numpy.random.default_rng(1)
    z, y, x = (numpy.linspace(-1, 1, n, dtype=numpy.float32) for n in (300, 512, 512))
    r2 = (z * z)[:, None, None] * 0.3 + (y * y)[None, :, None] + (x * x)[None, None, :]
    hu = numpy.where(r2 < 0.2, -800, numpy.where(r2 < 0.6, 40, -1000)).astype(numpy.float32)
    hu += rng.normal(0, 25, hu.shape).astype(numpy.float32)
    affine = numpy.diag([-0.7, -0.7, 1.5, 1.0])
    voxels = hu.round().astype(numpy.int16).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)


def simpleitk(source, target):
    import SimpleITK as sitk
    image = sitk.Cast(sitk.ReadImage(source), sitk.sitkFloat32)
    image = sitk.Clamp(image, lowerBound=-1000, upperBound=1000)
    spacing = image.GetSpacing()
    size = [round(n * s) for n, s in zip(image.GetSize(), spacing)]
    origin = image.TransformContinuousIndexToPhysicalPoint([0.5 * (1 / s - 1) for s in spacing])
    image = sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear, origin, [1.0] * 3,
                          image.GetDirection(), -1000.0)
    image = sitk.Clamp((image + 1350) / 1500, lowerBound=0.0, upperBound=1.0)
    sitk.WriteImage(image, target)


def scipy(source, target, kind="float32"):
    import nibabel
    import numpy
    from scipy import ndimage
    image = nibabel.load(source)
    voxels = numpy.clip(numpy.asanyarray(image.dataobj), -1000, 1000).astype(kind)
    spacing = numpy.linalg.norm(image.affine[:3, :3], axis=0)
    size = [round(n * s) for n, s in zip(voxels.shape, spacing)]
    ratio = 1 / spacing
    offset = 0.5 * (ratio - 1)
    voxels = ndimage.affine_transform(voxels, ratio, offset, size, order=1, mode="nearest")
    voxels = numpy.clip((voxels + 1350) / 1500, 0, 1).astype(numpy.float32)
    step = numpy.diag([*ratio, 1.0])
    step[:3, 3] = offset
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine @ step), target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxprep", required=True)
    parser.add_argument("--work", default=os.path.join(HERE, "..", "..", "target", "bench-peers"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--peer", help=argparse.SUPPRESS, nargs=3)
    args = parser.parse_args()
    if args.peer:
        name, source, target = args.peer
        return {"SimpleITK": simpleitk, "SciPy": scipy}[name](source, target)

    import nibabel
    import numpy
    os.makedirs(args.work, exist_ok=True)
    path = lambda name: os.path.join(args.work, name)
    source, pipeline = path("scan.nii"), path("pipeline.toml")
    if not os.path.exists(source):
        phantom(source)
    with open(pipeline, "w") as file:
        file.write(PIPELINE)
    ours = [args.voxprep, "run", pipeline, source, "--modality", "CT",
            "--threads", str(args.threads), "-o", path("voxprep.nii")]
    peer = lambda name: [sys.executable, __file__, "--voxprep", "", "--peer", name, source, path(f"{name}.nii")]
    jobs = {"voxprep": ours, "SimpleITK": peer("SimpleITK"), "SciPy": peer("SciPy")}
    threads = {v: str(args.threads) for v in (
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    times = {name: [] for name in jobs}
    for run in range(args.runs + 1):
        for name, command in jobs.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, env={**os.environ, **threads}, stdout=subprocess.DEVNULL)
            if run:  # the first run warms the page cache
                times[name].append(time.perf_counter() - start)

    scipy(source, path("reference.nii"), "float64")
    reference = nibabel.load(path("reference.nii")).get_fdata(dtype=numpy.float32)
    base = statistics.median(times["voxprep"])
    print(f"clip + spacing 1 mm + window, {os.path.getsize(source) >> 20} MiB in, "
          f"{os.path.getsize(path('voxprep.nii')) >> 20} MiB out, {args.threads} threads, "
          f"median of {args.runs}\n")
    print("| program | seconds | times voxprep | largest difference from SciPy in double precision |")
    print("|---|---|---|---|")
    agree = True
    for name in jobs:
        result = nibabel.load(path(f"{name}.nii")).get_fdata(dtype=numpy.float32)
        difference = float(numpy.abs(result - reference).max())
        agree &= difference < 1e-5
        median = statistics.median(times[name])
        print(f"| {name} | {median:.2f} | {median / base:.1f} | {difference:.1e} |")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
