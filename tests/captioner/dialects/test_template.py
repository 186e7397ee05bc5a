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
    template = parse_template("{{ subjects[1].name }}|", "x.j2")
    assert fill(template, {}, TOLD) == fill(template, {}, Told(prose="A dog.")) == "|"


def test_what_cannot_be_done_with_a_clip_is_one_line():
    template = parse_template("{{ 1 / subjects|length }}", "x.j2")
    with pytest.raises(ValueError, match="cannot be filled: division by zero"):
        fill(template, {}, Told(prose="A dog."))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ colour }}", "names colour; known: "),
        ("{{ short", "template x.j2"),
        ("{{ short|nosuch }}", "nosuch"),
        ("{{ short.colour }}", "x.j2: .*no attribute 'colour'"),
        ("{{ subjects[0].colour }}", "x.j2: .*no attribute 'colour'"),
        ("{{ short.__class__ }}", "x.j2: .*unsafe"),
        ("{x.__class__}", "{x.__class__} has single braces"),
        ("{{ short }} {camera}", "{camera} has single braces"),
        ("", "writes nothing"),
        (" \n{# a note #}{{ '' }}", "writes nothing"),
    ],
)
def test_a_bad_template_is_one_line(source, said):
    with pytest.raises(ValueError, match=said):
        parse_template(source, "x.j2")


def test_braces_that_are_no_names_stand_as_they_are():
    template = parse_template('{"caption": {{ short|tojson }}, "of": {}} {{ "{short}" }}', "x.j2")
    assert fill(template, {"short": "Dog."}, TOLD) == '{"caption": "Dog.", "of": {}} {short}'
