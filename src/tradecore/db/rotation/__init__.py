"""Key rotation: every sealed value under the primary key, in batches, and a proof at the end that none is left out."""

from .progress import KeyRotation
from .proving import ColumnState, Proof, Stray
from .run import AsyncRotation, Rotation, RotationReport
from .turning import Turned
from .verifying import Failure, Verified

__all__ = [
    "AsyncRotation",
    "ColumnState",
    "Failure",
    "KeyRotation",
    "Proof",
    "Rotation",
    "RotationReport",
    "Stray",
    "Turned",
    "Verified",
]
