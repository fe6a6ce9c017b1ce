"""Models that were trained somewhere else, made into artifacts that serve, evaluate and weigh like ours.

    python -m export import model.onnx --classes classes.txt --normalize imagenet --test flowers/test

    asked       what the user said, and the refusal that names what is missing
    onnx_file   an ONNX file read with suspicion: custom operators, weights elsewhere
    torch_file  TorchScript, a network of timm or torchvision with local weights, a function of the user's: as ONNX
    signature   what goes in and comes out: layout, size, channels, type, batch axis; classes
    pixels      how pixels become numbers: found in the graph, tried on labelled images, or asked for
    scores      whether probabilities or logits come out, told by running it
    surgery     the graph with all of that inside: uint8 NHWC in, probabilities out, any batch
    reference   the model as it came, run one image at a time: what the artifact is held against
    labelled    a folder of class folders, or Parquet, as this model takes it
    counting    parameters and multiply-accumulates
    command     the command line, and the order of it all

Nothing is guessed in silence: what could not be found out is asked for, and what was is told, with the reason.
"""
