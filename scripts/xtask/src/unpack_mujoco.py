"""Unpacks of a wheel what a program needs of MuJoCo. Usage: unpack_mujoco.py FOLDER mujoco WHEEL

The library goes where programs look for it at run time, under the name that the linker looks for too.
"""
import os
import re
import sys
import zipfile

LIBRARY = r"mujoco/libmujoco\.(so\.[0-9.]+|[0-9.]+dylib)$"


def unpack(target, wheel):
    folder = os.path.join(target, "lib")
    os.makedirs(folder)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            file = os.path.basename(member)
            if "/licenses/" in member and file:
                place = os.path.join(target, file)
            elif re.match(LIBRARY, member):
                # The library's SONAME, under which programs look for it.
                inner = "mujoco.framework/Versions/A/" if file.endswith(".dylib") else ""
                place = os.path.join(folder, inner + file)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                link = "libmujoco.dylib" if inner else "libmujoco.so"
                os.symlink(inner + file, os.path.join(folder, link))
            else:
                continue
            with open(place, "wb") as copy:
                copy.write(archive.read(member))


try:
    unpack(sys.argv[1], sys.argv[3])
except (OSError, zipfile.BadZipFile) as error:
    sys.exit(f"error: {error}")
