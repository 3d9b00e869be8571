"""The Keras listing of digits that this project starts from, made to run: its networks, its loop, `train_on_batch` and
`predict` as they stand there, batches of 32, Adam at 1e-4.

`legacy` is the Keras that such listings were written for (the package tf-keras). `keras-3` is today's, in which a model
inside another one keeps the trainability that it is first built with; so the discriminator is built before it is frozen.
"""

import json

import protocol

CASES = {"listing": ["legacy", "keras-3"]}
BATCH, LATENT, BATCHES = 32, 100, 8


class Listing:
    def __init__(self, variant):
        if variant == "legacy":
            import tf_keras as keras
        else:
            import keras
        self.version = f"Keras {keras.__version__}"
        layers, Adam, Sequential = keras.layers, keras.optimizers.Adam, keras.models.Sequential
        self.generator = Sequential(
            [layers.Input((LATENT,))]
            + [layers.Dense(width, activation="relu") for width in (128, 256, 512, 1024)]
            + [layers.Dense(784, activation="tanh")]
        )
        self.discriminator = Sequential(
            [layers.Input((784,))]
            + [layers.Dense(width, activation="relu") for width in (1024, 512, 256, 128)]
            + [layers.Dense(1, activation="sigmoid")]
        )
        self.discriminator.compile(loss="binary_crossentropy", optimizer=Adam(1e-4))
        self.ones, self.zeros = numpy.ones((BATCH, 1), "float32"), numpy.zeros((BATCH, 1), "float32")
        self.real = [numpy.random.uniform(-1, 1, (BATCH, 784)).astype("float32") for _ in range(BATCHES)]
        self.at = 0
        if variant != "legacy":
            self.discriminator.train_on_batch(self.real[0], self.ones)
        self.discriminator.trainable = False
        self.both = Sequential([self.generator, self.discriminator])
        self.both.compile(loss="binary_crossentropy", optimizer=Adam(1e-4))
        self.check()

    def noise(self):
        return numpy.random.normal(0, 1, (BATCH, LATENT)).astype("float32")

    def train_discriminator(self):
        x, self.at = self.real[self.at], (self.at + 1) % BATCHES
        fake = self.generator.predict(self.noise(), verbose=0)
        self.discriminator.train_on_batch(x, self.ones)
        self.discriminator.train_on_batch(fake, self.zeros)

    def train_generator(self):
        self.both.train_on_batch(self.noise(), self.ones)

    def step(self):
        self.train_discriminator()
        self.train_generator()

    def check(self):
        """Each half of a step must train its own network and leave the other as it is."""
        for half, trained, kept in (
            (self.train_discriminator, self.discriminator, self.generator),
            (self.train_generator, self.generator, self.discriminator),
        ):
            before = [model.get_weights() for model in (trained, kept)]
            half()
            after = [model.get_weights() for model in (trained, kept)]
            moved = [any((a != b).any() for a, b in zip(*pair)) for pair in zip(before, after)]
            if moved != [True, False]:
                raise RuntimeError(f"{half.__name__} moves {moved} of [its own network, the other]")

    def parameters(self):
        return {"generator": self.generator.count_params(), "discriminator": self.discriminator.count_params()}


def main():
    args = protocol.arguments()
    if args.list:
        print(json.dumps(CASES), file=protocol.ANSWERS)
        return
    global numpy
    import os

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import numpy
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(args.threads)
    work = Listing(args.variant or "legacy")
    protocol.serve(work, f"{work.version}, TensorFlow {tensorflow.__version__}", args.steps)


if __name__ == "__main__":
    protocol.run(main)
