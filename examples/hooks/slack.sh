#!/bin/sh
# Tells a channel of Slack what a run does: `command = ["examples/hooks/slack.sh"]` in `[hooks]`. Needs jq, curl and
# the channel's URL in SLACK_WEBHOOK_URL, which curl reads from descriptor 3: all users can read arguments.
set -eu
jq --compact-output '{text: "\(if .moment == "person" then "<!channel> " else "" end)*\(.moment)* \(.run): \(.text)"}' |
    curl --config /dev/fd/3 --silent --show-error --fail --max-time 20 --output /dev/null \
        --header 'Content-Type: application/json' --data @- 3<<URL
url = "$SLACK_WEBHOOK_URL"
URL
