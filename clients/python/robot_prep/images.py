"""JPEG bytes -> pictures, by the fastest library that is there. All of them are libjpeg-turbo inside and give the same pixels."""
from __future__ import annotations

import functools
import io
import sys
import threading

import numpy as np

from .errors import fault


def _simplejpeg():
    import simplejpeg

    def decode(data, out: np.ndarray) -> np.ndarray:
        return simplejpeg.decode_jpeg(data, "RGB", buffer=out) if out.flags.c_contiguous else simplejpeg.decode_jpeg(data, "RGB")

    return decode


def _turbojpeg():
    import turbojpeg

    one = turbojpeg.TurboJPEG()
    return lambda data, out: one.decode(bytes(data), pixel_format=turbojpeg.TJPF_RGB)


def _torchvision():
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    def decode(data, out: np.ndarray) -> np.ndarray:
        picture = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)
        return picture.permute(1, 2, 0).numpy()

    return decode


def _pillow():
    from PIL import Image

    return lambda data, out: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


DECODERS = {"simplejpeg": _simplejpeg, "turbojpeg": _turbojpeg, "torchvision": _torchvision, "pillow": _pillow}


@functools.cache
def decoder(name: str | None = None):
    """A function (bytes, buffer [H, W, 3]) -> [H, W, 3] u8; it may use the buffer. None: the first that loads."""
    for one in [name] if name else DECODERS:
        try:
            return DECODERS[one]()
        # A package can be there without its shared library.
        except (ImportError, OSError, RuntimeError):
            if name:
                raise
    raise fault("bad-option", "JPEG", "a decoder", "none", "pip install simplejpeg, or pillow")


#: Pictures of earlier batches whose memory may be used again. Fresh pages of a 100 MB array cost a tenth to a half of decoding it.
_KEPT: list[np.ndarray] = []
MOST_KEPT = 3
_LOCK = threading.Lock()


def memory(shape: tuple[int, ...]) -> np.ndarray:
    """An array to write to: one that nobody but this list refers to any more, views and tensors included, else a new one."""
    with _LOCK:
        # Without the interpreter's lock, counts of references are not exact.
        counted = getattr(sys, "_is_gil_enabled", lambda: True)()
        _KEPT[:] = [one for one in _KEPT if one.shape == shape]
        for i in range(len(_KEPT) if counted else 0):
            # The list, and the argument of getrefcount itself.
            if sys.getrefcount(_KEPT[i]) == 2:
                return _KEPT[i]
        made = np.empty(shape, np.uint8)
        if counted and len(_KEPT) < MOST_KEPT:
            _KEPT.append(made)
        return made


def decode_views(views: list[list], height: int, width: int, name: str | None = None) -> np.ndarray:
    """Lists of JPEG bytes, one list per view -> u8 [B, V, 3, H, W], zeros where there are no bytes.

    Channels lie last in memory and the axes are turned: no pixel is moved, and a GPU likes it so.
    """
    return decode_into(memory((len(views[0]), len(views), height, width, 3)), views, name)


def decode_into(out: np.ndarray, views: list[list], name: str | None = None) -> np.ndarray:
    """`decode_views` into an array [B, V, H, W, 3]; returns it with its axes turned."""
    decode, (height, width) = decoder(name), out.shape[2:4]
    for v, jpegs in enumerate(views):
        for b, jpeg in enumerate(jpegs):
            into = out[b, v]
            if not len(jpeg):
                into[:] = 0
                continue
            picture = decode(jpeg, into)
            if picture.shape != into.shape:
                raise fault("image-size", "a stored picture", f"{width}x{height}", f"{picture.shape[1]}x{picture.shape[0]}", "run `prep check`")
            if not np.may_share_memory(picture, into):
                into[:] = picture
    return out.transpose(0, 1, 4, 2, 3)
