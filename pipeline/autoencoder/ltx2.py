"""LTX-2's video VAE, a few frames at a time: the layers of ``AutoencoderKLLTX2Video``, with what they keep.

The encoder is causal. The published decoder is not: each of its convolutions also sees the next frame, so a frame comes
out only when those after it have come in. Either way the layers are those of diffusers, and so are the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.autoencoder.pieces import TimeState, mapped

if TYPE_CHECKING:
    from torch import Tensor


def goes_in_pieces(model: Any) -> bool:
    """Whether a model has only layers that are known here: no strided convolution, noise or noise level."""
    config = model.config
    noise = config.decoder_inject_noise
    return (
        config.patch_size_t == 1
        and "conv" not in config.downsample_type
        and not config.timestep_conditioning
        and not (any(noise) if isinstance(noise, (tuple, list)) else noise)
    )


class Ltx2Pass(TimeState):
    """Layers that the encoder and the decoder share."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.causal = network, bool(network.is_causal)

    def conv(self, layer: Any, frames: Tensor | None, last: bool) -> Tensor | None:
        kernel = layer.kernel_size[0]
        return self.convolve(
            layer, frames, layer.conv, kernel=kernel, causal=self.causal, last=last
        )

    def resnet(self, layer: Any, frames: Tensor | None, last: bool) -> Tensor | None:
        act = layer.nonlinearity
        inner = self.conv(layer.conv1, mapped(lambda x: act(layer.norm1(x)), frames), last)
        inner = self.conv(layer.conv2, mapped(lambda x: act(layer.norm2(x)), inner), last)

        def shortcut(x: Tensor) -> Tensor:
            if layer.norm3 is not None:
                x = layer.norm3(x.movedim(1, -1)).movedim(-1, 1)
            return x if layer.conv_shortcut is None else layer.conv_shortcut(x)

        pair = self.align(layer, inner, mapped(shortcut, frames))
        return None if pair is None else pair[0] + pair[1]

    def resnets(self, layers: Any, frames: Tensor | None, last: bool) -> Tensor | None:
        for layer in layers:
            frames = self.resnet(layer, frames, last)
        return frames

    def tail(self, network: Any, frames: Tensor | None, last: bool) -> Tensor | None:
        ready = mapped(lambda x: network.conv_act(network.norm_out(x)), frames)
        return self.conv(network.conv_out, ready, last)


class Ltx2Encode(Ltx2Pass):
    """Pixels (B, 3, T, H, W) in -1..1 to moments (B, 2C, t, h, w)."""

    def __init__(self, model: Any) -> None:
        super().__init__(model.encoder)

    def __call__(self, piece: Tensor, *, last: bool) -> Tensor | None:
        net, side = self.network, self.network.patch_size
        patches = piece.unflatten(4, (-1, side)).unflatten(3, (-1, side))  # B C T h p w q
        patches = patches.permute(0, 1, 6, 4, 2, 3, 5).flatten(1, 3)
        frames = self.conv(net.conv_in, patches, last)
        for block in net.down_blocks:
            frames = self.resnets(block.resnets, frames, last)
            for layer in block.downsamplers or ():
                frames = self.downsample(layer, frames, last)
        frames = self.tail(net, self.resnets(net.mid_block.resnets, frames, last), last)
        if frames is None:
            return None
        # one log-variance for all channels
        spread = frames[:, -1:].expand(-1, frames.shape[1] - 2, -1, -1, -1)
        from torch import cat

        return cat((frames, spread), 1)

    def downsample(self, layer: Any, frames: Tensor | None, last: bool) -> Tensor | None:
        from torch import cat

        strides = layer.stride

        def fold(x: Tensor) -> Tensor:
            for axis in (4, 3, 2):
                x = x.unflatten(axis, (-1, strides[axis - 2]))
            return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)

        if frames is not None and self.begins(layer):
            frames = cat((frames[:, :, : strides[0] - 1], frames), 2)
        pair = self.align(layer, self.conv(layer.conv, frames, last), frames, strides[0])
        if pair is None:
            return None
        return fold(pair[0]) + fold(pair[1]).unflatten(1, (-1, layer.group_size)).mean(2)


class Ltx2Decode(Ltx2Pass):
    """Latents (B, C, t, h, w) to pixels (B, 3, T, H, W) in about -1..1."""

    def __init__(self, model: Any) -> None:
        super().__init__(model.decoder)

    def __call__(self, piece: Tensor, *, last: bool) -> Tensor | None:
        net, side = self.network, self.network.patch_size
        frames = self.conv(net.conv_in, piece, last)
        frames = self.resnets(net.mid_block.resnets, frames, last)
        for block in net.up_blocks:
            if block.conv_in is not None:
                frames = self.resnet(block.conv_in, frames, last)
            for layer in block.upsamplers or ():
                frames = self.upsample(layer, frames, last)
            frames = self.resnets(block.resnets, frames, last)
        frames = self.tail(net, frames, last)
        if frames is None:
            return None
        pixels = frames.unflatten(1, (-1, side, side))  # B C q p T h w
        return pixels.permute(0, 1, 4, 5, 3, 6, 2).flatten(5, 6).flatten(3, 4)

    def upsample(self, layer: Any, frames: Tensor | None, last: bool) -> Tensor | None:
        strides = layer.stride

        def unfold(x: Tensor) -> Tensor:
            x = x.unflatten(1, (-1, *strides))
            return x.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)

        pair = self.align(layer, self.conv(layer.conv, frames, last), frames)
        if pair is None:
            return None
        out = unfold(pair[0])
        if layer.residual:
            same = unfold(pair[1])
            out = out + same.repeat(1, out.shape[1] // same.shape[1], 1, 1, 1)
        return out[:, :, strides[0] - 1 :] if self.begins(layer) else out
