#!/bin/sh
# One record through a grant, with curl. Needs CITYLOOM_URL, CITYLOOM_TOKEN, PURPOSE, GRANT, KEY and CASE.
set -eu
curl --silent --show-error --fail-with-body \
  --header "Authorization: Bearer $CITYLOOM_TOKEN" \
  --header "X-Purpose: $PURPOSE" \
  --header "Content-Type: application/json" \
  --data "{\"key\": [\"$KEY\"], \"case\": \"$CASE\"}" \
  "$CITYLOOM_URL/api/sharing/grants/$GRANT/query"
