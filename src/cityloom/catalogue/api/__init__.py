"""What others may call: read the packs' standards, register datasets, find resources and who answers for an item.

More stands in the modules beside: `resources` (describe, announce, follow), `lists` (demands, forms), `search`.
"""

from cityloom.catalogue.api.datasets import entries, entry, register
from cityloom.catalogue.api.packs import check, code_list, install, standards
from cityloom.catalogue.api.resources import find, keep_datasets, source_of

__all__ = [
    "check", "code_list", "entries", "entry", "find", "install", "keep_datasets", "register", "source_of", "standards",
]  # fmt: skip
