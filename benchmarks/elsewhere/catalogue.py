"""What a Weighbridge server serves, by its own catalogue. A server that only answers in its form has none; then the
images have to be named.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from benchmarks.comparison.contenders import NothingToWeighError, find_split
from benchmarks.elsewhere.asking import document, get, said
from benchmarks.elsewhere.question import Question
from benchmarks.elsewhere.served import Served, listing, named_split
from benchmarks.load.payloads import ENCODERS
from benchmarks.machine.server import Elsewhere, ServerError
from service.card import ModelCard
from service.splits import Split
from service.wire import ModelList, ModelState, ModelVersions, RouteList

UNKNOWN_CARD = ("the server says nothing of its model: whether its classes are in the order of the split, only the "
                "accuracy tells")


def find(server: Elsewhere, question: Question) -> Served:
    """The model that is asked for, or the default one, and its images."""
    state = _state(server, question.model)
    card = state.card if state else None
    split = _split(question, card)
    query = urlencode({**({"model": question.model} if question.model else {}), "top_k": 1}, safe="@")
    content_type, encoder = ENCODERS[question.body or "png"]
    return Served(
        model=question.model or (card.id if card else "the default model"), path=f"/predict?{query}", split=split,
        kind=question.body or "png", content_type=content_type, encoder=encoder,
        facts={"model": card.id, "sha256": [file.sha256 for file in card.files]} if card else {},
        unknown=() if card else (UNKNOWN_CARD,),
    )


def _state(server: Elsewhere, name: str | None) -> ModelState | None:
    """What the catalogue says of a model; None where there is no catalogue."""
    answer = get(server, "/models")
    try:
        known = ModelList.model_validate(document(answer))
    except ValidationError:
        if answer.status_code >= 500:
            raise ServerError(f"GET /models answered {answer.status_code}: {said(answer)}") from None
        return None
    if name is None:
        found = next((each for each in known.models if each.default), None)
        if found is None:
            raise NothingToWeighError("the server has no default model; name one with --model: "
                                      f"{listing(f'{each.name}@{each.version}' for each in known.models)}")
    else:
        found = _named(server, name, known)
    if found is not None and not found.ready:
        raise NothingToWeighError(f"{found.name}@{found.version} is not ready: {found.reason or 'no reason is given'}")
    return found


def _named(server: Elsewhere, name: str, known: ModelList) -> ModelState | None:
    answer = get(server, f"/models/{quote(name, safe='@')}")
    if answer.status_code == 200:
        return ModelVersions.model_validate(document(answer)).model
    routes = {}
    with suppress(ValidationError):
        routes = {route.name: route for route in RouteList.model_validate(document(get(server, "/routes"))).routes}
    if name in routes:  # it takes what its champion takes; a route that has none is asked with images that are named
        champion = routes[name].champion
        return _named(server, champion, known) if champion else None
    raise NothingToWeighError(f"--model {name}: the server does not serve it; it serves "
                              f"{listing({*(each.name for each in known.models), *routes}) or 'nothing'}")


def _split(question: Question, card: ModelCard | None) -> Split:
    root = Path(question.root)
    if question.split is None:
        if card is None:
            raise NothingToWeighError("the server has no catalogue (GET /models), so nobody knows which images it "
                                      "takes; name labelled ones with --split")
        try:
            return find_split(root, card)
        except NothingToWeighError as error:
            scored = card.score
            cure = f"; python -m export --split {scored.dataset} {scored.split} --to {root} writes it" if scored else ""
            raise NothingToWeighError(f"{error}{cure}; or give --root") from None
    split = named_split(root, question.split)
    if card is not None and split.card.shape != card.input.shape:
        raise NothingToWeighError(f"--split {question.split}: its images are {split.card.shape}, and {card.id} takes "
                                  f"{card.input.shape}; leave --split out for those that fit")
    if card is not None and split.card.classes != card.classes:
        raise NothingToWeighError(f"--split {question.split}: its {len(split.card.classes)} classes are not the "
                                  f"{len(card.classes)} of {card.id}; leave --split out for those that fit")
    return split
