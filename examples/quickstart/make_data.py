#!/usr/bin/env python3
"""Makes earthquakes.ndjson: 600 invented earthquakes, three malformed lines and one poison line. The same bytes at every run."""

import json
import pathlib

PLACES = ["Adak, Alaska", "Ridgecrest, CA", "Hilo, Hawaii", "Tonopah, Nevada", "Ponce, Puerto Rico", "Hachinohe, Japan", "Arica, Chile"]
SIDES = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"]
N_RECORDS = 600
MALFORMED = {47: '{"id": "cut off in the mid', 333: "<html>503 Service Unavailable</html>", 512: '{"id": "q512", "magnitude": }'}
POISON = 205


def numbers(seed):
    """A small generator of our own: the same everywhere, whatever Python does with its own."""
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 33


def earthquake(idx, draw):
    minutes = idx * 37 + next(draw) % 37
    return {
        "id": f"q{idx:03}",
        "time": f"2026-01-{1 + minutes // 1440:02}T{minutes // 60 % 24:02}:{minutes % 60:02}:{next(draw) % 60:02}Z",
        "magnitude": round(1 + (next(draw) % 1000) ** 2 / 1e6 * 5, 1),
        "depth_km": round(next(draw) % 700 / 10, 1),
        "place": f"{1 + next(draw) % 120} km {SIDES[next(draw) % 8]} of {PLACES[next(draw) % len(PLACES)]}",
    }


def main():
    draw = numbers(2026)
    lines = []
    for idx in range(N_RECORDS):
        quake = earthquake(idx, draw)
        if idx == POISON:
            quake["depth_km"] = "deep"
        lines.append(MALFORMED.get(idx) or json.dumps(quake))
    path = pathlib.Path(__file__).parent / "data" / "earthquakes.ndjson"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    print(f"{path}: {len(lines)} lines, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
