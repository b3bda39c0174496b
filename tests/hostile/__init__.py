# SPDX-License-Identifier: BSD-3-Clause
"""Front ends that break the rules on purpose."""
