"""Writes what torch says of Inception-v3 with weights by formula, and small files of arrays as `torch.save` writes them.

    pip install torch torch-fidelity
    python inception.py

Needs torch and torch-fidelity 0.4.0, whose `FeatureExtractorInceptionV3` is the network that pytorch-fid's file of weights is for.
Weights, and the pictures that are read, are a formula of an array's name and a number's place in it, so that no large file is needed.
"""

import json
import os
import struct
import tempfile

import numpy as np
import torch
from torch_fidelity import feature_extractor_inceptionv3 as definition

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = [(3, 8, 8), (3, 40, 27), (1, 28, 28)]


def bits(name, count):
    """The output function of SplitMix64 over FNV-1a of the name plus the place."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = ((start ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(count, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def numbers(name, shape):
    """Uniform in [-1, 1), then scaled by what the array is for."""
    count = int(np.prod(shape))
    v = (bits(name, count) >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0
    if name.endswith("conv.weight"):
        v = v * np.sqrt(6.0 / np.prod(shape[1:]))
    elif name == "fc.weight":
        v = v * np.sqrt(3.0 / shape[1])
    elif name.endswith("bn.weight"):
        v = 1.0 + 0.2 * v
    elif name.endswith("running_var"):
        v = 1.0 + 0.5 * v
    else:
        v = 0.2 * v
    return v.astype(np.float32).reshape(shape)


def picture(index):
    shape = PICTURES[index]
    bytes_ = (bits(f"picture-{index}", int(np.prod(shape))) >> np.uint64(56)).astype(np.uint8).reshape(shape)
    return np.repeat(bytes_, 3, axis=0) if shape[0] == 1 else bytes_


def write_safetensors(path, arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        body = np.ascontiguousarray(array, dtype=np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def inception():
    # The network as it is, without the download in its constructor.
    load = definition.load_state_dict_from_url
    state = {}

    original = torch.nn.Module.load_state_dict
    definition.load_state_dict_from_url = lambda *args, **kwargs: state
    torch.nn.Module.load_state_dict = lambda self, _state, **kwargs: None
    network = definition.FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"])
    torch.nn.Module.load_state_dict = original
    definition.load_state_dict_from_url = load
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = value
        else:
            state[name] = torch.from_numpy(numbers(name, tuple(value.shape)))
    with open(os.path.join(HERE, "inception-layers.txt"), "w") as file:
        for name, value in state.items():
            if name.endswith(".conv.weight"):
                file.write(f"{name.removesuffix('.conv.weight')} {' '.join(str(size) for size in value.shape)}\n")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "weights.pth")
        torch.save(state, path)
        network = definition.FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=path
        )
    features, probabilities = [], []
    for index in range(len(PICTURES)):
        read, logits = network(torch.from_numpy(picture(index))[None])
        features.append(read.numpy()[0])
        probabilities.append(torch.softmax(logits.double(), 1).float().numpy()[0])
    write_safetensors(
        os.path.join(HERE, "inception.safetensors"),
        {"features": np.stack(features), "probabilities": np.stack(probabilities)},
    )
    print("features:", np.stack(features).mean(1), np.stack(features).std(1), "largest", np.stack(features).max())


def arrays():
    single = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 2
    state = {
        "single": single,
        "turned": single.T,
        "row": single[1],
        "double": torch.tensor([0.1, -7.0], dtype=torch.float64),
        "half": torch.tensor([0.25, -2.0], dtype=torch.float16),
        "count": torch.tensor(12_345),
    }
    torch.save(state, os.path.join(HERE, "arrays.pth"))
    torch.save(state, os.path.join(HERE, "arrays-old.pth"), _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    torch.manual_seed(0)
    arrays()
    inception()
