# SPDX-License-Identifier: BSD-3-Clause
"""Frames made by scapy, which knows the protocols from elsewhere than we do."""

import json

from harness.process import run

# Debian's package is for Debian's Python.
PYTHON = "/usr/bin/python3"
PROGRAM = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from scapy.all import *
from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3gr, IGMPv3mr
names = json.loads(sys.argv[1])
json.dump([bytes(eval(text)).hex() for text in names], sys.stdout)
"""


def build(expressions):
    """The bytes of each expression, such as "Ether()/IP()/UDP()"."""
    done = run(PYTHON, "-c", PROGRAM, json.dumps(expressions))
    return [bytes.fromhex(text) for text in json.loads(done.stdout)]
