#!/usr/bin/env python3
"""Composes calm.wav, the music of those who wait: our own, so that nobody is owed for it. Needs Python 3 only: ./compose.py

Eight slow chords, broken upwards, over a soft pad; 28 s at 8 kHz, mono, 16 bit, -24 dBFS. It loops without a seam, because every note rings
on beyond the end into the beginning. All tones lie where a telephone carries them (200 to 2500 Hz), and nothing is sudden: whoever waits in
distress is not startled, and a voice laid over it is understood.
"""
import array
import math
import pathlib
import wave

RATE = 8000
CHORD_SECONDS = 3.5
NOTES_PER_CHORD = 8
LEVEL_DBFS = -24.0

# Semitones above middle C. The first three are the pad as well.
CHORDS = [
    [0, 4, 7, 11, 14],    # C
    [-3, 0, 4, 7, 12],    # A minor
    [5, 9, 12, 16, 19],   # F
    [-5, 2, 7, 11, 14],   # G
    [4, 7, 11, 14, 19],   # E minor
    [-3, 4, 9, 12, 16],   # A minor
    [2, 5, 9, 12, 17],    # D minor
    [-5, 0, 2, 7, 14],    # G with a fourth: it wants to go home
]
UP_AND_DOWN = [0, 2, 3, 4, 3, 2, 1, 2]

LENGTH = int(len(CHORDS) * CHORD_SECONDS * RATE)


def hertz(semitones):
    return 261.63 * 2 ** (semitones / 12)


def add(loop, start, tone):
    """Lays a tone into the loop; what rings beyond the end goes to the beginning."""
    first = int(start * RATE)
    for i, sample in enumerate(tone):
        loop[(first + i) % LENGTH] += sample


def pluck(frequency, loudness):
    """A soft struck note: a fundamental and two overtones that die away faster."""
    for i in range(int(3.5 * RATE)):
        t = i / RATE
        attack = 0.5 - 0.5 * math.cos(math.pi * min(1.0, t / 0.02))
        last = min(1.0, (3.5 - t) / 0.3)
        turn = 2 * math.pi * frequency * t
        yield loudness * attack * last * (
            math.sin(turn) * math.exp(-1.6 * t)
            + 0.30 * math.sin(2 * turn) * math.exp(-3.0 * t)
            + 0.08 * math.sin(3 * turn) * math.exp(-5.0 * t)
        )


def pad(frequency, loudness):
    """A breath of one chord's length, overlapping its neighbours by half."""
    seconds = 1.5 * CHORD_SECONDS
    for i in range(int(seconds * RATE)):
        t = i / RATE
        swell = math.sin(math.pi * t / seconds) ** 2
        yield loudness * swell * (math.sin(2 * math.pi * frequency * t) + math.sin(2 * math.pi * frequency * 1.002 * t)) / 2


def main():
    loop = [0.0] * LENGTH
    for bar, chord in enumerate(CHORDS):
        begin = bar * CHORD_SECONDS
        for note in chord[:3]:
            add(loop, begin, pad(hertz(note), 0.16))
        for beat, tone in enumerate(UP_AND_DOWN[:NOTES_PER_CHORD]):
            # The first note of a bar leans a little, the last one hesitates.
            loudness = 0.42 if beat == 0 else 0.30 - 0.01 * beat
            late = 0.03 if beat == NOTES_PER_CHORD - 1 else 0.0
            add(loop, begin + beat * CHORD_SECONDS / NOTES_PER_CHORD + late, pluck(hertz(chord[tone] + 12 * (chord[tone] < 0)), loudness))
    rms = math.sqrt(sum(s * s for s in loop) / LENGTH)
    gain = 10 ** (LEVEL_DBFS / 20) / rms * 32767
    samples = array.array("h", (round(s * gain) for s in loop))
    with wave.open(str(pathlib.Path(__file__).with_name("calm.wav")), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(samples.tobytes())


if __name__ == "__main__":
    main()
