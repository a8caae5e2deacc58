"""Graphs in other libraries' forms, and back: DOT, GML, NetworkX and tigramite's arrays."""

import re
from typing import Any

import numpy as np

from doworld._core.errors import GraphError
from doworld.graph.graph import CausalGraph, Edge, Mark

__all__ = [
    "from_dot",
    "from_gml",
    "from_networkx",
    "from_tigramite",
    "to_dot",
    "to_gml",
    "to_networkx",
    "to_tigramite",
]

MOST = 2_000_000
"""Characters of a text that is read."""

BACK = {"-->": "<--", "<--": "-->", "o->": "<-o", "<-o": "o->"}
DOT_ENDS = {
    Mark.DIRECTED: "",
    Mark.UNDIRECTED: ', dir="none"',
    Mark.BIDIRECTED: ', dir="both"',
    Mark.PARTIAL: ', dir="both", arrowtail="odot"',
    Mark.CIRCLE: ', dir="both", arrowtail="odot", arrowhead="odot"',
}
NODE = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"\s*;\s*$')
LINK = re.compile(r'^\s*"((?:[^"\\]|\\.)*)"\s*->\s*"((?:[^"\\]|\\.)*)"\s*\[(.*)\]\s*;\s*$')
FIELD = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def to_networkx(graph: CausalGraph) -> Any:
    """The graph as a ``networkx.MultiDiGraph``: one node a variable, ``lag`` on the edges."""
    import networkx as nx

    out = nx.MultiDiGraph(max_lag=graph.max_lag)
    out.add_nodes_from(graph.names)
    for e in graph.edges():
        attributes = {"mark": e.mark.value, "probability": e.probability, "effect": e.effect}
        out.add_edge(e.source, e.target, key=e.lag, lag=e.lag, **attributes)
    return out


def from_networkx(other: Any) -> CausalGraph:
    """A graph from any NetworkX digraph; ``lag`` (0 where absent), ``mark`` and others on edges.

    >>> import networkx as nx
    >>> [str(e) for e in from_networkx(nx.DiGraph([("a", "b")])).edges()]
    ['a(t) --> b(t)']
    """
    names = tuple(map(str, other.nodes))
    links = tuple(
        Edge(
            str(a),
            str(b),
            int(data.get("lag", 0)),
            Mark(data.get("mark", "-->")),
            float(data.get("probability", 1.0)),
            float(data.get("effect", "nan")),
        )
        for a, b, data in other.edges(data=True)
    )
    longest = max([int(other.graph.get("max_lag", 0)), *(e.lag for e in links)])
    return CausalGraph(names, links, max_lag=longest)


def to_gml(graph: CausalGraph) -> str:
    """The graph in the Graph Modelling Language; what is not a number is left out."""
    import networkx as nx

    plain = to_networkx(graph)
    for _, _, data in plain.edges(data=True):
        if np.isnan(data["effect"]):
            del data["effect"]
    return "\n".join(nx.generate_gml(plain))


def from_gml(text: str) -> CausalGraph:
    """The inverse of ``to_gml``; raises ``GraphError`` for text that is no such graph."""
    import networkx as nx

    _bounded(text)
    try:
        return from_networkx(nx.parse_gml(text))
    except (nx.NetworkXError, ValueError) as error:
        raise GraphError(f"this is no graph in GML ({error}). Check the file.") from None


def _bounded(text: str) -> None:
    if len(text) > MOST:
        raise GraphError(
            f"the text has {len(text):,} characters, and at most {MOST:,} are read. "
            "Give the graph alone."
        )


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def to_dot(graph: CausalGraph) -> str:
    """The graph for Graphviz; the lag is the edge's label, open edges have no arrowhead.

    >>> print(to_dot(CausalGraph(("a", "b"), (Edge("a", "b"),))))
    digraph {
      "a";
      "b";
      "a" -> "b" [label="1", mark="-->", probability="1"];
    }
    """
    lines = [f"  {_quoted(n)};" for n in graph.names]
    for e in graph.edges():
        about = f'label="{e.lag}", mark="{e.mark.value}", probability="{e.probability:.12g}"'
        ends = about + DOT_ENDS[e.mark]
        lines.append(f"  {_quoted(e.source)} -> {_quoted(e.target)} [{ends}];")
    return "\n".join(["digraph {", *lines, "}"])


def from_dot(text: str) -> CausalGraph:
    """The graph of ``to_dot``, but for its effects and longest lag looked at.

    Raises ``GraphError`` for a line that ``to_dot`` does not write.
    """
    _bounded(text)
    names: list[str] = []
    links: list[Edge] = []
    for number, line in enumerate(text.splitlines(), 1):
        node, link = NODE.match(line), LINK.match(line)
        if node:
            names.append(_plain(node[1]))
        elif link:
            data = dict(FIELD.findall(link[3]))
            try:
                lag, chance = int(data.get("label", 0)), float(data.get("probability", 1.0))
                mark = Mark(data.get("mark", "-->"))
            except ValueError as error:
                raise GraphError(f"line {number}: {error}. Write it as to_dot does.") from None
            links.append(Edge(_plain(link[1]), _plain(link[2]), lag, mark, chance))
        elif line.strip() not in ("", "digraph {", "}"):
            raise GraphError(
                f'line {number} is neither a node, "a";, nor an edge, "a" -> "b" [label="1"];. '
                "Only what to_dot writes is read."
            )
    longest = max((e.lag for e in links), default=0)
    return CausalGraph(tuple(dict.fromkeys(names)), tuple(links), max_lag=longest)


def to_tigramite(graph: CausalGraph) -> np.ndarray:
    """The graph as tigramite's array of strings: ``[i, j, k]`` is the link of i at lag k to j.

    Raises ``GraphError`` where two variables are linked twice at one lag.

    >>> to_tigramite(CausalGraph(("a", "b"), (Edge("a", "b", 0),), max_lag=0))[..., 0].tolist()
    [['', '-->'], ['<--', '']]
    """
    at = {n: i for i, n in enumerate(graph.names)}
    out = np.full((len(at), len(at), graph.max_lag + 1), "", dtype="<U3")
    for e in graph.edges():
        i, j, mark = at[e.source], at[e.target], e.mark.value
        if out[i, j, e.lag]:
            raise GraphError(
                f"{e.source!r} and {e.target!r} are linked twice at lag {e.lag}, and the array has "
                "room for one link. Drop one of the two."
            )
        out[i, j, e.lag] = mark.replace("---", "o-o") if e.lag == 0 else mark
        if e.lag == 0:
            out[j, i, 0] = BACK.get(mark, out[i, j, 0])
    return out


def from_tigramite(array: np.ndarray, names: tuple[str, ...]) -> CausalGraph:
    """The inverse of ``to_tigramite``; a conflict ``x-x`` becomes an open edge.

    Raises ``GraphError`` where shape and names do not fit or a link is none of tigramite's.
    """
    links = np.asarray(array, dtype=str)
    if links.ndim != 3 or links.shape[:2] != (len(names), len(names)):
        raise GraphError(
            f"the array has shape {links.shape}, but {len(names)} names ask for "
            f"({len(names)}, {len(names)}, lags + 1). Give tigramite's graph array."
        )
    out = []
    for i, j, k in np.argwhere(links != ""):
        text = str(links[i, j, k])
        if k == 0 and (text in ("<--", "<-o") or (text not in BACK and i > j)):
            continue  # the other half of a link already read
        text = {"x-x": "---", "o-o": "---" if k == 0 else "o-o"}.get(text, text)
        if text not in set(Mark):
            raise GraphError(
                f"link {text!r} from {names[i]!r} to {names[j]!r} is none of "
                f"{', '.join(Mark)}. Correct it."
            )
        out.append(Edge(names[i], names[j], int(k), Mark(text)))
    return CausalGraph(tuple(names), tuple(out), max_lag=links.shape[2] - 1)
