"""The Open Inference Protocol v2 over HTTP, with Triton's extensions: binary tensors, classification, model repository,
model configuration and statistics. `tritonclient.http` works against it unchanged; docs/protocol.md shows how.

    messages     what goes over the wire
    tensors      a body to what is asked, probabilities to a body; knows no model
    infer        POST /v2/models/{model}/infer
    about        server, health, model metadata, configuration, statistics
    repository   index, load, unload
    errors       a Problem as this protocol says it
    paths        the same for the OpenAPI document
"""
