"""Makes functions.json and bspline.json beside this file.

functions.json: values of exp, ln, pow, sin and cos at f64 arguments, to 60 digits by `decimal`,
stored as the bits of the nearest f64 and of what it leaves over.
bspline.json: displacements by SimpleITK's BSplineTransform (2.5.x) and its control points.

Run with a Python that has numpy and SimpleITK.
"""

import json
import random
import struct
from decimal import Decimal, getcontext
from pathlib import Path

import numpy as np
import SimpleITK as sitk

HERE = Path(__file__).parent
getcontext().prec = 420


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def from_bits(b):
    return struct.unpack("<d", struct.pack("<Q", b))[0]


def parts(value):
    high = float(value)
    return [bits(high), bits(float(value - Decimal(high)))]


def arctan_inverse(n):
    total = term = Decimal(1) / n
    k, sign = 3, -1
    while term > Decimal(10) ** -415:
        term /= n * n
        total += sign * term / k
        k, sign = k + 2, -sign
    return total


PI = 4 * (4 * arctan_inverse(Decimal(5)) - arctan_inverse(Decimal(239)))


def sin_cos(x):
    n = (x / (PI / 2)).to_integral_value()
    r = x - n * (PI / 2)
    getcontext().prec = 60
    r = +r
    s = c = Decimal(0)
    term = Decimal(1)
    for k in range(60):
        if k % 2:
            s += term if k % 4 == 1 else -term
        else:
            c += term if k % 4 == 0 else -term
        term = term * r / (k + 1)
    getcontext().prec = 420
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(n) % 4]


def functions():
    rng = random.Random(5)
    out = {"exp": [], "ln": [], "pow": [], "sin_cos": []}
    positive = lambda: from_bits(rng.randrange(1, 0x7FF0000000000000))
    getcontext().prec = 60
    for _ in range(700):
        x = rng.choice([rng.uniform(-745, 709.7), rng.uniform(-1, 1), 2.0 ** rng.uniform(-60, 0)])
        out["exp"].append([bits(x), *parts(Decimal(x).exp())])
        x = rng.choice([positive(), rng.uniform(0.5, 2), 1 + rng.uniform(-1, 1) * 2.0 ** rng.uniform(-52, 0)])
        out["ln"].append([bits(x), *parts(Decimal(x).ln())])
        x = rng.choice([positive(), rng.uniform(0.01, 100), 1 + rng.uniform(-1, 1) * 2.0 ** rng.uniform(-40, -1)])
        y = rng.uniform(-745, 709) / max(abs(float(Decimal(x).ln())), 1e-12)
        y *= rng.choice([1, 1, 0.1, 0.001])
        out["pow"].append([bits(x), bits(y), *parts((Decimal(x).ln() * Decimal(y)).exp())])
    getcontext().prec = 420
    near = [k * 1.5707963267948966 for k in (1, 2, 3, 4, 5, 7, 22, 355, 1000, 103993, 416271, 667543, 667544)]
    # the f64 closest to a multiple of pi/2 (Muller, Elementary functions, 1997)
    near += [6381956970095103.0 * 2.0**797, 1e22, 1.7976931348623157e308, 1048576.0, 1048575.9999999999]
    for k in range(500):
        x = near[k] if k < len(near) else rng.choice([1, -1]) * rng.choice(
            [rng.uniform(0, 10), 2.0 ** rng.uniform(-30, 30), 2.0 ** rng.uniform(20, 1023.9)]
        )
        s, c = sin_cos(Decimal(x))
        out["sin_cos"].append([bits(x), *parts(s), *parts(c)])
    (HERE / "functions.json").write_text(json.dumps(out, separators=(",", ":")))


def bspline():
    rng = np.random.default_rng(3)
    cases = []
    for size, spacing, origin, direction, control in [
        ((20, 17, 12), (1.0, 1.5, 2.5), (-10.0, 5.0, 30.0), np.eye(3), (7, 7, 7)),
        ((9, 30, 14), (0.7, 0.9, 3.0), (100.0, -40.0, 7.5), None, (5, 8, 4)),
    ]:
        if direction is None:
            a, b = 0.2, -0.15
            rz = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
            rx = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
            direction = rz @ rx
        image = sitk.Image(size, sitk.sitkFloat32)
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction.ravel().tolist())
        mesh = [n - 3 for n in control]
        transform = sitk.BSplineTransformInitializer(image, mesh, 3)
        values = rng.uniform(-7.5, 7.5, (3, *control[::-1]))
        transform.SetParameters(values.ravel().tolist())
        points = []
        for _ in range(150):
            index = rng.uniform(-2.0, np.array(size) + 1.0)
            world = np.array(origin) + direction @ (index * spacing)
            moved = np.array(transform.TransformPoint(world.tolist()))
            points.append([*world.tolist(), *(moved - world).tolist()])
        world_from_index = np.c_[direction * spacing, origin]
        cases.append(
            {
                "size": size,
                "world_from_index": world_from_index.tolist(),
                "control": control,
                "coefficients": values.ravel().tolist(),
                "points": points,
            }
        )
    (HERE / "bspline.json").write_text(json.dumps(cases, separators=(",", ":")))


functions()
bspline()
