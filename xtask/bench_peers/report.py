"""Tables of what was measured, and the places in the documents where they stand."""
import os
import platform
import statistics

import cases

BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"
SLOWER = ("NumPy", "SciPy", "SimpleITK", "torch", "MONAI", "TorchIO", "batchgeneratorsv2", "nibabel", "intensity-normalization", "OpenCV")


def machine():
    """The processor, how many of them, memory, and how the system gives out large pages."""
    def line(path, start):
        try:
            with open(path) as file:
                return next((text.split(":", 1)[1].strip() for text in file if text.startswith(start)), "")
        except OSError:
            return ""
    memory = line("/proc/meminfo", "MemTotal").split()
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as file:
            pages = file.read().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        pages = "unknown"
    return {"processor": line("/proc/cpuinfo", "model name") or platform.processor(), "processors": os.cpu_count(),
            "memory_gib": round(int(memory[0]) / 2 ** 20) if memory else None, "huge_pages": pages,
            "system": platform.system(), "python": platform.python_version()}


class Row:
    """The figures of one program in one case."""

    def __init__(self, case, row):
        runs = row["runs"]
        plain = [run for run in runs if not run["keep"]] or runs
        again = lambda run: run["wall"][1:] or run["wall"]
        self.warm = min(min(again(run)) for run in runs)
        self.cold = None if case.kind == "files" else min(run["wall"][0] for run in plain)
        spent = [(run["cpu"][1:] or run["cpu"], again(run)) for run in runs]
        spent = [(cpu, wall) for cpu, wall in spent if None not in cpu]
        self.cpu = min((sum(cpu) / len(cpu) for cpu, _ in spent), default=None)
        self.cores = max((sum(cpu) / sum(wall) for cpu, wall in spent), default=None)
        self.peak = max((run["peak_mib"] for run in plain if run["peak_mib"] is not None), default=None)
        self.base = statistics.median(run["base_mib"] or 0 for run in plain)
        self.others = statistics.median([run["others"] for run in runs if run["others"] is not None] or [0])


def rows(case, found):
    """Rows of the programs that ran, fastest first, voxprep before all."""
    ran = {name: Row(case, row) for name, row in found["programs"].items() if row["runs"] and "error" not in row}
    return dict(sorted(ran.items(), key=lambda item: (item[0] != "voxprep", item[1].warm)))


def milliseconds(seconds):
    if seconds is None:
        return ""
    ms = seconds * 1e3
    return f"{ms:.2f}" if ms < 10 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def times(a, b):
    return "" if not a or not b else f"{a / b:.1f}" if a / b < 100 else f"{a / b:.0f}"


def agreement(case, row):
    """The largest difference from the right answer, as a share of its range."""
    found = row.get("agreement") or {}
    naive = row["runs"][0].get("naive")
    if naive:
        apart = max(volume["largest"] / volume["range"] for volume in naive.values() if not volume["label"])
        return f"{apart:.0e} from the definition"
    if "finite" in found:
        return "drawn" if found["finite"] else "not all finite"
    if "largest" not in found:
        return "another grid" if found else ""
    if found["largest"] == 0:
        return "none"
    rounded = " (rounded to integers)" if "step" in found else ""
    if found["far"] > 0.01 + found.get("step", 0):
        return "places voxels otherwise"
    if found["far"] < 0.01 * found["largest"]:
        return f"{found['far']:.0e} inside, edges otherwise{rounded}"
    return f"{found['largest']:.0e}{rounded}"


def one_threaded(cores, threads):
    return threads > 1 and cores is not None and cores <= 0.8 * threads


def cores(value, threads):
    return "" if value is None else f"{value:.1f}" + (" \\*" if one_threaded(value, threads) else "")


def table(case, found, threads, versions):
    """Everything that was measured of a case."""
    lines = [f"### {case.name}", "", case.title + ("." if not case.note else ". " + case.note), ""]
    if found["lacking"]:
        return "\n".join(lines + [f"Not measured: voxprep has no {', '.join(found['lacking'])} yet."])
    shown = rows(case, found)
    ours = shown.get("voxprep")
    files = case.kind == "files"
    lines += ["| program | " + ("ms | x |" if files else "pooled ms | x | cold ms | x |") + " CPU ms | x | CPU / wall | peak MiB | difference |",
              "|---|" + "--:|" * (6 if files else 8) + "---|"]
    for name, row in shown.items():
        ratio = lambda of: times(getattr(row, of), getattr(ours, of) if ours else None)
        cells = [f"{name} {versions.get(name) or ''}".strip(), milliseconds(row.warm), ratio("warm")]
        cells += [] if files else [milliseconds(row.cold), ratio("cold")]
        grew = "" if files or not row.peak else f" (+{max(0, row.peak - row.base):.0f})"
        cells += [milliseconds(row.cpu), ratio("cpu"), cores(row.cores, threads),
                  "" if not row.peak else f"{row.peak:.0f}{grew}", agreement(case, found["programs"][name])]
        lines.append("| " + " | ".join(cells) + " |")
    width = 8 if files else 10
    for name, row in found["programs"].items():
        if "error" in row:
            lines.append(f"| {name} | failed: {row['error'].replace('|', ' ')} " + "| " * (width - 2) + "|")
    for name in found["not_installed"]:
        lines.append(f"| {name} | not installed " + "| " * (width - 2) + "|")
    if any(one_threaded(row.cores, threads) for row in shown.values()):
        lines += ["", f"\\* Counts as one-threaded: CPU / wall is not above {0.8 * threads:.1f}."]
    busy = [name for name, row in shown.items() if row.others > 0.3]
    if busy:
        lines += ["", f"Other work kept more than 0.3 processors busy while these ran: {', '.join(busy)}."]
    return "\n".join(lines)


def goal_lines(results):
    """Every goal: what was asked, what was measured."""
    lines = ["| case | goal | measured | |", "|---|---|--:|---|"]
    for case in cases.CASES:
        found = results["cases"].get(case.name)
        for goal in case.goals if found else ():
            shown = rows(case, found)
            ours = shown.get("voxprep")
            unit = {"warm": "pooled", "cold": "cold", "cpu": "CPU time"}.get(goal.measure, "")
            if goal.measure == "memory":
                text, most = f"at most {goal.times} times the float32 output in memory", True
                value = ours.peak * 2 ** 20 / output_bytes(results["quick"]) if ours and ours.peak else None
            elif goal.peer.startswith("case:"):
                name = goal.peer[5:]
                text, most = f"at most {goal.times} times `{name}`, {unit}", True
                known = results["cases"].get(name)
                other = rows(case, known).get("voxprep") if known else None
                value = ours.warm / other.warm if ours and other else None
            else:
                others = [row for name, row in shown.items() if name != "voxprep" and goal.peer in ("fastest", name)]
                who = "the fastest peer" if goal.peer == "fastest" else goal.peer
                text, most = f"{goal.times} times {who}, {unit}", False
                value = min(getattr(row, goal.measure) for row in others) / getattr(ours, goal.measure) if ours and others else None
            met = "" if value is None else "met" if (value <= goal.times if most else value >= goal.times) else "missed"
            lines.append(f"| {case.name} | {text} | {'not measured' if value is None else f'{value:.2f}'} | {met} |")
    return "\n".join(lines)


def output_bytes(quick):
    """The bytes of the 1 mm grid in float32."""
    from phantoms import sizes
    shape, _, _ = cases.spacing_grid(sizes(quick)[0])
    return 4 * shape[0] * shape[1] * shape[2]


def setting(results):
    machine, versions = results["machine"], results["versions"]
    quick = " **Small inputs (`--quick`): these times mean nothing.**" if results["quick"] else ""
    return (f"{machine['processor']}, {machine['processors']} processors, {machine['memory_gib']} GiB; {machine['system']}, large pages "
            f"`{machine['huge_pages']}`; {results['threads']} threads, {results['rounds']} rounds; voxprep {versions['voxprep']}, "
            f"Python {machine['python']}.{quick}")


def tables(results):
    """All tables, as Markdown."""
    parts = [setting(results), "### Goals\n\n" + goal_lines(results)]
    parts += [table(case, results["cases"][case.name], results["threads"], results["versions"])
              for case in cases.CASES if case.name in results["cases"]]
    return "\n\n".join(parts)


def summary(results):
    """One line for each case: how many times longer each peer takes, pooled."""
    lines = ["| | voxprep | " + " | ".join(SLOWER) + " |", "|---|--:|" + "--:|" * len(SLOWER)]
    for case in cases.CASES:
        found = results["cases"].get(case.name)
        shown = rows(case, found) if found and not found["lacking"] else {}
        if "voxprep" not in shown or len(shown) < 2:
            continue
        ours = shown["voxprep"].warm
        cells = [times(shown[name].warm, ours) if name in shown else "" for name in SLOWER]
        lines.append(f"| {case.name} | {milliseconds(ours)} ms | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def replace(path, text):
    """Puts a text between the two marks of a document."""
    with open(path) as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w") as file:
        file.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def write(root, results):
    replace(os.path.join(root, "docs", "benchmarks.md"), tables(results))
    replace(os.path.join(root, "README.md"), setting(results) + "\n\n" + summary(results))
