"""Checks the Foresail chart. Needs Python 3 and helm (4, or 3.18 and newer); no cluster. See `run`."""

import difflib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "charts" / "foresail"
HELM = os.environ.get("HELM", "helm")
UPDATE = os.environ.get("UPDATE") == "1"
RELEASE, NAMESPACE = "foresail", "foresail-system"

passed = failed = 0


def report(name, problems):
    global passed, failed
    if problems:
        failed += 1
        print(f"FAIL {name}")
        for problem in problems:
            print("     " + str(problem).replace("\n", "\n     "))
    else:
        passed += 1
        print(f"ok   {name}")


def helm(*arguments):
    done = subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def render(*arguments, chart=CHART):
    return helm("template", RELEASE, chart, "-n", NAMESPACE, "--kube-version", "1.30.0", *arguments)


def documents(text):
    """The YAML documents of `text` as Python values, parsed by helm."""
    with tempfile.TemporaryDirectory() as directory:
        chart = pathlib.Path(directory) / "tojson"
        shutil.copytree(HERE / "tojson", chart)
        (chart / "input.yaml").write_text(text)
        code, out, err = helm("template", "tojson", chart)
        if code:
            raise RuntimeError(err)
    parsed = [json.loads(line)["document"] for line in out.splitlines() if line.startswith("{")]
    for document in parsed:
        if "Error" in document:
            raise RuntimeError(document["Error"])
    return parsed


def objects(*arguments, chart=CHART):
    code, out, err = render(*arguments, chart=chart)
    if code:
        raise RuntimeError(err)
    return documents(out)


def values_file(name):
    return ("-f", HERE / "values" / f"{name}.yaml")


# --- permissions ------------------------------------------------------------------------------------------------------

READ = {"get", "list", "watch"}
VERBS = READ | {"create", "update", "patch"}
# What part 1 may write, as (group, resource): verbs. All of it is Foresail's own, or an Event.
OWN_WRITES = {
    ("foresail.dev", "predictiveautoscalers"): {"patch"},
    ("foresail.dev", "predictiveautoscalers/finalizers"): {"update"},
    ("foresail.dev", "predictiveautoscalers/status"): {"patch", "update"},
    ("foresail.dev", "metricsources/status"): {"patch", "update"},
    ("foresail.dev", "spendbudgets/status"): {"patch", "update"},
    ("foresail.dev", "forecastcheckpoints"): {"create", "patch", "update"},
    ("", "events"): {"create", "patch"},
    ("events.k8s.io", "events"): {"create", "patch"},
    ("coordination.k8s.io", "leases"): {"create", "patch", "update"},
}
# What part 2 adds, in enforced namespaces only.
ENFORCED_WRITES = {
    ("apps", "deployments/scale"): {"patch", "update"},
    ("apps", "statefulsets/scale"): {"patch", "update"},
    ("apps", "replicasets/scale"): {"patch", "update"},
    ("autoscaling", "horizontalpodautoscalers"): {"patch", "update"},
}


def service_account(rendered):
    [deployment] = [o for o in rendered if o["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]["serviceAccountName"]


def grants(rendered):
    """What the bindings give to the operator: (namespace or None for everywhere, group, resource, verb, names or None)."""
    account = {"kind": "ServiceAccount", "name": service_account(rendered), "namespace": NAMESPACE}
    roles = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in rendered if o["kind"] in ("Role", "ClusterRole")}
    for binding in rendered:
        if binding["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        if binding["subjects"] != [account]:
            raise RuntimeError(f"{binding['metadata']['name']} binds somebody else: {binding['subjects']}")
        where = binding["metadata"].get("namespace") if binding["kind"] == "RoleBinding" else None
        reference = binding["roleRef"]
        role = roles[reference["kind"], where if reference["kind"] == "Role" else None, reference["name"]]
        for rule in role["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        yield where, group, resource, verb, rule.get("resourceNames")


def permission_problems(rendered, enforced=(), watched=(), secrets=(), extra=()):
    problems = []
    enforced_writes = dict(ENFORCED_WRITES) | {(group, f"{resource}/scale"): {"patch", "update"} for group, resource in extra}
    own, writable = set(), {}
    for where, group, resource, verb, names in grants(rendered):
        line = f"{verb} {resource}.{group or 'core'} in {where or 'all namespaces'}"
        if "*" in group + resource + verb:
            problems.append(f"wildcard: {line}")
        if verb not in VERBS:
            problems.append(f"verb not allowed: {line}")
        if verb not in READ:
            if verb in OWN_WRITES.get((group, resource), ()):
                own.add((group, resource, verb))
            elif where in enforced and verb in enforced_writes.get((group, resource), ()):
                writable.setdefault(where, set()).add((group, resource, verb))
            else:
                problems.append(f"writes what it must not: {line}")
        if resource == "secrets" and not (verb == "get" and where == NAMESPACE and names and sorted(names) == sorted(secrets)):
            problems.append(f"secrets beyond the named ones: {line} {names}")
        if resource == "leases" and (where != NAMESPACE or (verb != "create" and not (names and len(names) == 1))):
            problems.append(f"leases beyond the operator's own: {line} {names}")
        if watched and where not in {*watched, NAMESPACE} and resource.split("/")[0] not in ("metricsources", "spendbudgets"):
            problems.append(f"outside of watchNamespaces: {line}")
    for missing in sorted({(group, resource, verb) for (group, resource), verbs in OWN_WRITES.items() for verb in verbs} - own):
        problems.append(f"cannot write what is its own: {missing}")
    for namespace in enforced:
        expected = {(group, resource, verb) for (group, resource), verbs in enforced_writes.items() for verb in verbs}
        for missing in sorted(expected - writable.get(namespace, set())):
            problems.append(f"enforced namespace {namespace} lacks {missing}")
    for role in rendered:
        text = json.dumps(role.get("rules", [])) if role["kind"] in ("Role", "ClusterRole") else ""
        for word in ('"*"', "/*", "*/", "escalate", "impersonate", '"bind"', "deletecollection"):
            if word in text:
                problems.append(f"{role['metadata']['name']} has {word}")
    return problems


def namespaced_problems(rendered):
    cluster_roles = [o for o in rendered if o["kind"] == "ClusterRole"]
    allowed = [
        {"apiGroups": ["foresail.dev"], "resources": ["metricsources", "spendbudgets"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["foresail.dev"], "resources": ["metricsources/status", "spendbudgets/status"], "verbs": ["get", "patch", "update"]},
    ]
    return [f"ClusterRole {o['metadata']['name']}: {o['rules']}" for o in cluster_roles if o["rules"] != allowed] + (
        [] if len(cluster_roles) == 1 else [f"{len(cluster_roles)} ClusterRoles, expected the one for metric sources"]
    )


def unbound_problems(rendered):
    """The enforce role exists and, without enforced namespaces, nothing refers to it."""
    names = [o["metadata"]["name"] for o in rendered if o["kind"] == "ClusterRole"]
    bound = [o["metadata"]["name"] for o in rendered if "roleRef" in o and o["roleRef"]["name"] == "foresail-enforce"]
    return ([] if "foresail-enforce" in names else ["no ClusterRole foresail-enforce"]) + [f"bound by {name}" for name in bound]


def tenant_problems(rendered):
    problems, seen = [], set()
    allowed = {"view": {"get", "list", "watch"}, "edit": {"create", "delete", "patch", "update"}}
    for role in rendered:
        labels = role["metadata"].get("labels", {})
        if not any("aggregate-to" in label for label in labels):
            continue
        kind = role["metadata"]["name"].rsplit("-", 1)[1]
        seen.add(kind)
        if kind == "edit" and "rbac.authorization.k8s.io/aggregate-to-view" in labels:
            problems.append("viewers may edit")
        resources = {"predictiveautoscalers", "demandcalendars"} | ({"forecastcheckpoints"} if kind == "view" else set())
        for rule in role["rules"]:
            if rule["apiGroups"] != ["foresail.dev"] or set(rule["resources"]) != resources or set(rule["verbs"]) != allowed[kind]:
                problems.append(f"{kind}: {rule}")
    return problems + ([] if seen == {"view", "edit"} else [f"roles: {sorted(seen)}"])


# --- pods -------------------------------------------------------------------------------------------------------------

FLAGS = {"--restore-floors", "--interval", "--listen", "--lease-name", "--lease-namespace", "--identity", "--watch-namespaces", "--log-format", "--price-book"}


def pod_problems(rendered):
    """Pod Security restricted, and the flags that the binary knows."""
    [deployment] = [o for o in rendered if o["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    problems = secured_problems(pod, deployment["spec"]["template"]["spec"]["serviceAccountName"])
    [container] = pod["containers"]
    if pod["terminationGracePeriodSeconds"] != 20:
        problems.append("terminationGracePeriodSeconds is not 20")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = "/readyz" if probe == "readinessProbe" else "/livez"
        if container[probe]["httpGet"]["path"] != path:
            problems.append(f"{probe} does not ask {path}")
    for account in rendered:
        if account["kind"] == "ServiceAccount" and account["automountServiceAccountToken"] is not False:
            problems.append("the account mounts its token by itself")
    return problems


def hook_problems(rendered, expected):
    """Where something is enforced, and only there, a pre-delete hook gives the floors back, as the operator and as secured."""
    jobs = [o for o in rendered if o["kind"] == "Job"]
    if len(jobs) != (1 if expected else 0):
        return [f"{len(jobs)} Jobs"]
    problems = []
    for job in jobs:
        template = job["spec"]["template"]
        if job["metadata"]["annotations"].get("helm.sh/hook") != "pre-delete":
            problems.append("no pre-delete hook")
        if template["metadata"]["labels"]["app.kubernetes.io/name"] == "foresail":
            problems.append("the operator's Service and budget select its pod")
        problems += secured_problems(template["spec"], service_account(rendered))
        arguments = template["spec"]["containers"][0]["args"]
        [deployment] = [o for o in rendered if o["kind"] == "Deployment"]
        theirs = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        for flag in ("--lease-name", "--lease-namespace", "--watch-namespaces"):
            ours, other = ([a[i + 1] for i, b in enumerate(a) if b == flag] for a in (arguments, theirs))
            if ours != other:
                problems.append(f"{flag} is {ours}, the operator's {other}")
        if "--restore-floors" not in arguments:
            problems.append("it would run as an operator")
    return problems


def secured_problems(pod, account):
    problems = []

    def expect(what, value, expected):
        if value != expected:
            problems.append(f"{what} is {value!r}, expected {expected!r}")

    expect("serviceAccountName", pod["serviceAccountName"], account)
    for field in ("hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"):
        expect(field, pod.get(field), None)
    mounted = [(mount["mountPath"], mount.get("readOnly")) for c in pod["containers"] for mount in c.get("volumeMounts", [])]
    book = "--price-book" in pod["containers"][0]["args"]
    expect("volumes", [sorted(set(volume) - {"name"}) for volume in pod.get("volumes", [])], [["configMap"]] if book else [])
    expect("mounts", mounted, [("/etc/foresail", True)] if book else [])
    security = pod.get("securityContext", {})
    expect("pod runAsNonRoot", security.get("runAsNonRoot"), True)
    expect("pod runAsUser", security.get("runAsUser"), 65532)
    expect("pod seccompProfile", security.get("seccompProfile"), {"type": "RuntimeDefault"})
    expect("pod sysctls", security.get("sysctls"), None)
    [container] = pod["containers"]
    security = container.get("securityContext", {})
    expect("runAsNonRoot", security.get("runAsNonRoot"), True)
    expect("privileged", security.get("privileged", False), False)
    expect("allowPrivilegeEscalation", security.get("allowPrivilegeEscalation"), False)
    expect("readOnlyRootFilesystem", security.get("readOnlyRootFilesystem"), True)
    expect("capabilities", security.get("capabilities"), {"drop": ["ALL"]})
    expect("seccompProfile", security.get("seccompProfile"), {"type": "RuntimeDefault"})
    expect("hostPort", [port for port in container.get("ports", []) if "hostPort" in port], [])
    expect("command", container["command"], ["foresail", "operator"])
    arguments = container["args"]
    problems += [f"argument is not a string: {argument!r}" for argument in arguments if not isinstance(argument, str)]
    flags = [argument for argument in arguments if str(argument).startswith("--")]
    problems += [f"unknown flag {flag}" for flag in flags if flag not in FLAGS]
    expect("repeated flags", len(flags), len(set(flags)))
    expect("automountServiceAccountToken", pod["automountServiceAccountToken"], True)
    return problems


# --- custom resource definitions --------------------------------------------------------------------------------------

NAMES = {
    "predictiveautoscalers.foresail.dev": "Namespaced",
    "metricsources.foresail.dev": "Cluster",
    "forecastcheckpoints.foresail.dev": "Namespaced",
    "demandcalendars.foresail.dev": "Namespaced",
    "spendbudgets.foresail.dev": "Cluster",
}


def crd_problems(rendered, source):
    """All are there, kept on uninstall, labelled, and otherwise as generated."""
    definitions = [o for o in rendered if o["kind"] == "CustomResourceDefinition"]
    problems = []
    if {o["metadata"]["name"]: o["spec"]["scope"] for o in definitions} != NAMES:
        problems.append(f"definitions: {[o['metadata']['name'] for o in definitions]}")
    specs = {o["metadata"]["name"]: o["spec"] for o in source}
    for definition in definitions:
        name, metadata = definition["metadata"]["name"], definition["metadata"]
        if metadata.get("annotations", {}).get("helm.sh/resource-policy") != "keep":
            problems.append(f"{name} would be deleted with the release")
        if metadata["labels"].get("app.kubernetes.io/part-of") != "foresail":
            problems.append(f"{name} lacks the chart's labels")
        if definition["spec"] != specs.get(name):
            problems.append(f"{name} is not as generated")
    for resource in rendered:
        if resource["apiVersion"].startswith("foresail.dev/"):
            problems.append(f"{resource['kind']} in the release of its own definition: the first install would fail")
    return problems


# --- the checks -------------------------------------------------------------------------------------------------------

REFUSED = {
    "enforce everything": ["--set-json", 'enforce.namespaces=["*"]'],
    "enforce kube-system": ["--set-json", 'enforce.namespaces=["kube-system"]'],
    "enforce twice the same": ["--set-json", 'enforce.namespaces=["a","a"]'],
    "enforce as a string": ["--set", "enforce.namespaces=shop"],
    "enforce what is not watched": ["--set-json", 'watchNamespaces=["a"]', "--set-json", 'enforce.namespaces=["b"]'],
    "watch everything by a star": ["--set-json", 'watchNamespaces=["*"]'],
    "two namespaces in one": ["--set-json", 'watchNamespaces=["a,b"]'],
    "upper-case namespace": ["--set-json", 'watchNamespaces=["Shop"]'],
    "a price as a number": ["--set", "priceBook.currency=EUR", "--set-json", 'priceBook.default={"cpuHour":0.03,"memoryGiBHour":"0"}'],
    "a price book without prices": ["--set", "priceBook.currency=EUR"],
    "prices without a currency": ["--set-json", 'priceBook.default={"cpuHour":"1","memoryGiBHour":"1"}'],
    "half a rate": ["--set", "priceBook.currency=EUR", "--set-json", 'priceBook.default={"cpuHour":"1"}'],
    "a rate without labels": ["--set-json", 'priceBook.rates=[{"nodeSelector":{},"cpuHour":"1","memoryGiBHour":"1"}]'],
    "unknown value": ["--set", "replica=3"],
    "unknown nested value": ["--set", "operator.interval=15s"],
    "misspelt enforce": ["--set-json", 'enforce.namespace=["shop"]'],
    "unknown resource": ["--set", "resources.limits.gpu=1"],
    "negative replicas": ["--set", "replicas=-1"],
    "too many replicas": ["--set", "replicas=6"],
    "replicas as text": ["--set-string", "replicas=2"],
    "no interval": ["--set", "operator.intervalSeconds=0"],
    "interval with a unit": ["--set", "operator.intervalSeconds=15s"],
    "interval above the step": ["--set", "operator.intervalSeconds=61"],
    "log level": ["--set", "operator.logLevel=loud"],
    "log level that injects YAML": ["--set-json", 'operator.logLevel="info\\n- x"'],
    "privileged port": ["--set", "operator.port=80"],
    "port out of range": ["--set", "operator.port=70000"],
    "listen address": ["--set", "operator.listenAddress=localhost:8080"],
    "pull policy": ["--set", "image.pullPolicy=Sometimes"],
    "digest": ["--set", "image.digest=sha256:abc"],
    "tag with a space": ["--set", "image.tag=a b"],
    "empty repository": ["--set", "image.repository="],
    "wildcard resource": ["--set-json", 'rbac.extraScaleResources=[{"group":"a.io","resource":"*"}]'],
    "wildcard group": ["--set-json", 'rbac.extraScaleResources=[{"group":"*","resource":"rollouts"}]'],
    "core group (secrets)": ["--set-json", 'rbac.extraScaleResources=[{"group":"","resource":"secrets"}]'],
    "a subresource": ["--set-json", 'rbac.extraScaleResources=[{"group":"apps","resource":"deployments/status"}]'],
    "resource without group": ["--set-json", 'rbac.extraScaleResources=[{"resource":"rollouts"}]'],
    "wildcard secret": ["--set-json", 'metricSourceSecrets=["*"]'],
    "budget that blocks drains": ["--set", "podDisruptionBudget.maxUnavailable=0"],
    "grace period": ["--set", "terminationGracePeriodSeconds=0"],
    "toleration effect": ["--set-json", 'tolerations=[{"effect":"Never"}]'],
    "network range": ["--set-json", 'networkPolicy.sourceCidrs=["prometheus"]'],
    "no ports": ["--set-json", "networkPolicy.sourcePorts=[]"],
    "service monitor without service": ["--set", "metrics.serviceMonitor.enabled=true", "--set", "metrics.service.enabled=false"],
    "restore floors as text": ["--set-string", "uninstall.restoreFloors=yes"],
    "an old cluster": ["--kube-version", "1.29.0"],
}

# Planted faults: (what, file, text, replacement, the check that must notice).
PLANTED = [
    ("scale writable by default", "templates/_helpers.tpl", "statefulsets/scale, replicasets/scale]\n  verbs: [get]", "statefulsets/scale, replicasets/scale]\n  verbs: [get, patch]", "default"),
    ("HPAs writable by default", "templates/_helpers.tpl", "resources: [horizontalpodautoscalers]\n  verbs: [get, list, watch]", "resources: [horizontalpodautoscalers]\n  verbs: [get, list, watch, update]", "default"),
    ("pods deletable", "templates/_helpers.tpl", "resources: [pods]\n  verbs: [list, watch]", "resources: [pods]\n  verbs: [list, watch, delete]", "default"),
    ("any scale", "templates/_helpers.tpl", "[deployments/scale, statefulsets/scale, replicasets/scale]\n  verbs: [get]", '["*/scale"]\n  verbs: [get]', "default"),
    ("all verbs", "templates/_helpers.tpl", "resources: [pods]\n  verbs: [list, watch]", 'resources: [pods]\n  verbs: ["*"]', "default"),
    ("secrets listed", "templates/_helpers.tpl", "resources: [pods]", "resources: [pods, secrets]", "default"),
    ("any lease", "templates/rbac-observe.yaml", "    verbs: [create]\n", "    verbs: [create, update]\n", "default"),
    ("enforce bound by the install", "templates/rbac-observe.yaml", "  kind: ClusterRole\n  name: {{ $fullname }}\n", "  kind: ClusterRole\n  name: {{ $fullname }}-enforce\n", "default"),
    ("tenants write status", "templates/rbac-tenants.yaml", "resources: [predictiveautoscalers, demandcalendars]\n    verbs: [create", "resources: [predictiveautoscalers, demandcalendars, predictiveautoscalers/status]\n    verbs: [create", "default"),
    ("tenants write sources", "templates/rbac-tenants.yaml", "resources: [predictiveautoscalers, demandcalendars]\n    verbs: [create", "resources: [predictiveautoscalers, demandcalendars, metricsources]\n    verbs: [create", "default"),
    ("cluster-wide in single namespaces", "templates/rbac-observe.yaml", "resources: [metricsources, spendbudgets]\n    verbs: [get, list, watch]", "resources: [metricsources, spendbudgets, predictiveautoscalers]\n    verbs: [get, list, watch]", "namespaced"),
    ("too little where enforced", "templates/_helpers.tpl", "resources: [horizontalpodautoscalers]\n  verbs: [get, patch, update]", "resources: [horizontalpodautoscalers]\n  verbs: [get]", "enforced"),
    ("a finalizer that cannot go", "templates/_helpers.tpl", "resources: [predictiveautoscalers]\n  verbs: [patch]", "resources: [predictiveautoscalers]\n  verbs: [get]", "default"),
    ("root", "templates/deployment.yaml", "runAsNonRoot: true\n        runAsUser: 65532", "runAsUser: 0", "default"),
    ("writable root file system", "templates/deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "default"),
    ("capabilities kept", "templates/deployment.yaml", "drop: [ALL]", "drop: [NET_RAW]", "default"),
    ("host network", "templates/deployment.yaml", "enableServiceLinks: false", "hostNetwork: true", "default"),
    ("a flag the binary lacks", "templates/deployment.yaml", "- --log-format", "- --log-style", "default"),
    ("a hook that is none", "templates/restore-floors.yaml", "helm.sh/hook: pre-delete", "helm.sh/hooks: pre-delete", "enforced"),
    ("a hook that runs an operator", "templates/restore-floors.yaml", "            - --restore-floors\n", "", "enforced"),
    ("a hook as root", "templates/restore-floors.yaml", "runAsNonRoot: true\n        runAsUser: 65532", "runAsUser: 0", "enforced"),
    ("a hook in other namespaces", "templates/restore-floors.yaml", "{{- with .Values.watchNamespaces }}", "{{- with list }}", "namespaced"),
    ("definitions not kept", "templates/crds.yaml", '"helm.sh/resource-policy" "keep"', '"helm.sh/policy" "keep"', "default"),
]


def price_book_problems(rendered, expected):
    """Where there is a price book, and only there, a ConfigMap holds it as the operator reads it, and its change is another pod."""
    books = [o for o in rendered if o["kind"] == "ConfigMap"]
    [pod] = [o["spec"]["template"] for o in rendered if o["kind"] == "Deployment"]
    annotated = "checksum/price-book" in pod["metadata"]["annotations"]
    if len(books) != int(expected) or annotated != expected:
        return [f"{len(books)} price books, annotated: {annotated}"]
    problems = []
    for book in books:
        [volume] = pod["spec"]["volumes"]
        if volume["configMap"]["name"] != book["metadata"]["name"]:
            problems.append("another ConfigMap is mounted than the price book")
        [read] = documents(book["data"]["prices.yaml"])
        if read["currency"] != "EUR" or read["rates"][0]["cpuHour"] != "0.0121" or read["default"]["memoryGiBHour"] != "0.0051":
            problems.append(f"the price book is {read}")
    return problems


def all_problems(name, chart=CHART):
    """Every assertion on what the values file `name` renders."""
    rendered = objects(*values_file(name), chart=chart)
    problems = pod_problems(rendered) + hook_problems(rendered, name not in ("default", "minimal"))
    if name == "minimal":
        return problems + [f"unexpected {o['kind']}" for o in rendered if o["kind"] != "Deployment"]
    arguments = {
        "default": {},
        "namespaced": {"enforced": ["shop"], "watched": ["shop", "pay"]},
        "enforced": {"enforced": ["shop", "pay"]},
        "everything": {"enforced": ["shop"], "secrets": ["prometheus-token", "thanos-token"], "extra": [("argoproj.io", "rollouts")]},
    }[name]
    problems += permission_problems(rendered, **arguments) + price_book_problems(rendered, name == "everything")
    problems += crd_problems(rendered, documents((chart / "files" / "crds.yaml").read_text()))
    problems += namespaced_problems(rendered) if name == "namespaced" else tenant_problems(rendered)
    return problems + (unbound_problems(rendered) if name == "default" else [])


def snapshot_problems(name):
    # Without the definitions, which are generated and change with the API.
    code, out, err = render(*values_file(name), "--set", "crds.install=false")
    path = HERE / "snapshots" / f"{name}.yaml"
    if code:
        return [err]
    if UPDATE:
        path.write_text(out)
    kept = path.read_text() if path.exists() else ""
    if kept == out:
        return []
    return ["UPDATE=1 rewrites it:", *difflib.unified_diff(kept.splitlines(), out.splitlines(), "committed", "rendered", lineterm="")]


def planted_problems(file, text, replacement, name):
    with tempfile.TemporaryDirectory() as directory:
        chart = pathlib.Path(directory) / "foresail"
        shutil.copytree(CHART, chart)
        original = (chart / file).read_text()
        if text not in original:
            return ["the text to replace is gone; plant it anew"]
        (chart / file).write_text(original.replace(text, replacement))
        try:
            noticed = all_problems(name, chart)
        except (RuntimeError, KeyError) as error:
            return [f"does not render, so this proves nothing: {error}"]
    return [] if noticed else ["went unnoticed"]


def braces_problems():
    """A generated description may hold template syntax and three dashes; it must arrive as it is."""
    with tempfile.TemporaryDirectory() as directory:
        chart = pathlib.Path(directory) / "foresail"
        shutil.copytree(CHART, chart)
        path = chart / "files" / "crds.yaml"
        definition = "# Generated.\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: x.foresail.dev\n  annotations: {kept: 'yes'}\nspec:\n  description: |\n    {{ .Values.nothing.here }} {{ namespace }}\n    ---\n    end\n  maximum: 10000000\n  small: 0.5\n"
        path.write_text(definition + "--- # the next one\n" + definition.split("---\n", 1)[1].replace("x.foresail", "y.foresail"))
        rendered = [o for o in objects(chart=chart) if o["kind"] == "CustomResourceDefinition"]
        problems = [] if len(rendered) == 2 else [f"{len(rendered)} definitions of 2"]
        for definition in rendered:
            spec = {"description": "{{ .Values.nothing.here }} {{ namespace }}\n---\nend\n", "maximum": 10000000, "small": 0.5}
            if definition["spec"] != spec or definition["metadata"]["annotations"] != {"kept": "yes", "helm.sh/resource-policy": "keep"}:
                problems.append(definition)
        for broken in ("", "a: b: c\n", "kind: Secret\n"):
            path.write_text(broken)
            if render(chart=chart)[0] == 0:
                problems.append(f"accepted as definitions: {broken!r}")
    return problems


def leaves(value, path=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path


def values_problems():
    """Every value is explained where it is set and named in the README."""
    [values] = documents((CHART / "values.yaml").read_text())
    readme = (CHART / "README.md").read_text()
    problems = []
    for leaf in leaves(values):
        names = {leaf} | {".".join(leaf.split(".")[:2])}
        if not any(f"`{name}`" in readme for name in names):
            problems.append(f"README.md does not name {leaf}")
    above = ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        key = line.strip().split(":")[0]
        is_leaf = line.strip() and not line.strip().startswith("#") and not (line.endswith(":"))
        if is_leaf and not line.startswith("    ") and not above.strip().startswith("#"):
            problems.append(f"values.yaml does not explain {key}")
        above = line
    return problems


def schema_problems():
    """No object of the schema takes keys it does not name, except maps of labels and helm's own `global`."""
    problems = []

    def walk(node, path):
        if node.get("type") == "object" and path != "global":
            rest = node.get("additionalProperties")
            if rest is not False and not (isinstance(rest, dict) and rest.get("type") == "string" and "propertyNames" in node):
                problems.append(f"{path or 'the root'} takes unknown keys")
        if node.get("type") == "string" and "maxLength" not in node and "enum" not in node:
            problems.append(f"{path} has no maxLength")
        if node.get("type") == "array" and "maxItems" not in node:
            problems.append(f"{path} has no maxItems")
        for key, inner in node.get("properties", {}).items():
            walk(inner, f"{path}.{key}" if path else key)
        if isinstance(node.get("items"), dict):
            walk(node["items"], path + "[]")

    walk(json.loads((CHART / "values.schema.json").read_text()), "")
    return problems


def notes_problems():
    problems = []
    for name, expected in {
        "default": ["It can change nothing yet", "kind: MetricSource", "mode: DryRun", "kubectl get pra -A", "An uninstall gives the HPA floors"],
        "enforced": ["It may change workloads in: shop, pay."],
        "namespaced": ["It looks at these namespaces: shop, pay", "It may change workloads in: shop."],
        "minimal": ["rbac.create is false", "kubectl delete pra --all -A"],
    }.items():
        code, out, err = helm("install", RELEASE, CHART, "-n", NAMESPACE, "--dry-run=client", *values_file(name))
        notes = out.partition("NOTES:")[2]
        problems += [f"{name}: {err}"] if code else [f"{name}: notes lack {text!r}" for text in expected if text not in notes]
    return problems


def examples_problems():
    problems = []
    kinds = {"MetricSource": {"url"}, "HorizontalPodAutoscaler": {"scaleTargetRef", "minReplicas", "maxReplicas", "metrics"}}
    kinds["DemandCalendar"] = {"timeZone", "events"}
    kinds["SpendBudget"] = set("amount currency period timeZone members onExceed overdraft".split())
    kinds["PredictiveAutoscaler"] = set(
        "mode pause scaleTargetRef minReplicas maxReplicas calendarRefs sourceRef metrics forecast objective reactive behavior cooldown thresholds spend evidence fallback limits actuation".split()
    )
    kinds["Deployment"] = {"replicas", "selector", "template"}
    files = sorted((ROOT / "examples").glob("*/*.yaml"))
    for path in files:
        for document in documents(path.read_text()):
            unknown = set(document["spec"]) - kinds.get(document["kind"], set())
            if unknown:
                problems.append(f"{path.relative_to(ROOT)}: {document['kind']} {sorted(unknown)}")
    return problems or ([] if files else ["no examples"])


def guarded(check, *arguments):
    try:
        return check(*arguments)
    except Exception as error:  # a check that cannot run has failed
        return [f"{type(error).__name__}: {error}"]


def lint_problems(name):
    code, out, err = helm("lint", "--strict", CHART, *values_file(name))
    return [out + err] if code or "WARNING" in out + err or "ERROR" in out + err else []


def refused_problems(arguments):
    code, _, err = render(*arguments)
    # Refused by the schema, by `fail` or by kubeVersion, and not for a slip of a template.
    reasons = ("don't meet the specifications of the schema", "is not in watchNamespaces", "needs metrics.service.enabled", "needs priceBook.", "incompatible with Kubernetes")
    return ["accepted"] if code == 0 else [] if any(reason in err for reason in reasons) else [err]


def main():
    names = sorted(path.stem for path in (HERE / "values").glob("*.yaml"))
    for name in names:
        report(f"lint: {name}", guarded(lint_problems, name))
        report(f"snapshot: {name}", guarded(snapshot_problems, name))
        report(f"assertions: {name}", guarded(all_problems, name))
    report("definitions with braces in them", guarded(braces_problems))
    report("values explained", guarded(values_problems))
    report("schema strict", guarded(schema_problems))
    report("notes", guarded(notes_problems))
    report("examples", guarded(examples_problems))
    for name, arguments in REFUSED.items():
        report(f"refused: {name}", guarded(refused_problems, arguments))
    for name, *planted in PLANTED:
        report(f"noticed: {name}", guarded(planted_problems, *planted))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
