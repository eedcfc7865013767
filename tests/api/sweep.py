"""What the documentation of public items does not have: an example at a type, what giving up a future costs. Errors are clippy's (`missing_errors_doc`)."""

import re

from render import Api, kind_of

# How a text says what giving something up costs, or where that is said.
GIVEN_UP = re.compile(r"[Cc]ancel|[Gg]iv(?:e|es|en|ing)(?: it)? up|gave up|[Dd]ropp|\bAs there\b|\bAs \[`")


def sweep(api: Api) -> int:
    bare: list[str] = []
    silent: list[str] = []
    for number, path in sorted(api.places.items(), key=lambda pair: pair[1]):
        item = api.index[number]
        kind, inner = kind_of(item)
        if kind in ("struct", "enum", "trait", "function", "macro") and "```" not in whole(api, item, kind, inner):
            bare.append(path)
        for name, function in functions(api, item, kind, inner):
            if is_future(function["inner"]["function"]) and not GIVEN_UP.search(function["docs"] or ""):
                silent.append(f"{path}::{name}" if name else path)
    for title, paths in (
        ("no example", bare),
        ("a future, and not a word on what giving it up costs", silent),
    ):
        print(f"{title}: {len(paths)}")
        print(*(f"  {path}" for path in paths), sep="\n", end="\n" if paths else "")
    return 1 if bare or silent else 0


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


def is_future(signature: dict) -> bool:
    if signature["header"]["is_async"]:
        return True
    output = signature["sig"]["output"]
    if not isinstance(output, dict) or "impl_trait" not in output:
        return False
    return any(bound.get("trait_bound", {}).get("trait", {}).get("path", "").endswith("Future") for bound in output["impl_trait"])
