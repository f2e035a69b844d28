"""A sweep on Slurm, with dask-jobqueue over TLS, against the same sweep on this machine.

It needs root on Debian. It installs Slurm (slurmctld, slurmd, slurm-client) and munge with apt-get
if they are missing, and does not remove them; it does not start their services. It starts daemons
of its own on loopback, with all files in a temporary folder, and ends them.

    python -m bench.slurm
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import machine, running
from bench.pipeline import PROJECT, PYTHON
from bench.rivals import GRID
from bench.sweep import HOST, Swept, check, grid_file, new_experiment, runs_of, tracking_server
from reprise.tracking import MODEL_DIGEST

if TYPE_CHECKING:
    from distributed import Client, Security
    from distributed.deploy.cluster import Cluster

PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
PACKAGES |= {"munged": "munge"}
POLICY = Path("/usr/sbin/policy-rc.d")
NO_SERVICE = 101  # of invoke-rc.d's policy: the caller may not start the service
JOBQUEUE = "dask-jobqueue==0.9.0"
JOBS = 2
POINTS = GRID[:4]  # so few that each is a separate task
JOB_MIB = 2048
PATIENCE = 60  # seconds for anything to start or to end
TLS = "DASK_DISTRIBUTED__COMM__TLS__"
CONFIGURATION = """\
ClusterName=reprise
SlurmctldHost={name}({host})
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
NodeName={name} NodeAddr={host} CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={name} Default=YES MaxTime=INFINITE State=UP
"""


def main() -> None:
    """Run both sweeps, compare them point by point, and print the results."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("expected root on Debian or Ubuntu: this installs Slurm and starts its daemons")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an orderly end, as with Ctrl-C
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    install()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reprise-slurm-")))
        os.environ["DASK_CONFIG"] = str(folder)  # else jobqueue writes to the user's folder
        version = stack.enter_context(slurm(folder))
        os.environ["MLFLOW_TRACKING_URI"] = stack.enter_context(tracking_server(folder))
        print(f"{machine()}, {version}, {JOBQUEUE}", flush=True)
        grid = grid_file(folder, POINTS)
        there = on_slurm(folder, grid)
        here = swept("here", grid)
        for sweep in (there, here):
            check(sweep, POINTS, here.runs, "best")
        compare(there, here)


def install() -> None:
    """Install the missing packages of Slurm and munge, without starting services."""
    missing = sorted(package for program, package in PACKAGES.items() if not shutil.which(program))
    if not missing:
        return
    print(f"installing with apt-get, to stay: {' '.join(missing)}", flush=True)
    own = not POLICY.exists()
    if own:
        POLICY.write_text(f"#!/bin/sh\nexit {NO_SERVICE}\n", encoding="utf-8")
        POLICY.chmod(0o755)
    try:
        for service in missing:
            asked = subprocess.run([POLICY, service, "start"], check=False, capture_output=True)
            if asked.returncode != NO_SERVICE:
                sys.exit(f"{POLICY} lets services start: install {' '.join(missing)} yourself")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            call(["apt-get", "--quiet", *words], environment=environment)
    finally:
        if own:
            POLICY.unlink()


@contextmanager
def slurm(folder: Path) -> Iterator[str]:
    """Start munge and Slurm for this machine only; yield Slurm's version. End all jobs."""
    name = socket.gethostname().partition(".")[0]
    controller_port, node_port = free_ports(2)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            name=name,
            host=HOST,
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            cores=max(JOBS, os.cpu_count() or 1),
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        ),
        encoding="utf-8",
    )
    for part in ("state", "spool"):
        (folder / part).mkdir()
    os.environ["SLURM_CONF"] = str(configuration)
    key, at = folder / "munge.key", folder / "munge.socket"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    # --force: only root needs the socket, and only root can enter its folder.
    munged = ["munged", "--foreground", "--force", f"--socket={at}", f"--key-file={key}"]
    munged += [f"--{each}-file={folder}/munge.{each}" for each in ("log", "pid", "seed")]
    with ExitStack() as stack:
        stack.enter_context(running(munged, folder / "munged.log", cwd=PROJECT))
        until(lambda: answer(["munge", "-S", str(at), "-n"]) != "", "munge", folder)
        stack.enter_context(
            running(["slurmctld", "-D", "-i"], folder / "slurmctld.log", cwd=PROJECT)
        )
        stack.enter_context(
            running(["slurmd", "-D", "-N", name], folder / "slurmd.log", cwd=PROJECT)
        )
        until(lambda: answer(["sinfo", "-h", "-o", "%T"]) == "idle", "Slurm", folder)
        try:
            yield answer(["sinfo", "--version"])
        finally:
            jobs = answer(["squeue", "-h", "-o", "%A"]).split()
            if jobs:
                answer(["scancel", *jobs])
            until(lambda: answer(["squeue", "-h", "-o", "%A"]) == "", "the jobs' end", folder)


@contextmanager
def slurm_cluster(folder: Path, security: "Security") -> Iterator["Cluster"]:
    """Start a scheduler here; its workers are Slurm jobs of one core each."""
    # jobqueue is not installed in this environment, which must match its lock.
    target = folder / "jobqueue"
    call(["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(target), JOBQUEUE])
    sys.path.insert(0, str(target))
    from dask_jobqueue import SLURMCluster

    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobqueue's import changes it
    shared = folder / "shared"
    shared.mkdir()
    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=f"{JOB_MIB}MiB",
        walltime="00:30:00",
        python=sys.executable,
        interface="lo",
        protocol="tls://",
        security=security,
        shared_temp_directory=str(shared),
        local_directory=str(folder),
        log_directory=str(shared),
        scheduler_options={"dashboard": False, "dashboard_address": f"{HOST}:0"},
        worker_extra_args=["--no-dashboard"],
    )
    try:
        with cluster:
            yield cluster
    finally:
        for name in ("ca_file", "cert", "key"):  # remove the files before the folder
            getattr(cluster, f"_job_{name}").close()


def on_slurm(folder: Path, grid: Path) -> Swept:
    """Sweep on the workers of a SLURMCluster, and check that these workers made the runs."""
    from distributed import Client
    from distributed.security import Security

    security = Security.temporary()
    with (
        slurm_cluster(folder, security) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        started = time.monotonic()
        cluster.scale(jobs=JOBS)
        client.wait_for_workers(JOBS, timeout=PATIENCE)
        address = cluster.scheduler_address
        print(
            f"{JOBS} workers in Slurm jobs after {time.monotonic() - started:.1f} s, "
            f"scheduler at {address}",
            flush=True,
        )
        before = in_jobs(client)
        variables = certificates(folder, security)
        found = swept("slurm", grid, "--scheduler", address, environment=variables)
        after = in_jobs(client)
    assert before.keys() == after.keys(), "a worker was lost"
    made = {job: after[job] - tasks for job, tasks in before.items()}
    assert sum(made.values()) >= len(found.runs), made
    tasks_by_job = ", ".join(f"{tasks} in job {job}" for job, tasks in sorted(made.items()))
    print(f"tasks made: {tasks_by_job}")
    return found


def in_jobs(client: "Client") -> dict[str, int]:
    """Return the number of tasks of each Slurm job's worker; every worker is in a job."""
    found: list[tuple[str, int]] = list(client.run(told_by).values())
    running = answer(["squeue", "-h", "-t", "RUNNING", "-o", "%A"]).split()
    assert len(found) == JOBS, found
    assert sorted(job for job, _ in found) == sorted(running), (found, running)
    return dict(found)


def told_by(dask_worker: Any) -> tuple[str, int]:
    """Return, on a worker, its Slurm job and the number of its tasks."""
    return os.environ.get("SLURM_JOB_ID", ""), dask_worker.state.executed_count


def certificates(folder: Path, security: "Security") -> dict[str, str]:
    """Write a client's certificates to files, and return the variables that name them."""
    values = {
        "CA_FILE": security.tls_ca_file,
        "CLIENT__CERT": security.tls_client_cert,
        "CLIENT__KEY": security.tls_client_key,
    }
    for name, text in values.items():
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return {f"{TLS}{name}": str(folder / f"{name}.pem") for name in values}


def swept(
    name: str, grid: Path, *words: str, environment: Mapping[str, str] | None = None
) -> Swept:
    """Run a sweep in a new experiment; stop with its output if it fails."""
    new_experiment(name)
    command = [*PYTHON, "steps.sweep", "--grid", str(grid), "--models", "best", *words]
    log = grid.parent / f"{name}.log"
    started, clock = time.time(), time.monotonic()
    with running(command, log, cwd=PROJECT, environment=environment) as process:
        process.wait()
    seconds = time.monotonic() - clock
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text(encoding='utf-8')}")
    runs = runs_of("train_dt")
    return Swept(seconds, min(each.info.start_time for each in runs) / 1000 - started, runs)


def compare(there: Swept, here: Swept) -> None:
    """Stop if a point's model or metrics differ; print the times."""
    names = list(POINTS[0])

    def results(sweep: Swept) -> dict[tuple[str, ...], tuple[str, dict[str, float]]]:
        return {
            tuple(each.data.params[name] for name in names): (
                each.data.tags[MODEL_DIGEST],
                each.data.metrics,
            )
            for each in sweep.runs
        }

    assert results(there) == results(here), (results(there), results(here))
    for where, sweep in (("on Slurm", there), ("on this machine", here)):
        print(
            f"sweep of {len(POINTS)} points {where}: {sweep.seconds:.1f} s, "
            f"{sweep.before:.1f} s of them before the first training"
        )
    print(f"all {len(POINTS)} points have the same model digest and metrics in both")


def until(found: Callable[[], bool], what: str, folder: Path) -> None:
    """Wait for a condition; stop with the daemons' logs if it does not become true."""
    deadline = time.monotonic() + PATIENCE
    while not found():
        if time.monotonic() > deadline:
            logs = [f"{p.name}:\n{p.read_text('utf-8')}" for p in sorted(folder.glob("*d.log"))]
            sys.exit("\n".join([f"waited {PATIENCE} s in vain for {what}", *logs]))
        time.sleep(0.1)


def answer(command: Sequence[str]) -> str:
    """Return the output of a command, or "" if it fails."""
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def call(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
    """Run a command; stop with its output if it fails."""
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")


def free_ports(number: int) -> list[int]:
    """Return free ports."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
