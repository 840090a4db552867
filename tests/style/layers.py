#!/usr/bin/python3
"""Which room may include which (STYLE 'Rooms'): a file uses its own room and rooms on earlier lines of layers.txt."""
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parents[2]
rank = {}
for number, line in enumerate((top / "tests/style/layers.txt").read_text().splitlines()):
    for room in line.split():
        rank[room] = number

roots = {room.split("/")[1]: room for room in rank}
bad = 0
for path in sorted([*top.glob("lib/*/*.[ch]"), *top.glob("gateway/*/*.[ch]")]):
    room = str(path.parent.relative_to(top))
    if room not in rank:
        print(f"{path.relative_to(top)}: the room {room} is not in tests/style/layers.txt")
        bad += 1
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"([a-z]+)/', line)
        if not found:
            continue
        other = roots.get(found.group(1))
        if other is None:
            print(f"{path.relative_to(top)}:{number}: includes an unknown room: {line.strip()}")
            bad += 1
        elif other != room and rank[other] >= rank[room]:
            print(f"{path.relative_to(top)}:{number}: {room} may not use {other}")
            bad += 1
sys.exit(1 if bad else 0)
