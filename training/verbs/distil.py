"""`keyword-trainer distil`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.network.backends import BACKENDS
from training.verbs.arguments import add_cache, parse_count

NAME = "distil"
SUMMARY = "train the embedding that own words are learnt on, from a larger one"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_cache(verb)
    verb.add_argument(
        "--recipe", type=Path, required=True, metavar="TOML", help="settings, as models/learn/embedding.toml"
    )
    verb.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that the recipe's folders lie in (default: here)",
    )
    verb.add_argument(
        "--teacher",
        type=Path,
        metavar="DIR",
        help="folder of melspectrogram.tflite and embedding_model.tflite (default: the package pyopen-wakeword's)",
    )
    verb.add_argument(
        "--workers", type=parse_count, default=2, metavar="N", help="processes that compose sounds (default: 2)"
    )
    verb.add_argument(
        "--shards", type=Path, metavar="DIR", help="folder of composed sounds, several GB (default: shards in --cache)"
    )
    verb.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="framework of Keras (default: tensorflow; torch with mixed_bfloat16 is twice as fast on a CPU)",
    )
    verb.add_argument(
        "--precision",
        default="auto",
        metavar="NAME",
        help="auto, float32, mixed_float16 or mixed_bfloat16 (default: auto: mixed_float16 on a GPU)",
    )
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder; one that was interrupted goes on")
    verb.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="then write it, quantised, and its bank into a folder (models/learn)",
    )


def run(options: argparse.Namespace) -> None:
    """Distil."""
    from training.embedding.settings import read_embedding_recipe
    from training.embedding.teacher import find_teacher
    from training.network.backends import import_keras

    settings = read_embedding_recipe(options.recipe, options.root)
    teacher = options.teacher or find_teacher()
    import_keras(options.backend)
    from training.embedding.distil import distil
    from training.embedding.export import export_run

    shards = options.shards or options.cache / "shards"
    distil(
        options.out,
        settings,
        shards=shards,
        cache=options.cache,
        teacher=teacher,
        n_workers=options.workers,
        precision=options.precision,
    )
    if options.export is not None:
        export_run(options.out, options.export, settings, shards=shards, cache=options.cache)
