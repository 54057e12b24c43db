"""The demo from start to end, and back: the order of the pieces, and what is said about each."""

from tests.cluster import api
from tests.cluster import down as cluster_down
from tests.cluster.settings import from_environment
from tests.cluster.steps import Steps
from tests.demo import restored, scheduled, summary, watch
from tests.demo.narrator import Narrator
from tests.demo.scene import EVERY_MINUTE, EXAMPLE, ROOT, Scene

STEPS = 9


def up(narrator: Narrator) -> None:
    """Everything up to a finished backup, and back; then a schedule, its retention, and what to try next."""
    with narrator.step("a Kubernetes cluster", STEPS):
        narrator.say("kind; the first time on a bare machine this takes minutes, later seconds")
        scene = Scene(api.ensure_up())
        scene.select()
    with narrator.step("the images: operator, runner, a PostgreSQL server, an S3 store", STEPS):
        scene.build_images()
    with narrator.step("the images into the cluster's nodes", STEPS):
        scene.deliver_images()
    with narrator.step(f"Holdfast, by its Helm chart, into the namespace {scene.release}", STEPS):
        scene.install()
    with narrator.step(f"a database with sample data, and a store, in the namespace {scene.namespace}", STEPS):
        scene.start_servers()
        narrator.say("servers are ready; about 250 MB of a shop's data are made in the database (10 to 60 s)")
        if not scene.load_sample():
            narrator.say("the sample was there already")
    with narrator.step(f"a backup: kubectl apply -f {EXAMPLE.relative_to(ROOT)}", STEPS):
        name = scene.request_backup()
        narrator.say(f"DatabaseBackup {name}" + ("" if name == "orders-first" else ": a further one"))
        status = watch.to_the_end(scene, name, narrator)
    summary.result(scene, name, status, narrator)
    with narrator.step("a table is dropped, and comes back: a DatabaseRestore with mode Replace", STEPS):
        restored.a_table_comes_back(scene, name, narrator)
    narrator.heading(
        f"That took {narrator.total()}. Two minutes more show a schedule and what it keeps; Ctrl-C ends here."
    )
    with narrator.step(f"a schedule, each minute: kubectl apply -f {EVERY_MINUTE.relative_to(ROOT)}", STEPS):
        scheduled.two_backups(scene, narrator)
    with narrator.step("retention: what is kept and why, what would go; and then it goes", STEPS):
        scheduled.a_deletion(scene, narrator)
    summary.what_next(scene, name, narrator)
    narrator.heading(
        f"All in all {narrator.total()}. Run it again: a further backup. `make demo-down` removes everything."
    )


def down(narrator: Narrator, *, keep_cluster: bool) -> None:
    """Remove the demo: the whole cluster where it is ours, else all that was put into it."""
    settings = from_environment()
    if not settings.own_kubeconfig and not keep_cluster:
        with narrator.step(f"removing the cluster {settings.cluster}, and with it all that the demo made", 1):
            cluster_down.down(settings, Steps(2), with_cache=False)
        return
    with narrator.step("removing Holdfast, the sample and the backups' resources from the cluster", 1):
        scene = Scene(api.ensure_up())
        scene.select()
        scene.uninstall()
