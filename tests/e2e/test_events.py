# SPDX-License-Identifier: BSD-3-Clause
"""patchbay events."""

from harness.case import TestCase


class Events(TestCase):
    def test_none_at_start(self):
        switch = self.bench.switch()
        self.assertEqual(switch.json("events"), {"rows": [], "next": 1, "lost": 0})
        self.assertEqual(switch("events").strip(), "none")
        self.says(switch.refused("events", "limit=0"), "limit")
        self.says(switch.refused("port", "show", "--follow"), "followed")
