"""`keyword-trainer inspect`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import print_lines
from detector.errors import SettingsError
from detector.text import printable
from training.verbs.arguments import add_cache, add_channel, add_data, add_noise, open_recordings

NAME = "inspect"
SUMMARY = "draw recordings from waveform to scores, or a tree of spectrogram images"
IMAGE_KINDS = ("spectrogram", "mel", "mfcc")


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("clips", nargs="*", metavar="CLIP", help="recordings to draw side by side")
    verb.add_argument("--out", type=Path, metavar="PNG", help="picture of the clips")
    verb.add_argument("--model", default="yes-no", help="model whose spectrogram and scores are drawn (%(default)s)")
    verb.add_argument(
        "--images", type=Path, metavar="DIR", help="write an image of each clip of --data: DIR/SPLIT/WORD/CLIP.png"
    )
    verb.add_argument("--kind", choices=IMAGE_KINDS, default=IMAGE_KINDS[0], help="of images (default: %(default)s)")
    add_data(verb, required=False)
    add_noise(verb)
    add_cache(verb)
    add_channel(verb)


def run(options: argparse.Namespace) -> None:
    """Draw clips, or write a tree of images."""
    from detector.core.model import load_model
    from training.data.decode import read_recording
    from training.report.figures import draw_clips
    from training.report.images import write_images
    from training.report.views import view

    if bool(options.clips) != (options.out is not None) or not (options.clips or options.images):
        raise SettingsError("expected CLIP... and --out PNG, or --data DIR and --images DIR")
    if options.out is not None and options.out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise SettingsError(f"expected --out NAME.png (or .svg, .pdf), found {options.out}")
    model = load_model(options.model)
    settings = model.manifest.frontend
    if options.clips:
        clips = [
            (
                printable(Path(clip).name),
                view(read_recording(clip, settings.sample_rate_hz, channel=options.channel), model),
            )
            for clip in options.clips
        ]
        draw_clips(clips, model.manifest, options.out)
        print_lines([f"{options.out}: {len(clips)} clip{'s' if len(clips) > 1 else ''}"])
    if options.images:
        collection = open_recordings(options, settings.sample_rate_hz)
        print_lines(write_images(collection, options.images, kind=options.kind, settings=settings))
