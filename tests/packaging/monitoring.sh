#!/bin/sh
# config/monitoring: the sample is well-formed, the rules are sound and tested, and rules and dashboard ask only for metrics that
# the sample has. Needs promtool (Debian: prometheus) and python3.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../../config/monitoring"

for tool in promtool python3; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not here"; exit 0; }
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
fail() { echo "monitoring: $*" >&2; failed=1; }

# --- the sample -------------------------------------------------------------------------------------------------------
promtool check metrics <sample.prom || fail "promtool does not like sample.prom"
sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' sample.prom | sort >"$scratch/known"
sed -n 's/^\([a-z_]*\)[{ ].*/\1/p' sample.prom | sort -u | comm -3 - "$scratch/known" >"$scratch/odd"
[ ! -s "$scratch/odd" ] || fail "sample.prom: a type without a value, or a value without a type: $(cat "$scratch/odd")"

# --- the rules --------------------------------------------------------------------------------------------------------
promtool check rules bivouac.rules.yml || fail "bivouac.rules.yml is refused"
promtool test rules bivouac.rules.test.yml || fail "a rule does not do what its test says"
sed -n 's/^ *- alert: //p' bivouac.rules.yml >"$scratch/alerts"
while read -r alert; do
    grep -q "ALERTS{alertname=\"$alert\",alertstate=\"firing\"" bivouac.rules.test.yml || fail "no test shows $alert firing"
done <"$scratch/alerts"

# --- the dashboard ----------------------------------------------------------------------------------------------------
# promtool parses queries where they stand in rules.
python3 - >"$scratch/dashboard.yml" <<'PYTHON' || fail "grafana-dashboard.json is not a dashboard"
import json

panels = json.load(open("grafana-dashboard.json"))["panels"]
assert len({panel["id"] for panel in panels}) == len(panels), "two panels with one id"
print("groups: [{ name: dashboard, rules: [")
for panel in panels:
    if panel["type"] == "row":
        continue
    assert panel["datasource"]["uid"] == "${datasource}", f"{panel['title']}: the datasource is not the variable"
    for target in panel["targets"]:
        rule = {"record": f"panel_{panel['id']}:{target['refId']}", "expr": target["expr"].replace("$instance", ".*")}
        print(json.dumps(rule) + ",")
print("] }]")
PYTHON
promtool check rules "$scratch/dashboard.yml" || fail "a query of the dashboard is refused"

# --- the names --------------------------------------------------------------------------------------------------------
for file in bivouac.rules.yml bivouac.rules.test.yml grafana-dashboard.json; do
    grep -o 'bivouac_[a-z_]*' "$file" | sort -u | comm -23 - "$scratch/known" >"$scratch/unknown"
    [ ! -s "$scratch/unknown" ] || fail "$file asks for what bivouac does not export: $(cat "$scratch/unknown")"
done

[ "$failed" -eq 0 ] || exit 1
echo "monitoring: rules, dashboard and sample agree"
