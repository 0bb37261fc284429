"""What a session is asked about models and tapes: to start one afresh, to keep what was recorded, to encode a sound, how late
they are.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from graph import Patch, PatchError, wire
from graph.editing import Edit
from graph.edits import SetData
from graph.groups import Inside
from graph.subpatch import flatten
from nodes import models

from . import encoding, tapes
from .swap import OUTPUTS

if TYPE_CHECKING:
    from .session import Session

_said: WeakKeyDictionary[Session, dict[str, str]] = WeakKeyDictionary()  # node → why its model cannot be played, as was said
WAIT = 10.0
"""Seconds that a plan may take."""


def _playing(session: Session, path: str) -> str:
    """What the engine calls the node at `path` ("sub/inner").  Raises PatchError."""
    with session.lock:
        found = session.now_playing.follower.find(path, "bypass")
    return session.engine.plan.names.get(found.place[0], path)


def reload(session: Session, name: str) -> None:
    """Lets a model start afresh: from its file as it is now, without what it remembers.  Raises PatchError."""
    node = _playing(session, name)
    with session.lock:
        flat = flatten(session.patch)
    before = flat.spec(name)
    trusted(session)
    if flat.spec(name) is before:  # else another file is faded in
        session.engine.reload(node)


def trusted(session: Session) -> None:
    """Looks at all model files anew: one was trusted, or has changed."""
    models.forget()
    look(session)
    session._tell({"kind": "models"})


def look(session: Session) -> None:
    """Takes a model file that was written anew, or has come back; says of each that cannot be played why, once."""
    with session.lock:
        flat = flatten(session.patch)
        names = [n for n, d in flat.nodes.items() if d.type == models.Model.id]
        if names:
            session.now_playing.follower.told()  # it asks for every declaration, and plans where one is another now
        before = _said.get(session, {})
        _said[session] = {n: text for n in names if (text := _unfit(flat, n))}
    for name, text in _said[session].items():
        if before.get(name) != text:
            session.error(f"node {name}: {text}")


def _unfit(flat: Patch, name: str) -> str:
    """Why the model that a node names cannot be played; "" where it can, or it names none yet."""
    spec, settings = flat.base(name), flat.nodes[name].settings
    try:
        if spec is not None and spec.shaped is not None and settings.get("file"):
            spec.shaped(settings, flat.folder)
    except PatchError as error:
        return error.text
    return ""


def keep(session: Session, name: str) -> None:
    """Puts what a latent tape recorded into the patch, as an edit.  Raises PatchError."""
    node = _playing(session, name)
    path = tapes.recorded(session.engine, node)
    if not len(path):
        raise PatchError(f"node {name} has recorded nothing")
    edit: Edit = SetData(name.rpartition("/")[2], "path", path.tolist())
    for sub in reversed(name.split("/")[:-1]):
        edit = Inside(sub, edit)
    session.op({"do": wire.to_map(edit)})
    _forget(session, [name])  # its table holds the same as what was recorded


def _forget(session: Session, names: list[str]) -> None:
    """Lets tapes play what the patch holds, once that is what is planned."""
    session.now_playing.follower.idle.wait(WAIT)
    for name in names:
        with suppress(PatchError):
            tapes.forget(session.engine, _playing(session, name))


def encode(session: Session, name: str, sound: str) -> None:
    """Puts a sound file through the model of a node and onto the tapes at its outlets, as one edit.

    Raises PatchError at once where that cannot be (`encoding.prepare`).  The rest is done beside the session: it tells
    what `encoding.event` makes, in the end that the sound is `kept`; or an error.
    """
    with session.lock:
        session.flush()
        patch = session.patch.copy()
    job = encoding.prepare(patch, name, Path(sound))
    threading.Thread(target=_encode, args=(session, job), name="encoding", daemon=True).start()


def _encode(session: Session, job: encoding.Job) -> None:
    session._tell(encoding.event(job))
    try:
        paths = encoding.run(job, lambda *far: session._tell(encoding.event(job, *far)), session._stopping.is_set)
        with session.lock:
            edit = encoding.edit(session.patch, job, paths)
            session.op({"do": wire.to_map(edit)})
            names = encoding.goals(session.patch, job)
        _forget(session, names)
        session._tell(encoding.event(job, kept=names))
    except (PatchError, OSError) as error:
        if not session._stopping.is_set():
            session.error(str(error))


def late(session: Session) -> dict[str, dict[str, Any]]:
    """How late models, and what hears them, are: node → seconds that zrack adds (`transport`), seconds of the models' own
    (`delay`, None where one is not known), hops of its own that came too late (`late`).
    """
    engine, plan = session.engine, session.engine.plan
    out = {}
    for node, lag in list(plan.lags.items()):
        port = plan.ports.get(node)
        if lag.total or port:
            own = lag.delay / engine.rate if lag.known else None
            out[node] = {"transport": float(lag.transport) / engine.rate, "delay": own, "late": port.late[0] if port else 0}
    return out


def heard_late(session: Session) -> float:
    """Seconds by which the longest way to an output is late because of models: what zrack adds, and their own where known."""
    plan = session.engine.plan
    heard = [lag.total for node, lag in list(plan.lags.items()) if (spec := plan.specs.get(node)) and spec.id in OUTPUTS]
    return max(heard, default=0.0) / session.engine.rate
