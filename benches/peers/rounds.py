"""Everybody takes a turn: workers in processes of their own, timed in rounds."""

import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def environment(threads):
    """For every library that counts threads for itself."""
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    return {**os.environ, **dict.fromkeys(names, str(threads)), "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": ""}


class Worker:
    """A peer in a process of its own: told a number of repetitions, it answers with seconds by name."""

    def __init__(self, script, peer, arguments, threads):
        command = [sys.executable, script, "--worker", peer, "--threads", str(threads), *arguments]
        self.name, self.process = peer, subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(threads))
        first = self.process.stdout.readline()  # it has warmed up
        self.there = first.startswith("ready")
        self.version = first.strip()

    def turn(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Ours:
    """The example `timing`, started anew for each turn."""

    name, there = "ptyproof", True

    def __init__(self, arguments, threads):
        program = os.path.join(ROOT, "target", "release", "examples", "timing")
        self.command = [program, "--threads", str(threads), *arguments]
        self.version = "ptyproof"

    def turn(self):
        return json.loads(subprocess.run(self.command, capture_output=True, text=True, check=True).stdout)


def serve(version, jobs, repetitions):
    """The worker's side: `jobs` by name, each warmed up twice; then one line of medians per turn."""
    for job in jobs.values():
        job()
        job()
    print(f"ready {version}", flush=True)
    for _ in sys.stdin:
        medians = {}
        for name, job in jobs.items():
            times = []
            for _ in range(repetitions):
                start = time.perf_counter()
                job()
                times.append(time.perf_counter() - start)
            medians[name] = statistics.median(times)
        print(json.dumps(medians), flush=True)


def compare(title, workers, rounds):
    """Rounds of turns, and the table."""
    workers = [w for w in workers if w.there or print(f"{w.name} is not here: left out")]
    seconds = {w.name: [] for w in workers}
    for _ in range(rounds):
        for w in workers:
            seconds[w.name].append(w.turn())
    medians = {name: {job: statistics.median(t[job] for t in turns) for job in turns[0]}
               for name, turns in seconds.items()}
    print(f"\n{title}: milliseconds, median of {rounds} rounds")
    print("".join(f"{head:>18}" for head in ["", *medians, "ours / fastest"]))
    for job in medians["ptyproof"]:
        ours = medians["ptyproof"][job]
        peers = [m[job] for name, m in medians.items() if name != "ptyproof"]
        row = "".join(f"{1e3 * m[job]:>18.2f}" for m in medians.values())
        print(f"{job:>18}{row}{ours / min(peers):>18.2f}")
    print("; ".join(w.version.removeprefix("ready ") for w in workers))
