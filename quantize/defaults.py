"""The recipe of every pipeline and precision where the user brings none, each rule with its reason.

Numbers: HDRNet with its shipped weights on photographs that no network was trained on, if nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from viewfinder.artifact import Artifact
from viewfinder.recipe import PRECISIONS, BadRecipeError, Recipe, Rule
from viewfinder.task import BURST, NOISY

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "static_wi8_ai8": "w8a8",
        "static_wi8_ai16": "w8a16",
        "weight_only_wi8_afp32": "w8",
        "dynamic_wi8_afp32": "w8",
        "w8_a8": "w8a8",
        "int8": "w8a8",
        "int16x8": "w8a16",
        "w8a8_mixed_int16": "mixed",
    }
)
"""Names that other tools use: AI Edge Quantizer's recipes, TFLite's and AI Hub's precisions."""

_KINDS = MappingProxyType(
    {
        "w8": ("int8", "float"),
        "w8a8": ("int8", "int8"),
        "w8a16": ("int8", "int16"),
        "dynamic_wi8_afp32": ("int8", "dynamic"),
    }
)
_HALF = "half precision keeps 11 bits everywhere; `viewfinder audit` names the operator that would leave its range"


def precision(name: str) -> str:
    """Return the precision that a name means.

    Raises:
        BadRecipeError: none; the hint lists them.
    """
    meant = ALIASES.get(name, name)
    if meant not in PRECISIONS:
        known = ", ".join((*PRECISIONS, *ALIASES))
        raise BadRecipeError(f"there is no precision {name!r}", f"choose one of: {known}")
    return meant


def recipe(parent: Artifact, name: str, target: str = "cpu") -> Recipe:
    """Return the recipe for an artifact and a precision (or an alias of one)."""
    meant = precision(name)
    if meant == "fp16":
        return Recipe(meant, (Rule(weights="fp16", activations="fp16", reason=_HALF),), target)
    kind = name if name in _KINDS else meant
    plain = _denoisers if parent.parameters.get("samples") == NOISY else _pictures
    rules = {"bilateral_grid": _bilateral_grid, BURST: _bursts}.get(parent.pipeline, plain)
    return Recipe(meant, rules(parent, kind), target)


def usual(parent: Artifact, target: str) -> str:
    """Return the precision of 8 bits that an artifact keeps its quality in, where the user asks for none."""
    held = {"cpu": ("w8", {"onnx", "tflite", "coreml"}), "npu": ("w8a16", {"onnx", "tflite"})}
    name, formats = held.get(target, ("", set()))
    return name if parent.parameters.get("samples") == NOISY and parent.format in formats else "w8a8"


def least(name: str) -> Recipe:
    """Return what the default recipe of a precision asks of a format, whatever the artifact: one plain rule."""
    meant = precision(name)
    weights, activations = (
        ("fp16", "fp16") if meant == "fp16" else _KINDS.get(name, _KINDS.get(meant, ("int8", "int8")))
    )
    return Recipe(meant, (Rule(weights=weights, activations=activations, reason="the precision that was asked for"),))


def warnings(parent: Artifact, recipe: Recipe) -> list[str]:
    """Say what a recipe costs an artifact more than `viewfinder verify` allows; [] where nothing is known."""
    in_8_bits = any(rule.activations == "int8" for rule in recipe.rules)
    if parent.parameters.get("samples") != NOISY or recipe.target != "cpu" or not in_8_bits:
        return []
    return [
        (
            f"{recipe.precision} of networks that take noise away does not keep smooth photographs with faint noise: "
            "dncnn-colour loses 0.43 dB of one, where 0.3 is allowed; --precision w8 loses 0.05 and is smaller"
        )
    ]


def _bilateral_grid(_parent: Artifact, name: str) -> tuple[Rule, ...]:
    """Quantize the coefficient network but not its last layer; leave slicing alone."""
    weights, activations = _KINDS.get(name, ("int8", "int8"))
    rules = [
        Rule(
            "coefficients",
            weights=weights,
            activations=activations,
            reason="98 % of the bytes are this network's convolutions; in TFLite it takes half the time in int8; "
            + _ROUNDING,
            rounding=_rounding(activations),
        ),
        Rule(
            "coefficients",
            match="predict",
            onwards=True,
            reason="the grid holds gains and offsets of all pixels of a cell. This layer's weights in int8 alone cost "
            "0.40 dB on gb82 and 0.69 dB on every fourth of CBSD68 against the truth (41.4 dB against float), kept "
            "float 0.02 and 0.03 dB (56.6 dB)",
        ),
        Rule(
            "strip",
            reason="guide, slicing and colour matrices work on full-resolution values: in int8 they gave 41 to 49 dB "
            "at best and 3.4 dB at worst, and no time was won",
        ),
    ]
    if name == "mixed":
        rules += [
            Rule("coefficients", match=_LAST_LOCAL, weights="int8", reason=_SUM, rounding=_rounding(activations)),
            Rule("coefficients", operator="add", onwards=True, reason=_SUM),
        ]
    return tuple(rules)


_ROUNDING = (
    "to the nearest, its weights' errors add up on smooth photographs: 0.377 dB lost on the worst of CBSD68 and gb82, "
    "and with scales up to 2 % larger 1.02 dB on one of 216 training photographs; where they make up for each other, "
    "0.138 and 0.23 dB"
)


def _rounding(activations: str) -> str:
    """Let weights make up for each other's errors where calibration pictures pass through anyway."""
    return "compensated" if activations in {"int8", "int16"} else "nearest"


_LAST_LOCAL = r"local[._]2|local/.*SameConv_2"
_SUM = (
    "the sum of local and global features is what the last layer amplifies: with it in float, 59.8 dB against float "
    "instead of 56.6 on gb82"
)


def _bursts(parent: Artifact, name: str) -> tuple[Rule, ...]:
    """Quantize the layers that look at the frames; neither the last one nor what kernels are applied to."""
    weights, activations = _KINDS.get(name, ("int8", "int8"))
    return (
        Rule(
            operator="conv|conv_2d|conv2d",
            weights=weights,
            activations=activations,
            reason="nearly all bytes are convolutions'",
        ),
        Rule(
            match="encode|decode",
            onwards=True,
            weights=weights,
            activations=activations,
            reason="what lies between convolutions stays in 8 bits. What these layers see carries noise, which is "
            "larger than a step of 8 bits: of kpn-lite, 0.01 dB is lost at each of the gains 1, 2, 4 and 8",
        ),
        Rule(match="picks|Phases|Unphased|ones|SummedBy", reason="these convolutions move pixels and add them up"),
        Rule(
            match=LAST_OF_KERNELS,
            onwards=True,
            reason="it makes kernels, and what follows is light: the shadows of linear light have few codes, and "
            "kernels applied in 8 bits gave 51 dB where float gave 66",
        ),
        _last(parent),
    )


LAST_OF_KERNELS = r"\bhead[._](4[._])?(weight|bias)|Conv2d_head|Sequential_head/.*Conv2d_4"
"""The last convolution before kernels, as the formats name it (its weights, or its module): kpn-lite's, kpn's."""


def _pictures(parent: Artifact, name: str) -> tuple[Rule, ...]:
    """Quantize a network from picture to picture, but not the operator that makes the picture."""
    weights, activations = _KINDS.get(name, ("int8", "int8"))
    rules = [
        Rule(
            weights=weights,
            activations=activations,
            reason="a fourth of the bytes",
            rounding=_rounding(activations),
        ),
        _last(parent),
    ]
    if name == "mixed":
        rules.append(Rule(operator="add|sub", reason="a residual is small beside the picture that it is added to"))
    return tuple(rules)


def _denoisers(parent: Artifact, name: str) -> tuple[Rule, ...]:
    """Quantize the layers that look at the picture; those that put the noise together stay float.

    Which ones those are was measured on the shipped networks; of others nothing but the last operator stays float.
    """
    *rules, last = _pictures(parent, name)
    weights, activations = _KINDS.get(name, ("int8", "int8"))
    if activations in {"float", "dynamic"}:
        refitted = Rule(weights=weights, activations=activations, reason=_REFITTED, rounding="refitted")
        return (refitted, *_WIDE.get(parent.task, ()), last)
    if activations == "int16" and parent.task != "dncnn-colour":
        rules = [replace(rule, rounding="refitted", reason=f"{rule.reason}; {_SIXTEEN}") for rule in rules]
        rules += _FIRST.get(parent.task, ())
    return (*rules, *_DEEP.get(parent.task, ()), last)


def _layer(numbers: str) -> str:
    """Match layers of DnCNN by number, as the formats name them: their weights, or their module."""
    return rf"\blayers[._]({numbers})(?!\d)|Conv2d_({numbers})(?!\d)"


_REFITTED = (
    "activations stay float, so that faint noise keeps its digits, and weights are in 8 bits. Of dncnn-colour, on 4 "
    "smooth photographs that it was trained on, computed in PyTorch: 0.21, 0.32 and 0.30 dB lost at sigma 15, 25 and "
    "50 where errors cancel in each layer alone, 0.07, 0.10 and 0.10 where each makes up for those before it"
)
_SIXTEEN = (
    "with activations of 16 bits, weights are what is left: of the weights that dncnn had first, nine layers in ONNX, "
    "on tiles of 64 of the package's photographs with noise, the worst loses 0.18 dB where errors cancel in each layer "
    "alone, 0.09 where each makes up for those before it and the first stays float"
)
_FIRST: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "dncnn": (
            Rule(
                match=_layer("0"),
                reason="nine weights of a channel cannot make up for each other; they are 576 of 555 thousand",
            ),
        )
    }
)
_WIDE: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "dncnn": (
            Rule(
                match=_layer("0|15|16"),
                reason="of dncnn's weights in 8 bits, the sixteenth layer's cost most: rounded alone it is 49 dB from "
                "float on crops of photographs that it was trained on, every other one 57 or more; the first and the "
                "last are small. On the package's photographs with noise, in ONNX, the worst is 46.3 dB from float "
                "with all layers in 8 bits, 49.1 without the sixteenth, 49.8 as here",
            ),
        )
    }
)
"""Layers whose weights stay float."""

_NOISE = (
    "rounding errors of all layers add up in the noise that is predicted, and one range for faint and strong noise "
    "leaves faint noise few codes"
)
_DEEP: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "dncnn": (
            Rule(
                match=_layer("9"),
                onwards=True,
                reason=f"{_NOISE}; of the weights that dncnn had first in w8a8, on crops of 10 photographs that they "
                "were trained on, computed in PyTorch: 0.32, 0.33 and 0.45 dB lost at sigma 15, 25 and 50; with the "
                "last layer float 0.27, 0.25 and 0.30; from the twelfth on 0.11, 0.09 and 0.05; from the tenth on, as "
                "here, 0.07, 0.07 and 0.04. Of today's, as here, 0.06, 0.04 and 0.03 on 6 photographs of CBSD68 (ONNX)",
            ),
        ),
        "dncnn-colour": (
            Rule(
                match=_layer("4"),
                onwards=True,
                reason=f"{_NOISE}; of dncnn-colour in w8a8, on crops of 6 photographs that it was trained on, computed "
                "in PyTorch: 0.39, 0.31 and 0.23 dB lost at sigma 15, 25 and 50; from the eleventh layer on float "
                "0.19, 0.14 and 0.09; from the seventh on 0.10, 0.08 and 0.05; from the fifth on, as here, 0.08, 0.05 "
                "and 0.02 (ONNX, 4 photographs). All layers in 8 bits after 150 steps of training lose 0.24, 0.16 and "
                "0.22; channels of equal range and ranges that are cut win 0.03 at sigma 15 and cost 0.06 at sigma 50",
            ),
        ),
    }
)
"""The first layer that stays float with all that follows."""


def _last(parent: Artifact) -> Rule:
    """Keep the operator that makes the picture float."""
    outputs = "|".join(spec.name for spec in parent.graphs[-1].outputs)
    reason = "the last operator makes the picture: 8 bits of it would be the picture's levels, also in its shadows"
    return Rule(match=rf"^(serving_default_)?({outputs})(_output)?(:\d+)?$", reason=reason)
