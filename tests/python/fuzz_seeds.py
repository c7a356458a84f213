"""Writes the seeds of the codecs' fuzz targets from the FLV files of crates/mux/tests/flv.

    python3 tests/python/fuzz_seeds.py
"""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "crates/mux/tests/flv/fixtures"
SEEDS = ROOT / "fuzz/seeds"


def tags(path):
    data, at = path.read_bytes(), 13
    while at + 11 <= len(data):
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        yield data[at], data[at + 11 : at + 11 + length]
        at += 11 + length + 4


def seed(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def frames(path, four_cc, skip=0):
    """Data of the coded frames behind an Enhanced RTMP header."""
    for kind, body in tags(path):
        if kind == 9 and body[:1] and body[0] & 0x80 and body[1:5] == four_cc and body[0] & 15 in (1, 3):
            yield body[5 + (3 if skip and body[0] & 15 == 1 else 0) :]


def sps(record):
    """The SPS in an HEVCDecoderConfigurationRecord."""
    at = 23
    for _ in range(record[22]):
        kind, count = record[at] & 63, int.from_bytes(record[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            length = int.from_bytes(record[at : at + 2], "big")
            if kind == 33:
                return record[at + 2 : at + 2 + length]
            at += 2 + length


def main():
    for path in sorted(FILES.glob("*.flv")):
        several = [body for _, body in tags(path)][:6]
        seed("flv", path.stem, b"".join(len(body).to_bytes(2, "big") + body for body in several))
    for name in ["hevc", "hevc-b-frames", "hevc-pq"]:
        path = FILES / f"{name}.flv"
        record = next(body[5:] for kind, body in tags(path) if kind == 9)
        seed("h265", f"sps-{name}", b"\0" + sps(record))
        for index, frame in zip(range(2), frames(path, b"hvc1", skip=3)):
            seed("h265", f"unit-{name}-{index}", b"\1" + frame)
    for index, frame in zip(range(2), frames(FILES / "av1.flv", b"av01")):
        seed("av1", f"unit-{index}", b"\1" + frame)
    record = next(body[5:] for kind, body in tags(FILES / "av1.flv") if kind == 9)
    seed("av1", "sequence", b"\0" + record[6:])
    for index, frame in zip(range(2), frames(FILES / "vp8.flv", b"vp08")):
        seed("vpx", f"vp8-{index}", b"\0" + frame[:64])
    for index, frame in zip(range(2), frames(FILES / "vp9.flv", b"vp09")):
        seed("vpx", f"vp9-{index}", b"\1" + frame[:64])


if __name__ == "__main__":
    main()
