"""Options that name the models of a video generator: their types, and their helps, which so stand here alone."""

from __future__ import annotations

from typing import Annotated

import tyro

from dit.config import WeightFormat

DitName = Annotated[
    str, tyro.conf.arg(help="embedded, a dit.safetensors, or a folder of train-dit.")
]
"""A DiT."""
Weights = Annotated[
    WeightFormat,
    tyro.conf.arg(
        help="How the DiT's matrices lie in memory: float, or int8 for a quarter of that "
        "(`pip install 'filmstock[quant]'`)."
    ),
]
"""The number format of a DiT's matrices."""
VaeName = Annotated[str, tyro.conf.arg(help="VAE the DiT was trained with.")]
"""The VAE beside a DiT."""
TextName = Annotated[
    str,
    tyro.conf.arg(
        help="Text encoder the DiT was trained with; embedded gives way to the one that the DiT names."
    ),
]
"""The text encoder beside a DiT."""
