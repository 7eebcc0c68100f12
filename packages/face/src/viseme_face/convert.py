"""Motion of one face model as motion of another, through the landmarks that both know."""

from viseme_core.types import Motion
from viseme_face.fitting import fit_clip
from viseme_face.morphable import MorphableModel, common_layout
from viseme_face.pose import pose_vertices


def convert(motion: Motion, source: MorphableModel, target: MorphableModel) -> Motion:
    """Return the motion in the coefficients of `target`.

    The posed landmarks of the richest layout that both models know are fitted anew; expression,
    identity and pose all change, the landmarks stay as near as the target can show them.

    Raises:
        ValueError: If the motion is not of `source`, or the models share no landmarks.
    """
    if motion.face_model != source.name:
        raise ValueError(
            f"motion belongs to face model {motion.face_model!r}, but convert was given "
            f"{source.name!r} as its source"
        )
    if source.name == target.name:
        return motion
    layout = common_layout(source, target)
    landmarks_TK3 = source.landmarks(motion.identity, motion.expression, layout)
    points_TK3 = pose_vertices(landmarks_TK3, motion.pose)
    return fit_clip(target, points_TK3, layout).to_motion(motion.fps)
