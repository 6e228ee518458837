"""The repository keeps the rules of the house (run by `./loom check`; test_house_refuses.py proves the rules)."""

import house_code
import house_docs
import house_words
import pytest
from house_tree import Rule, here

RULES = house_code.RULES + house_words.RULES + house_docs.RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps(rule: Rule) -> None:
    faults = rule(here())
    if faults:
        pytest.fail("\n".join([str(rule.__doc__), *faults]), pytrace=False)
