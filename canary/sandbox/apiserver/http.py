"""The HTTP face of the API: paths and methods to verbs, and verbs' outcomes to answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from canary.sandbox.apiserver import discovery, openapi
from canary.sandbox.apiserver.api import Api, Edit, Written, bind
from canary.sandbox.apiserver.bodies import (
    json_response,
    media_type,
    parse_json,
    parse_yaml,
    read_object,
)
from canary.sandbox.apiserver.deletion import DeleteOptions, delete, target_of
from canary.sandbox.apiserver.errors import (
    bad_request,
    method_not_allowed,
    unknown_path,
    unsupported_media_type,
)
from canary.sandbox.apiserver.objects import Json
from canary.sandbox.apiserver.patches import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    json_patch,
    merge_patch,
    strategic_merge,
)
from canary.sandbox.apiserver.reads import ReadOptions, Watch, list_page
from canary.sandbox.apiserver.representations import View, negotiate
from canary.sandbox.apiserver.reviews import review
from canary.sandbox.apiserver.scale import change_scale, scale_of
from canary.sandbox.apiserver.writes import Target, WriteOptions

HEALTH = frozenset({"/healthz", "/livez", "/readyz"})
PUBLIC = HEALTH | {"/version"}


class Frontend:
    """Answers one authenticated request at a time; knows no sockets and no tokens."""

    def __init__(self, api: Api, stopping: asyncio.Event, bookmark_seconds: float) -> None:
        self._api = api
        self._stopping = stopping
        self._bookmark_seconds = bookmark_seconds

    async def answer(self, request: Request) -> Response:
        """Answer a request; raises ``ApiError`` for everything that fails."""
        path = request.url.path.rstrip("/") or "/"
        if path in HEALTH or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return Response("ok", media_type="text/plain")
        fixed = self._document(path, request.headers.get("accept", ""))
        if fixed is not None:
            if request.method not in {"GET", "HEAD"}:
                raise method_not_allowed()
            body, kind = fixed
            response = json_response(body)
            response.headers["content-type"] = kind
            return response
        target = self._target(path.strip("/").split("/"))
        return await self._resource(request, target, dict(request.query_params))

    def _document(self, path: str, accept: str) -> tuple[Any, str] | None:
        """Return a document that is no resource, with its content type."""
        registry = self._api.registry
        parts = path.strip("/").split("/")
        plain = "application/json"
        match parts:
            case ["version"]:
                return discovery.VERSION, plain
            case ["api" | "apis"] if discovery.wants_aggregated(accept):
                return discovery.aggregated(registry, core=parts[0] == "api"), discovery.AGGREGATED
            case ["api" | "apis", *_] if len(parts) <= 2 + (parts[0] == "apis"):
                return _found(discovery.plain(registry, parts)), plain
            case ["openapi", *rest]:
                return _found(openapi.answer(registry, rest)), plain
        return None

    def _target(self, parts: list[str]) -> Target:
        """Find the resource that a path names; raises 404."""
        match parts:
            case ["api", version, *rest]:
                group = ""
            case ["apis", group, version, *rest]:
                pass
            case _:
                raise unknown_path()
        namespace = ""
        if len(rest) >= 3 and rest[0] == "namespaces" and not (len(rest) == 3 and rest[2] == "status"):
            namespace, rest = rest[1], rest[2:]
        if not 1 <= len(rest) <= 3:
            raise unknown_path()
        resource = self._api.registry.find(group, version, rest[0])
        if resource is None or (namespace and not resource.namespaced):
            raise unknown_path()
        name, subresource = (*rest[1:], "", "")[:2]
        if subresource and subresource not in resource.subresources | _EXTRA.get(resource.key, frozenset()):
            raise unknown_path()
        return Target(resource, version, namespace, name, subresource)

    async def _resource(self, request: Request, target: Target, query: dict[str, str]) -> Response:
        method = request.method
        if target.name and target.resource.namespaced and not target.namespace:
            raise unknown_path()
        if target.resource.verbs == ("create",):
            if method != "POST" or target.name:
                raise method_not_allowed()
            return json_response(review(target, await read_object(request)), 201)
        view = View(
            target,
            negotiate(request.headers.get("accept", "")),
            query.get("includeObject", "Metadata"),
            self._api.clock(),
        )
        if method == "GET" and query.get("watch") in {"true", "1"}:
            return self._watch(view, ReadOptions.parse(target, query))
        if target.name:
            return await self._item(request, view, query)
        return await self._collection(request, view, query)

    def _watch(self, view: View, options: ReadOptions) -> Response:
        watch = Watch(self._api, view, options, self._bookmark_seconds)
        return StreamingResponse(watch.frames(self._stopping), media_type="application/json")

    async def _collection(self, request: Request, view: View, query: dict[str, str]) -> Response:
        target = view.target
        match request.method:
            case "GET":
                objects, metadata = list_page(self._api, target, ReadOptions.parse(target, query))
                return json_response(view.many(objects, metadata))
            case "POST":
                if target.resource.namespaced and not target.namespace:
                    raise method_not_allowed()
                body = await read_object(request)
                return _written(view, self._api.create(target, body, _options(request, query)))
            case "DELETE":
                options = DeleteOptions.parse(await read_object(request), query)
                objects, metadata = list_page(self._api, target, ReadOptions.parse(target, query))
                for obj in objects:
                    delete(self._api, target_of(self._api, target.resource.key, obj), options)
                return json_response(view.many(objects, metadata))
        raise method_not_allowed()

    async def _item(self, request: Request, view: View, query: dict[str, str]) -> Response:
        api, target = self._api, view.target
        match request.method, target.subresource:
            case "GET", "scale":
                return json_response(scale_of(target, api.get(target)))
            case "GET", _:
                return json_response(view.one(api.get(target)))
            case "POST", "binding":
                bind(api, target, await read_object(request), _options(request, query))
                return json_response(_success(), 201)
            case "PUT", "scale":
                body = await read_object(request)
                return json_response(
                    change_scale(api, target, lambda _: body, _options(request, query)).object
                )
            case "PUT", _:
                body = await read_object(request)
                return _written(view, api.update(target, body, _options(request, query)))
            case "PATCH", _:
                return await self._patch(request, view, query)
            case "DELETE", "":
                options = DeleteOptions.parse(await read_object(request), query)
                return _deleted(view, delete(api, target, options))
        raise method_not_allowed()

    async def _patch(self, request: Request, view: View, query: dict[str, str]) -> Response:
        target, kind = view.target, media_type(request)
        accepted = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
        if not target.resource.is_custom:
            accepted.append(STRATEGIC_PATCH)
        if kind not in accepted:
            raise unsupported_media_type(accepted)
        raw = await request.body()
        options = _options(request, query)
        if kind == APPLY_PATCH:
            if not query.get("fieldManager"):
                raise bad_request(
                    "PatchOptions is invalid: fieldManager: Required value: is required for apply patch"
                )
            return _written(view, self._api.apply(target, parse_yaml(raw), options))
        edit = _edit(target, kind, parse_json(raw))
        if target.subresource == "scale":
            return json_response(change_scale(self._api, target, edit, options).object)
        return _written(view, self._api.patch(target, edit, options))


# Subresources that discovery does not list.
_EXTRA: Mapping[str, frozenset[str]] = {"pods": frozenset({"binding"})}


def _found(document: Json | None) -> Json:
    if document is None:
        raise unknown_path()
    return document


def _edit(target: Target, kind: str, patch: Any) -> Edit:
    if kind == JSON_PATCH:
        return lambda document: json_patch(document, patch)
    if not isinstance(patch, dict):
        raise bad_request(f"the patch must be a JSON object, found {type(patch).__name__}")
    if kind == MERGE_PATCH:
        return lambda document: merge_patch(document, patch)
    return lambda document: strategic_merge(target.resource.kind, document, patch)


def _options(request: Request, query: Mapping[str, str]) -> WriteOptions:
    agent = request.headers.get("user-agent", "").partition("/")[0]
    dry_run = query.get("dryRun", "")
    if dry_run not in {"", "All"}:
        raise bad_request(f'dryRun: Unsupported value: "{dry_run}": supported values: "All"')
    validation = query.get("fieldValidation") or "Warn"
    if validation not in {"Strict", "Warn", "Ignore"}:
        raise bad_request(
            f'fieldValidation: Unsupported value: "{validation}": supported: Ignore, Strict, Warn'
        )
    return WriteOptions(
        manager=query.get("fieldManager") or agent or "unknown",
        dry_run=dry_run == "All",
        validation=validation,
        force=query.get("force") in {"true", "1"},
    )


def _written(view: View, written: Written) -> Response:
    response = json_response(view.one(written.object), 201 if written.created else 200)
    for text in written.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{escaped}"')
    return response


def _deleted(view: View, written: Written) -> Response:
    """Answer a deletion: the object while it stays (and for pods and services always), else a Status."""
    resource = view.target.resource
    if not written.removed or resource.key in {"pods", "services"}:
        return json_response(view.one(written.object))
    details = {"name": view.target.name, "group": resource.group, "kind": resource.plural}
    details["uid"] = written.object["metadata"]["uid"]
    return json_response(_success() | {"details": {k: v for k, v in details.items() if v}})


def _success() -> Json:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
