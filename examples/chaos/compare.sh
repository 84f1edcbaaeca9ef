#!/bin/sh
# The same program under the same faults, twice: alone, and with OPENAI_BASE_URL pointing at Yaoki. Needs no key and no
# network, only `openai` and `yaoki[server]` in the Python that is on the PATH. Reports: chaos-bare/ and chaos-yaoki/.
#
#   sh examples/chaos/compare.sh [further options of yaoki chaos]
here=$(dirname "$0")
export OPENAI_API_KEY=none

yaoki chaos --timeout-s 20 --out chaos-bare "$@" -- python "$here/ask.py"

python -m yaoki.faults provider --port 9101 --token 0 > chaos-provider.log 2>&1 &
provider=$!
yaoki --config "$here/yaoki.toml" serve > chaos-server.log 2>&1 &
server=$!
trap 'kill $provider $server' EXIT
until yaoki --config "$here/yaoki.toml" doctor > /dev/null 2>&1; do kill -0 $server || exit 2; done
yaoki chaos --timeout-s 20 --out chaos-yaoki --port 9100 --client-base-url http://127.0.0.1:8478/v1 "$@" \
    -- python "$here/ask.py"
