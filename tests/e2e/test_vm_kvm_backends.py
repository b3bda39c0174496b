# SPDX-License-Identifier: BSD-3-Clause
"""Guests of our own monitor on back ends of others."""

from e2e import test_vm_backends
from harness.hardware import virtualised


@virtualised
class OwnMonitor(test_vm_backends.BackEnds):
    engine = "kvm"
