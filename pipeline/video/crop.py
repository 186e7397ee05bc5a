"""Cut a rectangle out of decoded frames without touching their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.video.letterbox import Box

if TYPE_CHECKING:
    import av


class Cropper:
    """Cuts frames to ``box``, whose corners lie on even pixels; None leaves them as they are."""

    def __init__(self, box: Box | None) -> None:
        self.box = box
        self._graph: av.filter.Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The same frame, timestamps and colours unchanged, smaller."""
        box = self.box
        if box is None or (frame.width, frame.height) == (box.width, box.height):
            return frame
        if self._graph is None:
            self._graph = _graph(frame, box)
        self._graph.push(frame)
        out: av.VideoFrame = self._graph.pull()  # type: ignore[assignment]
        return out


def _graph(frame: av.VideoFrame, box: Box) -> av.filter.Graph:
    import av

    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    crop = graph.add("crop", f"{box.width}:{box.height}:{box.x}:{box.y}")
    sink = graph.add("buffersink")
    source.link_to(crop)
    crop.link_to(sink)
    graph.configure()
    return graph
