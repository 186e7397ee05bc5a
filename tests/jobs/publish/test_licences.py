"""The licence of a published dataset: a name that the hub knows, or terms of one's own; anything else is one line."""

from __future__ import annotations

import pytest

from jobs.core.errors import UserError
from jobs.publish.licences import KNOWN, USUAL, Licence, licence_of


def test_a_licence_that_the_hub_knows():
    assert licence_of(" CC-BY-4.0 ") == Licence(kind="cc-by-4.0")
    assert licence_of("mit").told == licence_of("mit").where == "mit"
    assert set(USUAL) <= KNOWN and "other" not in KNOWN


def test_terms_of_ones_own():
    found = licence_of("other", "my-terms-1.0", "https://example.org/terms")
    assert (found.told, found.where) == ("my-terms-1.0", "https://example.org/terms")
    assert licence_of("other", "my-terms").where == "my-terms"
    assert licence_of("other", "my-terms", "LICENSE").where == "my-terms"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("",), "--licence is empty; name one, such as cc0-1.0"),
        (("wat is",), "unknown licence 'wat is'; known: cc0-1.0.* --licence other --licence-name NAME"),
        (("cc-by-4",), "unknown licence 'cc-by-4'; did you mean 'cc-by-4.0'"),
        (("other",), "--licence other needs a name"),
        (("other", "My own terms!"), "--licence-name 'My own terms!': .*write my-own-terms"),
        (("other", "我的"), "write my-terms-1.0"),
        (("other", "a\nlicense: mit"), "--licence-name"),
        (("other", "mine", "example.org"), "--licence-link 'example.org' is no address"),
        (("other", "mine", "https://example.org\nlicense: mit"), "--licence-link"),
        (("mit", "mine"), "--licence-name goes with --licence other"),
        (("mit", "", "LICENSE"), "--licence-link goes with --licence other"),
    ],
)  # fmt: skip
def test_anything_else_is_one_line(given, said):
    with pytest.raises(UserError, match=said):
        licence_of(*given)
