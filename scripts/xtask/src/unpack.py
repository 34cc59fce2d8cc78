"""Unpacks of each wheel what a C++ program needs of libtorch. Usage: unpack.py FOLDER cpu|cuda WHEEL...

The wheels' own layout is kept: the libraries find each other by paths relative to themselves.
Run with the python3 that runs pip, so set-up needs nothing else.
"""
import os
import re
import sys
import zipfile

PYTHON_ONLY = r"lib(torch_python|torch_global_deps|shm)\."
CUDA_ONLY = r"lib(torch_cuda|torch_nvshmem|torch_cuda_linalg|c10_cuda|caffe2_nvrtc)\."
LIBRARY = r"\.(so(\.[0-9]+)*|dylib)$"


def wanted(name, variant):
    folder, _, file = name.rpartition("/")
    if folder == "torch/include" or folder.startswith("torch/include/"):
        return True
    if not re.search(LIBRARY, file) or re.match(PYTHON_ONLY, file):
        return False
    if folder == "torch/lib":
        # On Linux libtorch.so only pulls in the CUDA half; the linker script below takes its place.
        return variant == "cuda" or not (re.match(CUDA_ONLY, file) or file == "libtorch.so")
    if variant == "cuda":
        return folder.startswith("nvidia/")
    return bool(re.match(r"lib(cudart|cupti)\.", file))


def unpack(target, variant, wheels):
    for number, wheel in enumerate(wheels, 1):
        with zipfile.ZipFile(wheel) as archive:
            members = [m for m in archive.infolist() if wanted(m.filename, variant)]
            size = sum(m.file_size for m in members) / 1e6
            print(f"[{number}/{len(wheels)}] {os.path.basename(wheel)}: {len(members)} files, {size:.0f} MB", flush=True)
            archive.extractall(target, members)
    library = os.path.join(target, "torch", "lib")
    if sys.platform == "linux" and variant == "cpu":
        with open(os.path.join(library, "libtorch.so"), "w") as script:
            script.write("INPUT(libtorch_cpu.so libc10.so)\n")
    with open(os.path.join(target, "torch", "build-version"), "w") as version:
        version.write("2.11.0\n")


try:
    unpack(sys.argv[1], sys.argv[2], sys.argv[3:])
except (OSError, zipfile.BadZipFile) as error:
    sys.exit(f"error: {error}")
