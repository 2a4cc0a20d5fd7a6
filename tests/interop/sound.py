"""Sound as samples: makes tones, reads recordings, and says which tone sounds when. 8000 Hz, mono, 16 bit.

ITU-T G.711 for mu-law and A-law. Nothing but the standard library.
"""

import cmath
import math
import operator
import struct
import wave

RATE = 8000
WINDOW = 2048  # 256 ms: bins of 3.9 Hz, so that 440 and 441 Hz are one tone and 440 and 480 are two


def _mu(code):
    code = ~code & 0xFF
    sample = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 7)) - 132
    return -sample if code & 0x80 else sample


def _a(code):
    code ^= 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F) << 4
    sample = mantissa + 8 if exponent == 0 else (mantissa + 264) << (exponent - 1)
    return sample if code & 0x80 else -sample


MU = [_mu(code) for code in range(256)]
A = [_a(code) for code in range(256)]
_TO_MU = None


def from_g711(payload_type, data):
    """Samples of an RTP payload of type 0 or 8."""
    table = {0: MU, 8: A}[payload_type]
    return [table[code] for code in data]


def to_mu(samples):
    """The nearest mu-law code of each sample."""
    global _TO_MU
    if _TO_MU is None:
        codes = sorted(range(256), key=lambda code: MU[code])
        levels = [MU[code] for code in codes]
        _TO_MU, at = [], 0
        for sample in range(-32768, 32768):
            while at + 1 < 256 and abs(levels[at + 1] - sample) <= abs(levels[at] - sample):
                at += 1
            _TO_MU.append(codes[at])
    return bytes(_TO_MU[sample + 32768] for sample in samples)


def tone(hz, seconds, amplitude=12000):
    step = 2 * math.pi * hz / RATE
    return [round(amplitude * math.sin(step * i)) for i in range(int(seconds * RATE))]


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", ""))
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def read_wav(path):
    """Samples of a mono 16-bit recording; a recorder that was killed may have left its header unfinished, so the sizes in it count
    for nothing and the data is read to the end of the file."""
    raw = open(path, "rb").read()
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise ValueError(f"{path} is no WAV")
    at, rate = 12, None
    while at + 8 <= len(raw):
        name, size = raw[at : at + 4], struct.unpack_from("<I", raw, at + 4)[0]
        if name == b"fmt ":
            channels, rate = struct.unpack_from("<HI", raw, at + 10)
            if (channels, rate) != (1, RATE):
                raise ValueError(f"{path} has {channels} channels of {rate} Hz; {RATE} Hz mono was asked of the phone")
        if name == b"data":
            data = raw[at + 8 :]
            return list(struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2]))
        at += 8 + size + (size & 1)
    return []


def _spectrum(values):
    """Fast Fourier transform, by halves."""
    n = len(values)
    if n == 1:
        return values
    even, odd = _spectrum(values[0::2]), _spectrum(values[1::2])
    turned = [cmath.exp(-2j * math.pi * k / n) * odd[k] for k in range(n // 2)]
    return [e + t for e, t in zip(even, turned)] + [e - t for e, t in zip(even, turned)]


_HANN = [0.5 - 0.5 * math.cos(2 * math.pi * i / WINDOW) for i in range(WINDOW)]


def strongest(window):
    """(frequency in Hz, its share of the power, level in dB of full scale) of one window of samples."""
    power = sum(sample * sample for sample in window) / len(window)
    level = 10 * math.log10(power / 32768**2) if power else -120.0
    if level < -50:
        return 0.0, 0.0, level
    bins = [abs(z) ** 2 for z in _spectrum([s * h for s, h in zip(window, _HANN)])[: WINDOW // 2]]
    top = max(range(2, len(bins)), key=bins.__getitem__)
    # A Hann window spreads a tone over four bins; the centre of gravity gives the frequency between them.
    near = range(max(top - 2, 0), min(top + 3, len(bins)))
    here = sum(bins[i] for i in near)
    return sum(i * bins[i] for i in near) / here * RATE / WINDOW, here / sum(bins), level


class Heard:
    """What sounded, window by window."""

    def __init__(self, samples):
        self.seconds = len(samples) / RATE
        self.windows = [strongest(samples[at : at + WINDOW]) for at in range(0, len(samples) - WINDOW + 1, WINDOW)]

    def of(self, hz):
        """(seconds in which `hz` and nothing else sounded, mean frequency, mean share of the power)."""
        hits = [(f, share) for f, share, _ in self.windows if abs(f - hz) < 6 and share > 0.9]
        if not hits:
            return 0.0, 0.0, 0.0
        return len(hits) * WINDOW / RATE, sum(f for f, _ in hits) / len(hits), sum(s for _, s in hits) / len(hits)

    def longest(self, hz):
        """The longest unbroken stretch of `hz`, in seconds."""
        best = run = 0
        for f, share, _ in self.windows:
            run = run + 1 if abs(f - hz) < 6 and share > 0.9 else 0
            best = max(best, run)
        return best * WINDOW / RATE

    def story(self):
        """One letter per window, for the person who reads a failure: . silence, T a pure tone, ~ anything else."""
        return "".join("." if level < -50 else "T" if share > 0.9 else "~" for _, share, level in self.windows)


FRAME, HOP = 80, 40  # 10 ms every 5 ms: whole periods of every multiple of 100 Hz, so that 1000 Hz has no part in 1400 Hz
QUIET_DB = -45.0


def goertzel(samples, hz):
    """The share of `hz` in the power of some samples, 0 to 1 (Goertzel, 1958), and the level of all of it in dB of full scale."""
    total = sum(sample * sample for sample in samples)
    if not total:
        return 0.0, -120.0
    factor, before, last = 2 * math.cos(2 * math.pi * hz / RATE), 0.0, 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    power = before * before + last * last - factor * before * last
    return 2 * power / len(samples) / total, 10 * math.log10(total / len(samples) / 32768**2)


def runs(samples, hz, least):
    """Where `hz` and little else sounds, for `least` seconds and more: [(start, end)] in samples, to within 5 ms."""
    found, begun = [], None
    for at in range(0, len(samples) - FRAME + 1, HOP):
        share, level = goertzel(samples[at : at + FRAME], hz)
        if share > 0.8 and level > QUIET_DB:
            begun, end = at if begun is None else begun, at + FRAME
        elif begun is not None:
            found.append((begun, end))
            begun = None
    if begun is not None:
        found.append((begun, end))
    return [(start, end) for start, end in found if end - start >= least * RATE]


def loudest_hz(samples, low, high):
    """The frequency of a tone of some hundred milliseconds, to within 1 Hz."""
    return max(range(low, high + 1), key=lambda hz: goertzel(samples, hz)[0])


def likeness(excerpt, samples):
    """How much like `excerpt` the likest stretch of `samples` is: the largest correlation, 0 to 1, at a quarter of the rate."""
    short, long = ([sum(s[i : i + 4]) / 4 for i in range(0, len(s) - 3, 4)] for s in (excerpt, samples))
    ours = math.sqrt(sum(x * x for x in short))
    squares, best = sum(x * x for x in long[: len(short)]), 0.0
    for at in range(len(long) - len(short)):
        if squares > 1 and ours:
            best = max(best, abs(sum(map(operator.mul, short, long[at : at + len(short)]))) / ours / math.sqrt(squares))
        squares += long[at + len(short)] ** 2 - long[at] ** 2
    return best
