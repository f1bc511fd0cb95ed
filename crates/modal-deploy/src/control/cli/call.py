"""Calls a deployed function with Modal's own package.

A JSON object on standard input says which one; the last line of standard output is a JSON object
that says how it went. No argument and no secret is ever on the command line.
"""

import base64
import json
import signal
import sys
import traceback

import cbor2
import modal
from modal import exception


def interrupted(_signal, _frame):
    raise SystemExit("interrupted")


def look_up(request):
    """The function, and the version of it that will answer, if one can be had."""
    place = {"environment_name": request["environment"]}
    name = (request["app"], request["function"])
    version = request["version"]
    if version is not None:
        try:
            function = modal.Function.from_name(*name, version=version, **place)
            function.hydrate()
            return function, version
        except (exception.NotFoundError, exception.AuthError):
            raise
        except TypeError:
            why = "this version of Modal's package cannot"
        except exception.Error as error:
            if isinstance(error, (exception.ServiceError, exception.InternalError)):
                raise
            why = str(error)
        print(f"Modal does not let us pin the version of the call: {why}", file=sys.stderr)
    function = modal.Function.from_name(*name, **place)
    function.hydrate()
    return function, None


def outcome_of(call, timeout):
    try:
        value = call.get(timeout=timeout)
    except exception.FunctionTimeoutError as error:
        return {"failed": {"status": "TIMEOUT", "exception": str(error), "traceback": ""}}
    except exception.InternalFailure as error:
        return {"failed": {"status": "INTERNAL_FAILURE", "exception": str(error), "traceback": ""}}
    except exception.RemoteError as error:
        return {"failed": {"status": "FAILURE", "exception": str(error), "traceback": ""}}
    except TimeoutError:
        call.cancel()
        return {"timed-out": True}
    except (exception.ServiceError, exception.ConnectionError, exception.AuthError):
        call.cancel()
        raise
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        return {"failed": {"status": "FAILURE", "exception": repr(error), "traceback": text}}
    except BaseException:
        call.cancel()
        raise
    return {"value": base64.b64encode(cbor2.dumps(value)).decode("ascii")}


def main():
    signal.signal(signal.SIGTERM, interrupted)
    request = json.load(sys.stdin)
    try:
        function, version = look_up(request)
        call = function.spawn(request["payload"])
        outcome = outcome_of(call, request["timeout"])
    except exception.Error as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    print(json.dumps({"call-id": call.object_id, "version": version, **outcome}), flush=True)


main()
