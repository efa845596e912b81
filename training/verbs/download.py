"""`keyword-trainer download`."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from detector.cli.arguments import print_lines
from training.data.archives import ARCHIVES

NAME = "download"
SUMMARY = "fetch recordings to begin with: resumed, verified, unpacked; without a name: list them"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument(
        "name",
        nargs="?",
        choices=ARCHIVES,
        metavar="NAME",
        help=f"{', '.join(ARCHIVES)}; without: their sizes, contents and licences",
    )
    verb.add_argument("--out", type=Path, metavar="DIR", help="new folder to unpack into (default: NAME, here)")
    verb.add_argument("--url", metavar="URL", help="a mirror of the archive; its checksum is that of the original")


def run(options: argparse.Namespace) -> None:
    """Fetch an archive and unpack it, or list those that there are."""
    from training.data.download import download

    if options.name is None:
        print_lines([f"{name:{max(map(len, ARCHIVES))}}  {archive.describe()}" for name, archive in ARCHIVES.items()])
        return
    archive = ARCHIVES[options.name]
    if options.url:
        archive = msgspec.structs.replace(archive, url=options.url)
    folder = options.out or Path(options.name)
    download(archive, folder)
    print_lines([f"{folder}: {archive.licence}"])
