"""The reference network with its physics in TensorFlow and PyTorch, timed beside ours.

Shapes after the reference description, sections i and j. Images are NHWC in TensorFlow, channels_last in PyTorch.
"""

import argparse
import math

import numpy as np

from rounds import Ours, Worker, compare, serve

N = 64
PARAMETERS = {"gs1_ideal": 2252026, "gs2_ideal": 2257000}
BATCH = {"gs1_ideal": 8, "gs2_ideal": 4}
CHANNELS = {"gs1_ideal": 1, "gs2_ideal": 4}
SCALE = 988.2
ENCODER, DECODER = [64, 128, 256], [128, 64]


def data(scenario, batch):
    """Amplitudes, a probe, and the matrices that move patches by fractions of a pixel onto a canvas and back."""
    rng = np.random.default_rng(0)
    c = CHANNELS[scenario]
    x = rng.uniform(0, 1, (batch, N, N, c)).astype(np.float32)
    yy, xx = np.mgrid[:N, :N] - N / 2
    probe = np.exp(-(yy**2 + xx**2) / (2 * 12.0**2)).astype(np.complex64)
    rel = rng.uniform(-4, 4, (batch, c, 2)) if c > 1 else np.zeros((batch, c, 2))
    m = N + 2 * math.ceil(np.abs(rel).max())

    def shift(d, to, frm):
        """`[to, frm]`: row i takes the bilinear value at i - d, both frames centred."""
        at = np.arange(to)[:, None] - d - (to - frm) / 2
        return np.maximum(0, 1 - np.abs(at - np.arange(frm)[None, :])).astype(np.float32)

    place = np.array([[[shift(-r, m, N) for r in pair] for pair in group] for group in rel])
    take = np.array([[[shift(r, N, m) for r in pair] for pair in group] for group in rel])
    centre = np.zeros((N, N), np.float32)
    centre[N // 4:-(N // 4), N // 4:-(N // 4)] = 1
    weight = np.einsum("bcij,jk,bclk->bil", place[:, :, 1], centre, place[:, :, 0]) + 0.001
    return x, probe, place, take, weight.astype(np.float32)


def tensorflow_worker(scenario, threads):
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    batch, c = BATCH[scenario], CHANNELS[scenario]
    x, probe, place, take, weight = map(tf.constant, data(scenario, batch))

    layers = tf.keras.layers
    relu = dict(padding="same", activation="relu")
    start = layers.Input((N, N, c))
    h = start
    for filters in ENCODER:
        h = layers.Conv2D(filters, 3, **relu)(h)
        h = layers.Conv2D(filters, 3, **relu)(h)
        h = layers.MaxPool2D()(h)
    outputs = []
    for activation in ["sigmoid", lambda v: math.pi * tf.tanh(v)]:
        d = h
        for filters in DECODER:
            d = layers.Conv2D(filters, 3, **relu)(d)
            d = layers.Conv2D(filters, 3, **relu)(d)
            d = layers.UpSampling2D()(d)
        d = layers.Conv2D(c, 3, padding="same", activation=activation)(d[..., :60])
        outputs.append(layers.ZeroPadding2D(N // 4)(d))
    model = tf.keras.Model(start, outputs)
    assert model.count_params() == PARAMETERS[scenario], model.count_params()
    adam = tf.keras.optimizers.Adam(1e-3)

    def objects(images):
        amplitude, phase = model(images, training=True)
        real, imaginary = (tf.transpose(v, [0, 3, 1, 2]) for v in (amplitude * tf.cos(phase), amplitude * tf.sin(phase)))

        def onto(z):
            return tf.reduce_sum(tf.einsum("bcij,bcjk,bclk->bcil", place[:, :, 1], z, place[:, :, 0]), 1) / weight
        return onto(real), onto(imaginary)

    def loss():
        parts = [tf.einsum("bcij,bjk,bclk->bcil", take[:, :, 1], o, take[:, :, 0]) for o in objects(x)]
        wave = tf.complex(*parts) * probe
        intensity = (SCALE / N * tf.abs(tf.signal.fft2d(wave)))**2 + 1e-6
        counts = tf.transpose((SCALE * x)**2, [0, 3, 1, 2])
        return tf.reduce_mean(intensity - counts * tf.math.log(intensity))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss()
        adam.apply_gradients(zip(tape.gradient(value, model.trainable_variables), model.trainable_variables))
        return value

    @tf.function
    def infer():
        return objects(x)

    serve(f"TensorFlow {tf.__version__}", {
        "training step": lambda: step().numpy(),
        f"inference of {batch}": lambda: [v.numpy() for v in infer()],
    }, 8)


def torch_worker(scenario, threads):
    import torch
    from torch import nn
    torch.set_num_threads(threads)
    batch, c = BATCH[scenario], CHANNELS[scenario]
    x, probe, place, take, weight = map(torch.from_numpy, data(scenario, batch))
    x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    def block(inputs, filters, last):
        return [nn.Conv2d(inputs, filters, 3, padding=1), nn.ReLU(),
                nn.Conv2d(filters, filters, 3, padding=1), nn.ReLU(), last]

    def chain(inputs, widths, last):
        blocks = []
        for filters in widths:
            blocks += block(inputs, filters, last())
            inputs = filters
        return nn.Sequential(*blocks)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = chain(c, ENCODER, lambda: nn.MaxPool2d(2))
            self.decoders = nn.ModuleList(
                chain(ENCODER[-1], DECODER, lambda: nn.Upsample(scale_factor=2)) for _ in range(2))
            self.heads = nn.ModuleList(nn.Conv2d(60, c, 3, padding=1) for _ in range(2))

        def forward(self, images):
            h = self.encoder(images)
            a, p = (head(decoder(h)[:, :60]) for decoder, head in zip(self.decoders, self.heads))
            pad = 4 * [N // 4]
            return nn.functional.pad(torch.sigmoid(a), pad), nn.functional.pad(math.pi * torch.tanh(p), pad)

    model = Network().to(memory_format=torch.channels_last)
    count = sum(p.numel() for p in model.parameters())
    assert count == PARAMETERS[scenario], count
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    def objects():
        amplitude, phase = model(x)

        def onto(z):
            moved = place[:, :, 1] @ z @ place[:, :, 0].transpose(-1, -2)
            return moved.sum(1) / weight
        return onto(amplitude * torch.cos(phase)), onto(amplitude * torch.sin(phase))

    counts = (SCALE * x)**2

    def step():
        adam.zero_grad(set_to_none=True)
        parts = [take[:, :, 1] @ o[:, None] @ take[:, :, 0].transpose(-1, -2) for o in objects()]
        far = torch.fft.fft2(torch.complex(*parts) * probe)
        intensity = (SCALE / N)**2 * (far.real**2 + far.imag**2) + 1e-6
        value = (intensity - counts * torch.log(intensity)).mean()
        value.backward()
        adam.step()
        return value.item()

    @torch.inference_mode()
    def infer():
        return objects()

    serve(f"PyTorch {torch.__version__}", {"training step": step, f"inference of {batch}": infer}, 8)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=sorted(BATCH), default="gs1_ideal")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", choices=["tensorflow", "torch"])
    a = parser.parse_args()
    if a.worker:
        return {"tensorflow": tensorflow_worker, "torch": torch_worker}[a.worker](a.scenario, a.threads)
    workers = [Ours(["network", a.scenario], a.threads)]
    for peer in ["tensorflow", "torch"]:
        workers.append(Worker(__file__, peer, ["--scenario", a.scenario], a.threads))
    compare(f"{a.scenario}, batch {BATCH[a.scenario]}, {a.threads} threads", workers, a.rounds)


if __name__ == "__main__":
    main()
