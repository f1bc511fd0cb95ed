"""Answers one call of a deployed function from inside its image.

The control plane puts the call into `in/` before the container starts and reads the answer from
`out/` after it has ended. The client package of Modal does the decoding, the import and the
encoding, as it does in a container of the real service.
"""

import asyncio
import faulthandler
import importlib.machinery
import json
import os
import sys
import time
import traceback

HOME = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HOME, "out")

# The client must be the one of the deploy; what it needs itself comes last, so that the image's
# own packages win.
CLIENT = ("modal", "modal_proto", "modal_version")


def read(name):
    with open(os.path.join(HOME, "in", name), "rb") as file:
        return file.read()


def write(name, data):
    with open(os.path.join(OUT, name), "wb") as file:
        file.write(data)


def answer(**fields):
    text = json.dumps(fields).encode("utf-8", "replace")
    write("answer.part", text)
    os.replace(os.path.join(OUT, "answer.part"), os.path.join(OUT, "answer.json"))


def plain(text):
    """Text without lone surrogates, which no other language reads."""
    return text.encode("utf-8", "replace").decode("utf-8")


def failed(kind, exc, **fields):
    text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
    answer(kind=kind, exception=plain(repr(exc)), traceback=plain(text), **fields)


class ClientFinder:
    """Finds Modal's client in `folder` before anywhere else."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if path is None and name in CLIENT:
            return importlib.machinery.PathFinder.find_spec(name, [self.folder])
        return None


def use_client(call):
    version = "%d.%d" % sys.version_info[:2]
    folder = os.path.join(HOME, "packages", version)
    if not os.path.isdir(folder):
        answer(kind="no-client", exception=version, traceback="")
        return False
    sys.path[0] = "/root"
    sys.path.append(folder)
    sys.meta_path.insert(0, ClientFinder(folder))

    import modal
    from modal._runtime.task_lifecycle_manager import _TaskLifecycleManager
    from modal_proto import api_pb2

    # `modal.is_local()` asks whether there is one.
    _TaskLifecycleManager(call["task_id"], call["function_id"], api_pb2.Function(), None, None)
    if modal.is_local():
        raise RuntimeError("this version of the Modal client does not see that it runs remotely")
    return True


def load(call):
    """The user's function, as Modal's own container finds it."""
    from modal._runtime import execution_context, user_code_imports
    from modal._serialization import deserialize
    from modal_proto import api_pb2

    definition = api_pb2.Function(
        module_name=call["module"],
        function_name=call["function"],
        implementation_name=call["implementation"],
        app_name=call["app"],
    )
    code = read("function.bin")
    with execution_context._import_context():
        own = deserialize(code, None) if code else None
        service = user_code_imports.import_single_function_service(definition, own)
    found = service.get_finalized_functions(definition, None)[""]
    return found.callable, found.is_async


def run(call, function, is_async):
    from modal._runtime import execution_context
    from modal._serialization import (
        deserialize_data_format,
        pickle_exception,
        pickle_traceback,
        serialize_data_format,
    )
    from modal_proto import api_pb2

    data_format = call["data_format"]
    execution_context._set_current_context_ids([call["input_id"]], [call["call_id"]], [""])
    started = time.time()
    write("started", b"")
    # A thread without the interpreter's lock: it ends even a call that hangs in C.
    faulthandler.dump_traceback_later(call["timeout"], exit=True)
    try:
        raw = read("args.bin")
        args, kwargs = deserialize_data_format(raw, data_format, None) if raw else ((), {})
        value = function(*args, **kwargs)
        if is_async:
            value = asyncio.run(value)
        data = serialize_data_format(value, data_format)
    except BaseException as exc:
        faulthandler.cancel_dump_traceback_later()
        if exc.__traceback__.tb_next:  # the frame of this file says nothing to anyone
            exc.__traceback__ = exc.__traceback__.tb_next
        if data_format == api_pb2.DATA_FORMAT_PICKLE:
            write("data", pickle_exception(exc))
            frames, lines = pickle_traceback(exc, call["task_id"])
            write("frames", frames)
            write("lines", lines)
        failed("raised", exc, started=started)
    else:
        faulthandler.cancel_dump_traceback_later()
        write("data", data)
        answer(kind="returned", exception="", traceback="", started=started)


def main():
    call = json.loads(read("call.json"))
    try:
        if not use_client(call):
            return
        function, is_async = load(call)
    except BaseException as exc:
        try:
            from modal._serialization import pickle_exception

            write("data", pickle_exception(exc))
        except BaseException:
            pass
        failed("not-loaded", exc)
        return
    run(call, function, is_async)


if __name__ == "__main__":
    main()
    # Threads that the user's code left behind must not keep the container.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
