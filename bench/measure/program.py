# SPDX-License-Identifier: BSD-3-Clause
"""What programs of bench/ that build and count have in common: their begin and end."""

import argparse
import os
import pathlib
import sys
import tempfile

from harness.process import Failed
from measure import build, said


def scratch(name):
    """A folder for the time of a `with`; its value is the path."""
    return tempfile.TemporaryDirectory(prefix=f"patchbay-{name}.")


def built(program, *groups):
    """The build folder and the path of a program in it, compiled; packages of the groups are there."""
    folder = build.build_folder()
    build.install("build", *groups)
    build.build(folder, program)
    return folder, pathlib.Path(folder) / program


def parse(name, text, noun, known, add_more, arguments):
    """Options; among them, under the noun, which of what is known shall be measured: [] = all."""
    parser = argparse.ArgumentParser(prog=name, description=text,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_more(parser.add_argument)
    parser.add_argument(noun, nargs="*", default=[], metavar=noun.upper(),
                        help=f"of {', '.join(known)}; default: all")
    options = parser.parse_args(arguments)
    for given in getattr(options, noun):
        if given not in known:
            parser.error(f"no {noun} {given}; there are: {', '.join(known)}")
    return options, parser


def main(name, parse_options, run, arguments=None):
    """Ends the process with the code that run(options) returns, or with what went wrong."""
    options = parse_options(arguments)
    os.environ.setdefault("LC_ALL", "C")
    try:
        sys.exit(run(options))
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted")
    except (Failed, said.Unreadable) as error:
        sys.exit(f"{name}: {error}")
