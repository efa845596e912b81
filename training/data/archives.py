"""The archives of recordings that people begin with."""

from __future__ import annotations

import msgspec

ALGORITHMS = {"sha256": "SHA-256", "md5": "MD5"}
"""As `hashlib` names them, and as people do."""


class Archive(msgspec.Struct, frozen=True):
    """A file to be had, and what it must be."""

    url: str
    checksum: str
    """`sha256:` or `md5:` and the digest in hexadecimal; empty where none is published."""
    licence: str
    size_gb: float = 0.0
    what: str = ""
    n_recordings: int = 0
    """How many WAV files it must hold, where no checksum says what it is."""

    def describe(self) -> str:
        """Return its size, what it holds, its licence and what it is verified by, for people to choose by."""
        checked = (
            f"verified by {ALGORITHMS[self.checksum.partition(':')[0]]}"
            if self.checksum
            else f"no checksum is published: pinned by commit, whole by its own CRC and {self.n_recordings} recordings"
        )
        return f"{self.size_gb:.1f} GB, {self.what}; {self.licence}; {checked}"


SPEECH_COMMANDS = "https://storage.googleapis.com/download.tensorflow.org/data"
OPENSLR = "https://www.openslr.org/resources"
LIBRISPEECH_LICENCE = "CC BY 4.0 (Panayotov 2015)"

ARCHIVES = {
    "speech-commands": Archive(
        f"{SPEECH_COMMANDS}/speech_commands_v0.02.tar.gz",
        "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        "CC BY 4.0 (Warden 2018)",
        2.4,
        "35 words by thousands of people",
    ),
    "speech-commands-v0.01": Archive(
        f"{SPEECH_COMMANDS}/speech_commands_v0.01.tar.gz",
        "sha256:743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d",
        "CC BY 4.0 (Warden 2018)",
        1.5,
        "30 words, the first edition",
    ),
    "librispeech-train-clean-5": Archive(
        f"{OPENSLR}/31/train-clean-5.tar.gz",
        "md5:5df7d4e78065366204ca6845bb08f490",
        LIBRISPEECH_LICENCE,
        0.3,
        "5 h of read English with transcripts",
    ),
    "librispeech-train-clean-100": Archive(
        f"{OPENSLR}/12/train-clean-100.tar.gz",
        "sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
        LIBRISPEECH_LICENCE,
        6.4,
        "100 h of read English with transcripts, 251 speakers",
    ),
    "librispeech-dev-clean": Archive(
        f"{OPENSLR}/12/dev-clean.tar.gz",
        "sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        LIBRISPEECH_LICENCE,
        0.3,
        "5 h of read English with transcripts, 40 other speakers",
    ),
    "ljspeech": Archive(
        "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
        "sha256:be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
        "public domain (Ito 2017)",
        2.7,
        "24 h of read English with transcripts, one speaker",
    ),
    "musan": Archive(
        f"{OPENSLR}/17/musan.tar.gz",
        "md5:0c472d4fc0c5141eca47ad1ffeb2a7df",
        "CC BY 4.0 (Snyder 2015), some parts public domain",
        11.1,
        "6 h of noise (musan/noise), 42 h of music, 60 h of speech",
    ),
    "esc-50": Archive(
        "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.tar.gz",
        "",  # GitHub packs it anew, in other bytes, whenever it likes
        "CC BY-NC 3.0, not for commerce, but its part ESC-10 CC BY 3.0 (Piczak 2015)",
        0.6,
        "2.8 h of 50 kinds of noise",
        n_recordings=2000,
    ),
}
"""By name. The checksums are those that torchaudio and TensorFlow Datasets (SHA-256) and OpenSLR (MD5) publish. MD5
finds what was damaged on the way; that nobody meant to deceive is HTTPS's to say."""
