"""Graphs whose large tensors lie in one file beside them, equal tensors once: all signatures and outputs share the weights."""
import hashlib

import onnx_ir as ir

WEIGHTS = "weights.bin"
INLINE_BELOW = 1024  # bytes; ORT reads small shape constants while it optimises
PAGE = 4096


class WeightsFile:
    """Written tensor by tensor; `place(tensor)` returns (offset, length) of equal bytes already written, or appends them."""

    def __init__(self, folder):
        self.file = open(folder / WEIGHTS, "wb")
        self.places = {}
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data):
        self.file.write(data)
        self.sha256.update(data)
        self.bytes += len(data)

    def place(self, tensor):
        array = tensor.numpy()
        data = memoryview(array.reshape(-1).view("u1")) if array.flags.c_contiguous else array.tobytes()
        key = hashlib.blake2b(data, digest_size=20).digest()
        if key not in self.places:
            align = PAGE if len(data) >= 1 << 20 else 64  # page-aligned, so that runtimes can map large tensors
            self.write(b"\0" * (-self.bytes % align))
            self.places[key] = self.bytes, len(data)
            self.write(data)
        return self.places[key]

    def close(self):
        self.file.close()
        return {"sha256": self.sha256.hexdigest(), "bytes": self.bytes}


def save(model, file, weights):
    """Writes onnx_ir `model` to `file`; large initializers go to `weights`."""
    graph = model.graph
    for value in graph.initializers.values():
        tensor = value.const_value
        if tensor.nbytes < INLINE_BELOW:
            continue
        offset, length = weights.place(tensor)
        value.const_value = ir.ExternalTensor(WEIGHTS, offset, length, tensor.dtype, shape=tensor.shape, name=value.name, base_dir=str(file.parent))
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    data = proto.SerializeToString(deterministic=True)
    file.write_bytes(data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
