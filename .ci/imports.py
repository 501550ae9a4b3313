"""Which files of a crate import which, as the paths in them say once re-exports are followed.

Tests are left out: they may import what they test from anywhere.
"""
import re
from pathlib import Path

NAME = r"(?:r#)?[A-Za-z_]\w*"
USE = re.compile(rf"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
INLINE = re.compile(rf"(?<![\w:$])({NAME}(?:\s*::\s*{NAME})+)")
TOKEN = re.compile(rf"{NAME}|::|[{{}},*]")


def blank(text):
    """The text without comments, strings and characters; every line stays where it is.

    >>> blank('a /* b\\n */ "c::d" // e\\nf')
    'a \\n "" \\nf'
    >>> blank("let a: &'b str = r#\\"x\\"y\\"#; b'c'; '\\\\''")
    "let a: &'b str = ; ; "
    """
    return LITERAL.sub(lambda found: ('""' if found[0][0] == '"' else "") + "\n" * found[0].count("\n"), text)


LITERAL = re.compile(r"""//[^\n]*|/\*.*?\*/|b?r(?P<h>\#*)".*?"(?P=h)|b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\[^u]|\\u\{[^}]*\}|\\x..)'""", re.DOTALL | re.VERBOSE)


def without_tests(text):
    """Blanks the items behind `#[cfg(test)]`.

    >>> without_tests('#[cfg(test)]\\nmod tests { fn a() {} }\\nfn b() {}')
    '\\n\\nfn b() {}'
    >>> without_tests('#[cfg(test)]\\nmod tests;\\nuse a;')
    '\\n\\nuse a;'
    """
    while found := re.search(r"#\[cfg\(test\)\]", text):
        end, depth = found.end(), 0
        while end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
            if depth == 0 and text[end - 1] in ";}":
                break
        text = text[:found.start()] + "\n" * text.count("\n", found.start(), end) + text[end:]
    return text


def use_paths(tree):
    """Paths of a `use` tree and the name that each one brings in.

    >>> list(use_paths("crate::{a, b::{self, C as D}, e::*}"))
    [(['crate', 'a'], 'a'), (['crate', 'b'], 'b'), (['crate', 'b', 'C'], 'D'), (['crate', 'e'], '*')]
    """
    tokens = TOKEN.findall(tree)

    def branch(prefix):
        path = list(prefix)
        while tokens and tokens[0] not in (",", "}"):
            token = tokens.pop(0)
            if token == "{":
                while tokens[0] != "}":
                    yield from branch(path)
                    if tokens[0] == ",":
                        tokens.pop(0)
                tokens.pop(0)
                return
            if token == "as":
                yield path, tokens.pop(0)
                return
            if token == "*":
                yield path, "*"
                return
            if token == "self" and path:
                continue
            if token != "::":
                path.append(token)
        if path:
            yield path, path[-1]

    yield from branch([])


class Crate:
    """The modules of a crate and what each imports.

    >>> across = Crate({"a.rs": "use crate::b;\\nfn f() { b::g() }", "b.rs": "pub use c::g;", "b/c.rs": "use crate::a::f;"})
    >>> [sorted(knot) for knot in cycles(across.graph())]
    [[('a',), ('b', 'c')]]
    >>> within = Crate({"a.rs": "mod x;", "a/x.rs": "use super::y;\\nfn f() { y::g() }", "a/y.rs": "fn g() { super::x::f() }"})
    >>> [sorted(knot) for knot in cycles(within.graph())]
    [[('a', 'x'), ('a', 'y')]]
    """

    def __init__(self, sources):
        """`sources` maps the path of each file below `src/`, such as `config/parse.rs`, to its text."""
        self.texts = {module_of(name): without_tests(blank(text)) for name, text in sources.items() if not is_test(name)}
        self.names = {module: {} for module in self.texts}  # what `use` brings in: name -> path from the root
        self.globs = {module: [] for module in self.texts}
        self.exports = {module: {} for module in self.texts}
        for module, text in self.texts.items():
            for public, tree in USE.findall(text):
                for path, name in use_paths(tree):
                    absolute = self.absolute(module, path)
                    if absolute is None:
                        continue
                    if name == "*":
                        self.globs[module].append(absolute)
                    else:
                        self.names[module][name] = absolute
                        if public:
                            self.exports[module][name] = absolute

    def absolute(self, module, path):
        """The path from the crate's root, or None for one that leads into another crate."""
        path = list(path)
        base = module
        if path[0] == "crate":
            base, path = (), path[1:]
        elif path[0] in ("self", "super"):
            while path and path[0] in ("self", "super"):
                base = base[:-1] if path.pop(0) == "super" else base
        elif path[0] in self.names[module]:
            base, path = self.names[module][path[0]], path[1:]
        elif module + (path[0],) not in self.texts:
            return None
        return tuple(base) + tuple(path)

    def home(self, path):
        """The module that a path leads to or into, past re-exports."""
        for _ in range(8):
            at = max((n for n in range(len(path) + 1) if path[:n] in self.texts), default=0)
            rest = path[at:]
            if not rest or rest[0] not in self.exports[path[:at]]:
                break
            path = self.exports[path[:at]][rest[0]] + rest[1:]
        return path[:at]

    def imports(self, module):
        """The modules that a module needs."""
        text = self.texts[module]
        body = USE.sub(" ", text)
        # A module that is brought in as a whole counts where something of it is named.
        paths = [path for path in self.names[module].values() if path not in self.texts] + self.globs[module]
        for found in INLINE.findall(body):
            absolute = self.absolute(module, re.split(r"\s*::\s*", found))
            if absolute is not None:
                paths.append(absolute)
        return {self.home(path) for path in paths} - {module}

    def graph(self):
        return {module: self.imports(module) for module in self.texts}


def module_of(name):
    """
    >>> module_of("config/parse.rs"), module_of("lib.rs"), module_of("main.rs")
    (('config', 'parse'), (), ('main',))
    """
    path = tuple(name.removesuffix(".rs").split("/"))
    return () if path == ("lib",) else path


def is_test(name):
    """
    >>> [is_test(name) for name in ("a/tests.rs", "a/tests/b.rs", "a/tested.rs", "tests.rs")]
    [True, True, False, True]
    """
    return re.search(r"(^|/)tests(/|\.rs$)", name) is not None


def components(graph):
    """Sets of modules that reach each other, by Tarjan's algorithm.

    >>> components({1: {2}, 2: {3}, 3: {2}, 4: set()})
    [{2, 3}]
    """
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            members = set(stack[stack.index(module):])
            del stack[stack.index(module):]
            if len(members) > 1:
                found.append(members)

    for module in graph:
        if module not in index:
            visit(module)
    return found


def cycles(graph):
    """Knots that are more than one module and its own children.

    A module and its children may import each other, as long as none of the children needs another
    one that needs it.

    >>> a, x, y, b = ("a",), ("a", "x"), ("a", "y"), ("b",)
    >>> cycles({a: {x}, x: {a}})
    []
    >>> [sorted(knot) for knot in cycles({a: {x, y}, x: {a, y}, y: {x}})]
    [[('a', 'x'), ('a', 'y')]]
    >>> [sorted(knot) for knot in cycles({a: {b}, b: {x}, x: {a}})]
    [[('a',), ('a', 'x'), ('b',)]]
    """
    found = []
    for knot in components(graph):
        top = min(knot, key=len)
        if all(module[:len(top)] == top for module in knot):
            # Without the steps from a child up to a parent.
            down = {m: {o for o in graph[m] & knot if m[:len(o)] != o} for m in knot}
            found += components(down)
        else:
            found.append(knot)
    return found


def way(graph, start, is_end):
    """A shortest way from a module to one that is an end, or None.

    >>> way({1: {2}, 2: {3}, 3: set()}, 1, lambda module: module == 3)
    [1, 2, 3]
    """
    ways, seen = [[start]], {start}
    for known in ways:
        for other in sorted(graph[known[-1]] - seen):
            if is_end(other):
                return known + [other]
            seen.add(other)
            ways.append(known + [other])
    return None


def upward(graph, layers):
    """Imports of a layer by one below it; `layers` has the names of modules, from the top. What has
    no layer counts for nothing.

    >>> upward({("a", "x"): {("b",)}, ("b",): {("a", "x")}}, ["a", "b"])
    [(('b',), ('a', 'x'))]
    """
    level = {name: number for number, name in enumerate(layers)}
    return sorted((module, other) for module, others in graph.items() for other in others
                  if module and other and level.get(module[0], 0) > level.get(other[0], len(layers)))
