"""`python -m understudy.core.training.evaluate`: the bundled model's figures on held-out people and motions, as JSON.

The measures are those of `measures`, the trials those of `heldout`. `parts` tells what is lost without each part of the model,
and `human`, where a folder that `tooling.blender_human` filled is given, how it does on a modelled human rendered by Blender.
`--sheets` draws the pictures of both that the README shows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from ..diffusion.bundled import CHUNK, Understudy
from ..engines.checkpoints import load_into, read
from ..engines.understudy import WEIGHTS
from . import heldout
from .heldout import Generated, Row, held_out, mean, row_of
from .sheets import Trial, bodies, finish, generate, see, showcase
from .shots import REFERENCES, Shot

PARTS = {
    "whole": Trial(),
    "matte of the reference guessed": Trial(matte=False),
    "joints of the reference unknown": Trial(matte=False, joints=False),
    "without reference attention": Trial(reference=False),
    "without temporal module": Trial(temporal=False),
    "without shared noise": Trial(shared_noise=0.0),
    "one step": Trial(steps=1),
    "six steps": Trial(steps=6),
}


def parts(model: Understudy, characters: int) -> dict[str, Row]:
    """Means over held-out people of each of `PARTS`, of the autoencoder alone, of the reference laid over, and of its copy."""
    rows: dict[str, list[Row]] = {}
    for number in range(characters):
        shot = held_out(number)
        results = {name: generate(model, shot, trial) for name, trial in PARTS.items()}
        results |= {"autoencoder": _through(model, shot), "laid over": _laid(model, shot), "copy": heldout.copied(shot)}
        for name, result in results.items():
            rows.setdefault(name, []).append(row_of(shot, result))
        print(f"parts: {number + 1} of {characters} people", flush=True)
    return {name: mean(found) for name, found in rows.items()}


@torch.inference_mode()
def _through(model: Understudy, shot: Shot) -> Generated:
    """The ceiling: the truth's own latents, drawn."""
    posed = model.pose(see(model, shot, Trial()), bodies(shot)[REFERENCES:])
    mattes = shot.mattes[REFERENCES:].float() / 255
    figures = shot.figures[REFERENCES:].float() / 255 + 0.5 * (1 - mattes)
    latents = torch.cat([model.autoencoder.encode(part * 2 - 1) for part in figures.split(CHUNK)])
    return finish(model, latents, posed.detail, shot)


@torch.inference_mode()
def _laid(model: Understudy, shot: Shot) -> Generated:
    """The reference laid over the poses, as no network has touched it."""
    detail = model.pose(see(model, shot, Trial()), bodies(shot)[REFERENCES:]).detail
    matte = detail[:, 3:4]
    return Generated(detail[:, :3] + (1 - matte) * (shot.plates[REFERENCES:].float() / 255 - 0.5), matte)


def sheets(model: Understudy, folder: Path, films: Path | None) -> None:
    """The middle of the first eight held-out clips, and the first film at every quarter of its length."""
    folder.mkdir(parents=True, exist_ok=True)
    people = (held_out(number) for number in range(8))
    showcase(model, ((shot, [6]) for shot in people)).save(folder / "held-out.png", optimize=True)
    if films:
        shot = heldout.filmed(sorted(films.glob("*.npz"))[-1])
        count = len(shot.pictures) - REFERENCES
        showcase(model, [(shot, [count * quarter // 4 for quarter in range(4)])]).save(folder / "human.png", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--characters", type=int, default=12)
    parser.add_argument("--long", type=int, default=2, help="clips of 96 frames")
    parser.add_argument("--human", type=Path, help="folder of films that tooling.blender_human made")
    parser.add_argument("--sheets", type=Path, help="folder for the pictures in the README")
    options = parser.parse_args()
    model = Understudy().eval()
    load_into(model, read(options.weights), options.weights.name)
    model.float()

    def draw(shot: Shot) -> Generated:
        return generate(model, shot, Trial())

    table = {
        "trials": heldout.evaluate(draw, options.characters, options.long, say=lambda text: print(text, flush=True)),
        "parts": parts(model, options.characters),
    }
    if options.human:
        table["human"] = heldout.evaluate_filmed(draw, options.human)
    if options.sheets:
        sheets(model, options.sheets, options.human)
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
