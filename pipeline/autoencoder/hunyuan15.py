"""HunyuanVideo 1.5's VAE a few frames at a time: the layers of ``AutoencoderKLHunyuanVideo15``, with what they keep.

Encoder and decoder are causal. Their attention looks back to the first frame: its keys and values stay, and are all
that grows with the length. The mask that diffusers makes, whose sides are all positions of the video, is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.autoencoder.pieces import TimeState

if TYPE_CHECKING:
    from torch import Tensor


class HunyuanPass(TimeState):
    """Layers that the encoder and the decoder share. Every piece gives frames: there is nothing to wait for."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.seen: dict[Any, tuple[Tensor, ...]] = {}
        self.lengths: dict[Any, int] = {}

    def conv(self, layer: Any, frames: Tensor) -> Tensor:
        from torch.nn.functional import pad

        sides = layer.time_causal_padding[:4]

        def within(x: Tensor) -> Tensor:
            convolved: Tensor = layer.conv(pad(x, (*sides, 0, 0), mode=layer.pad_mode))
            return convolved

        kernel = layer.conv.kernel_size[0]
        out = self.convolve(layer, frames, within, kernel=kernel, causal=True, last=False)
        assert out is not None
        return out

    def resnet(self, layer: Any, frames: Tensor) -> Tensor:
        act = layer.nonlinearity
        inner = self.conv(layer.conv1, act(layer.norm1(frames)))
        inner = self.conv(layer.conv2, act(layer.norm2(inner)))
        return inner + (frames if layer.conv_shortcut is None else layer.conv_shortcut(frames))

    def attend(self, layer: Any, frames: Tensor) -> Tensor:
        """Attention of each frame to itself and to all before it."""
        import torch

        normed = layer.norm(frames)
        query, key, value = (
            part(normed).flatten(3).permute(0, 2, 3, 1)  # B T N C
            for part in (layer.to_q, layer.to_k, layer.to_v)
        )
        found = []
        for at in range(frames.shape[2]):
            pair = self.remember(layer, key[:, None, at], value[:, None, at])
            found.append(
                torch.nn.functional.scaled_dot_product_attention(query[:, None, at], *pair)
            )
        mixed = torch.cat(found, 1).permute(0, 3, 1, 2).reshape(frames.shape)
        out: Tensor = layer.proj_out(mixed) + frames
        return out

    def remember(self, layer: Any, *fresh: Tensor) -> tuple[Tensor, ...]:
        """Keys and values (B, 1, N, C) of a layer with those of one more frame; room doubles, so few are copied."""
        length = self.lengths.get(layer, 0)
        end = length + fresh[0].shape[2]
        room = self.seen.get(layer, ())
        if not room or room[0].shape[2] < end:
            grown = [new.new_empty((*new.shape[:2], 2 * end, new.shape[3])) for new in fresh]
            for old, new in zip(room, grown, strict=False):
                new[:, :, :length] = old[:, :, :length]
            room = tuple(grown)
        for place, new in zip(room, fresh, strict=True):
            place[:, :, length:end] = new
        self.seen[layer], self.lengths[layer] = room, end
        return tuple(place[:, :, :end] for place in room)

    def middle(self, block: Any, frames: Tensor) -> Tensor:
        frames = self.resnet(block.resnets[0], frames)
        for attention, layer in zip(block.attentions, block.resnets[1:], strict=True):
            if attention is not None:
                frames = self.attend(attention, frames)
            frames = self.resnet(layer, frames)
        return frames

    def tail(self, network: Any, frames: Tensor) -> Tensor:
        return self.conv(network.conv_out, network.conv_act(network.norm_out(frames)))


class HunyuanEncode(HunyuanPass):
    """Pixels (B, 3, T, H, W) in -1..1 to moments (B, 2C, t, h, w)."""

    def __init__(self, model: Any) -> None:
        super().__init__(model.encoder)

    def __call__(self, piece: Tensor, *, last: bool) -> Tensor:
        net = self.network
        frames = self.conv(net.conv_in, piece)
        for block in net.down_blocks:
            for layer in block.resnets:
                frames = self.resnet(layer, frames)
            for layer in block.downsamplers or ():
                frames = self.downsample(layer, frames)
        frames = self.middle(net.mid_block, frames)
        short = frames.unflatten(1, (-1, net.group_size)).mean(2)
        return self.tail(net, frames) + short

    def downsample(self, layer: Any, frames: Tensor) -> Tensor:
        import torch

        fold, group = layer._dcae_downsample_rearrange, layer.group_size
        inner = self.conv(layer.conv, frames)

        def shorter(h: Tensor, x: Tensor, stride: int, group: int) -> Tensor:
            h = fold(h, r1=stride, r2=2, r3=2)
            if stride == 1 and layer.add_temporal_downsample:
                h = torch.cat((h, h), 1)
            mean = fold(x, r1=stride, r2=2, r3=2).unflatten(1, (-1, group)).mean(2)
            return h + mean

        if not layer.add_temporal_downsample:
            return shorter(inner, frames, 1, group)
        if not self.begins(layer):
            return shorter(inner, frames, 2, group)
        # the first frame of a video stands for itself
        out = shorter(inner[:, :, :1], frames[:, :, :1], 1, group // 2)
        if frames.shape[2] > 1:
            out = torch.cat((out, shorter(inner[:, :, 1:], frames[:, :, 1:], 2, group)), 2)
        return out


class HunyuanDecode(HunyuanPass):
    """Latents (B, C, t, h, w) to pixels (B, 3, T, H, W) in about -1..1."""

    def __init__(self, model: Any) -> None:
        super().__init__(model.decoder)

    def __call__(self, piece: Tensor, *, last: bool) -> Tensor:
        net = self.network
        frames = self.conv(net.conv_in, piece) + piece.repeat_interleave(net.repeat, 1)
        frames = self.middle(net.mid_block, frames)
        for block in net.up_blocks:
            for layer in block.resnets:
                frames = self.resnet(layer, frames)
            for layer in block.upsamplers or ():
                frames = self.upsample(layer, frames)
        return self.tail(net, frames)

    def upsample(self, layer: Any, frames: Tensor) -> Tensor:
        import torch

        unfold, repeats = layer._dcae_upsample_rearrange, layer.repeats
        inner = self.conv(layer.conv, frames)

        def longer(h: Tensor, x: Tensor) -> Tensor:
            stride = 2 if layer.add_temporal_upsample else 1
            if stride == 2:
                same = unfold(x, r1=2, r2=2, r3=2).repeat_interleave(repeats, 1)
            else:
                same = unfold(x.repeat_interleave(repeats, 1), r1=1, r2=2, r3=2)
            whole: Tensor = unfold(h, r1=stride, r2=2, r3=2) + same
            return whole

        if not layer.add_temporal_upsample or not self.begins(layer):
            return longer(inner, frames)
        # the first frame of a video becomes one, not two
        head = unfold(inner[:, :, :1], r1=1, r2=2, r3=2)
        head = head[:, : head.shape[1] // 2]
        same = unfold(frames[:, :, :1], r1=1, r2=2, r3=2).repeat_interleave(repeats // 2, 1)
        if frames.shape[2] == 1:
            return head + same
        return torch.cat((head + same, longer(inner[:, :, 1:], frames[:, :, 1:])), 2)
