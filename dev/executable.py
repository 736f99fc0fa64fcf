#!/usr/bin/env python3
"""Names the executable of a target that cargo, told `--message-format json`, has built: `cargo ... | dev/executable.py TARGET`."""
import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == sys.argv[1]:
        print(message["executable"])
