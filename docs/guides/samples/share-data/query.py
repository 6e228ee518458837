"""One record through a grant, with Python's standard library. Environment as for query.sh."""

import json
import os
import sys
import urllib.error
import urllib.request

url, token, purpose, grant, key, case = (
    os.environ[name] for name in ("CITYLOOM_URL", "CITYLOOM_TOKEN", "PURPOSE", "GRANT", "KEY", "CASE")
)
request = urllib.request.Request(  # noqa: S310 - the city's own address
    f"{url}/api/sharing/grants/{grant}/query",
    data=json.dumps({"key": [key], "case": case}).encode(),
    headers={"Authorization": f"Bearer {token}", "X-Purpose": purpose, "Content-Type": "application/json"},
)
try:
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        # keep the statement and its signature: together they prove what was answered
        sys.stdout.write(answer.read().decode())
except urllib.error.HTTPError as refused:
    problem = json.load(refused)
    sys.exit(f"{problem['code']}: {problem['detail']} {problem.get('remedy', '')}")
