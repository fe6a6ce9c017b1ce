"""Holds the documents of a YAML stream on standard input against the schemas of their kinds; prints what is wrong.

Runs in an environment of its own (`make manifests` makes it), where the schemas are: those of Kubernetes itself, of
several of its versions, from kubernetes-validate, where no unknown field passes; KEDA's and the Prometheus operator's
as classes of cloudcoil; KServe's as the tables of types in its own SDK, whose parts of a pod are again Kubernetes'.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

VERSIONS = ("1.30", "1.33", "1.37")
MODELS = {"keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
          "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1"}
# Fields of ours that are newer than the schema: KEDA's of 2.17 and later are published for Python 3.14 alone.
NEWER = {"ScaledObject": ("spec.fallback.behavior",)}
POD_TYPES = {"V1Container": "containers", "V1Volume": "volumes", "V1Toleration": "tolerations"}
PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}


def main() -> int:
    """1 when something is wrong."""
    documents = [document for document in yaml.safe_load_all(sys.stdin) if document]
    wrong = [f"{document['kind']}/{document['metadata']['name']}: {problem}"
             for document in documents for problem in problems(document)]
    sys.stdout.write("\n".join(wrong) + "\n")
    return 1 if wrong else 0


def problems(document: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one document."""
    version = document["apiVersion"]
    if version in MODELS:
        yield from _modelled(document, MODELS[version])
    elif version.startswith("serving.kserve.io/"):
        yield from _typed(document, version.partition("/")[2].capitalize() + document["kind"], "")
    else:
        yield from _native(document)


def _native(document: dict[str, Any]) -> Iterator[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"Kubernetes {version} knows no {document['kind']} of {document['apiVersion']}"


def _modelled(document: dict[str, Any], module: str) -> Iterator[str]:
    model = getattr(importlib.import_module(module), document["kind"], None)
    if model is None:
        yield f"there is no such kind in {module}"
        return
    try:
        understood = model.model_validate(document)
    except ValueError as error:
        yield str(error)
        return
    newer = {f"unknown field {field}" for field in NEWER.get(document["kind"], ())}
    lost = _lost(document, understood.model_dump(mode="json", by_alias=True, exclude_unset=True), "")
    yield from (problem for problem in lost if problem not in newer)


def _lost(said: Any, understood: Any, where: str) -> Iterator[str]:
    """What was said and not understood: a field that the schema does not have."""
    if isinstance(said, dict) and isinstance(understood, dict):
        for key, value in said.items():
            if key not in understood:
                yield f"unknown field {where}{key}"
            else:
                yield from _lost(value, understood[key], f"{where}{key}.")
    elif isinstance(said, list) and isinstance(understood, list):
        for place, (one, other) in enumerate(zip(said, understood, strict=True)):
            yield from _lost(one, other, f"{where}{place}.")


@cache
def _kserve() -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Of each class of KServe's SDK the types by attribute, and the attributes by their name in YAML. Read, not run."""
    found = {}
    spec = importlib.util.find_spec("kserve")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    for path in Path(spec.submodule_search_locations[0], "models").glob("v1*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                tables = {target.id: ast.literal_eval(each.value) for each in node.body if isinstance(each, ast.Assign)
                          for target in each.targets if isinstance(target, ast.Name)
                          and target.id in ("openapi_types", "attribute_map")}
                if len(tables) == 2:
                    names = {name: attribute for attribute, name in tables["attribute_map"].items()}
                    found[node.name.lower()] = (tables["openapi_types"], names)
    return found


def _typed(value: Any, kind: str, where: str) -> Iterator[str]:
    if many := re.fullmatch(r"list\[(.*)\]", kind):
        if not isinstance(value, list):
            yield f"{where} is no list"
        elif many[1] in POD_TYPES:
            yield from _of_a_pod(value, POD_TYPES[many[1]], where)
        else:
            for place, each in enumerate(value):
                yield from _typed(each, many[1], f"{where}.{place}")
    elif kind.startswith("dict("):
        if not isinstance(value, dict):
            yield f"{where} is no mapping"
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where} is no {kind}"
    elif kind.lower() in _kserve():
        types, names = _kserve()[kind.lower()]
        for key, each in value.items():
            if key not in names:
                yield f"{kind} has no field {where}.{key}"
            else:
                yield from _typed(each, types[names[key]], f"{where}.{key}".lstrip("."))
    elif kind != "V1ObjectMeta":
        yield f"{where}: a {kind} is not checked here; say how"


def _of_a_pod(value: list[Any], part: str, where: str) -> Iterator[str]:
    spec = {"containers": [{"name": "x", "image": "x"}], part: value}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    for problem in _native(pod):
        yield f"{where}: {problem}"


if __name__ == "__main__":
    sys.exit(main())
