"""The layouts that sets of pictures with true mattes come in: which folders hold what. Standard library alone.

| layout | pictures | true mattes |
| --- | --- | --- |
| ppm100 | `image/`, or `val/fg/`, or `fg/` | `matte/`, or `val/alpha/`, or `alpha/` |
| p3m | `original_image/` or `blurred_image/` | `mask/` |
| amd | `merged/`, as the Adobe set's own script writes it: NAME_0.png, NAME_1.png … | `alpha/`: NAME.png |
| amd | `fg/` laid over `bg/`, n // m backgrounds for each of m foregrounds, in the order of their names | `alpha/` |
| pairs | `image/` or `images/` | `matte/`, `mask/` or `alpha/` |
"""

AUTO = "auto"
FOLDERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ppm100": (("image", "matte"), ("val/fg", "val/alpha"), ("fg", "alpha")),
    "p3m": (("original_image", "mask"), ("blurred_image", "mask")),
    "amd": (("merged", "alpha"), ("fg", "alpha", "bg")),
    "pairs": tuple((image, matte) for image in ("image", "images") for matte in ("matte", "mask", "alpha")),
}
"""Each layout's folders: pictures, mattes and maybe backgrounds. The first whose folders are all there counts."""
LAYOUTS = (AUTO, *FOLDERS)
AUTO_ORDER = ("amd", "ppm100", "p3m", "pairs")
"""How `auto` looks: amd before ppm100, which is content with two of amd's three folders."""
