"""Raw footage to shards: video I/O, shots, scores, selection, shards, the loader, the synthetic world.

    shots = pipeline.detect_shots("film.mp4").shots
    for step in pipeline.VideoBatches("runs/a/shards", samples_per_step=8): ...

Names are imported when they are first used, so ``import pipeline`` loads neither torch nor FFmpeg.
"""

from typing import TYPE_CHECKING

from pipeline.exports import lazy_exports

if TYPE_CHECKING:
    from pipeline.config import EncodeConfig as EncodeConfig
    from pipeline.config import IngestConfig as IngestConfig
    from pipeline.config import MixConfig as MixConfig
    from pipeline.config import PackConfig as PackConfig
    from pipeline.config import SelectConfig as SelectConfig
    from pipeline.contracts import ShotDetector as ShotDetector
    from pipeline.contracts import TextEncoder as TextEncoder
    from pipeline.contracts import Vae as Vae
    from pipeline.loader.latent_packs import LatentPacks as LatentPacks
    from pipeline.loader.videos import VideoBatches as VideoBatches
    from pipeline.loader.view import ClipView as ClipView
    from pipeline.loader.workers import with_workers as with_workers
    from pipeline.openclip.model import load_openclip as load_openclip
    from pipeline.scores.scorer import Scorer as Scorer
    from pipeline.select.select import select_clips as select_clips
    from pipeline.shards.read import Manifest as Manifest
    from pipeline.shards.read import open_manifest as open_shards
    from pipeline.shards.write import ShardWriter as ShardWriter
    from pipeline.source.shot_list import ShotList as ShotList
    from pipeline.source.shot_list import detect_shots as detect_shots
    from pipeline.textencoder.open import load_text_encoder as load_text_encoder
    from pipeline.video.decode import decode_clip as decode_clip
    from pipeline.video.encode import encode_mp4 as encode_mp4
    from pipeline.video.probe import MediaError as MediaError
    from pipeline.video.probe import probe as probe
    from pipeline.video.stills import sample_video as sample_video

__all__ = [
    "ClipView",
    "EncodeConfig",
    "IngestConfig",
    "LatentPacks",
    "Manifest",
    "MediaError",
    "MixConfig",
    "PackConfig",
    "Scorer",
    "SelectConfig",
    "ShardWriter",
    "ShotDetector",
    "ShotList",
    "TextEncoder",
    "Vae",
    "VideoBatches",
    "decode_clip",
    "detect_shots",
    "encode_mp4",
    "load_openclip",
    "load_text_encoder",
    "open_shards",
    "probe",
    "sample_video",
    "select_clips",
    "with_workers",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "ClipView": "pipeline.loader.view:ClipView",
        "EncodeConfig": "pipeline.config:EncodeConfig",
        "IngestConfig": "pipeline.config:IngestConfig",
        "LatentPacks": "pipeline.loader.latent_packs:LatentPacks",
        "Manifest": "pipeline.shards.read:Manifest",
        "MediaError": "pipeline.video.probe:MediaError",
        "MixConfig": "pipeline.config:MixConfig",
        "PackConfig": "pipeline.config:PackConfig",
        "Scorer": "pipeline.scores.scorer:Scorer",
        "SelectConfig": "pipeline.config:SelectConfig",
        "ShardWriter": "pipeline.shards.write:ShardWriter",
        "ShotDetector": "pipeline.contracts:ShotDetector",
        "ShotList": "pipeline.source.shot_list:ShotList",
        "TextEncoder": "pipeline.contracts:TextEncoder",
        "Vae": "pipeline.contracts:Vae",
        "VideoBatches": "pipeline.loader.videos:VideoBatches",
        "decode_clip": "pipeline.video.decode:decode_clip",
        "detect_shots": "pipeline.source.shot_list:detect_shots",
        "encode_mp4": "pipeline.video.encode:encode_mp4",
        "load_openclip": "pipeline.openclip.model:load_openclip",
        "load_text_encoder": "pipeline.textencoder.open:load_text_encoder",
        "open_shards": "pipeline.shards.read:open_manifest",
        "probe": "pipeline.video.probe:probe",
        "sample_video": "pipeline.video.stills:sample_video",
        "select_clips": "pipeline.select.select:select_clips",
        "with_workers": "pipeline.loader.workers:with_workers",
    },
)
