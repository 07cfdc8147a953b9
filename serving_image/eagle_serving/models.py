"""A model in memory: the graph in ONNX Runtime, and what its inputs and outputs are called and shaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt
import onnxruntime

from eagle_contract.bundle import Manifest
from eagle_serving.errors import ModelInvalid

Array: TypeAlias = npt.NDArray[Any]

_ERRORS_ONLY = 3
_DATATYPES = {"tensor(double)": "FP64", "tensor(bool)": "BOOL"}
_OUTPUTS = {"failure_probability": "FP64", "alarm": "BOOL", "confident": "BOOL"}


@dataclass(frozen=True)
class Tensor:
    """An input or output as the protocol describes it; -1 stands for the number of windows in a request."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """A graph that is ready to run. Safe to use from several threads."""

    name: str
    manifest: Manifest
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    _session: Any

    @property
    def version(self) -> str:
        """The version label."""
        return self.manifest.version

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The named outputs, each [B], for one array [B, …] per input."""
        found: list[Array] = self._session.run(list(outputs), dict(feeds))
        return found


def load_model(name: str, manifest: Manifest, graph: bytes, *, threads: int) -> Model:
    """The model of a graph, which may use `threads` processors. Raises ModelInvalid."""
    opened = open_session(graph, threads)
    inputs = _expected_inputs(manifest)
    outputs = tuple(Tensor(output, datatype, (-1,)) for output, datatype in _OUTPUTS.items())
    _confirm("input", opened.get_inputs(), inputs)
    _confirm("output", opened.get_outputs(), outputs)
    return Model(name, manifest, inputs, outputs, opened)


def open_session(graph: bytes, threads: int) -> Any:
    """An ONNX Runtime session as every model is served with. Raises ModelInvalid."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Spinning threads would use up a CPU limit while there is nothing to do.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as cause:  # ONNX Runtime's exceptions have no public common base
        line = str(cause).partition("\n")[0]
        raise ModelInvalid(
            f"ONNX Runtime {onnxruntime.__version__} cannot load the model ({line});"
            " use a server image of the trainer's release or train again"
        ) from cause


def _expected_inputs(manifest: Manifest) -> tuple[Tensor, ...]:
    window = Tensor("window", "FP64", (-1, manifest.window_length, len(manifest.sensors)))
    if not manifest.context_columns:
        return (window,)
    return window, Tensor("context", "FP64", (-1, len(manifest.context_columns)))


def _confirm(kind: str, found: Sequence[Any], expected: tuple[Tensor, ...]) -> None:
    by_name = {tensor.name: tensor for tensor in found}
    wanted = {tensor.name for tensor in expected}
    if set(by_name) != wanted:
        raise ModelInvalid(f"the graph has the {kind}s {sorted(by_name)}, not {sorted(wanted)}; train again")
    for tensor in expected:
        datatype = _DATATYPES.get(by_name[tensor.name].type, by_name[tensor.name].type)
        shape = tuple(size if isinstance(size, int) else -1 for size in by_name[tensor.name].shape)
        if datatype != tensor.datatype or shape != tensor.shape:
            raise ModelInvalid(
                f"the graph's {kind} {tensor.name} is {datatype} {list(shape)},"
                f" not {tensor.datatype} {list(tensor.shape)} as the manifest says; train again"
            )
