"""What other libraries say about the identification of effects, one line of JSON a question.

    python _identify_peers.py ananke|antecedent FILE

FILE holds one question a line: nodes, directed, bidirected, x, y. A peer that fails on a question
answers null.
"""

import json
import sys
import warnings
from pathlib import Path


def ananke(question: dict) -> bool:
    from ananke.graphs import ADMG
    from ananke.identification import OneLineID

    graph = ADMG(
        question["nodes"],
        di_edges=[tuple(e) for e in question["directed"]],
        bi_edges=[tuple(e) for e in question["bidirected"]],
    )
    return bool(OneLineID(graph, question["x"], question["y"]).id())


def antecedent(question: dict) -> bool | None:
    import antecedent as peer

    if len(question["x"]) > 1 or len(question["y"]) > 1:
        return None
    graph = peer.Admg.from_edges(
        question["nodes"],
        [tuple(e) for e in question["directed"]],
        [tuple(e) for e in question["bidirected"]],
    )
    query = peer.AverageEffect(treatment=question["x"][0], outcome=question["y"][0])
    try:
        peer.identify(graph=graph, query=query, identifier="general.id")
    except peer.errors.EffectNotIdentified:
        return False
    return True


PEERS = {"ananke": ananke, "antecedent": antecedent}


def main() -> None:
    warnings.simplefilter("ignore")
    name, file = sys.argv[1:]
    try:
        __import__(name)
    except ImportError:
        print(json.dumps({"absent": True}))
        return
    for line in Path(file).read_text().splitlines():
        try:
            said = PEERS[name](json.loads(line))
        except Exception as error:
            print(json.dumps({"said": None, "failed": str(error)[:200]}))
            continue
        print(json.dumps({"said": said}))


if __name__ == "__main__":
    main()
