# SPDX-License-Identifier: BSD-3-Clause
"""Progress lines with the time since the command was started (by .ci/steps.sh or by us)."""

import os
import time

begun = float(os.environ.get("PATCHBAY_BEGUN") or time.time())


def say(text):
    print(f"[{time.time() - begun:3.0f} s] {text}", flush=True)
