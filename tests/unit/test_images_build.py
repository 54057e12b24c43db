import re
from pathlib import Path

import pytest
from images import build
from images.build import IMAGES, ROOT, Built
from tests.cluster.errors import ClusterError

DOCKERFILES = [f"{image.folder}/Dockerfile" for image in IMAGES.values()]


def args(*argv: str):
    return build.parser().parse_args(argv)


@pytest.mark.parametrize(
    ("version", "major"), [("17.12-0+deb13u1", "17"), ("15.19-0+deb12u1", "15"), ("1:18.6-1", "18"), ("9.7-2", "9")]
)
def test_the_major_version_comes_from_the_debian_package(version: str, major: str) -> None:
    assert build.major_version(version) == major


@pytest.mark.parametrize("version", ["", "unknown", "u17"])
def test_what_is_no_version_becomes_no_tag(version: str) -> None:
    with pytest.raises(ClusterError, match="is no version of a Debian package"):
        build.major_version(version)


@pytest.mark.parametrize(
    ("key", "tag", "major", "expected"),
    [
        pytest.param("operator", "dev", "", "dev", id="operator while developing"),
        pytest.param("operator", "0.1.0", "", "0.1.0", id="operator's release"),
        pytest.param("runner-postgres", "dev", "17", "17", id="runner while developing"),
        pytest.param(
            "runner-postgres", "0.1.0", "17", "17-0.1.0", id="runner's release keeps the major version in front"
        ),
        pytest.param("runner-sqlite", "dev", "3", "3", id="another engine's runner"),
        pytest.param("test-postgres", "0.1.0", "18", "18", id="stand-in has no release"),
        pytest.param("test-seaweedfs", "0.1.0", "", "latest", id="stand-in without versions"),
    ],
)
def test_tags(key: str, tag: str, major: str, expected: str) -> None:
    assert build.tag_of(IMAGES[key], tag, major) == expected


def test_the_ca_bundle_is_the_first_variable_that_names_a_file(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    assert build.ca_bundle({"PIP_CERT": str(tmp_path / "gone"), "SSL_CERT_FILE": str(bundle)}) == str(bundle)


@pytest.mark.parametrize("env", [{}, {"PIP_CERT": ""}, {"SSL_CERT_FILE": "/nowhere/ca.crt"}])
def test_without_a_ca_bundle_no_secret_is_passed(env: dict[str, str]) -> None:
    assert build.ca_bundle(env) is None
    assert "--secret" not in build.build_command("docker", IMAGES["operator"], {}, None, cache=True)


def test_the_build_command_names_arguments_secret_and_context() -> None:
    command = build.build_command("podman", IMAGES["test-postgres"], {"SUITE": "sid"}, "/ca.crt", cache=False)
    assert command[:4] == ["podman", "build", "--file", "tests/images/postgres/Dockerfile"]
    assert command[4:] == [
        "--build-arg",
        "SUITE=sid",
        "--secret",
        "id=ca,src=/ca.crt",
        "--no-cache",
        "tests/images/postgres",
    ]


@pytest.mark.parametrize("registry", ["registry.example.com/team", "registry.example.com/team/"])
def test_a_push_tags_for_the_registry_first(registry: str) -> None:
    assert build.push_commands("docker", ["holdfast-operator:1"], registry) == [
        ["docker", "tag", "holdfast-operator:1", "registry.example.com/team/holdfast-operator:1"],
        ["docker", "push", "registry.example.com/team/holdfast-operator:1"],
    ]


def test_all_images_are_built_unless_some_are_named() -> None:
    every = [image.name for image in IMAGES.values() if not image.by_name_only]
    assert [image.name for image, _ in build.chosen(args())] == every
    assert [image.name for image, _ in build.chosen(args("bench"))] == ["holdfast-bench"]
    assert [image.name for image, _ in build.chosen(args("test-seaweedfs", "operator"))] == [
        "holdfast-operator",
        "holdfast-test-seaweedfs",
    ]


def test_a_suite_makes_one_more_image_only_where_it_decides_a_version() -> None:
    found = build.chosen(args("operator", "runner-postgres", "--suite", "bookworm", "--suite", "sid"))
    assert [(image.name, suite) for image, suite in found] == [
        ("holdfast-operator", "trixie"),
        ("holdfast-runner-postgres", "bookworm"),
        ("holdfast-runner-postgres", "sid"),
    ]


def test_an_image_that_is_not_for_a_suite_is_built_on_its_own() -> None:
    """MySQL is only in Debian sid."""
    assert [suite for _, suite in build.chosen(args("runner-mysql"))] == ["sid"]
    assert [suite for _, suite in build.chosen(args("runner-mysql", "--suite", "bookworm"))] == ["sid"]
    assert [suite for _, suite in build.chosen(args("test-mariadb", "--suite", "bookworm"))] == ["bookworm"]


def test_stand_ins_are_never_pushed() -> None:
    pushed = build.chosen(args("all", "--push", "registry.example.com"))
    assert [image.name for image, _ in pushed] == [
        "holdfast-operator",
        "holdfast-runner-postgres",
        "holdfast-runner-sqlite",
        "holdfast-runner-aws",
    ]
    with pytest.raises(ClusterError, match="holdfast-test-postgres stands in for a server in tests"):
        build.chosen(args("test-postgres", "--push", "registry.example.com"))


def test_an_unknown_image_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["postgres"]) == 1
    assert "There is no image postgres; there are operator, runner-postgres," in capsys.readouterr().err


def test_the_table_has_name_size_and_seconds() -> None:
    rows = [
        Built(IMAGES["operator"], "holdfast-operator:dev", 273_600_000, 61.24),
        Built(IMAGES["operator"], "b:1", 1, 0),
    ]
    assert build.table(rows).splitlines() == [
        "IMAGE                     SIZE  SECONDS",
        "holdfast-operator:dev   274 MB     61.2",
        "b:1                       0 MB      0.0",
    ]


@pytest.mark.parametrize("image", IMAGES.values(), ids=lambda image: image.name)
def test_the_build_gives_exactly_the_arguments_that_the_dockerfile_takes(image: build.Image) -> None:
    declared = set(re.findall(r"^ARG (\w+)", (ROOT / image.folder / "Dockerfile").read_text(), re.MULTILINE))
    assert set(build.build_arguments(image, "trixie", "")) == declared


def test_the_version_label_is_that_of_the_package() -> None:
    from holdfast import __version__

    assert build.build_arguments(IMAGES["operator"], "trixie", "")["VERSION"] == __version__


@pytest.mark.parametrize("path", DOCKERFILES)
def test_a_dockerfile_needs_nothing_that_a_plain_buildkit_cannot_do_offline(path: str) -> None:
    text = (ROOT / path).read_text()
    assert not re.search(r"^#\s*syntax\s*=", text, re.MULTILINE), "a syntax line pulls an image"
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    stages = {*re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE), "client-${ENGINE}"}
    assert bases
    assert set(bases) - stages <= {"debian:${SUITE}-slim", "debian:trixie-slim", "${BASE}"}


@pytest.mark.parametrize("path", DOCKERFILES)
def test_a_dockerfile_ends_as_a_numeric_user_that_is_not_root(path: str) -> None:
    users = re.findall(r"^USER (\S+)", (ROOT / path).read_text(), re.MULTILINE)
    # the kubelet can prove runAsNonRoot only for a number
    assert users
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])


def test_operator_and_runner_share_the_stage_that_builds() -> None:
    """Otherwise it is built twice."""

    def tools(path: str) -> str:
        text = (ROOT / path).read_text().replace("${SUITE}", "trixie")
        return text[text.index("# tools:") : text.index("# dependencies:")]

    assert tools("images/operator/Dockerfile") == tools("images/runner/Dockerfile")


def test_the_client_comes_from_debian_unless_a_version_is_asked_of_postgresqls_own_repository() -> None:
    runner = IMAGES["runner-postgres"]
    assert build.build_arguments(runner, "trixie", "")["PGDG"] == ""
    assert build.build_arguments(runner, "trixie", "", args("--pgdg", "16").pgdg)["PGDG"] == "16"
    text = (ROOT / runner.folder / "Dockerfile").read_text()
    assert len([line for line in text.splitlines() if "apt.postgresql.org/pub" in line]) == 1


class Commands(list[list[str]]):
    """Takes the place of `run`: keeps what was run, and answers with a package's version."""

    def __call__(self, argv: list[str], **more: object) -> str:
        self.append([*argv, str(more.get("text_in", ""))])
        return "17.12-0+deb13u1\n"


def test_the_exact_release_of_the_engine_becomes_a_label_upon_what_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands()
    monkeypatch.setattr(build, "run", commands)
    reference = build.name_version(IMAGES["runner-postgres"], "sha256:1", args("--tag", "0.1.0"), "docker", {})
    assert reference == "holdfast-runner-postgres:17-0.1.0"
    label = "dev.holdfast.client.version=17.12-0+deb13u1"
    assert commands[1:] == [
        ["docker", "tag", "sha256:1", reference, ""],
        ["docker", "build", "--tag", reference, "--label", label, "-", f"FROM {reference}\n"],
    ]


def test_an_image_without_an_engine_is_tagged_by_its_release_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands()
    monkeypatch.setattr(build, "run", commands)
    assert build.name_version(IMAGES["operator"], "sha256:1", args(), "docker", {}) == "holdfast-operator:dev"
    assert commands == [["docker", "tag", "sha256:1", "holdfast-operator:dev", ""]]
