# SPDX-License-Identifier: MIT
"""ONNX Runtime as a competitor: all graph optimisations, inputs and outputs bound once."""
import numpy
import onnxruntime

from serving import options, serve


def prepare(a):
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = a.threads
    chosen.inter_op_num_threads = 1
    chosen.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(a.model, chosen, providers=["CPUExecutionProvider"])
    images = numpy.random.default_rng(1).random((a.batch, 1, a.size, a.size), dtype=numpy.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("images", images)
    for output in session.get_outputs():
        binding.bind_ortvalue_output(output.name, onnxruntime.OrtValue.ortvalue_from_shape_and_type(output.shape, numpy.float32))
    return lambda: session.run_with_iobinding(binding), {"onnxruntime": onnxruntime.__version__}


if __name__ == "__main__":
    arguments = options(("--model", {"required": True}))
    serve(lambda: prepare(arguments))
