"""Builds PufferLib 3.0.0 into the Python that runs this: its trainer, and of its own environments the C CartPole.

Its setup.py downloads libraries of physics to build all environments at once; CartPole needs none of them. So the
environments are left out, and CartPole's extension is compiled here with PufferLib's own flags.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import urllib.request
from pathlib import Path

import numpy

# Not through pip, which runs setup.py to look at a source package, and this one fails without its environments.
SOURCE = "https://files.pythonhosted.org/packages/7c/e1/5292f9b69c6263707b40ba04a87e6b9bcc177281d31092f77afd90c412f1/"
NAME = "pufferlib-3.0.0"
SHA256 = "7df3a3e3f5f894d78d2a1f5374097890aec01473183e748abefe4f3faa10eaa9"
# Those of its setup.py.
FLAGS = ["-O2", "-flto", "-shared", "-fPIC", "-fwrapv", "-DPLATFORM_DESKTOP", "-Wl,-Bsymbolic-functions"]
FLAGS += ["-DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION", "-Wno-implicit-function-declaration"]


def fetch(folder):
    """Downloads and unpacks the source."""
    archive = folder / f"{NAME}.tar.gz"
    urllib.request.urlretrieve(SOURCE + archive.name, archive)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{archive.name} is not the file that it was")
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    return folder / NAME


def install_trainer(source):
    """Installs the package, and builds its kernel for advantages against the torch that is here."""
    setup = source / "setup.py"
    # NO_OCEAN leaves out the environments, but then setup.py lacks this name.
    setup.write_text(setup.read_text().replace("c_extensions = []\n", "c_extensions = c_extension_paths = []\n", 1))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    environment = {**os.environ, "NO_OCEAN": "1"}
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", str(source)], env=environment, check=True)


def build_cartpole(source):
    """Compiles the C CartPole into the installed package."""
    installed = Path(sysconfig.get_path("platlib")) / "pufferlib" / "ocean" / "cartpole"
    original = source / "pufferlib" / "ocean" / "cartpole"
    (raylib,) = source.glob("raylib-*")  # which the source package brings along
    installed.mkdir(exist_ok=True)
    shutil.copy(original / "cartpole.py", installed)
    includes = [f"-I{path}" for path in (sysconfig.get_path("include"), numpy.get_include(), raylib / "include")]
    target = installed / f"binding{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = [os.environ.get("CC", "cc"), *FLAGS, *includes]
    sources = [str(original / "binding.c"), str(raylib / "lib" / "libraylib.a")]
    subprocess.run([*compiler, *sources, "-lm", "-o", str(target)], check=True)


with tempfile.TemporaryDirectory() as folder:
    source = fetch(Path(folder))
    install_trainer(source)
    build_cartpole(source)
