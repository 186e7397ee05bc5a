"""What runs on Ray, and what composes the other packages: curation, prompt to video, the command line.

    result = jobs.curate("raw/", out="runs/a", recipe="laptop")
    videos = jobs.generate_videos(["A red circle moves right."])

Names are imported when they are first used, so ``import jobs`` loads neither torch nor Ray.
"""

from typing import TYPE_CHECKING

from pipeline.exports import lazy_exports

if TYPE_CHECKING:
    from jobs.core.errors import UserError as UserError
    from jobs.core.recipe import Recipe as Recipe
    from jobs.core.recipe import load_recipe as load_recipe
    from jobs.curation import CurateResult as CurateResult
    from jobs.curation import curate as curate
    from jobs.generate.videos import generate_videos as generate_videos

__all__ = [
    "CurateResult",
    "Recipe",
    "UserError",
    "curate",
    "generate_videos",
    "load_recipe",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "CurateResult": "jobs.curation:CurateResult",
        "Recipe": "jobs.core.recipe:Recipe",
        "UserError": "jobs.core.errors:UserError",
        "curate": "jobs.curation:curate",
        "generate_videos": "jobs.generate.videos:generate_videos",
        "load_recipe": "jobs.core.recipe:load_recipe",
    },
)
