"""The 4 nearest of 100,000 positions, beside ours."""

import argparse

import numpy as np

from rounds import Ours, Worker, compare, serve


def ckdtree(threads):
    import scipy
    from scipy.spatial import cKDTree
    at = np.random.default_rng(1).uniform(0, 5000, (100_000, 2))
    serve(f"SciPy {scipy.__version__}",
          {"build and query": lambda: cKDTree(at).query(at, k=5, workers=threads)}, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", choices=["ckdtree"])
    a = parser.parse_args()
    if a.worker:
        return ckdtree(a.threads)
    workers = [Ours(["group"], a.threads), Worker(__file__, "ckdtree", [], a.threads)]
    compare(f"100,000 positions, K = 4, {a.threads} threads", workers, a.rounds)


if __name__ == "__main__":
    main()
