#!/usr/bin/env python3
"""The peers' side of each case, and the process that times one of them.

    peers.py CASE PEER --inputs DIR [--threads N] [--calls N] [--budget S] [--result FILE.npy]

Each peer is used as its documentation recommends; where there is a choice, the faster way. What is
prepared outside of the measured call: loading, and conversion to the peer's own type of image.
The first call is the cold one. The calls after it are the warm ones, with the peer's buffers reused
where it has a way to say so.
"""
import argparse
import dataclasses
import gc
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import warnings

import cases
from phantoms import SPACING_MM

# the name in the tables: the module, the package
PACKAGES = {
    "NumPy": ("numpy", "numpy"), "SciPy": ("scipy", "scipy"), "SimpleITK": ("SimpleITK", "simpleitk"),
    "torch": ("torch", "torch"), "MONAI": ("monai", "monai"), "TorchIO": ("torchio", "torchio"),
    "batchgenerators": ("batchgenerators", "batchgenerators"),
    "batchgeneratorsv2": ("batchgeneratorsv2", "batchgeneratorsv2"),
    "elasticdeform": ("elasticdeform", "elasticdeform"), "nibabel": ("nibabel", "nibabel"),
    "intensity-normalization": ("intensity_normalization", "intensity-normalization"), "OpenCV": ("cv2", "opencv-python-headless"),
    "medrs": ("medrs", "medrs"), "ANTs": ("ants", "antspyx"),
}
PEERS = {}


def peer(case, *names):
    """Registers a function (work, name) -> Job for a case."""
    def register(function):
        for name in names:
            PEERS[case, name] = function
        return function
    return register


@dataclasses.dataclass
class Job:
    call: object                     # what is timed
    again: object = None             # the same with buffers of the call before, if the peer can
    result: object = None            # its output as an array [z, y, x]; default: as it is


def of(case):
    """The peers of a case, in the order of the tables."""
    return [name for known, name in PEERS if known == case]


def installed(name):
    """The version of a peer, or None."""
    module, package = PACKAGES[name]
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


class Work:
    def __init__(self, folder, case, threads):
        self.folder, self.case, self.threads = folder, case, threads

    def path(self, name):
        return os.path.join(self.folder, name)

    def image(self):
        import numpy as np
        return np.load(self.path(self.case.image))

    def label(self):
        import numpy as np
        return np.load(self.path(self.case.label))

    def sitk(self, array):
        import SimpleITK as sitk
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.case.spacing_mm)
        return image

    def subject(self):
        """Of TorchIO; tensors are [channel, x, y, z]."""
        import numpy as np
        import torch
        import torchio
        tensor = lambda a: torch.from_numpy(np.ascontiguousarray(a.transpose(2, 1, 0)))[None]
        affine = np.diag([*self.case.spacing_mm, 1.0])
        images = {"image": torchio.ScalarImage(tensor=tensor(self.image()), affine=affine)}
        if self.case.label:
            images["label"] = torchio.LabelMap(tensor=tensor(self.label()), affine=affine)
        return torchio.Subject(**images)

    def meta(self, array):
        """MONAI's tensor with an affine, [channel, x, y, z]."""
        import numpy as np
        import torch
        from monai.data import MetaTensor
        tensor = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 1, 0)))[None]
        return MetaTensor(tensor, affine=torch.diag(torch.tensor([*self.case.spacing_mm, 1.0], dtype=torch.float64)))


def from_sitk(image):
    import SimpleITK as sitk
    return sitk.GetArrayViewFromImage(image)


def from_xyz(tensor):
    return tensor[0].numpy().transpose(2, 1, 0)


def from_subject(subject):
    return from_xyz(subject["image"].data)


# ---------------------------------------------------------------- voxel by voxel
@peer("pointwise1", "NumPy")
@peer("window", "NumPy")
def _(work, name):
    import numpy as np
    a = work.image()
    middle, out = np.empty_like(a), np.empty(a.shape, np.float32)

    def scale(middle, out):
        np.clip(a, -1000, 400, out=middle)
        middle += 1000               # in int16, which holds it: half the bytes
        out[...] = middle
        out *= np.float32(1 / 1400)
        return out
    return Job(lambda: scale(np.empty_like(a), np.empty(a.shape, np.float32)), lambda: scale(middle, out))


@peer("window", "torch")
def _(work, name):
    import torch
    t = torch.from_numpy(work.image())
    out = torch.empty(t.shape)
    scale = lambda v: v.clamp_(-1000, 400).add_(1000).mul_(1 / 1400)
    return Job(lambda: scale(t.float()), lambda: scale(out.copy_(t)), lambda o: o.numpy())


@peer("window", "SimpleITK")
def _(work, name):
    import SimpleITK as sitk
    image = work.sitk(work.image())
    return Job(lambda: sitk.IntensityWindowing(sitk.Cast(image, sitk.sitkFloat32), -1000.0, 400.0, 0.0, 1.0), None, from_sitk)


@peer("window", "MONAI")
def _(work, name):
    from monai.transforms import ScaleIntensityRange
    image = work.meta(work.image())
    scale = ScaleIntensityRange(-1000.0, 400.0, 0.0, 1.0, clip=True)
    return Job(lambda: scale(image), None, from_xyz)


@peer("window", "TorchIO")
def _(work, name):
    import torchio
    subject = work.subject()
    scale = torchio.Compose([torchio.Clamp(-1000, 400), torchio.RescaleIntensity((0, 1), in_min_max=(-1000, 400))])
    return Job(lambda: scale(subject), None, from_subject)


def six_in_numpy(v):
    import numpy as np
    np.clip(v, -1000, 1000, out=v)
    v += 1350
    v *= np.float32(1 / 1500)
    np.clip(v, 0, 1, out=v)
    v *= 2
    v -= 1
    np.clip(v, np.float32(-0.9), np.float32(0.9), out=v)
    v += np.float32(0.9)
    v *= np.float32(1 / 1.8)
    return np.clip(v, np.float32(0.05), np.float32(0.95), out=v)


def six_in_torch(v):
    v.clamp_(-1000, 1000).add_(1350).mul_(1 / 1500).clamp_(0, 1).mul_(2).sub_(1)
    return v.clamp_(-0.9, 0.9).add_(0.9).mul_(1 / 1.8).clamp_(0.05, 0.95)


@peer("pointwise6", "NumPy")
def _(work, name):
    import numpy as np
    a = work.image()
    out = np.empty(a.shape, np.float32)

    def reused():
        out[...] = a
        return six_in_numpy(out)
    return Job(lambda: six_in_numpy(a.astype(np.float32)), reused)


@peer("pointwise6", "torch")
def _(work, name):
    import torch
    t = torch.from_numpy(work.image())
    out = torch.empty(t.shape)
    return Job(lambda: six_in_torch(t.float()), lambda: six_in_torch(out.copy_(t)), lambda o: o.numpy())


@peer("pointwise8", "NumPy")
def _(work, name):
    import numpy as np
    a, rng = work.image(), np.random.default_rng(7)
    out, noise = np.empty(a.shape, np.float32), np.empty(a.shape, np.float32)

    def two(v, noise):
        np.power(v, np.float32(0.8), out=v)
        noise *= np.float32(0.05)
        v += noise
        return v

    def reused():
        out[...] = a
        return two(six_in_numpy(out), rng.standard_normal(dtype=np.float32, out=noise))
    return Job(lambda: two(six_in_numpy(a.astype(np.float32)), rng.standard_normal(a.shape, np.float32)), reused)


@peer("pointwise8", "torch")
def _(work, name):
    import torch
    t = torch.from_numpy(work.image())
    out, noise = torch.empty(t.shape), torch.empty(t.shape)
    two = lambda v, noise: v.pow_(0.8).add_(noise.normal_(), alpha=0.05)
    return Job(lambda: two(six_in_torch(t.float()), torch.empty(t.shape)),
               lambda: two(six_in_torch(out.copy_(t)), noise), lambda o: o.numpy())


# ---------------------------------------------------------------- onto another grid
def spacing(work, name):
    import numpy as np
    a = work.image()
    cubic = "cubic" in work.case.name
    shape, step, offset = cases.spacing_grid(a.shape)
    if name == "SciPy":
        from scipy import ndimage
        out = np.empty(shape, a.dtype)
        zoom = lambda out: ndimage.affine_transform(a, step, offset, tuple(shape), out, order=3 if cubic else 1, mode="nearest")
        return Job(lambda: zoom(a.dtype), lambda: (zoom(out), out)[1])
    if name == "SimpleITK":
        import SimpleITK as sitk
        image, kind = work.sitk(a), sitk.sitkBSpline if cubic else sitk.sitkLinear
        origin = [0.5 * (1 - s) for s in SPACING_MM]
        return Job(lambda: sitk.Resample(image, shape[::-1], sitk.Transform(), kind, origin, (1.0, 1.0, 1.0),
                                         image.GetDirection(), -1000.0), None, from_sitk)
    if name == "torch":
        import torch
        t = torch.from_numpy(a)[None, None]
        scale = [1 / s for s in step]
        return Job(lambda: torch.nn.functional.interpolate(t.float(), scale_factor=scale, mode="trilinear", align_corners=False,
                                                           recompute_scale_factor=False), None, lambda o: o[0, 0].numpy())
    if name == "TorchIO":
        import torchio
        subject = work.subject()
        respace = torchio.Resample(1, image_interpolation="bspline" if cubic else "linear")
        return Job(lambda: respace(subject), None, from_subject)
    if name == "medrs":
        import medrs
        if a.dtype == np.int16:
            image = medrs.load(work.path("scan.nii"))   # its arrays are float32 only
            image.materialize()
            return Job(lambda: image.resample([1.0, 1.0, 1.0]), None, lambda o: o.to_numpy().transpose(2, 1, 0))
        image = medrs.NiftiImage(a, np.diag([*SPACING_MM[::-1], 1.0]))
        return Job(lambda: image.resample([1.0, 1.0, 1.0]), None, lambda o: o.to_numpy())
    import torch
    from monai.transforms import Spacing
    image = work.meta(a)
    # with a whole number as mode it computes by SciPy, whose name for the edge repeated is another
    respace = Spacing((1.0, 1.0, 1.0), mode=3 if cubic else "bilinear", padding_mode="nearest" if cubic else "border",
                      dtype=torch.float32)
    return Job(lambda: respace(image), None, from_xyz)


for _name in ("spacing-linear", "spacing-linear-f32"):
    peer(_name, "SimpleITK", "torch", "SciPy", "TorchIO", "MONAI", "medrs")(spacing)
peer("spacing-cubic", "SimpleITK", "SciPy", "TorchIO", "MONAI")(spacing)
peer("spacing-cubic-f32", "SimpleITK", "SciPy")(spacing)


@peer("affine-linear", "SimpleITK", "torch", "SciPy", "TorchIO", "MONAI")
@peer("affine-cubic", "SimpleITK", "SciPy", "TorchIO", "MONAI")
def _(work, name):
    import numpy as np
    a = work.image()
    cubic = "cubic" in work.case.name
    pull = np.linalg.inv(cases.rotation_xyz())   # input from output about the centre, x, y, z
    if name == "SciPy":
        from scipy import ndimage
        matrix, offset = cases.affine_zyx(a.shape)
        out = np.empty_like(a)
        move = lambda out: ndimage.affine_transform(a, matrix, offset, output=out, order=3 if cubic else 1)
        return Job(lambda: move(None), lambda: (move(out), out)[1])
    if name == "SimpleITK":
        import SimpleITK as sitk
        image = work.sitk(a)
        centre = [(n - 1) / 2 for n in a.shape[::-1]]
        move = sitk.AffineTransform(pull.ravel().tolist(), (0, 0, 0), centre)
        kind = sitk.sitkBSpline if cubic else sitk.sitkLinear
        return Job(lambda: sitk.Resample(image, image, move, kind, 0.0), None, from_sitk)
    if name == "torch":
        import torch
        t = torch.from_numpy(a)[None, None]
        half = np.array(a.shape[::-1]) / 2        # grid coordinates are -1..1 whatever the length of an axis
        theta = torch.zeros(1, 3, 4)
        theta[0, :, :3] = torch.from_numpy(pull * half[None, :] / half[:, None])
        f = torch.nn.functional
        return Job(lambda: f.grid_sample(t, f.affine_grid(theta, t.shape, align_corners=False), align_corners=False),
                   None, lambda o: o[0, 0].numpy())
    if name == "TorchIO":
        import torchio
        subject = work.subject()
        move = torchio.Affine((1.1, 1.1, 1.1), torchio_angles(), (0, 0, 0), default_pad_value=0,
                              image_interpolation="bspline" if cubic else "linear")
        return Job(lambda: move(subject), None, from_subject)
    import torch
    from monai.transforms import Affine
    image = work.meta(a)
    matrix = np.eye(4)
    matrix[:3, :3] = pull
    move = Affine(affine=torch.from_numpy(matrix), mode=3 if cubic else "bilinear",
                  padding_mode="constant" if cubic else "zeros", image_only=True)
    return Job(lambda: move(image), None, from_xyz)


def torchio_angles():
    """The same rotation in TorchIO's order of axes, about y, then x, then z of RAS+."""
    import numpy as np
    turn = cases.rotation_xyz() / 1.1
    x = np.arcsin(turn[2, 1])
    y = np.arctan2(-turn[2, 0], turn[2, 2])
    z = np.arctan2(-turn[0, 1], turn[1, 1])
    return tuple(np.degrees([x, y, z]))


# ---------------------------------------------------------------- one modality
@peer("white-stripe", "intensity-normalization")
def _(work, name):
    import intensity_normalization as normalization
    import numpy as np
    a = work.image()
    image, mask = normalization.create_image(a), normalization.create_image((a > 50).astype(np.float32))
    return Job(lambda: normalization.WhiteStripeNormalizer().fit(image, mask).transform(image, mask).get_data())


@peer("clahe-u8", "OpenCV")
@peer("clahe-u16", "OpenCV")
def _(work, name):
    import cv2
    import numpy as np
    (page,) = work.image()
    method, out = cv2.createCLAHE(2.0, (8, 8)), np.empty_like(page)
    return Job(lambda: method.apply(page), lambda: method.apply(page, out), lambda page: page[None])


# ---------------------------------------------------------------- training
@peer("elastic", "batchgeneratorsv2", "MONAI", "TorchIO", "elasticdeform", "batchgenerators")
def _(work, name):
    import numpy as np
    a, label = work.image(), work.label()
    if name == "batchgeneratorsv2":
        import torch
        from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
        bend = SpatialTransform(a.shape, 0, False, p_elastic_deform=1, elastic_deform_magnitude=(0.1, 0.1),
                                elastic_deform_scale=(0.1, 0.1), mode_seg="nearest")
        x, y = torch.from_numpy(a)[None], torch.from_numpy(label.astype(np.int16))[None]
        return Job(lambda: bend(image=x, segmentation=y), None, lambda o: o["image"][0].numpy())
    if name == "MONAI":
        from monai.transforms import Rand3DElasticd
        bend = Rand3DElasticd(["image", "label"], (8, 8), (1000, 1000), prob=1, mode=("bilinear", "nearest"), padding_mode="zeros")
        data = {"image": work.meta(a), "label": work.meta(label)}
        return Job(lambda: bend(data), None, lambda o: from_xyz(o["image"]))
    if name == "TorchIO":
        import torchio
        subject, bend = work.subject(), torchio.RandomElasticDeformation()
        return Job(lambda: bend(subject), None, from_subject)
    if name == "elasticdeform":
        import elasticdeform
        return Job(lambda: elasticdeform.deform_random_grid([a, label], sigma=5, points=7, order=[1, 0]), None, lambda o: o[0])
    from batchgenerators.augmentations.spatial_transformations import augment_spatial
    seg = label[None, None].astype(np.int16)
    return Job(lambda: augment_spatial(a[None, None], seg, a.shape, do_elastic_deform=True, alpha=(1000, 1000), sigma=(8, 8),
                                       do_rotation=False, do_scale=False, border_mode_data="constant", order_data=1, order_seg=0,
                                       random_crop=False), None, lambda o: o[0][0, 0])


@peer("augment", "batchgeneratorsv2", "MONAI", "TorchIO", "batchgenerators")
def _(work, name):
    import numpy as np
    a, label = work.image(), work.label()
    angle = np.radians(10)
    if name == "batchgeneratorsv2":
        import torch
        from batchgeneratorsv2.transforms.intensity.contrast import BGContrast
        from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
        from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
        from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
        from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
        from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
        augment = ComposeTransforms([
            SpatialTransform(a.shape, 0, False, p_elastic_deform=1, p_rotation=1, rotation=(-angle, angle), p_scaling=1,
                             scaling=(0.9, 1.1), mode_seg="nearest"),
            GaussianNoiseTransform((0.05, 0.05)), GammaTransform(BGContrast((0.7, 1.4)), 0, False, 0, 1), MirrorTransform((0, 1, 2))])
        x, y = torch.from_numpy(a)[None], torch.from_numpy(label.astype(np.int16))[None]
        return Job(lambda: augment(image=x.clone(), segmentation=y.clone()), None, lambda o: o["image"][0].numpy())
    if name == "MONAI":
        import monai.transforms as mt
        both = ["image", "label"]
        augment = mt.Compose([
            mt.Rand3DElasticd(both, (8, 8), (1000, 1000), prob=1, rotate_range=[angle] * 3, scale_range=[0.1] * 3,
                              mode=("bilinear", "nearest"), padding_mode="zeros"),
            mt.RandGaussianNoised("image", prob=1, std=0.05, sample_std=False), mt.RandAdjustContrastd("image", prob=1, gamma=(0.7, 1.4)),
            *(mt.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(3))])
        data = {"image": work.meta(a), "label": work.meta(label)}
        return Job(lambda: augment(data), None, lambda o: from_xyz(o["image"]))
    if name == "TorchIO":
        import torchio
        subject = work.subject()
        augment = torchio.Compose([torchio.RandomAffineElasticDeformation(), torchio.RandomNoise(0, (0.05, 0.05)),
                                   torchio.RandomGamma(), torchio.RandomFlip((0, 1, 2))])
        return Job(lambda: augment(subject), None, from_subject)
    from batchgenerators.transforms.abstract_transforms import Compose
    from batchgenerators.transforms.color_transforms import GammaTransform
    from batchgenerators.transforms.noise_transforms import GaussianNoiseTransform
    from batchgenerators.transforms.spatial_transforms import MirrorTransform, SpatialTransform
    turn = (-angle, angle)
    augment = Compose([
        SpatialTransform(a.shape, None, do_elastic_deform=True, alpha=(0, 900), sigma=(9, 13), do_rotation=True, angle_x=turn,
                         angle_y=turn, angle_z=turn, do_scale=True, scale=(0.9, 1.1), border_mode_data="constant", order_data=1,
                         order_seg=0, random_crop=False, p_el_per_sample=1, p_rot_per_sample=1, p_scale_per_sample=1),
        GaussianNoiseTransform((0.0025, 0.0025), p_per_sample=1), GammaTransform((0.7, 1.4)), MirrorTransform()])
    seg = label[None, None].astype(np.int16)
    return Job(lambda: augment(data=a[None, None].copy(), seg=seg.copy()), None, lambda o: o["data"][0, 0])


# ---------------------------------------------------------------- reading
@peer("read-zlib", "nibabel", "SimpleITK", "medrs", "ANTs", "TorchIO", "MONAI")
@peer("read-voxprep", "nibabel", "SimpleITK", "medrs", "ANTs", "TorchIO", "MONAI")
def _(work, name):
    file = work.path(work.case.image)
    if name == "nibabel":
        import nibabel
        import numpy as np
        return Job(lambda: np.asanyarray(nibabel.load(file).dataobj), None, lambda o: o.transpose(2, 1, 0))
    if name == "SimpleITK":
        import SimpleITK as sitk
        return Job(lambda: sitk.ReadImage(file), None, from_sitk)
    if name == "medrs":
        import medrs
        return Job(lambda: medrs.load(file).to_numpy_native(), None, lambda o: o.transpose(2, 1, 0))
    if name == "ANTs":
        import ants
        return Job(lambda: ants.image_read(file).numpy(), None, lambda o: o.transpose(2, 1, 0))
    if name == "TorchIO":
        import torchio
        return Job(lambda: torchio.ScalarImage(file).data, None, from_xyz)
    from monai.transforms import LoadImage
    read = LoadImage(image_only=True)
    return Job(lambda: read(file), None, lambda o: o.numpy().transpose(2, 1, 0))


@peer("dicom", "pydicom", "SimpleITK", "MONAI")
@peer("dicom-jpeg", "pydicom", "SimpleITK")
@peer("dicom-jpeg2000", "pydicom", "SimpleITK")
def _(work, name):
    folder = work.path(work.case.image)
    if name == "SimpleITK":
        import SimpleITK as sitk

        def series():
            return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
        return Job(series, None, from_sitk)
    if name == "MONAI":
        from monai.transforms import LoadImage
        read = LoadImage(image_only=True, reader="PydicomReader")
        return Job(lambda: read(folder), None, lambda o: o.numpy().transpose(2, 1, 0))
    import numpy as np
    import pydicom

    def slices():
        files = [pydicom.dcmread(os.path.join(folder, name)) for name in os.listdir(folder)]
        files.sort(key=lambda file: float(file.ImagePositionPatient[2]))
        volume = np.empty((len(files), files[0].Rows, files[0].Columns), np.int16)
        for out, file in zip(volume, files):
            out[:] = file.pixel_array
            out *= int(file.get("RescaleSlope", 1))
            out += int(file.get("RescaleIntercept", 0))
        return volume
    return Job(slices, None, lambda o: o)


# ---------------------------------------------------------------- file to file
@peer("files-linear", "SimpleITK")
@peer("files-cubic", "SimpleITK")
def simpleitk_script(source, target, order):
    import SimpleITK as sitk
    image = sitk.Cast(sitk.ReadImage(source), sitk.sitkFloat32)
    image = sitk.Clamp(image, lowerBound=-1000, upperBound=1000)
    spacing_mm = image.GetSpacing()
    size = [round(n * s) for n, s in zip(image.GetSize(), spacing_mm)]
    origin = image.TransformContinuousIndexToPhysicalPoint([0.5 * (1 / s - 1) for s in spacing_mm])
    image = sitk.Resample(image, size, sitk.Transform(), sitk.sitkBSpline if order == 3 else sitk.sitkLinear, origin, [1.0] * 3,
                          image.GetDirection(), -1000.0)
    image = sitk.Clamp((image + 1350) / 1500, lowerBound=0.0, upperBound=1.0)
    sitk.WriteImage(image, target)


@peer("files-linear", "SciPy")
@peer("files-cubic", "SciPy")
def scipy_script(source, target, order):
    import nibabel
    import numpy as np
    from scipy import ndimage
    image = nibabel.load(source)
    voxels = np.clip(np.asanyarray(image.dataobj), -1000, 1000).astype(np.float32)
    step = 1 / np.linalg.norm(image.affine[:3, :3], axis=0)
    offset = 0.5 * (step - 1)
    size = [round(n / f) for n, f in zip(voxels.shape, step)]
    voxels = ndimage.affine_transform(voxels, step, offset, size, order=order, mode="nearest")
    voxels = np.clip((voxels + 1350) / 1500, 0, 1).astype(np.float32)
    grid = np.diag([*step, 1.0])
    grid[:3, 3] = offset
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine @ grid), target)


# ---------------------------------------------------------------- measuring
def resident(field):
    """VmRSS or VmHWM of this process in MiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


def busy():
    """Seconds that all processors have worked since the machine started."""
    with open("/proc/stat") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def limit_threads(name, threads):
    """The libraries' own switches; the environment is set by `run.py`."""
    if name in ("torch", "MONAI", "TorchIO", "batchgeneratorsv2"):
        import torch
        torch.set_num_threads(threads)
        torch.manual_seed(7)
    if name in ("SimpleITK", "TorchIO"):
        import SimpleITK as sitk
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    if name == "OpenCV":
        import cv2
        cv2.setNumThreads(threads)


def measure(job, calls, budget):
    """Times of the first call, then of the calls after it; the first result."""
    gc.collect()
    base = resident("VmRSS")
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")      # forget the peak of what was done so far
        forgotten = True
    except OSError:
        forgotten = False
    wall, cpu = [], []
    busy_before, start, cpu_start = busy(), time.perf_counter(), time.process_time()
    out = None
    for number in range(calls + 1):
        if number > 1 and time.perf_counter() - start > budget:
            break
        # what takes longer than all calls together may is timed once: it does not notice its page faults
        if number == 1 and wall[0] > budget:
            break
        call = job.again if number and job.again else job.call
        out = None
        cpu_before, before = time.process_time(), time.perf_counter()
        out = call()
        wall.append(time.perf_counter() - before)
        cpu.append(time.process_time() - cpu_before)
    span, own = time.perf_counter() - start, time.process_time() - cpu_start
    others = max(0.0, (busy() - busy_before - own) / span)
    return dict(wall=wall, cpu=cpu, others=others, peak_mib=resident("VmHWM") if forgotten else None, base_mib=base), out


def main():
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("peer")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--budget", type=float, default=5.0)
    parser.add_argument("--result")
    args = parser.parse_args()
    case = next(case for case in cases.CASES if case.name == args.case)
    limit_threads(args.peer, args.threads)
    if case.kind == "files":
        order = 3 if "cubic" in case.name else 1
        return PEERS[case.name, args.peer](os.path.join(args.inputs, case.image), args.result, order)
    import numpy as np
    np.random.seed(7)
    job = PEERS[case.name, args.peer](Work(args.inputs, case, args.threads), args.peer)
    measured, out = measure(job, args.calls, args.budget)
    if args.result:
        np.save(args.result, np.ascontiguousarray(job.result(out) if job.result else out))
    print(json.dumps(measured))


if __name__ == "__main__":
    sys.exit(main())
