"""Pictures as bytes.

A part of the program that `host.rs` starts: its files follow one another.
"""


def pixels(picture):
    """Bytes [height, width, 3] of what render() returned; None where that is no picture. Of several pictures it is the last.

    Floats (and booleans) are fractions of 255, unless one is above 1; they are rounded, and clipped to 0..255. A picture with alpha is
    put on white.
    """
    if isinstance(picture, (list, tuple)) and all(np.ndim(one) == 3 for one in picture):
        picture = picture[-1] if picture else None
    if picture is None:
        return None
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype.kind not in "biuf":
        raise ValueError(f"render() returned {shown(picture)}, where (height, width, 3) is needed")
    if array.dtype != np.uint8:
        fractions = array.dtype.kind == "b" or array.dtype.kind == "f" and not (array > 1).any()
        array = np.rint(np.clip(np.nan_to_num(array) * (255.0 if fractions else 1.0), 0, 255)).astype(np.uint8)
    if array.shape[2] == 4:
        share = array[:, :, 3:] / 255.0
        array = np.rint(array[:, :, :3] * share + 255.0 * (1.0 - share))
    return np.ascontiguousarray(array, np.uint8)
