"""Writes src/hub/lut.rs: matplotlib's magma and twilight tables (CC0) as 8-bit RGB.

    python -m venv .venv && .venv/bin/pip install matplotlib
    .venv/bin/python scripts/make_lut.py > src/hub/lut.rs

Run once; the tables are constants of the figures, not of the numerics. An entry is
`floor(255 * value)`, which is what matplotlib gives when it is asked for bytes.
"""

import matplotlib


def table(name, const, doc):
    colours = matplotlib.colormaps[name].colors
    print(f"/// {doc}")
    print("#[rustfmt::skip]")
    print(f"pub const {const}: [[u8; 3]; {len(colours)}] = [")
    cells = ["[" + ", ".join(str(int(v * 255)) for v in c[:3]) + "]" for c in colours]
    for k in range(0, len(cells), 6):
        print("    " + ", ".join(cells[k : k + 6]) + ",")
    print("];")


print(
    f"""//! Colours are data: two perceptually uniform tables, and no arithmetic.
//!
//! *Source.* matplotlib {matplotlib.__version__}: `magma` by Nathaniel J. Smith and Stefan van der Walt, `twilight` by Bastian
//! Bechtold; both published under CC0. Written by `scripts/make_lut.py`; do not edit by hand.
"""
)
table("magma", "MAGMA", "Sequential, dark to light: amplitudes.")
print()
table("twilight", "TWILIGHT", "Cyclic: phases; the first and the last entry are the same colour to within one step.")
