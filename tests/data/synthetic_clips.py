"""Synthetic speakers and clips for tests, each made once."""

from dataclasses import replace
from functools import cache

import torch

from viseme_data.synthetic.actor import Performance, perform
from viseme_data.synthetic.plan import ClipPlan, plan_speaker
from viseme_data.synthetic.recording import Recording, record
from viseme_data.synthetic.rig import FaceRig
from viseme_data.synthetic.speaker import Speaker, identity_of, make_speaker
from viseme_data.synthetic.speech import synthesizer
from viseme_data.synthetic.text import grammar
from viseme_data.synthetic.visemes import builtin_table
from viseme_face import MorphableModel


@cache
def speaker(number: int = 0, language: str = "en", seed: int = 5) -> Speaker:
    """Return a speaker."""
    return make_speaker(seed, number, grammar(language))


@cache
def planned(number: int = 0, language: str = "en", emotion: str = "neutral") -> ClipPlan:
    """Return the plan of a clip of eight seconds."""
    plan = plan_speaker(speaker(number, language), 1)[0]
    level = 1 if emotion == "neutral" else 3
    return replace(plan, num_frames=200, emotion=emotion, level=level)


@cache
def recorded(plan: ClipPlan) -> Recording:
    """Return what a planned clip sounds like."""
    # As `Studio` does, and many small steps are faster so.
    torch.set_num_threads(1)
    with synthesizer() as engine:
        return record(engine, plan)


@cache
def performed(plan: ClipPlan) -> Performance:
    """Return what the face of a planned clip does."""
    torch.set_num_threads(1)
    model = MorphableModel.builtin()
    rig = FaceRig(model, identity_of(plan.speaker, model))
    return perform(plan, recorded(plan), model, rig, builtin_table())
