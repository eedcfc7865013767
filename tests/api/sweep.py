"""What public items do not have: an example at a type, a word on what giving up a future costs, an `Error` for what a `Result` fails with. That errors are
described is clippy's (`missing_errors_doc`)."""

import re

from render import Api, kind_of

# How a text says what giving something up costs, or where that is said.
GIVEN_UP = re.compile(r"[Cc]ancel|[Gg]iv(?:e|es|en|ing)(?: it)? up|gave up|[Dd]ropp|\bAs there\b|\bAs \[`")

# What a `Result` may fail with that is no error: the answer that is sent in place of another, and the counter of what went wrong.
NO_ERRORS = {"wireline::service::response::Response", "wireline::resource::counters::Counter"}


def sweep(api: Api) -> int:
    bare: list[str] = []
    silent: list[str] = []
    mute: set[str] = set()
    for number, path in sorted(api.places.items(), key=lambda pair: pair[1]):
        item = api.index[number]
        kind, inner = kind_of(item)
        if kind in ("struct", "enum", "trait", "function", "macro") and "```" not in whole(api, item, kind, inner):
            bare.append(path)
        for name, function in functions(api, item, kind, inner):
            if is_future(function["inner"]["function"]) and not GIVEN_UP.search(function["docs"] or ""):
                silent.append(f"{path}::{name}" if name else path)
            mute.update(place for place in failures(api, function["inner"]) if place not in NO_ERRORS)
    for title, paths in (
        ("no example", bare),
        ("a future, and not a word on what giving it up costs", silent),
        ("what a Result fails with, and no Error", sorted(mute)),
    ):
        print(f"{title}: {len(paths)}")
        print(*(f"  {path}" for path in paths), sep="\n", end="\n" if paths else "")
    return 1 if bare or silent or mute else 0


def whole(api: Api, item: dict, kind: str, inner: dict) -> str:
    """What is said of an item, and of what belongs to it."""
    texts = [item["docs"] or ""]
    texts += [function["docs"] or "" for _, function in functions(api, item, kind, inner)]
    return "\n".join(texts)


def functions(api: Api, item: dict, kind: str, inner: dict):
    if kind == "function":
        yield "", item
    members = inner["items"] if kind == "trait" else []
    for number in inner["impls"] if kind in ("struct", "enum") else []:
        block = api.item(number)
        if block is not None and block["inner"]["impl"]["trait"] is None:
            members = [*members, *block["inner"]["impl"]["items"]]
    for number in members:
        member = api.item(number)
        if member is not None and "function" in member["inner"] and member["visibility"] in ("public", "default"):
            yield member["name"], member


def failures(api: Api, part):
    """The public types without `Error` that a `Result` anywhere in a signature fails with."""
    if isinstance(part, list):
        for inner in part:
            yield from failures(api, inner)
    if not isinstance(part, dict):
        return
    for inner in part.values():
        yield from failures(api, inner)
    path = part.get("resolved_path") or {}
    arguments = ((path.get("args") or {}).get("angle_bracketed") or {}).get("args", [])
    if path.get("path", "").endswith("Result") and len(arguments) == 2:
        error = arguments[1].get("type") or {}
        while isinstance(error, dict) and "borrowed_ref" in error:
            error = error["borrowed_ref"]["type"]
        number = (error.get("resolved_path") or {}).get("id") if isinstance(error, dict) else None
        place = api.places.get(str(number))
        if place is not None and not is_error(api, api.item(number)):
            yield place


def is_error(api: Api, item: dict) -> bool:
    kind, inner = kind_of(item)
    if kind not in ("struct", "enum"):
        # Another name of something, or an associated type.
        return True
    blocks = (api.item(number) for number in inner.get("impls", []))
    traits = (block["inner"]["impl"]["trait"] for block in blocks if block is not None)
    return any(trait is not None and trait["path"].split("::")[-1] == "Error" for trait in traits)


def is_future(signature: dict) -> bool:
    if signature["header"]["is_async"]:
        return True
    output = signature["sig"]["output"]
    if not isinstance(output, dict) or "impl_trait" not in output:
        return False
    return any(bound.get("trait_bound", {}).get("trait", {}).get("path", "").endswith("Future") for bound in output["impl_trait"])
