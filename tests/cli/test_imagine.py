"""``imagine`` and ``--follow`` as people type them."""

import json

import pytest

START = ("--given", "T=20,heater=0", "--given", "room, air=20")


def asked(printed):
    assert printed.code == 0, printed.err
    return json.loads(printed.out)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        (("--swap", "room, air=30"), 21.0),  # 0.9·20 + 0.1·30
        (("--cut", "T=room, air"), None),
        (("--turn", "T.c1=0.5"), None),
    ],
)
def test_changed_rules_stand_beside_the_old_ones(command, model, typed, first):
    answer = asked(command("imagine", model, *START, *typed, "--horizon", "5rows", "--json"))
    assert answer["query"]["kind"] == "imagine"
    assert len(answer["query"]["rules"]) == 1
    assert answer["details"]["old"][0]["estimate"][0] == pytest.approx(20.0, abs=0.1)
    if first is not None:
        assert answer["series"][0]["estimate"][0] == pytest.approx(first, abs=0.1)


def test_a_file_of_rules(command, model, tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("- {kind: link, source: heater, target: T, coefficient: 0.1}\n")
    printed = command(
        "imagine", model, *START, "--set", "heater=10", "--rules", file, "--horizon", "2rows"
    )
    assert printed.code == 0, printed.err
    assert "heater acts on T by 0.1 at lag 1" in " ".join(printed.out.split())


def test_no_rule_is_answered_as_in_python(command, model):
    answer = asked(command("imagine", model, *START, "--horizon", "2rows", "--json"))
    assert answer["why"]["warnings"][0].startswith("No rule is changed")


@pytest.mark.parametrize("verb", ["do", "imagine"])
def test_a_policy_from_a_file_is_followed(command, model, tmp_path, verb):
    file = tmp_path / "thermostat.yaml"
    file.write_text("cases:\n- when: {T: [null, 25]}\n  then: 50\notherwise: 0\n")
    follow = ("--follow", f"heater={file}", "--horizon", "6rows", "--json")
    rule = ("--swap", "room, air=20") if verb == "imagine" else ()
    answer = asked(command(verb, model, *START, *rule, *follow))
    assert answer["query"]["interventions"][0]["kind"] == "follow"
    warm = answer["series"][0]["estimate"]
    # 20 → 30 (heated) → 29 → … until it is below 25 again
    assert warm[:2] == pytest.approx([30.0, 29.0], abs=0.2)


@pytest.mark.parametrize(
    ("content", "said"), [("", "is empty"), ("cases: 3\n", "cases"), ("[", "neither YAML nor JSON")]
)
def test_a_malformed_policy_is_one_line(command, model, tmp_path, content, said):
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    printed = command("do", model, *START, "--follow", f"heater={file}", "--horizon", "2rows")
    assert printed.code != 0
    assert said in printed.err.replace("\n", " ")
