"""Templates: every kind, field and dialect by its name; what nobody knows is refused when the file is read."""

from __future__ import annotations

import pytest

from captioner.ask.structured import Structured, Subject
from captioner.dialects.template import fill, parse_template
from captioner.dialects.write import Told

TOLD = Told(
    prose="A dog runs.",
    fields=Structured(subjects=[Subject(name="dog", action="runs")], camera="pans left"),
    seconds=2.5,
)


def test_a_template_is_filled():
    source = (
        "{{ short|upper }} {% for s in subjects %}{{ s.name }}{% endfor %} [{{ camera }}] {{ tags }} "
        "{{ seconds }}\n"
    )
    template = parse_template(source, "x.j2")
    assert (
        fill(template, {"short": "Dog."}, TOLD)
        == "DOG. dog [pans left] a dog, runs, camera pans left 2.5"
    )


def test_what_a_clip_lacks_is_empty():
    template = parse_template("{{ dense }}{{ tags }}{{ style }}|", "x.j2")
    assert fill(template, {}, Told(prose="A dog.")) == "|"


@pytest.mark.parametrize(
    ("source", "said"),
    [("{{ colour }}", "names colour; known: "), ("{{ short", "template x.j2"), ("{{ short|nosuch }}", "nosuch")],
)  # fmt: skip
def test_a_bad_template_is_one_line(source, said):
    with pytest.raises(ValueError, match=said):
        parse_template(source, "x.j2")


def test_a_template_cannot_reach_python():
    template = parse_template("{{ short.__class__.__mro__ }}", "x.j2")
    with pytest.raises(ValueError, match="cannot be filled"):
        fill(template, {"short": "x"}, TOLD)
