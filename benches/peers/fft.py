"""256 complex64 images, two-dimensional transforms, beside ours."""

import argparse

import numpy as np

from rounds import Ours, Worker, compare, serve

SIDES = [64, 128, 256]


def images(n):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((256, n, n)) + 1j * rng.standard_normal((256, n, n))).astype(np.complex64)


def pocketfft(threads):
    import scipy
    stacks = {n: images(n) for n in SIDES}
    serve(f"SciPy {scipy.__version__}",
          {f"{n} x {n}": lambda s=s: scipy.fft.fft2(s, workers=threads) for n, s in stacks.items()}, 5)


def mkl(threads):
    import torch
    torch.set_num_threads(threads)
    assert torch.backends.mkl.is_available(), "this PyTorch has no MKL"
    stacks = {n: torch.from_numpy(images(n)) for n in SIDES}
    out = {n: torch.empty_like(s) for n, s in stacks.items()}
    serve(f"PyTorch {torch.__version__} (MKL)",
          {f"{n} x {n}": lambda n=n, s=s: torch.fft.fft2(s, out=out[n]) for n, s in stacks.items()}, 5)


def fftw(threads):
    try:
        import pyfftw
    except ImportError:
        return
    plans = {}
    for n in SIDES:
        a = pyfftw.empty_aligned((256, n, n), "complex64")
        plans[n] = pyfftw.FFTW(a, a, axes=(1, 2), flags=("FFTW_MEASURE",), threads=threads)
        a[:] = images(n)
    serve(f"FFTW through pyFFTW {pyfftw.__version__}", {f"{n} x {n}": p.execute for n, p in plans.items()}, 5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    peers = {"pocketfft": pocketfft, "mkl": mkl, "fftw": fftw}
    parser.add_argument("--worker", choices=peers)
    a = parser.parse_args()
    if a.worker:
        return peers[a.worker](a.threads)
    workers = [Ours(["fft"], a.threads), *(Worker(__file__, p, [], a.threads) for p in peers)]
    compare(f"256 images, {a.threads} threads", workers, a.rounds)


if __name__ == "__main__":
    main()
