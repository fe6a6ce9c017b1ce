"""Containers without a service that runs them: Debian's buildah, podman and runc, in a store of their own.

Images are built in a chroot and run in real namespaces with seccomp, without capabilities. Where no registry can be
reached, the base image is Debian itself, made with debootstrap and named as the one that the Dockerfile asks for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from process import REPOSITORY

PROGRAMS = ("buildah", "podman", "runc", "debootstrap")
BASE = "docker.io/library/python:3.11-slim"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # what this machine trusts, the image has to trust as well
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")  # podman would raise them, if it might


def missing() -> str | None:
    """Why no container can be built and run here; None where one can."""
    if not os.environ.get("WEIGHBRIDGE_CONTAINER_TEST"):
        return "takes minutes; WEIGHBRIDGE_CONTAINER_TEST=1 asks for it"
    if os.geteuid() != 0:
        return "needs root, for a chroot and namespaces"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)} (Debian: apt install {' '.join(absent)})" if absent else None


class Unable(Exception):  # noqa: N818 - not an error of what is tested
    """This machine can build no base image or run no container; the message says why."""


@dataclass(frozen=True)
class Engine:
    """Builds and runs images; everything lies in `folder`, beside nothing of the machine's own containers."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For every program: our store, and a BentoML home beside it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEIGHBRIDGE_", "BENTOML_"))}
        return {**kept, "BENTOML_HOME": str(self.folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "true",
                "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf")}

    def prepare(self) -> None:
        """Make the store."""
        (self.folder / "bentoml").mkdir(parents=True)
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/store"\nrunroot = "{self.folder}/run"\n'
        )

    def do(self, *command: str, seconds: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        done = subprocess.run(command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True,
                              timeout=seconds, check=False)
        assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def podman(self, *arguments: str, seconds: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`podman`, with the runtime that works in both generations of control groups."""
        return self.do("podman", "--runtime", "runc", *arguments, seconds=seconds, check=check)

    def base(self) -> None:
        """The official base image, or Debian's Python under its name; Unable where neither is to be had or runs."""
        if self.podman("pull", "--quiet", BASE, seconds=120, check=False).returncode:
            self._make_base()
        tried = self.podman("run", "--rm", *LIMITS, "--network", "host", BASE, "python3", "-V", check=False)
        if tried.returncode:
            raise Unable(f"no container runs here: {tried.stderr.strip()}")

    def _make_base(self) -> None:
        root, archive = self.folder / "base", self.folder / "base.tar"
        made = self.do("debootstrap", "--variant=minbase", "--include=python3-venv,ca-certificates", "bookworm",
                       str(root), seconds=600, check=False)
        if made.returncode:
            raise Unable(f"no base image can be had: {made.stdout[-300:]}")
        shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        shutil.rmtree(root / "var/cache/apt/archives")
        self.do("tar", "-C", str(root), "-cf", str(archive), ".")
        self.podman("import", "--quiet", str(archive), BASE)
        archive.unlink()
        shutil.rmtree(root)

    def start(self, image: str, name: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Run an image as safely as one can: nothing may be written but /tmp and the volume, and nothing gained."""
        variables = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
        return subprocess.Popen(
            ["podman", "--runtime", "runc", "run", "--rm", "--name", name, *LIMITS, "--network", "host",
             "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,size=256m,mode=1777",
             "--cap-drop", "all", "--security-opt", "no-new-privileges", *variables, image, *arguments],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def remove(self) -> None:
        """End what runs, and take the store away."""
        self.podman("rm", "--all", "--force", "--volumes", check=False)
        self.podman("rmi", "--all", "--force", check=False)
        self.do("umount", str(self.folder / "store" / "overlay"), check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
