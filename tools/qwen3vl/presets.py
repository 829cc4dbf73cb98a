"""Which hidden states are taken: named lists, from the number of text layers."""
from dataclasses import dataclass

HF, BLOCK_INPUT, VISION = "hf_hidden_states", "block_input", "vision"


@dataclass(frozen=True)
class Taps:
    """`at` is ascending. hf_hidden_states k: what transformers calls hidden_states[k] (before DeepStack map k-1 is added;
    k = layers is after the final norm). block_input k: what block k receives; k = layers is the residual after the last block."""

    point: str
    at: tuple
    preset: str | None = None

    @property
    def last(self):
        return 0 if self.point == VISION else self.at[-1]


def half_up(i, layers, parts):
    return (2 * i * layers + parts) // (2 * parts)


def evenly(layers, parts):
    return tuple(sorted({half_up(i, layers, parts) for i in range(parts)}))


PRESETS = {
    "apt-stage1": lambda layers: Taps(HF, evenly(layers, 10), "apt-stage1"),
    "apt-n20": lambda layers: Taps(HF, evenly(layers, 20), "apt-n20"),
    "gr00t-last": lambda layers: Taps(HF, (layers,), "gr00t-last"),
    "pi-all": lambda layers: Taps(BLOCK_INPUT, tuple(range(layers)), "pi-all"),
    "vit": lambda layers: Taps(VISION, ("vision_output",), "vit"),
}


def taps_of(preset, layers, deepstack_maps):
    taps = PRESETS[preset](layers)
    if taps.point != VISION:
        return taps
    return Taps(VISION, ("vision_output", *(f"deepstack_{i}" for i in range(deepstack_maps))), preset)
