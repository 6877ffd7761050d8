# SPDX-License-Identifier: MIT
"""OpenVINO as a competitor: one stream for latency, and single precision, for it would take bfloat16 where the processor has that."""
import numpy
import openvino

from serving import options, serve


def prepare(a):
    core = openvino.Core()
    model = core.compile_model(core.read_model(a.model), "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": a.threads, "INFERENCE_PRECISION_HINT": "f32"})
    request = model.create_infer_request()
    images = numpy.random.default_rng(1).random((a.batch, 1, a.size, a.size), dtype=numpy.float32)
    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    facts = {"openvino": openvino.__version__, "precision": model.get_property("INFERENCE_PRECISION_HINT").to_string(),
             "instructions": core.get_property("CPU", "FULL_DEVICE_NAME")}
    return request.infer, facts


if __name__ == "__main__":
    arguments = options(("--model", {"required": True}))
    serve(lambda: prepare(arguments))
