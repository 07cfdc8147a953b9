"""Models that others have trained, read so that they can be written as ONNX and proven: one module per library."""
