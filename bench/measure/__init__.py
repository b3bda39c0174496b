# SPDX-License-Identifier: BSD-3-Clause
"""What bench/compare, bench/guard and bench/instructions are made of: docs/performance.md."""
