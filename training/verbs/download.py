"""`keyword-trainer download`."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from detector.cli.arguments import print_lines

NAME = "download"
SUMMARY = "fetch recordings to begin with: resumed, verified, unpacked"
ARCHIVE_NAMES = ("speech-commands", "speech-commands-v0.01")


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("name", choices=ARCHIVE_NAMES, help="2.4 GB of 35 words by thousands of people, CC BY 4.0")
    verb.add_argument("--out", type=Path, metavar="DIR", help="new folder to unpack into (default: NAME, here)")
    verb.add_argument("--url", metavar="URL", help="a mirror of the archive; its checksum is that of the original")


def run(options: argparse.Namespace) -> None:
    """Fetch an archive and unpack it."""
    from training.data.download import ARCHIVES, download

    archive = ARCHIVES[options.name]
    if options.url:
        archive = msgspec.structs.replace(archive, url=options.url)
    folder = options.out or Path(options.name)
    download(archive, folder)
    print_lines([f"{folder}: {archive.licence}"])
