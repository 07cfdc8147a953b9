"""The server of published models: Open Inference Protocol v2 over HTTP, ONNX Runtime inside.

A pod is told by EAGLE_MODELS what to serve and is ready only when it has proved each model: fetched, digest and
signature right, decrypted, golden predictions reproduced. What waiting does not mend ends the process, with an exit
code of `eagle_contract.bundle.failures.ServingExit` and one sentence in the termination message:

| code | reason | what is wrong |
|---|---|---|
| 1 | Error | a fault of the server itself; its log says more |
| 20 | BundleMissing | a file of the bundle is not in the store |
| 21 | DigestMismatch | the bundle is not the ordered one, or a file is not the published one |
| 22 | SignatureInvalid | no trusted key has signed the manifest |
| 23 | DecryptionFailed | the organization's keys do not open a file |
| 24 | GoldenMismatch | the model answers otherwise here than it did for the trainer |
| 25 | SchemaUnsupported | the bundle is of a form that this release does not read |
| 26 | ConfigurationInvalid | EAGLE_MODELS, a setting, a key folder or the store's options |
| 27 | ModelInvalid | ONNX Runtime cannot load the graph, or its inputs and outputs are not what the manifest says |
"""
