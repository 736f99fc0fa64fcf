"""Forebay's bootstrap for Python, first part: what the bootstrap needs, imported from the standard library alone. Nothing of the function's yet.

The function's folders are no place to look for it: a `token.py` of its own would be taken for Python's. What it does to these modules later
(other functions in them, a cleared `os.environ`, a closed `sys.stdout`) reaches nothing here that was bound before.
"""

import sys

if sys.path[:1] == [""]:
    # The working directory, which is the code folder.
    del sys.path[0]
import os

FUNCTION_PATH = list(sys.path)
STANDARD = os.path.dirname(os.__file__)
ZIPPED = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
sys.path[:] = [it for it in FUNCTION_PATH if it == STANDARD or os.path.basename(it) in ("lib-dynload", ZIPPED)]

import builtins

# Those of the function may be others.
globals().update({name: it for name, it in vars(builtins).items() if not name.startswith("_")})

# Not more than Lambda's own runtime has loaded: what is loaded already is what the function's `import` finds, whatever its folder holds.
import _socket
import decimal
import importlib
import json
import logging
import math
import time
import tokenize  # What shows the lines of a trace imports it when the first error comes.
import traceback

sys.path[:] = FUNCTION_PATH
LOADED = frozenset(sys.modules)
ENVIRONMENT = dict(os.environ)
STDERR = sys.stderr
leave, write = os._exit, os.write
now = time.time
Decimal, isfinite = decimal.Decimal, math.isfinite
scan = json.JSONDecoder().scan_once
extract_tb, format_list = traceback.extract_tb, traceback.format_list
