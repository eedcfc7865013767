"""What rustdoc says as JSON, as lines: an item's path, and what a user sees of it."""

from collections.abc import Iterable, Iterator

# Traits that the compiler implements by itself: said only where they are not.
AUTO = {"Send", "Sync", "Unpin"}
# What nobody depends on: what derives say beside what they are for, what follows from fields that nobody sees.
SILENT = {"StructuralPartialEq", "UnwindSafe", "RefUnwindSafe", "Freeze", "UnsafeUnpin"}


class Api:
    def __init__(self, document: dict):
        self.index: dict[str, dict] = document["index"]
        self.root = document["root"]
        # Every public item with the path by which it is found: where it stands itself, else where it is exported, and in a prelude last.
        self.places: dict[str, str] = {}
        self.exports: list[str] = []
        self._walk(self.root, "wireline", exported=False)
        self._walk(self.root, "wireline", exported=True)

    def item(self, number) -> dict | None:
        return self.index.get(str(number))

    def lines(self) -> list[str]:
        found = {(line.split(" ", 3)[2], line) for line in self.exports}
        for number, path in self.places.items():
            found.update((path, line) for line in self._lines_of(self.index[number], path))
        return [line for _, line in sorted(found)]

    # Where items are.

    def _walk(self, number, path: str, exported: bool) -> None:
        module = self.item(number)
        for child in sorted(module["inner"]["module"]["items"], key=self._order):
            item = self.item(child)
            if item is None or item["visibility"] != "public":
                continue
            kind, inner = kind_of(item)
            if kind == "use":
                if exported:
                    self._export(inner, path)
                continue
            if kind == "module":
                self.places.setdefault(str(child), f"{path}::{item['name']}")
                self._walk(child, f"{path}::{item['name']}", exported)
            elif kind != "impl":
                self.places.setdefault(str(child), f"{path}::{item['name']}")

    def _order(self, number) -> tuple[bool, str]:
        name = (self.item(number) or {}).get("name") or ""
        return name == "prelude", name

    def _export(self, use: dict, path: str) -> None:
        target = use["id"]
        item = None if target is None else self.item(target)
        if use["is_glob"]:
            if item is None:
                self.exports.append(f"pub use {path}::* = {use['source']}::*")
            elif "module" in item["inner"]:
                self._walk(target, path, exported=False)
                self._walk(target, path, exported=True)
            return
        here = f"{path}::{use['name']}"
        if item is None:
            self.exports.append(f"pub use {here} = {use['source']}")
        elif str(target) in self.places:
            if self.places[str(target)] != here:
                self.exports.append(f"pub use {here} = {self.places[str(target)]}")
        else:
            self.places[str(target)] = here
            if "module" in item["inner"]:
                self._walk(target, here, exported=False)
                self._walk(target, here, exported=True)

    # What they are.

    def _lines_of(self, item: dict, path: str) -> Iterator[str]:
        kind, inner = kind_of(item)
        marks = marks_of(item)
        match kind:
            case "module":
                yield f"{marks}pub mod {path}"
            case "function":
                yield f"{marks}pub {function(inner, path)}"
            case "constant":
                yield f"{marks}pub const {path}: {type_(inner['type'])}"
            case "static":
                yield f"{marks}pub static {path}: {type_(inner['type'])}"
            case "type_alias":
                yield f"{marks}pub type {path}{generics(inner['generics'])} = {type_(inner['type'])}{where(inner['generics'])}"
            case "macro" | "proc_macro":
                yield f"{marks}pub macro {path}!"
            case "struct":
                yield from self._struct(inner, path, marks)
                yield from self._impls(inner["impls"], path)
            case "enum":
                yield f"{marks}pub enum {path}{generics(inner['generics'])}{where(inner['generics'])}"
                for number in inner["variants"]:
                    yield from self._variant(number, path)
                yield from self._impls(inner["impls"], path)
            case "union":
                yield f"{marks}pub union {path}{generics(inner['generics'])}"
            case "trait":
                bounds = bounds_of(inner["bounds"])
                yield f"{marks}pub trait {path}{generics(inner['generics'])}{f': {bounds}' if bounds else ''}{where(inner['generics'])}"
                for number in inner["items"]:
                    yield from self._member(number, path, "")
                for number in inner["implementations"]:
                    yield from self._foreign(number, path)
            case _:
                yield f"{marks}pub {kind} {path}"

    def _struct(self, inner: dict, path: str, marks: str) -> Iterator[str]:
        head = f"{marks}pub struct {path}{generics(inner['generics'])}"
        kind = inner["kind"]
        if kind == "unit":
            yield f"{head}{where(inner['generics'])}"
        elif "tuple" in kind:
            yield f"{head}({self._places(kind['tuple'])}){where(inner['generics'])}"
        else:
            hidden = " { .. }" if kind["plain"]["has_stripped_fields"] else ""
            yield f"{head}{where(inner['generics'])}{hidden}"
            for number in kind["plain"]["fields"]:
                field = self.item(number)
                if field is not None and field["visibility"] == "public":
                    yield f"pub {path}::{field['name']}: {type_(field['inner']['struct_field'])}"

    def _variant(self, number, path: str) -> Iterator[str]:
        variant = self.item(number)
        if variant is None:
            return
        kind = variant["inner"]["variant"]["kind"]
        here = f"{marks_of(variant)}pub {path}::{variant['name']}"
        if kind == "plain":
            yield here
        elif "tuple" in kind:
            yield f"{here}({self._places(kind['tuple'])})"
        else:
            fields = [field for field in map(self.item, kind["struct"]["fields"]) if field is not None]
            told = [f"{field['name']}: {type_(field['inner']['struct_field'])}" for field in fields]
            yield f"{here} {{ {', '.join(told)} }}"

    def _places(self, numbers: Iterable) -> str:
        """The fields of a tuple, those that nobody sees as `_`."""
        fields = [None if number is None else self.item(number) for number in numbers]
        return ", ".join("_" if field is None else type_(field["inner"]["struct_field"]) for field in fields)

    def _impls(self, numbers: Iterable, path: str) -> Iterator[str]:
        for number in numbers:
            item = self.item(number)
            if item is None:
                continue
            inner = item["inner"]["impl"]
            trait = inner["trait"]
            if trait is None:
                who = type_(inner["for"])
                # What is only there for some parameters says for which.
                only = f" in impl{generics(inner['generics'])} {who}{where(inner['generics'])}" if inner["generics"]["params"] or inner["generics"]["where_predicates"] else ""
                for member in inner["items"]:
                    yield from self._member(member, path, only)
                continue
            name = trait["path"].rsplit("::", 1)[-1]
            if name in SILENT or inner["blanket_impl"] is not None:
                continue
            if name in AUTO and not inner["is_negative"]:
                continue
            yield self._impl(inner, of=path)

    def _foreign(self, number, path: str) -> Iterator[str]:
        """What a trait of ours is implemented for; what is ours says so itself."""
        item = self.item(number)
        if item is None:
            return
        inner = item["inner"]["impl"]
        target = inner["for"].get("resolved_path") if isinstance(inner["for"], dict) else None
        if target is None or str(target["id"]) not in self.places:
            yield self._impl(inner, trait=path)

    def _impl(self, inner: dict, of: str | None = None, trait: str | None = None) -> str:
        denied = "!" if inner["is_negative"] else ""
        types = []
        for number in inner["items"]:
            member = self.item(number)
            if member is not None and "assoc_type" in member["inner"] and member["inner"]["assoc_type"]["type"] is not None:
                types.append(f"{member['name']} = {type_(member['inner']['assoc_type']['type'])}")
        told = f" [{', '.join(types)}]" if types else ""
        whose, what = type_(inner["for"]), path_(inner["trait"])
        if of is not None and "resolved_path" in inner["for"]:
            whose = of + arguments(inner["for"]["resolved_path"]["args"])
        if trait is not None:
            what = trait + arguments(inner["trait"]["args"])
        head = f"impl{generics(inner['generics'])} {denied}{what} for {whose}{where(inner['generics'])}"
        return head + told

    def _member(self, number, path: str, only: str) -> Iterator[str]:
        item = self.item(number)
        if item is None or item["visibility"] not in ("public", "default"):
            return
        kind, inner = kind_of(item)
        here = f"{path}::{item['name']}"
        marks = marks_of(item)
        match kind:
            case "function":
                default = " { .. }" if item["visibility"] == "default" and inner["has_body"] else ""
                yield f"{marks}pub {function(inner, here)}{default}{only}"
            case "assoc_const":
                yield f"{marks}pub const {here}: {type_(inner['type'])}{only}"
            case "assoc_type":
                bounds = bounds_of(inner["bounds"])
                value = f" = {type_(inner['type'])}" if inner["type"] is not None else ""
                yield f"{marks}pub type {here}{generics(inner['generics'])}{f': {bounds}' if bounds else ''}{value}{only}"


def kind_of(item: dict) -> tuple[str, dict]:
    ((kind, inner),) = item["inner"].items()
    return kind, inner


def marks_of(item: dict) -> str:
    """The attributes that a user's program depends on."""
    told = [attribute if isinstance(attribute, str) else next(iter(attribute)) for attribute in item["attrs"]]
    marks = [f"#[{name}] " for name in ("must_use", "non_exhaustive") if any(name in attribute for attribute in told)]
    return ("#[deprecated] " if item["deprecation"] else "") + "".join(marks)


def function(inner: dict, path: str) -> str:
    header, signature = inner["header"], inner["sig"]
    words = [word for word in ("const", "async", "unsafe") if header[f"is_{word}"]]
    takes = ", ".join(argument(name, kind) for name, kind in signature["inputs"])
    gives = "" if signature["output"] is None else f" -> {type_(signature['output'])}"
    return f"{' '.join([*words, 'fn'])} {path}{generics(inner['generics'])}({takes}){gives}{where(inner['generics'])}"


def argument(name: str, kind) -> str:
    if name != "self":
        return f"{name}: {type_(kind)}"
    if kind == {"generic": "Self"}:
        return "self"
    if isinstance(kind, dict) and "borrowed_ref" in kind and kind["borrowed_ref"]["type"] == {"generic": "Self"}:
        return type_(kind).replace("Self", "self")
    return f"self: {type_(kind)}"


def type_(kind) -> str:
    if kind is None:
        return "_"
    if isinstance(kind, str):
        return "_" if kind == "infer" else kind
    ((form, inner),) = kind.items()
    match form:
        case "resolved_path":
            return path_(inner)
        case "dyn_trait":
            traits = [higher(bound["generic_params"]) + path_(bound["trait"]) for bound in inner["traits"]]
            return "dyn " + " + ".join(traits + ([inner["lifetime"]] if inner["lifetime"] else []))
        case "generic" | "primitive":
            return inner
        case "function_pointer":
            takes = ", ".join(type_(argument) for _, argument in inner["sig"]["inputs"])
            gives = "" if inner["sig"]["output"] is None else f" -> {type_(inner['sig']['output'])}"
            return f"{higher(inner['generic_params'])}fn({takes}){gives}"
        case "tuple":
            return f"({', '.join(type_(part) for part in inner)}{',' if len(inner) == 1 else ''})"
        case "slice":
            return f"[{type_(inner)}]"
        case "array":
            return f"[{type_(inner['type'])}; {inner['len']}]"
        case "impl_trait":
            return f"impl {bounds_of(inner)}"
        case "raw_pointer":
            return f"*{'mut' if inner['is_mutable'] else 'const'} {type_(inner['type'])}"
        case "borrowed_ref":
            lifetime = f"{inner['lifetime']} " if inner["lifetime"] else ""
            target = type_(inner["type"])
            if target.startswith("dyn ") and " + " in target:
                target = f"({target})"
            return f"&{lifetime}{'mut ' if inner['is_mutable'] else ''}{target}"
        case "qualified_path":
            trait = inner["trait"]
            own = type_(inner["self_type"])
            of = own if trait is None or not trait["path"] else f"<{own} as {path_(trait)}>"
            return f"{of}::{inner['name']}{arguments(inner['args'])}"
    return form


def path_(inner: dict) -> str:
    """A path without the modules before its name: the names are what differs when the API does."""
    return inner["path"].rsplit("::", 1)[-1] + arguments(inner["args"])


def arguments(inner: dict | None) -> str:
    if not inner:
        return ""
    if inner == "return_type_notation":
        return "(..)"
    ((form, content),) = inner.items()
    if form == "parenthesized":
        gives = "" if content["output"] is None else f" -> {type_(content['output'])}"
        return f"({', '.join(type_(kind) for kind in content['inputs'])}){gives}"
    told = [generic(argument) for argument in content["args"]]
    for constraint in content["constraints"]:
        ((how, what),) = constraint["binding"].items()
        name = constraint["name"] + arguments(constraint["args"])
        told.append(f"{name} = {term(what)}" if how == "equality" else f"{name}: {bounds_of(what)}")
    return f"<{', '.join(told)}>" if told else ""


def generic(argument) -> str:
    if isinstance(argument, str):
        return "_"
    ((form, inner),) = argument.items()
    return {"lifetime": lambda: inner, "type": lambda: type_(inner), "const": lambda: str(inner["expr"])}[form]()


def term(what: dict) -> str:
    ((form, inner),) = what.items()
    return type_(inner) if form == "type" else str(inner["expr"])


def bounds_of(bounds: Iterable) -> str:
    told = []
    for bound in bounds:
        ((form, inner),) = bound.items()
        if form == "outlives":
            told.append(inner)
        elif form == "use":
            told.append(f"use<{', '.join(next(iter(one.values())) if isinstance(one, dict) else one for one in inner)}>")
        else:
            mark = {"maybe": "?", "maybe_const": "?const "}.get(inner["modifier"], "")
            told.append(mark + higher(inner["generic_params"]) + path_(inner["trait"]))
    return " + ".join(told)


def higher(params: list) -> str:
    return f"for<{', '.join(param['name'] for param in params)}> " if params else ""


def generics(inner: dict) -> str:
    told = []
    for param in inner["params"]:
        ((form, kind),) = param["kind"].items()
        if form == "lifetime":
            told.append(param["name"] + (f": {' + '.join(kind['outlives'])}" if kind["outlives"] else ""))
        elif form == "const":
            told.append(f"const {param['name']}: {type_(kind['type'])}")
        elif not kind["is_synthetic"]:
            bounds = bounds_of(kind["bounds"])
            default = f" = {type_(kind['default'])}" if kind["default"] is not None else ""
            told.append(f"{param['name']}{f': {bounds}' if bounds else ''}{default}")
    return f"<{', '.join(told)}>" if told else ""


def where(inner: dict) -> str:
    told = []
    for predicate in inner["where_predicates"]:
        ((form, content),) = predicate.items()
        if form == "bound_predicate":
            told.append(f"{higher(content['generic_params'])}{type_(content['type'])}: {bounds_of(content['bounds'])}")
        elif form == "lifetime_predicate":
            told.append(f"{content['lifetime']}: {' + '.join(content['outlives'])}")
        else:
            told.append(f"{type_(content['lhs'])} = {term(content['rhs'])}")
    return f" where {', '.join(told)}" if told else ""
