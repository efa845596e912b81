"""What a reading of folders leaves out and how it divides them, for the people whose recordings they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Notes:
    """Collected while folders are read."""

    left_out: dict[str, set[str]] = field(default_factory=dict)
    """Names by the reason why they are left out."""
    divided: dict[str, str] = field(default_factory=dict)
    """By folder: what its splits go by."""

    def leave_out(self, reason: str, *names: Path | str) -> None:
        """Note what is left out, and why."""
        if names:
            self.left_out.setdefault(reason, set()).update(map(str, names))

    def lines(self) -> list[str]:
        """Return a line for each folder's splits, and for each reason."""
        divided = [f"splits of {folder}: by {what}" for folder, what in self.divided.items()]
        return divided + [
            f"left out: {len(names)} {reason}, the first is {min(names)}" for reason, names in self.left_out.items()
        ]
