"""Load a text encoder of transformers: an encoder such as T5, or a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.textencoder.language_model import LanguageModelEncoder, language_options
from pipeline.textencoder.transformers import (
    MAX_TOKENS,
    TransformersEncoder,
    options_of,
    split_name,
)
from pipeline.training.compute import bf16_is_faster

if TYPE_CHECKING:
    from pipeline.contracts import TextEncoder

HOW = "give a folder that save_pretrained wrote, or fetch it once with: hf download {name}"


def load_transformers_encoder(name: str, *, device: str = "cpu") -> TextEncoder:
    """The encoder, or the hidden layer of a language model, of a folder or of a repository in the local cache.

    ``name`` may end in options: ``?tokens=256``, for a language model ``layer`` and ``template``, too
    (``language_model.LanguageOptions``). Nothing is downloaded.

    Raises:
        ValueError: it is not here, is damaged, or an option is wrong.
    """
    from pipeline.openclip.torchvision_compat import prepare_torchvision

    path, given = split_name(name)
    prepare_torchvision()
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer
    from transformers.models.auto import modeling_auto

    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        # T5EncoderModel and its kind, whose decoder is not wanted; all else gives its hidden states as a whole
        kinds = modeling_auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
        encodes = str(kinds.get(config.model_type, "")).endswith("EncoderModel")
        loader = AutoModelForTextEncoding if encodes else AutoModel
        model = loader.from_pretrained(path, config=config, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [""])[0][:160]
        raise ValueError(
            f"text encoder {path!r} does not load: {first}; {HOW.format(name=path)}"
        ) from None
    encoder: TextEncoder
    if encodes:
        options = options_of(given, {"tokens": int})
        encoder = TransformersEncoder(
            model, tokenizer, max_tokens=options.get("tokens", MAX_TOKENS)
        )
    else:
        encoder = LanguageModelEncoder(model, tokenizer, language_options(given))
    if device == "cpu" and not bf16_is_faster():
        model.float()  # half precision is slow there; the identity is that of the weights as they are stored
    model.to(device)
    return encoder
