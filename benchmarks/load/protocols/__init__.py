"""The protocols a load can speak: which headers go with a body, and where in an answer the prediction is.

    protocol       which of them it is and what it has to know; stored with the bodies of a load
    weighbridge    /predict of this service, and of whoever answers as it does
    oip            the Open Inference Protocol v2 over HTTP: Triton, KServe, MLServer, OpenVINO Model Server
    readers        the table of both
    tensor         images as the tensors of that protocol
"""
