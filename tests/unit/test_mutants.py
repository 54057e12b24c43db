"""What `make mutants` puts into the code, how it names that, and what it makes of its list."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mutants import kept, plan, reach
from tests.mutants.changes import mutants_of
from tests.mutants.noticing import Noticing, Seen
from tests.mutants.source import Source

FUNCTION = """\
def f(a, b, client, log):
    {}
"""


def changes(text: str) -> list[str]:
    """Each change of a function with this one line, as the line then reads."""
    whole = FUNCTION.format(text)
    source = Source(whole)
    return [source.with_change(mutant).splitlines()[1].strip() for mutant in mutants_of("a.py", whole)]


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        pytest.param("x = a < b", ["x = (a <= b)"], id="a boundary"),
        pytest.param("x = a == b", ["x = (a != b)"], id="a comparison"),
        pytest.param("x = a < b < 3", ["x = (a <= b < 3)", "x = (a < b <= 3)", "x = a < b < 4"], id="two in one"),
        pytest.param("Step = Write | Rest", [], id="a type made of several"),
        pytest.param("Words = Literal['a', 'b']", [], id="a type made of words"),
        pytest.param("Ask = Callable[[Key], Answer | None]", [], id="a type of what can be called"),
        pytest.param("T = TypeVar('T', bound=A)", [], id="a type that stands for others"),
        pytest.param("x = not a", ["x = bool(a)"], id="a negation"),
        pytest.param("x = True", ["x = False"], id="a truth"),
        pytest.param("x = 3", ["x = 4"], id="a small number"),
        pytest.param("x = 40.0", ["x = 80.0"], id="a limit"),
        pytest.param("x = a and b", ["x = b", "x = a"], id="each part of a condition"),
        pytest.param("if a == b: return", ["if True: return", "if False: return"], id="always and never"),
        pytest.param("while a: b()", ["while False: b()", "while a: pass"], id="a loop, which is not made endless"),
        pytest.param(
            "x = [y for y in a if y]", ["x = [y for y in a if True]", "x = [y for y in a if False]"], id="a sieve"
        ),
        pytest.param("x = client.delete(a, uid=b)", ["x = client.delete(a)"], id="a named argument"),
        pytest.param(
            "x = [a, '--single-transaction']", ["x = ['--single-transaction']", "x = [a]"], id="a tool's flag"
        ),
        pytest.param("x = ('-a', *b)", ["x = (*b,)", "x = ('-a',)"], id="a flag in a tuple"),
        pytest.param("x = a, b", [], id="no part of what is taken apart"),
        pytest.param("x = {'key': a, **b}", ["x = {**b}", "x = {'key': a}"], id="an entry"),
        pytest.param("x = min(a, b)", ["x = max(a, b)"], id="the least for the greatest"),
        pytest.param("x = a + b", ["x = a", "x = b"], id="one side of a sum"),
        pytest.param("x = a - b", ["x = a", "x = (a + b)"], id="a difference"),
        pytest.param("x = a[:b]", ["x = a"], id="a cut"),
        pytest.param("client.wait()", ["pass"], id="a call"),
        pytest.param("a.b = client", ["pass"], id="what an object is to remember"),
        pytest.param("raise ValueError(a)", ["pass"], id="an error"),
        pytest.param("return a", ["return None"], id="a result"),
        pytest.param("with a: b()", ["if True: b()", "with a: pass"], id="a guard"),
        pytest.param("log.info('lost', count=1)", [], id="nothing of the log"),
        pytest.param("x = a or []", ["x = []"], id="not what stands in for nothing"),
        pytest.param("with a.lock: b()", ["with a.lock: pass"], id="no lock"),
        pytest.param("x = now < due", [], id="no tick of a clock"),
        pytest.param("x = Histogram(a, buckets=(1, 5))", [], id="not how finely it is counted"),
        pytest.param("x = round(a, 2)", [], id="no digit"),
        pytest.param("x = f'{a + 1} of {b}'", [], id="nothing of a sentence"),
        pytest.param("x = a(message='x' + b, remedy=b)", [], id="nothing of a message or a remedy"),
        pytest.param("assert a is not None", [], id="nothing that narrows a type"),
    ],
)
def test_a_fault_is_one_that_somebody_could_make_and_never_one_of_words(line: str, changed: list[str]):
    assert changes(line) == changed


def test_an_exception_is_caught_no_more_and_of_several_each_one():
    text = "try:\n    a()\nexcept (KeyError, ValueError):\n    b = 1\nexcept OSError:\n    b = 2\n"
    said = [mutant.what for mutant in mutants_of("a.py", text)]
    assert "(KeyError, ValueError) without KeyError" in said
    assert "except OSError -> nothing" in said


def test_a_function_that_answers_yes_or_no_is_tried_with_both():
    text = "def f(a) -> bool:\n    return a.b\n"
    assert [mutant.what for mutant in mutants_of("a.py", text)] == ["return a.b -> True", "return a.b -> False"]


def test_the_name_of_a_fault_outlives_edits_elsewhere():
    before = "LIMIT = 5\n\ndef f(a):\n    return a < 3\n\ndef g(a):\n    return a < 3\n"
    after = '"""New."""\nimport os\n\nLIMIT = 5\n\ndef e():\n    return os.getcwd()\n\n' + before.partition("\n\n")[2]
    old = [mutant.id for mutant in mutants_of("a.py", before)]
    assert "a.py LIMIT: 5 -> 6" in old
    assert "a.py f: a < 3 -> <=" in old
    assert set(old) <= {mutant.id for mutant in mutants_of("a.py", after)}


def test_two_faults_that_read_alike_have_two_names():
    ids = [mutant.id for mutant in mutants_of("a.py", "def f(a):\n    a.x = 1\n    a.y = 1\n")]
    assert [it for it in ids if "1 -> 2" in it] == ["a.py f: 1 -> 2", "a.py f: 1 -> 2 #2"]


def test_text_beyond_ascii_before_a_fault_moves_nothing():
    text = "def f(a):\n    return ('ü', a < 1)\n"
    changed = [Source(text).with_change(mutant) for mutant in mutants_of("a.py", text)]
    assert "def f(a):\n    return ('ü', (a <= 1))\n" in changed


# The list


LIST = """
[[kept]]
reason = "it is so"
mutants = ["a.py f: x", "a.py f: gone", "b.py g: y"]
functions = ["a.py never", "a.py other"]
[[open]]
reason = "nobody has looked"
mutants = ["a.py f: open"]
"""


def test_a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_told(tmp_path: Path):
    (tmp_path / "survivors.toml").write_text(LIST)
    survivors = {
        "a.py f: x": "",
        "a.py f: new": "",
        "a.py f: open": "",
        "a.py never: 1 -> 2": kept.NEVER,
        "a.py other: 1 -> 2": "",  # a test runs it by now
    }
    verdict = kept.compare(kept.read(tmp_path / "survivors.toml"), survivors, ["a.py"])
    assert verdict.unexplained == ["a.py f: new", "a.py other: 1 -> 2"]
    assert verdict.open == ["a.py f: open"]
    assert verdict.stale == ["a.py f: gone", "a.py other"]  # b.py was not looked at


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param('[[kept]]\nreason = ""\nmutants = ["a"]\n', "reason", id="no reason"),
        pytest.param('[[kept]]\nreason = "it is so"\nmutants = ["a", "a"]\n', "twice", id="twice"),
    ],
)
def test_a_list_that_explains_nothing_is_refused(tmp_path: Path, text: str, word: str):
    (tmp_path / "survivors.toml").write_text(text)
    with pytest.raises(SystemExit, match=word):
        kept.read(tmp_path / "survivors.toml")


def test_each_entry_of_the_list_has_a_reason():
    kept.read()


# The tests that are asked


def test_only_files_that_reach_a_module_are_asked(tmp_path: Path):
    for name, text in {
        "operator/holdfast/a.py": "",
        "operator/holdfast/b.py": "from holdfast import a\n",
        "operator/holdfast/c.py": "",
        "tests/helper.py": "def f():\n    from holdfast.b import x\n",
        "tests/unit/test_directly.py": "import holdfast.a\n",
        "tests/unit/test_by_a_helper.py": "from tests.helper import f\n",
        "tests/unit/test_another.py": "from holdfast import c\n",
        "tests/unit/test_by_a_process.py": "run(sys.executable)\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("tests/unit/*.py"))
    asked = reach.those_that_may_run(tmp_path, files, ["a.py"])
    assert asked == [f"tests/unit/test_{name}.py" for name in ("by_a_helper", "by_a_process", "directly")]
    assert reach.those_that_import(tmp_path, files, "a.py") == {"tests/unit/test_directly.py"}


def test_first_are_asked_the_tests_named_after_a_module_then_those_that_import_it_then_the_quickest(tmp_path: Path):
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "operator" / "holdfast").mkdir(parents=True)
    (tmp_path / "operator" / "holdfast" / "kept.py").write_text("def f():\n    return 1\n")
    imports = {"test_quick": "", "test_slow": "", "test_user": "from holdfast.kept import f\n", "test_kept": ""}
    seconds = {"test_quick": 0.1, "test_slow": 50.0, "test_user": 4.0, "test_kept": 8.0}
    known = {}
    for name, text in imports.items():
        file = f"tests/unit/{name}.py"
        (tmp_path / file).write_text(text)
        known[file] = Seen({"kept.py": {2: [f"{file}::test"]}}, {f"{file}::test": seconds[name]})
    asked = plan.plan(tmp_path, "kept.py", Noticing(known)).tests["kept.py f: 1 -> 2"]
    assert asked == [f"tests/unit/{name}.py::test" for name in ("test_kept", "test_user", "test_quick")]


# A run

PROGRAM = """\
LIMIT = 5
FLAGS = ["--one", "--two"]


def small(number):
    return number < LIMIT


def unseen():
    return 1


def wait(number, pause):
    while number < 3:
        pause()
        number += 1
    return number
"""
TESTS = """\
import time

from holdfast import toy


def test_small():
    assert toy.small(4)
    assert not toy.small(6)
    assert toy.LIMIT == 5
    assert "--one" in toy.FLAGS


def test_wait():
    pauses = []

    def pause():  # what never ends takes no processor meanwhile
        pauses.append(time.sleep(0.01))

    assert toy.wait(0, pause) == 3
    assert len(pauses) == 3


def test_broken():
    assert toy.unseen() == 3
"""
CONFTEST = "from hypothesis import settings\nsettings.register_profile('mutants')\n"
START = """\
from tests.mutants import driver, plan
driver.LIBRARIES, plan.PATIENCE = ("coverage", "hypothesis"), 3
raise SystemExit(driver.main())"""


@pytest.mark.timeout(120, func_only=True)
def test_a_run_names_what_no_test_notices_and_nothing_else(tmp_path: Path):
    # Given a program with a boundary, a flag and a function that no test looks at
    root = tmp_path / "tree"
    (root / "operator" / "holdfast").mkdir(parents=True)
    (root / "operator" / "holdfast" / "__init__.py").touch()
    (root / "operator" / "holdfast" / "toy.py").write_text(PROGRAM)
    (root / "tests" / "unit").mkdir(parents=True)
    (root / "tests" / "unit" / "test_toy.py").write_text(TESTS)
    (root / "tests" / "unit" / "conftest.py").write_text(CONFTEST)
    shutil.copytree(Path(kept.__file__).parent, root / "tests" / "mutants", ignore=shutil.ignore_patterns("*.pyc"))
    (root / "tests" / "mutants" / "survivors.toml").write_text(
        '[[kept]]\nreason = "as an example"\nmutants = ["toy.py unseen: return 1 -> None", "toy.py small: gone"]\n'
    )
    (root / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\npythonpath = .\n")

    # When each fault is tried
    environment = os.environ | {"PYTHONPATH": str(root / "operator")}
    command = [sys.executable, "-c", START, "--work", str(tmp_path / "work"), "--workers", "2", "toy.py"]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)

    # Then those are named that the tests let pass, and what is listed in vain
    told = done.stdout.partition("without a reason\n")[2]
    unexplained, _, stale = told.partition("in vain")
    assert done.returncode == 1, done.stdout + done.stderr
    assert {line.split('"')[1] for line in unexplained.splitlines() if '"' in line} == {
        "toy.py small: number < LIMIT -> <=",
        "toy.py FLAGS: ['--one', '--two'] without '--two'",
        "toy.py unseen: 1 -> 2",
    }
    assert "small: gone" in stale
    assert "fails without any fault: tests/unit/test_toy.py::test_broken" in done.stdout, "it would notice everything"
