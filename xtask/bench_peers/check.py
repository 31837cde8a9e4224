#!/usr/bin/env python3
"""Compares results with the right answer of a case, computed in double precision and kept.

    check.py CASE --inputs DIR NAME=FILE.npy...

Prints for each name the largest difference as a share of the answer's range: everywhere, and far
from the edges, where programs that treat edges in their own way must agree too.
"""
import argparse
import json
import os

import cases


def array(path):
    import nibabel
    import numpy as np
    if path.endswith(".npy"):
        return np.load(path)
    return np.asanyarray(nibabel.load(path).dataobj).transpose(2, 1, 0)


def answer(case, inputs):
    """The right answer, from the folder or, once, by computing it."""
    import numpy as np
    if case.kind == "read":
        return np.load(os.path.join(inputs, "ct.npy"))
    kept = os.path.join(inputs, f"answer-{case.answer or case.name}.npy")
    if not os.path.exists(kept):
        np.save(kept + ".part.npy", case.reference(array(os.path.join(inputs, case.image))))
        os.replace(kept + ".part.npy", kept)
    return np.load(kept, mmap_mode="r")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("--inputs", required=True)
    parser.add_argument("results", nargs="+")
    args = parser.parse_args()
    import numpy as np
    case = next(case for case in cases.CASES if case.name == args.case)
    if case.reference is None and case.kind != "read":
        # drawn at random: what can be said is that every voxel has a value
        for name, path in (result.split("=", 1) for result in args.results):
            values = array(path)
            print(json.dumps({"name": name, "type": str(values.dtype), "shape": values.shape, "finite": bool(np.isfinite(values).all())}))
        return
    right = answer(case, args.inputs)
    low, high = float(right.min()), float(right.max())
    counts, far = case.masks(right.shape) if case.masks else (None, None)
    for name, path in (result.split("=", 1) for result in args.results):
        values = array(path)
        report = {"name": name, "type": str(values.dtype), "shape": values.shape}
        if values.shape == right.shape:
            largest = inner = 0.0
            for z in range(len(right)):       # slice by slice: the volumes are large
                apart = np.abs(values[z] - right[z], dtype=np.float64)
                apart[np.isnan(apart)] = np.inf
                largest = max(largest, float(apart.max() if counts is None else (apart * counts[z]).max()))
                inner = max(inner, float(apart.max() if far is None else (apart * far[z]).max()))
            report["largest"], report["far"] = largest / (high - low), inner / (high - low)
            if values.dtype.kind in "iu" and right.dtype.kind == "f":
                report["step"] = 0.5 / (high - low)     # what rounding to an integer may add
        print(json.dumps(report))


if __name__ == "__main__":
    main()
