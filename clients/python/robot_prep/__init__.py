"""Reads the plans, step rows and training shards that `prep` wrote. Start at :class:`PrepDataset`."""
from .augment import augment
from .dataset import PrepDataset
from .deploy import base_from_ee_of, flange_from_tool, poses_of_actions
from .errors import PrepError
from .normalize import Normalizer
from .source import PrepSource

__all__ = [
    "Normalizer", "PrepDataset", "PrepError", "PrepSource", "augment", "base_from_ee_of", "flange_from_tool", "poses_of_actions",
]
__version__ = "0.1.0"
