"""Protobuf classes made by protoc, at run time: the judge of what we encode by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

REMOTE_WRITE = Path(__file__).with_name("remote_write.proto")
REMOTE_WRITE_2 = REMOTE_WRITE.with_name("remote_write_2.proto")


@cache
def message_classes(proto: Path) -> Mapping[str, Any]:
    """Return the messages of a .proto file without imports, by full name (`package.Message`).

    In a pool of their own, so that they clash with no other copy of the same schema.
    """
    with tempfile.TemporaryDirectory() as place:
        compiled = Path(place, "compiled")
        arguments = [f"--proto_path={proto.parent}", f"--descriptor_set_out={compiled}", proto.name]
        if protoc.main(["protoc", *arguments]) != 0:
            raise ValueError(f"protoc refuses {proto}")  # it has said why on stderr
        files = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name for file in files.file], pool)


def write_request_class() -> Any:
    """Return the class of a remote write 1.0 body, as it is after snappy."""
    return message_classes(REMOTE_WRITE)["edgevitals.lab.WriteRequest"]


def request_2_class() -> Any:
    """Return the class of a remote write 2.0 body, as it is after snappy."""
    return message_classes(REMOTE_WRITE_2)["edgevitals.lab.v2.Request"]
