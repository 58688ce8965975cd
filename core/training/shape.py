"""What a procedural person is like before it is modelled: lengths, girths, what it wears."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .motions import Proportions


@dataclass(frozen=True)
class Shape:
    """Lengths in statures unless said otherwise; `bulk` and `curves` scale girths, about 1 and 0..1."""

    size: Proportions
    bulk: float
    muscle: float
    curves: float
    belly: float
    loose: float  # how far the clothes stand off
    loose_legs: float
    sleeve: float  # of the arm: 1 reaches the elbow, 2 the wrist
    leg: float  # likewise
    boots: float
    skirt: float  # 0: none, else how far down the leg
    flare: float
    coat: bool  # the skirt is a coat's
    hood: bool
    hair: str
    hair_length: float
    hat: str
    bag: str
    collar: bool


HAIR = ("bald", "buzz", "short", "fringe", "bob", "long", "ponytail", "twintails", "bun", "afro", "spiky", "mohawk")


def random_shape(rng: np.random.Generator) -> Shape:
    """Child to adult, slim to stout; a third of them stylised, from chibi to lanky."""
    stylised, age = rng.random() < 0.3, rng.random()
    child = 1.0 if age < 0.15 else 0.0
    curves = rng.uniform(0, 1) * (1 - child)
    head = 0.135 * (
        rng.choice([rng.uniform(1.0, 2.3), rng.uniform(0.75, 1)]) if stylised else rng.uniform(0.93, 1.1) + 0.25 * child
    )
    legs = rng.uniform(0.7, 1.12) if stylised else rng.uniform(0.94, 1.06) - 0.08 * child
    arms = rng.uniform(0.85, 1.15) if stylised else rng.uniform(0.92, 1.06)
    neck = 0.068 * rng.uniform(0.55, 1.1) if stylised else 0.068 * rng.uniform(0.85, 1.15)
    trunk = float(np.clip(1 - head * 0.9 - neck - 0.042 - 0.48 * legs, 0.2, 0.33))
    size = Proportions(
        thigh=0.249 * legs,
        shin=0.233 * legs,
        foot=rng.uniform(0.13, 0.16),
        ankle=0.042,
        trunk=trunk,
        shoulders=0.203 * (1.06 - 0.14 * curves) * rng.uniform(0.9, 1.1),
        hips=0.118 * (0.95 + 0.15 * curves) * rng.uniform(0.92, 1.08),
        upper_arm=rng.uniform(0.14, 0.182) * arms,
        forearm=rng.uniform(0.134, 0.15) * arms,
        hand=0.1 * rng.uniform(0.9, 1.15),
        neck=neck,
        head=head * 0.9,
    )
    tall = size.thigh + size.shin + size.ankle + size.trunk + size.neck + size.head
    size = replace(size, **{name: value / tall for name, value in vars(size).items()})
    dress = rng.random()
    skirted = dress < 0.1 + 0.25 * curves
    coat = not skirted and dress > 0.86
    hair = str(rng.choice(HAIR, p=[0.05, 0.08, 0.24, 0.14, 0.1, 0.12, 0.08, 0.04, 0.06, 0.04, 0.04, 0.01]))
    return Shape(
        size=size,
        bulk=float(np.clip(rng.normal(1.0, 0.16), 0.72, 1.5)),
        muscle=rng.uniform(0, 1) * (1 - child),
        curves=curves,
        belly=max(0.0, rng.normal(0, 0.6)) if rng.random() < 0.4 else 0.0,
        loose=rng.choice([0.002, 0.005, 0.011], p=[0.35, 0.4, 0.25]),
        loose_legs=rng.choice([0.001, 0.005, 0.013], p=[0.35, 0.4, 0.25]),
        sleeve=2.0 if coat else float(rng.choice([0.0, 0.3, 0.6, 0.85, 1.5, 1.95], p=[0.12, 0.1, 0.25, 0.1, 0.06, 0.37])),
        leg=float(rng.choice([0.15, 0.5, 0.9, 1.5, 1.95], p=[0.07, 0.12, 0.08, 0.1, 0.63])),
        boots=float(rng.choice([1.97, 1.85, 1.6, 1.2], p=[0.62, 0.18, 0.14, 0.06])),
        skirt=rng.uniform(0.5, 1.7) if skirted else rng.uniform(0.4, 1.5) if coat else 0.0,
        flare=rng.uniform(0, 1),
        coat=coat,
        hood=rng.random() < 0.06,
        hair=hair,
        hair_length=rng.uniform(0.04, 0.24),
        hat=str(rng.choice(["", "cap", "beanie", "brim", "helmet"], p=[0.84, 0.06, 0.04, 0.03, 0.03])),
        bag=str(rng.choice(["", "backpack", "satchel"], p=[0.9, 0.06, 0.04])),
        collar=rng.random() < 0.3,
    )
