# SPDX-License-Identifier: BSD-3-Clause
"""What end-to-end tests and ./demo are made of.  How to write a test: tests/e2e/README.md."""
