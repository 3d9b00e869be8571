"""The merges and tokens of `tokenizers` (0.23.3) on `bpe.txt`: python bpe.py"""

import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
SAMPLES = [
    "The winter's tale: we'll see, they've said.",
    "  two spaces,\n\nand a new paragraph \n",
    "1,234 numbers & ½ signs -- naïve café, 日本 😀!?",
    "unseenword Zyzzyva'd 'tis",
    "",
]

text = (HERE / "bpe.txt").read_text()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
alphabet = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=600, min_frequency=2, initial_alphabet=alphabet, show_progress=False)
tokenizer.train_from_iterator([text], trainer)

seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
others = [byte for byte in range(256) if byte not in seen]
byte_of = {chr(byte): byte for byte in seen} | {chr(256 + at): byte for at, byte in enumerate(others)}


def spelt(token):
    return "".join(f"{byte_of[sign]:02x}" for sign in token)


merges = json.loads(tokenizer.to_str())["model"]["merges"]
merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
golden = {
    "merges": [[spelt(a), spelt(b)] for a, b in merges],
    "samples": [{"text": sample, "ids": tokenizer.encode(sample).ids} for sample in SAMPLES],
}
(HERE / "bpe.json").write_text(json.dumps(golden) + "\n")
