"""The cases: what is done to which input, voxprep's pipeline for it, the right answer in double
precision, and how many times faster than its peers voxprep is meant to be.

`peers.py` has the peers' side of each case under the same name.
"""
import dataclasses
import math
import struct

from phantoms import SPACING_MM


@dataclasses.dataclass
class Case:
    name: str
    title: str
    image: str                       # a file of the work folder
    pipeline: str = ""               # TOML without `version = 1`
    label: str = ""
    spacing_mm: tuple = (1.0, 1.0, 1.0)
    modality: str = ""
    kind: str = "run"                # run: arrays in memory; read: a file into memory; files: file to file
    reference: object = None         # image -> the right answer, [z, y, x] in float64
    answer: str = ""                 # the name under which it is kept; default: the case's
    masks: object = None             # shape -> (voxels that count, voxels far from every edge)
    tolerance: float = 1e-6          # of the reference's range; integers may be half a step further
    naive: float = 0                 # instead: tolerance against voxprep's own interpreter of the definition
    goals: tuple = ()
    note: str = ""


@dataclasses.dataclass
class Goal:
    """`peer` takes at least `times` as long as voxprep; "fastest" is the fastest peer, "case:NAME" our own time there."""
    peer: str
    times: float
    measure: str = "warm"            # warm, cold, cpu; memory: our peak over the output as float32, at most


WINDOW = """
[[step]]
use = "ct.window"
level = -300
width = 1400
"""
CLIP_WINDOW = """
[[step]]
use = "ct.clip"
low = -1000
high = 400
""" + WINDOW
SIX = """
[[step]]
use = "ct.clip"
low = -1000
high = 1000
[[step]]
use = "ct.window"
level = -600
width = 1500
[[step]]
use = "intensity.rescale"
from_low = 0
from_high = 1
low = -1
high = 1
[[step]]
use = "intensity.clip"
low = -0.9
high = 0.9
[[step]]
use = "intensity.rescale"
from_low = -0.9
from_high = 0.9
low = 0
high = 1
[[step]]
use = "intensity.clip"
low = 0.05
high = 0.95
"""
EIGHT = SIX + """
[[step]]
use = "augment.gamma"
gamma = 0.8
rescale = false
[[step]]
use = "augment.noise"
std = 0.05
"""
SPACING = """
[[step]]
use = "spatial.spacing"
spacing_mm = [1.0, 1.0, 1.0]
"""
AFFINE = """
[[step]]
use = "spatial.affine"
angles_deg = [10, -5, 15]
scale = 1.1
"""
ELASTIC = """
[[step]]
use = "augment.elastic"
"""
AUGMENT = """
[[step]]
use = "augment.affine"
scale = { uniform = [0.9, 1.1] }
angles_deg = { uniform = [-10, 10] }
[[step]]
use = "augment.elastic"
[[step]]
use = "augment.flip"
axes = ["x", "y", "z"]
[[step]]
use = "augment.noise"
std = 0.05
[[step]]
use = "augment.gamma"
gamma = { uniform = [0.7, 1.4] }
"""
FILES = """
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
WHITE_STRIPE = """
[[step]]
use = "mri.white_stripe"
sequence = "T1"
over = { above = 50 }
"""
CLAHE = """
[[step]]
use = "xray.clahe"
clip_limit = 2.0
tiles = [8, 8]
"""
MARGIN = 16                          # voxels within which programs that end a spline otherwise still differ
# No peer smooths before it samples coarsely here, and neither does the interpreter.
UNSMOOTHED = '[sampling]\nantialias = "off"\n'
CUBIC = '[sampling]\nintensity = "cubic"\n'


def window(image):
    import numpy as np
    return (np.clip(image.astype(np.float64), -1000, 400) + 1000) / 1400


def six(image):
    import numpy as np
    v = (np.clip(image.astype(np.float64), -1000, 1000) + 1350) / 1500
    v = np.clip(np.clip(v, 0, 1) * 2 - 1, -0.9, 0.9)
    return np.clip((v + 0.9) / 1.8, 0.05, 0.95)


def spacing_grid(shape, spacing_mm=SPACING_MM):
    """Shape of the 1 mm grid, and input index = step * output index + offset along z, y, x."""
    step = [1 / s for s in spacing_mm[::-1]]
    return [round(n / f) for n, f in zip(shape, step)], step, [0.5 * (f - 1) for f in step]


def spacing(order, before=None, after=None, spacing_mm=SPACING_MM):
    def reference(image):
        import numpy as np
        from scipy import ndimage
        shape, step, offset = spacing_grid(image.shape, spacing_mm)
        image = image.astype(np.float64)
        image = before(image) if before else image
        result = ndimage.affine_transform(image, step, offset, shape, order=order, mode="nearest")
        return after(result) if after else result
    return reference


def inner(shape):
    import numpy as np
    far = np.zeros(shape, bool)
    far[tuple(slice(MARGIN, -MARGIN) for _ in shape)] = True
    return np.ones(shape, bool), far


def rotation_xyz():
    """The matrix of `AFFINE`, output from input, on x, y, z."""
    import numpy as np
    matrix = 1.1 * np.eye(3)
    for axis, degrees in enumerate((10, -5, 15)):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = c
        turn[i, j], turn[j, i] = -s, s
        matrix = turn @ matrix
    return matrix


def affine_zyx(shape):
    """Matrix and offset of `AFFINE` as SciPy takes them: input index from output index on z, y, x."""
    import numpy as np
    matrix = np.linalg.inv(rotation_xyz())[::-1, ::-1]
    centre = (np.array(shape) - 1) / 2
    return matrix, centre - matrix @ centre


def affine(order):
    def reference(image):
        import numpy as np
        from scipy import ndimage
        matrix, offset = affine_zyx(image.shape)
        result = ndimage.affine_transform(image.astype(np.float64), matrix, offset, order=order, mode="nearest")
        inside = np.ones(image.shape, bool)
        for place, n in zip(places(image.shape), image.shape):
            inside &= (place >= -0.5) & (place <= n - 0.5)
        return np.where(inside, result, 0.0)   # beyond the voxels' extent all is fill
    return reference


def places(shape):
    """Where `AFFINE` looks for each voxel: the input index along z, y, x."""
    import numpy as np
    matrix, offset = affine_zyx(shape)
    z, y, x = np.indices(shape, sparse=True)
    return (row[0] * z + row[1] * y + row[2] * x + shift for row, shift in zip(matrix, offset))


def affine_masks(shape):
    import numpy as np
    counts, far = np.ones(shape, bool), np.ones(shape, bool)
    for place, n in zip(places(shape), shape):
        # at the very end of the voxels' extent rounding decides what is inside
        counts &= (abs(place + 0.5) > 1e-4) & (abs(place - n + 0.5) > 1e-4)
        far &= (place >= MARGIN) & (place <= n - 1 - MARGIN)
    return counts, far


def clip(image):
    return image.clip(-1000, 1000)


def lung(image):
    return ((image + 1350) / 1500).clip(0, 1)


def white_stripe(image):
    """intensity-normalization's, over what is above 50."""
    import numpy as np
    from scipy.signal import argrelmax
    from scipy.stats import gaussian_kde
    inside = image[image > 50].astype(np.float64)
    searched = inside[inside <= np.percentile(inside, 96)]
    grid = np.linspace(searched.min(), searched.max(), 80)
    peak = grid[argrelmax(gaussian_kde(searched)(grid))[0][-1]]
    share = (inside < peak).mean()
    low, high = np.quantile(inside, [max(share - 0.05, 0), min(share + 0.05, 1)])
    stripe = inside[(inside > low) & (inside < high)]
    return (image.astype(np.float64) - stripe.mean()) / stripe.std()


def clahe(image):
    """OpenCV's, for 8 by 8 tiles and twice the mean: its sums are single, and so are these."""
    import numpy as np
    (page,) = image
    (height, width), top = page.shape, np.iinfo(page.dtype).max
    pad = lambda n: 8 - n % 8 if height % 8 or width % 8 else 0
    whole = np.pad(page, ((0, pad(height)), (0, pad(width))), mode="reflect")
    tall, wide = whole.shape[0] // 8, whole.shape[1] // 8
    limit = max(int(2.0 * tall * wide / (top + 1)), 1)
    tables = np.empty((8, 8, top + 1), np.float32)
    for row in range(8):
        for column in range(8):
            tile = whole[row * tall:(row + 1) * tall, column * wide:(column + 1) * wide]
            held = np.bincount(tile.ravel(), minlength=top + 1)
            excess = int(np.maximum(held - limit, 0).sum())
            held = np.minimum(held, limit) + excess // (top + 1)
            left = excess % (top + 1)
            if left:
                step = max((top + 1) // left, 1)
                held[np.arange(left) * step] += 1
            scaled = np.cumsum(held).astype(np.float32) * np.float32(np.float32(top) / np.float32(tall * wide))
            tables[row, column] = np.clip(np.rint(scaled), 0, top)
    def between(n, size):
        at = np.arange(n, dtype=np.float32) * np.float32(1 / np.float32(size)) - np.float32(0.5)
        first = np.floor(at).astype(int)
        return np.maximum(first, 0), np.minimum(first + 1, 7), at - first.astype(np.float32)
    result = np.empty(page.shape, page.dtype)
    x1, x2, a = between(width, wide)
    for y, (y1, y2, b) in enumerate(zip(*between(height, tall))):
        values = page[y]
        upper = tables[y1, x1, values] * (1 - a) + tables[y1, x2, values] * a
        lower = tables[y2, x1, values] * (1 - a) + tables[y2, x2, values] * a
        result[y] = np.clip(np.rint(upper * (1 - b) + lower * b), 0, top)
    return result[None]


SINGLE_MM = struct.unpack("3f", struct.pack("3f", *SPACING_MM))   # as NIfTI stores them
CT = dict(spacing_mm=SPACING_MM, modality="CT")
LINEAR_ANSWER = dict(reference=spacing(1), answer="spacing-linear", masks=inner)
CUBIC_ANSWER = dict(reference=spacing(3), answer="spacing-cubic", masks=inner)
SCAN = dict(image="ct.npy", **CT)

CASES = [
    Case("pointwise1", "One closed-form step: a window, i16 to f32", pipeline=WINDOW, reference=window, **SCAN),
    Case("pointwise6", "Six closed-form steps in one pipeline: clip, window, rescale, clip, rescale, clip",
         pipeline=SIX, reference=six, goals=(Goal("case:pointwise1", 1.3),), **SCAN),
    Case("pointwise8", "The same six, gamma and noise", pipeline=EIGHT, naive=2e-6,
         goals=(Goal("case:pointwise1", 3),), **SCAN),
    Case("window", "Clip and window to 0..1, i16 to f32", pipeline=CLIP_WINDOW, reference=window,
         goals=(Goal("NumPy", 3), Goal("NumPy", 2, "cold")), **SCAN),
    Case("spacing-linear", "0.7 x 0.7 x 1.5 mm to 1 mm, linear, i16", pipeline=SPACING,
         goals=(Goal("fastest", 3),), note="Each program's own type of result: torch and MONAI give float32, the others int16.",
         **SCAN, **LINEAR_ANSWER),
    Case("spacing-cubic", "0.7 x 0.7 x 1.5 mm to 1 mm, cubic B-spline, i16", pipeline=CUBIC + SPACING,
         goals=(Goal("SimpleITK", 15), Goal("SciPy", 25, "cpu")), **SCAN, **CUBIC_ANSWER),
    Case("spacing-linear-f32", "The same linear, float32", pipeline=SPACING, image="ct-f32.npy",
         goals=(Goal("fastest", 3),), **CT, **LINEAR_ANSWER),
    Case("spacing-cubic-f32", "The same cubic, float32", pipeline=CUBIC + SPACING, image="ct-f32.npy",
         goals=(Goal("SimpleITK", 15), Goal("SciPy", 25, "cpu")), **CT, **CUBIC_ANSWER),
    Case("affine-linear", "Rotation by 10, -5, 15 degrees and magnification 1.1, linear, float32", image="mri.npy",
         pipeline=AFFINE, modality="MRI", reference=affine(1), masks=affine_masks, goals=(Goal("fastest", 3),)),
    Case("affine-cubic", "The same, cubic B-spline", image="mri.npy", pipeline=CUBIC + AFFINE, modality="MRI",
         reference=affine(3), masks=affine_masks, goals=(Goal("fastest", 6),)),
    Case("elastic", "Elastic deformation of image and label, 128 voxels each way, linear", image="cube.npy",
         label="tissue.npy", pipeline=UNSMOOTHED + ELASTIC, naive=1e-4, goals=(Goal("batchgeneratorsv2", 6),),
         note="Every program with its own kind of field, drawn anew for each call."),
    Case("augment", "Affine, elastic, noise, gamma and flip of image and label, 128 voxels each way", image="cube.npy",
         label="tissue.npy", pipeline=UNSMOOTHED + AUGMENT, naive=1e-4, goals=(Goal("batchgeneratorsv2", 8),),
         note="All steps applied in every call, drawn anew for each."),
    Case("white-stripe", "White Stripe of a T1 with intensity-normalization's 80 steps, float32", image="mri.npy",
         pipeline=WHITE_STRIPE + 'profile = "intnorm3"\n', modality="MRI", reference=white_stripe, tolerance=1e-3,
         goals=(Goal("intensity-normalization", 30),)),
    Case("white-stripe-fine", "The same with 4096 steps", image="mri.npy", pipeline=WHITE_STRIPE, modality="MRI", naive=1e-6,
         goals=(Goal("case:white-stripe", 1.5),)),
    Case("clahe-u8", "CLAHE of a radiograph of 2500 x 2048, 8 x 8 tiles, 8 bits", image="radiograph-u8.npy", pipeline=CLAHE,
         modality="XRAY", reference=clahe, tolerance=0, goals=(Goal("OpenCV", 1),)),
    Case("clahe-u16", "The same at 16 bits", image="radiograph-u16.npy", pipeline=CLAHE, modality="XRAY", reference=clahe,
         tolerance=0, goals=(Goal("OpenCV", 1),)),
    Case("read-zlib", "Read a .nii.gz that zlib packed at level 6, i16", kind="read", image="zlib6.nii.gz",
         goals=(Goal("nibabel", 1.8), Goal("SimpleITK", 1))),
    Case("read-voxprep", "Read a .nii.gz that voxprep wrote, i16", kind="read", image="voxprep.nii.gz",
         goals=(Goal("nibabel", 4), Goal("SimpleITK", 1))),
    Case("dicom", "Read a DICOM series, one file for each slice, uncompressed", kind="read", image="dicom",
         goals=(Goal("fastest", 2),)),
    Case("dicom-jpeg", "The same in JPEG lossless (process 14, SV1)", kind="read", image="dicom-jpeg",
         goals=(Goal("SimpleITK", 1),)),
    Case("dicom-jpeg2000", "The same in JPEG 2000, lossless", kind="read", image="dicom-jpeg2000",
         goals=(Goal("SimpleITK", 1),)),
    Case("files-linear", "File to file: clip, 1 mm (linear), lung window; .nii of i16 to .nii of f32", kind="files",
         image="scan.nii", pipeline=FILES, modality="CT", reference=spacing(1, clip, lung, SINGLE_MM), masks=inner,
         goals=(Goal("voxprep", 2.5, "memory"),), note="Whole processes: start, imports, reading, computing, writing."),
    Case("files-cubic", "The same, cubic B-spline", kind="files", image="scan.nii", pipeline=CUBIC + FILES,
         modality="CT", reference=spacing(3, clip, lung, SINGLE_MM), masks=inner, goals=(Goal("voxprep", 3.5, "memory"),)),
]


def steps(case):
    """The transforms that a pipeline names."""
    return [line.split('"')[1] for line in case.pipeline.splitlines() if line.startswith("use = ")]
