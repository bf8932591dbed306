"""Options that several verbs share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def model_names() -> list[str]:
    """Complete model names in the shell."""
    from viewfinder import models

    return models.names()


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A shipped model (see `viewfinder models`) or your own: path/to/file.py:TASK.",
        autocompletion=model_names,
        show_default=False,
    ),
]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|ARTIFACT",
        help="A model (shipped, or path/to/file.py:TASK), or the folder of an artifact.",
        autocompletion=model_names,
        show_default=False,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="NAME", help="A name that `viewfinder models` lists, or a file.", show_default="the first"
    ),
]
Photos = Annotated[
    list[Path] | None,
    typer.Option(
        "--photos",
        metavar="PATH",
        help="Photographs or folders to compare on; may be repeated.",
        show_default="those of the package",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="tflite, onnx, coreml, executorch, torch, tflite-runtime or tensorflow.",
        show_default="that of the format",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="FORMAT@DEVICE",
        help="Where to run: tflite+xnnpack@arm64:cortex-a76, say; `viewfinder devices` lists devices.",
        show_default="this computer",
    ),
]
Targets = Annotated[
    str | None,
    typer.Option(
        "--targets",
        metavar="NAME,NAME",
        help="Processors to verify for, as snapdragon-8-elite,ethos-u85,apple-coreml; of a MODEL, what they take is "
        "made first.",
        show_default="none",
    ),
]
Bands = Annotated[
    int | None,
    typer.Option(
        "--bands",
        min=1,
        help="Of an emulated NPU: bands of rows of each photograph to compute, or tiles, where a network has these.",
        show_default="2 bands, 1 tile",
    ),
]
MaxFallback = Annotated[
    int,
    typer.Option("--max-fallback-ops", metavar="N", min=0, help="Operators that may run on the CPU beside an NPU."),
]
Unofficial = Annotated[
    bool,
    typer.Option(
        "--unofficial", help="Let LiteRT's compiler for Snapdragon use the toolchain qnn's libraries, not made for it."
    ),
]
MinPsnr = Annotated[
    float | None,
    typer.Option(
        "--min-psnr", metavar="DB", help="Least PSNR against PyTorch, worst photograph.", show_default="built in"
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Make everything anew and keep nothing in the cache.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="CPU threads of the engine.")]
