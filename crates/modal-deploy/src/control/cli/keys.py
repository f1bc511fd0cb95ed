"""Lists the secrets of an environment with their keys, or changes single keys of one of them.

A JSON object on standard input says which; the last line of standard output is a JSON object. It
ends with 3 where this version of Modal's package cannot do it, before anything is changed.
"""

import asyncio
import json
import sys

try:
    from modal import exception
    from modal.client import _Client
    from modal_proto import api_pb2

    ListPagination = api_pb2.ListPagination
    SecretGetOrCreateRequest = api_pb2.SecretGetOrCreateRequest
    SecretListRequest = api_pb2.SecretListRequest
    SecretUpdateRequest = api_pb2.SecretUpdateRequest
    Unimplemented = exception.UnimplementedError
    LOOK_UP = api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED
    CREATE_IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
except (ImportError, AttributeError) as error:
    print(f"this version of Modal's package cannot: {error}", file=sys.stderr)
    sys.exit(3)

PAGE = 100


async def listed(stub, environment):
    found = {}
    before = 0.0
    while True:
        pagination = ListPagination(max_objects=PAGE, created_before=before)
        request = SecretListRequest(environment_name=environment, pagination=pagination)
        page = (await stub.SecretList(request)).items
        known = len(found)
        for item in page:
            found.setdefault(
                item.secret_id,
                {
                    "name": item.label,
                    "id": item.secret_id,
                    "keys": list(item.metadata.keys),
                    "created-at": item.created_at,
                },
            )
        # A full page without news would be asked for for ever.
        if len(page) < PAGE or len(found) == known:
            return {"secrets": list(found.values())}
        before = page[-1].created_at


async def changed(stub, environment, name, keys):
    """Sets the keys that have a value, and removes the others."""
    given = {key: value for key, value in keys.items() if value is not None}
    request = SecretGetOrCreateRequest(
        deployment_name=name,
        environment_name=environment,
        object_creation_type=CREATE_IF_MISSING if given else LOOK_UP,
        env_dict=given,
    )
    try:
        secret_id = (await stub.SecretGetOrCreate(request)).secret_id
    except exception.NotFoundError:
        if given:
            raise
        return {"made": True}
    update = SecretUpdateRequest.Update
    updates = [
        update(key=key) if value is None else update(key=key, value=value)
        for key, value in keys.items()
    ]
    try:
        await stub.SecretUpdate(SecretUpdateRequest(secret_id=secret_id, updates=updates))
    except Unimplemented:
        return {"made": False}
    return {"made": True}


async def main():
    request = json.load(sys.stdin)
    environment = request["environment"]
    try:
        client = await _Client.from_env()
        # Its name before 1.1.
        stub = getattr(client, "_stub", None) or client.stub
        if request["change"] is None:
            answer = await listed(stub, environment)
        else:
            answer = await changed(stub, environment, request["name"], request["change"])
    except exception.Error as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    print(json.dumps(answer), flush=True)


asyncio.run(main())
