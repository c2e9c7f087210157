//! The rows that no schema walk can find: rules between fields, odd spellings, and what only `check` knows.

use serde_json::json;

use super::Verdict::{Accepts, Refuses};
use super::{Edit, Row, Verdict, edited, kind_of, set};

type Line = (&'static str, &'static str, Edit, &'static str, Verdict);

/// Every row that is written by hand.
pub(crate) fn written() -> Vec<Row> {
    [
        between_fields(),
        counts(),
        texts(),
        objectives(),
        money(),
        capacities(),
        targets(),
        queries(),
        sources(),
        events(),
        effects(),
        envelope(),
    ]
    .into_iter()
    .flatten()
    .map(|(name, base, edit, path, server)| {
        let kind = kind_of(&edited(base, set("metadata.labels", json!({}))));
        Row { name: name.to_owned(), kind, manifest: edited(base, edit), path: path.to_owned(), server }
    })
    .collect()
}

fn between_fields() -> Vec<Line> {
    vec![
        ("min above max", "smallest", set("spec.minReplicas", 2), "spec.minReplicas", Refuses),
        ("pause replicas above max", "checkout", set("spec.pause.replicas", 61), "spec.pause", Refuses),
        ("pause replicas below min", "checkout", set("spec.pause.replicas", 2), "spec.pause", Refuses),
        ("fallback above max", "checkout", set("spec.fallback.replicas", 61), "spec.fallback", Refuses),
        ("fallback below min", "checkout", set("spec.fallback.replicas", 2), "spec.fallback", Refuses),
        ("Active on the HPA's floor", "checkout", set("spec", hpa_floor()), "spec.mode", Refuses),
        ("no source at all", "smallest", Edit::Remove("spec.metrics[0].sourceRef"), "spec.metrics", Refuses),
        ("one metric without a source", "checkout", Edit::Remove("spec.sourceRef"), "spec.metrics", Refuses),
        (
            "Prometheus without a query",
            "checkout",
            Edit::Remove("spec.metrics[0].query"),
            "spec.metrics[0]",
            Refuses,
        ),
        (
            "Prometheus without a capacity",
            "checkout",
            Edit::Remove("spec.metrics[0].capacityPerReplica"),
            "spec.metrics[0]",
            Refuses,
        ),
        (
            "CPU with a query",
            "checkout",
            set("spec.metrics[1].query", "up"),
            "spec.metrics[1].query",
            Refuses,
        ),
        (
            "Memory with a query",
            "smallest",
            set("spec.metrics[0].query", "up"),
            "spec.metrics[0].query",
            Refuses,
        ),
        (
            "two metrics of one name",
            "checkout",
            set("spec.metrics[1].name", "requests"),
            "spec.metrics[1]",
            Refuses,
        ),
        (
            "a floor below the target utilisation",
            "checkout",
            set("spec.reactive.floorUtilization", 60),
            "spec.reactive.floorUtilization",
            Refuses,
        ),
        (
            "a ceiling without a price",
            "checkout",
            Edit::Remove("spec.spend.pricePerReplicaHour"),
            "spec.spend",
            Refuses,
        ),
        (
            "a budget without a price",
            "checkout",
            set("spec.spend", json!({"budgetRef": {"name": "shop"}})),
            "spec.spend",
            Refuses,
        ),
        ("a pause without an end", "checkout", Edit::Remove("spec.pause.until"), "spec.pause.until", Refuses),
    ]
}

fn counts() -> Vec<Line> {
    let max = "spec.maxReplicas";
    vec![
        ("no maximum", "checkout", Edit::Remove(max), max, Refuses),
        ("scale to zero", "checkout", set("spec.minReplicas", 0), "spec.minReplicas", Refuses),
        ("a negative minimum", "checkout", set("spec.minReplicas", -1), "spec.minReplicas", Refuses),
        ("a maximum beyond 32 bits", "checkout", set(max, 2_147_483_648_i64), max, Refuses),
        ("a maximum of a billion", "checkout", set(max, 1_000_000_000), max, Refuses),
        ("a maximum in quotes", "checkout", set(max, "60"), max, Refuses),
        ("a maximum of 5.5", "checkout", set(max, 5.5), max, Refuses),
        ("a maximum of true", "checkout", set(max, true), max, Refuses),
        ("metrics of null", "checkout", set("spec.metrics[0]", json!(null)), "spec.metrics[0]", Refuses),
        ("a maximum of null", "checkout", set(max, json!(null)), max, Refuses),
        (
            "a rate of zero",
            "checkout",
            set("spec.behavior.scaleUp.policies[0].value", 0),
            "policies[0].value",
            Refuses,
        ),
        (
            "no policies",
            "checkout",
            set("spec.behavior.scaleUp.policies", json!([])),
            "scaleUp.policies",
            Refuses,
        ),
        (
            "a period of an hour",
            "checkout",
            set("spec.behavior.scaleUp.policies[0].periodSeconds", 3600),
            "policies[0].periodSeconds",
            Refuses,
        ),
        (
            "a step in units of a thousand",
            "checkout",
            set("spec.thresholds.minStep", 1001),
            "minStep",
            Refuses,
        ),
        ("history of a year", "checkout", set("spec.forecast.historyDays", 365), "historyDays", Refuses),
        ("an unbounded timeout", "main", set("spec.timeout", "10m"), "spec.timeout", Refuses),
    ]
}

fn objectives() -> Vec<Line> {
    let unserved = "spec.objective.unserved";
    vec![
        ("an objective of zero", "checkout", set(unserved, "0%"), unserved, Refuses),
        ("an objective of 51 %", "checkout", set(unserved, "51%"), unserved, Refuses),
        ("an objective of 0.51", "checkout", set(unserved, "0.51"), unserved, Refuses),
        (
            "a quantile below the median",
            "checkout",
            set("spec.objective", json!({"quantile": "49%"})),
            "quantile",
            Refuses,
        ),
        ("a quantile of 1", "checkout", set("spec.objective", json!({"quantile": "1"})), "quantile", Refuses),
        (
            "a quantile in words",
            "checkout",
            set("spec.objective", json!({"quantile": "most"})),
            "quantile",
            Refuses,
        ),
        ("no objective", "checkout", set("spec.objective", json!({})), "spec.objective", Refuses),
        (
            "two objectives",
            "checkout",
            set("spec.objective", json!({"quantile": "99%", "unserved": "1%"})),
            "spec.objective",
            Refuses,
        ),
        (
            "an idle replica for two millions",
            "priced",
            set("spec.objective.costs.idleReplicaHour", "2000000"),
            "idleReplicaHour",
            Refuses,
        ),
        (
            "a missing replica for two millions",
            "priced",
            set("spec.objective.costs.missingReplicaHour", "2000000"),
            "missingReplicaHour",
            Refuses,
        ),
        (
            "costs without a missing replica's",
            "checkout",
            set("spec.objective", json!({"costs": {"idleReplicaHour": "0.1"}})),
            "missingReplicaHour",
            Refuses,
        ),
        (
            "a missing replica cheaper than an idle one",
            "checkout",
            set("spec.objective", json!({"costs": {"idleReplicaHour": "2", "missingReplicaHour": "1"}})),
            "missingReplicaHour",
            Refuses,
        ),
    ]
}

fn texts() -> Vec<Line> {
    let capacity = "spec.metrics[0].capacityPerReplica";
    let cooldown = "spec.cooldown.scaleUp";
    let tolerance = "spec.behavior.scaleUp.tolerance";
    let step = "spec.forecast.step";
    let zone = "spec.forecast.timeZone";
    vec![
        ("a cooldown of 10 years", "checkout", set(cooldown, "87600h"), cooldown, Refuses),
        ("a bare number as duration", "checkout", set(cooldown, "5"), cooldown, Refuses),
        ("a number as duration", "checkout", set(cooldown, 5), cooldown, Refuses),
        ("a duration in words", "checkout", set(cooldown, "5 minutes"), cooldown, Refuses),
        ("an ISO duration", "checkout", set(cooldown, "PT5M"), cooldown, Refuses),
        ("a negative duration", "checkout", set(cooldown, "-5m"), cooldown, Refuses),
        ("a duration that overflows", "checkout", set(cooldown, "99999999999999h"), cooldown, Refuses),
        ("units in the wrong order", "checkout", set(cooldown, "5s1m"), cooldown, Refuses),
        ("a step of zero", "checkout", set(step, "0s"), step, Refuses),
        ("a step that does not divide an hour", "checkout", set(step, "70s"), step, Refuses),
        ("a step of half seconds", "checkout", set(step, "22s500ms"), step, Accepts),
        ("a capacity of zero", "checkout", set(capacity, "0"), capacity, Refuses),
        ("a capacity of 0.000", "checkout", set(capacity, "0.000"), capacity, Refuses),
        ("a negative capacity", "checkout", set(capacity, "-5"), capacity, Refuses),
        ("an empty capacity", "checkout", set(capacity, ""), capacity, Refuses),
        ("a capacity with a blank", "checkout", set(capacity, "5 "), capacity, Refuses),
        ("a capacity in full-width digits", "checkout", set(capacity, "５"), capacity, Refuses),
        ("a capacity of NaN", "checkout", set(capacity, "NaN"), capacity, Refuses),
        ("a capacity as a number", "checkout", set(capacity, 120), capacity, Refuses),
        ("a capacity next to nothing", "checkout", set(capacity, "1e-300"), capacity, Accepts),
        ("a capacity beyond any float", "checkout", set(capacity, "1e999"), capacity, Accepts),
        ("a capacity of 18 digits", "checkout", set(capacity, "123456789012345678"), capacity, Accepts),
        ("a tolerance of 1", "checkout", set(tolerance, "1"), tolerance, Refuses),
        ("a negative tolerance", "checkout", set(tolerance, "-0.1"), tolerance, Refuses),
        ("a mode with a blank", "checkout", set("spec.mode", "DryRun "), "spec.mode", Refuses),
        ("a mode in lower case", "checkout", set("spec.mode", "active"), "spec.mode", Refuses),
        ("an empty time zone", "checkout", set(zone, ""), zone, Refuses),
        ("a path as time zone", "checkout", set(zone, "../../etc/passwd"), zone, Refuses),
        ("a time zone with a slip", "checkout", set(zone, "Europe/Pariss"), zone, Accepts),
        ("the machine's time zone", "checkout", set(zone, "Local"), zone, Accepts),
        ("an offset as time zone", "checkout", set(zone, "UTC+25"), zone, Accepts),
        (
            "a pause until a date",
            "checkout",
            set("spec.pause.until", "2026-12-01"),
            "spec.pause.until",
            Refuses,
        ),
        (
            "a pause until a time without zone",
            "checkout",
            set("spec.pause.until", "2026-12-01T08:00:00"),
            "spec.pause.until",
            Refuses,
        ),
        ("a reason that rings", "checkout", set("spec.pause.reason", "\u{7}"), "spec.pause.reason", Refuses),
        (
            "a reason with an escape",
            "checkout",
            set("spec.pause.reason", "\u{1b}[2J"),
            "spec.pause.reason",
            Refuses,
        ),
    ]
}

fn capacities() -> Vec<Line> {
    let at = "spec.metrics[0].learnedCapacity.at";
    let query = "spec.metrics[0].learnedCapacity.query";
    let learned = "spec.metrics[1].learnedCapacity";
    vec![
        ("a replica used beyond all of it", "learned", set(at, "120%"), at, Refuses),
        ("a replica used for hardly anything", "learned", set(at, "0.05"), at, Refuses),
        ("use that is no PromQL", "learned", set(query, "avg(cpu"), query, Accepts),
        ("use with an escape code", "learned", set(query, "\u{1b}[2J"), query, Refuses),
        ("CPU with a learned capacity", "checkout", set(learned, json!({"query": "up"})), learned, Refuses),
        (
            "no capacity, stated or learned",
            "learned",
            Edit::Remove("spec.metrics[0].learnedCapacity"),
            "spec.metrics[0]",
            Refuses,
        ),
        ("a limit without a source", "learned", Edit::Remove("spec.sourceRef"), "spec.limits", Refuses),
        (
            "a limit of which a replica takes nothing",
            "learned",
            set("spec.limits[0].perReplica", "0"),
            "spec.limits[0].perReplica",
            Refuses,
        ),
        (
            "a limit that is no PromQL",
            "learned",
            set("spec.limits[0].query", "max(pool"),
            "spec.limits[0].query",
            Accepts,
        ),
        (
            "a limit with an escape code",
            "learned",
            set("spec.limits[0].query", "\u{1b}[2J"),
            "spec.limits[0].query",
            Refuses,
        ),
    ]
}

fn money() -> Vec<Line> {
    let price = "spec.spend.pricePerReplicaHour";
    let most = "spec.spend.maxPerHour";
    vec![
        ("two prices", "checkout", set("spec.spend.priceBook", "PodRequests"), "spec.spend", Refuses),
        (
            "a price query without a source",
            "booked",
            set("spec.spend", json!({"priceQuery": {"query": "max(price)"}})),
            "spec.spend",
            Refuses,
        ),
        (
            "a price query that is no PromQL",
            "queried",
            set("spec.spend.priceQuery.query", "max(price"),
            "spec.spend.priceQuery.query",
            Accepts,
        ),
        (
            "an empty price query",
            "queried",
            set("spec.spend.priceQuery.query", ""),
            "spec.spend.priceQuery.query",
            Refuses,
        ),
        (
            "a price query with an escape code",
            "queried",
            set("spec.spend.priceQuery.query", "\u{1b}[2J"),
            "spec.spend.priceQuery.query",
            Refuses,
        ),
        (
            "a price that is older than a day",
            "queried",
            set("spec.spend.priceQuery.maxAge", "48h"),
            "spec.spend.priceQuery.maxAge",
            Refuses,
        ),
        (
            "a price book of nodes",
            "booked",
            set("spec.spend.priceBook", "Nodes"),
            "spec.spend.priceBook",
            Refuses,
        ),
        ("a price of zero", "checkout", set(price, "0"), price, Refuses),
        ("a price with its currency", "checkout", set(price, "10USD"), price, Refuses),
        ("a price with an exponent", "checkout", set(price, "1e308"), price, Refuses),
        ("a price as a number", "checkout", set(price, 0.096), price, Refuses),
        ("a price of two millions", "checkout", set(price, "2000000"), price, Refuses),
        ("a ceiling of two billions", "checkout", set(most, "2000000000"), most, Refuses),
        ("a negative ceiling", "checkout", set(most, "-1"), most, Refuses),
        ("a budget of two billions", "shop", set("spec.amount", "2000000000"), "spec.amount", Refuses),
        (
            "an overdraft of more than all",
            "shop",
            set("spec.overdraft.share", "130%"),
            "spec.overdraft.share",
            Refuses,
        ),
        (
            "a budget in a zone that is none",
            "shop",
            set("spec.timeZone", "Mars/Olympus"),
            "spec.timeZone",
            Accepts,
        ),
        ("a currency sign", "checkout", set("spec.spend.currency", "€"), "spec.spend.currency", Refuses),
    ]
}

fn targets() -> Vec<Line> {
    let kind = "spec.scaleTargetRef.kind";
    let name = "spec.scaleTargetRef.name";
    let version = "spec.scaleTargetRef.apiVersion";
    vec![
        ("a DaemonSet", "checkout", set(kind, "DaemonSet"), kind, Refuses),
        ("a Pod", "checkout", set(kind, "Pod"), kind, Refuses),
        ("a Node", "checkout", set(kind, "Node"), kind, Refuses),
        ("a Job", "checkout", set(kind, "Job"), kind, Refuses),
        ("a ConfigMap", "checkout", set(kind, "ConfigMap"), kind, Refuses),
        ("a kind in lower case", "checkout", set(kind, "deployment"), kind, Refuses),
        ("an empty kind", "checkout", set(kind, ""), kind, Refuses),
        ("an empty target name", "checkout", set(name, ""), name, Refuses),
        ("a query in the target name", "checkout", set(name, "a\"} or vector(1e9) #"), name, Refuses),
        ("a version with a blank", "checkout", set(version, "v1 "), version, Refuses),
        ("a version without a number", "checkout", set(version, "apps/stable"), version, Refuses),
        (
            "a target in another namespace",
            "checkout",
            set("spec.scaleTargetRef.namespace", "kube-system"),
            "spec.scaleTargetRef.namespace",
            Refuses,
        ),
    ]
}

fn queries() -> Vec<Line> {
    let query = "spec.metrics[0].query";
    let nested = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
    vec![
        ("an empty query", "checkout", set(query, ""), query, Refuses),
        ("a query of a mebibyte", "checkout", set(query, "a".repeat(1024 * 1024)), query, Refuses),
        ("a query with a NUL", "checkout", set(query, "up\u{0}"), query, Refuses),
        ("a query that turns the writing direction", "checkout", set(query, "up\u{202e}"), query, Refuses),
        ("a blank query", "checkout", set(query, "   "), query, Accepts),
        (
            "a comment as query",
            "checkout",
            set(query, "# sum(rate(http_requests_total[1m]))"),
            query,
            Accepts,
        ),
        ("an unclosed bracket", "checkout", set(query, "sum(rate(http_requests_total[1m])"), query, Accepts),
        ("an unclosed text", "checkout", set(query, "http_requests_total{app=\"checkout}"), query, Accepts),
        ("a bracket too many", "checkout", set(query, "sum(up))"), query, Accepts),
        (
            "an unknown function",
            "checkout",
            set(query, "summe(rate(http_requests_total[1m]))"),
            query,
            Accepts,
        ),
        ("rate of an instant", "checkout", set(query, "rate(http_requests_total)"), query, Accepts),
        ("a range of samples", "checkout", set(query, "http_requests_total[5m]"), query, Accepts),
        ("a text as query", "checkout", set(query, "\"up\""), query, Accepts),
        ("a selector that matches everything", "checkout", set(query, "sum({})"), query, Accepts),
        ("two expressions", "checkout", set(query, "up up"), query, Accepts),
        ("a thousand brackets", "checkout", set(query, nested), query, Accepts),
        ("SQL", "checkout", set(query, "SELECT count(*) FROM requests"), query, Accepts),
    ]
}

fn sources() -> Vec<Line> {
    let url = "spec.url";
    let basic = json!({"username": "u", "passwordSecretRef": {"name": "s", "key": "k"}});
    let header = "spec.tenantHeader.name";
    let labels = "spec.enforcedLabels";
    vec![
        ("both ways to authenticate", "main", set("spec.auth.basic", basic), "spec.auth", Refuses),
        ("no way to authenticate", "main", set("spec.auth", json!({})), "spec.auth", Refuses),
        (
            "an authority for plain http",
            "main",
            set(url, "http://prometheus:9090"),
            "spec.caSecretRef",
            Refuses,
        ),
        ("a file", "plain", set(url, "file:///etc/passwd"), url, Refuses),
        ("gopher", "plain", set(url, "gopher://prometheus"), url, Refuses),
        ("credentials in the address", "plain", set(url, "http://user:pw@prometheus"), url, Refuses),
        ("a fragment in the address", "plain", set(url, "http://h#@evil"), url, Refuses),
        ("a query in the address", "plain", set(url, "http://h/?a=b"), url, Refuses),
        ("no host", "plain", set(url, "http://"), url, Refuses),
        ("port 0", "plain", set(url, "http://h:0"), url, Refuses),
        ("port 99999", "plain", set(url, "http://h:99999"), url, Accepts),
        ("an address with a line break", "plain", set(url, "http://h\r\nX: y"), url, Refuses),
        ("a tenant header that is ours", "main", set(header, "Authorization"), header, Refuses),
        ("the Host header", "main", set(header, "host"), header, Refuses),
        (
            "a tenant with a line break",
            "main",
            set("spec.tenantHeader.value", "a\r\nHost: evil"),
            "spec.tenantHeader.value",
            Refuses,
        ),
        ("a password in the user name", "basic", set("spec.auth.basic.username", "u:p"), "username", Refuses),
        (
            "every namespace and one",
            "main",
            set("spec.allowedNamespaces", json!(["*", "shop"])),
            "allowedNam",
            Refuses,
        ),
        (
            "a pattern of namespaces",
            "main",
            set("spec.allowedNamespaces", json!(["team-*"])),
            "allowedNam",
            Refuses,
        ),
        ("a label with a dash", "main", set(labels, json!({"a-b": "c"})), labels, Refuses),
        ("the metric name as label", "main", set(labels, json!({"__name__": "up"})), labels, Refuses),
        ("a label without text", "main", set(labels, json!({"a": 5})), labels, Refuses),
        (
            "a secret of another namespace",
            "main",
            set("spec.caSecretRef.namespace", "x"),
            "caSecretRef.n",
            Refuses,
        ),
        ("no verification", "main", set("spec.insecureSkipVerify", true), "spec.insecureSkipVerify", Refuses),
    ]
}

fn events() -> Vec<Line> {
    let (once, weekly) = ("spec.events[0]", "spec.events[1]");
    let end = "spec.events[0].end";
    let start = "spec.events[2].start";
    vec![
        ("an event without a time", "retail", Edit::Remove("spec.events[1].weekly"), weekly, Refuses),
        (
            "an event once and every week",
            "retail",
            set("spec.events[0].weekly", json!({"weekdays": ["Friday"], "time": "18:00"})),
            once,
            Refuses,
        ),
        ("an event without an end", "retail", Edit::Remove(end), once, Refuses),
        ("an event with two ends", "retail", set("spec.events[0].duration", "2h"), once, Refuses),
        (
            "a weekly event without a length",
            "retail",
            Edit::Remove("spec.events[1].duration"),
            weekly,
            Refuses,
        ),
        (
            "a weekly event with an end",
            "retail",
            set("spec.events[1].end", "2026-11-28T00:00"),
            weekly,
            Refuses,
        ),
        ("a weekly event of nine days", "retail", set("spec.events[1].duration", "216h"), weekly, Refuses),
        ("an event that ends before it starts", "retail", set(end, "2026-11-27T05:59"), end, Refuses),
        ("an event of three weeks", "retail", set(end, "2026-12-18T06:00"), end, Refuses),
        ("a start with a zone", "retail", set(start, "2026-12-01T22:00:00Z"), start, Refuses),
        ("a start at 24:00", "retail", set(start, "2026-12-01T24:00"), start, Refuses),
        ("a start on the 30th of February", "retail", set(start, "2026-02-30T10:00"), start, Accepts),
        (
            "a day of the week in short",
            "retail",
            set("spec.events[1].weekly.weekdays", json!(["Fri"])),
            "spec.events[1].weekly",
            Refuses,
        ),
        (
            "a time of day in words",
            "retail",
            set("spec.events[1].weekly.time", "6pm"),
            "spec.events[1].weekly.time",
            Refuses,
        ),
        (
            "two events of one name",
            "retail",
            set("spec.events[1].name", "black-friday"),
            "spec.events[1]",
            Refuses,
        ),
        (
            "a zone that does not exist",
            "retail",
            set("spec.timeZone", "Europe/Pariss"),
            "spec.timeZone",
            Accepts,
        ),
        (
            "a calendar named twice",
            "checkout",
            set("spec.calendarRefs", json!([{"name": "retail"}, {"name": "retail"}])),
            "spec.calendarRefs[1]",
            Refuses,
        ),
    ]
}

/// What an event does.
fn effects() -> Vec<Line> {
    let once = "spec.events[0]";
    let least = "spec.events[0].minReplicas";
    let ramp = "spec.events[0].rampUp";
    let multiplier = "spec.events[0].multiplier";
    let bare = |more: serde_json::Value| {
        let mut event = json!({"name": "a", "start": "2026-12-01T22:00", "duration": "2h"});
        let fields = event.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        set("spec.events[0]", event)
    };
    vec![
        ("an event that does nothing", "retail", bare(json!({})), once, Refuses),
        (
            "an event that excludes nothing",
            "retail",
            bare(json!({"excludeFromLearning": false})),
            once,
            Refuses,
        ),
        ("a floor above its cap", "retail", set(least, 201), least, Refuses),
        ("a ramp of nothing", "retail", bare(json!({"minReplicas": 5, "rampUp": "1h"})), ramp, Refuses),
        (
            "a decay of nothing",
            "retail",
            bare(json!({"minReplicas": 5, "decay": "1h"})),
            "spec.events[0].decay",
            Refuses,
        ),
        (
            "ready for a cap",
            "retail",
            bare(json!({"maxReplicas": 5, "readyBefore": "1h"})),
            "spec.events[0].readyBefore",
            Refuses,
        ),
        ("a ramp longer than its event", "retail", set(ramp, "19h"), ramp, Refuses),
        (
            "a ramp longer than its duration",
            "retail",
            set("spec.events[1].rampUp", "5h"),
            "spec.events[1].rampUp",
            Refuses,
        ),
        ("no demand at all", "retail", set(multiplier, "0"), multiplier, Refuses),
        ("a thousandth of demand", "retail", set(multiplier, "0.001"), multiplier, Refuses),
        ("a thousand times demand", "retail", set(multiplier, "1000"), multiplier, Refuses),
        ("a multiplier with its sign", "retail", set(multiplier, "x4"), multiplier, Refuses),
    ]
}

fn envelope() -> Vec<Line> {
    vec![
        ("a misspelt field", "checkout", set("spec.maxReplica", 5), "spec.maxReplica", Refuses),
        ("a field of the wrong case", "checkout", set("spec.maxreplicas", 5), "spec.maxreplicas", Refuses),
        (
            "a field of metadata that does not exist",
            "checkout",
            set("metadata.lables", json!({})),
            "metadata.lables",
            Refuses,
        ),
        (
            "a name of 64 characters",
            "checkout",
            set("metadata.name", "n".repeat(64)),
            "metadata.name",
            Refuses,
        ),
        ("a name in upper case", "checkout", set("metadata.name", "Checkout"), "metadata.name", Refuses),
        ("no name", "checkout", Edit::Remove("metadata.name"), "metadata.name", Refuses),
        (
            "a label that is a number",
            "checkout",
            set("metadata.labels", json!({"a": 5})),
            "metadata.labels.a",
            Refuses,
        ),
        (
            "a namespace around a cluster-wide kind",
            "plain",
            set("metadata.namespace", "shop"),
            "metadata.namespace",
            Accepts,
        ),
        ("no spec", "checkout", Edit::Remove("spec"), "spec", Refuses),
        ("a spec of null", "checkout", set("spec", json!(null)), "spec", Refuses),
        (
            "a version that does not exist",
            "checkout",
            set("apiVersion", "foresail.dev/v2"),
            "apiVersion",
            Refuses,
        ),
        ("nine metrics", "smallest", set("spec.metrics", nine_metrics()), "spec.metrics", Refuses),
    ]
}

/// A spec with nothing wrong but mode and actuation together.
fn hpa_floor() -> serde_json::Value {
    json!({
        "mode": "Active",
        "actuation": {"via": "HorizontalPodAutoscalerFloor"},
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
        "maxReplicas": 10,
        "metrics": [{"name": "cpu", "type": "CPU", "sourceRef": {"name": "main"}}],
        "forecast": {"leadTime": "3m"},
    })
}

fn nine_metrics() -> serde_json::Value {
    (0..9)
        .map(|i| json!({"name": format!("m{i}"), "type": "Memory", "sourceRef": {"name": "main"}}))
        .collect()
}
