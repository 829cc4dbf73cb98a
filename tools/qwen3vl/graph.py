"""A module to an ONNX model of the default domain only, its weights still those of the module (no copy)."""
import contextlib
import io
import logging
import warnings

import torch

BANNED = ("ScatterND", "ScatterElements", "NonZero", "Loop", "If", "Scan")


def exported(stage1):
    """-> onnx_ir.Model. Batch, and for int8 the number of outlier channels, are dynamic."""
    spec = stage1.model.spec
    size = spec.image["height"], spec.image["width"]
    images = torch.zeros((2, len(stage1.views), *size, 3), dtype=torch.uint8)
    arguments, shapes, names = [images], [{0: torch.export.Dim("batch", min=1, max=65536)}], ["images"]
    if stage1.output == "int8":
        arguments.append(torch.arange(3)[None].repeat(len(spec.taps.at), 1))
        shapes.append({1: torch.export.Dim("outlier_channels", min=1, max=4096)})
        names.append("outliers")
    else:
        shapes = tuple(shapes)
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            stage1, tuple(arguments), dynamo=True, opset_version=spec.opset, input_names=names, output_names=stage1.output_names(), dynamic_shapes=tuple(shapes), optimize=True, verbose=False
        )
    return cleaned(program.model)


def cleaned(model):
    """Without the exporter's notes (source lines, paths of the machine), and refused where a node would not run everywhere."""
    model.metadata_props.clear()
    model.doc_string = None
    graph = model.graph
    graph.doc_string = None
    graph.metadata_props.clear()
    for node in graph.all_nodes():
        if node.domain or node.op_type in BANNED:
            raise AssertionError(f"expected nodes of the default ONNX domain, found {node.domain or 'ai.onnx'}::{node.op_type}")
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in [*graph.inputs, *graph.outputs, *graph.initializers.values()]:
        value.metadata_props.clear()
        value.doc_string = None
    if model.functions:
        raise AssertionError(f"expected no functions, found {list(model.functions)}")
    return model


@contextlib.contextmanager
def quiet():
    """torch.onnx prints progress and tells of its own deprecations; errors still raise."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.getLogger("torch.onnx").setLevel(level)
