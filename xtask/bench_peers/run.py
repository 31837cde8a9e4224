#!/usr/bin/env python3
"""Times voxprep beside its peers: the same data, the same threads, results compared first.

    run.py --voxprep PATH --in-process PATH [OPTION]...

`cargo x bench-peers [OPTION]...` builds both programs and calls this. Standard output gets the
tables, standard error the progress; everything measured is kept in results.json of the work folder.

Every (case, program) is a process of its own. Rounds alternate between the programs. The first call
of a process is the cold time, the fastest of the calls after it the pooled one. In every second
round the C library is told to keep freed blocks, which favours programs that allocate anew for each
call; of the cold times and of memory only the other rounds count. Which libraries are missing is
said; `requirements.txt` beside this file has them all.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

import cases
import peers
import report

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
NEEDED = ("numpy", "scipy", "nibabel")
# The C library then takes large blocks from its heap, too, and gives none back.
KEEP_BLOCKS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
SLOW_S = 4.0


def arguments():
    parser = argparse.ArgumentParser(prog="cargo x bench-peers", description=__doc__.splitlines()[0])
    parser.add_argument("--voxprep", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--in-process", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--case", default=".", metavar="REGEX", help="only cases whose name it matches")
    parser.add_argument("--peer", default=".", metavar="REGEX", help="only peers whose name it matches")
    parser.add_argument("--runs", type=int, default=4, metavar="N", help="rounds, each in new processes [default: 4]")
    parser.add_argument("--calls", type=int, default=10, metavar="N", help="calls in a process after the first, at most [default: 10]")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), metavar="N", help="threads of every program [default: all]")
    parser.add_argument("--wait", type=float, default=0, metavar="S", help="wait up to S seconds for an idle machine before each process")
    parser.add_argument("--work", default=os.path.join(ROOT, "target", "bench-peers"), metavar="DIR", help="inputs and results; takes 4 GB")
    parser.add_argument("--quick", action="store_true", help="small inputs and two rounds, to see that all runs; its times mean nothing")
    parser.add_argument("--list", action="store_true", help="name cases, peers and versions, and measure nothing")
    parser.add_argument("--from", dest="earlier", metavar="FILE", help="measure nothing: the tables of an earlier results.json")
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON instead of tables")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md and README.md; needs a whole run")
    args = parser.parse_args()
    if args.write and (args.quick or (args.case, args.peer) != (".", ".")):
        parser.error("--write needs a whole run: no --quick, --case, --peer")
    if args.runs < 1 or args.calls < 1 or args.threads < 1:
        parser.error("--runs, --calls and --threads are at least 1")
    return args


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = os.path.join(os.path.abspath(args.work), "quick" if args.quick else "full")
        self.inputs = os.path.join(self.folder, "inputs")
        self.budget = 1.0 if args.quick else 3.0
        self.threads = {name: str(args.threads) for name in (
            "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
            "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "RAYON_NUM_THREADS")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def environment(self, keep=False):
        return {**os.environ, **self.threads, **(KEEP_BLOCKS if keep else {}), "PYTHONWARNINGS": "ignore"}

    def prepare(self):
        os.makedirs(self.inputs, exist_ok=True)
        if not os.path.exists(os.path.join(self.inputs, "ready")):
            say("making the inputs")
            quick = ["--quick"] if self.args.quick else []
            subprocess.run([sys.executable, os.path.join(HERE, "phantoms.py"), self.inputs, self.args.voxprep, *quick], check=True)
        for case in cases.CASES:
            with open(self.path(f"{case.name}.toml"), "w") as file:
                file.write("version = 1\nseed = 7\n" + case.pipeline)

    def command(self, case, program, result):
        """What runs one program on one case once."""
        image = os.path.join(self.inputs, case.image)
        pipeline = self.path(f"{case.name}.toml")
        limits = ["--threads", str(self.args.threads), "--calls", str(self.args.calls), "--budget", str(self.budget)]
        if program != "voxprep":
            return [sys.executable, os.path.join(HERE, "peers.py"), case.name, program, "--inputs", self.inputs, *limits,
                    *(["--result", result] if result else [])]
        if case.kind == "files":
            return [self.args.voxprep, "run", pipeline, image, "--modality", case.modality, "--threads", str(self.args.threads),
                    "-o", result]
        limits += ["--result", result] if result else []
        if case.kind == "read":
            return [self.args.in_process, "read", image, *limits]
        return [self.args.in_process, "run", pipeline, "--image", image,
                *(["--label", os.path.join(self.inputs, case.label)] if case.label else []),
                "--spacing", ",".join(map(str, case.spacing_mm)), *(["--modality", case.modality] if case.modality else []),
                *(["--naive"] if case.naive and result else []), *limits]

    def wait(self):
        """Until nothing else works here, or patience ends."""
        end = time.monotonic() + self.args.wait
        while time.monotonic() < end:
            before = peers.busy()
            time.sleep(0.5)
            if peers.busy() - before < 0.06:
                return

    def once(self, case, program, first, keep):
        """One process; what it measured, or why it failed."""
        self.wait()
        whole = case.kind == "files"
        result = self.result(case, program) if first or whole else None
        command = self.command(case, program, result)
        start = time.perf_counter()
        with open(self.path("stdout"), "w+") as out, open(self.path("stderr"), "w+") as err:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environment(keep))
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            printed, complaint = out.read().splitlines(), err.read().splitlines()
        if child.returncode != 0:
            return {"error": (complaint or [f"exit {child.returncode}"])[-1][:200]}
        if whole:
            return {"wall": [wall], "cpu": [usage.ru_utime + usage.ru_stime], "others": None,
                    "peak_mib": usage.ru_maxrss / 1024, "base_mib": 0.0, "keep": keep}
        return {**json.loads(printed[-1]), "keep": keep}

    def result(self, case, program):
        return self.path(f"{case.name}-{program}" + (".nii" if case.kind == "files" else ".npy"))

    def check(self, case, programs):
        """How far each result is from the right answer."""
        results = [f"{name}={self.result(case, name)}" for name in programs if os.path.exists(self.result(case, name))]
        command = [sys.executable, os.path.join(HERE, "check.py"), case.name, "--inputs", self.inputs, *results]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=self.environment()).stdout.splitlines()
        for name in programs:
            if os.path.exists(self.result(case, name)):
                os.remove(self.result(case, name))
        return {entry.pop("name"): entry for entry in map(json.loads, lines)}


def say(text):
    print(text, file=sys.stderr, flush=True)


def wrong(case, row):
    """Why voxprep's result cannot stand, or None."""
    naive = row["runs"][0].get("naive")
    if case.naive:
        for name, volume in naive.items():
            if volume["label"] and volume["different"] > 1e-3:
                return f"{volume['different']:.1e} of the labels in '{name}' are not those of the definition"
            if not volume["label"] and volume["largest"] > case.naive * volume["range"]:
                return f"'{name}' is {volume['largest'] / volume['range']:.1e} of its range from the definition"
        return None
    found = row["agreement"]
    if "largest" not in found:
        return f"the result has the shape {found['shape']}"
    if case.kind == "read":
        return None if found["largest"] == 0 else "the voxels differ from those that were written"
    if found["largest"] > case.tolerance + found.get("step", 0):
        return f"the result is {found['largest']:.1e} of its range from the right answer"
    return None


def main():
    args = arguments()
    if args.earlier:
        with open(args.earlier) as file:
            return finish(args, json.load(file))
    missing = [module for module in NEEDED if peers.importlib.util.find_spec(module) is None]
    if missing and not args.list:
        say(f"error: this Python has no {', '.join(missing)}; see docs/benchmarks.md, or name another in VOXPREP_PYTHON")
        return 2
    versions = {name: peers.installed(name) for name in peers.PACKAGES}
    chosen = [case for case in cases.CASES if re.search(args.case, case.name)]
    wanted = {case.name: [name for name in peers.of(case.name) if re.search(args.peer, name)] for case in chosen}
    if args.list:
        for case in chosen:
            print(f"{case.name}: {case.title}\n    " + ", ".join(f"{name} {versions[name] or '(not installed)'}" for name in wanted[case.name]))
        return 0

    bench = Bench(args)
    bench.prepare()
    known = json.loads(subprocess.run([args.in_process, "list"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    results = {"quick": args.quick, "threads": args.threads, "machine": report.machine(), "rounds": args.runs,
               "versions": {**versions, "voxprep": subprocess.run([args.voxprep, "--version"], check=True, stdout=subprocess.PIPE,
                                                                  text=True).stdout.split()[-1]}, "cases": {}}
    todo = []
    for case in chosen:
        lacking = [name for name in cases.steps(case) if name not in known]
        results["cases"][case.name] = {"programs": {}, "lacking": lacking,
                                       "not_installed": [name for name in wanted[case.name] if not versions[name]]}
        if lacking:
            say(f"{case.name}: left out, voxprep has no {', '.join(lacking)}")
        else:
            todo.append((case, ["voxprep", *(name for name in wanted[case.name] if versions[name])]))

    rounds = 2 if args.quick else args.runs
    failed = False
    for number in range(rounds):
        for case, programs in todo:
            rows = results["cases"][case.name]["programs"]
            for program in programs if number % 2 == 0 else reversed(programs):
                row = rows.setdefault(program, {"runs": []})
                slow = number > 1 and program != "voxprep" and min(row["runs"][0].get("wall", [0])) > SLOW_S
                if "error" in row or slow:
                    continue
                measured = bench.once(case, program, number == 0, number % 2 == 1)
                if "error" in measured:
                    row["error"] = measured["error"]
                    say(f"{case.name}, {program}: {measured['error']}")
                    failed |= program == "voxprep"
                    continue
                row["runs"].append(measured)
                wall = measured["wall"]
                say(f"round {number + 1}, {case.name}, {program}: cold {wall[0] * 1e3:.1f} ms, pooled {min(wall[1:] or wall) * 1e3:.1f} ms")
            if number == 0:
                for program, found in bench.check(case, programs).items():
                    rows[program]["agreement"] = found
                ours = rows["voxprep"]
                reason = None if "error" in ours else wrong(case, ours)
                if reason:
                    ours["error"] = reason
                    say(f"{case.name}: {reason}")
                    failed = True
            with open(bench.path("results.json"), "w") as file:   # what is there if the run is stopped
                json.dump({**results, "rounds": number + 1}, file, indent=1)
    return finish(args, results) or int(failed)


def finish(args, results):
    """Prints and writes the tables."""
    print(json.dumps(results) if args.json else report.tables(results))
    failed = [name for name, found in results["cases"].items() if "error" in found["programs"].get("voxprep", {})]
    whole = len(results["cases"]) == len(cases.CASES) and not results["quick"]
    if args.write and (failed or not whole):
        say(f"error: nothing written: {', '.join(failed) or 'this was no whole run'}")
        return 1
    if args.write:
        report.write(ROOT, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
